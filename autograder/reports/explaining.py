"""One check of one submission, asked again, with all that its verdict rests on.

It is for staff: what it returns holds hidden questions and what is right.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.course import CourseError
from autograder.exercise import Check, Exercise, Probe
from autograder.grading.classroom import Grader
from autograder.grading.collect import Found
from autograder.grading.submission import Replayed, replay_exercise
from autograder.judging import (
    COMPARISONS,
    Answer,
    Finding,
    Judgement,
    Records,
    Verdict,
    examine,
    likeness,
    tell_error,
)
from autograder.results import CheckResult, Provenance, SubmissionResult
from autograder.safe import inert, one_line

FREE = ("finite", "numeric", "shapes", "flows", "facts_only")  # values are not compared
FACTS = 40  # of an answer, that are told
WHOLE = 60  # numbers of an input that are shown


@dataclass(frozen=True)
class Numbers:
    """One array of an answer beside what it is compared with."""

    name: str
    due: np.ndarray | None
    own: np.ndarray | None

    @property
    def alike(self) -> bool:
        """Says whether there is a difference to take."""
        both = self.due is not None and self.own is not None
        return both and self.due.shape == self.own.shape and self.due.size > 0

    def window(self, most: int = 8) -> tuple[str, list[tuple[str, np.ndarray]]]:
        """Returns what to show of expected, own and difference, and where that is.

        Of more than two axes the slice that deviates most, of that the part around the
        place.
        """
        due, own = (np.atleast_2d(a.astype("float64")) for a in (self.due, self.own))
        with np.errstate(invalid="ignore"):
            gap = np.where((due == own) | (np.isnan(due) & np.isnan(own)), 0, own - due)
        far = np.nan_to_num(np.abs(gap), nan=np.inf, posinf=np.inf)
        place = np.unravel_index(int(far.argmax()), far.shape)
        lead, cut = tuple(int(i) for i in place[:-2]), []
        for size, at in zip(due.shape[-2:], place[-2:], strict=True):
            start = max(0, min(int(at) - most // 2, size - most))
            cut.append(slice(start, start + most))
        where = [str(i) for i in lead]
        where += [
            f"{part.start}:{min(part.stop, size)}"
            for part, size in zip(cut, due.shape[-2:], strict=True)
        ]
        named = {"expected": due, "own": own, "own − expected": gap}
        shown = [(title, array[lead][tuple(cut)]) for title, array in named.items()]
        return f"[{', '.join(where)}]", shown


@dataclass(frozen=True)
class Question:
    """One question of the check: what was asked, due and answered."""

    probe: Probe
    finding: Finding
    rule: str
    """How the answer is read, in a sentence."""
    asked: str
    """The question, as text."""
    inputs: list[tuple[str, np.ndarray]]
    numbers: list[Numbers]
    facts: list[tuple[str, str, str, bool]]
    """Name, expected, own, and whether it counts."""
    due_error: str = ""
    own_error: str = ""
    traceback: list[str] = field(default_factory=list)

    @property
    def free(self) -> bool:
        """Says whether shapes count and values do not."""
        return self.probe.compare in FREE


@dataclass(frozen=True)
class Explanation:
    """What a check found in a submission, and why."""

    found: Found
    assignment: str
    exercise: Exercise
    check: Check
    result: CheckResult
    """Now."""
    status: str
    """The exercise's."""
    message: str
    stored: CheckResult | None
    """As it was written last."""
    reasons: list[str]
    questions: list[Question]
    source: str
    """The student's code for this exercise."""
    provenance: Provenance

    @property
    def verdict(self) -> str:
        if self.result.passed:
            return "passed"
        return "not judged" if self.result.skipped else "failed"

    @property
    def differs(self) -> bool:
        """Says whether the replay found something else than was written last."""
        kept = self.stored
        return kept is not None and (kept.passed, kept.skipped) != (
            self.result.passed,
            self.result.skipped,
        )


def explain(
    grader: Grader,
    found: Found,
    exercise: str,
    check: str | None = None,
    stored: SubmissionResult | None = None,
) -> Explanation:
    """Asks an exercise again and explains the verdict on one of its checks.

    The notebook runs confined, as in grading; what is right stays in this process.

    Args:
        grader: the assignment's.
        found: the student's submission.
        exercise: the exercise's id.
        check: the check's id; None for the first that fails, or that counts.
        stored: what was written of the student last.

    Raises:
        CourseError: there is no such exercise or check, or nothing to ask.
    """
    asked = _exercise(grader, exercise)
    if check is not None:
        _check(asked, check)
    rebuilt, _ = grader.rebuilt(found)
    earlier = {e.id: e for e in stored.exercises} if stored else {}
    met = _met(grader, asked, earlier)
    replayed = replay_exercise(grader.sandbox, rebuilt, asked, grader.paper, met)
    chosen = _check(asked, check or _telling(replayed))
    known = grader.paper.records[asked.id]
    kept = earlier[asked.id].checks if asked.id in earlier else []
    return Explanation(
        found=found,
        assignment=grader.assignment,
        exercise=asked,
        check=chosen,
        result=next(c for c in replayed.result.checks if c.id == chosen.id),
        status=replayed.result.status,
        message=replayed.result.message,
        stored=next((c for c in kept if c.id == chosen.id), None),
        reasons=_reasons(asked, chosen, replayed, known),
        questions=_questions(chosen, replayed, known),
        source=rebuilt.sources.get(asked.id, ""),
        provenance=grader.provenance,
    )


