"""course.toml: the course's facts, its assignments in order, and the limits."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "course.toml"


class CourseError(Exception):
    """The course is not as it should be; the message says how to mend it."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use while it is graded."""

    wall_seconds: float = 120
    cell_seconds: float = 20
    exercise_seconds: float = 10
    cpu_seconds: float = 120
    memory_mb: float = 1500
    threads: int = 256
    file_mb: float = 64
    output_kb: float = 256


@dataclass(frozen=True)
class Assignment:
    """An assignment as course.toml lists it."""

    name: str
    title: str
    minutes: int = 60


@dataclass(frozen=True)
class Course:
    """A course: where it stands, what it is called, what it consists of."""

    root: Path
    id: str
    title: str
    repository: str
    limits: Limits
    assignments: tuple[Assignment, ...]

    def assignment(self, name: str) -> Assignment:
        """Returns the assignment `name`; raises `CourseError` where there is none."""
        for assignment in self.assignments:
            if assignment.name == name:
                return assignment
        known = ", ".join(a.name for a in self.assignments)
        raise CourseError(f"No assignment {name!r} in {FILE_NAME}; it lists {known}.")

    def solution(self, name: str) -> Path:
        """The folder an assignment is authored in."""
        return self.root / "solutions" / name

    def release(self, name: str) -> Path:
        """The notebook that students get."""
        return self.root / "assignments" / name / f"{name}.ipynb"


def find_root(start: Path | None = None) -> Path:
    """Returns the nearest folder, from `start` upwards, that holds a course.toml."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise CourseError(
        f"No {FILE_NAME} in {start} or above it; run this inside the course's folder."
    )


def load_course(root: Path | None = None) -> Course:
    """Reads course.toml from `root`, or from the nearest folder above."""
    root = find_root(root)
    path = root / FILE_NAME
    try:
        data = tomllib.loads(path.read_text())
        facts = data["course"]
        return Course(
            root=root,
            id=facts["id"],
            title=facts["title"],
            repository=facts["repository"].rstrip("/"),
            limits=_make(Limits, data.get("limits", {})),
            assignments=tuple(_make(Assignment, a) for a in data["assignment"]),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} cannot be read: {error}.") from error


def _make(kind, values: dict):
    names = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(set(values) - names)
    if unknown:
        raise TypeError(
            f"unknown key {unknown[0]!r}; known are {', '.join(sorted(names))}"
        )
    return kind(**values)
