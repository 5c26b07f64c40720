"""The shapes in which a class's submissions come: whose is what.

A layout reads names only. It says, for everything at the top of a folder, whose it
is and which of a student's files came last; what is in the files is not its matter.

Sources: Canvas' `lib/content_zipper.rb`, Moodle's `mod/assign/classes/downloader.php`,
nbgrader's manual on its directories; Gradescope's export as tools that read it know it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import yaml

from autograder.course import CourseError
from autograder.grading.archives import ENDINGS, alike
from autograder.grading.places import (
    Place,
    children,
    is_folder,
    is_link,
    read_regular,
)
from autograder.safe import one_line

METADATA = "submission_metadata.yml"
SHARE = 0.5  # of the names that must be a system's, to take all for its download


@dataclass(frozen=True)
class Who:
    """A student as a system names them."""

    system: str
    """`plain` (the name of a folder or file), `canvas`, `moodle` or `gradescope`."""
    id: str
    name: str = ""
    """For a person to read; nobody is looked up by it."""
    email: str = ""


@dataclass(frozen=True)
class Entry:
    """One thing at the top of a folder."""

    who: Who
    place: Place | None
    """A file or a folder; None where a system knows a student without either."""
    title: str = ""
    """The file's name as the student gave it, where the system added to it."""
    order: float | None = None
    """The later, the larger; None where only the file's time tells."""
    submitted: datetime | None = None
    notes: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    """Ids of the system that the name could mean as well."""


Reader = Callable[[Sequence[Place], str, Sequence[str]], list[Entry]]


def read(
    folder: Place, assignment: str, layout: str = "auto", others: Sequence[str] = ()
) -> tuple[str, list[Entry]]:
    """Returns which layout it is, and what is in it.

    Args:
        folder: a folder, or the root of a zip.
        assignment: the assignment's name, which flat names end in.
        layout: a name in `LAYOUTS`, or `auto`.
        others: the names of the course's other assignments.

    Raises:
        CourseError: there is no such layout, or what the layout needs is not there.
    """
    if layout not in ("auto", *LAYOUTS):
        known = ", ".join(["auto", *LAYOUTS])
        raise CourseError(f"There is no layout {layout!r}; choose one of {known}.")
    tops = children(folder)
    # A download unpacked by double click is a folder in a folder.
    inner = children(tops[0]) if len(tops) == 1 and is_folder(tops[0]) else []
    for candidates in (tops, inner):
        found = _recognised(candidates) if layout == "auto" else layout
        if found in SYSTEMS and _fits(found, candidates):
            return found, LAYOUTS[found](candidates, assignment, others)
    if layout == "gradescope":
        raise CourseError(
            f"There is no {METADATA} in it; download it from Gradescope with "
            "“Export Submissions”."
        )
    if inner and (tops[0].name == "submitted" or _is_class(inner, assignment)):
        tops = inner
    return "plain", plain(tops, assignment, others)


def _recognised(tops: Sequence[Place]) -> str:
    return next((name for name in SYSTEMS if _share(name, tops) >= SHARE), "plain")


def _fits(system: str, tops: Sequence[Place]) -> bool:
    return _share(system, tops) > 0


def _is_class(tops: Sequence[Place], assignment: str) -> bool:
    """Says whether a folder in a folder holds students, or is a student's own."""
    return sum(_is_students(place, assignment) for place in tops) > 1


def _is_students(place: Place, assignment: str) -> bool:
    if not is_folder(place):
        owner = _owner(place, [assignment])
        return bool(ENDING.search(place.name)) and owner != ENDINGS.sub("", place.name)
    return any(
        child.name == assignment or alike(child.name, assignment)[1]
        for child in children(place)
    )


def _share(system: str, tops: Sequence[Place]) -> float:
    if system == "gradescope":
        return float(any(place.name == METADATA for place in tops))
    pattern = SYSTEMS[system]
    hits = sum(bool(pattern.match(place.name)) for place in tops)
    return hits / len(tops) if tops else 0.0


# --- folders and files that people named ------------------------------------------


