"""`autograder export …`: a graded class, as other programs read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from autograder import records
from autograder.cli.terminal import Db, Name, Out, console
from autograder.course import Course, CourseError, load_course
from autograder.results import ClassResult

app = typer.Typer(
    help="Write a graded class out: CSV, JSON Lines, Canvas, Gradescope.",
    no_args_is_help=True,
)
To = Annotated[
    Path | None, typer.Option(help="Where to write it; exports/ if not given.")
]


@app.command()
def csv(assignment: Name, out: Out = None, db: Db = None, to: To = None) -> None:
    """One row a student: what counts, and how it comes about."""
    from autograder.exports.tables import to_csv

    place, result = graded(assignment, out, db)
    _write(to or place.export(f"{assignment}.csv"), to_csv(result))


@app.command()
def jsonl(assignment: Name, out: Out = None, db: Db = None, to: To = None) -> None:
    """One JSON object a line: everything that is known of a submission."""
    from autograder.exports.tables import to_json_lines

    place, result = graded(assignment, out, db)
    _write(to or place.export(f"{assignment}.jsonl"), to_json_lines(result))


@app.command()
def canvas(
    assignment: Name,
    gradebook: Annotated[
        Path, typer.Argument(help="The CSV that Canvas exported, Grades → Export.")
    ],
    column: Annotated[
        str | None, typer.Option(help="Which column, where its title does not tell.")
    ] = None,
    out: Out = None,
    db: Db = None,
    to: To = None,
) -> None:
    """Fill the column of a Canvas gradebook, for Grades → Import."""
    from autograder.exports.canvas import CanvasError, fill

    course = load_course()
    place, result = graded(assignment, out, db)
    titles = [assignment, course.assignment(assignment).title]
    try:
        filled = fill(_text(gradebook), result, titles, column)
    except CanvasError as error:
        raise CourseError(str(error)) from error
    path = to or place.export(f"{assignment}-canvas.csv")
    _write(path, filled.text)
    console.print(
        f"{len(filled.filled)} rows of {filled.column!r} are filled.", markup=False
    )
    for student in filled.unmatched:
        console.print(f"No row has the id {student!r}; enter it by hand.", markup=False)
    for note in filled.notes:
        console.print(note, markup=False)
    raise typer.Exit(int(bool(filled.unmatched)))


@app.command()
def gradescope(
    assignment: Name,
    results: Annotated[
        bool, typer.Option(help="Write each student's results.json instead.")
    ] = False,
    out: Out = None,
    db: Db = None,
    to: To = None,
) -> None:
    """Make the autograder.zip that grades this assignment on Gradescope."""
    from autograder.exports.gradescope import to_results
    from autograder.exports.gradescope_zip import write_zip
    from autograder.gradebook.database import gradebook_id

    course = load_course()
    course.assignment(assignment)
    if not results:
        path = to or _workplace(course, out).export(f"{assignment}-autograder.zip")
        write_zip(course, assignment, _workplace(course, out).seed(), path)
        console.print(f"{path}: written", markup=False, soft_wrap=True)
        return
    place, result = graded(assignment, out, db)
    folder = to or place.export(f"{assignment}-gradescope")
    for submission in result.submissions:
        if submission.status != "missing":
            name = gradebook_id(submission.student)
            text = json.dumps(to_results(submission), indent=1)
            records.write_text(folder / name / "results.json", text + "\n")
    console.print(f"{folder}: written", markup=False, soft_wrap=True)


# --- what they share --------------------------------------------------------------


def graded(assignment: str, out: Path | None, db: str | None):
    """Returns where a class was graded, and its result with what people gave.

    Raises:
        CourseError: it has not been graded there.
    """
    from autograder.gradebook.database import is_there
    from autograder.gradebook.given import class_with_given, read_given

    course = load_course()
    course.assignment(assignment)
    place = _workplace(course, out)
    result = read_result(place.result(assignment), assignment)
    db_url = db or (course.gradebook_url if out is None else place.gradebook_url)
    if db is not None and not is_there(db):
        raise CourseError(
            f"There is no gradebook at {db}; give the address that `grade` was given."
        )
    return place, class_with_given(result, read_given(db_url, course, assignment))


def read_result(path: Path, assignment: str) -> ClassResult:
    """Reads a class's result as `grade` wrote it."""
    try:
        return ClassResult.model_validate_json(path.read_text())
    except FileNotFoundError as error:
        raise CourseError(
            f"{assignment} has no result in {path.parent}; grade it first, with "
            f"autograder grade {assignment} --submitted DIR."
        ) from error
    except ValueError as error:
        raise CourseError(
            f"{path} is no result of this version; grade {assignment} again, which "
            "is quick where nothing has changed."
        ) from error


def _workplace(course: Course, out: Path | None):
    from autograder.grading.classroom import Workplace

    return Workplace((out or course.root).resolve())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{path} is not in UTF-8; export it from Canvas again, and do not edit it."
        ) from error


def _write(path: Path, text: str) -> None:
    records.write_text(path, text)
    console.print(f"{path}: written", markup=False, soft_wrap=True)
