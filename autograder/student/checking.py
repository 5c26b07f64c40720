"""`check` and `hint`: the public probes, judged in the student's own notebook."""

from __future__ import annotations

import contextlib
import difflib
import functools
import gc
import inspect
import os
import random
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import numpy as np

from autograder import exercises, records
from autograder.exercise import Exercise
from autograder.judging import Judgement, Records, deviation, judge, tolerance_of
from autograder.ready_made import broken_rule, read_uses
from autograder.student.display import HintCard, Notice, Picture, Report, Reward
from autograder.student.places import add_places

_hints_shown: dict[str, int] = {}
_met: dict[str, str] = {}  # the misconception last seen in each exercise
_green: dict[str, np.ndarray] = {}  # numbers of each exercise that is all right


def friendly(function: Callable) -> Callable:
    """Whatever goes wrong in here is told in one sentence, without our lines."""

    signature = inspect.signature(function)

    @functools.wraps(function)
    def told(*args, **kwargs):
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            name = function.__name__
            return Notice(f'{name}("attention_head", …) is the way: {error}.')
        try:
            return function(*args, **kwargs)
        except CheckFailed:
            raise
        except KeyboardInterrupt:
            return Notice("Stopped before it was done.")
        except BaseException as error:
            kind = type.__dict__["__name__"].__get__(type(error))
            return Notice(
                f"This could not be checked: {kind} in the checker, not in what you "
                "wrote. Restart the kernel and run all cells; if it stays, tell your "
                "teachers."
            )

    return told


class CheckFailed(AssertionError):
    """What nbgrader's “Validate” shows of a check that does not pass."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]  # IPython's way to be asked: our own lines are no news


@friendly
def check(exercise: str = "", *objects: Any) -> Report | Notice | float:
    """Checks what you wrote for an exercise and shows what is right and what is not.

    Args:
        exercise: the exercise's id, such as `"attention_head"`.
        *objects: what you wrote, such as `AttentionHead`.

    Returns:
        A report that the notebook displays; its points while nbgrader validates.

    Raises:
        CheckFailed: nbgrader's “Validate” runs the notebook, and something is open.
    """
    with undisturbed():
        report = _checked(exercise, objects)
    if os.environ.get("NBGRADER_EXECUTION") == "validate":
        return _validate(report)
    return report


def _validate(report: Report | Notice) -> float:
    """Returns the points as nbgrader reads them; raises where some are open."""
    if not isinstance(report, Report):
        raise CheckFailed(report.text)
    if not report.passed:
        raise CheckFailed(repr(report) if report.attempted else report.headline)
    return report.score


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Leaves the notebook's random numbers as they were, and waits for no clean-up.

    Python's collector would look through all of Keras several times, for a third of
    the time that a check takes; frozen, what stood before is passed over.
    """
    states = random.getstate(), np.random.get_state()
    thaw = gc.get_freeze_count() == 0
    gc.freeze()
    try:
        yield
    finally:
        if thaw:
            gc.unfreeze()
        random.setstate(states[0])
        np.random.set_state(states[1])


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
    add_places(answers.values(), objects)
    _met.pop(asked.id, None)
    judgement = judge(asked, answers, known, _met.values())
    if judgement.misconception:
        _met[asked.id] = judgement.misconception.name
    rule = broken_rule(asked, _ready_made(asked, answers, namespace), student=True)
    if not judgement.passed or rule:
        _green.pop(asked.id, None)
        return Report(judgement, _picture(judgement, answers, known), rule)
    _green[asked.id] = _most_numbers(answers)
    return Report(judgement, reward=_reward(asked), next=_after(asked))


@friendly
def hint(exercise: str = "", number: int | None = None) -> HintCard | Notice:
    """Shows an exercise's next hint, or the hint of that number, from 1."""
    try:
        asked = find_exercise(exercise)
    except KeyError as error:
        return Notice(str(error.args[0]).replace("check(", "hint(").replace(", …", ""))
    total = len(asked.hints)
    if not total:
        return Notice(f"There are no hints for {asked.id}.")
    if number is None:
        number = min(_hints_shown.get(asked.id, 0) + 1, total)
    if type(number) is not int or not 1 <= number <= total:
        return Notice(
            f'{asked.id} has hints 1 to {total}: hint("{asked.id}", {total}).'
        )
    _hints_shown[asked.id] = number
    return HintCard(asked.id, number, total, asked.hints[number - 1])


# --- what is asked ----------------------------------------------------------------


def find_exercise(id: str) -> Exercise:
    """Returns the exercise with the public probes; raises KeyError."""
    if type(id) is not str or not id:
        raise KeyError('Name the exercise first: check("attention_head", …).')
    known = _all()
    if id not in known:
        near = difflib.get_close_matches(id[:80], known, n=1)
        meant = f'did you mean "{near[0]}"?' if near else f"there are {_list(known)}."
        raise KeyError(f"No exercise {_short(id)!r}; {meant}")
    return known[id]


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _list(known: dict[str, Exercise]) -> str:
    return ", ".join(known)


@functools.lru_cache
def _all() -> dict[str, Exercise]:
    return {e.id: e for name in exercises.names() for e in _public(name)}


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
    known = Records.of(tree, asked.id, _device())
    if not _has_float64():
        known.answers = {id: _narrowed(told) for id, told in known.answers.items()}
    return known


