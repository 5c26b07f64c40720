"""Answers against records: what passed, what did not, and which mistake it is.

The judge reads arrays and plain facts. It runs no code of a student's and needs no
Keras: the same functions judge in the grader's process and in the notebook.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from autograder.exercise import Check, Exercise, Probe

TOLERANCES = {
    # Of |own - expected| / (1 + |expected|). Float32 on a CPU stays within 3e-6 of
    # float64; a mask filled with -10 instead of -1e9 shifts results by 6e-5.
    ("cpu", "float32"): 2e-5,
    ("cpu", "float64"): 2e-5,
    ("gpu", "float32"): 5e-5,
    ("gpu", "float64"): 5e-5,
}
HALF_TOLERANCES = {"float16": 8e-3, "bfloat16": 6e-2}
MATCH_FACTOR = 4.0  # a misconception matches within this many tolerances
TELLING_FACTOR = 4.0  # and must be that many times nearer than the truth
HUGE = 1e4  # scores beyond it, as a mask fills them in, differ by taste

Answer = Mapping
Answers = Mapping[str, Answer]  # by probe id


@dataclass(frozen=True)
class Finding:
    """One probe's answer, judged."""

    probe: str
    passed: bool
    message: str = ""
    error: float | None = None
    tolerance: float | None = None
    array: str | None = None
    """The array that deviates, for a picture."""
    raised: Mapping | None = None
    """The exception that kept it from being answered, where none was due."""


@dataclass(frozen=True)
class Verdict:
    """One check, judged."""

    check: Check
    passed: bool
    skipped: bool = False
    message: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def points(self) -> float:
        return self.check.points if self.passed else 0.0


@dataclass(frozen=True)
class Misconception:
    """A known wrong implementation: its hint, and what it answers."""

    name: str
    exercise: str
    """Where the mistake is made; a later exercise may only suffer from it."""
    hint: str
    answers: Answers


@dataclass
class Records:
    """What is right for one exercise, and what is known to be wrong."""

    answers: Answers
    misconceptions: Sequence[Misconception] = ()
    device: str = "cpu"
    _missed: dict[tuple[int, str], bool] = field(default_factory=dict, repr=False)

    def missed(self, known: Misconception, probe: Probe) -> bool:
        """Does a misconception answer this probe wrongly? Looked at once per class."""
        key = id(known), probe.id  # several ways of a mistake have one name
        if key not in self._missed:
            theirs = known.answers[probe.id]
            same = theirs is self.answers[probe.id]
            self._missed[key] = not (same or _right(probe, theirs, self))
        return self._missed[key]

    @classmethod
    def of(cls, tree: Mapping, exercise: str, device: str = "cpu") -> Records:
        """Returns one exercise's part of an assignment's records.

        A misconception's record holds only what differs from the reference.
        """
        right = tree["answers"][exercise]
        wrong = [
            Misconception(
                m["name"],
                m["exercise"],
                m["hint"],
                {**right, **m["answers"].get(exercise, {})},
            )
            for m in tree["misconceptions"]
            if m["exercise"] == exercise or exercise in m["answers"]
        ]
        return cls(right, wrong, device)


@dataclass
class Judgement:
    """All checks of one exercise."""

    exercise: Exercise
    verdicts: list[Verdict] = field(default_factory=list)
    misconception: Misconception | None = None
    carried: bool = False
    """The misconception was met in an earlier exercise, and shows here again."""

    @property
    def advice(self) -> str:
        """What is known about the mistake, and where it was made; may be empty."""
        if self.misconception is None:
            return ""
        origin = f"This follows from `{self.misconception.exercise}`; mend that first. "
        return (origin if self.carried else "") + self.misconception.hint

    @property
    def score(self) -> float:
        return sum(verdict.points for verdict in self.verdicts)

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)


