"""The numbers behind the class page, apart from how they are drawn."""

from __future__ import annotations

import math
import statistics as stats
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from autograder.exercise import Check, Exercise
from autograder.results import (
    CheckResult,
    ClassResult,
    ExerciseResult,
    SubmissionResult,
)

STATES = ("passed", "failed", "skipped", "open")
STATUSES = ("graded", "timeout", "killed", "crashed", "unreadable", "missing")
WEAK = 0.1  # a check that correlates less with the rest tells little
STEPS = (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
MOST_BARS = 14


@dataclass(frozen=True)
class CheckRates:
    """How one check went."""

    exercise: str
    id: str
    title: str
    passed: int
    failed: int
    skipped: int
    open: int
    """Not attempted, or without any answer that could be judged."""
    discrimination: float | None = None
    """Point-biserial correlation with the other points of those it was judged for."""

    @property
    def counts(self) -> dict[str, int]:
        return {state: getattr(self, state) for state in STATES}

    @property
    def judged(self) -> int:
        return self.passed + self.failed


@dataclass(frozen=True)
class ExerciseRates:
    """How one exercise went."""

    id: str
    title: str
    full: int
    partial: int
    none: int
    """Attempted, without a point."""
    open: int
    """Not attempted, or without any answer that could be judged."""
    checks: tuple[CheckRates, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        return {
            "full": self.full,
            "partial": self.partial,
            "none": self.none,
            "open": self.open,
        }


@dataclass(frozen=True)
class Named:
    """One misconception and who has it."""

    exercise: str
    name: str
    hint: str
    students: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    """One bar of the scores: from `low`, below `high` (the last one includes it)."""

    low: float
    high: float
    count: int


@dataclass
class ClassStatistics:
    """What a class page tells."""

    automatic: float
    """The points that can be had without a person."""
    size: int = 0
    statuses: list[tuple[str, int]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    """Of the submissions that could be graded."""
    bars: list[Bar] = field(default_factory=list)
    exercises: list[ExerciseRates] = field(default_factory=list)
    misconceptions: list[Named] = field(default_factory=list)
    ungraded: list[tuple[str, str, str]] = field(default_factory=list)
    """Student, status, message."""
    flags: list[tuple[str, list[str]]] = field(default_factory=list)
    repairs: list[tuple[str, list[str]]] = field(default_factory=list)
    manual: list[tuple[str, int]] = field(default_factory=list)
    """A question's title, and how many answers a person has yet to read."""
    seconds: list[tuple[float, str]] = field(default_factory=list)
    """How long each graded submission took, the slowest first."""

    @property
    def median(self) -> float | None:
        return stats.median(self.scores) if self.scores else None

    @property
    def mean(self) -> float | None:
        return stats.fmean(self.scores) if self.scores else None

    @property
    def median_seconds(self) -> float | None:
        return stats.median(s for s, _ in self.seconds) if self.seconds else None

    @property
    def rates(self) -> list[CheckRates]:
        return [check for exercise in self.exercises for check in exercise.checks]

    @property
    def nobody(self) -> list[CheckRates]:
        """Checks that were judged and never passed."""
        return [r for r in self.rates if r.failed and not r.passed]

    @property
    def everybody(self) -> list[CheckRates]:
        """Checks that were judged and always passed."""
        return [r for r in self.rates if r.passed and not r.failed]

    @property
    def weak(self) -> list[CheckRates]:
        """Checks that strong and weak submissions pass about as often."""
        return [
            r
            for r in self.rates
            if r.discrimination is not None and r.discrimination < WEAK
        ]


def class_statistics(
    result: ClassResult, exercises: Sequence[Exercise]
) -> ClassStatistics:
    """Counts everything once; linear in the number of submissions."""
    submissions = result.submissions
    graded = [s for s in submissions if s.status == "graded"]
    found = [s.status for s in submissions]
    automatic = sum(e.points - e.manual_points for e in exercises)
    scores = [s.automatic for s in graded]
    return ClassStatistics(
        automatic=automatic,
        size=len(submissions),
        statuses=[(s, found.count(s)) for s in STATUSES if s in found],
        scores=scores,
        bars=histogram(scores, automatic),
        exercises=[_exercise(e, submissions) for e in exercises if not e.manual],
        misconceptions=_misconceptions(submissions),
        ungraded=[
            (s.student, s.status, s.message)
            for s in submissions
            if s.status != "graded"
        ],
        flags=[(s.student, s.flags) for s in submissions if s.flags],
        repairs=[(s.student, s.repairs) for s in submissions if s.repairs],
        manual=[
            (e.title, n) for e in exercises if e.manual and (n := _waiting(e, graded))
        ],
        seconds=sorted(((s.seconds, s.student) for s in graded), reverse=True),
    )


def _waiting(exercise: Exercise, graded: Sequence[SubmissionResult]) -> int:
    return sum(e.waits for s in graded for e in s.exercises if e.id == exercise.id)


def histogram(scores: Sequence[float], top: float) -> list[Bar]:
    """Returns the scores in bars of one round width, from 0 to at least `top`."""
    top = max([top, 1.0, *scores])
    width = next((s for s in STEPS if top / s <= MOST_BARS), top / MOST_BARS)
    counts = [0] * math.ceil(top / width - 1e-9)
    for score in scores:
        counts[min(int(max(score, 0.0) / width), len(counts) - 1)] += 1
    return [Bar(i * width, (i + 1) * width, n) for i, n in enumerate(counts)]


def point_biserial(passed: Sequence[bool], rest: Sequence[float]) -> float | None:
    """Returns the correlation of passing one check with the points of all others.

    None where fewer than three were judged, or where all passed, all failed, or all
    have the same points.
    """
    rest = [round(points, 6) for points in rest]
    if len(passed) < 3 or len(set(passed)) == 1 or len(set(rest)) == 1:
        return None
    return stats.correlation([float(p) for p in passed], rest)


# --- exercise by exercise ---------------------------------------------------------


def _exercise(
    exercise: Exercise, submissions: Sequence[SubmissionResult]
) -> ExerciseRates:
    told = [(s, e) for s in submissions for e in s.exercises if e.id == exercise.id]
    levels = [_level(e) for _, e in told]
    full, partial, none = (levels.count(x) for x in ("full", "partial", "none"))
    found: dict[str, list] = defaultdict(list)
    for submission, result in told:
        for check in result.checks:
            rest = submission.automatic - check.points
            found[check.id].append((_state(result, check), rest))
    return ExerciseRates(
        exercise.id,
        exercise.title,
        full,
        partial,
        none,
        len(submissions) - full - partial - none,
        tuple(
            _check(exercise, check, found[check.id], len(submissions))
            for check in exercise.checks
            if check.points
        ),
    )


def _check(
    exercise: Exercise, check: Check, found: list[tuple[str, float]], size: int
) -> CheckRates:
    states = [state for state, _ in found]
    passed, failed, skipped = (states.count(s) for s in STATES[:3])
    judged = [(s == "passed", rest) for s, rest in found if s in ("passed", "failed")]
    return CheckRates(
        exercise.id,
        check.id,
        check.title,
        passed,
        failed,
        skipped,
        size - passed - failed - skipped,
        point_biserial([p for p, _ in judged], [rest for _, rest in judged]),
    )


def _level(result: ExerciseResult) -> str:
    if result.score > 0:
        return "full" if result.score >= result.max_score else "partial"
    return "none" if result.status == "graded" else "open"


def _state(result: ExerciseResult, check: CheckResult) -> str:
    if check.passed:
        return "passed"
    if result.status != "graded":
        return "open"
    return "skipped" if check.skipped else "failed"


def _misconceptions(submissions: Sequence[SubmissionResult]) -> list[Named]:
    """Returns who has which; a mistake carried on counts where it was met first."""
    students: dict[tuple[str, str], list[str]] = defaultdict(list)
    hints: dict[tuple[str, str], str] = {}
    for submission in submissions:
        met = set()
        for exercise in submission.exercises:
            name = exercise.misconception
            if name and name not in met:
                met.add(name)
                students[exercise.id, name].append(submission.student)
                hints.setdefault((exercise.id, name), exercise.hint or "")
    return [
        Named(exercise, name, hints[exercise, name], tuple(who))
        for (exercise, name), who in sorted(
            students.items(), key=lambda item: (-len(item[1]), item[0])
        )
    ]
