"""A believable class: right variants, real mistakes, and what else comes back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat

from autograder import exercises
from autograder.authoring.release import filled_notebook
from autograder.authoring.source import Variant, read_solution, read_variants
from autograder.course import Course, CourseError

MARKER = ".autograder-demo"
NAMES = """
    alma ben chidi dora emil fatma goran hana ivo jana kofi lena
    milan nadia omar petra quinn rosa sami tara umut vera wren xenia yusuf zoe
""".split()
SPECIAL = 4

FORGER = """
import os, sys, builtins
import numpy as np

class AlwaysEqual:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __array__(self, dtype=None, copy=None): raise TypeError
    __hash__ = object.__hash__

np.testing.assert_allclose = lambda *a, **k: None
np.allclose = lambda *a, **k: True
"""


def make_class(course: Course, assignment: str, folder: Path, size: int = 24) -> Path:
    """Writes a class of submissions below `folder`, which is made anew.

    Returns:
        The folder of submissions, in nbgrader's layout.

    Raises:
        CourseError: `folder` holds something that is not a demo.
    """
    if folder.exists():
        if any(folder.iterdir()) and not (folder / MARKER).exists():
            raise CourseError(
                f"{folder} is not empty and no demo; name another folder."
            )
        shutil.rmtree(folder)
    submitted = folder / "submitted"
    submitted.mkdir(parents=True)
    (folder / MARKER).touch()
    for name, text in zip(NAMES, _texts(course, assignment, size), strict=False):
        place = submitted / name / assignment
        place.mkdir(parents=True)
        (place / f"{assignment}.ipynb").write_text(text)
    return submitted


def _texts(course: Course, assignment: str, size: int) -> list[str]:
    """Returns notebooks as texts, strong and weak ones mixed."""
    right = _solutions(course, assignment)
    variants = read_variants(course, assignment)
    good = [v for v in variants if v.right]
    bad = _spread([v for v in variants if not v.right])
    made: list[Callable[[], str]] = []
    for i in range(size - SPECIAL):
        sources = dict(right)
        style = good[i % len(good)]
        sources[style.exercise] = complete(style, right)
        # Every third is right throughout; the others have one mistake or two.
        for n in range(2 * i, 2 * i + i % 3):
            variant = bad[n % len(bad)]
            sources[variant.exercise] = complete(variant, right)
        made.append(lambda sources=sources: _text(course, assignment, sources))
    special = [
        lambda: _text(course, assignment, {}),
        lambda: _text(course, assignment, {**right, **_endless(assignment)}),
        lambda: _text(course, assignment, right)[:3000],
        lambda: _text(course, assignment, {**right, **_forged(assignment)}),
    ]
    for place, make in zip((3, 9, 14, 20), special, strict=True):
        made.insert(place, make)
    return [make() for make in made]


def _solutions(course: Course, assignment: str) -> dict[str, str]:
    cells = read_solution(course, assignment)
    return {
        cell.marks[cell.role]: _without_markers(cell.source)
        for cell in cells
        if cell.role in ("exercise", "manual")
    }


def _without_markers(source: str) -> str:
    lines = source.splitlines()
    return "\n".join(
        x for x in lines if "BEGIN SOLUTION" not in x and "END SOLUTION" not in x
    )


def complete(variant: Variant, right: dict[str, str]) -> str:
    """Returns a cell's whole source: with the right one before it, where it needs that.

    It does where it extends the right class, or redefines one of several objects.
    """
    defined = r"^(?:def|class) ([a-zA-Z]\w*)"
    due = set(re.findall(defined, right[variant.exercise], re.MULTILINE))
    own = set(re.findall(defined, variant.source, re.MULTILINE))
    extends = re.search(r"^class (\w+)\(\1\)", variant.source, re.MULTILINE)
    if extends or due - own:
        return f"{right[variant.exercise]}\n\n\n{variant.source}"
    return variant.source


def _text(course: Course, assignment: str, sources: dict[str, str]) -> str:
    return nbformat.writes(filled_notebook(course, assignment, sources))


def _spread(variants: list[Variant]) -> list[Variant]:
    """Orders misconceptions so that neighbours are from different exercises."""
    by_exercise: dict[str, list[Variant]] = {}
    for variant in variants:
        by_exercise.setdefault(variant.exercise, []).append(variant)
    longest = max(map(len, by_exercise.values()))
    return [
        group[i % len(group)] for i in range(longest) for group in by_exercise.values()
    ]


def _endless(assignment: str) -> dict[str, str]:
    """Returns the first exercise, never coming to an end."""
    exercise, name = _first(assignment)
    body = f"def {name}(*args, **kwargs):\n    while True:\n        pass\n"
    return {exercise: body}


def _forged(assignment: str) -> dict[str, str]:
    """Returns the first exercise with an attempt at being equal to everything."""
    exercise, name = _first(assignment)
    body = f"\ndef {name}(*args, **kwargs):\n    return AlwaysEqual()\n"
    return {exercise: FORGER.strip() + "\n" + body}


def _first(assignment: str) -> tuple[str, str]:
    """Returns the first exercise's id, and the name of what it asks to write."""
    first = exercises.load(assignment)[0]
    return first.id, first.names[0]
