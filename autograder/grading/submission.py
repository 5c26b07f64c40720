"""One submission, from its rebuilt cells to a result."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from autograder.course import Limits
from autograder.exercise import Exercise, Probe
from autograder.grading.answers import checked
from autograder.grading.cells import defined_names
from autograder.grading.experiments import Lean, without_experiments
from autograder.grading.fair_play import apply_rule, flags_of, parts_used
from autograder.grading.rebuild import Cell, Rebuilt, python_of
from autograder.grading.running import CellLost, crowding, notes_of, run_cells
from autograder.grading.timing import Span, Timed
from autograder.judging import (
    Answers,
    Judgement,
    Records,
    Verdict,
    judge,
    tell_error,
    verdicts_on,
)
from autograder.ready_made import Code
from autograder.results import (
    CheckResult,
    Evidence,
    ExerciseResult,
    Provenance,
    SubmissionResult,
)
from autograder.sandbox.host import Sandbox, Session, SessionLost

ATTEMPTS = 3  # where the grader's own side fails
FATAL_CELLS = 4
GONE = (
    "Nothing in the file defines it. If you wrote it, look for it in your own copy, "
    "put it back into its cell, save, and hand in again."
)
LOST_STATUS = {"timeout": "timeout", "crashed": "crashed", "protocol": "crashed"}


@dataclass(frozen=True)
class Paper:
    """What one class is asked: hidden questions, and public ones for the feedback."""

    exercises: list[Exercise]
    records: Mapping[str, Records]
    public: list[Exercise]
    public_records: Mapping[str, Records]
    limits: Limits

    def public_twin(self, exercise: Exercise) -> Exercise:
        return next(e for e in self.public if e.id == exercise.id)


@dataclass
class Conversation:
    """All that came back from the process that ran a submission."""

    answers: dict[str, dict[str, Answers]] = field(default_factory=dict)
    public: dict[str, dict[str, Answers]] = field(default_factory=dict)
    cells: list[dict[str, Any]] = field(default_factory=list)
    lost: dict[str, SessionLost] = field(default_factory=dict)
    """Exercises whose cell or questions lost the worker."""
    fatal: set[str] = field(default_factory=set)
    """Cells that are left out, for they lose the worker."""
    stopped: SessionLost | None = None
    """Why nothing more could be asked."""
    everything: bool = False
    """The cells that are only shown were run too."""
    repairs: list[str] = field(default_factory=list)
    """Cells without which it had to be run."""
    lean: Lean | None = None
    """The notebook without its experiments, if that is what was run."""

    def cells_of(self, rebuilt: Rebuilt) -> list[Cell]:
        """Returns the cells to run."""
        kinds = {"given", "exercise", "extra", *(["shown"] if self.everything else [])}
        cells = self.lean.cells if self.lean else rebuilt.cells
        return [c for c in cells if c.kind in kinds and c.id not in self.fatal]


@dataclass
class Graded:
    """A result and what the pages show beside it."""

    result: SubmissionResult
    answers: dict[str, dict[str, Answers]] = field(default_factory=dict)
    """The public answers of the exercises that lost points, for pictures."""
    cells: list[dict[str, Any]] = field(default_factory=list)
    """What the notebook's cells printed, by cell."""
    spans: list[Span] = field(default_factory=list)
    """What took how long, while it was graded."""
    device: str = "cpu"
    """Where its answers were computed."""


