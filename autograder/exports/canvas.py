"""Scores into a Canvas gradebook: the file that Canvas exported, one column filled.

Canvas takes back the CSV that it gave out. Its first row names the columns, rows before
the first student carry what Canvas wants to keep (posting policy, points possible), and
a student is known by `ID`, `SIS User ID` or `SIS Login ID`. Names are never compared.

Source: Canvas' guides on exporting and importing grades.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.exports.tables import number
from autograder.results import ClassResult
from autograder.safe import csv_cell

IDENTITIES = ("ID", "SIS User ID", "SIS Login ID")
WORDS = ("Student", "Section")  # free text, of which Canvas reads nothing back
ABOUT_STUDENTS = (*WORDS, *IDENTITIES, "Root Account")
_NUMBERED = re.compile(r"^(?P<title>.*) \((?P<id>\d+)\)$")


class CanvasError(Exception):
    """The gradebook is not what Canvas exports; the message has the mend."""


@dataclass(frozen=True)
class Filled:
    """A gradebook with one column filled."""

    text: str
    column: str
    filled: tuple[str, ...]
    """The students whose row was found."""
    unmatched: tuple[str, ...]
    """Students of the result whom no row names."""
    waiting: tuple[str, ...]
    """Names of the gradebook's rows that got nothing."""
    notes: tuple[str, ...] = ()


def fill(
    gradebook: str,
    result: ClassResult,
    titles: Sequence[str],
    column: str | None = None,
) -> Filled:
    """Fills an exported gradebook with a class's scores.

    Args:
        gradebook: the text of the CSV that Canvas exported.
        result: the class's.
        titles: what the assignment may be called in Canvas.
        column: the column's whole name or its number, where the titles do not find it.

    Raises:
        CanvasError: it is no such CSV, or the column or a student is not unique.
    """
    rows = list(csv.reader(io.StringIO(gradebook.lstrip("\ufeff"), newline="")))
    if not rows or not set(IDENTITIES) & set(rows[0]):
        raise CanvasError(
            "This is no gradebook of Canvas: its first row has no ID column. Export it "
            "in Canvas with Grades → Export."
        )
    header = rows[0]
    place = _column(header, titles, column)
    first = _first_student(rows)
    scores = {s.student: s for s in result.submissions if s.status != "missing"}
    found = _matches(header, rows[first:], list(scores))
    kept = [i for i, name in enumerate(header) if name in ABOUT_STUDENTS]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for number_of, row in enumerate(rows):
        row = row + [""] * (len(header) - len(row))
        words = WORDS if number_of >= first else ()
        out = [csv_cell(row[i]) if header[i] in words else row[i] for i in kept]
        student = found.get(number_of - first) if number_of >= first else None
        value = number(scores[student].total) if student is not None else row[place]
        writer.writerow([*out, value])
    matched = set(found.values())
    return Filled(
        text.getvalue(),
        header[place],
        tuple(s for s in scores if s in matched),
        tuple(s for s in scores if s not in matched),
        tuple(
            _name(header, row)
            for i, row in enumerate(rows[first:])
            if i not in found and any(row)
        ),
        _points_possible(rows[:first], place, result),
    )


def _column(header: list[str], titles: Sequence[str], column: str | None) -> int:
    def fits(name: str) -> bool:
        numbered = _NUMBERED.match(name)
        if column is not None:
            return name == column or bool(numbered and numbered["id"] == column)
        return (numbered["title"] if numbered else name) in titles

    found = [i for i, name in enumerate(header) if fits(name)]
    if len(found) == 1:
        return found[0]
    there = [name for name in header if _NUMBERED.match(name)]
    wanted = column or " or ".join(repr(title) for title in titles)
    raise CanvasError(
        f"{'No' if not found else 'More than one'} column is called {wanted}; name one "
        f"with --column: {', '.join(there) or 'the gradebook has no assignment'}."
    )


def _first_student(rows: list[list[str]]) -> int:
    """Returns the first row that is a student's: it has an id."""
    header = rows[0]
    ids = [i for i, name in enumerate(header) if name in IDENTITIES]
    for number_of, row in enumerate(rows[1:], start=1):
        told = "Points Possible" in (row[0] if row else "")
        if not told and any(i < len(row) and row[i].strip() for i in ids):
            return number_of
    return len(rows)


def _matches(
    header: list[str], rows: list[list[str]], students: list[str]
) -> dict[int, str]:
    """Returns which student each row is, by exact id; raises where two would fit."""
    owners: dict[str, set[int]] = {}
    for number_of, row in enumerate(rows):
        for name, cell in zip(header, row, strict=False):
            if name in IDENTITIES and cell.strip():
                owners.setdefault(cell.strip(), set()).add(number_of)
    found: dict[int, str] = {}
    for student in students:
        places = owners.get(student, set())
        if len(places) > 1 or places & set(found):
            raise CanvasError(
                f"The id {student!r} fits more than one row or a row twice; rename the "
                "submission to the number in the column ID."
            )
        found |= {place: student for place in places}
    return found


def _name(header: list[str], row: list[str]) -> str:
    cells = dict(zip(header, row, strict=False))
    return cells.get("Student") or next(c for c in row if c)


def _points_possible(
    rows: list[list[str]], place: int, result: ClassResult
) -> tuple[str, ...]:
    for row in rows:
        if row and "Points Possible" in row[0] and place < len(row):
            due = max((s.max_score for s in result.submissions), default=0.0)
            told = row[place].strip()
            if told and told != number(due) and _other(told, due):
                return (
                    f"Canvas has {told} points possible, this assignment "
                    f"{number(due)}; change it in Canvas.",
                )
    return ()


def _other(told: str, due: float) -> bool:
    try:
        return abs(float(told) - due) > 1e-6
    except ValueError:
        return False
