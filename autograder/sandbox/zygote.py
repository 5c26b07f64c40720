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
import gc
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time

from autograder.sandbox import (
    cgroup,
    foresight,
    gpu,
    jail,
    kernel,
    root,
    scratch,
    seccomp,
)

POLL_SECONDS = 0.03
REQUEST_BYTES = 64 * 1024
JAILED = b"jailed"
# Eigen's own matrix product: the other is compiled anew in each fork, in 20 ms.
QUICK_START = {"TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL": "0"}
IMPORTED = (
    "numpy.random",
    "secrets",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "IPython.core.interactiveshell",
    "keras",
    "autograder.answering",
    "autograder.differentiating",
    "autograder.given",
    "autograder.thrift",
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
)


def preload() -> dict:
    """Imports what notebooks need; returns the facts of the environment."""
    import importlib

    gc.disable()  # none of this is garbage, and a tenth of the time went into looking
    for name in IMPORTED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import keras

    backend = keras.backend.backend()
    module = importlib.import_module({"tensorflow": "tensorflow"}.get(backend, backend))
    if backend == "tensorflow":
        # Loaded lazily otherwise, in the middle of a student's first `fit`.
        importlib.import_module("tensorflow.python.autograph.pyct.loader")
    from autograder import thrift
    from autograder.datasets import registry
    from autograder.sandbox.worker import shell

    with contextlib.suppress(registry.DatasetError):  # a course may have no data
        registry.hold()  # a notebook may load what it was given, and sees no disk
    shell()
    root.hidden_package()
    with contextlib.suppress(OSError):
        seccomp.program(1)
    # Nobody has seen yet what a build for GPUs does when it lists its kernels.
    if backend == "tensorflow" and os.environ.get("AUTOGRADER_DEVICE") != "gpu":
        foresight.look_up()
        thrift.spared()
    gc.enable()
    gc.collect()
    gc.freeze()  # or a fork's collector would touch, and so copy, all of it
    kernel.into_large_pages()
    return {
        "python": sys.version.split()[0],
        "keras": keras.__version__,
        "backend": backend,
        "backend_version": module.__version__,
    }


