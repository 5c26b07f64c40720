"""The grader's side: a zygote kept alive, and a session per submission."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from autograder.course import Limits
from autograder.sandbox import wire

if sys.platform.startswith("linux"):
    from autograder.sandbox import cgroup, gpu, jail, kernel, ladder, root, scratch

START_SECONDS = 120
GROWTH_MB = 100  # of a zygote's own memory; then a fresh one takes its place
SESSION_BYTES = 32 << 20  # what one process may say in all
GRACE_SECONDS = 2  # for a cell to notice that its time is up
CLAIM_SECONDS = 60  # for the driver to start in a fork
PLACE_SECONDS = 5  # for a place on a GPU; then the CPU is as good

CONTAINER = "docs/container.md has a container recipe"


class ConfinementError(Exception):
    """This machine cannot confine student code as asked; the message has the mend."""


class SessionLost(Exception):
    """The process that ran a submission is gone.

    Attributes:
        reason: `timeout`, `memory`, `cpu`, `disk`, `threads`, `crashed`, `protocol`,
            or, where it is no fault of the submission's, `confinement` or `lost`.
        message: one sentence for the student.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason, self.message = reason, message

    @property
    def ours(self) -> bool:
        """Did the grader's side fail, so that asking again may go well?"""
        return self.reason in ("confinement", "lost")


@dataclass(frozen=True)
class Ending:
    """How a session's process ended."""

    reason: str = "unknown"
    code: int = 0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    wall_seconds: float = 0.0
    message: str = ""


