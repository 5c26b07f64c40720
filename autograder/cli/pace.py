"""How far a run is, in words that can be read in a log file."""

from __future__ import annotations

import time
from collections.abc import Callable

from autograder.results import SubmissionResult
from autograder.safe import one_line

EVERY = 10.0  # seconds between two lines of a log
NAMED = 5


class Pace:
    """Counts what is done, how fast, and what could not be graded.

    Args:
        total: how many submissions there are.
        clock: tells seconds.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic):
        self.total, self.clock = total, clock
        self.done, self.failed = 0, []
        self.began = self.told = clock()

    def note(self, result: SubmissionResult) -> None:
        """Takes in what became of one."""
        self.done += 1
        if result.status != "graded":
            self.failed.append(f"{one_line(result.student, 32)} ({result.status})")

    def due(self) -> bool:
        """Is it time for another line? The last submission always has one."""
        now = self.clock()
        if now - self.told < EVERY and self.done < self.total:
            return False
        self.told = now
        return True

    @property
    def short(self) -> str:
        """What stands before the bar: `grading, 2 not graded`."""
        return f"grading, {len(self.failed)} not graded" if self.failed else "grading"

    @property
    def line(self) -> str:
        """`120 of 300 graded, 3.2 a second, 56 s left; not graded: omar (missing)`."""
        spent = max(self.clock() - self.began, 1e-6)
        rate = self.done / spent
        parts = [f"{self.done} of {self.total} done", f"{rate:.2g} a second"]
        if 0 < self.done < self.total:
            parts.append(f"{(self.total - self.done) / rate:.0f} s left")
        told = ", ".join(parts)
        if not self.failed:
            return told
        names = ", ".join(self.failed[:NAMED])
        more = len(self.failed) - NAMED
        return f"{told}; not graded: {names}" + (
            f" and {more} more" if more > 0 else ""
        )
