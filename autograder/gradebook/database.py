"""Scores into nbgrader's gradebook, all of a class or none of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime

from nbformat import NotebookNode
from nbformat.v4 import new_notebook
from nbgrader.api import (
    Assignment,
    Comment,
    Grade,
    Gradebook,
    InvalidEntry,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.preprocessors import SaveCells
from sqlalchemy import create_engine, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import selectinload, undefer
from traitlets.config import Config

from autograder.course import Course, CourseError
from autograder.gradebook.manual import remembered, settle
from autograder.gradebook.notebooks import shown
from autograder.grading.cells import grade_id
from autograder.nbgrading import tools_on_path
from autograder.results import SubmissionResult
from autograder.safe import one_line

BATCH = 100  # submissions whose rows are read and written together


def gradebook_id(student: str) -> str:
    """Returns a student's id as nbgrader and its pages take it: a plain word.

    Names that had to be changed keep a fingerprint, so that two of them stay two.
    """
    plain = re.sub(r"[^\w.@+-]+", "-", student, flags=re.ASCII).strip("-.") or "student"
    if plain == student:
        return plain
    return f"{plain}-{hashlib.sha256(student.encode()).hexdigest()[:6]}"


# --- a gradebook that can be had --------------------------------------------------


@contextlib.contextmanager
def opened(db_url: str, course_id: str) -> Iterator[Gradebook]:
    """Opens a gradebook; what is not committed at the end is not written.

    Raises:
        CourseError: it cannot be opened, or not be written.
    """
    tools_on_path()
    with _told(db_url, "opened"):
        gradebook = Gradebook(db_url, course_id)
    with gradebook, _told(db_url, "written"):
        yield gradebook


def try_writing(db_url: str) -> None:
    """Raises `CourseError` where the gradebook could not be written.

    An SQLite gradebook that is not there yet is not made.
    """
    with _told(db_url, "written"):
        url = make_url(db_url)
        if not is_there(db_url):
            return
        sqlite = url.get_backend_name() == "sqlite"
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                if sqlite:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                connection.rollback()
        finally:
            engine.dispose()


def is_there(db_url: str) -> bool:
    """Says whether a gradebook may hold anything; an SQLite file is not made for it."""
    with _told(db_url, "opened"):
        url = make_url(db_url)
    path = url.database
    if url.get_backend_name() != "sqlite":
        return True
    return bool(path) and os.path.exists(path) and os.path.getsize(path) > 0


@contextlib.contextmanager
def _told(db_url: str, done: str) -> Iterator[None]:
    """Says in one sentence why a gradebook cannot be opened or written."""
    try:
        yield
    except (SQLAlchemyError, InvalidEntry, ImportError) as error:
        raise CourseError(_sentence(db_url, done, error)) from error


def _sentence(db_url: str, done: str, error: Exception) -> str:
    try:
        address = make_url(db_url).render_as_string(hide_password=True)
    except ArgumentError:
        return "The gradebook's address is none; write it as postgresql://host/name."
    if isinstance(error, ImportError):
        return f"No driver for {address}; for PostgreSQL install psycopg[binary]."
    reason = one_line(getattr(error, "orig", None) or error)
    return (
        f"The gradebook {address} cannot be {done} ({reason}). See that nothing else "
        "has it open and that you may write it, and run this again: what is graded "
        "is kept."
    )


# --- what is written --------------------------------------------------------------


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
    try:
        with _told(db_url, "written"):
            SaveCells(config=config).preprocess(deepcopy(release), resources)
    except RuntimeError as error:  # its cells are others, and there are submissions
        raise CourseError(
            f"{one_line(error)}; name another gradebook, or give the assignment "
            "another name."
        ) from error


def write_scores(
    db_url: str,
    course: Course,
    assignment: str,
    release: NotebookNode,
    results: Iterable[SubmissionResult],
    notebooks: Mapping[str, NotebookNode] | None = None,
) -> None:
    """Writes a class's automatic scores; what a person gave stays.

    Rows that say so already are not touched: SQLAlchemy writes what changed.

    Args:
        db_url: SQLAlchemy's address of the gradebook.
        course: the course, with its deadlines.
        assignment: its name.
        release: the students' notebook, whose cells the gradebook must know.
        results: one per student.
        notebooks: each student's rebuilt notebook, where there is one; `differing`
            of it is enough.
    """
    results, given = list(results), _sources(release)
    register(db_url, course, assignment, release)
    with opened(db_url, course.id) as gradebook:
        with _uncommitted(gradebook):
            _enter(gradebook, assignment, results)
        judged = remembered(gradebook)
        handed_in = {
            gradebook_id(result.student): result
            for result in results
            if result.status != "missing"
        }
        for submission in submissions_of(gradebook, assignment):
            result = handed_in.get(submission.student_id)
            if result is None:
                continue
            if result.submitted:
                moment = datetime.fromisoformat(result.submitted)
                submission.timestamp = _naive(moment)
            set_deadline(submission, course, result.student)
            own = (notebooks or {}).get(result.student)
            written = given if own is None else {**given, **_sources(own)}
            for notebook in submission.notebooks:
                _score(gradebook, notebook, result, written, given, judged)
                _comment(notebook, written, given)
        gradebook.db.commit()


def set_deadline(submission: SubmittedAssignment, course: Course, student: str) -> None:
    """Gives a submission the extension that course.toml grants the student."""
    due = course.assignment(submission.name).due
    if due is not None:
        deadline = course.deadline(submission.name, student)
        submission.extension = deadline - due if deadline > due else None


def _naive(moment: datetime) -> datetime:
    """Returns a moment as nbgrader keeps it: in UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def differing(notebook: NotebookNode, release: NotebookNode) -> NotebookNode:
    """Returns a notebook's cells that are other than the release's."""
    given = _sources(release)
    cells = [
        cell
        for cell in notebook.cells
        if grade_id(cell) and shown(cell) != given.get(grade_id(cell))
    ]
    return new_notebook(cells=cells)


