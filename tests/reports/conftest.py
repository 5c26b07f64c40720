"""A small assignment, and fabricated results for it."""

import pytest

from autograder.exercise import Check, Exercise
from autograder.results import (
    CheckResult,
    ClassResult,
    ExerciseResult,
    SubmissionResult,
)

ASKED = [
    Exercise(
        "f",
        ("f",),
        "Write f",
        (
            Check("attempted", "attempted", 0.0),
            Check("v", "values", 2.0, requires=("attempted",)),
            Check("m", "masks", 1.0, requires=("v",)),
        ),
    ),
    Exercise("g", ("g",), "Write g", (Check("v", "numbers", 1.0),)),
    Exercise("why", (), "Why?", manual_points=2.0),
]


def _check(check, state, message):
    return CheckResult(
        id=check.id,
        title=check.title,
        passed=state == "passed",
        skipped=state == "skipped",
        points=check.points * (state == "passed"),
        max_points=check.points,
        message="" if state == "passed" else message,
    )


def _exercise(exercise, states, message, more):
    if exercise.manual:
        return ExerciseResult(
            id=exercise.id,
            score=0,
            max_score=exercise.points,
            status="manual",
            waits=True,
        ).model_copy(update=more.get(exercise.id, {}))
    checks = [
        _check(check, states.get(f"{exercise.id}/{check.id}", "passed"), message)
        for check in exercise.checks
    ]
    given = {"status": "graded", **more.get(exercise.id, {})}
    score = sum(check.points for check in checks)
    return ExerciseResult(
        id=exercise.id, score=score, max_score=exercise.points, checks=checks, **given
    )


@pytest.fixture
def asked():
    return ASKED


@pytest.fixture
def submit():
    """Makes a submission: all passed, but for the states given as `exercise/check`."""

    def make(student, states=(), verdict="Look again.", exercises=(), **more):
        told = [_exercise(e, dict(states), verdict, dict(exercises)) for e in ASKED]
        given = {"status": "graded", "score": sum(e.score for e in told), **more}
        return SubmissionResult(student=student, max_score=6, exercises=told, **given)

    return make


@pytest.fixture
def class_of():
    def make(submissions, **more):
        listed = list(submissions)
        return ClassResult(assignment="a", seed_id="x", submissions=listed, **more)

    return make