def grade_submission(
    sandbox: Sandbox, student: str, rebuilt: Rebuilt, paper: Paper
) -> Graded:
    """Runs a rebuilt notebook, asks, judges; every fault of it ends in a result.

    Raises:
        SessionLost: the grader's own side failed, again and again.
    """
    start = time.monotonic()
    paper = replace(paper, limits=paper.limits.stretched(crowding()))
    asked = [
        e for e in paper.exercises if not e.manual and e.id not in rebuilt.untouched
    ]
    timed = Timed(sandbox)
    said = _asked(timed, rebuilt, asked, paper) if asked else Conversation()
    results: list[ExerciseResult] = []
    code = Code(python_of(rebuilt.cells))
    for exercise in paper.exercises:
        met = [r.misconception for r in results if r.misconception]
        made = _exercise_result(exercise, rebuilt, paper, said, met)
        if exercise.forbidden and exercise.id not in rebuilt.untouched:
            answers = said.answers.get(exercise.id, {})
            apply_rule(exercise, made, parts_used(exercise, code, answers))
        results.append(made)
    status, message = _status(said, asked)
    result = SubmissionResult(
        student=student,
        status=status,
        score=round(sum(r.score for r in results), 4),
        max_score=sum(e.points for e in paper.exercises),
        message=message,
        isolation=sandbox.isolation,
        seconds=round(time.monotonic() - start, 3),
        phases=timed.phases(time.monotonic() - start),
        repairs=[*rebuilt.repairs, *said.repairs, *notes_of(said.cells)],
        flags=[*rebuilt.flags, *flags_of(results)],
        exercises=results,
        receipt=rebuilt.receipt,
    )
    return Graded(result, said.public, said.cells, timed.spans, timed.device)


@dataclass(frozen=True)
class Replayed:
    """One exercise of one submission, asked again."""

    result: ExerciseResult
    judgement: Judgement | None
    """None where there was nothing to judge."""
    answers: Mapping[str, Answers] = field(default_factory=dict)
    """By probe; with hidden questions, and what a student's code said to them."""


def replay_exercise(
    sandbox: Sandbox,
    rebuilt: Rebuilt,
    exercise: Exercise,
    paper: Paper,
    met: Sequence[str] = (),
) -> Replayed:
    """Asks one exercise as grading does, and keeps what grading forgets.

    Args:
        sandbox: where the notebook runs.
        rebuilt: the submission.
        exercise: one of the paper's.
        paper: what the class is asked.
        met: the misconceptions that were found in the exercises before it.

    Raises:
        SessionLost: the grader's own side failed, again and again.
    """
    asked = [] if exercise.id in rebuilt.untouched else [exercise]
    said = _asked(sandbox, rebuilt, asked, paper) if asked else Conversation()
    made = _exercise_result(exercise, rebuilt, paper, said, list(met))
    answers = said.answers.get(exercise.id, {})
    if exercise.forbidden and asked:
        code = Code(python_of(rebuilt.cells))
        apply_rule(exercise, made, parts_used(exercise, code, answers))
    if exercise.id in said.lost or not answers:
        return Replayed(made, None, answers)
    known = paper.records[exercise.id]
    return Replayed(made, judge(exercise, answers, known, met), answers)


# --- the conversation -------------------------------------------------------------


def _asked(
    sandbox: Sandbox | Timed, rebuilt: Rebuilt, asked: list[Exercise], paper: Paper
) -> Conversation:
    """Holds the whole conversation; again where the grader's own side fails."""
    for attempt in range(ATTEMPTS):
        try:
            right = _without_experiments(sandbox, rebuilt, asked, paper)
            waiting = [e for e in asked if e.id not in right.answers]
            if not waiting:
                return right
            said = _hidden(sandbox, rebuilt, waiting, paper)
            if _wants_everything(rebuilt, said):
                again = _hidden(sandbox, rebuilt, waiting, paper, everything=True)
                said = again if _answered(again) > _answered(said) else said
            said.answers |= right.answers
            _public(sandbox, rebuilt, waiting, paper, said)
            return said
        except SessionLost as lost:
            if attempt + 1 == ATTEMPTS:
                raise lost
    raise AssertionError("unreachable")


