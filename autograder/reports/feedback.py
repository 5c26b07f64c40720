"""One page per student: what is right, what is not, and the idea behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autograder.exercise import Exercise
from autograder.judging import Records, examine
from autograder.reports.pages import plural, points, templates
from autograder.results import (
    CheckResult,
    ExerciseResult,
    ReceiptResult,
    SubmissionResult,
)
from autograder.student.figures import alt_text, compare_matrices

# What to tell where nothing could be judged: what happened, and what to do.
UNGRADED = {
    "missing": (
        "There is no notebook of yours for this assignment.",
        "If you did hand one in, tell the course staff when and where; otherwise ask "
        "whether you still can.",
    ),
    "unreadable": (
        "Your file arrived, but it could not be read as this assignment's notebook.",
        "Open the notebook where you wrote it, see that your work is there, save it "
        "as an .ipynb file, and open that file once more. Then ask the course staff "
        "whether you may hand it in again.",
    ),
    "crashed": (
        "The Python process that ran your notebook ended before it could answer.",
        "Restart the runtime and run all cells from the top. If it ends there too, "
        "the last cell that ran is the one to look at; if it does not, tell the "
        "course staff, for the fault may be ours.",
    ),
    "timeout": (
        "Your notebook was still running when its time was up.",
        "Restart the runtime and run all cells from the top, watching which one does "
        "not end: a loop without an end, or a training outside the cells given for "
        "it.",
    ),
    "killed": (
        "Your notebook needed more than a submission may use, so it was stopped.",
        "Restart the runtime, run all cells from the top and watch the memory: an "
        "array that grows in a loop, or one with an axis too many, is the usual "
        "cause.",
    ),
}


@dataclass(frozen=True)
class Picture:
    """Expected numbers beside one's own, for a public example."""

    png: bytes
    alt: str


@dataclass(frozen=True)
class Section:
    """One exercise as the page tells it."""

    title: str
    result: ExerciseResult
    wrong: list[CheckResult]
    right: list[CheckResult]
    waiting: list[tuple[CheckResult, str]]
    """Checks that were not judged, each with what it waits for."""
    pictures: Mapping[str, Picture]
    source: str

    @property
    def alike(self) -> list[CheckResult]:
        """Wrong checks that say little more where the mistake has a name.

        Every check tells its own rule; read after a named mistake, most of them lead
        away from it. The first one stays, and the one with a picture.
        """
        if not self.result.misconception:
            return []
        return [c for c in self.wrong[1:] if c.id not in self.pictures]

    @property
    def told(self) -> list[CheckResult]:
        """Wrong checks that are told in full."""
        return [check for check in self.wrong if check not in self.alike]

    @property
    def complete(self) -> bool:
        return bool(self.result.checks) and self.result.score >= self.result.max_score

    def tells_more(self, readable: bool) -> bool:
        """Says whether this adds to “your submission could not be graded”."""
        waits = readable and self.result.status == "manual"
        return bool(waits or self.source or self.right or self.wrong)


def feedback_page(
    result: SubmissionResult,
    exercises: Sequence[Exercise],
    *,
    course_title: str,
    assignment_title: str,
    sources: Mapping[str, str] | None = None,
    pictures: Mapping[tuple[str, str], Picture] | None = None,
    graded_at: str | None = None,
) -> str:
    """Returns a student's feedback as HTML.

    Args:
        result: the student's result.
        exercises: what was asked.
        course_title: for the page's head.
        assignment_title: for the page's head.
        sources: the student's code, by exercise.
        pictures: by exercise and check, as `pictures_of` returns them.
        graded_at: when, as it shall be read.
    """
    asked = {exercise.id: exercise for exercise in exercises}
    manual = sum(
        e.max_score for e in result.exercises if e.status == "manual" and e.waits
    )
    sections = [
        _section(e, asked.get(e.id), sources or {}, pictures or {})
        for e in result.exercises
    ]
    happened, mend = UNGRADED.get(result.status, ("", ""))
    readable = result.status not in ("missing", "unreadable")
    if happened:
        sections = [s for s in sections if s.tells_more(readable)]
    return (
        templates()
        .get_template("feedback.html")
        .render(
            title=f"{assignment_title}: feedback",
            course_title=course_title,
            assignment_title=assignment_title,
            graded_at=graded_at,
            result=result,
            summary=summary(result, exercises),
            possible=result.max_score - manual,
            late=lateness(result),
            manual=manual,
            sections=sections,
            happened=happened,
            mend=mend,
            readable=readable,
            receipt=receipt_told(result.receipt),
        )
    )


def _section(
    result: ExerciseResult,
    asked: Exercise | None,
    sources: Mapping[str, str],
    pictures: Mapping[tuple[str, str], Picture],
) -> Section:
    listed = [check for check in result.checks if check.max_points]
    return Section(
        title=asked.title if asked else result.id,
        result=result,
        wrong=[c for c in listed if not c.passed and not c.skipped],
        right=[c for c in listed if c.passed],
        waiting=[(c, _precondition(c, result, asked)) for c in listed if c.skipped],
        pictures={
            check: picture
            for (exercise, check), picture in pictures.items()
            if exercise == result.id
        },
        source=sources.get(result.id, ""),
    )


