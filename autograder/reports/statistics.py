"""The numbers behind the class page."""

from __future__ import annotations

import statistics as stats
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from autograder.exercise import Exercise
from autograder.results import ClassResult


@dataclass(frozen=True)
class Rate:
    """How one check went."""

    exercise: str
    check: str
    title: str
    passed: int
    failed: int
    skipped: int
    open: int
    """Not attempted, or the submission could not be graded."""


@dataclass(frozen=True)
class Named:
    """One misconception and who has it."""

    exercise: str
    name: str
    students: list[str]


@dataclass
class ClassStatistics:
    """What a class page tells."""

    automatic: float
    """The points that can be had without a person."""
    scores: list[float] = field(default_factory=list)
    statuses: list[tuple[str, int]] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)
    misconceptions: list[Named] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def median(self) -> float | None:
        return stats.median(self.scores) if self.scores else None

    @property
    def nobody(self) -> list[str]:
        """Checks that were judged and never passed."""
        return [_name(r) for r in self.rates if r.failed and not r.passed]

    @property
    def everybody(self) -> list[str]:
        """Checks that were judged and always passed."""
        return [_name(r) for r in self.rates if r.passed and not r.failed]


def _name(rate: Rate) -> str:
    return f"{rate.exercise}: {rate.title}"


def class_statistics(
    result: ClassResult, exercises: Sequence[Exercise]
) -> ClassStatistics:
    """Counts everything once; linear in the number of submissions."""
    counted: dict[tuple[str, str], Counter] = defaultdict(Counter)
    named: dict[tuple[str, str], list[str]] = defaultdict(list)
    notes = []
    for submission in result.submissions:
        notes += [(submission.student, note) for note in submission.flags]
        notes += [(submission.student, note) for note in submission.repairs]
        for name, exercise in _mistakes(submission).items():
            named[exercise, name].append(submission.student)
        for exercise in submission.exercises:
            for check in exercise.checks:
                counted[exercise.id, check.id][_state(exercise.status, check)] += 1
    rates = [
        Rate(e.id, c.id, c.title, *(counted[e.id, c.id][s] for s in STATES))
        for e in exercises
        for c in e.checks
        if c.points
    ]
    return ClassStatistics(
        automatic=sum(e.points - e.manual_points for e in exercises),
        scores=[s.score for s in result.submissions if s.status == "graded"],
        statuses=Counter(s.status for s in result.submissions).most_common(),
        rates=rates,
        misconceptions=[
            Named(e, m, students)
            for (e, m), students in sorted(named.items(), key=lambda i: -len(i[1]))
        ],
        notes=notes,
    )


def _mistakes(submission) -> dict[str, str]:
    """Returns a student's misconceptions with the exercise where each is met first."""
    found: dict[str, str] = {}
    for exercise in submission.exercises:
        if exercise.misconception:
            found.setdefault(exercise.misconception, exercise.id)
    return found


STATES = ("passed", "failed", "skipped", "open")


def _state(status: str, check) -> str:
    if check.passed:
        return "passed"
    if status != "graded":
        return "open"
    return "skipped" if check.skipped else "failed"
