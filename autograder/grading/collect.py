"""Finds submissions in a folder as it really is; opens nothing it should not."""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path

from autograder.safe import one_line

SIZE_LIMIT = 200 << 20
MEMBER_LIMIT = 2000
IGNORED = re.compile(r"^(\.|__MACOSX$|Thumbs\.db$|desktop\.ini$)")
NOTEBOOKS = (".ipynb", ".zip", ".py", ".json", ".txt", ".html")


@dataclass(frozen=True)
class Found:
    """A student, and the file that is taken for the submission."""

    student: str
    path: Path | None
    status: str
    """`found`, `unreadable` or `missing`."""
    message: str = ""
    earlier: tuple[Path, ...] = ()
    """Other files of the same student, kept and not graded."""

    def read(self) -> bytes:
        """Returns the file's bytes; a zip's notebook is taken out of it.

        Raises:
            OSError: it is no regular file, too large, or holds no notebook.
        """
        data = read_regular(self.path)
        if data[:4] == b"PK\x03\x04":
            return _from_zip(data, self.path.name)
        return data


def find_submissions(directory: Path, assignment: str) -> list[Found]:
    """Returns one entry per student, in order.

    Three layouts are known: nbgrader's `<student>/<assignment>/*.ipynb`, a folder per
    student, and a flat folder of `<student>_<assignment>.ipynb`.
    """
    directory = Path(directory)
    entries = [e for e in os.scandir(directory) if not IGNORED.match(e.name)]
    found = [
        _in_folder(Path(entry.path), assignment)
        if entry.is_dir(follow_symlinks=False)
        else _flat(Path(entry.path), assignment)
        for entry in _ordered(entries)
    ]
    return _merged(found)


def _ordered(entries: list[os.DirEntry]) -> list[os.DirEntry]:
    return sorted(entries, key=lambda entry: os.fsencode(entry.name))


def _in_folder(folder: Path, assignment: str) -> Found:
    student = student_id(folder.name)
    candidates = _candidates(folder, assignment)
    if not candidates:
        message = f"No notebook in the folder; hand in {assignment}.ipynb."
        return Found(student, None, "missing", message)
    best = max(candidates, key=lambda path: _rank(path, folder, assignment))
    return _regular(student, best, tuple(p for p in candidates if p != best))


def _candidates(folder: Path, assignment: str, depth: int = 3) -> list[Path]:
    found: list[Path] = []
    try:
        entries = _ordered(list(os.scandir(folder)))
    except OSError:
        return []
    for entry in entries[:MEMBER_LIMIT]:
        if IGNORED.match(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth > 1:
                found += _candidates(Path(entry.path), assignment, depth - 1)
        elif entry.name.lower().endswith(NOTEBOOKS):
            found.append(Path(entry.path))
    return found


def _rank(path: Path, folder: Path, assignment: str) -> tuple:
    """Orders a student's files: the right name, a notebook, the newest."""
    try:
        facts = path.lstat()
        time, regular = facts.st_mtime, stat.S_ISREG(facts.st_mode)
        filled = facts.st_size > 0
    except OSError:
        time, regular, filled = 0.0, False, False
    return (
        regular and filled,
        path.parent.name == assignment,
        path.suffix.lower() == ".ipynb",
        path.stem == assignment,
        assignment in path.stem,
        time,
        os.fsencode(path.name),
    )


def _flat(path: Path, assignment: str) -> Found | None:
    if not path.name.lower().endswith(NOTEBOOKS):
        return None
    stem = re.sub(rf"[_\-. ]*{re.escape(assignment)}.*$", "", path.stem)
    return _regular(student_id(stem or path.stem), path, ())


def _regular(student: str, path: Path, earlier: tuple[Path, ...]) -> Found:
    try:
        facts = path.lstat()
    except OSError as error:
        return Found(student, path, "unreadable", f"It cannot be opened: {error}.")
    if not stat.S_ISREG(facts.st_mode):
        kind = "a link" if stat.S_ISLNK(facts.st_mode) else "no regular file"
        message = f"{one_line(path.name)} is {kind}; hand in the notebook itself."
        return Found(student, path, "unreadable", message)
    return Found(student, path, "found", "", earlier)


def _merged(found: list[Found | None]) -> list[Found]:
    """Returns one entry per student; of several files the last one counts."""
    students: dict[str, Found] = {}
    for entry in found:
        if entry is None:
            continue
        before = students.get(entry.student)
        if before is not None and before.path is not None:
            kept, other = _later(before, entry)
            others = (*kept.earlier, *other.earlier, other.path)
            entry = Found(kept.student, kept.path, kept.status, kept.message, others)
        students[entry.student] = entry
    return [students[name] for name in sorted(students)]


def _later(a: Found, b: Found) -> tuple[Found, Found]:
    def when(entry: Found) -> tuple:
        if entry.path is None or entry.status != "found":
            return (0.0,)
        return (entry.path.lstat().st_mtime, str(entry.path))

    return (a, b) if when(a) > when(b) else (b, a)


def student_id(name: str) -> str:
    """Returns a printable id for a folder or file name.

    Names that had to be changed keep a short fingerprint, so that two of them stay two.
    """
    import hashlib

    plain = one_line(name.encode("utf-8", "replace").decode(), 80)
    plain = re.sub(r"[/\\\0]", "-", plain).strip(" .") or "unnamed"
    if plain == name:
        return plain
    return f"{plain}~{hashlib.sha256(os.fsencode(name)).hexdigest()[:6]}"


def read_regular(path: Path) -> bytes:
    """Reads a regular file; never follows a link, never waits for a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags)
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError("It is no regular file; hand in the notebook itself.")
        if facts.st_size > SIZE_LIMIT:
            raise OSError(
                f"It has {facts.st_size >> 20} MB; clear the outputs and save again."
            )
        return file.read(SIZE_LIMIT + 1)


def _from_zip(data: bytes, name: str) -> bytes:
    """Takes the notebook out of a zip, in memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [
                m
                for m in archive.infolist()[:MEMBER_LIMIT]
                if m.filename.lower().endswith(".ipynb")
                and "__MACOSX" not in m.filename
                and ".ipynb_checkpoints" not in m.filename
            ]
            if not members:
                raise OSError(f"{one_line(name)} is a zip without a notebook in it.")
            best = max(members, key=lambda m: (m.date_time, m.filename))
            if best.file_size > SIZE_LIMIT:
                raise OSError("The notebook in the zip is too large.")
            with archive.open(best) as member:
                return member.read(SIZE_LIMIT)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise OSError(f"The zip cannot be read ({error}); zip it again.") from error
