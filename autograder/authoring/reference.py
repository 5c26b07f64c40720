"""Records: what the reference answers, and what each misconception answers.

The same code serves the public records, which ship with the package, and the hidden
ones of a grading run. Who answers is a parameter: a sandbox session for grading, or
this very process for building, where the course's own code is trusted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from autograder import exercises
from autograder.authoring.source import Variant, read_solution, read_variants
from autograder.course import Course, CourseError
from autograder.exercise import PUBLIC_SEED, Exercise

Ask = Callable[[list[str], list[Exercise]], dict[str, dict[str, Any]]]
"""`ask(cells, exercises)` runs cells and returns answers by exercise and probe."""


def ask_here(cells: list[str], asked: list[Exercise]) -> dict[str, dict[str, Any]]:
    """Runs trusted cells in this process and answers the exercises' probes."""
    from autograder.answering import Conversation

    namespace: dict[str, Any] = {"__name__": "__reference__"}
    for cell in cells:
        exec(compile(cell, "<reference>", "exec"), namespace)
    with Conversation() as conversation:
        return {
            exercise.id: {
                probe.id: conversation.ask(
                    {"action": probe.action, "spec": probe.spec}, namespace
                )
                for probe in exercise.probes
            }
            for exercise in asked
        }


def reference_cells(course: Course, assignment: str) -> list[str]:
    """Returns the source of the cells that the grader runs, solutions filled in."""
    return [cell.source for cell in read_solution(course, assignment) if cell.runs]


def make_records(
    course: Course,
    assignment: str,
    seed: int = PUBLIC_SEED,
    ask: Ask = ask_here,
    progress: Callable[[str], None] = lambda name: None,
    map: Callable = map,
) -> dict[str, Any]:
    """Returns an assignment's records as a tree (`records.write` stores it).

    `map` may be an executor's, where `ask` can be called from several threads.

    Raises:
        CourseError: the reference itself raises on a probe.
    """
    asked = [e for e in exercises.load(assignment, seed) if not e.manual]
    cells = reference_cells(course, assignment)
    progress("reference")
    answers = ask(cells, asked)
    _refuse_errors(asked, answers, assignment)

    def difference(variant: Variant) -> dict[str, Any]:
        theirs = ask_variant(cells, variant, asked, ask)
        progress(variant.name)
        return _difference(variant, theirs, answers)

    wrong = [v for v in read_variants(course, assignment) if not v.right]
    return {
        "digest": exercises.digest(asked),
        "answers": answers,
        "misconceptions": list(map(difference, wrong)),
    }


def ask_variant(
    cells: list[str], variant: Variant, asked: list[Exercise], ask: Ask = ask_here
) -> dict[str, Any]:
    """Returns a variant's answers to its own exercise and those that follow it.

    What follows may be built on it, and then shows the same mistake.
    """
    ids = [exercise.id for exercise in asked]
    if variant.exercise not in ids:
        raise CourseError(
            f"misconceptions.py: {variant.name} is for {variant.exercise!r}, which "
            "is no exercise; mend its marker."
        )
    own, *later = asked[ids.index(variant.exercise) :]
    return ask([*cells, variant.source], [own, *later] if own.reused else [own])


def _refuse_errors(asked, answers, assignment) -> None:
    for exercise in asked:
        for probe in exercise.probes:
            error = answers[exercise.id][probe.id]["error"]
            if error and not probe.spec.get("raises"):
                raise CourseError(
                    f"{assignment}: the reference of {exercise.id} raises on "
                    f"{probe.id}: {error['type']}: {error['message']}"
                )


def _difference(variant: Variant, theirs: dict, right: dict) -> dict[str, Any]:
    """Returns a misconception's record: the answers that are not the reference's."""
    kept = {
        exercise: {
            id: answer
            for id, answer in answers.items()
            if not _equal(answer, right[exercise][id])
        }
        for exercise, answers in theirs.items()
    }
    return {
        "name": variant.mistake,
        "exercise": variant.exercise,
        "hint": variant.hint,
        "answers": {exercise: answers for exercise, answers in kept.items() if answers},
    }


def _equal(a: dict, b: dict) -> bool:
    if a["error"] or b["error"] or a["facts"] != b["facts"]:
        return False
    return a["arrays"].keys() == b["arrays"].keys() and all(
        _same_array(array, b["arrays"][name]) for name, array in a["arrays"].items()
    )


def _same_array(a: np.ndarray, b: np.ndarray) -> bool:
    kinds = (a.shape, a.dtype) == (b.shape, b.dtype)
    return kinds and a.tobytes() == b.tobytes()
