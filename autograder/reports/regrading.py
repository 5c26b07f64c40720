"""What grading again would change: who, which check, from what to what, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from autograder.results import (
    CheckResult,
    ExerciseResult,
    Provenance,
    SubmissionResult,
)

CAUSES = {
    "seed_id": "the questions' seed",
    "records": "what is right (solutions, exercises or libraries)",
    "grader": "the code that asks and judges",
    "autograder": "the autograder's version",
    "python": "Python",
    "keras": "Keras",
    "backend": "the backend",
    "backend_version": "the backend's version",
    "device": "the device",
    "isolation": "the isolation",
}


@dataclass(frozen=True)
class Change:
    """One thing that is another now."""

    what: str
    """`exercise/check`, an exercise, or what of the submission it is."""
    before: str
    after: str
    old_points: float | None = None
    new_points: float | None = None
    reason: str = ""
    """The new verdict's words, or the old one's where that is gone."""

    @property
    def gain(self) -> float:
        return (self.new_points or 0.0) - (self.old_points or 0.0)


@dataclass(frozen=True)
class Regraded:
    """One student's old and new result."""

    student: str
    old: float | None
    """Points before, penalty taken off; None where there is no earlier result."""
    new: float | None
    changes: list[Change] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    """What is another than at the earlier result."""

    @property
    def moves(self) -> bool:
        """Says whether points change."""
        return self.old is None or self.new is None or abs(self.new - self.old) > 1e-6


def compare(
    before: Mapping[str, SubmissionResult], after: Iterable[SubmissionResult]
) -> list[Regraded]:
    """Returns who changes, in order; who stays as they are is left out.

    Args:
        before: the results that were written last, by student.
        after: the results now, one per student. Who is in `before` alone was not
            found any more.
    """
    now = {result.student: result for result in after}
    told = [
        _compared(student, before.get(student), now.get(student))
        for student in sorted({*before, *now})
    ]
    return [one for one in told if one.changes]


def _compared(
    student: str, old: SubmissionResult | None, new: SubmissionResult | None
) -> Regraded:
    if new is None:
        gone = Change("submission", old.status, "not found any more; stays as it is")
        return Regraded(student, _points(old), None, [gone], ["the submissions"])
    if old is None:
        come = Change("submission", "none", new.status, 0.0, new.score, new.message)
        return Regraded(student, None, _points(new), [come], ["a new submission"])
    changes = _whole(old, new)
    earlier = {exercise.id: exercise for exercise in old.exercises}
    for exercise in new.exercises:
        changes += _exercise(earlier.pop(exercise.id, None), exercise)
    changes += [
        Change(e.id, _verdict(e), "asked no more", e.score, None)
        for e in earlier.values()
    ]
    causes = _causes(old, new) if changes else []
    return Regraded(student, _points(old), _points(new), changes, causes)


def _points(result: SubmissionResult) -> float:
    return round(result.score - result.penalty, 4)


def _whole(old: SubmissionResult, new: SubmissionResult) -> list[Change]:
    changes = []
    if old.status != new.status:
        reason = new.message or old.message
        changes.append(Change("status", old.status, new.status, reason=reason))
    if abs(old.penalty - new.penalty) > 1e-6:
        both = old.penalty, new.penalty
        told = [f"{points:g} off" if points else "nothing off" for points in both]
        came = f"It came {new.submitted or 'at an unknown time'}."
        changes.append(Change("late penalty", *told, -both[0], -both[1], came))
    appeared = [flag for flag in new.flags if flag not in old.flags]
    gone = [flag for flag in old.flags if flag not in new.flags]
    if appeared or gone:
        told = ["; ".join(gone) or "none of these", "; ".join(appeared) or "gone"]
        changes.append(Change("flags", *told))
    return changes


def _exercise(old: ExerciseResult | None, new: ExerciseResult) -> list[Change]:
    if old is None:
        points = None if new.status == "manual" else new.score
        return [Change(new.id, "not asked", _verdict(new), None, points, new.message)]
    checks = {check.id: check for check in old.checks}
    changes = []
    for check in new.checks:
        changes += _check(new.id, checks.pop(check.id, None), check)
    changes += [
        Change(f"{new.id}/{check.id}", _told(check), "asked no more", check.points)
        for check in checks.values()
    ]
    moved = sum(change.gain for change in changes)
    if (
        (old.status, old.misconception, old.ready_made)
        != (new.status, new.misconception, new.ready_made)
        or abs(new.score - old.score - moved) > 1e-6
        or old.max_score != new.max_score
    ):
        changes.insert(0, _as_a_whole(old, new))
    return changes


def _as_a_whole(old: ExerciseResult, new: ExerciseResult) -> Change:
    points = (None, None) if new.status == "manual" else (old.score, new.score)
    told = new.message or new.hint or old.message or ""
    return Change(new.id, _verdict(old), _verdict(new), *points, told)


def _check(exercise: str, old: CheckResult | None, new: CheckResult) -> list[Change]:
    name = f"{exercise}/{new.id}"
    if old is None:
        return [Change(name, "not asked", _told(new), None, new.points, new.message)]
    facts = [(check.passed, check.skipped, check.points) for check in (old, new)]
    same = facts[0] == facts[1]
    if same and _plain(old.message) == _plain(new.message):
        return []
    if same:
        told = f"the same, in other words (before: {old.message})"
        return [Change(name, _told(old), told, old.points, new.points, new.message)]
    reason = new.message or _before(old)
    return [Change(name, _told(old), _told(new), old.points, new.points, reason)]


def _plain(message: str) -> str:
    """Returns a message without addresses, which are others in every process."""
    return re.sub(r"0x[0-9a-fA-F]+", "0x…", message)


def _before(old: CheckResult) -> str:
    return f"Before: {old.message}" if old.message else ""


def _told(check: CheckResult) -> str:
    return "not judged" if check.skipped else "passed" if check.passed else "failed"


def _verdict(exercise: ExerciseResult) -> str:
    told = [exercise.status, exercise.misconception or ""]
    told += [f"uses {name}" for name in exercise.ready_made]
    return ", ".join(filter(None, told)) + f", of {exercise.max_score:g}"


def _causes(old: SubmissionResult, new: SubmissionResult) -> list[str]:
    """Returns what is another than before, as far as results tell."""
    causes = []
    if old.digest != new.digest or old.file != new.file:
        known = old.digest and new.digest
        names = f" ({old.file or 'none'} before, {new.file or 'none'} now)"
        files = names if old.file != new.file else ""
        causes.append(f"another file{files}" if known or files else "the file")
    then, now = provenance_of(old), provenance_of(new)
    if then and now:
        for key, words in CAUSES.items():
            was, is_now = getattr(then, key), getattr(now, key)
            if was != is_now:
                short = key in ("seed_id", "records", "grader")
                causes.append(words if short else f"{words} ({was} → {is_now})")
    return causes or ["nothing that was written down: the code may not always do alike"]


def provenance_of(result: SubmissionResult) -> Provenance | None:
    """Returns what a result was reached with, if it was written down."""
    told = (check.provenance for e in result.exercises for check in e.checks)
    return next(filter(None, told), None)
