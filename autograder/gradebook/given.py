"""What people gave in formgrader, put into a result: it is one result for every export.

A person grades the manual questions and may overrule an automatic score. Both stand in
nbgrader's gradebook only; what is told about a student must know of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autograder.course import Course
from autograder.gradebook.database import (
    gradebook_id,
    is_there,
    opened,
    submissions_of,
)
from autograder.results import ClassResult, ExerciseResult, SubmissionResult


@dataclass(frozen=True)
class Given:
    """What the gradebook holds of one submission that no program decided."""

    points: Mapping[str, float] = field(default_factory=dict)
    """By the cell's name without `grade_`: an exercise."""
    comments: Mapping[str, str] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    """Those that a person has yet to look at."""


def read_given(db_url: str, course: Course, assignment: str) -> dict[str, Given]:
    """Returns what was given, by nbgrader's id of the student.

    Raises:
        CourseError: the gradebook cannot be opened.
    """
    if not is_there(db_url):
        return {}
    with opened(db_url, course.id) as gradebook:
        return {
            submission.student_id: _given(submission)
            for submission in submissions_of(gradebook, assignment)
        }


def _given(submission) -> Given:
    points, comments, waiting = {}, {}, set()
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            name = _exercise(grade.cell.name)
            if grade.needs_manual_grade:
                waiting.add(name)
            decided = grade.manual_score is not None
            if decided or grade.extra_credit:
                points[name] = grade.score
        for comment in notebook.comments:
            if comment.manual_comment:
                comments[_exercise(comment.cell.name)] = comment.manual_comment
    return Given(points, comments, frozenset(waiting))


def _exercise(cell: str) -> str:
    return cell.removeprefix("grade_")


def with_given(result: SubmissionResult, given: Given | None) -> SubmissionResult:
    """Returns a result with people's points and words beside the program's."""
    if given is None or result.status == "missing":
        return result
    exercises = [_with(e, given) for e in result.exercises]
    before, after = (sum(e.score for e in es) for es in (result.exercises, exercises))
    score = round(result.score - before + after, 4)
    return result.model_copy(update={"exercises": exercises, "score": score})


def _with(exercise: ExerciseResult, given: Given) -> ExerciseResult:
    points = given.points.get(exercise.id)
    told = {
        "given": points,
        "comment": given.comments.get(exercise.id, ""),
        "waits": exercise.id in given.waiting,
        "score": exercise.score if points is None else points,
    }
    return exercise.model_copy(update=told)


def class_with_given(result: ClassResult, given: Mapping[str, Given]) -> ClassResult:
    """Returns a class's result with what people gave."""
    submissions = [
        with_given(s, given.get(gradebook_id(s.student))) for s in result.submissions
    ]
    return result.model_copy(update={"submissions": submissions})
