"""`autograder new`: a working assignment to change into one's own."""

from __future__ import annotations

import keyword
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import autograder
from autograder.authoring.build import public_path
from autograder.course import FILE_NAME, Course, CourseError
from autograder.records import write_text

TEMPLATE = files("autograder.authoring") / "template"
ENTRY = """
[[assignment]]
name = "{name}"
title = "{title}"
minutes = 30
"""
LONGEST = 32  # names stand in cells, files and headings


def scaffold(course: Course, name: str) -> list[Path]:
    """Writes a new assignment's three files and its entry in course.toml.

    It builds, grades and passes the tests as it is. All is written, or nothing.

    Returns:
        The files, course.toml last.

    Raises:
        CourseError: the name cannot be used, or the course is not the one in use.
    """
    _refuse_name(course, name)
    _refuse_other_package(course)
    targets = {
        "notebook.py": course.solution(name) / "notebook.py",
        "misconceptions.py": course.solution(name) / "misconceptions.py",
        "exercises.py": _exercises_path(course, name),
    }
    title = name.replace("_", " ").capitalize()
    listed = _with_entry(course, name, title)
    made: list[Path] = []
    try:
        for template, path in targets.items():
            text = (TEMPLATE / template).read_text(encoding="utf-8")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                made.append(path)
                file.write(text.replace("NEW_NAME", name).replace("NEW_TITLE", title))
        write_text(course.root / FILE_NAME, listed)
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        if course.solution(name).is_dir() and not any(course.solution(name).iterdir()):
            course.solution(name).rmdir()
        raise
    return [*made, course.root / FILE_NAME]


def _exercises_path(course: Course, name: str) -> Path:
    return course.root / "autograder" / "exercises" / f"{name}.py"


def _refuse_name(course: Course, name: str) -> None:
    """Raises `CourseError` for what cannot name a module, or is taken."""
    if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST - 1}}}", name):
        raise CourseError(
            f"{name!r} cannot name an assignment: use small letters, digits and "
            f"underscores, a letter first, {LONGEST} at most."
        )
    if keyword.iskeyword(name):
        raise CourseError(f"{name!r} is a word of Python's; choose another name.")
    taken = [a.name for a in course.assignments]
    places = (
        course.solution(name),
        _exercises_path(course, name),
        course.release(name).parent,
        public_path(course, name),
    )
    found = [str(p.relative_to(course.root)) for p in places if p.exists()]
    found += [FILE_NAME] if name in taken else []
    if found:
        raise CourseError(
            f"{name!r} is there already, in {', '.join(found)}; choose another name."
        )


def _refuse_other_package(course: Course) -> None:
    """Exercises are found in the package that runs: it must be this course's own."""
    used = Path(autograder.__file__).resolve().parent
    if used != (course.root / "autograder").resolve():
        raise CourseError(
            f"The autograder that runs lies in {used}, not in this course; install the "
            "course's checkout with `pip install --editable .` and run that one."
        )


def _with_entry(course: Course, name: str, title: str) -> str:
    """Returns course.toml's text with an entry at its end, all else as it was."""
    path = course.root / FILE_NAME
    text = path.read_bytes().decode()
    entry = ENTRY.format(name=name, title=title)
    if "\r\n" in text:
        entry = entry.replace("\n", "\r\n")
    added = text + ("" if text.endswith("\n") else entry[: entry.index("[")]) + entry
    try:
        last = tomllib.loads(added)["assignment"][-1]
    except tomllib.TOMLDecodeError:
        last = {}
    if last.get("name") != name:
        raise CourseError(
            f"{path} cannot take another entry at its end; list assignments in tables "
            "[[assignment]]."
        )
    return added