def judge(
    exercise: Exercise,
    answers: Answers,
    records: Records,
    suspected: Collection[str] = (),
) -> Judgement:
    """Judges one exercise's answers.

    Args:
        exercise: what was asked.
        answers: the answers by probe id; a missing one counts as not given.
        records: the reference's answers and the misconceptions'.
        suspected: misconceptions met in earlier exercises; where two explain as
            much, the one that was met before is named.
    """
    judgement = Judgement(exercise, verdicts_on(exercise, answers, records))
    if not judgement.passed:
        known = recognise(exercise, answers, records, suspected)
        judgement.misconception = known
        judgement.carried = (
            known is not None
            and known.exercise != exercise.id
            and known.name in suspected
        )
    return judgement


def verdicts_on(
    exercise: Exercise, answers: Answers, records: Records
) -> list[Verdict]:
    """Returns a verdict per check; `judge` without a look for the mistake."""
    verdicts: list[Verdict] = []
    passed: set[str] = set()
    for check in exercise.checks:
        verdict = _judge_check(check, answers, records, passed)
        verdicts.append(verdict)
        if verdict.passed:
            passed.add(check.id)
    return verdicts


def _judge_check(check, answers, records, passed) -> Verdict:
    missing = [need for need in check.requires if need not in passed]
    if missing:
        return Verdict(check, False, skipped=True, message=f"Waits for “{missing[0]}”.")
    findings = tuple(
        examine(probe, answers.get(probe.id), records.answers[probe.id], records.device)
        for probe in check.probes
    )
    wrong = [finding for finding in findings if not finding.passed]
    if not wrong:
        return Verdict(check, True, findings=findings)
    message = f"{check.message} {wrong[0].message}".strip()
    return Verdict(check, False, message=message, findings=findings)


# --- one probe --------------------------------------------------------------------


class Wrong(Exception):
    """An answer deviates; the message says how."""

    raised: Mapping | None = None


def examine(
    probe: Probe, answer: Answer | None, expected: Answer, device: str = "cpu"
) -> Finding:
    """Compares one answer with the reference's."""
    if answer is None:
        return Finding(probe.id, False, "It was not answered.")
    try:
        if expected["error"] is not None or answer["error"] is not None:
            return _examine_error(probe, answer, expected)
        finding = COMPARISONS[probe.compare](probe, answer, expected, device)
        _facts(probe, answer, expected)
        return finding
    except Wrong as wrong:
        return Finding(probe.id, False, str(wrong), raised=wrong.raised)
    except Exception:
        # The answer comes from beside student code and may be of any form.
        return Finding(probe.id, False, "What came back is not of the right kind.")


def _examine_error(probe, answer, expected) -> Finding:
    raised, due = answer["error"], expected["error"]
    if raised and not due:
        wrong = Wrong(tell_error(raised))
        wrong.raised = None if raised["type"] == "Refusal" else raised
        raise wrong
    if due and not raised:
        raise Wrong(f"It should raise a {due['type']} and did not.")
    if raised["type"] != due["type"]:
        raise Wrong(f"It should raise a {due['type']}; {tell_error(raised)}")
    for word in probe.spec.get("names", ()):
        # Also in "8x12": only a digit beside it makes it another number.
        if not re.search(rf"(?<!\d){re.escape(str(word))}(?!\d)", raised["message"]):
            raise Wrong(f"The {due['type']} should name the size {word}.")
    return Finding(probe.id, True)


def tell_error(error: Mapping) -> str:
    """Says what was raised, and on which of the student's lines."""
    kind, message = error["type"], _one_line(error["message"])
    if kind == "Refusal":
        return message
    told = f"It raised {kind}" + (f": {message}" if message else "")
    if not told.endswith((".", "!", "?")):
        told += "."
    if error["lines"]:
        _, number, source = error["lines"][-1]
        told += f" (line {number}: `{source}`)"
    return told


