"""`autograder gradescope`: what runs inside Gradescope, in its own folders."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from autograder import records
from autograder.course import Course, LateRule
from autograder.exports.gradescope import to_results
from autograder.exports.gradescope_zip import SEED
from autograder.gradebook.database import gradebook_id
from autograder.grading.classroom import Workplace

LARGEST = 1 << 20  # of submission_metadata.json, which lists earlier submissions too


def prepare(course: Course, assignment: str, root: Path, grade) -> None:
    """Puts the seed in place and has the reference answer, while the image is built.

    Args:
        course: the course that came with the archive.
        assignment: its name.
        root: `/autograder`.
        grade: as `autograder.cli.run`.
    """
    place = Workplace(root / "work")
    with place.lock(lambda: None):
        records.write_text(place.private / "seed", (course.root / SEED).read_text())
    with tempfile.TemporaryDirectory() as nobody:
        grade(course, assignment, Path(nobody), place.root, jobs=1)


def grade_one(course: Course, assignment: str, root: Path, grade) -> None:
    """Grades `submission/` and writes `results/results.json`.

    Lateness is left to Gradescope, which knows its own deadlines and extensions.
    """
    course = replace(course, late=LateRule(), extensions=())
    with tempfile.TemporaryDirectory() as folder:
        handed_in = Path(folder, student(root / "submission_metadata.json"))
        shutil.copytree(root / "submission", handed_in, symlinks=True)
        result = grade(course, assignment, Path(folder), root / "work", jobs=1)
    told = to_results(result.submissions[0])
    text = json.dumps(told, indent=1)
    records.write_text(root / "results" / "results.json", text + "\n")


def student(path: Path) -> str:
    """Returns whose submission it is; a name for the logs, of which nothing depends."""
    try:
        with path.open("rb") as file:
            told: Any = json.loads(file.read(LARGEST))
        first = told["users"][0]
        return gradebook_id(str(first.get("email") or first["id"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return "student"
