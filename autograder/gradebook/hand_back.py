"""A graded class, written out: gradebook, autograded notebooks, pages, JSON."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import nbformat

from autograder import records
from autograder.course import Course
from autograder.exercise import Exercise
from autograder.gradebook.database import differing, gradebook_id, write_scores
from autograder.gradebook.given import (
    Given,
    class_with_given,
    read_given,
    with_given,
)
from autograder.gradebook.notebooks import autograded_notebook, pictures_for
from autograder.grading.classroom import Grader, Outcome, Workplace
from autograder.grading.collect import Collected
from autograder.grading.rebuild import Rebuilt
from autograder.grading.submission import Graded
from autograder.reports.class_page import class_page
from autograder.reports.feedback import feedback_page
from autograder.reports.similarity import similar_code
from autograder.results import Alike, ClassResult


def hand_back_one(
    course: Course, grader: Grader, outcome: Outcome, given: Mapping[str, Given]
) -> Path:
    """Writes one student's autograded notebook and feedback page; returns the page.

    Where both are there as they were written for the same result, by the same code,
    they stay.

    Args:
        course: the course.
        grader: who graded.
        outcome: the student's.
        given: what `read_given` returned: people's points and words.
    """
    place = grader.workplace
    student = gradebook_id(outcome.graded.result.student)
    result = with_given(outcome.graded.result, given.get(student))
    files = (
        place.feedback(student, grader.assignment),
        place.autograded(student, grader.assignment),
    )
    stamp = place.private / "pages" / grader.assignment / student
    wanted = _stamp(course, grader, outcome, result)
    if outcome.key and _reads(stamp) == _of_files(wanted, files):
        return files[0]
    sources: dict[str, str] = {}
    if outcome.rebuilt is not None:
        sources = outcome.rebuilt.sources
    pictures = pictures_for(outcome, grader)
    if result.status != "missing":
        text = nbformat.writes(autograded_notebook(outcome, grader, pictures))
        records.write_text(place.autograded(student, grader.assignment), text)
    page = feedback_page(
        result,
        grader.paper.exercises,
        course_title=course.title,
        assignment_title=course.assignment(grader.assignment).title,
        sources=sources,
        pictures=pictures,
    )
    records.write_text(files[0], page)
    if outcome.key:
        records.write_text(stamp, _of_files(wanted, files))
    return files[0]


def lightened(outcome: Outcome, grader: Grader) -> Outcome:
    """Returns what `hand_back_class` needs of an outcome, for a class is held at once.

    Args:
        outcome: the student's, handed back.
        grader: who graded.
    """
    rebuilt = outcome.rebuilt
    if rebuilt is not None:
        own = differing(rebuilt.notebook, grader.release)
        rebuilt = Rebuilt(sources=rebuilt.sources, notebook=own)
    return replace(outcome, graded=Graded(outcome.graded.result), rebuilt=rebuilt)


def _stamp(course: Course, grader: Grader, outcome: Outcome, result) -> str:
    """Names all that a student's pages are made of."""
    title = course.assignment(grader.assignment).title
    told = result.model_dump_json(exclude={"seconds", "phases"})
    parts = [outcome.key, told, course.title, title, _makers()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.lru_cache
def _makers() -> str:
    """Returns a fingerprint of the code and templates that make pages."""
    package = Path(__file__).parents[1]
    paths = [
        path
        for pattern in ("*.py", "reports/**/*", "gradebook/*.py", "student/*.py")
        for path in sorted(package.glob(pattern))
        if path.is_file() and path.suffix in (".py", ".html")
    ]
    return hashlib.sha256(b"".join(p.read_bytes() for p in paths)).hexdigest()


def _of_files(stamp: str, paths: Sequence[Path]) -> str:
    """Returns a stamp with the files' own digests; whoever changes one is noticed."""
    try:
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    except OSError:
        return ""
    return " ".join([stamp, *digests])


def _reads(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def hand_back_class(
    course: Course,
    grader: Grader,
    outcomes: Sequence[Outcome],
    db_url: str,
    collected: Collected | None = None,
) -> tuple[ClassResult, Path]:
    """Writes the result, fills the gradebook, writes the class page.

    Returns:
        the result with what people gave, and the page's path.
    """
    result, place = grader.summary(outcomes, collected), grader.workplace
    result = result.model_copy(update={"similar": _alike(grader, outcomes)})
    records.write_text(
        place.result(grader.assignment), result.model_dump_json(indent=1) + "\n"
    )
    write_scores(
        db_url,
        course,
        grader.assignment,
        grader.release,
        result.submissions,
        {o.found.student: o.rebuilt.notebook for o in outcomes if o.rebuilt},
    )
    result = class_with_given(result, read_given(db_url, course, grader.assignment))
    return result, write_class_page(course, place, result, grader.paper.exercises)


def write_class_page(
    course: Course, place: Workplace, result: ClassResult, asked: Sequence[Exercise]
) -> Path:
    """Writes the class page with links to the students' pages; returns its path."""
    name = result.assignment
    page = place.page(name)
    links = {
        s.student: os.path.relpath(
            place.feedback(gradebook_id(s.student), name), page.parent
        )
        for s in result.submissions
    }
    text = class_page(
        result,
        asked,
        course_title=course.title,
        assignment_title=course.assignment(name).title,
        links=links,
    )
    records.write_text(page, text)
    return page


def _alike(grader: Grader, outcomes: Sequence[Outcome]) -> list[Alike]:
    """Returns whose code is alike; the starter code is nobody's."""
    starter = [c.source for c in grader.release.cells if c.cell_type == "code"]
    sources = {
        o.found.student: "\n\n".join(o.rebuilt.sources.values())
        for o in outcomes
        if o.rebuilt
    }
    return similar_code(sources, "\n\n".join(starter))