def _precondition(
    check: CheckResult, result: ExerciseResult, asked: Exercise | None
) -> str:
    """Returns the title of the check that had to pass first, or nothing."""
    failed = {c.id: c for c in result.checks if not c.passed}
    needs = [c.requires for c in asked.checks if c.id == check.id] if asked else []
    for need in (need for group in needs for need in group):
        if need in failed and failed[need].max_points:
            return failed[need].title
    return ""


def summary(result: SubmissionResult, exercises: Sequence[Exercise] = ()) -> str:
    """Says in one sentence how it went."""
    titles = {exercise.id: exercise.title for exercise in exercises}
    graded = [e for e in result.exercises if e.status != "manual"]
    full = [e for e in graded if e.score >= e.max_score]
    tried = [e for e in graded if e not in full and e.status != "not_attempted"]
    if result.status != "graded":
        return "Your submission could not be graded."
    if not graded:
        return "A person reads this assignment; nothing was checked by machine."
    if len(full) == len(graded):
        return "Everything that can be checked is right. Well done."
    if not full and not tried:
        return "The exercises are still as you got them."
    if not tried:
        return f"All that you wrote is right; {_left(len(graded) - len(full))}."
    return f"{_done(len(full), len(graded))}, and {_next(tried, titles)}."


def lateness(result: SubmissionResult) -> str:
    """Says what lateness cost; nothing where it cost nothing."""
    if not result.penalty:
        return ""
    hours = max(round(result.late_seconds / 3600), 1)
    days, rest = divmod(hours, 24)
    parts = [plural(days, "day")] if days else []
    parts += [plural(rest, "hour")] if rest else []
    return (
        f"It came {' and '.join(parts)} after the deadline. That costs "
        f"{plural(result.penalty, 'point')}, so {points(result.total)} "
        f"{'counts' if result.total == 1 else 'count'}."
    )


def _left(number: int) -> str:
    return "one exercise is still open" if number == 1 else f"{number} are still open"


def _done(full: int, all: int) -> str:
    if not full:
        return "No exercise is complete yet"
    return f"{full} of {all} exercises {'is' if full == 1 else 'are'} complete"


def _next(tried: Sequence[ExerciseResult], titles: Mapping[str, str]) -> str:
    """Says where to begin: at a mistake that runs on, or where most is to be gained."""
    (name, times), *_ = Counter(e.misconception for e in tried).most_common(1)
    if name and times > 1:
        first = next(e for e in tried if e.misconception == name)
        title = titles.get(first.id, first.id)
        return (
            f"one mistake, made in “{title}”, runs through {times} exercises: mend it "
            "there first"
        )
    if len(tried) > 1 and not tried[0].score:
        title = titles.get(tried[0].id, tried[0].id)
        return f"“{title}” has no point so far: begin there"
    most = max(tried, key=lambda e: e.max_score - e.score)
    gain = plural(most.max_score - most.score, "point")
    return f"most is to be gained in “{titles.get(most.id, most.id)}”: {gain}"


def receipt_told(receipt: ReceiptResult) -> str:
    """Says what the notebook's receipt is good for; it costs nothing either way."""
    if receipt.status == "none":
        return "Receipt: none. It costs nothing; `pack()` in the notebook writes one."
    if receipt.status == "unreadable":
        return "Receipt: cannot be read, or is another assignment's. It costs nothing."
    when = f" on {receipt.packed_at}" if receipt.packed_at else ""
    told = f"{receipt.passed} of {receipt.exercises} exercises passed the checks then"
    told = f"; {told}" if receipt.exercises else ""
    if receipt.status == "changed":
        return (
            f"Receipt: the notebook was changed after you packed it{when}{told}. It "
            "costs nothing; see that this is the file you meant to hand in."
        )
    return f"Receipt: matches what you packed{when}{told}."


# --- pictures ---------------------------------------------------------------------


def pictures_of(
    exercises: Sequence[Exercise],
    answers: Mapping[str, Mapping],
    records: Mapping[str, Records],
) -> dict[tuple[str, str], Picture]:
    """Returns, per exercise, the first public question whose numbers are wrong, drawn.

    Args:
        exercises: with the public questions.
        answers: the student's public answers, by exercise and probe.
        records: the public records, by exercise.
    """
    drawn = {}
    for exercise in exercises:
        own = answers.get(exercise.id)
        found = own and _picture(exercise, own, records[exercise.id])
        if found:
            check, picture = found
            drawn[exercise.id, check] = picture
    return drawn


def _picture(
    exercise: Exercise, own: Mapping, known: Records
) -> tuple[str, Picture] | None:
    for check in exercise.checks:
        for probe in check.probes:
            if probe.id not in own:
                continue
            due = known.answers[probe.id]
            finding = examine(probe, own[probe.id], due, known.device)
            mine = own[probe.id]["arrays"].get(finding.array)
            if finding.passed or mine is None or np.ndim(mine) < 1:
                continue
            right = due["arrays"][finding.array]
            png = compare_matrices(right, mine, title=check.title)
            return check.id, Picture(png, alt_text(right, mine))
    return None
