"""A graded class, written out: gradebook, autograded notebooks, pages, JSON."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import nbformat

from autograder import records
from autograder.course import Course
from autograder.gradebook.database import gradebook_id, write_scores
from autograder.gradebook.notebooks import autograded_notebook
from autograder.grading.classroom import Grader, Outcome
from autograder.reports.class_page import class_page
from autograder.reports.feedback import feedback_page, pictures_of
from autograder.results import ClassResult


def hand_back_one(course: Course, grader: Grader, outcome: Outcome) -> Path:
    """Writes one student's autograded notebook and feedback page; returns the page."""
    result, paper = outcome.graded.result, grader.paper
    student, place = gradebook_id(result.student), grader.workplace
    sources: dict[str, str] = {}
    if outcome.rebuilt is not None:
        sources = outcome.rebuilt.sources
    if result.status != "missing":
        text = nbformat.writes(autograded_notebook(outcome, grader))
        records.write_text(place.autograded(student, grader.assignment), text)
    page = feedback_page(
        result,
        paper.exercises,
        course_title=course.title,
        assignment_title=course.assignment(grader.assignment).title,
        sources=sources,
        pictures=pictures_of(
            paper.public, outcome.graded.answers, paper.public_records
        ),
    )
    path = place.feedback(student, grader.assignment)
    records.write_text(path, page)
    return path


def hand_back_class(
    course: Course, grader: Grader, outcomes: Sequence[Outcome], db_url: str
) -> tuple[ClassResult, Path]:
    """Fills the gradebook, writes the class page; returns the result and the page."""
    result, place = grader.summary(outcomes), grader.workplace
    write_scores(
        db_url,
        course,
        grader.assignment,
        grader.release,
        result.submissions,
        {o.found.student: o.rebuilt.notebook for o in outcomes if o.rebuilt},
    )
    page = place.page(grader.assignment)
    links = {
        s.student: os.path.relpath(
            place.feedback(gradebook_id(s.student), grader.assignment), page.parent
        )
        for s in result.submissions
    }
    text = class_page(
        result,
        grader.paper.exercises,
        course_title=course.title,
        assignment_title=course.assignment(grader.assignment).title,
        links=links,
    )
    records.write_text(page, text)
    return result, page
