"""Files as they were handed in: on disk, or in the zip that an LMS gave out.

Nothing is ever unpacked: a zip is read where it lies, member by member, so that there
is no folder for a name in it to leave.
"""

from __future__ import annotations

import calendar
import os
import re
import stat
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

from autograder.course import CourseError
from autograder.safe import one_line

SIZE_LIMIT = 200 << 20  # of one file, unpacked
ZIP_LIMIT = 50_000  # members of a class's zip
DEPTH_LIMIT = 32  # folders in folders, in a class's zip
IGNORED = re.compile(r"^(\.|__MACOSX$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    RuntimeError,  # encrypted
    NotImplementedError,  # packed by a method that Python lacks
    EOFError,
    ValueError,
    KeyError,
    zlib.error,
)


class ClassZip:
    """The names in a class's zip, as folders and files; told by `refused` what is not.

    Args:
        path: the zip.

    Raises:
        CourseError: it is no zip, is damaged, or holds more than a class hands in.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.files: dict[tuple[str, ...], zipfile.ZipInfo] = {}
        self.children: dict[tuple[str, ...], list[str]] = {(): []}
        self.refused: list[str] = []
        try:
            self._archive = zipfile.ZipFile(self.path)
            members = self._archive.infolist()
        except (OSError, *ARCHIVE_ERRORS) as error:
            raise CourseError(
                f"{one_line(self.path)} is no zip that can be read "
                f"({one_line(error)}); download it again, or unpack it and name the "
                "folder."
            ) from None
        if len(members) > ZIP_LIMIT:
            raise CourseError(
                f"{one_line(self.path)} has {len(members)} members, more than the "
                f"{ZIP_LIMIT} of any class; unpack it and name the folder."
            )
        for member in members:
            self._enter(member)

    @property
    def root(self) -> ZipPlace:
        return ZipPlace(self, ())

    def _enter(self, member: zipfile.ZipInfo) -> None:
        parts = _parts(member.filename)
        if parts is None:
            self.refused.append(f"{one_line(member.filename)}: leads out of the zip")
        elif any(IGNORED.match(part) for part in parts) or not parts:
            return
        elif member.is_dir():
            self._folder(parts)
        elif parts in self.children or any(
            parts[:n] in self.files for n in range(1, len(parts))
        ):
            self.refused.append(
                f"{one_line(member.filename)}: a file and a folder at once"
            )
        else:
            if parts in self.files:
                self.refused.append(
                    f"{one_line(member.filename)}: twice in the zip; the last one "
                    "is read"
                )
            else:
                self._folder(parts[:-1])
                self.children[parts[:-1]].append(parts[-1])
            self.files[parts] = member

    def _folder(self, parts: tuple[str, ...]) -> None:
        for n in range(1, len(parts) + 1):
            if parts[:n] not in self.children:
                self.children[parts[:n]] = []
                self.children[parts[: n - 1]].append(parts[n - 1])

    def read(self, parts: tuple[str, ...]) -> bytes:
        """Returns a member's bytes; raises OSError where it cannot be read."""
        member = self.files.get(parts)
        if member is None:
            raise FileNotFoundError(f"{'/'.join(parts)} is not in the zip.")
        if not stat.S_ISREG(_mode(member)):
            raise OSError("It is no regular file; hand in the notebook itself.")
        if member.file_size > SIZE_LIMIT:
            raise OSError(too_large(member.file_size))
        try:
            with self._archive.open(member) as file:
                data = file.read(SIZE_LIMIT + 1)
        except ARCHIVE_ERRORS as error:
            raise OSError(
                f"It cannot be read in the zip ({one_line(error)}); download it again."
            ) from None
        if len(data) > SIZE_LIMIT:  # its header lied
            raise OSError(too_large(len(data)))
        return data


