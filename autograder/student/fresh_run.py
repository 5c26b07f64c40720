"""A notebook run in a process of its own, watched from the student's."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKING = "AUTOGRADER_PACKING"
PACKAGE = Path(__file__).resolve().parents[2]
START = (
    "import sys; sys.path.append({!r}); "
    "from autograder.student.rerunning import main; main()"
)


@dataclass
class FreshRun:
    """What came of running a notebook from top to bottom."""

    outcome: str = "not run"
    """`complete`, `errors`, `incomplete`, `timeout`, `interrupted`, `ended`, `not run`;
    incomplete where nothing failed but what waits for unwritten exercises."""
    results: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    failed: list[tuple[int, str, bool]] = field(default_factory=list)
    """Cells that raised: number from 1, what, and whether for an unwritten exercise."""
    last_cell: int = 0
    """The cell that began last, from 1."""
    seconds: float = 0.0

    def warnings(self) -> Iterator[str]:
        """Yields what a student should know of the run."""
        where = f"code cell {self.last_cell}" if self.last_cell else "its start"
        if self.outcome == "timeout":
            yield (
                f"The notebook was still at {where} after {self.seconds:.0f} s and was "
                "stopped. Does a loop never end? Else: pack(seconds=3600)."
            )
        elif self.outcome == "interrupted":
            yield f"The run was interrupted at {where}; pack again when all is done."
        elif self.outcome == "ended":
            yield (
                f"Python ended at {where}. Does it end the process, or need more "
                "memory than there is?"
            )
        elif self.outcome == "not run":
            yield "The notebook was not run; pack again without `run=False`."
        for number, error, _ in [f for f in self.failed if not f[2]][:3]:
            yield f"Code cell {number} of the fresh run raised {error}."


def run_fresh(
    cells: list[str],
    assignment: str,
    folder: Path,
    seconds: float,
    progress: Callable[[int, int], None],
) -> FreshRun:
    """Runs code cells from top to bottom in a fresh process, in a folder.

    Interrupting it ends that process; so does the end of its time.
    """
    ran, start = FreshRun(outcome="ended"), time.monotonic()
    process = _start({"cells": cells, "assignment": assignment}, folder)
    lines: queue.Queue = queue.Queue()
    threading.Thread(target=_listen, args=(process, lines), daemon=True).start()
    try:
        while True:
            left = start + seconds - time.monotonic()
            line = lines.get(timeout=max(left, 0.01))
            if line is None:
                break
            if left <= 0:
                raise queue.Empty
            _note(json.loads(line), ran)
            progress(ran.last_cell - 1 if not ran.versions else len(cells), len(cells))
    except queue.Empty:
        ran.outcome = "timeout"
    except KeyboardInterrupt:
        ran.outcome = "interrupted"
    finally:
        _end(process)
        ran.seconds = time.monotonic() - start
    if ran.versions and ran.outcome == "ended":
        errors = any(not unwritten for *_, unwritten in ran.failed)
        ran.outcome = "incomplete" if ran.failed else "complete"
        ran.outcome = "errors" if errors else ran.outcome
    return ran


def _start(job: dict, folder: Path) -> subprocess.Popen:
    env = {**os.environ, PACKING: "1", "MPLBACKEND": "agg"}
    env.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    process = subprocess.Popen(
        [sys.executable, "-c", START.format(str(PACKAGE))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=env,
        start_new_session=os.name == "posix",
    )
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(job).encode())
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    return process


def _listen(process: subprocess.Popen, lines: queue.Queue) -> None:
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _note(event: dict[str, Any], ran: FreshRun) -> None:
    if "cell" in event:
        ran.last_cell = event["cell"] + 1
    elif "failed" in event:
        error, waits = event["error"], any(unwritten for *_, unwritten in ran.failed)
        unwritten = event["unwritten"] or (waits and error.startswith("NameError"))
        ran.failed.append((event["failed"] + 1, error, unwritten))
    elif "result" in event:
        ran.results.append(event["result"])
    elif "versions" in event:
        ran.versions = event["versions"]


def _end(process: subprocess.Popen) -> None:
    """Ends the process and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
