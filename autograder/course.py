"""course.toml: the course's facts, its assignments in order, and the limits."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

FILE_NAME = "course.toml"
GRADEBOOK_VARIABLE = "AUTOGRADER_GRADEBOOK"
DAY = 86_400  # seconds


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
    gpu_memory_mb: float = 1024
    """With `grade --device gpu`: memory for the tensors of one worker."""
    gpu_workers: int = 4
    """With `grade --device gpu`: workers that share one GPU, if it has the room."""

    def stretched(self, factor: float) -> Limits:
        """Returns these limits with so many times the time by the clock."""
        return dataclasses.replace(
            self,
            wall_seconds=factor * self.wall_seconds,
            cell_seconds=factor * self.cell_seconds,
            exercise_seconds=factor * self.exercise_seconds,
        )


@dataclass(frozen=True)
class Section:
    """A section of the lecture, and where it is worked on."""

    section: str
    minutes: int
    exercises: tuple[str, ...] = ()
    """Ids; where there is none, the section is shown in the notebook."""

    def __post_init__(self):
        if isinstance(self.exercises, str):
            raise TypeError(
                f"exercises = {self.exercises!r} must be a list, in brackets"
            )
        object.__setattr__(self, "exercises", tuple(self.exercises))


@dataclass(frozen=True)
class Assignment:
    """An assignment as course.toml lists it."""

    name: str
    title: str
    minutes: int = 60
    due: datetime | None = None
    """When it must be in; a moment with its offset from UTC."""
    lecture: tuple[Section, ...] = ()
    """The lecture's sections that it is about, in order."""

    def __post_init__(self):
        _refuse_vague(self.due, f"due of {self.name}")
        sections = tuple(
            s if isinstance(s, Section) else _make(Section, s) for s in self.lecture
        )
        object.__setattr__(self, "lecture", sections)


@dataclass(frozen=True)
class Extension:
    """More time for one student and one assignment."""

    student: str
    assignment: str
    until: datetime

    def __post_init__(self):
        _refuse_vague(self.until, f"until of {self.student}'s extension")


@dataclass(frozen=True)
class LateRule:
    """What handing in late costs; nothing, unless `percent_per_day` is given."""

    grace_minutes: float = 0
    """So much later is not late."""
    percent_per_day: float = 0
    """Of the assignment's points, for every day begun after the deadline."""
    maximum_percent: float = 100

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if type(value) not in (int, float) or not 0 <= value < math.inf:
                raise TypeError(f"{name} = {value!r} in [late] must be a number from 0")

    def penalty(self, seconds_late: float, max_score: float) -> float:
        """Returns the points that are taken off."""
        if seconds_late <= 60 * self.grace_minutes:
            return 0.0
        days = math.ceil(seconds_late / DAY)
        percent = min(days * self.percent_per_day, self.maximum_percent, 100)
        return round(max_score * percent / 100, 4)


def _refuse_vague(moment: datetime | None, name: str) -> None:
    """Refuses a time that means another moment on another machine."""
    if moment is None:
        return
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise TypeError(
            f"{name} must be a time with its offset from UTC, such as "
            "2026-11-20T23:59:00+01:00"
        )


@dataclass(frozen=True)
class Course:
    """A course: where it stands, what it is called, what it consists of."""

    root: Path
    id: str
    title: str
    repository: str | None
    """The public repository's address, which holds what `bundle` writes."""
    limits: Limits
    assignments: tuple[Assignment, ...]
    late: LateRule = LateRule()
    extensions: tuple[Extension, ...] = ()
    branch: str = "main"
    """The branch of the public repository that students get."""
    gradebook: str | None = None
    """SQLAlchemy's address of the gradebook; SQLite in the course's folder if None."""

    @property
    def address(self) -> str | None:
        """Where the public files can be had, one by one; None without repository."""
        return self.repository and f"{self.repository}/raw/{self.branch}"

    def badge(self, path: str) -> str | None:
        """Returns where Colab opens a notebook of the public repository.

        Colab opens those of GitHub only; None elsewhere.
        """
        host, _, name = (self.repository or "").removeprefix("https://").partition("/")
        if host != "github.com":
            return None
        colab = "https://colab.research.google.com/github"
        return f"{colab}/{name}/blob/{self.branch}/{path}"

    def deadline(self, assignment: str, student: str) -> datetime | None:
        """Returns when a student's work is due, extensions included."""
        due = self.assignment(assignment).due
        if due is None:
            return None
        granted = [
            e.until
            for e in self.extensions
            if (e.student, e.assignment) == (student, assignment)
        ]
        return max([due, *granted])

    @property
    def gradebook_url(self) -> str:
        """The gradebook's address: the environment's, course.toml's, or SQLite's."""
        configured = os.environ.get(GRADEBOOK_VARIABLE) or self.gradebook
        return configured or f"sqlite:///{self.root / 'gradebook.db'}"

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
        course = Course(
            root=root,
            id=facts["id"],
            title=facts["title"],
            repository=_address(facts.get("repository", "")),
            branch=_address(facts.get("branch", "main"), "branch") or "main",
            limits=_make(Limits, data.get("limits", {})),
            assignments=tuple(_make(Assignment, a) for a in data["assignment"]),
            late=_make(LateRule, data.get("late", {})),
            extensions=tuple(_make(Extension, e) for e in data.get("extension", [])),
            gradebook=data.get("gradebook", {}).get("url"),
        )
    except (
        tomllib.TOMLDecodeError,
        AttributeError,
        KeyError,
        TypeError,
        UnicodeDecodeError,
    ) as error:
        raise CourseError(f"{path} cannot be read: {error}.") from error
    for extension in course.extensions:
        course.assignment(extension.assignment)
    return course


def _address(text: str, key: str = "repository") -> str | None:
    """Returns an address without its last slash, or None for an empty one.

    Notebooks and pages have it in their text, so it is one word of plain characters.
    """
    allowed = r"[\w./-]+" if key == "branch" else r"(https?|file)://[\w.~:/@%+-]+"
    if text and not re.fullmatch(allowed, text, re.ASCII):
        raise TypeError(
            f"{key} = {text!r} is no address; write it like "
            "https://github.com/your-university/transformers-course, or leave it out"
        )
    return text.rstrip("/").removesuffix(".git") or None


def _make(kind, values: dict):
    names = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(set(values) - names)
    if unknown:
        raise TypeError(
            f"unknown key {unknown[0]!r}; known are {', '.join(sorted(names))}"
        )
    return kind(**values)