class ZipPlace:
    """A file or folder in a class's zip, with what is used of `pathlib.Path`."""

    def __init__(self, archive: ClassZip, parts: tuple[str, ...]):
        self._archive, self._parts = archive, parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ZipPlace) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self._parts)

    def __str__(self) -> str:
        return "/".join([str(self._archive.path), *self._parts])

    @property
    def name(self) -> str:
        return self._parts[-1] if self._parts else self._archive.path.name

    @property
    def suffix(self) -> str:
        return os.path.splitext(self.name)[1]

    @property
    def parent(self) -> ZipPlace:
        return ZipPlace(self._archive, self._parts[:-1])

    def with_name(self, name: str) -> ZipPlace:
        return ZipPlace(self._archive, (*self._parts[:-1], name))

    def __truediv__(self, name: str) -> ZipPlace:
        return ZipPlace(self._archive, (*self._parts, name))

    def is_folder(self) -> bool:
        return self._parts in self._archive.children

    def children(self) -> list[ZipPlace]:
        return [self / name for name in self._archive.children.get(self._parts, [])]

    def lstat(self) -> SimpleNamespace:
        """Returns mode, size and time, as far as a zip tells; raises OSError."""
        member = self._archive.files.get(self._parts)
        if member is None:
            raise FileNotFoundError(f"{self.name} is no file in the zip.")
        try:
            time = calendar.timegm((*member.date_time, 0, 0, 0))
        except (ValueError, OverflowError):
            time = 0
        return SimpleNamespace(
            st_mode=_mode(member), st_size=member.file_size, st_mtime=float(time)
        )

    def read(self) -> bytes:
        return self._archive.read(self._parts)


Place = Path | ZipPlace


def opened(submitted: Path) -> tuple[Place, list[str]]:
    """Returns where to look for submissions, and the members that are not looked at.

    Raises:
        CourseError: it is neither a folder nor a zip.
    """
    submitted = Path(submitted)
    if submitted.is_dir():
        return submitted, []
    if submitted.is_file():
        archive = ClassZip(submitted)
        return archive.root, archive.refused
    raise CourseError(
        f"{one_line(submitted)} is no folder and no zip; name the folder of "
        "submissions, or the zip that was downloaded."
    )


def children(folder: Place) -> list[Place]:
    """Returns what a folder holds, in order, hidden things left out.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(folder, ZipPlace):
        found: list[Place] = [*folder.children()]
    else:
        found = [folder / entry.name for entry in os.scandir(folder)]
    kept = [place for place in found if not IGNORED.match(place.name)]
    return sorted(kept, key=lambda place: os.fsencode(place.name))


def is_folder(place: Place) -> bool:
    """Says whether a place is a folder; a link to one is none."""
    if isinstance(place, ZipPlace):
        return place.is_folder()
    try:
        return stat.S_ISDIR(place.lstat().st_mode)
    except OSError:
        return False


def is_link(place: Place) -> bool:
    """Says whether a place is a symbolic link."""
    try:
        return stat.S_ISLNK(place.lstat().st_mode)
    except OSError:
        return False


def read_regular(place: Place) -> bytes:
    """Reads a regular file; never follows a link, never waits for a pipe.

    Raises:
        OSError: it is none, or too large.
    """
    if isinstance(place, ZipPlace):
        return place.read()
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(place, flags)
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError("It is no regular file; hand in the notebook itself.")
        if facts.st_size > SIZE_LIMIT:
            raise OSError(too_large(facts.st_size))
        return file.read(SIZE_LIMIT + 1)


def too_large(size: int) -> str:
    """Says what to do about a file beyond the limit."""
    return f"It has {size >> 20} MB; clear the outputs and save again."


def _parts(name: str) -> tuple[str, ...] | None:
    """Returns the parts of a member's name, or None where it leads elsewhere."""
    name = name.replace("\\", "/")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    absolute = name.startswith("/") or re.match(r"[A-Za-z]:", name)
    if absolute or ".." in parts or len(parts) > DEPTH_LIMIT:
        return None
    return parts


def _mode(member: zipfile.ZipInfo) -> int:
    """Returns a member's mode; where the zip tells none, a regular file's."""
    mode = member.external_attr >> 16
    return mode if stat.S_IFMT(mode) else stat.S_IFREG | stat.S_IMODE(mode)