def _exercise(grader: Grader, id: str) -> Exercise:
    for exercise in grader.paper.exercises:
        if exercise.id == id and not exercise.manual:
            return exercise
        if exercise.id == id:
            raise CourseError(
                f"{id} is read by a person; its points are in the gradebook."
            )
    known = ", ".join(e.id for e in grader.paper.exercises if not e.manual)
    raise CourseError(f"{grader.assignment} has no exercise {id!r}; it has {known}.")


def _check(exercise: Exercise, id: str) -> Check:
    for check in exercise.checks:
        if check.id == id:
            return check
    known = ", ".join(check.id for check in exercise.checks)
    raise CourseError(f"{exercise.id} has no check {id!r}; it has {known}.")


def _met(grader: Grader, exercise: Exercise, earlier: Mapping) -> list[str]:
    """Returns the misconceptions that grading had met before this exercise."""
    ids = [e.id for e in grader.paper.exercises]
    before = [earlier[id] for id in ids[: ids.index(exercise.id)] if id in earlier]
    return [result.misconception for result in before if result.misconception]


def _telling(replayed: Replayed) -> str:
    """Returns the first check that failed; else one that counts."""
    checks = replayed.result.checks
    failed = [c.id for c in checks if not c.passed and not c.skipped]
    counting = [c for c in checks if c.max_points] or checks
    waiting = [c.id for c in counting if c.skipped]
    return (failed or waiting or [counting[0].id])[0]


# --- why --------------------------------------------------------------------------


def _reasons(
    exercise: Exercise, check: Check, replayed: Replayed, known: Records
) -> list[str]:
    judgement = replayed.judgement
    if judgement is None or replayed.result.status == "not_attempted":
        told = f"Nothing was judged: {replayed.result.message}"
        return [told, *_unanswered(exercise, replayed)]
    verdict = next(v for v in judgement.verdicts if v.check.id == check.id)
    return [
        *_preconditions(check, judgement),
        *_counted(check, verdict, replayed, known),
        *_mistake(exercise, judgement, replayed, known),
        *_rule(replayed),
        _points(check, replayed),
    ]


def _unanswered(exercise: Exercise, replayed: Replayed) -> Iterator[str]:
    """Says which question it did not come back from."""
    answered = len(replayed.answers)
    left = exercise.probes[answered:]
    stopped = replayed.result.status in ("timeout", "error")
    if replayed.judgement is None and stopped and left:
        yield (
            f"It had answered {answered} questions of the exercise; the next one was "
            f"{left[0].id}."
        )


def _preconditions(check: Check, judgement: Judgement) -> Iterator[str]:
    passed = {v.check.id: v.passed for v in judgement.verdicts}
    for need in check.requires:
        if passed.get(need):
            yield f"It waits for “{need}”, which passed."
        else:
            yield (
                f"It waits for “{need}”, which did not pass: it is not judged and "
                f"earns nothing. Look at --check {need}."
            )


def _counted(check, verdict: Verdict, replayed, known) -> Iterator[str]:
    findings = _findings(check, replayed, known)
    wrong = [finding for finding in findings if not finding.passed]
    right = len(findings) - len(wrong)
    told = f"{right} of {len(findings)} questions are answered rightly"
    if verdict.skipped:
        yield f"{told}, for what it is worth."
    elif wrong:
        yield (
            f"{told}; all have to be. The first that is not is "
            f"{wrong[0].probe}: {wrong[0].message or verdict.message}"
        )
    else:
        yield f"{told}: it passes."