class Sandbox:
    """Runs student code in jailed forks of one warm process; thread-safe.

    Args:
        limits: what a submission may use.
        minimum: the layers that must be active, such as `"namespaces"`; `"none"`
            allows running unconfined.
        device: `"cpu"`, or `"gpu"` to give each session a place on a GPU. Where there
            is none, or none can be used in the jail, it is the CPU all the same, and
            `no_gpu` says why.
        secrets: folders that no submission may read, such as the course's.
        without: layers to do without, for trying what a poorer machine can do.

    Raises:
        ConfinementError: the minimum cannot be had here.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        minimum: str | None = None,
        device: str = "cpu",
        secrets: Iterable[Path] = (),
        without: Iterable[str] = (),
    ):
        refuse_elsewhere()
        seen = root.exposed([str(path) for path in secrets])
        if seen and minimum != "none":
            raise ConfinementError(
                f"{seen} lies among the libraries that student code reads; move it "
                "out of there, to a folder of its own."
            )
        self.limits, self.device = limits, device
        self.no_gpu = ""
        self._places: queue.Queue[str] = queue.Queue()
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._worn: list[subprocess.Popen] = []
        self._drainers: list[threading.Thread] = []
        self._control: socket.socket | None = None
        self._memory_mb = 0.0
        self.environment: dict[str, str] = {}
        cgroup.sweep()
        self._scratch = scratch.Base()
        try:
            self.plan, self.holes = ladder.strongest(
                # With a GPU, what the walls leave open for it is tried too.
                lambda plan: self._open(
                    replace(plan, gpu=device == "gpu" and not plan.bare), limits
                ),
                frozenset(without),
            )
            self._require(minimum)
            if device == "gpu":
                self._find_gpus()
        except BaseException:
            self.close()
            raise

    @property
    def isolation(self) -> str:
        """The layers in use, proved by canaries: `namespaces+landlock+seccomp`."""
        return self.plan.name

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        """Ends the zygote, and with it every session."""
        with self._lock:
            self._stop()
            for drainer in self._drainers:
                drainer.join(timeout=2)
        self._scratch.close()

    def session(self, limits: Limits | None = None) -> Session:
        """Forks a jailed process for one submission, on a GPU where it is to be."""
        limits = limits or self.limits
        on_gpu = self._on_gpu(limits) if self.device == "gpu" else None
        return on_gpu or self._open(self.plan, limits)

    def on_cpu(self) -> OnCpu:
        """Returns this sandbox as one whose sessions see no GPU."""
        return OnCpu(self)

    @property
    def places(self) -> int | None:
        """How many sessions at once have a GPU; None where they need none."""
        return self._room if self.device == "gpu" else None

    def _find_gpus(self) -> None:
        """Makes the places on the GPUs; without any, the CPU does it."""
        gpus = gpu.found()
        places = gpu.places(gpus, self.limits.gpu_memory_mb, self.limits.gpu_workers)
        for id in places:
            self._places.put(id)
        self._room = len(places)
        if not gpus:
            self.no_gpu = "nvidia-smi shows none that this process may use"
        elif not places:
            self.no_gpu = (
                f"none has {self.limits.gpu_memory_mb + gpu.CONTEXT_MB:g} MB free"
            )
        else:
            first = self._on_gpu(self.limits)
            if first is not None:
                first.close()
        if self.no_gpu:
            self.device = "cpu"
        self.environment["device"] = self.device

    def _on_gpu(self, limits: Limits) -> Session | None:
        """Opens a session on a GPU; None, with the reason kept, where that fails."""
        try:
            place = self._places.get(timeout=PLACE_SECONDS)
        except queue.Empty:
            return None
        session = None
        try:
            plan = replace(self.plan, gpu=True)
            session = self._open(plan, limits, place, lambda: self._places.put(place))
            told = session.claim()
        except SessionLost as lost:
            told = {"device": "cpu", "message": lost.message}
        except BaseException:
            if session is None:
                self._places.put(place)
            else:
                session.close()
            raise
        if told["device"] == "gpu":
            return session
        session.close()
        self.no_gpu = told["message"] or "TensorFlow sees none in the jail"
        return None

    def ladder(self) -> list[ladder.Layer]:
        """Returns every layer, what it stops, and how to get it where it is missing."""
        return ladder.ladder(self.plan)

    # --- the zygote ---

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        package = str(Path(__file__).parents[2])
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": package,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "ignore",
            "OPENBLAS_NUM_THREADS": "1",  # its threads would make forking unsafe
            "OMP_NUM_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "KERAS_BACKEND": "tensorflow",
            "MPLBACKEND": "agg",
            "MPLCONFIGDIR": "/nonexistent",
            "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # fewer pages to fork
            "HOME": "/nonexistent",
            "AUTOGRADER_DEVICE": self.device,
            "CUDA_VISIBLE_DEVICES": "-1",  # a fork that may use one has its own
        }
        if self.device == "gpu":
            environment |= gpu.of_zygote()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "autograder.sandbox.zygote",
                str(theirs.fileno()),
            ],
            pass_fds=[theirs.fileno()],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        theirs.close()
        ours.settimeout(START_SECONDS)
        line = b""
        while not line.endswith(b"\n"):
            part = ours.recv(65536)
            if not part:
                error = self._process.stderr.read().decode(errors="replace")
                last = error.strip().splitlines()[-1:] or ["no reason given"]
                ours.close()
                raise ConfinementError(f"The worker cannot start: {last[0]}")
            line += part
        self._control = ours
        self._memory_mb, _ = kernel.usage(self._process.pid)
        self._drain(self._process.stderr)
        self.environment = {**json.loads(line), "device": self.device}

    @staticmethod
    def _drain(stream) -> None:
        def swallow():
            with contextlib.suppress(OSError, ValueError):
                while stream.read(65536):
                    pass

        threading.Thread(target=swallow, daemon=True).start()

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            # Its socket is closed, so it ends by itself once its sessions have; a
            # session goes on without it.
            self._process.kill()
            self._process.wait()
            self._process = None
        for process in self._worn:
            process.kill()
            process.wait()
        self._worn = []

    def _open(
        self,
        plan: jail.Plan,
        limits: Limits,
        place: str | None = None,
        leave: Callable[[], None] | None = None,
    ) -> Session:
        """Forks. `place` names the GPU; `leave` is called when the session is over."""
        wire_ours, wire_theirs = socket.socketpair()
        status_ours, status_theirs = socket.socketpair()
        output_ours, output_theirs = os.pipe()
        request = {
            "plan": asdict(plan),
            "limits": asdict(limits),
            "scratch": self._scratch.path,
            "gpu": place,
        }
        theirs = [wire_theirs.fileno(), output_theirs, status_theirs.fileno()]
        try:
            with self._lock:
                self._ready()
                self._send(json.dumps(request).encode(), theirs)
        finally:
            wire_theirs.close()
            status_theirs.close()
            os.close(output_theirs)
        session = Session(wire_ours, status_ours, output_ours, limits, leave)
        with self._lock:
            going = [drainer for drainer in self._drainers if drainer.is_alive()]
            self._drainers = [*going, session.drainer]
        return session

    def _ready(self) -> None:
        """Sees that a zygote is there, and a fresh one where it has grown.

        It has no reason to: its forks do the work.
        """
        dead = self._process is None or self._process.poll() is not None
        if dead:
            self._stop()
            self._start()
        elif kernel.usage(self._process.pid)[0] > self._memory_mb + GROWTH_MB:
            # Its socket's end tells it to end, once its sessions have.
            self._control.close()
            self._worn = [p for p in self._worn if p.poll() is None] + [self._process]
            self._start()

    def _send(self, data: bytes, handles: list[int]) -> None:
        try:
            socket.send_fds(self._control, [data], handles)
        except OSError:  # it died this moment
            self._stop()
            self._start()
            socket.send_fds(self._control, [data], handles)

    def _require(self, minimum: str | None) -> None:
        if minimum == "none":
            return
        wanted = set((minimum or "").split("+")) - {""}
        if not ladder.strong(self.plan) or not wanted <= set(self.isolation.split("+")):
            raise ConfinementError(
                "Student code cannot be confined on this machine (`autograder doctor` "
                f"says what is missing, {CONTAINER}); pass --allow-unconfined to run "
                "it anyway."
            )


class OnCpu:
    """A sandbox with a GPU, as one without."""

    def __init__(self, sandbox: Sandbox):
        self._sandbox, self.limits = sandbox, sandbox.limits
        self.isolation, self.device, self.places = sandbox.isolation, "cpu", None

    @property
    def environment(self) -> dict[str, str]:
        return {**self._sandbox.environment, "device": "cpu"}

    def session(self, limits: Limits | None = None) -> Session:
        return self._sandbox._open(self._sandbox.plan, limits or self.limits)


def refuse_elsewhere() -> None:
    """Raises `ConfinementError` where this is not Linux."""
    if not sys.platform.startswith("linux"):
        raise ConfinementError(
            f"Student code runs on Linux only, and this is {sys.platform}: nothing "
            f"here could confine it. Grade in a Linux container: {CONTAINER}."
        )


class Session:
    """A conversation with one jailed process."""

    device = "cpu"

    def __init__(
        self,
        sock: socket.socket,
        status: socket.socket,
        output: int,
        limits: Limits,
        leave: Callable[[], None] | None = None,
    ):
        self._sock, self._status, self._limits = sock, status, limits
        self._leave = leave
        self._ending: Ending | None = None
        self._deadline = time.monotonic() + limits.wall_seconds + 5
        self._room = SESSION_BYTES
        self._printed = bytearray()
        self.drainer = threading.Thread(target=self._drain, args=(output,), daemon=True)
        """Ends when nothing that the session started is left."""
        self.drainer.start()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def claim(self) -> dict[str, str]:
        """Takes the GPU before a cell runs; returns `device`, and the reason if `cpu`.

        Raises:
            SessionLost: the driver ended the process.
        """
        told = self._exchange({"do": "claim"}, CLAIM_SECONDS)
        told = told if isinstance(told, dict) else {}
        self.device = "gpu" if told.get("device") == "gpu" else "cpu"
        message = plain_text(told.get("message", ""), 300)
        return {"device": self.device, "message": message}

    def run(self, cells: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Runs cells; returns what became of each.

        Args:
            cells: dictionaries with `id`, `source` and `seconds`.

        Raises:
            SessionLost: a limit was hit, or the process ended itself.
        """
        return [self._run(cell) for cell in cells]

    def _run(self, cell: dict[str, Any]) -> dict[str, Any]:
        seconds = cell["seconds"] + GRACE_SECONDS
        reply = self._exchange({"do": "run", "cells": [cell]}, seconds)
        if not isinstance(reply, list) or len(reply) != 1:
            raise self._lost("protocol")
        return _cell_outcome(reply[0], cell)

    def ask(self, probe: dict[str, Any], seconds: float) -> Any:
        """Puts a probe; returns the answer as it came, unchecked.

        Raises:
            SessionLost: no answer within `seconds`, or the process ended itself.
        """
        return self._exchange({"do": "ask", "probe": probe}, seconds)

    def _exchange(self, request: dict, seconds: float) -> Any:
        allowed = max(min(seconds, self._deadline - time.monotonic()), 0.01)
        try:
            self._sock.settimeout(allowed)
            wire.send(self._sock, request)
            answer, size = wire.receive_counted(
                self._sock, seconds=allowed, limit=min(wire.FRAME_LIMIT, self._room)
            )
            self._room -= size
            return answer
        except wire.Late:
            raise self._lost("timeout") from None
        except wire.ProtocolError:
            raise self._lost("protocol") from None
        except (wire.Closed, OSError):
            raise self._lost("crashed") from None

    def _lost(self, reason: str) -> SessionLost:
        """Ends the session; returns the exception that says why it was lost."""
        if reason == "crashed":
            # The process is going by itself: its monitor knows better why.
            ending = self._wait(cancel=False)
            reason = ending.reason if ending.reason in _TOLD else "crashed"
            reason = "timeout" if ending.reason == "wall" else reason
        else:
            ending = self._wait(cancel=True)
        return SessionLost(reason, _why(reason, self._limits, ending))

    def close(self) -> Ending:
        """Ends the process and everything it started."""
        if self._ending is None:
            with contextlib.suppress(OSError, wire.WireError):
                self._sock.settimeout(0.2)
                wire.send(self._sock, {"do": "bye"})
            self._wait(cancel=True)
        return self._ending

    def let_go(self) -> None:
        """Has the process end as `close` does, without waiting until it has.

        Its place on a GPU is free only when it is gone, so for that it is waited.
        """
        if self._leave is not None:
            self.close()
        elif self._ending is None:
            self._ending = Ending("let go")
            self._sock.close()
            self._status.close()  # which the monitor sees at once

    def _wait(self, cancel: bool) -> Ending:
        if self._ending is not None:
            return self._ending
        data = b""
        with contextlib.suppress(OSError):
            if cancel:
                self._status.shutdown(socket.SHUT_WR)
            self._status.settimeout(self._limits.wall_seconds + 10)
            while part := self._status.recv(65536):
                data += part
        self._sock.close()
        self._status.close()
        if self._leave is not None:
            self._leave()
        self.drainer.join(timeout=2)
        try:
            self._ending = Ending(**json.loads(data))
        except (ValueError, TypeError):
            self._ending = Ending("lost")
        return self._ending

    @property
    def output(self) -> str:
        """What the process printed outside its cells, up to the limit."""
        return self._printed.decode(errors="replace")

    def _drain(self, output: int) -> None:
        limit = int(self._limits.output_kb * 1024)
        with open(output, "rb", buffering=0) as stream:
            while part := stream.read(65536):
                self._printed += part[: max(0, limit - len(self._printed))]


