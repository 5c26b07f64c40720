"""Scores into nbgrader's gradebook, all of a class or none of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import warnings
from collections.abc import Iterable, Iterator

from nbformat import NotebookNode
from nbgrader.api import (
    Assignment,
    BaseCell,
    Grade,
    Gradebook,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.preprocessors import SaveCells
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SAWarning, SQLAlchemyError
from traitlets.config import Config

from autograder.course import CourseError
from autograder.exercise import Exercise
from autograder.nbgrading import tools_on_path
from autograder.results import SubmissionResult


def gradebook_id(student: str) -> str:
    """Returns a student's id as nbgrader and its pages take it: a plain word.

    Names that had to be changed keep a fingerprint, so that two of them stay two.
    """
    plain = re.sub(r"[^\w.@+-]+", "-", student, flags=re.ASCII).strip("-.") or "student"
    if plain == student:
        return plain
    return f"{plain}-{hashlib.sha256(student.encode()).hexdigest()[:6]}"


@contextlib.contextmanager
def _told(db_url: str) -> Iterator[None]:
    """Says in one sentence why a gradebook cannot be written."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise CourseError(
            f"The gradebook {db_url} cannot be written ({reason}). Close what else "
            "has it open, see that you may write it, and run this again: what is "
            "graded is kept."
        ) from error


def try_writing(db_url: str) -> None:
    """Raises `CourseError` where a gradebook that is there could not be written."""
    url = make_url(db_url)
    name = url.database if url.get_backend_name() == "sqlite" else None
    if not name or not os.path.isfile(name) or not os.path.getsize(name):
        return
    with _told(db_url):
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                connection.rollback()
        finally:
            engine.dispose()


def write_scores(
    db_url: str,
    course_id: str,
    assignment: str,
    release: NotebookNode,
    exercises: list[Exercise],
    results: Iterable[SubmissionResult],
) -> None:
    """Writes a class's automatic scores; what a person gave stays.

    Args:
        db_url: SQLAlchemy's address of the gradebook.
        course_id: nbgrader's name of the course.
        assignment: its name.
        release: the students' notebook, whose cells the gradebook must know.
        exercises: what was asked.
        results: one per student.
    """
    tools_on_path()
    with warnings.catch_warnings(), _told(db_url):
        # nbgrader's models are written for an older SQLAlchemy, which says so.
        warnings.simplefilter("ignore", SAWarning)
        _register(db_url, course_id, assignment, release)
        with Gradebook(db_url, course_id) as gradebook:
            try:
                graded = _graded(gradebook, assignment)
                for result in results:
                    if not _is_there(graded, exercises, result):
                        _write_one(gradebook, assignment, exercises, result)
                gradebook.db.commit()
            except BaseException:
                gradebook.db.rollback()
                raise


def _register(db_url, course_id, assignment, release) -> None:
    """Lets nbgrader's own preprocessor enter the assignment's cells."""
    with Gradebook(db_url, course_id) as gradebook:
        gradebook.update_or_create_assignment(assignment)
    resources = {
        "nbgrader": {
            "assignment": assignment,
            "notebook": assignment,
            "db_url": db_url,
        },
        "unique_key": assignment,
    }
    config = Config()
    config.CourseDirectory.course_id = course_id
    SaveCells(config=config).preprocess(release.copy(), resources)


Graded = dict[str, dict[str, Grade]]


def _graded(gradebook: Gradebook, assignment: str) -> Graded:
    """Returns all grades of an assignment by student and cell, in one question."""
    rows = (
        gradebook.db.query(SubmittedAssignment.student_id, BaseCell.name, Grade)
        .select_from(Grade)
        .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
        .join(
            SubmittedAssignment,
            SubmittedNotebook.assignment_id == SubmittedAssignment.id,
        )
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .join(BaseCell, Grade.cell_id == BaseCell.id)
        .filter(Assignment.name == assignment)
    )
    found: Graded = {}
    for student, cell, grade in rows:
        found.setdefault(student, {})[cell] = grade
    return found


def _is_there(graded: Graded, exercises, result: SubmissionResult) -> bool:
    """Does the gradebook say already what a result says? Then nothing is written."""
    own = graded.get(gradebook_id(result.student))
    return (
        result.status != "missing"
        and own is not None
        and len(own) == max(map(len, graded.values()), default=0)
        and all(
            (grade.auto_score, bool(grade.needs_manual_grade))
            == _due(name, grade, exercises, result)
            for name, grade in own.items()
        )
    )


def _due(name: str, grade: Grade, exercises, result) -> tuple[float | None, bool]:
    """Returns a cell's automatic score, and whether a person has to give points."""
    exercise = name.removeprefix("grade_")
    if any(e.id == exercise and not e.manual for e in exercises):
        scores = {e.id: e.score for e in result.exercises}
        return scores.get(exercise, 0.0), False
    if grade.manual_score is None:
        return None, True
    return grade.auto_score, bool(grade.needs_manual_grade)


def _write_one(gradebook, assignment, exercises, result: SubmissionResult) -> None:
    student = gradebook_id(result.student)
    gradebook.update_or_create_student(student)
    if result.status == "missing":
        return
    submission = gradebook.update_or_create_submission(assignment, student)
    for notebook in submission.notebooks:
        for grade in notebook.grades:
            grade.auto_score, grade.needs_manual_grade = _due(
                grade.cell.name, grade, exercises, result
            )
