"""notebook.py → nbgrader's source → the notebook that students get.

nbgrader's own generator clears the solutions and locks cells. What is ours: the
metadata that it reads, ids that do not change from one build to the next, and Colab's
metadata.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from importlib.resources import files
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Config

from autograder import __version__, exercises, records
from autograder.authoring.generating import as_text, configure
from autograder.authoring.source import SourceCell, read_solution
from autograder.course import FILE_NAME, Course, CourseError
from autograder.exercise import Exercise
from autograder.nbgrading import tools_on_path

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
SCHEMA_VERSION = 3  # of nbgrader's cell metadata
SET_UP = files("autograder.authoring") / "handout" / "setup_cell.py"
SET_UP_TITLE = '#@title Set-up: run this cell first {display-mode: "form"}'
SET_UP_CONSTANTS = 'ADDRESS, VERSION = "", "0"'

PACK_TEXT = """## Hand in

Save the notebook (Ctrl+S), then run the cell below. It runs your notebook from top to \
bottom in a fresh process, as the course does, tells what is missing, and writes \
**`handin/{}.ipynb`**: that is the file to hand in. On Colab it is downloaded."""


def source_notebook(course: Course, assignment: str):
    """Returns the instructor's notebook, solutions and nbgrader's metadata in it."""
    cells = read_solution(course, assignment)
    by_id = {exercise.id: exercise for exercise in exercises.load(assignment)}
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
    notebook.cells.insert(_first_code(notebook.cells), set_up_cell(course))
    notebook.cells += pack_cells(assignment)
    return notebook


def _first_code(cells: list) -> int:
    return next((i for i, cell in enumerate(cells) if cell.cell_type == "code"), 0)


def set_up_cell(course: Course):
    """Returns the cell that finds the course's package; the same in every notebook.

    nbgrader does not know it, so that the grader never runs it.
    """
    address = course.address or ""
    constants = f"ADDRESS, VERSION = {json.dumps(address)}, {json.dumps(__version__)}"
    code = SET_UP.read_text(encoding="utf-8").strip()
    assert SET_UP_CONSTANTS in code
    node = new_code_cell(f"{SET_UP_TITLE}\n{code.replace(SET_UP_CONSTANTS, constants)}")
    node.id = "setup"
    node.metadata = {
        "cellView": "form",  # Colab's word for hidden code; the next one is Jupyter's
        "jupyter": {"source_hidden": True},
        "deletable": False,
        "editable": False,
    }
    return node


def pack_cells(assignment: str) -> list:
    """Returns the cells at a notebook's end that make the file to hand in."""
    told = new_markdown_cell(PACK_TEXT.format(assignment))
    told.id = "hand-in"
    code = new_code_cell(f'from autograder import pack\n\npack("{assignment}")')
    code.id = "pack"
    return [told, code]


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


def source_text(course: Course, assignment: str) -> str:
    """Returns the instructor's notebook, which nbgrader generates the release from."""
    return as_text(source_notebook(course, assignment))


def write_sources(course: Course) -> None:
    """Writes source/<name>/<name>.ipynb where solutions/ is newer than it.

    nbgrader and formgrader look for assignments there. It is made, never edited.
    """
    for assignment in course.assignments:
        made_from = [
            course.solution(assignment.name) / "notebook.py",
            Path(exercises.__path__[0], f"{assignment.name}.py"),
            course.root / FILE_NAME,
            Path(__file__),
            Path(str(SET_UP)),
        ]
        path = course.root / "source" / assignment.name / f"{assignment.name}.ipynb"
        if not all(file.is_file() for file in made_from):
            continue
        newest = max(file.stat().st_mtime_ns for file in made_from)
        if not path.is_file() or path.stat().st_mtime_ns < newest:
            records.write_text(path, source_text(course, assignment.name))


def release_text(course: Course, assignment: str) -> str:
    """Returns the release notebook as the text of its file.

    Raises:
        CourseError: nbgrader's generator refuses the source.
    """
    tools_on_path()
    with tempfile.TemporaryDirectory(prefix="autograder-build-") as folder:
        root = Path(folder)
        source = root / "source" / assignment / f"{assignment}.ipynb"
        records.write_text(source, source_text(course, assignment))
        outcome = NbGraderAPI(config=_config(root)).generate_assignment(assignment)
        if not outcome["success"]:
            reason = outcome.get("error") or outcome.get("log", "")
            raise CourseError(f"nbgrader cannot generate {assignment}: {reason}")
        return (root / "release" / assignment / source.name).read_text("utf-8")


def _config(root: Path) -> Config:
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.course_id = "build"
    config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
    config.NbGrader.logfile = str(root / "nbgrader.log")
    config.Application.log_level = logging.ERROR
    configure(config)
    return config


def filled_notebook(course: Course, assignment: str, sources: dict[str, str]):
    """Returns a release notebook in which exercises are filled with `sources`."""
    notebook = nbformat.read(course.release(assignment), as_version=4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in sources:
            cell.source = sources[grade_id]
    return notebook
