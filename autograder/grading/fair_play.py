"""Ready-made parts in a submission: two witnesses, and what the rule costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autograder.exercise import Exercise
from autograder.judging import Answers
from autograder.ready_made import Code, broken_rule, read_uses
from autograder.results import ExerciseResult


def parts_used(
    exercise: Exercise, code: Code, answers: Mapping[str, Answers]
) -> list[str]:
    """Returns the forbidden parts that an exercise was answered with.

    Args:
        exercise: what was asked.
        code: what ran.
        answers: what the worker said, by probe. It may be forged: only names that the
            exercise forbids are believed.
    """
    read = read_uses(code, exercise.names, exercise.forbidden)
    told = [answer["facts"].get("ready_made") for answer in answers.values()]
    ran = [name for names in told if isinstance(names, list) for name in names]
    return [name for name in exercise.forbidden if name in read or name in ran]


def apply_rule(exercise: Exercise, result: ExerciseResult, names: list[str]) -> None:
    """Marks a result whose exercise was answered with ready-made parts.

    Under the policy `zero` no check keeps its points; what passed stays told.
    """
    result.ready_made = names
    if result.status != "graded" or not names:
        return
    result.message = broken_rule(exercise, names)
    if exercise.ready_made == "zero":
        result.score = 0.0
        result.misconception = result.hint = None
        for check in result.checks:
            check.points = 0.0


def flags_of(results: Sequence[ExerciseResult]) -> list[str]:
    """Returns a flag per part that was used, whatever the number of exercises."""
    names = dict.fromkeys(name for result in results for name in result.ready_made)
    return [f"uses {name}" for name in names]
