"""In the jail: runs a notebook's cells and answers probes over the wire.

Everything here runs beside student code and may be patched by it. That gains
nothing: what is right is decided elsewhere, from the arrays that come back.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import signal
import socket
import sys
import time
import types
from typing import Any

from autograder import answering
from autograder.sandbox import gpu, wire

SHELL_LINE = re.compile(r"^\s*(!|%(pip|conda|system|sx|cd|env)\b)")
SHELL_CELL = re.compile(r"^\s*%%(bash|sh|script|system|sx|html|javascript|js)\b")
QUIET_CELL = re.compile(r"^\s*%%(time|timeit|capture|writefile)\b.*\n?")


class CellTimeout(BaseException):
    """A cell took longer than it may; not an Exception, so that `except` passes it."""


class Notebook:
    """The cells of one submission and the names they made."""

    def __init__(self, output_kb: float):
        self.limit = int(output_kb * 1024)
        self.shell = shell()
        self.namespace = self.shell.user_ns

    def run(self, cell: dict) -> dict[str, Any]:
        """Runs one cell; an error in it is told, not raised."""
        start = time.monotonic()
        printed = Capped(self.limit)  # what earlier cells left of it
        source, notes = neutralise(cell["source"])
        error = None
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            alarm(cell["seconds"]),
        ):
            try:
                self._execute(cell["id"], source)
            except BaseException as raised:
                error = self._describe(raised, cell)
        self.limit -= len(printed.getvalue())
        return {
            "id": cell["id"],
            "ok": error is None,
            "error": error,
            "stdout": printed.getvalue(),
            "notes": notes,
            "seconds": round(time.monotonic() - start, 3),
        }

    def _execute(self, name: str, source: str) -> None:
        """Runs a cell as IPython would, under a file name that is the cell's own."""
        self.shell.compile.get_code_name = lambda raw, code, number: f"<{name}>"
        done = self.shell.run_cell(source, store_history=False)
        raised = done.error_before_exec or done.error_in_exec
        if raised is not None:
            raise raised

    def _describe(self, raised: BaseException, cell: dict) -> dict[str, Any]:
        told = answering.describe(raised)
        if isinstance(raised, SyntaxError):
            line = (raised.text or "").strip()[:200]
            told["message"] = str(raised.msg)
            told["lines"] = [[cell["id"], raised.lineno or 0, line]]
        if isinstance(raised, CellTimeout):
            told["message"] = f"The cell took longer than {cell['seconds']:g} s."
        return told


class Capped(io.StringIO):
    """Keeps the first characters written to it and drops the rest."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit

    def write(self, text: str) -> int:
        room = self.limit - self.tell()
        if room > 0:
            super().write(text[:room])
        return len(text)


@contextlib.contextmanager
def alarm(seconds: float):
    """Raises `CellTimeout` in the code below after `seconds`."""

    def ring(number, frame):
        raise CellTimeout

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def neutralise(source: str) -> tuple[str, list[str]]:
    """Takes out what cannot run here: shell commands and installations.

    Lines keep their numbers, so that errors point where the student looks.
    """
    if SHELL_CELL.match(source):
        return "", ["skipped a cell of another language or the shell"]
    source = QUIET_CELL.sub("\n", source)
    lines, notes = source.split("\n"), []
    for number, line in enumerate(lines):
        if SHELL_LINE.match(line):
            indent = line[: len(line) - len(line.lstrip())]
            lines[number] = f"{indent}pass"
            notes.append(f"skipped `{line.strip()[:80]}`")
    return "\n".join(lines), notes


@functools.lru_cache
def shell():
    """Returns IPython's shell, without history, colours or a terminal.

    It is made once, in the zygote, and forked with it.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.autoindent = False
    made = InteractiveShell.instance(config=config)
    made.showtraceback = made.showsyntaxerror = lambda *args, **kwargs: None
    return made


def stand_ins() -> None:
    """Puts harmless modules where a notebook expects Colab and the checks."""

    def nothing(*args, **kwargs):
        return None

    real = sys.modules["autograder"]
    face = types.ModuleType("autograder")
    face.check = face.hint = face.needs = face.pack = face.watch = nothing
    face.__version__ = real.__version__  # the set-up cell asks, and looks no further
    face.earlier = lambda name, fallback: fallback
    face.__path__ = []
    # What notebooks are given to work with is no secret: it knows nothing of checks.
    face.datasets = sys.modules["autograder.datasets"]
    face.given = sys.modules["autograder.given"]
    colab = types.ModuleType("google.colab")
    for name in ("drive", "files", "output", "userdata", "auth"):
        part = types.ModuleType(f"google.colab.{name}")
        for verb in (
            "mount",
            "download",
            "upload",
            "clear",
            "get",
            "authenticate_user",
        ):
            setattr(part, verb, nothing)
        part.flush_and_unmount = nothing
        setattr(colab, name, part)
        sys.modules[part.__name__] = part
    sys.modules.setdefault("google", types.ModuleType("google"))
    sys.modules["google"].colab = colab
    sys.modules["google.colab"] = colab
    sys.modules["autograder"] = face


def claimed(memory_mb: float) -> dict[str, str]:
    """Takes a GPU; returns where tensors will lie, and why it is not there."""
    try:
        return {"device": gpu.claim(memory_mb), "message": ""}
    except Exception as error:
        return {"device": gpu.NONE, "message": answering.describe(error)["message"]}


def serve(sock: socket.socket, limits: dict) -> None:
    """Answers the grader's requests until it says goodbye or goes away."""
    # Taken now: a notebook may shadow or patch what the modules hold later.
    receive, send = wire.receive, wire.send
    conversation = answering.Conversation()
    ask, rest = conversation.ask, conversation.rest
    stand_ins()
    notebook = Notebook(limits["output_kb"])
    while True:
        try:
            request = receive(sock)
        except wire.Closed:
            return
        if request["do"] == "bye":
            return
        if request["do"] == "claim":  # before a cell has run: it can be believed
            reply = claimed(limits["gpu_memory_mb"])
        elif request["do"] == "run":
            rest()
            reply = [notebook.run(cell) for cell in request["cells"]]
        else:
            reply = ask(request["probe"], notebook.namespace)
        try:
            send(sock, reply)
        except wire.ProtocolError as error:
            send(sock, {"error": answering.describe(error), "facts": {}, "arrays": {}})