def _has_float64() -> bool:
    """JAX computes in float32 where float64 is asked for, unless told otherwise."""
    import keras

    if keras.backend.backend() != "jax":
        return True
    import jax

    return bool(jax.config.jax_enable_x64)


def _narrowed(answer: dict) -> dict:
    facts = {
        name: "float32" if name.endswith("dtype") and value == "float64" else value
        for name, value in answer["facts"].items()
    }
    return {**answer, "facts": facts}


def _namespace(asked: Exercise, objects: tuple) -> dict[str, Any]:
    if asked.manual:
        raise ValueError(f"{asked.id} is read by a person; there is nothing to check.")
    example = f"check({', '.join([_quoted(asked.id), *asked.names])})"
    if len(objects) != len(asked.names):
        raise ValueError(f"Call it with what you wrote: {example}.")
    for thing, name in zip(objects, asked.names, strict=True):
        other = _other_exercise(asked, thing)
        if other:
            raise ValueError(
                f"`{_name_of(thing)}` is for another exercise: "
                f"check({_quoted(other.id)}, {_name_of(thing)}). Here it is {example}."
            )
        if _is_made(asked, thing):
            raise ValueError(
                f"Hand over the class `{name}` itself, without calling it: {example}."
            )
    return {**_surroundings(objects[0]), **dict(zip(asked.names, objects, strict=True))}


def _quoted(id: str) -> str:
    return f'"{id}"'


def _other_exercise(asked: Exercise, thing: Any) -> Exercise | None:
    """Returns the exercise that asks for an object of this name, if not this one."""
    name = _name_of(thing)
    if name in asked.names:
        return None
    beside = _public(exercises.assignment_of(asked.id))
    return next((e for e in beside if name in e.names), None)


def _is_made(asked: Exercise, thing: Any) -> bool:
    """Is it a layer, where the class was asked for?"""
    import keras

    classes = any("construct" in probe.spec for probe in asked.probes)
    return classes and issubclass(type(thing), keras.layers.Layer)


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
    from autograder.answering import Conversation

    answers: dict[str, dict] = {}
    with Conversation() as conversation:
        for probe in asked.probes:
            question = {
                "action": probe.action,
                "spec": probe.spec,
                "watch": asked.forbidden,
            }
            told = answers[probe.id] = conversation.ask(question, namespace)
            untouched = probe.action == "attempted" and not told["facts"].get("written")
            if untouched or _was_interrupted(told):
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
    """Returns where the backend computes: `gpu` or `cpu`."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return "gpu" if tf.config.list_logical_devices("GPU") else "cpu"
    if backend == "jax":
        import jax

        return "cpu" if jax.default_backend() == "cpu" else "gpu"
    if backend == "torch":
        import torch

        return "gpu" if torch.cuda.is_available() else "cpu"
    return "cpu"


# --- what is shown ----------------------------------------------------------------


def _picture(judgement: Judgement, answers, known: Records) -> Picture | None:
    """Returns the smallest wrong numbers of the first check that has some to draw."""
    for verdict in judgement.verdicts:
        wrong = {f.probe for f in verdict.findings if f.array and not f.passed}
        pairs = [
            pair
            for probe in verdict.check.probes
            if probe.id in wrong
            for pair in _wrong_pairs(probe, answers[probe.id], known)
        ]
        if pairs:
            due, own = min(pairs, key=lambda pair: pair[0].size)
            return Picture(verdict.check.title, due, own)
    return None


def _wrong_pairs(probe, answer, known: Records) -> Iterator[tuple]:
    """Yields each wrong array of an answer: as it should be, and as it is."""
    right = known.answers[probe.id]
    for name, due in right["arrays"].items():
        own = answer["arrays"].get(name)
        if probe.compare == "unchanged":
            due = answer["arrays"].get(name.replace("after/", "before/"))
        if own is None or due is None or np.ndim(due) < 1 or own.shape != due.shape:
            continue
        allowed = tolerance_of(probe, right, name, known.device)
        if deviation(own, due) > (0.0 if probe.compare == "exact" else allowed):
            yield due, own


def _most_numbers(answers) -> np.ndarray:
    """Returns numbers of the student's own to draw: the largest first array."""
    arrays = [
        array
        for answer in answers.values()
        for name, array in sorted(answer["arrays"].items())[:1]
        if array.size > 1 and np.isfinite(array.astype("float64")).all()
    ]
    if arrays:
        return max(arrays, key=lambda array: array.size)
    told = [a["facts"].get("value/0") for a in answers.values() if a["facts"]]
    text = "".join(str(value) for value in told)[-600:]
    return np.frombuffer(text.encode()[: len(text) // 12 * 12], "uint8").reshape(-1, 12)


def _reward(asked: Exercise) -> Reward:
    beside = [e.id for e in _public(exercises.assignment_of(asked.id))]
    mine = {id: _green[id] for id in beside if id in _green}
    return Reward({asked.id: mine.pop(asked.id), **mine})


def _after(asked: Exercise) -> str:
    """Says what comes after an exercise that is right."""
    order = _public(exercises.assignment_of(asked.id))
    later = order[[e.id for e in order].index(asked.id) + 1 :]
    following = next((e for e in later if e.id not in _green), None)
    if following is None:
        return "That was the last exercise."
    return f"Next: {following.id}{', in words' if following.manual else ''}."