def plain(
    tops: Sequence[Place], assignment: str, others: Sequence[str] = ()
) -> list[Entry]:
    """A folder per student, nbgrader's `submitted/`, or `<student>_<assignment>`."""
    named = sorted((assignment, *others), key=len, reverse=True)
    return [
        Entry(Who("plain", _owner(place, named)), place)
        for place in tops
        if is_folder(place) or is_link(place) or ENDING.search(place.name)
    ]


def _owner(place: Place, assignments: Sequence[str]) -> str:
    if is_folder(place) or not ENDING.search(place.name):
        return place.name  # a student's folder may be a link, which is never followed
    whole = ENDINGS.sub("", place.name)
    for assignment in assignments:
        words = r"[\W_]+".join(map(re.escape, assignment.split("_")))
        stem = re.sub(rf"[\W_]*{words}.*$", "", whole, flags=re.I | re.S)
        if stem != whole:
            return stem or whole
    return whole


ENDING = re.compile(
    r"\.(ipynb|zip|tar|gz|tgz|py|json|txt|html?|md|qmd|rmd|pdf|docx?|odt|rtf|pages"
    r"|png|jpe?g|7z|rar|gdoc|gcolab|webloc|url|odp|pptx)$",
    re.IGNORECASE,
)


# --- Canvas -----------------------------------------------------------------------

_USER = r"(?:(?P<name>\w*?)_)?(?:(?P<late>LATE)_)?(?P<user>\d+|anon_[A-Za-z0-9]+)"
CANVAS = re.compile(
    rf"{_USER}_(?:(?P<file>\d+)_(?P<title>.+)|(?P<typed>text|link)\.html)$", re.S
)
_AGAIN = re.compile(r"-\d+(?=\.\w+$)")  # Canvas' mark of a name handed in again


def canvas(
    tops: Sequence[Place], assignment: str, others: Sequence[str] = ()
) -> list[Entry]:
    """`<name>[_LATE]_<user id>_<file id>_<file name>`, all in one folder.

    A name with digits at its end, and a file name with digits at its beginning, make
    the user's id doubtful. Canvas takes the first number; so do we, unless two people
    would be one then.
    """
    entries = [
        _canvas_entry(place)
        or replace(plain([place], assignment, others)[0], notes=(_stray("Canvas"),))
        for place in tops
        if CANVAS.match(place.name) or plain([place], assignment, others)
    ]
    sure: dict[Who, set[str]] = defaultdict(set)
    names: dict[Who, set[str]] = defaultdict(set)
    for entry in entries:
        person = replace(entry.who, name="")
        names[person].add(entry.who.name)
        if not entry.doubtful:
            sure[person].add(entry.who.name)
    return [
        _settled(entry, names[person], sure[person])
        for entry in entries
        for person in [replace(entry.who, name="")]
    ]


def _settled(entry: Entry, names: set[str], sure: set[str]) -> Entry:
    """Keeps two people apart whom Canvas' first number would make one."""
    who = entry.who
    if len(names) == 1 or sure == {who.name}:
        return entry
    if len(sure) == 1 and entry.doubtful:
        name = f"{who.name}_{who.id}"
        title = re.sub(r"^\d+_", "", entry.title)
        second = replace(who, id=entry.doubtful[0], name=name)
        return replace(entry, who=second, title=title, doubtful=())
    told = f"Canvas' id {who.id} came with several names; look whose file it is"
    alone = replace(who, system="nobody", id=f"canvas-{who.id}-{who.name}")
    return replace(entry, who=alone, notes=(*entry.notes, told))


def _canvas_entry(place: Place) -> Entry | None:
    found = CANVAS.match(place.name)
    if found is None:
        return None
    title = found["title"] or f"{found['typed']}.html"
    other = re.match(r"(\d+)_", title)
    return Entry(
        Who("canvas", found["user"], found["name"] or ""),
        place,
        _AGAIN.sub("", title),
        float(found["file"] or 0),
        notes=("Canvas marks it LATE",) if found["late"] else (),
        doubtful=(found["file"],) if other and found["file"] else (),
    )


