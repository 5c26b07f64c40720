"""The grader's side: a zygote kept alive, and a session per submission."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autograder.course import Limits
from autograder.sandbox import jail, landlock, seccomp, wire

START_SECONDS = 120
FORKS_PER_ZYGOTE = 500

CANARY = """
import os, socket, sys
def tried(action):
    try:
        action()
    except BaseException:
        return 0.0
    return 1.0
def connect():
    with socket.socket() as s:
        s.settimeout(0.2); s.connect(("127.0.0.1", PORT))
leaks = dict(
    read=tried(lambda: open(SECRET).read()),
    write=tried(lambda: open(SECRET + ".planted", "w").close()),
    network=tried(connect),
    process=tried(lambda: os.kill(PID, 0)),
    fork=tried(lambda: os.fork() or os._exit(0)),
)
def canary(name):
    import keras
    return keras.ops.convert_to_tensor([leaks[name]])
"""


class ConfinementError(Exception):
    """This machine cannot confine student code as asked; the message has the mend."""


class SessionLost(Exception):
    """The process that ran a submission is gone.

    Attributes:
        reason: `timeout`, `memory`, `cpu`, `disk`, `crashed`, `protocol` or
            `confinement`.
        message: one sentence for the student.
    """

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason, self.message = reason, message


@dataclass(frozen=True)
class Ending:
    """How a session's process ended."""

    reason: str = "unknown"
    code: int = 0
    cpu_seconds: float = 0.0
    peak_mb: float = 0.0
    wall_seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class Layer:
    """One layer of confinement, for `autograder doctor`."""

    name: str
    active: bool
    stops: str
    mend: str


class Sandbox:
    """Runs student code in jailed forks of one warm process; thread-safe.

    Args:
        limits: what a submission may use.
        minimum: the layers that must be active, such as `"namespaces"`; `"none"`
            allows running unconfined.
        device: `"cpu"`, or `"gpu"` to let workers see the GPU.

    Raises:
        ConfinementError: the minimum cannot be had here.
    """

    def __init__(
        self, limits: Limits, *, minimum: str | None = None, device: str = "cpu"
    ):
        if not sys.platform.startswith("linux") and minimum != "none":
            raise ConfinementError(
                f"Student code cannot be confined on {sys.platform}; grade in a Linux "
                "container, or pass --allow-unconfined."
            )
        self.limits, self.device = limits, device
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._control: socket.socket | None = None
        self._forks = 0
        self.environment: dict[str, str] = {}
        self.plan = self._strongest(minimum)

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

    def session(self, limits: Limits | None = None) -> Session:
        """Forks a jailed process for one submission."""
        return self._open(self.plan, limits or self.limits)

    def ladder(self) -> list[Layer]:
        """Returns every layer, what it stops, and how to get it where it is missing."""
        active = set(self.isolation.split("+"))
        return [
            Layer(name, name in active, stops, mend) for name, stops, mend in _LADDER
        ]

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
            "HOME": "/nonexistent",
            "AUTOGRADER_DEVICE": self.device,
        }
        if self.device == "cpu":
            environment["CUDA_VISIBLE_DEVICES"] = "-1"
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
        self._control, self._forks = ours, 0
        self._drain(self._process.stderr)
        self.environment = json.loads(line)

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
            self._process.kill()
            self._process.wait()
            self._process = None

    def _open(self, plan: jail.Plan, limits: Limits) -> Session:
        wire_ours, wire_theirs = socket.socketpair()
        status_ours, status_theirs = socket.socketpair()
        output_ours, output_theirs = os.pipe()
        request = {"plan": asdict(plan), "limits": asdict(limits)}
        theirs = [wire_theirs.fileno(), output_theirs, status_theirs.fileno()]
        try:
            with self._lock:
                self._ready()
                data = json.dumps(request).encode()
                socket.send_fds(self._control, [data], theirs)
                self._forks += 1
        finally:
            wire_theirs.close()
            status_theirs.close()
            os.close(output_theirs)
        return Session(wire_ours, status_ours, output_ours, limits)

    def _ready(self) -> None:
        """Sees that a zygote is there, and a fresh one after many forks."""
        dead = self._process is None or self._process.poll() is not None
        if dead or self._forks >= FORKS_PER_ZYGOTE:
            # A zygote's end would kill its running sessions, so an old one that is
            # merely worn out is left to finish them and dies with its socket.
            if dead:
                self._stop()
            elif self._control is not None:
                self._control.close()
            self._start()

    # --- which layers work here ---

    def _strongest(self, minimum: str | None) -> jail.Plan:
        if minimum == "none" and not sys.platform.startswith("linux"):
            return jail.Plan()
        lock, filters = landlock.version() > 0, seccomp.available()
        candidates = [
            jail.Plan(True, lock, filters),
            jail.Plan(True, False, False),
            jail.Plan(False, lock, filters),
        ]
        for plan in candidates:
            if plan.name != "none" and self._holds(plan):
                return self._enough(plan, minimum)
        return self._enough(jail.Plan(), minimum)

    def _enough(self, plan: jail.Plan, minimum: str | None) -> jail.Plan:
        if minimum == "none":
            return plan
        wanted = set((minimum or "").split("+")) - {""}
        strong = plan.namespaces or (plan.landlock and plan.seccomp)
        if not strong or not wanted <= set(plan.name.split("+")):
            raise ConfinementError(
                "Student code cannot be confined on this machine (`autograder doctor` "
                "says what is missing); pass --allow-unconfined to run it anyway."
            )
        return plan

    def _holds(self, plan: jail.Plan) -> bool:
        """Lets a canary try what a submission must not; honest work must succeed."""
        import tempfile

        with (
            tempfile.NamedTemporaryFile("w", suffix=".secret") as secret,
            socket.create_server(("127.0.0.1", 0)) as listener,
        ):
            secret.write("a hidden value")
            secret.flush()
            facts = f"SECRET={secret.name!r}\nPORT={listener.getsockname()[1]}\n"
            cell = facts + f"PID={os.getpid()}\n" + CANARY
            try:
                with self._open(plan, self.limits) as session:
                    ran = session.run([{"id": "canary", "source": cell, "seconds": 20}])
                    leaks = {name: _leak(session, name) for name in _LEAKS}
                    if ran[0]["error"] or None in leaks.values():
                        return False
            except SessionLost:
                return False
        allowed = set() if plan.seccomp else {"fork"}
        return not any(leaks[name] for name in _LEAKS if name not in allowed)