def _sources(notebook: NotebookNode) -> dict[str | None, str]:
    return {grade_id(cell): shown(cell) for cell in notebook.cells}


@contextlib.contextmanager
def _uncommitted(gradebook: Gradebook) -> Iterator[None]:
    """Has nbgrader leave to the end what it commits after each step.

    A commit takes longer than what it writes, and all that is known is asked again.
    """
    gradebook.db.commit = gradebook.db.flush
    try:
        yield
    finally:
        del gradebook.db.commit


def _enter(gradebook: Gradebook, assignment: str, results) -> None:
    """Makes the students and submissions that are not there, without scores yet."""
    students = set(gradebook.db.scalars(select(Student.id)))
    handed_in = set(
        gradebook.db.scalars(
            select(SubmittedAssignment.student_id)
            .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
            .where(Assignment.name == assignment)
        )
    )
    for result in results:
        student = gradebook_id(result.student)
        if student not in students:
            gradebook.update_or_create_student(student)
        if result.status != "missing" and student not in handed_in:
            gradebook.update_or_create_submission(assignment, student)


def submissions_of(
    gradebook: Gradebook, assignment: str
) -> Iterator[SubmittedAssignment]:
    """Yields an assignment's submissions, read some at a time, by a few questions.

    What the caller changes is flushed before the next ones are read, and those before
    let go: a class is never held at once.
    """
    of_assignment = (
        select(SubmittedAssignment.id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .where(Assignment.name == assignment)
    )
    notebooks = selectinload(SubmittedAssignment.notebooks)
    asked = select(SubmittedAssignment).options(
        selectinload(SubmittedAssignment.assignment),
        notebooks.options(
            undefer(SubmittedNotebook.score),
            selectinload(SubmittedNotebook.grades).selectinload(Grade.cell),
            selectinload(SubmittedNotebook.comments).selectinload(Comment.cell),
        ),
    )
    ids = list(gradebook.db.scalars(of_assignment))
    for start in range(0, len(ids), BATCH):
        some = SubmittedAssignment.id.in_(ids[start : start + BATCH])
        yield from gradebook.db.scalars(asked.where(some)).all()
        gradebook.db.flush()
        gradebook.db.expunge_all()


def _score(gradebook, notebook, result: SubmissionResult, written, given, judged):
    """Enters the points of every cell, and what is taken off for being late."""
    scores = {e.id: e.score for e in result.exercises if e.status != "manual"}
    for grade in notebook.grades:
        name = grade.cell.name
        if name in written and not name.startswith("grade_"):
            auto = 0.0 if written[name] == given.get(name) else None
            settle(gradebook, grade, auto, written[name], judged)
        else:
            auto = scores.get(name.removeprefix("grade_"), 0.0)
            settle(gradebook, grade, auto, "", judged)
    notebook.late_submission_penalty = result.penalty or None


def _comment(notebook: SubmittedNotebook, written, given) -> None:
    for comment in notebook.comments:
        same = written.get(comment.name) == given.get(comment.name)
        comment.auto_comment = "No response." if same else None