def _stray(system: str) -> str:
    return f"its name is none that {system} gives"


# --- Moodle -----------------------------------------------------------------------

MOODLE = re.compile(
    r"(?P<name>.+?)_(?P<user>\d+)_assignsubmission_(?P<kind>[a-z]+)"
    r"(?:_(?P<title>.*))?$",
    re.S,
)


def moodle(
    tops: Sequence[Place], assignment: str, others: Sequence[str] = ()
) -> list[Entry]:
    """`<full name>_<participant>_assignsubmission_file`: a folder, or before a name."""
    entries = []
    for place in tops:
        found = MOODLE.match(place.name)
        if found is None:
            entries += [
                replace(entry, notes=(_stray("Moodle"),))
                for entry in plain([place], assignment, others)
            ]
            continue
        who = Who("moodle", found["user"], found["name"])
        entries.append(Entry(who, place, found["title"] or ""))
    return entries


# --- Gradescope -------------------------------------------------------------------


def gradescope(
    tops: Sequence[Place], assignment: str, others: Sequence[str] = ()
) -> list[Entry]:
    """`submission_<number>/` folders, and a YAML file that says whose they are.

    A group's submission is every member's. Who is named there without a folder, and a
    folder that is not named, are entries too.
    """
    about = next(place for place in tops if place.name == METADATA)
    told = _metadata(about)
    there = {place.name: place for place in tops if place != about}
    entries = []
    for name, facts in told.items():
        facts = facts if isinstance(facts, dict) else {}
        moment = _moment(facts.get(":created_at", facts.get("created_at")))
        for who in _submitters(name, facts):
            entries.append(
                Entry(
                    who,
                    there.get(name),
                    order=moment.timestamp() if moment else None,
                    submitted=moment,
                    notes=() if who.system == "gradescope" else (_stray("Gradescope"),),
                )
            )
    for name, place in there.items():
        if name not in told:
            unnamed = Who("nobody", name)
            if is_folder(place) or is_link(place) or ENDING.search(name):
                entries.append(Entry(unnamed, place, notes=(f"{METADATA} has it not",)))
    return entries


class _Plain(yaml.SafeLoader):
    """Reads YAML with Ruby's tags as plain values."""


_Plain.add_multi_constructor(
    "!",
    lambda loader, _, node: (
        loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.MappingNode)
        else loader.construct_sequence(node, deep=True)
        if isinstance(node, yaml.SequenceNode)
        else loader.construct_scalar(node)
    ),
)


def _metadata(place: Place) -> dict[str, Any]:
    try:
        tree = yaml.load(read_regular(place), Loader=_Plain)
        if not isinstance(tree, dict):
            raise ValueError("it names no submissions")
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise CourseError(
            f"{METADATA} cannot be read ({one_line(error, 120)}); export the "
            "submissions from Gradescope again."
        ) from None
    return {str(name): facts for name, facts in tree.items()}


def _submitters(name: str, facts: dict[str, Any]) -> list[Who]:
    listed = facts.get(":submitters", facts.get("submitters"))
    people = []
    for person in listed if isinstance(listed, list) else []:
        if not isinstance(person, dict):
            continue
        told = {
            key: str(person.get(f":{key}", person.get(key)) or "").strip()
            for key in ("name", "sid", "email")
        }
        if told["sid"] or told["email"]:
            id = told["sid"] or told["email"]
            people.append(Who("gradescope", id, told["name"], told["email"]))
        else:
            people.append(Who("nobody", f"{name} {told['name']}".strip(), told["name"]))
    return people or [Who("nobody", name)]


def _moment(value: Any) -> datetime | None:
    """Returns a time that YAML read, in UTC; None where it is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip().replace(" UTC", "+00:00"))
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return None
    if not isinstance(value, datetime):
        return None
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


SYSTEMS = {"gradescope": None, "moodle": MOODLE, "canvas": CANVAS}
LAYOUTS: dict[str, Reader] = {
    "plain": plain,
    "canvas": canvas,
    "moodle": moodle,
    "gradescope": gradescope,
}
