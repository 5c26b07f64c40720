"""`autograder build`: everything that is generated from solutions/, in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from autograder import records
from autograder.authoring.course_map import course_map, with_map
from autograder.authoring.reference import make_records
from autograder.authoring.release import release_text
from autograder.course import Course


def public_path(course: Course, assignment: str) -> Path:
    """Where an assignment's public records stand; they ship with the package."""
    return course.root / "autograder" / "public" / f"{assignment}.safetensors"


def build(
    course: Course, assignment: str, progress: Callable[[str], None] = print
) -> Iterator[tuple[Path, bool]]:
    """Writes an assignment's release notebook and public records.

    Yields:
        Each file with whether it changed.
    """
    release = course.release(assignment)
    text = release_text(course, assignment)
    yield release, _write(release, text.encode())
    tree = make_records(course, assignment, progress=progress)
    path = public_path(course, assignment)
    yield path, _write(path, records.to_bytes(tree))


def build_map(course: Course) -> Iterator[tuple[Path, bool]]:
    """Writes the course map into README.md, where that has a place for it.

    Yields:
        The page with whether it changed.
    """
    path = course.root / "README.md"
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        yield path, _write(path, with_map(text, course_map(course)).encode())


def _write(path: Path, data: bytes) -> bool:
    if path.is_file() and path.read_bytes() == data:
        return False
    records.write_bytes(path, data)
    return True
