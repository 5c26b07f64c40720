"""`check` and `hint`: the public probes, judged in the student's own notebook."""

from __future__ import annotations

import functools
import os
import sys
from importlib.resources import files
from typing import Any

import numpy as np

from autograder import exercises, records
from autograder.exercise import Exercise
from autograder.judging import Judgement, Records, judge
from autograder.ready_made import broken_rule, read_uses
from autograder.student.display import HintCard, Notice, Picture, Report

_hints_shown: dict[str, int] = {}
_met: dict[str, str] = {}  # the misconception last seen in each exercise


def check(exercise: str, *objects: Any) -> Report | Notice | float:
    """Checks what you wrote for an exercise and shows what is right and what is not.

    Args:
        exercise: the exercise's id, such as `"attention_head"`.
        *objects: what you wrote, such as `AttentionHead`.

    Returns:
        A report that the notebook displays; its points while nbgrader validates.

    Raises:
        CheckFailed: nbgrader's “Validate” runs the notebook, and something is open.
    """
    report = _checked(exercise, objects)
    if os.environ.get("NBGRADER_EXECUTION") == "validate":
        return _validate(report)
    return report


class CheckFailed(AssertionError):
    """What nbgrader's “Validate” shows of a check that does not pass."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]  # IPython's way to be asked: our own lines are no news


def _validate(report: Report | Notice) -> float:
    """Returns the points as nbgrader reads them; raises where some are open."""
    if not isinstance(report, Report):
        raise CheckFailed(report.text)
    if not report.passed:
        raise CheckFailed(repr(report) if report.attempted else report.headline)
    return report.score


def _checked(exercise: str, objects: tuple) -> Report | Notice:
    try:
        asked = find_exercise(exercise)
        namespace = _namespace(asked, objects)
        known = known_of(asked)
    except (KeyError, ValueError) as error:
        return Notice(str(error.args[0]))
    answers = ask(asked, namespace)
    if any(_was_interrupted(answer) for answer in answers.values()):
        return Notice(f"{asked.id}: stopped before it was done. Does a loop never end?")
    _met.pop(asked.id, None)
    judgement = judge(asked, answers, known, _met.values())
    if judgement.misconception:
        _met[asked.id] = judgement.misconception.name
    rule = broken_rule(asked, _ready_made(asked, answers, namespace), student=True)
    return Report(judgement, _picture(judgement, answers, known), rule)


def hint(exercise: str, number: int | None = None) -> HintCard | Notice:
    """Shows an exercise's next hint, or the hint of that number, from 1."""
    try:
        asked = find_exercise(exercise)
    except KeyError as error:
        return Notice(str(error.args[0]))
    total = len(asked.hints)
    if not total:
        return Notice(f"There are no hints for {asked.id}.")
    if number is None:
        number = min(_hints_shown.get(asked.id, 0) + 1, total)
    if type(number) is not int or not 1 <= number <= total:
        return Notice(f"{asked.id} has hints 1 to {total}.")
    _hints_shown[asked.id] = number
    return HintCard(asked.id, number, total, asked.hints[number - 1])


def find_exercise(id: str) -> Exercise:
    """Returns the exercise with the public probes; raises KeyError."""
    if type(id) is not str:
        raise KeyError("Name the exercise first: check('attention_head', …).")
    return next(e for e in _public(exercises.assignment_of(id)) if e.id == id)


@functools.lru_cache
def _public(assignment: str) -> list[Exercise]:
    return exercises.load(assignment)


@functools.lru_cache
def public_records(assignment: str) -> dict[str, Any]:
    """Returns an assignment's public records.

    Raises:
        ValueError: they are missing, or were made for other questions.
    """
    path = files("autograder") / "public" / f"{assignment}.safetensors"
    if not path.is_file():
        raise ValueError(f"No records for {assignment}; run `autograder build`.")
    tree = records.from_bytes(path.read_bytes())
    if tree["digest"] != exercises.digest(_public(assignment)):
        raise ValueError(f"The records of {assignment} are old; `autograder build`.")
    return tree


def known_of(asked: Exercise) -> Records:
    """Returns what is publicly known of an exercise; raises ValueError."""
    tree = public_records(exercises.assignment_of(asked.id))
    return Records.of(tree, asked.id, _device())


def _namespace(asked: Exercise, objects: tuple) -> dict[str, Any]:
    if asked.manual:
        raise ValueError(f"{asked.id} is read by a person; there is nothing to check.")
    if len(objects) != len(asked.names):
        example = ", ".join([f'"{asked.id}"', *asked.names])
        raise ValueError(f"Call it with what you wrote: check({example}).")
    return {**_surroundings(objects[0]), **dict(zip(asked.names, objects, strict=True))}


def _surroundings(thing: Any) -> dict[str, Any]:
    """Returns the names beside an object, where it lets us ask for its module."""
    try:
        return dict(vars(sys.modules[thing.__module__]))
    except Exception:
        return {}


def ask(asked: Exercise, namespace: dict[str, Any]) -> dict[str, dict]:
    """Returns the answers to an exercise's probes, by probe id.

    Where nothing is written yet, only the first question is put; where the student
    interrupts, no further one.
    """
    from autograder.answering import answer

    answers: dict[str, dict] = {}
    for probe in asked.probes:
        question = {
            "action": probe.action,
            "spec": probe.spec,
            "watch": asked.forbidden,
        }
        answers[probe.id] = answer(question, namespace)
        facts = answers[probe.id]["facts"]
        untouched = probe.action == "attempted" and not facts.get("written")
        if untouched or _was_interrupted(answers[probe.id]):
            break
    return answers


def _name_of(thing: Any) -> str | None:
    """Returns the name an object was defined under, where it tells one."""
    try:
        name = thing.__name__
    except Exception:
        return None
    return name if type(name) is str else None


def _ready_made(asked: Exercise, answers, namespace: dict[str, Any]) -> list[str]:
    """Returns the ready-made parts that the grader would find in what was written.

    A notebook keeps the cells that it ran under `In`; elsewhere only what runs is seen.
    """
    cells = namespace.get("In")
    cells = [c for c in cells if isinstance(c, str)] if isinstance(cells, list) else []
    own = {n for name in asked.names if (n := _name_of(namespace[name]))}
    read = read_uses(cells, sorted({*asked.names, *own}), asked.forbidden)
    ran = {n for a in answers.values() for n in a["facts"].get("ready_made", ())}
    return [name for name in asked.forbidden if name in read or name in ran]


def _was_interrupted(answer: dict) -> bool:
    return bool(answer["error"]) and answer["error"]["type"] == "KeyboardInterrupt"


def _device() -> str:
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return "gpu" if tf.config.list_logical_devices("GPU") else "cpu"
    return "cpu"


def _picture(judgement: Judgement, answers, known: Records) -> Picture | None:
    """Returns the first wrong numbers beside the right ones, if any can be drawn."""
    for verdict in judgement.verdicts:
        for finding in verdict.findings:
            if finding.passed or not finding.array:
                continue
            own = answers[finding.probe]["arrays"].get(finding.array)
            due = known.answers[finding.probe]["arrays"].get(finding.array)
            if own is not None and due is not None and np.ndim(due) >= 1:
                return Picture(verdict.check.title, due, own)
    return None
