"""Finds submissions in a folder or zip as it is; opens nothing that it should not."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from autograder.grading import layouts
from autograder.grading.archives import (
    EXPORTS,
    MEMBER_LIMIT,
    NOTEBOOKS,
    OTHER_FILES_LIMIT,
    alike,
    unpacked,
)
from autograder.grading.layouts import Entry
from autograder.grading.places import (
    Place,
    children,
    is_folder,
    is_link,
    opened,
    read_regular,
)
from autograder.grading.roster import Roster
from autograder.safe import one_line

# No notebook is in them, but their student shall be told so.
OTHERS = (".pdf", ".docx", ".doc", ".odt", ".rtf", ".pages", ".png", ".jpg", ".jpeg")
OTHERS += (".7z", ".rar", ".gdoc", ".gcolab", ".webloc", ".url", ".odp", ".pptx")
HANDED_IN = (*NOTEBOOKS, *EXPORTS, *OTHERS)
TIMESTAMP = "timestamp.txt"  # nbgrader's collector writes it beside the notebook


@dataclass(frozen=True)
class Found:
    """A student, and the file that is taken for the submission."""

    student: str
    path: Place | None
    status: str
    """`found`, `unreadable` or `missing`."""
    message: str = ""
    earlier: tuple[Place, ...] = ()
    """Other files of the same student, kept; graded only where `path` is unreadable."""
    assignment: str = ""
    name: str = ""
    """What the student is called, for a person to read."""
    submitted: datetime | None = None
    """When it came in, where the layout tells it; `timestamp.txt` otherwise."""
    notes: tuple[str, ...] = ()
    """What a person should know of how it came."""

    def read(self) -> bytes:
        """Returns the file's bytes; an archive's notebook is taken out of it.

        Raises:
            OSError: it is no regular file, too large, or holds no notebook.
        """
        return next(unpacked(read_regular(self.path), self.path.name, self.assignment))

    def contents(self) -> Iterator[tuple[Place, bytes]]:
        """Yields files and bytes of what may be the notebook, the likeliest first.

        Raises:
            OSError: the file itself cannot be read; others are passed over.
        """
        data = read_regular(self.path)
        for content in unpacked(data, self.path.name, self.assignment):
            yield self.path, content
        for path in self.earlier[:OTHER_FILES_LIMIT]:
            try:
                data = read_regular(path)
                for content in unpacked(data, path.name, self.assignment):
                    yield path, content
            except OSError:
                continue


@dataclass(frozen=True)
class Collected:
    """A class's submissions, and what could not be made one of."""

    layout: str
    found: list[Found] = field(default_factory=list)
    """One entry per student, in order; with a roster, everybody on it."""
    unmatched: list[str] = field(default_factory=list)
    """Students of `found` whom the roster does not have."""
    refused: list[str] = field(default_factory=list)
    """Members of a zip that were not looked at, each with the reason."""


def find_submissions(
    directory: Path, assignment: str, layout: str = "auto", others: Iterable[str] = ()
) -> list[Found]:
    """Returns one entry per student, in order; see `collect`."""
    return collect(directory, assignment, layout=layout, others=others).found


def collect(
    submitted: Path,
    assignment: str,
    *,
    layout: str = "auto",
    roster: Roster | None = None,
    others: Iterable[str] = (),
) -> Collected:
    """Finds a class's submissions in a folder or a zip, which is not unpacked.

    Args:
        submitted: a folder per student, nbgrader's `submitted/`, a flat folder of
            `<student>_<assignment>.ipynb`, or what Canvas, Moodle or Gradescope gave
            out, unpacked or not.
        assignment: the assignment's name.
        layout: a name in `layouts.LAYOUTS` where it shall not be found out.
        roster: the class. Whoever is on it gets an entry; who is not on it, too.
        others: the names of the course's other assignments.

    Raises:
        CourseError: there is nothing to look into, or a layout's own file is damaged.
    """
    root, refused = opened(submitted)
    others = [name for name in others if name != assignment]
    kind, entries = layouts.read(root, assignment, layout, others)
    grouped: dict[str, list[Entry]] = {}
    names: dict[str, str] = {}
    unmatched: set[str] = set()
    for entry in entries:
        student, name, known = _identified(entry, roster)
        grouped.setdefault(student, []).append(entry)
        names[student] = names.get(student) or name
        if roster is not None and not known:
            unmatched.add(student)
    found = {
        student: _found(student, names[student], theirs, assignment, others)
        for student, theirs in grouped.items()
    }
    for person in roster.people.values() if roster else ():
        student = student_id(person.id)
        told = "Nothing was handed in."
        absent = Found(student, None, "missing", told, name=person.name)
        found.setdefault(student, absent)
    in_order = [found[student] for student in sorted(found)]
    return Collected(kind, in_order, sorted(unmatched), refused)


# --- who it is --------------------------------------------------------------------


