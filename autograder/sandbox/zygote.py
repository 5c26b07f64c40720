"""A process that has imported everything, run nothing, and forks per submission.

`python -m autograder.sandbox.zygote FD` serves requests on a Unix socket. A request
comes with three descriptors: the child's end of the wire, its output pipe, and a
status socket. For each, the zygote forks a *monitor*, which forks the jailed child,
watches it, kills it, and reports how it ended. The zygote holds no secret: not in
memory, not in its environment, not among its arguments.

Forking TensorFlow is safe only as long as no operation has run: `guard` looks before
every fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time

from autograder.sandbox import jail, kernel

POLL_SECONDS = 0.03
REQUEST_BYTES = 64 * 1024


def preload() -> dict:
    """Imports what notebooks need; returns the facts of the environment."""
    import importlib

    for name in (
        "numpy.random",
        "secrets",
        "matplotlib.pyplot",
        "matplotlib.backends.backend_agg",
        "IPython.core.interactiveshell",
        "keras",
        "autograder.answering",
        "autograder.differentiating",
        "autograder.sandbox.worker",
        "pydoc",
        "ast",
        "zipfile",
        "h5py",
        "encodings.cp437",
        "encodings.idna",
        "encodings.latin_1",
        "concurrent.futures.thread",
        "multiprocessing.pool",
        "sklearn.datasets",
    ):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import keras

    backend = keras.backend.backend()
    module = importlib.import_module({"tensorflow": "tensorflow"}.get(backend, backend))
    if backend == "tensorflow":
        # Loaded lazily otherwise, in the middle of a student's first `fit`.
        importlib.import_module("tensorflow.python.autograph.pyct.loader")
    from autograder.sandbox.worker import shell

    shell()
    return {
        "python": sys.version.split()[0],
        "keras": keras.__version__,
        "backend": backend,
        "backend_version": module.__version__,
        "device": "gpu" if os.environ.get("AUTOGRADER_DEVICE") == "gpu" else "cpu",
    }


def guard() -> None:
    """Raises where a fork would hang its child: another thread, or TensorFlow awake."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"the zygote has {threads} threads")
    context = sys.modules.get("tensorflow.python.eager.context")
    current = getattr(context, "_context", None)
    if current is not None and getattr(current, "_initialized", False):
        raise RuntimeError("TensorFlow has run an operation in the zygote")


def serve(control: socket.socket) -> None:
    """Answers requests until the grader goes away."""
    facts = preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # monitors are not waited for
    guard()
    control.sendall(json.dumps(facts).encode() + b"\n")
    number = 0
    while True:
        data, handles, _, _ = socket.recv_fds(control, REQUEST_BYTES, 3)
        if not data:
            return
        number += 1
        try:
            guard()
            if os.fork() == 0:
                control.close()
                _monitor(json.loads(data), handles, number)
        except (RuntimeError, OSError) as error:
            with contextlib.suppress(OSError):
                os.write(handles[2], json.dumps({"reason": f"{error}"}).encode())
        for handle in handles:
            os.close(handle)


def _monitor(request: dict, handles: list[int], number: int) -> None:
    """Forks the child, watches it, reports. Never returns."""
    wire, output, status = handles
    report: dict = {"reason": "confinement", "message": "the monitor failed"}
    scratch = tempfile.mkdtemp(prefix="autograder-scratch-")
    try:
        kernel.control(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        plan = jail.Plan(**request["plan"])
        if os.geteuid() == 0 and jail.can_change_user(plan):
            plan = jail.Plan(**{**request["plan"], "uid": jail.FIRST_UID + number})
            os.chown(scratch, plan.uid, plan.uid)
        jail.outer_namespaces(plan)
        child = os.fork()
        if child == 0:
            _child(request, plan, wire, output, scratch)
        os.close(wire)
        os.close(output)
        watched = None if plan.namespaces else scratch
        report = _watch(child, status, request["limits"], watched)
    except OSError as error:
        report = {"reason": "confinement", "message": str(error)}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.write(status, json.dumps(report).encode())
        os._exit(0)


def _child(request: dict, plan: jail.Plan, wire: int, output: int, scratch: str):
    """Jails itself and serves. Never returns."""
    try:
        null = os.open("/dev/null", os.O_RDONLY)
        wire = os.dup2(os.dup(wire), 200)
        for target, source in ((0, null), (1, output), (2, output), (3, wire)):
            os.dup2(source, target)
        os.closerange(4, 4096)
        os.environ.clear()
        scratch = jail.enter(plan, request["limits"], scratch)
        for name in ("HOME", "TMPDIR", "MPLCONFIGDIR", "KERAS_HOME", "IPYTHONDIR"):
            os.environ[name] = scratch
        os.environ["PATH"] = "/usr/bin:/bin"
        tempfile.tempdir = None  # cached in the zygote; AutoGraph writes there
        sys.path[:] = [path for path in sys.path if "site-packages" in path] + [
            path for path in sys.path if path.startswith(sys.base_prefix)
        ]
        from autograder.sandbox import worker

        worker.serve(socket.socket(fileno=3), request["limits"])
        os._exit(0)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(70)


def _watch(child: int, status: int, limits: dict, scratch: str | None) -> dict:
    """Waits for the child's end; kills it at a limit or when the grader asks.

    `scratch` is watched for size where the kernel does not bound it.
    """
    start = time.monotonic()
    peak, reason = 0.0, "exited"
    baseline = None
    while True:
        done, code, usage = os.wait4(child, os.WNOHANG)
        if done:
            break
        if select.select([status], [], [], POLL_SECONDS)[0]:
            reason = "cancelled"
            _kill(child)
            continue
        memory = _memory_mb(child)
        baseline = memory if baseline is None else min(baseline, memory)
        peak = max(peak, memory - baseline)
        if memory - baseline > limits["memory_mb"]:
            reason = "memory"
        elif time.monotonic() - start > limits["wall_seconds"]:
            reason = "wall"
        elif scratch and _overfull(scratch, limits["file_mb"]):
            reason = "disk"
        if reason != "exited":
            _kill(child)
    ended = os.waitstatus_to_exitcode(code)
    if reason == "exited" and ended < 0:
        reason = "cpu" if -ended == signal.SIGXCPU else "signal"
    cpu = usage.ru_utime + usage.ru_stime
    if reason in ("signal", "exited") and cpu >= limits["cpu_seconds"]:
        reason = "cpu"
    return {
        "reason": reason,
        "code": ended,
        "cpu_seconds": round(cpu, 3),
        "peak_mb": round(peak, 1),
        "wall_seconds": round(time.monotonic() - start, 3),
    }


def _kill(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    # The leader of a session of its own: what it started goes with it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def _overfull(scratch: str, limit_mb: float) -> bool:
    """Does a directory hold more files or bytes than a submission may write?"""
    files, size, waiting = 0, 0, [scratch]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                files += 1
                if files > jail.INODES or size > limit_mb * (1 << 20):
                    return True
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    size += entry.stat(follow_symlinks=False).st_size
    return size > limit_mb * (1 << 20)


def _memory_mb(pid: int) -> float:
    """Returns memory that is the process's own, in MiB."""
    try:
        with open(f"/proc/{pid}/status") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        parts = (fields.get("RssAnon", "0"), fields.get("RssShmem", "0"))
        return sum(int(part.split()[0]) for part in parts) / 1024
    except (OSError, ValueError, IndexError):
        return 0.0


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as control_socket:
        serve(control_socket)