def _mistake(exercise, judgement: Judgement, replayed, known) -> Iterator[str]:
    mistake = judgement.misconception
    if mistake is None:
        if not judgement.passed:
            yield "No catalogued mistake explains the wrong answers of a whole check."
        return
    wrong = [
        probe
        for probe in exercise.probes
        if not _examined(probe, replayed.answers, known).passed
    ]
    own, theirs = replayed.answers, mistake.answers
    kinds = Counter(likeness(p, own.get(p.id), theirs[p.id], known) for p in wrong)
    words = {
        "same": "the same wrong numbers or facts",
        "error": "the same error",
        "near": "too near the truth to tell",
        "other": "other answers",
    }
    told = ", ".join(f"{kinds[k]} {words[k]}" for k in words if kinds[k])
    carried = f", made in {mistake.exercise}" if judgement.carried else ""
    yield (
        f"It is taken for the mistake `{mistake.name}`{carried}: of {len(wrong)} wrong "
        f"answers in the exercise, {told}."
    )


def _rule(replayed: Replayed) -> Iterator[str]:
    if replayed.result.ready_made:
        yield replayed.result.message


def _points(check: Check, replayed: Replayed) -> str:
    made = next(c for c in replayed.result.checks if c.id == check.id)
    return f"It gives {made.points:g} of {made.max_points:g} points."


# --- the questions ----------------------------------------------------------------


def _findings(check: Check, replayed: Replayed, known: Records) -> list[Finding]:
    return [_examined(probe, replayed.answers, known) for probe in check.probes]


def _examined(probe: Probe, answers: Mapping, known: Records) -> Finding:
    due = known.answers[probe.id]
    return examine(probe, answers.get(probe.id), due, known.device)


def _questions(check: Check, replayed: Replayed, known: Records) -> list[Question]:
    if replayed.judgement is None:
        return []
    return [
        _question(probe, replayed.answers.get(probe.id), known)
        for probe in check.probes
    ]


def _question(probe: Probe, own: Answer | None, known: Records) -> Question:
    due = known.answers[probe.id]
    rule = (COMPARISONS[probe.compare].__doc__ or "").strip().splitlines()[0]
    inputs = list(_arrays(probe.spec))
    own_error = (own or {}).get("error")
    return Question(
        probe=probe,
        finding=examine(probe, own, due, known.device),
        rule=rule,
        asked=_text(probe),
        inputs=inputs,
        numbers=_numbers(probe, own, due),
        facts=_facts(probe, own, due),
        due_error=one_line(tell_error(due["error"]), 400) if due["error"] else "",
        own_error=one_line(tell_error(own_error), 2000) if own_error else "",
        traceback=[
            one_line(f"{cell}, line {line}: {source}", 300)
            for cell, line, source in (own_error or {}).get("lines", [])
        ],
    )


def _text(probe: Probe) -> str:
    """Returns a question as JSON in which arrays are named by their shapes."""

    def plain(node: Any) -> Any:
        if isinstance(node, np.ndarray):
            return f"{node.dtype}{list(node.shape)}"
        if isinstance(node, Mapping):
            return {key: plain(value) for key, value in node.items()}
        if isinstance(node, (list, tuple)):
            return [plain(value) for value in node]
        return node

    return f"{probe.action} {json.dumps(plain(probe.spec), default=str)}"


def _arrays(node: Any, path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(node, np.ndarray):
        yield path, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _arrays(value, f"{path}/{key}".lstrip("/"))
    elif isinstance(node, (list, tuple)):
        for key, value in enumerate(node):
            yield from _arrays(value, f"{path}/{key}".lstrip("/"))


def _numbers(probe: Probe, own: Answer | None, due: Answer) -> list[Numbers]:
    mine: Mapping[str, np.ndarray] = (own or {}).get("arrays", {})
    if probe.compare == "unchanged":  # with itself, and not with the reference
        names = sorted(name for name in due["arrays"] if name.startswith("before/"))
        pairs = [(n, n.replace("before/", "after/")) for n in names]
        return [Numbers(f"{b} → {a}", mine.get(b), mine.get(a)) for b, a in pairs]
    names = dict.fromkeys([*due["arrays"], *sorted(mine)])
    return [Numbers(n, due["arrays"].get(n), mine.get(n)) for n in list(names)[:FACTS]]


def _facts(probe: Probe, own: Answer | None, due: Answer) -> list[tuple]:
    mine = (own or {}).get("facts", {})
    rows = []
    for name, value in due["facts"].items():
        compared = {"values": "value/", "shapes": "declared/", "half": "others"}
        prefix = compared.get(probe.compare)
        counts = name in probe.facts or bool(prefix and name.startswith(prefix))
        if counts or mine.get(name) != value:
            rows.append((name, _short(value), _short(mine.get(name)), counts))
    rows.sort(key=lambda row: (not row[3], row[0]))
    return rows[:FACTS]


def _short(value: Any) -> str:
    return inert(json.dumps(value, default=str), 600)


def show_array(array: np.ndarray, whole: int = WHOLE) -> str:
    """Returns an array as text; of a large one its corners."""
    return np.array2string(
        array, precision=4, suppress_small=True, threshold=whole, edgeitems=3
    )