def _without_experiments(sandbox, rebuilt, asked, paper) -> Conversation:
    """Asks without the experiments; returns the answers of what is right, no others.

    What is not is asked again with all that the student wrote.
    """
    whole = Conversation().cells_of(rebuilt)
    names = {name for exercise in paper.exercises for name in exercise.names}
    lean = without_experiments(whole, names)
    if lean is None:
        return Conversation()
    said = _hidden(sandbox, rebuilt, asked, paper, lean=lean)
    said.answers = {
        exercise.id: said.answers[exercise.id]
        for exercise in asked
        if exercise.id not in said.lost and _is_right(exercise, said, paper)
    }
    said.repairs += lean.notes
    return said


def _is_right(exercise: Exercise, said: Conversation, paper: Paper) -> bool:
    answers = said.answers.get(exercise.id)
    known = paper.records[exercise.id]
    return bool(answers) and all(
        verdict.passed for verdict in verdicts_on(exercise, answers, known)
    )


def _hidden(
    sandbox, rebuilt, asked, paper, everything=False, lean=None
) -> Conversation:
    """Puts the hidden questions of every exercise."""
    said = Conversation(everything=everything, lean=lean)

    def ask(session: Session, exercise: Exercise, deadline: float) -> None:
        answers = said.answers.setdefault(exercise.id, {})
        _ask(session, exercise.probes, exercise, answers, deadline)

    said.stopped = _converse(sandbox, rebuilt, asked, paper, said, ask, said.lost)
    return said


def _public(sandbox, rebuilt, asked, paper, said: Conversation) -> None:
    """Puts the public questions of the checks that failed, for the feedback.

    In processes that never saw a hidden question: a student's exception may quote
    whatever its process has seen.
    """
    failed = {}
    for exercise in asked:
        answers = said.answers.get(exercise.id)
        if exercise.id in said.lost or said.stopped or not answers:
            continue
        verdicts = verdicts_on(exercise, answers, paper.records[exercise.id])
        wrong = {v.check.id for v in verdicts if not v.passed and not v.skipped}
        if wrong and verdicts[0].passed:
            failed[exercise.id] = wrong

    def ask(session: Session, exercise: Exercise, deadline: float) -> None:
        twin = paper.public_twin(exercise)
        chosen = [c for c in twin.checks if c.id in failed[exercise.id]]
        probes = [probe for check in chosen for probe in check.probes]
        answers = said.public.setdefault(exercise.id, {})
        _ask(session, probes, twin, answers, deadline)

    waiting = [e for e in asked if e.id in failed]
    unheard = Conversation(fatal=said.fatal, everything=said.everything)
    _converse(sandbox, rebuilt, waiting, paper, unheard, ask, {})


def _converse(
    sandbox, rebuilt, asked, paper, said, ask, lost: dict[str, SessionLost]
) -> SessionLost | None:
    """Asks every exercise; one that loses the worker costs only itself.

    Returns:
        Why nothing more could be asked, if so.
    """
    ends = time.monotonic() + 2 * paper.limits.wall_seconds
    waiting = list(asked)
    while waiting:
        with sandbox.session(paper.limits) as session:
            try:
                said.cells = run_cells(session, said.cells_of(rebuilt), paper.limits)
            except CellLost as gone:
                waiting = _without(gone, waiting, said, lost)
                out_of_patience = len(said.fatal) > FATAL_CELLS
                given = gone.cell.kind == "given"
                if given or out_of_patience or time.monotonic() > ends:
                    return gone.ending
                continue
            while waiting:
                exercise = waiting.pop(0)
                deadline = time.monotonic() + paper.limits.exercise_seconds
                try:
                    ask(session, exercise, deadline)
                except SessionLost as loss:
                    if loss.ours:
                        raise
                    lost[exercise.id] = loss
                    if time.monotonic() > ends:
                        return loss
                    break
    return None


def _without(
    gone: CellLost, waiting: list[Exercise], said: Conversation, lost: dict
) -> list[Exercise]:
    """Leaves out a cell that loses the worker; returns whom to ask all the same."""
    if gone.ending.ours:
        raise gone.ending
    said.fatal.add(gone.cell.id)
    if gone.cell.kind == "exercise":
        lost[gone.cell.id] = gone.ending
    elif told := gone.told():
        said.repairs.append(told)
    return [e for e in waiting if e.id != gone.cell.id]


