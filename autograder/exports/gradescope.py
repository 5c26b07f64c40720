"""One submission's result as Gradescope reads it from `results/results.json`.

Source: Gradescope's autograder specifications, “Output format”.
"""

from __future__ import annotations

from typing import Any

from autograder.results import CheckResult, ExerciseResult, SubmissionResult
from autograder.safe import inert


def to_results(submission: SubmissionResult) -> dict[str, Any]:
    """Returns Gradescope's result: a test a check, and the score in all.

    Points that a person gives are left out: Gradescope has a rubric for them.
    """
    tests = [
        _test(exercise, check)
        for exercise in submission.exercises
        if exercise.status != "manual"
        for check in exercise.checks
        if check.max_points
    ]
    told = sum(test["score"] for test in tests)
    score = sum(e.score for e in submission.exercises if e.status != "manual")
    result: dict[str, Any] = {
        "score": round(score, 4),
        "output": _summary(submission),
        "output_format": "text",
        "execution_time": round(submission.seconds),
        "stdout_visibility": "hidden",
        "visibility": "visible",
        "tests": tests,
    }
    if abs(told - score) > 1e-6:
        # Points taken for a rule broken belong to an exercise and to no check.
        tests.append(
            {
                "name": "rules",
                "score": round(score - told, 4),
                "max_score": 0,
                "status": "failed",
                "output": "; ".join(inert(f, 300) for f in submission.flags),
                "output_format": "text",
                "visibility": "visible",
            }
        )
    return result


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
    lines += [f"To look at: {inert(flag, 300)}" for flag in submission.flags[:30]]
    manual = sum(e.max_score for e in submission.exercises if e.status == "manual")
    if manual:
        lines.append(f"{manual:g} more points are given by a person.")
    return "\n".join(lines)
