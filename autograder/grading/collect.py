"""Finds submissions in a folder as it really is; opens nothing it should not."""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.safe import one_line

SIZE_LIMIT = 200 << 20
MEMBER_LIMIT = 2000
OTHER_FILES_LIMIT = 20
IGNORED = re.compile(r"^(\.|__MACOSX$|Thumbs\.db$|desktop\.ini$)")
NOTEBOOKS = (".ipynb", ".zip", ".tar", ".tar.gz", ".tgz", ".gz", ".py", ".json")
EXPORTS = (".txt", ".html", ".htm", ".md", ".qmd", ".rmd")
# No notebook is in them, but their student shall be told so.
OTHERS = (".pdf", ".docx", ".doc", ".odt", ".rtf", ".pages", ".png", ".jpg", ".jpeg")
OTHERS += (".7z", ".rar", ".gdoc", ".gcolab", ".webloc", ".url", ".odp", ".pptx")
HANDED_IN = (*NOTEBOOKS, *EXPORTS, *OTHERS)
ENDINGS = re.compile(
    r"(\.(ipynb|json|txt|zip|py|tar|gz|html?|md|pdf))+$", re.IGNORECASE
)
NESTING_LIMIT = 3


@dataclass(frozen=True)
class Found:
    """A student, and the file that is taken for the submission."""

    student: str
    path: Path | None
    status: str
    """`found`, `unreadable` or `missing`."""
    message: str = ""
    earlier: tuple[Path, ...] = ()
    """Other files of the same student, kept; graded only where `path` is unreadable."""
    assignment: str = ""

    def read(self) -> bytes:
        """Returns the file's bytes; an archive's notebook is taken out of it.

        Raises:
            OSError: it is no regular file, too large, or holds no notebook.
        """
        return next(_unpacked(read_regular(self.path), self.path.name, self.assignment))

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Yields names and bytes of what may be the notebook, the likeliest first.

        Raises:
            OSError: the file itself cannot be read; others are passed over.
        """
        data = read_regular(self.path)
        for content in _unpacked(data, self.path.name, self.assignment):
            yield self.path.name, content
        for path in self.earlier[:OTHER_FILES_LIMIT]:
            try:
                data = read_regular(path)
                for content in _unpacked(data, path.name, self.assignment):
                    yield path.name, content
            except OSError:
                continue


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
    others = sorted(candidates, key=lambda p: _rank(p, folder, assignment))[::-1]
    others = tuple(path for path in others if path != best)
    return _regular(student, best, others, assignment)


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
        elif entry.name.lower().endswith(HANDED_IN):
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
        path.name.lower().endswith(NOTEBOOKS),
        path.suffix.lower() == ".ipynb",
        not path.name.lower().endswith(OTHERS),
        *_alike(path.name, assignment),
        time,
        os.fsencode(path.name),
    )


def _alike(name: str, assignment: str) -> tuple[bool, bool]:
    """Says whether a file has the assignment's name, and whether it contains it."""
    stem = re.sub(r"[\W_]+", "_", ENDINGS.sub("", name.lower())).strip("_")
    return stem == assignment, assignment in stem


def _flat(path: Path, assignment: str) -> Found | None:
    if not path.name.lower().endswith(HANDED_IN):
        # A student's folder may be a link, which is never followed.
        return _regular(student_id(path.name), path, ()) if path.is_symlink() else None
    words = r"[\W_]+".join(map(re.escape, assignment.split("_")))
    whole = ENDINGS.sub("", path.name)
    stem = re.sub(rf"[\W_]*{words}.*$", "", whole, flags=re.IGNORECASE | re.DOTALL)
    return _regular(student_id(stem or whole), path, (), assignment)


def _regular(
    student: str, path: Path, earlier: tuple[Path, ...], assignment: str = ""
) -> Found:
    try:
        facts = path.lstat()
    except OSError as error:
        return Found(student, path, "unreadable", f"It cannot be opened: {error}.")
    if not stat.S_ISREG(facts.st_mode):
        kind = "a link" if stat.S_ISLNK(facts.st_mode) else "no regular file"
        message = f"{one_line(path.name)} is {kind}; hand in the notebook itself."
        return Found(student, path, "unreadable", message)
    return Found(student, path, "found", "", earlier, assignment)


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
            entry = replace(kept, earlier=others)
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