def _ask(
    session: Session,
    probes: list[Probe],
    exercise: Exercise,
    answers: dict[str, Answers],
    deadline: float,
) -> None:
    for probe in probes:
        question = {
            "id": probe.id,
            "action": probe.action,
            "spec": probe.spec,
            "names": list(exercise.names),
            "watch": list(exercise.forbidden),
        }
        seconds = max(0.0, deadline - time.monotonic())
        answers[probe.id] = checked(session.ask(question, seconds))
        written = answers[probe.id]["facts"].get("written")
        if probe.action == "attempted" and not written:
            return


def _wants_everything(rebuilt: Rebuilt, said: Conversation) -> bool:
    """Does a cell that the grader skipped define a name that was missed?"""
    errors = [cell["error"] for cell in said.cells if cell.get("error")]
    errors += [
        answer["error"]
        for answers in said.answers.values()
        for answer in answers.values()
        if answer["error"]
    ]
    missed = {
        name
        for error in errors
        if error["type"] in ("NameError", "Refusal")
        for name in re.findall(r"(?:name '|no `)(\w+)", error["message"])
    }
    return any(
        missed & defined_names(cell.source)
        for cell in rebuilt.cells
        if cell.kind == "shown"
    )


def _answered(said: Conversation) -> int:
    return sum(
        answer["error"] is None
        for answers in said.answers.values()
        for answer in answers.values()
    )


# --- the result -------------------------------------------------------------------


def _status(said: Conversation, asked: list[Exercise]) -> tuple[str, str]:
    """Returns the submission's status and message."""
    lost = said.stopped
    if lost is None and said.lost and len(said.lost) == len(asked):
        lost = next(iter(said.lost.values()))
    if lost is None:
        return "graded", ""
    return LOST_STATUS.get(lost.reason, "killed"), lost.message


def _exercise_result(exercise, rebuilt, paper, said, met) -> ExerciseResult:
    if exercise.manual:
        return ExerciseResult(
            id=exercise.id,
            score=0.0,
            max_score=exercise.points,
            status="manual",
            waits=exercise.id not in rebuilt.unanswered,
        )
    answers = said.answers.get(exercise.id, {})
    # Whoever was asked in full before the end keeps what was answered.
    lost = said.lost.get(exercise.id) or (None if answers else said.stopped)
    if exercise.id in rebuilt.untouched:
        gone = GONE if exercise.id in rebuilt.gone else "Not written yet."
        return _empty(exercise, "not_attempted", gone)
    if lost is not None:
        status = "timeout" if lost.reason == "timeout" else "error"
        return _empty(exercise, status, lost.message)
    if not answers:
        return _empty(exercise, "error", "It could not be asked.")
    known_of = paper.records[exercise.id].answers
    judgement = judge(exercise, answers, paper.records[exercise.id], met)
    public = _public_judgement(exercise, paper, said, met)
    attempted = judgement.verdicts[0]
    if not attempted.passed and not answers["attempted"]["error"]:
        return _empty(exercise, "not_attempted", "Not written yet.")
    telling = public if public and not judgement.misconception else judgement
    known = telling.misconception
    return ExerciseResult(
        id=exercise.id,
        score=round(judgement.score, 4),
        max_score=exercise.points,
        status="graded" if attempted.passed else "error",
        misconception=known.name if known else None,
        hint=telling.advice or None,
        message=_raised(exercise, rebuilt, said, attempted),
        checks=[_check_result(v, public, known_of) for v in judgement.verdicts],
    )


def _raised(exercise, rebuilt, said, attempted: Verdict) -> str:
    """Says where a student's own cell raised, if the object is missing for it."""
    if attempted.passed:
        return ""
    for cell in said.cells:
        if cell.get("error") and cell["id"] == exercise.id:
            return tell_error(cell["error"])
    return attempted.message