def guard() -> None:
    """Raises where a fork would hang its child: another thread, TensorFlow, a GPU."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"the zygote has {threads} threads")
    context = sys.modules.get("tensorflow.python.eager.context")
    current = getattr(context, "_context", None)
    if current is not None and getattr(current, "_initialized", False):
        raise RuntimeError("TensorFlow has run an operation in the zygote")
    if gpu.touched():
        raise RuntimeError("the zygote has opened a GPU")


def serve(control: socket.socket) -> None:
    """Answers requests until the grader goes away, then sees the last sessions out."""
    facts = preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # monitors are not waited for
    guard()
    control.sendall(json.dumps(facts).encode() + b"\n")
    place = None
    while True:
        try:
            data, handles, _, _ = socket.recv_fds(control, REQUEST_BYTES, 3)
        except OSError:
            break
        if not data:
            break
        request = json.loads(data)
        place = os.path.dirname(request["scratch"])
        try:
            guard()
            if os.fork() == 0:
                control.close()
                _monitor(request, handles)
        except (RuntimeError, OSError) as error:
            report = {"reason": "confinement", "message": str(error)}
            with contextlib.suppress(OSError):
                os.write(handles[2], json.dumps(report).encode())
        for handle in handles:
            os.close(handle)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    if place is not None:
        scratch.sweep(place)  # only what a killed grader no longer holds


def _monitor(request: dict, handles: list[int]) -> None:
    """Forks the child, watches it, reports. Never returns.

    It outlives a killed zygote; where the grader is gone, its status socket says so.
    """
    wire, output, status = handles
    report: dict = {"reason": "confinement", "message": "the monitor failed"}
    place = group = None
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        kernel.control(kernel.PR_SET_CHILD_SUBREAPER, 1)
        limits, plan = request["limits"], jail.Plan(**request["plan"])
        if plan.cgroup:
            # What the watchdog counts, the scratch directory, and room for both.
            memory = limits["memory_mb"] + limits["file_mb"] + 128
            group = cgroup.Group(memory, int(limits["threads"]) + 1)
        user = jail.outer(plan)
        if not plan.namespaces:
            place = scratch.make(request["scratch"], limits["file_mb"], user)
        gate, opened = os.pipe()
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(opened)
            _child(request, plan, user, (wire, output, tell, gate), place)
        if group is not None:
            group.add(child)
        for handle in (wire, output, gate, opened, tell):
            os.close(handle)
        report = _watch(child, status, limits, place)
        # Nothing comes where it was killed on the way, an error where a wall failed.
        if report["reason"] != "cancelled" and (error := os.read(told, 500)) != JAILED:
            message = error.decode(errors="replace") or "it was ended"
            report |= {"reason": "confinement", "message": message}
        if report["reason"] == "signal" and report["code"] == -signal.SIGKILL:
            # Not by the watchdog, and the filter lets none kill itself: by the
            # kernel for memory, or by somebody outside.
            told = "memory" if group and group.out_of_memory() else "lost"
            report["reason"] = told
    except OSError as error:
        report = {"reason": "confinement", "message": str(error)}
    finally:
        with contextlib.suppress(BaseException):
            _end_orphans()
        if place is not None:
            scratch.remove(place)
        if group is not None:
            group.remove()
        with contextlib.suppress(OSError):
            os.write(status, json.dumps(report).encode())
            os.close(status)  # the grader need not wait for this process's own end
        os._exit(0)


def _child(
    request: dict,
    plan: jail.Plan,
    user: int | None,
    handles: tuple[int, int, int, int],
    place: str | None,
):
    """Jails itself and serves. Never returns."""
    # Out of the way first: their places are about to be taken.
    wire, output, tell, gate = (os.dup2(h, 200 + i) for i, h in enumerate(handles))
    try:
        null = os.open("/dev/null", os.O_RDONLY)
        for target, source in ((0, null), (1, output), (2, output), (3, wire)):
            os.dup2(source, target)
        tell, gate = os.dup2(tell, 4), os.dup2(gate, 5)
        if not plan.bare:
            os.closerange(6, max(4096, os.sysconf("SC_OPEN_MAX")))
            os.environ.clear()
            place = jail.enter(plan, request["limits"], place, user)
            for name in ("HOME", "TMPDIR", "MPLCONFIGDIR", "KERAS_HOME", "IPYTHONDIR"):
                os.environ[name] = place
            os.environ["PATH"] = "/usr/bin:/bin"
            os.environ.update(gpu.of_fork(request.get("gpu")))
            tempfile.tempdir = None  # cached in the zygote; AutoGraph writes there
            sys.path[:] = [path for path in sys.path if "site-packages" in path] + [
                path for path in sys.path if path.startswith(sys.base_prefix)
            ]
        os.environ.update(QUICK_START)
        from autograder import thrift
        from autograder.sandbox import worker

        if not request.get("gpu"):
            thrift.plain_operations()
        # The kernel takes its time to move a process to another control group, so the
        # walls went up meanwhile; no student's line runs before it is there.
        os.read(gate, 1)
        os.close(gate)
        os.write(tell, JAILED)
        os.close(tell)
        worker.serve(socket.socket(fileno=3), request["limits"])
        os._exit(0)
    except BaseException as error:
        with contextlib.suppress(BaseException):
            os.write(tell, f"{type(error).__name__}: {error}".encode())
        os._exit(70)


def _watch(child: int, status: int, limits: dict, place: str | None) -> dict:
    """Waits for the child's end; kills it at a limit or when the grader asks.

    `place` is the scratch directory, watched where the kernel does not bound it.
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
        else:
            memory, threads = kernel.usage(child)
            baseline = memory if baseline is None else min(baseline, memory)
            peak = max(peak, memory - baseline)
            if memory - baseline > limits["memory_mb"]:
                reason = "memory"
            elif threads > limits["threads"]:
                reason = "threads"
            elif time.monotonic() - start > limits["wall_seconds"]:
                reason = "wall"
            elif place and scratch.overfull(place, limits["file_mb"]):
                reason = "disk"
        if reason != "exited":
            _kill(child)
            _, code, usage = os.wait4(child, 0)
            break
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


def _end_orphans() -> None:
    """Kills what a child without walls left running: it is ours by adoption."""
    own = f"/proc/self/task/{os.getpid()}/children"
    for _ in range(100):
        with open(own) as file:
            orphans = [int(pid) for pid in file.read().split()]
        if not orphans:
            return
        for pid in orphans:
            _kill(pid)
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as control_socket:
        serve(control_socket)
