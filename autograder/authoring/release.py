"""notebook.py → nbgrader's source → the notebook that students get.

nbgrader's own generator clears the solutions and locks cells. What is ours: the
metadata that it reads, ids that do not change from one build to the next, stubs
that name their exercise, and Colab's metadata.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.utils import compute_checksum
from traitlets.config import Config

from autograder import exercises
from autograder.authoring.source import SourceCell, read_solution
from autograder.course import Course, CourseError
from autograder.exercise import Exercise
from autograder.nbgrading import tools_on_path

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
SCHEMA_VERSION = 3  # of nbgrader's cell metadata


def source_notebook(cells: list[SourceCell], asked: list[Exercise], assignment: str):
    """Returns the instructor's notebook, solutions and nbgrader's metadata in it."""
    by_id = {exercise.id: exercise for exercise in asked}
    _agree(cells, by_id, assignment)
    notebook = new_notebook()
    notebook.metadata = {
        "kernelspec": dict(KERNELSPEC),
        "language_info": {"name": "python"},
        "accelerator": "GPU",
        "colab": {"name": f"{assignment}.ipynb", "provenance": [], "toc_visible": True},
    }
    for number, cell in enumerate(cells, start=1):
        make = new_markdown_cell if cell.cell_type == "markdown" else new_code_cell
        node = make(cell.source)
        grading = _grading(cell, by_id, number)
        node.metadata = {"nbgrader": grading} if grading else {}
        node.id = re.sub(r"\W", "-", grading.get("grade_id", f"cell-{number:03d}"))
        notebook.cells.append(node)
    return notebook


def _agree(cells, by_id: dict[str, Exercise], assignment: str) -> None:
    """Raises `CourseError` where the notebook and its exercises do not match."""
    for role, due in (
        ("exercise", [e.id for e in by_id.values() if not e.manual]),
        ("check", [e.id for e in by_id.values() if not e.manual]),
        ("manual", [e.id for e in by_id.values() if e.manual]),
    ):
        found = [cell.marks[role] for cell in cells if cell.role == role]
        if found != due:
            raise CourseError(
                f"solutions/{assignment}/notebook.py has the {role} cells {found}, "
                f"and autograder/exercises/{assignment}.py asks {due}; they must be "
                "the same in the same order."
            )


def _grading(cell: SourceCell, by_id: dict[str, Exercise], number: int) -> dict:
    """Returns nbgrader's metadata for a cell; empty for one that is only shown."""

    def metadata(grade_id: str, *, grade: bool, solution: bool, points=None) -> dict:
        data = {
            "schema_version": SCHEMA_VERSION,
            "grade_id": grade_id,
            "grade": grade,
            "solution": solution,
            "locked": not solution,
            "task": False,
            "cell_type": cell.cell_type,
        }
        return data if points is None else data | {"points": points}

    marks = cell.marks
    if cell.role == "given":
        return metadata(f"given_{number:03d}", grade=False, solution=False)
    if cell.role == "exercise":
        return metadata(marks["exercise"], grade=False, solution=True)
    if cell.role == "check":
        points = by_id[marks["check"]].points
        name = f"grade_{marks['check']}"
        return metadata(name, grade=True, solution=False, points=points)
    if cell.role == "manual":
        points = by_id[marks["manual"]].points
        return metadata(marks["manual"], grade=True, solution=True, points=points)
    return {}


def generate(notebook, assignment: str):
    """Runs nbgrader's generator on an instructor's notebook; returns the release."""
    tools_on_path()
    with tempfile.TemporaryDirectory(prefix="autograder-build-") as folder:
        root = Path(folder)
        source = root / "source" / assignment
        source.mkdir(parents=True)
        nbformat.write(notebook, source / f"{assignment}.ipynb")
        outcome = NbGraderAPI(config=_config(root)).generate_assignment(assignment)
        if not outcome["success"]:
            reason = outcome.get("error") or outcome.get("log", "")
            raise CourseError(f"nbgrader cannot generate {assignment}: {reason}")
        path = root / "release" / assignment / f"{assignment}.ipynb"
        return nbformat.read(path, as_version=4)


def _config(root: Path) -> Config:
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.course_id = "build"
    config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
    config.NbGrader.logfile = str(root / "nbgrader.log")
    config.Application.log_level = logging.ERROR
    config.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
    config.GenerateAssignment.enforce_metadata = True
    return config


def finish(notebook, names: dict[str, str]):
    """Names the stubs after their exercises and drops what varies between machines."""
    for cell in notebook.cells:
        exercise = names.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if cell.cell_type == "code" and exercise:
            stub = f'raise NotImplementedError("{exercise}: write this part.")'
            cell.source = cell.source.replace("raise NotImplementedError()", stub)
            cell.metadata["nbgrader"]["checksum"] = compute_checksum(cell)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def release_text(course: Course, assignment: str) -> str:
    """Returns the release notebook as the text of its file."""
    asked = exercises.load(assignment)
    cells = read_solution(course, assignment)
    notebook = generate(source_notebook(cells, asked, assignment), assignment)
    names = {exercise.id: exercise.id for exercise in asked if not exercise.manual}
    notebook = finish(notebook, names)
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def filled_notebook(course: Course, assignment: str, sources: dict[str, str]):
    """Returns a release notebook in which exercises are filled with `sources`."""
    notebook = nbformat.read(course.release(assignment), as_version=4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in sources:
            cell.source = sources[grade_id]
    return notebook