def _public_judgement(exercise, paper: Paper, said, met) -> Judgement | None:
    answers = said.public.get(exercise.id)
    if not answers:
        return None
    twin = paper.public_twin(exercise)
    full = {**paper.public_records[exercise.id].answers, **answers}
    return judge(twin, full, paper.public_records[exercise.id], met)


def _check_result(
    verdict: Verdict, public: Judgement | None, due: Answers
) -> CheckResult:
    evidence = [
        Evidence(
            probe=f.probe,
            passed=f.passed,
            compare=probe.compare,
            sizes=sizes_of(probe, due.get(probe.id, {})),
            error=_finite(f.error),
            tolerance=f.tolerance,
            margin=_margin(f.error, f.tolerance),
        )
        for f, probe in zip(verdict.findings, verdict.check.probes, strict=False)
    ]
    return CheckResult(
        id=verdict.check.id,
        title=verdict.check.title,
        passed=verdict.passed,
        skipped=verdict.skipped,
        points=verdict.points,
        max_points=verdict.check.points,
        message=_told(verdict, public),
        evidence=evidence,
    )


def sizes_of(probe: Probe, due: Mapping) -> dict[str, list[int]]:
    """Returns the shapes of what is asked with and of what is due, by where it is."""
    sizes: dict[str, list[int]] = {}

    def walk(node, path: str) -> None:
        if isinstance(node, np.ndarray):
            sizes[path] = list(node.shape)
        elif isinstance(node, Mapping):
            for key, value in node.items():
                walk(value, f"{path}/{key}")
        elif isinstance(node, (list, tuple)):
            for key, value in enumerate(node):
                walk(value, f"{path}/{key}")

    walk(probe.spec, "asked")
    walk(due.get("arrays", {}), "due")
    return sizes


def stamp(result: SubmissionResult, provenance: Provenance) -> None:
    """Enters into every check of a result what it was reached with."""
    for exercise in result.exercises:
        for check in exercise.checks:
            check.provenance = provenance


def _told(verdict: Verdict, public: Judgement | None) -> str:
    """Returns a message free of hidden inputs: that of the public question.

    A student's exception may quote what it was given, so the hidden questions' own
    texts are never shown.
    """
    if verdict.passed or verdict.skipped:
        return verdict.message
    for twin in public.verdicts if public else ():
        if twin.check.id == verdict.check.id and not twin.passed:
            return twin.message
    return verdict.check.message


def _finite(error: float | None) -> float | None:
    return None if error is None or error == float("inf") else error


def _margin(error: float | None, tolerance: float | None) -> float | None:
    if not tolerance or error is None or error == float("inf") or error == 0.0:
        return None
    return round(tolerance / error, 3)


def _empty(exercise: Exercise, status: str, message: str) -> ExerciseResult:
    checks = [
        CheckResult(
            id=check.id,
            title=check.title,
            passed=False,
            skipped=True,
            points=0.0,
            max_points=check.points,
            message=message,
        )
        for check in exercise.checks
    ]
    return ExerciseResult(
        id=exercise.id,
        score=0.0,
        max_score=exercise.points,
        status=status,
        message=message,
        checks=checks,
    )


def without_grading(
    student: str, status: str, message: str, paper: Paper, isolation: str = ""
) -> SubmissionResult:
    """Returns the result of a submission that could not be run at all."""
    exercises = [
        _empty(e, "error" if status != "missing" else "not_attempted", message)
        if not e.manual
        else ExerciseResult(id=e.id, score=0, max_score=e.points, status="manual")
        for e in paper.exercises
    ]
    return SubmissionResult(
        student=student,
        status=status,
        score=0.0,
        max_score=sum(e.points for e in paper.exercises),
        message=message,
        isolation=isolation,
        exercises=exercises,
    )
