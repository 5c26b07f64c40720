"""One page per student: what is right, what is not, and the idea behind it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import numpy as np

from autograder.exercise import Exercise
from autograder.judging import Records, examine
from autograder.reports.pages import templates
from autograder.results import SubmissionResult
from autograder.student.figures import alt_text, compare_matrices


def feedback_page(
    result: SubmissionResult,
    exercises: Sequence[Exercise],
    *,
    course_title: str,
    assignment_title: str,
    sources: Mapping[str, str] | None = None,
    pictures: Mapping[str, list[dict[str, str]]] | None = None,
) -> str:
    """Returns a student's feedback as HTML.

    Args:
        result: the student's result.
        exercises: what was asked, in the same order.
        course_title: for the page's head.
        assignment_title: for the page's head.
        sources: the student's code by exercise.
        pictures: by exercise, what `pictures_of` returns.
    """
    titles = {exercise.id: exercise for exercise in exercises}
    manual = sum(exercise.manual_points for exercise in exercises)
    return (
        templates()
        .get_template("feedback.html")
        .render(
            title=f"{assignment_title}: feedback",
            course_title=course_title,
            assignment_title=assignment_title,
            result=result,
            summary=summary(result),
            automatic=result.max_score - manual,
            manual=manual,
            exercises=[(e, titles[e.id]) for e in result.exercises],
            sources=sources or {},
            pictures=pictures or {},
        )
    )


def summary(result: SubmissionResult) -> str:
    """Says in one sentence how it went."""
    if result.status != "graded":
        return result.message or "This submission could not be graded."
    graded = [e for e in result.exercises if e.status != "manual"]
    full = [e for e in graded if e.score == e.max_score]
    open_ = [e for e in graded if e.status == "not_attempted"]
    if graded and len(full) == len(graded):
        return "Everything that can be checked is right. Well done."
    if len(open_) == len(graded):
        return "The exercises are still as you got them."
    lost = min(
        (e for e in graded if e.score < e.max_score and e not in open_),
        key=lambda e: e.score - e.max_score,
        default=None,
    )
    told = f"{len(full)} of {len(graded)} exercises are right throughout."
    return f"{told} Most is to be gained in {lost.id}." if lost else told


def pictures_of(
    exercises: Sequence[Exercise],
    answers: Mapping[str, Mapping],
    records: Mapping[str, Records],
) -> dict[str, list[dict[str, str]]]:
    """Returns, per exercise, the first public question whose numbers are wrong, drawn.

    Args:
        exercises: with the public questions.
        answers: the student's public answers, by exercise and probe.
        records: the public records, by exercise.
    """
    drawn = {}
    for exercise in exercises:
        own = answers.get(exercise.id)
        picture = own and _picture(exercise, own, records[exercise.id])
        if picture:
            drawn[exercise.id] = [picture]
    return drawn


def _picture(exercise: Exercise, own: Mapping, known: Records) -> dict | None:
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
            return {
                "alt": alt_text(right, mine),
                "data": base64.b64encode(png).decode(),
            }
    return None
