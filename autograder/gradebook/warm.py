"""One warm grader per process: nbgrader comes with one notebook after the other."""

from __future__ import annotations

import atexit
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from autograder.course import Course, CourseError
from autograder.grading.classroom import Grader, Outcome, Workplace, default_jobs
from autograder.grading.collect import Found, find_submissions, student_id
from autograder.sandbox.host import Sandbox

IDLE_SECONDS = 600  # a notebook server lives for days; its worker need not


@dataclass
class _Kept:
    """A grader, and the state of the course's files that it was made from."""

    grader: Grader
    state: tuple


class WarmGraders:
    """Keeps the sandbox and an assignment's records from one submission to the next.

    They are made anew when the course's files change, and let go when nothing was
    asked for a while. Thread-safe.
    """

    def __init__(self):
        self._lock = threading.RLock()
        self._sandbox: tuple[tuple, Sandbox] | None = None
        self._kept: dict[tuple, _Kept] = {}
        self._timer: threading.Timer | None = None

    def grader(self, course: Course, assignment: str, minimum: str | None) -> Grader:
        """Returns the grader of an assignment; starts one where none is warm."""
        course.assignment(assignment)
        with self._lock:
            self._rest()
            sandbox = self._sandbox_for(course, minimum)
            key, state = (course.root, assignment), _state(course, assignment)
            kept = self._kept.get(key)
            if kept is None or kept.state != state:
                if kept is not None:
                    kept.grader.pool.shutdown(wait=False)
                place = Workplace(course.root)
                grader = Grader(course, assignment, place, sandbox, default_jobs())
                kept = self._kept[key] = _Kept(grader, state)
            return kept.grader

    def begin(self, grader: Grader, found: dict[str, Found]) -> dict[str, Future]:
        """Sets out to grade; results of before are found again, not made anew."""
        return {
            name: grader.pool.submit(grader.grade_one, f) for name, f in found.items()
        }

    def finished(self, waiting: Future) -> Outcome:
        """Waits for an outcome."""
        with self._lock:
            self._rest()
        return waiting.result()

    def close(self) -> None:
        """Ends the worker."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            for kept in self._kept.values():
                kept.grader.pool.shutdown(cancel_futures=True)
            self._kept.clear()
            if self._sandbox is not None:
                self._sandbox[1].close()
                self._sandbox = None

    def _sandbox_for(self, course: Course, minimum: str | None) -> Sandbox:
        wanted = (course.root, course.limits, minimum)
        if self._sandbox is None or self._sandbox[0] != wanted:
            self.close()
            secrets = [course.root]
            sandbox = Sandbox(course.limits, minimum=minimum, secrets=secrets)
            self._sandbox = (wanted, sandbox)
            self._rest()
        return self._sandbox[1]

    def _rest(self) -> None:
        """Begins to wait for the next submission."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(IDLE_SECONDS, self.close)
        self._timer.daemon = True
        self._timer.start()


def _state(course: Course, assignment: str) -> tuple:
    """Returns what tells whether the files that a grader is made from changed."""
    files = [course.release(assignment), *course.solution(assignment).glob("*.py")]
    facts = [(path, path.stat()) for path in sorted(files) if path.is_file()]
    return course, tuple((p, s.st_mtime_ns, s.st_size) for p, s in facts)


def found_by_folder(submitted: Path, assignment: str) -> dict[str, Found]:
    """Returns what `autograder grade` would take from nbgrader's folder, by student."""
    if not submitted.is_dir():
        raise CourseError(f"{submitted} is no folder; collect the submissions first.")
    found = {f.student: f for f in find_submissions(submitted, assignment, "plain")}
    folders = {path.name for path in submitted.iterdir() if path.is_dir()}
    return {f: found[student_id(f)] for f in folders if student_id(f) in found}


WARM = WarmGraders()
atexit.register(WARM.close)