def _one_line(text: str, limit: int = 240) -> str:
    text = " ".join(str(text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _facts(probe, answer, expected) -> None:
    for fact in probe.facts:
        own, due = answer["facts"].get(fact), expected["facts"].get(fact)
        if own != due and fact == "written":
            raise Wrong("")
        if own != due:
            raise Wrong(f"{_fact_name(fact)} is {_show(own)}; expected {_show(due)}.")


def _fact_name(fact: str) -> str:
    kind, _, rest = fact.partition("/")
    names = {
        "name": "The layer's `name`",
        "policy": f"The dtype policy of `{rest}`" if rest else "The layer's policy",
        "size": f"The number of values in `{rest}`",
        "trainable": f"“Trainable” of `{rest}`",
        "held": "“All weights are in `layer.weights`”",
        "parameters": "The layer's number of parameters",
        "count": "The number of weights",
        "config": f"`{rest}` in `get_config()`",
        "declared": "The shape declared while tracing",
        "value": "The result",
        "repeats": "“The same ids when it is asked again”",
        "off": "“Dropout is off at inference”",
        "felt": "“Dropout is felt in training”",
        "none": "“With dropout=0.0 training changes nothing”",
    }
    if kind in names:
        return names[kind]
    if fact.endswith("dtype"):
        return "The result's dtype"
    if fact.endswith("count"):
        return "The number of results"
    return fact.replace("/", " ").replace("_", " ").capitalize()


def _show(value) -> str:
    if isinstance(value, list) and all(n is None or type(n) is int for n in value):
        inside = ", ".join("?" if n is None else str(n) for n in value)
        return f"({inside})"
    text = repr(value)
    return text if len(text) <= 120 else text[:119] + "…"


# --- comparisons ------------------------------------------------------------------

Comparison = Callable[[Probe, Answer, Answer, str], Finding]
COMPARISONS: dict[str, Comparison] = {}


def comparison(function: Comparison) -> Comparison:
    """Registers a way of reading an answer under the function's name."""
    COMPARISONS[function.__name__] = function
    return function


def tolerance_of(probe: Probe, answer: Answer, name: str, device: str) -> float:
    """Returns what deviation is allowed for one array, by device and dtype."""
    if probe.tolerance is not None:
        return probe.tolerance
    dtypes = [
        str(answer["facts"].get(f"{name}/dtype", "")),
        *(str(call.get("dtype", "")) for call in probe.spec.get("calls", [])),
        str(probe.spec.get("construct", {}).get("dtype", "")),
    ]
    for dtype, tolerance in HALF_TOLERANCES.items():
        if any(dtype in name for name in dtypes):
            return tolerance
    return TOLERANCES[device, "float32"]


def deviation(own: np.ndarray, expected: np.ndarray) -> float:
    """Returns the largest |own - expected| / (1 + |expected|); equal infinities 0."""
    own64, due64 = own.astype("float64"), expected.astype("float64")
    with np.errstate(all="ignore"):
        error = np.abs(own64 - due64) / (1.0 + np.abs(due64))
    error = np.where(own64 == due64, 0.0, error)
    return float(np.nan_to_num(error, nan=np.inf).max(initial=0.0))


def _same_arrays(answer, expected) -> list[str]:
    """Returns the expected arrays' names; raises where one is missing or misshapen."""
    names = sorted(expected["arrays"])
    for name in names:
        own = answer["arrays"].get(name)
        if own is None:
            raise Wrong("It returned fewer results than expected.")
        due = expected["arrays"][name]
        if own.shape != due.shape:
            raise Wrong(f"The result has shape {own.shape}; expected {due.shape}.")
        if own.dtype.kind not in "fiub":
            raise Wrong(f"The result is of dtype {own.dtype}; expected numbers.")
    if len(answer["arrays"]) > len(names):
        raise Wrong(
            f"It returned {len(answer['arrays'])} results; expected {len(names)}."
        )
    return names


@comparison
def reference(probe, answer, expected, device) -> Finding:
    """Every array equals the reference's, within tolerance."""
    names = _same_arrays(answer, expected)
    worst = Finding(probe.id, True)
    for name in names:
        own, due = answer["arrays"][name], expected["arrays"][name]
        if not np.isfinite(own.astype("float64")).all() and np.isfinite(due).all():
            return Finding(
                probe.id, False, "The result has NaN or infinite values.", array=name
            )
        error = deviation(own, due)
        tolerance = tolerance_of(probe, expected, name, device)
        if worst.error is None or error / tolerance > worst.error / worst.tolerance:
            worst = Finding(
                probe.id, error <= tolerance, "", error, tolerance, array=name
            )
    if not worst.passed:
        where = _where(answer["arrays"][worst.array], expected["arrays"][worst.array])
        message = f"The values differ by up to {worst.error:.2g}{where}."
        worst = Finding(
            probe.id, False, message, worst.error, worst.tolerance, worst.array
        )
    return worst


def _where(own, due) -> str:
    """Says where a deviation starts, if part of the result is right."""
    right = np.isclose(own.astype("f8"), due.astype("f8"), rtol=1e-3, atol=1e-3)
    share = right.mean() if right.size else 0.0
    return f" ({share:.0%} of them are right)" if 0.05 < share < 1.0 else ""


@comparison
def exact(probe, answer, expected, device) -> Finding:
    """Every array equals the reference's, to the bit, and is not a float."""
    for name in _same_arrays(answer, expected):
        own, due = answer["arrays"][name], expected["arrays"][name]
        if own.dtype.kind != due.dtype.kind and "f" in (own.dtype.kind, due.dtype.kind):
            raise Wrong(f"The result is of dtype {own.dtype}; expected {due.dtype}.")
        if not np.array_equal(own, due):
            wrong = int(np.sum(own != due))
            return Finding(
                probe.id,
                False,
                f"{wrong} of {own.size} values are wrong.",
                float(wrong),
                0.0,
                name,
            )
    return Finding(probe.id, True, error=0.0, tolerance=0.0)


@comparison
def facts_only(probe, answer, expected, device) -> Finding:
    """The probe's facts alone decide."""
    return Finding(probe.id, True)


@comparison
def values(probe, answer, expected, device) -> Finding:
    """Python values equal the reference's; floats within tolerance."""
    for name in sorted(k for k in expected["facts"] if k.startswith("value/")):
        own, due = answer["facts"].get(name), expected["facts"][name]
        problem = _differs(own, due, probe.tolerance or 1e-9)
        if problem:
            raise Wrong(problem)
    return Finding(probe.id, True)


def _differs(own, due, tolerance: float, what: str = "The result") -> str:
    """Says how a Python value deviates; empty where it does not."""
    if isinstance(own, dict) and set(own) == {"type"}:
        return f"{what} is of type {own['type']}; expected {_noun(due)}."
    number = type(own) in (int, float) and type(due) in (int, float)
    if not number and type(own) is not type(due):
        return f"{what} is {_show(own)}; expected {_show(due)}."
    if isinstance(due, list):
        if len(own) != len(due):
            return f"{what} has {len(own)} entries; expected {len(due)}."
        pairs = (
            (f"Entry {i}", a, b) for i, (a, b) in enumerate(zip(own, due, strict=True))
        )
    elif isinstance(due, dict):
        if set(own) != set(due):
            return f"{what} has the keys {sorted(own)}; expected {sorted(due)}."
        pairs = ((f"The entry {key!r}", own[key], due[key]) for key in due)
    elif isinstance(due, float):
        near = abs(own - due) <= tolerance * max(1.0, abs(due))
        return "" if near else f"{what} is {_show(own)}; expected {_show(due)}."
    else:
        return "" if own == due else f"{what} is {_show(own)}; expected {_show(due)}."
    return next(filter(None, (_differs(a, b, tolerance, w) for w, a, b in pairs)), "")


def _noun(due) -> str:
    return {list: "a list", dict: "a dictionary", str: "a string"}.get(
        type(due), "a number"
    )


@comparison
def finite(probe, answer, expected, device) -> Finding:
    """Right shapes, and no NaN or infinity; the values are free."""
    for name in _same_arrays(answer, expected):
        if not np.isfinite(answer["arrays"][name].astype("float64")).all():
            raise Wrong("The result has NaN or infinite values.")
    return Finding(probe.id, True)


@comparison
def shapes(probe, answer, expected, device) -> Finding:
    """Declared and real shapes are the reference's; the values are free."""
    for name in sorted(k for k in expected["facts"] if k.startswith("declared/")):
        own, due = answer["facts"].get(name), expected["facts"][name]
        fits = own is not None and len(own) == len(due)
        if not fits or any(
            a is not None and a != b for a, b in zip(own, due, strict=True)
        ):
            raise Wrong(
                f"With unknown sizes it declares the shape {_show(own)}; "
                f"expected {_show(due)}."
            )
    return finite(probe, answer, expected, device)


@comparison
def numeric(probe, answer, expected, device) -> Finding:
    """It ran and gave finite numbers of the right shape that are not all alike."""
    finding = finite(probe, answer, expected, device)
    for name, due in expected["arrays"].items():
        own = answer["arrays"][name].astype("float64")
        if np.ptp(due.astype("float64")) > 0 and own.size > 1 and np.ptp(own) == 0:
            raise Wrong("All numbers of the result are the same.")
    return finding


@comparison
def unchanged(probe, answer, expected, device) -> Finding:
    """The arrays after equal those before: the student's own, not the reference's."""
    numeric(probe, answer, expected, device)
    before = {"facts": answer["facts"], "arrays": {}}
    worst = Finding(probe.id, True, error=0.0)
    for name in sorted(k for k in expected["arrays"] if k.startswith("before/")):
        after = name.replace("before/", "after/")
        own, kept = answer["arrays"][after], answer["arrays"][name]
        error = deviation(own, kept)
        tolerance = tolerance_of(probe, before, name, device)
        worst = Finding(probe.id, error <= tolerance, "", error, tolerance, after)
        if not worst.passed:
            message = f"The results before and after differ by up to {error:.2g}."
            return Finding(probe.id, False, message, error, tolerance, after)
    return worst


@comparison
def flows(probe, answer, expected, device) -> Finding:
    """A finite gradient reaches every path, a non-zero one where it should."""
    free = set(probe.spec.get("may_vanish", ()))
    for name, due in expected["arrays"].items():
        title = f"`{name}`" if "." in name else f"the {_ordinal(name)} input"
        own = answer["arrays"].get(name)
        if own is None:
            if name in free:
                continue
            raise Wrong(f"No gradient reaches {title}.")
        if own.shape != due.shape and own.size != due.size:
            raise Wrong(f"The gradient of {title} has shape {own.shape}.")
        if not np.isfinite(own.astype("float64")).all():
            raise Wrong(f"The gradient of {title} has NaN or infinite values.")
        if name not in free and not np.abs(own).max(initial=0.0) > 0:
            raise Wrong(f"The gradient of {title} is zero everywhere.")
    return Finding(probe.id, True)


def _ordinal(name: str) -> str:
    words = ("first", "second", "third", "fourth")
    number = int(name.split()[-1]) if name.split()[-1].isdigit() else 0
    return words[min(number, len(words) - 1)]


@comparison
def half(probe, answer, expected, device) -> Finding:
    """Values as the reference's within half precision; every part on the policy."""
    due = expected["facts"]["others"]
    own = answer["facts"].get("others", due)
    if sorted(own) != sorted(due):
        stray = sorted(set(own) - set(due)) or own
        raise Wrong(
            f"A sublayer computes in {stray[0]} although the layer's policy is "
            f"{answer['facts'].get('policy')}."
        )
    return reference(probe, answer, expected, device)


# --- which mistake ----------------------------------------------------------------


def recognise(
    exercise: Exercise,
    answers: Answers,
    records: Records,
    suspected: Collection[str] = (),
) -> Misconception | None:
    """Returns the misconception that explains an exercise's wrong answers best.

    A wrong name is worse than none. A misconception is a candidate where it explains
    every wrong answer of some check: by the same wrong numbers or facts, or by the
    same error if nothing else in the exercise tells them apart. The one wins that
    explains most wrong answers, those counted off that it gets wrong otherwise; then
    the one that is right and wrong at most of the same places, then one that was met
    before, then one of this exercise.
    """
    wrong = {p.id for p in exercise.probes if not _right(p, answers.get(p.id), records)}
    best, best_rank = None, ()
    for candidate in records.misconceptions:
        fit = _fit(candidate, exercise, wrong, answers, records)
        met, own = candidate.name in suspected, candidate.exercise == exercise.id
        if fit and (*fit, met, own) > best_rank:
            best, best_rank = candidate, (*fit, met, own)
    return best


def _right(probe: Probe, answer: Answer | None, records: Records) -> bool:
    return examine(probe, answer, records.answers[probe.id], records.device).passed


def _fit(candidate, exercise, wrong, answers, records) -> tuple[int, int] | None:
    """Returns how well a misconception fits; None where it is no candidate."""
    theirs = candidate.answers
    also = {p.id for p in exercise.probes if records.missed(candidate, p)}
    found = {
        p.id: likeness(p, answers.get(p.id), theirs[p.id], records)
        for p in exercise.probes
        if p.id in wrong & also
    }
    whole = set()
    for check in exercise.checks:
        lost = {probe.id for probe in check.probes} & wrong
        kinds = {found.get(id) for id in lost}
        if kinds & {"same", "error"} and not kinds & {"other", None}:
            whole |= {found[id] for id in lost}
    agreeing = len(exercise.probes) - len(wrong ^ also)
    twins = wrong == also and "other" not in found.values()
    if "same" not in whole and not ("error" in whole and twins):
        return None
    kinds = list(found.values())
    explained = kinds.count("same") + kinds.count("error") - kinds.count("other")
    return explained, agreeing


def likeness(probe: Probe, own: Answer | None, theirs: Answer, records: Records) -> str:
    """Says in what two wrong answers are alike.

    Returns:
        `same`: in numbers or facts that tell this mistake from the truth; `error`: in
        what was raised; `near`: too near the truth to tell; `other`: not at all.
    """
    if own is None or (own["error"] is None) != (theirs["error"] is None):
        return "other"
    if own["error"] is not None:
        return (
            "error" if _same_error(own, theirs, records.answers[probe.id]) else "other"
        )
    if any(own["facts"].get(f) != theirs["facts"].get(f) for f in probe.facts):
        return "other"
    if set(own["arrays"]) != set(theirs["arrays"]):
        return "other"
    if not own["arrays"] and probe.compare == "values":
        return "same" if own["facts"] == theirs["facts"] else "other"
    right = records.answers[probe.id]
    kinds = {
        _closeness(probe, own, theirs, right, name, records.device)
        for name in own["arrays"]
    }
    return next((kind for kind in ("other", "near") if kind in kinds), "same")


_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\{[^{}]*\}|<[^<>]*>")


def _same_error(own: Answer, theirs: Answer, right: Answer) -> bool:
    """Do two answers raise alike? Where an error is due, its text is free."""
    if right["error"] is not None:
        return own["error"]["type"] == theirs["error"]["type"]
    return _skeleton(own) == _skeleton(theirs)


def _skeleton(answer: Answer) -> tuple[str, str]:
    """Returns an error without the names and numbers that vary with a style."""
    text = _QUOTED.sub("…", answer["error"]["message"])
    return answer["error"]["type"], re.sub(r"-?\d+", "#", text)[:200]


def _closeness(probe, own, theirs, right, name, device) -> str:
    """Compares one array with a mistake's, `likeness`' words for the outcome."""
    a, b = _saturated(own["arrays"][name]), _saturated(theirs["arrays"][name])
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return "other"
    keep = np.isfinite(a)
    apart = deviation(a[keep], b[keep])
    if apart > MATCH_FACTOR * tolerance_of(probe, theirs, name, device):
        return "other"
    due = right["arrays"].get(name) if right["error"] is None else None
    if due is None or due.shape != a.shape or np.array_equal(b, due):
        return "same"
    off = deviation(a, due)
    telling = apart * TELLING_FACTOR <= off
    return "same" if telling or _within(probe, right, name, off, device) else "near"


def _within(probe, right, name, off: float, device) -> bool:
    """Is this array right, so that another one of the answer must be wrong?"""
    return off <= tolerance_of(probe, right, name, device)


def _saturated(array: np.ndarray) -> np.ndarray:
    """Returns an array as float64, in which what stands for infinity is infinite."""
    wide = array.astype("float64")
    if array.dtype.kind != "f":
        return wide
    return np.where(np.abs(wide) >= HUGE, np.copysign(np.inf, wide), wide)