def _unpacked(
    data: bytes, name: str, assignment: str, depth: int = 1
) -> Iterator[bytes]:
    """Yields the notebooks in an archive, the likeliest first; in memory only.

    Raises:
        OSError: it cannot be read, or there is none in it.
    """
    members = _members(data, name)
    if members is None:
        yield data
        return
    found = 0
    ranked = sorted(members, key=lambda m: _member_rank(m[0], assignment))[::-1]
    for _, read in ranked[:OTHER_FILES_LIMIT]:
        try:
            content = read()
            if depth < NESTING_LIMIT and _members(content, name) is not None:
                yield from _unpacked(content, name, assignment, depth + 1)
            else:
                yield content
            found += 1
        except (OSError, *ARCHIVE_ERRORS) as error:
            if len(members) == 1:
                raise OSError(
                    f"{error}".rstrip(".") + "; hand in the .ipynb."
                ) from error
    if not found:
        raise OSError(
            f"{one_line(name)} is a zip or other archive without a notebook in it; "
            f"hand in {assignment or 'the notebook'}.ipynb itself."
        )


ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    RuntimeError,
    NotImplementedError,
    EOFError,
    ValueError,
    KeyError,
    zlib.error,
)


def _member_rank(name: str, assignment: str) -> tuple:
    ending = name.lower().rpartition(".")[2]
    base = name.replace("\\", "/").rpartition("/")[2]
    return (
        {"ipynb": 3, "json": 2, "txt": 0}.get(ending, 1),
        *_alike(base, assignment),
        assignment in name.lower(),
        name,
    )


def _members(data: bytes, name: str) -> list | None:
    """Returns an archive's likely notebooks as (name, how to read it).

    None for what is no archive; Office documents, which are zips, have no notebooks.
    """
    try:
        if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            return _zip_members(data)
        if data[257:262] == b"ustar" or _ends(name, ".tar.gz", ".tgz"):
            return _tar_members(data)
    except ARCHIVE_ERRORS as error:
        raise OSError(f"The zip cannot be read ({error}); zip it again.") from error
    return None


def _ends(name: str, *endings: str) -> bool:
    return name.lower().endswith(endings)


def _wanted(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    hidden = any(IGNORED.match(part) for part in parts if part.strip("."))
    text = _ends(name, ".txt") and ".ipynb" not in name.lower()
    return not hidden and not text and _ends(name, *NOTEBOOKS, *EXPORTS)


def _zip_members(data: bytes) -> list:
    archive = zipfile.ZipFile(io.BytesIO(data))

    def reader(member: zipfile.ZipInfo):
        def read() -> bytes:
            if member.file_size > SIZE_LIMIT:
                raise OSError("The notebook in the zip is too large; clear its outputs")
            with archive.open(member) as file:
                return file.read(SIZE_LIMIT)

        return read

    members = archive.infolist()[:MEMBER_LIMIT]
    return [(m.filename, reader(m)) for m in members if _wanted(m.filename)]


def _tar_members(data: bytes) -> list | None:
    try:
        archive = tarfile.open(fileobj=io.BytesIO(data))  # noqa: SIM115
        members = _first_members(archive)
    except (tarfile.ReadError, OSError, EOFError, zlib.error):
        return None  # a notebook that was only compressed, perhaps

    def reader(member: tarfile.TarInfo):
        def read() -> bytes:
            if member.size > SIZE_LIMIT:
                raise OSError("The notebook in the archive is too large")
            return archive.extractfile(member).read(SIZE_LIMIT)

        return read

    return [(m.name, reader(m)) for m in members if m.isreg() and _wanted(m.name)]


def _first_members(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    members = []
    for member in archive:
        members.append(member)
        if len(members) >= MEMBER_LIMIT:
            break
    return members
