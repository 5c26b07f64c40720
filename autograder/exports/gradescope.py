"""One submission's result as Gradescope reads it from `results/results.json`.

Source: Gradescope's autograder specifications, “Output format”.
"""

from __future__ import annotations

from typing import Any

from autograder.results import CheckResult, ExerciseResult, SubmissionResult
from autograder.safe import inert


def to_results(submission: SubmissionResult) -> dict[str, Any]:
    """Returns Gradescope's result: a test a check, and the score in all.

    A manual question is there once a person has given points for it; until then
    Gradescope's own rubric can. A late penalty is a test with points below zero.
    """
    tests = [test for exercise in submission.exercises for test in _exercise(exercise)]
    short = round(submission.total - submission.score, 3)
    if short:
        tests.append(_correction("handed in late", short, _late(submission)))
    if submission.flags:
        tests.append(_for_staff(submission))
    result: dict[str, Any] = {
        "score": submission.total,
        "output": _summary(submission),
        "output_format": "text",
        "execution_time": round(submission.seconds),
        "stdout_visibility": "hidden",
        "visibility": "visible",
        "tests": tests,
    }
    return result


def _exercise(exercise: ExerciseResult) -> list[dict[str, Any]]:
    """Returns an exercise's tests; their scores add up to the exercise's."""
    if exercise.status == "manual":
        return [] if exercise.given is None else [_manual(exercise)]
    tests = [_test(exercise, check) for check in exercise.checks if check.max_points]
    more = round(exercise.score - sum(test["score"] for test in tests), 4)
    if more:
        # Points that a person changed, or that a broken rule cost, are no check's.
        why = inert(exercise.comment or exercise.message)
        tests.append(_correction(f"{exercise.id}: corrected", more, why))
    return tests


def _manual(exercise: ExerciseResult) -> dict[str, Any]:
    return {
        "number": exercise.id,
        "name": exercise.id,
        "score": exercise.given,
        "max_score": exercise.max_score,
        "output": inert(exercise.comment),
        "output_format": "text",
        "visibility": "visible",
    }


def _correction(name: str, points: float, why: str) -> dict[str, Any]:
    return {
        "name": name,
        "score": round(points, 4),
        "max_score": 0,
        "status": "failed" if points < 0 else "passed",
        "output": why,
        "output_format": "text",
        "visibility": "visible",
    }


def _for_staff(submission: SubmissionResult) -> dict[str, Any]:
    """Returns what a TA should look at, which Gradescope shows to the staff alone."""
    return {
        "name": "to look at",
        "score": 0,
        "max_score": 0,
        "status": "passed",
        "output": "\n".join(inert(flag, 300) for flag in submission.flags[:30]),
        "output_format": "text",
        "visibility": "hidden",
    }


def _late(submission: SubmissionResult) -> str:
    return f"It came {submission.late_seconds / 3600:.1f} hours after the deadline."


def _test(exercise: ExerciseResult, check: CheckResult) -> dict[str, Any]:
    lines = [inert(check.message)] if check.message and not check.passed else []
    if not check.passed and exercise.hint:
        lines.append(inert(exercise.hint))
    return {
        "number": f"{exercise.id}/{check.id}",
        "name": f"{exercise.id}: {check.title or check.id}",
        "score": check.points,
        "max_score": check.max_points,
        "status": "passed" if check.passed else "failed",
        "output": "\n".join(lines),
        "output_format": "text",
        "visibility": "visible",
    }


def _summary(submission: SubmissionResult) -> str:
    lines = [inert(submission.message)] if submission.message else []
    lines += [f"Mended: {inert(repair, 300)}" for repair in submission.repairs[:30]]
    manual = sum(
        e.max_score for e in submission.exercises if e.status == "manual" and e.waits
    )
    if manual:
        lines.append(f"{manual:g} more points are given by a person.")
    return "\n".join(lines)
