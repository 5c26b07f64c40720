"""Who is in the class: a CSV of ids. Matching is by id, exactly; never by name."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autograder.course import CourseError
from autograder.safe import one_line

COLUMNS = ("id", "canvas", "moodle", "gradescope", "email", "name")
_MEND = "save it as CSV in UTF-8 with a first row such as `id,canvas,email,name`"


@dataclass(frozen=True)
class Person:
    """A row of the roster."""

    id: str
    canvas: str = ""
    moodle: str = ""
    gradescope: str = ""
    email: str = ""
    name: str = ""


class Roster:
    """A class, to be looked up by what a system calls its students."""

    def __init__(self, people: Iterable[Person]):
        self.people = {person.id: person for person in people}
        self._by = {
            column: {
                _plain(column, value): person
                for person in self.people.values()
                if (value := getattr(person, column))
            }
            for column in ("id", "canvas", "moodle", "gradescope", "email")
        }

    def find(self, system: str, id: str, email: str = "") -> Person | None:
        """Returns who has an id in a system, or an address; None if nobody has.

        Where the roster has a column for the system, ids are looked for in that alone:
        Canvas' 1234 need not be the university's.
        """
        column = system if self._by.get(system) else "id"
        person = self._by[column].get(_plain(column, id))
        if person is None and email:
            person = self._by["email"].get(_plain("email", email))
        if person is None and system == "plain":
            person = self._by["email"].get(_plain("email", id))
        return person


def read_roster(path: Path) -> Roster:
    """Reads a roster.

    Raises:
        CourseError: it cannot be read, has no column `id`, or an id is there twice.
    """
    where = one_line(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        rows = _rows(text)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise CourseError(
            f"The roster {where} cannot be read ({reason}); {_MEND}."
        ) from None
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if header.count("id") != 1:
        raise CourseError(f"The roster {where} has no column `id`; {_MEND}.")
    people, seen = [], {}
    for number, row in enumerate(rows[1:], start=2):
        cells = {
            name: cell.strip()
            for name, cell in zip(header, row, strict=False)
            if name in COLUMNS
        }
        if not any(cells.values()):
            continue
        if not cells.get("id"):
            raise CourseError(f"The roster {where} has no id in row {number}; add it.")
        people.append(Person(**cells))
        for column in set(cells) - {"name"}:
            key = column, _plain(column, cells[column])
            if key[1] and seen.setdefault(key, number) != number:
                raise CourseError(
                    f"The roster {where} has the {column} {one_line(key[1], 40)} in "
                    f"rows {seen[key]} and {number}; every student needs an own one."
                )
    return Roster(people)


def _rows(text: str) -> list[list[str]]:
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    return [row for row in csv.reader(io.StringIO(text), delimiter=delimiter)]


def _plain(column: str, value: str) -> str:
    """Returns an id as it is compared: addresses without case, Moodle's by number."""
    if column == "email":
        return value.casefold()
    if column == "moodle":
        return value.removeprefix("Participant ").strip()
    return value
