"""Scores into nbgrader's gradebook, all of a class or none of it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime

from nbformat import NotebookNode
from nbgrader.api import Gradebook, SubmittedAssignment
from nbgrader.preprocessors import SaveCells
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from traitlets.config import Config

from autograder.course import Course, CourseError
from autograder.gradebook.manual import settle
from autograder.grading.rebuild import grade_id
from autograder.nbgrading import tools_on_path
from autograder.results import SubmissionResult
from autograder.safe import one_line


def gradebook_id(student: str) -> str:
    """Returns a student's id as nbgrader and its pages take it: a plain word.

    Names that had to be changed keep a fingerprint, so that two of them stay two.
    """
    plain = re.sub(r"[^\w.@+-]+", "-", student, flags=re.ASCII).strip("-.") or "student"
    if plain == student:
        return plain
    return f"{plain}-{hashlib.sha256(student.encode()).hexdigest()[:6]}"


def write_scores(
    db_url: str,
    course: Course,
    assignment: str,
    release: NotebookNode,
    results: Iterable[SubmissionResult],
    notebooks: Mapping[str, NotebookNode] | None = None,
) -> None:
    """Writes a class's automatic scores; what a person gave stays.

    Args:
        db_url: SQLAlchemy's address of the gradebook.
        course: the course, with its deadlines.
        assignment: its name.
        release: the students' notebook, whose cells the gradebook must know.
        results: one per student.
        notebooks: each student's rebuilt notebook, where there is one.
    """
    register(db_url, course, assignment, release)
    with opened(db_url, course.id) as gradebook:
        try:
            for result in results:
                notebook = (notebooks or {}).get(result.student, release)
                _write_one(gradebook, course, assignment, result, notebook, release)
            gradebook.db.commit()
        except BaseException:
            gradebook.db.rollback()
            raise


@contextlib.contextmanager
def opened(db_url: str, course_id: str) -> Iterator[Gradebook]:
    """Opens a gradebook; raises `CourseError` where there is none to be had."""
    tools_on_path()
    try:
        gradebook = Gradebook(db_url, course_id)
    except (SQLAlchemyError, ImportError) as error:
        raise CourseError(_unreachable(db_url, error)) from error
    with gradebook:
        yield gradebook


def _unreachable(db_url: str, error: Exception) -> str:
    try:
        shown = make_url(db_url).render_as_string(hide_password=True)
    except ArgumentError:
        return "The gradebook's address is none; write it as postgresql://host/name."
    if isinstance(error, ImportError):
        return f"No driver for {shown}; for PostgreSQL install psycopg[binary]."
    reason = one_line(getattr(error, "orig", None) or error)
    return f"The gradebook {shown} cannot be opened: {reason}"


def register(
    db_url: str, course: Course, assignment: str, release: NotebookNode
) -> None:
    """Lets the gradebook know an assignment: its cells, its points, when it is due."""
    due = course.assignment(assignment).due
    with opened(db_url, course.id) as gradebook:
        known = {} if due is None else {"duedate": _naive(due)}
        gradebook.update_or_create_assignment(assignment, **known)
    resources = {
        "nbgrader": {
            "assignment": assignment,
            "notebook": assignment,
            "db_url": db_url,
        },
        "unique_key": assignment,
    }
    config = Config()
    config.CourseDirectory.course_id = course.id
    SaveCells(config=config).preprocess(deepcopy(release), resources)


def set_deadline(submission: SubmittedAssignment, course: Course, student: str) -> None:
    """Gives a submission the extension that course.toml grants the student."""
    due = course.assignment(submission.name).due
    if due is not None:
        deadline = course.deadline(submission.name, student)
        submission.extension = deadline - due if deadline > due else None


def _naive(moment: datetime) -> datetime:
    """Returns a moment as nbgrader keeps it: in UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _write_one(gradebook, course, assignment, result, notebook, release) -> None:
    student = gradebook_id(result.student)
    gradebook.update_or_create_student(student)
    if result.status == "missing":
        return
    told = {}
    if result.submitted:
        told["timestamp"] = _naive(datetime.fromisoformat(result.submitted))
    submission = gradebook.update_or_create_submission(assignment, student, **told)
    set_deadline(submission, course, result.student)
    scores = {e.id: e.score for e in result.exercises if e.status != "manual"}
    written = {grade_id(cell): cell.source for cell in notebook.cells}
    given = {grade_id(cell): cell.source for cell in release.cells}
    for submitted in submission.notebooks:
        for grade in submitted.grades:
            name = grade.cell.name
            if name in written and not name.startswith("grade_"):
                answer = written[name]
                auto = 0.0 if answer == given[name] else None
                settle(gradebook, grade, auto, answer)
            else:
                settle(gradebook, grade, scores.get(name[len("grade_") :], 0.0), "")
        for comment in submitted.comments:
            same = written.get(comment.name) == given.get(comment.name)
            comment.auto_comment = "No response." if same else None
        gradebook.db.flush()
        gradebook.db.refresh(submitted)
        penalty = min(result.penalty, submitted.score)
        submitted.late_submission_penalty = penalty or None