_LEAKS = ("read", "write", "network", "process", "fork")
_LADDER = (
    (
        "namespaces",
        "sight of any file, process or network but its own",
        "allow user namespaces, or run as root with CAP_SYS_ADMIN",
    ),
    (
        "landlock",
        "reading and writing files by paths that were not granted",
        "use Linux 5.13 or newer with Landlock enabled",
    ),
    (
        "seccomp",
        "new processes, sockets, and signals to others",
        "install libseccomp2",
    ),
)


def _leak(session: Session, name: str) -> bool | None:
    probe = {
        "id": name,
        "action": "call",
        "spec": {"target": "canary", "calls": [{"args": [name]}]},
    }
    answer = session.ask(probe, 30)
    array = answer["arrays"].get("0/0")
    return None if array is None else bool(array.any())


class Session:
    """A conversation with one jailed process."""

    def __init__(
        self, sock: socket.socket, status: socket.socket, output: int, limits: Limits
    ):
        self._sock, self._status, self._limits = sock, status, limits
        self._ending: Ending | None = None
        self._deadline = time.monotonic() + limits.wall_seconds + 5
        self._printed = bytearray()
        self._drainer = threading.Thread(
            target=self._drain, args=(output,), daemon=True
        )
        self._drainer.start()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def run(self, cells: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Runs cells; returns what became of each.

        Args:
            cells: dictionaries with `id`, `source` and `seconds`.

        Raises:
            SessionLost: a limit was hit, or the process ended itself.
        """
        cells = list(cells)
        reply = self._exchange({"do": "run", "cells": cells}, None)
        if not isinstance(reply, list) or len(reply) != len(cells):
            raise self._lost("protocol")
        return [
            _cell_outcome(told, cell) for told, cell in zip(reply, cells, strict=True)
        ]

    def ask(self, probe: dict[str, Any], seconds: float) -> Any:
        """Puts a probe; returns the answer as it came, unchecked.

        Raises:
            SessionLost: no answer within `seconds`, or the process ended itself.
        """
        return self._exchange({"do": "ask", "probe": probe}, seconds)

    def _exchange(self, request: dict, seconds: float | None) -> Any:
        remaining = self._deadline - time.monotonic()
        allowed = remaining if seconds is None else min(seconds, remaining)
        try:
            self._sock.settimeout(max(allowed, 0.01))
            wire.send(self._sock, request)
            return wire.receive(self._sock, seconds=max(allowed, 0.0))
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
            reason = {
                "wall": "timeout",
                "cpu": "cpu",
                "memory": "memory",
                "disk": "disk",
                "confinement": "confinement",
            }.get(ending.reason, "crashed")
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
        self._drainer.join(timeout=2)
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


def _why(reason: str, limits: Limits, ending: Ending) -> str:
    """Says in one sentence for the student why a process was lost."""
    return {
        "timeout": "It ran out of time: look for a loop that never ends.",
        "cpu": f"It used more than {limits.cpu_seconds:g} s of processor time.",
        "memory": f"It used more than {limits.memory_mb:g} MB of memory.",
        "disk": f"It wrote more than {limits.file_mb:g} MB, or too many files.",
        "protocol": "What it sent back was not understood.",
        "confinement": f"It could not be started: {ending.message}",
    }.get(reason, f"The process ended itself (exit code {ending.code}).")


def _cell_outcome(told: Any, cell: dict) -> dict[str, Any]:
    """Returns a cell's outcome with every part of the type it should be."""
    told = told if isinstance(told, dict) else {}
    error = told.get("error")
    if error is not None:
        lines = error.get("lines") if isinstance(error, dict) else None
        error = {
            "type": str(error.get("type", "Error"))[:80]
            if lines is not None
            else "Error",
            "message": str(error.get("message", ""))[:2000]
            if lines is not None
            else "",
            "lines": [
                [str(line[0])[:200], line[1] if type(line[1]) is int else 0]
                + [str(line[2])[:200]]
                for line in (lines if isinstance(lines, list) else [])[:8]
                if isinstance(line, list) and len(line) == 3
            ],
        }
    seconds = told.get("seconds")
    notes = told.get("notes")
    return {
        "id": cell["id"],
        "ok": error is None,
        "error": error,
        "stdout": str(told.get("stdout", ""))[:262_144],
        "notes": [str(n)[:200] for n in notes[:20]] if isinstance(notes, list) else [],
        "seconds": float(seconds) if isinstance(seconds, (int, float)) else 0.0,
    }
