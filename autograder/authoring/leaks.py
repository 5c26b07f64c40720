"""What students must not get, looked for in the bytes that they get."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from autograder import records
from autograder.authoring.source import SourceCell, read_solution, read_variants
from autograder.authoring.source import solution_lines as between_markers
from autograder.course import Course

SHORTEST = 18  # characters of a line that tells something
SHORTEST_VARIANT = 30
FEWEST_BYTES = 32  # of an array, so that it is no accident to meet it


def secret_lines(course: Course) -> dict[str, str]:
    """Returns every line of a solution or a misconception, with where it stands.

    Lines that students are given anyway, in any assignment, are none.
    """
    folders = sorted((course.root / "solutions").iterdir())
    names = [f.name for f in folders if (f / "notebook.py").is_file()]
    cells = {name: read_solution(course, name) for name in names}
    given = "\n".join(line for own in cells.values() for line in _given(own))
    return {
        line: f"solutions/{name}"
        for name in names
        for line in [*between_markers(cells[name]), *_variants(course, name)]
        if len(line) >= SHORTEST and line not in given
    }


def _variants(course: Course, assignment: str) -> list[str]:
    if not (course.solution(assignment) / "misconceptions.py").is_file():
        return []
    sources = [variant.source for variant in read_variants(course, assignment)]
    lines = [line.strip() for source in sources for line in source.splitlines()]
    return [line for line in lines if len(line) >= SHORTEST_VARIANT]


def _given(cells: Iterable[SourceCell]) -> Iterator[str]:
    for cell in cells:
        secret = set(between_markers([cell]))
        yield from (x for x in cell.source.splitlines() if x.strip() not in secret)


def secret_values(course: Course) -> dict[bytes, str]:
    """Returns what a grading run in this course keeps to itself: seed and numbers."""
    found: dict[bytes, str] = {}
    private = course.root / ".autograder"
    if (private / "seed").is_file():
        seed = (private / "seed").read_text().strip()
        found[seed.encode()] = ".autograder/seed"
    for path in sorted(private.glob("*")) if private.is_dir() else ():
        try:
            tree = records.read(path)["answers"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found |= {value: f".autograder/{path.name}" for value in values_of(tree)}
    return found


def values_of(answers: Mapping) -> Iterator[bytes]:
    """Yields the numbers in records, as bytes, where they are no accident."""
    for probes in answers.values():
        for answer in probes.values():
            for array in answer["arrays"].values():
                telling = array.dtype.kind == "f" and np.unique(array).size > 4
                if telling and array.nbytes >= FEWEST_BYTES:
                    yield array.tobytes()


def contents(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields a file's name and bytes as a student can read them: archives unpacked."""
    if name.endswith((".whl", ".zip")):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield from contents(f"{name}/{member}", archive.read(member))
    elif name.endswith(".ipynb"):
        cells = json.loads(data)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
        yield name, data + b"\n" + text.encode()
    else:
        yield name, data


def find_leaks(
    files: Mapping[str, bytes], lines: Mapping[str, str], values: Mapping[bytes, str]
) -> Iterator[tuple[str, str]]:
    """Yields the file and the origin of each secret that is in the files.

    Code is looked for as it stands and as JSON writes it, numbers by their bytes.
    """
    spelt = {form: lines[line] for line in lines for form in _forms(line)}
    for path, data in files.items():
        for name, content in contents(path, data):
            for form in spelt:
                if form in content:
                    yield name, f"{spelt[form]} ({form.decode()!r})"
            yield from ((name, values[v]) for v in values if v in content)


def _forms(line: str) -> set[bytes]:
    return {line.encode(), json.dumps(line)[1:-1].encode()}
