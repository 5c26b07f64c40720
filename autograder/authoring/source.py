"""solutions/<assignment>/notebook.py: cells, their roles, and what the grader runs.

The source is a py:percent file. A cell's role stands on its marker:

    # %% role="given"              run by students and the grader, locked
    # %% exercise="attention"      written by students, between BEGIN and END SOLUTION
    # %% check="attention"         the exercise's check, worth its points
    # %% [markdown] manual="why"   answered in words, graded by a person
    # %%                           shown and played with; the grader does not run it

misconceptions.py has cells of two more kinds, and helpers that several of them use:

    # %% wrong="no_scaling" exercise="attention" check="values"
    # %% wrong="no_scaling/einsum" exercise="attention" check="values"
    # %% right="einsum" exercise="attention"
    # %% role="shared"

What stands after a slash is another style of the same mistake, with its hint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from autograder.course import Course, CourseError

ROLES = ("role", "exercise", "check", "manual", "wrong", "right")


@dataclass(frozen=True)
class SourceCell:
    """One cell of a py:percent file."""

    cell_type: str
    source: str
    marks: dict[str, str]
    """What stands on the cell's marker: `{"exercise": "attention"}`."""

    @property
    def role(self) -> str:
        """`given`, `exercise`, `check`, `manual`, `wrong`, `right` or `shown`."""
        if "role" in self.marks:
            return self.marks["role"]
        return next((role for role in ROLES if role in self.marks), "shown")

    @property
    def runs(self) -> bool:
        """Does the grader run this cell?"""
        return self.cell_type == "code" and self.role in ("given", "exercise")


@dataclass(frozen=True)
class Variant:
    """A known wrong, or another right, implementation of one exercise."""

    name: str
    exercise: str
    right: bool
    check: str
    """The check that a wrong one must lose."""
    hint: str
    source: str

    @property
    def mistake(self) -> str:
        """The name that students are told: without the style after the slash."""
        return self.name.partition("/")[0]


def read_cells(path: Path) -> list[SourceCell]:
    """Reads a py:percent file; raises `CourseError` where it is missing."""
    if not path.is_file():
        raise CourseError(
            f"{path} is missing; `autograder new` scaffolds an assignment."
        )
    return [_cell(node) for node in jupytext.read(path, fmt="py:percent").cells]


def _cell(node: NotebookNode) -> SourceCell:
    marks = {key: str(node.metadata[key]) for key in node.metadata}
    if "exercise" in marks and ("wrong" in marks or "right" in marks):
        marks = {
            k: marks[k] for k in ("wrong", "right", "exercise", "check") if k in marks
        }
        marks = {**marks, "role": "wrong" if "wrong" in marks else "right"}
    return SourceCell(node.cell_type, node.source, marks)


def read_solution(course: Course, assignment: str) -> list[SourceCell]:
    """Returns the cells of an assignment's source."""
    return read_cells(course.solution(assignment) / "notebook.py")


def read_variants(course: Course, assignment: str) -> list[Variant]:
    """Returns the misconceptions and the right variants of an assignment."""
    cells = read_cells(course.solution(assignment) / "misconceptions.py")
    shared = "\n\n".join(cell.source for cell in cells if cell.role == "shared")
    variants = [
        _variant(cell, shared) for cell in cells if cell.role in ("wrong", "right")
    ]
    hints = {variant.name: variant.hint for variant in variants}
    variants = [
        replace(variant, hint=variant.hint or hints.get(variant.mistake, ""))
        for variant in variants
    ]
    names = [variant.name for variant in variants]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CourseError(f"misconceptions.py names {twice[0]!r} twice; rename one.")
    return variants


def _variant(cell: SourceCell, shared: str) -> Variant:
    marks = cell.marks
    helpers = re.findall(r"^(?:def|class) (\w+)", shared, re.MULTILINE)
    needed = any(re.search(rf"\b{name}\b", cell.source) for name in helpers)
    lines = cell.source.splitlines()
    comment = []
    for line in lines:
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    return Variant(
        name=marks[cell.role],
        exercise=marks["exercise"],
        right=cell.role == "right",
        check=marks.get("check", ""),
        hint=" ".join(comment),
        source=(shared + "\n\n\n" if needed else "")
        + "\n".join(lines[len(comment) :]).strip()
        + "\n",
    )


def solution_lines(cells: list[SourceCell]) -> list[str]:
    """Returns the lines between BEGIN and END SOLUTION, stripped, in order."""
    lines: list[str] = []
    for cell in cells:
        inside = False
        for line in cell.source.splitlines():
            if "BEGIN SOLUTION" in line:
                inside = True
            elif "END SOLUTION" in line:
                inside = False
            elif inside and line.strip():
                lines.append(line.strip())
    return lines