def _identified(entry: Entry, roster: Roster | None) -> tuple[str, str, bool]:
    """Returns a student's id and name, and whether the roster has them."""
    who = entry.who
    if roster is None:
        return student_id(who.id), who.name, True
    people = {
        person.id: person
        for id in (who.id, *entry.doubtful)
        if (person := roster.find(who.system, id, who.email))
    }
    if len(people) == 1 and who.system != "nobody":
        (person,) = people.values()
        return student_id(person.id), person.name or who.name, True
    # An id of another system must not fall together with one of the roster's.
    taken = who.system != "nobody" and who.id in roster.people
    id = f"{who.system}-{who.id}" if taken or people else who.id
    return student_id(id), who.name, False


# --- which of a student's files ---------------------------------------------------


@dataclass(frozen=True)
class _File:
    """One of a student's files, and what of it the layout tells."""

    place: Place
    entry: Entry
    within: bool
    """It lies in a folder of the student's."""

    @property
    def title(self) -> str:
        return (not self.within and self.entry.title) or self.place.name


def _found(
    student: str,
    name: str,
    entries: Sequence[Entry],
    assignment: str,
    others: Sequence[str],
) -> Found:
    """Returns a student's entry: the last submission, and in it the likeliest file."""
    attempts = [
        sorted(files, key=lambda file: _rank(file, assignment), reverse=True)
        for group in _submissions(entries)
        if (files := _files(group, others))
    ]
    attempts.sort(key=_when, reverse=True)
    files = [file for attempt in attempts for file in attempt]
    notes = tuple(dict.fromkeys(note for entry in entries for note in entry.notes))
    if not files:
        message = f"No notebook in the folder; hand in {assignment}.ipynb."
        return Found(student, None, "missing", message, name=name, notes=notes)
    best, *rest = files
    status, message = _opens(best.place)
    return Found(
        student,
        best.place,
        status,
        message,
        earlier=tuple(file.place for file in rest) if status == "found" else (),
        assignment=assignment,
        name=name,
        submitted=best.entry.submitted,
        notes=notes,
    )


def _submissions(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Returns what was handed in at once: Canvas and Moodle give out the last only."""
    groups: dict[object, list[Entry]] = {}
    for number, entry in enumerate(entries):
        together = entry.who.system in ("canvas", "moodle")
        groups.setdefault(entry.who if together else number, []).append(entry)
    return list(groups.values())


def _when(ranked: Sequence[_File]) -> tuple:
    """Orders a student's submissions; one that cannot be opened is the first."""
    best = ranked[0]
    if _opens(best.place)[0] != "found":
        return (0.0, "")
    order = best.entry.order
    return (best.place.lstat().st_mtime if order is None else order, str(best.place))


def _opens(place: Place) -> tuple[str, str]:
    """Returns a file's status, and why it is not opened."""
    try:
        mode = place.lstat().st_mode
    except OSError as error:
        return "unreadable", f"It cannot be opened: {error}."
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "no regular file"
        told = f"{one_line(place.name)} is {kind}; hand in the notebook itself."
        return "unreadable", told
    return "found", ""


def _files(entries: Sequence[Entry], others: Sequence[str]) -> list[_File]:
    files = []
    for entry in entries:
        if entry.place is None:
            continue
        if is_folder(entry.place):
            inside = _candidates(entry.place, others)
            files += [_File(place, entry, True) for place in inside]
        elif _handed_in(entry.place) or is_link(entry.place):
            files.append(_File(entry.place, entry, False))
    return files


def _handed_in(place: Place) -> bool:
    name = place.name.lower()
    return name.endswith(HANDED_IN) and name != TIMESTAMP


def _candidates(folder: Place, others: Sequence[str], depth: int = 3) -> list[Place]:
    """Returns what may be the notebook; nothing of another assignment's folder."""
    found: list[Place] = []
    try:
        inside = children(folder)
    except OSError:
        return []
    for place in inside[:MEMBER_LIMIT]:
        if is_folder(place):
            if depth > 1 and place.name not in others:
                found += _candidates(place, others, depth - 1)
        elif _handed_in(place):
            found.append(place)
    return found


def _rank(file: _File, assignment: str) -> tuple:
    """Orders the files of one submission: the right name, a notebook, the newest."""
    title = file.title.lower()
    try:
        facts = file.place.lstat()
        time, regular = facts.st_mtime, stat.S_ISREG(facts.st_mode)
        filled = facts.st_size > 0
    except OSError:
        time, regular, filled = 0.0, False, False
    return (
        regular and filled,
        file.place.parent.name == assignment,
        title.endswith(NOTEBOOKS),
        title.endswith(".ipynb"),
        not title.endswith(OTHERS),
        *alike(title, assignment),
        time if file.entry.order is None else file.entry.order,
        os.fsencode(file.place.name),
    )


def student_id(name: str) -> str:
    """Returns a printable id for a folder or file name.

    Names that had to be changed keep a short fingerprint, so that two of them stay two.
    """
    plain = one_line(name.encode("utf-8", "replace").decode(), 80)
    plain = re.sub(r"[/\\\0]", "-", plain).strip(" .") or "unnamed"
    if plain == name:
        return plain
    return f"{plain}~{hashlib.sha256(os.fsencode(name)).hexdigest()[:6]}"