_TOLD = ("cpu", "memory", "disk", "threads", "confinement", "lost")


def _why(reason: str, limits: Limits, ending: Ending) -> str:
    """Says in one sentence for the student why a process was lost."""
    return {
        "timeout": "It ran out of time: look for a loop that never ends.",
        "cpu": f"It used more than {limits.cpu_seconds:g} s of processor time.",
        "memory": f"It used more than {limits.memory_mb:g} MB of memory.",
        "disk": f"It wrote more than {limits.file_mb:g} MB, or too many files.",
        "threads": f"It started more than {limits.threads} threads.",
        "lost": "The process that watched it was ended from outside; grade it again.",
        "protocol": "What it sent back was not understood.",
        "confinement": f"It could not be started: {ending.message}",
    }.get(reason, f"The process ended itself (exit code {ending.code}).")


def _cell_outcome(told: Any, cell: dict) -> dict[str, Any]:
    """Returns a cell's outcome with every part of the type it should be."""
    told = told if isinstance(told, dict) else {}
    seconds, notes = told.get("seconds"), told.get("notes")
    error = told.get("error")
    return {
        "id": cell["id"],
        "ok": error is None,
        "error": None if error is None else error_told(error),
        "stdout": plain_text(told.get("stdout", ""), 262_144),
        "notes": [plain_text(n, 200) for n in notes[:20]]
        if isinstance(notes, list)
        else [],
        "seconds": seconds if type(seconds) is float and 0 <= seconds < 1e6 else 0.0,
    }


def error_told(error: Any) -> dict[str, Any]:
    """Returns an exception as a worker tells it, every part of its type and short."""
    error = error if isinstance(error, dict) else {}
    lines = error.get("lines")
    return {
        "type": plain_text(error.get("type", "Error"), 80),
        "message": plain_text(error.get("message", ""), 2000),
        "lines": [
            [plain_text(line[0], 200), _line_number(line[1]), plain_text(line[2], 200)]
            for line in (lines[:8] if isinstance(lines, list) else [])
            if isinstance(line, list) and len(line) == 3
        ],
    }


def plain_text(value: Any, limit: int) -> str:
    """Returns a string of at most `limit` characters that every encoding can hold."""
    text = value if isinstance(value, str) else ""
    return text[:limit].encode("utf-8", "replace").decode()


def _line_number(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 1 << 31 else 0
