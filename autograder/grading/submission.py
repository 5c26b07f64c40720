"""One submission, from its rebuilt cells to a result."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder.course import Limits
from autograder.exercise import Exercise, Probe
from autograder.grading.answers import checked
from autograder.grading.ready_made import ready_made
from autograder.grading.rebuild import Cell, Rebuilt, defined_names
from autograder.judging import (
    Answers,
    Judgement,
    Records,
    Verdict,
    judge,
    tell_error,
)
from autograder.results import (
    CheckResult,
    Evidence,
    ExerciseResult,
    SubmissionResult,
)
from autograder.sandbox.host import Sandbox, Session, SessionLost

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
    """Exercises during which the worker was lost."""
    stopped: SessionLost | None = None
    """The worker was lost while the notebook's own cells ran."""


@dataclass
class Graded:
    """A result and what the pages show beside it."""

    result: SubmissionResult
    answers: dict[str, dict[str, Answers]] = field(default_factory=dict)
    """The public answers of the exercises that lost points, for pictures."""
    cells: list[dict[str, Any]] = field(default_factory=list)
    """What the notebook's cells printed, by cell."""


def grade_submission(
    sandbox: Sandbox, student: str, rebuilt: Rebuilt, paper: Paper
) -> Graded:
    """Runs a rebuilt notebook, asks, judges; every fault ends in a result."""
    start = time.monotonic()
    asked = [
        e for e in paper.exercises if not e.manual and e.id not in rebuilt.untouched
    ]
    said = Conversation()
    if asked:
        _converse(sandbox, rebuilt, asked, paper, said)
        if _wants_everything(rebuilt, said):
            again = Conversation()
            _converse(sandbox, rebuilt, asked, paper, again, everything=True)
            said = again if _answered(again) > _answered(said) else said
    results: list[ExerciseResult] = []
    for exercise in paper.exercises:
        met = [r.misconception for r in results if r.misconception]
        results.append(_exercise_result(exercise, rebuilt, paper, said, met))
    status, message = _status(said, asked)
    result = SubmissionResult(
        student=student,
        status=status,
        score=round(sum(r.score for r in results), 4),
        max_score=sum(e.points for e in paper.exercises),
        message=message,
        isolation=sandbox.isolation,
        seconds=round(time.monotonic() - start, 3),
        repairs=rebuilt.repairs,
        flags=[*rebuilt.flags, *_ready_made(rebuilt, paper)],
        exercises=results,
    )
    return Graded(result, said.public, said.cells)


def _ready_made(rebuilt: Rebuilt, paper: Paper) -> list[str]:
    helpers = [cell.source for cell in rebuilt.cells if cell.kind == "extra"]
    return [
        f"{exercise.id}: uses {name}"
        for exercise in paper.exercises
        for name in ready_made(
            rebuilt.sources.get(exercise.id, ""), helpers, exercise.forbidden
        )
    ]


# --- the conversation -------------------------------------------------------------


def _converse(sandbox, rebuilt, asked, paper, said, everything=False) -> None:
    """Asks every exercise; one that loses the worker costs only itself."""
    waiting = list(asked)
    while waiting and said.stopped is None:
        with sandbox.session(paper.limits) as session:
            try:
                said.cells = _run_cells(session, rebuilt.cells, paper, everything)
            except SessionLost as lost:
                said.stopped = lost
                return
            while waiting:
                exercise = waiting.pop(0)
                try:
                    _ask_exercise(session, exercise, paper, said)
                except SessionLost as lost:
                    said.lost[exercise.id] = lost
                    break


def _run_cells(session: Session, cells: list[Cell], paper, everything) -> list[dict]:
    limit = paper.limits.cell_seconds
    kinds = {"given", "exercise", "extra"} | ({"shown"} if everything else set())
    chosen = [
        {"id": cell.id, "source": cell.source, "seconds": limit}
        for cell in cells
        if cell.kind in kinds
    ]
    return session.run(chosen)


def _ask_exercise(session: Session, exercise: Exercise, paper: Paper, said) -> None:
    """Asks an exercise; where it lost points, asks the public questions as well."""
    deadline = time.monotonic() + paper.limits.exercise_seconds
    answers = said.answers.setdefault(exercise.id, {})
    _ask(session, exercise.probes, exercise, answers, deadline)
    judgement = judge(exercise, answers, paper.records[exercise.id])
    if judgement.passed or not judgement.verdicts[0].passed:
        return
    failed = {v.check.id for v in judgement.verdicts if not v.passed and not v.skipped}
    twin = paper.public_twin(exercise)
    probes = [p for c in twin.checks if c.id in failed for p in c.probes]
    public = said.public.setdefault(exercise.id, {})
    _ask(session, probes, twin, public, deadline)


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
            id=exercise.id, score=0.0, max_score=exercise.points, status="manual"
        )
    lost = said.lost.get(exercise.id) or said.stopped
    answers = said.answers.get(exercise.id, {})
    if exercise.id in rebuilt.untouched:
        return _empty(exercise, "not_attempted", "Not written yet.")
    if lost is not None:
        status = "timeout" if lost.reason == "timeout" else "error"
        return _empty(exercise, status, lost.message)
    if not answers:
        return _empty(exercise, "error", "It could not be asked.")
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
        checks=[_check_result(v, public) for v in judgement.verdicts],
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


def _check_result(verdict: Verdict, public: Judgement | None) -> CheckResult:
    evidence = [
        Evidence(
            probe=f.probe,
            error=_finite(f.error),
            tolerance=f.tolerance,
            margin=_margin(f.error, f.tolerance),
        )
        for f in verdict.findings
        if f.error is not None
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
