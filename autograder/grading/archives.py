"""Archives that a student handed in instead of a notebook: read in memory only."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

from autograder.grading import places
from autograder.grading.places import IGNORED
from autograder.safe import one_line

MEMBER_LIMIT = 2000
OTHER_FILES_LIMIT = 20
NOTEBOOKS = (".ipynb", ".zip", ".tar", ".tar.gz", ".tgz", ".gz", ".py", ".json")
EXPORTS = (".txt", ".html", ".htm", ".md", ".qmd", ".rmd")
ENDINGS = re.compile(
    r"(\.(ipynb|json|txt|zip|py|tar|gz|html?|md|pdf))+$", re.IGNORECASE
)
NESTING_LIMIT = 3
ARCHIVE_ERRORS = (*places.ARCHIVE_ERRORS, tarfile.TarError)


def alike(name: str, assignment: str) -> tuple[bool, bool]:
    """Says whether a file has the assignment's name, and whether it contains it."""
    stem = re.sub(r"[\W_]+", "_", ENDINGS.sub("", name.lower())).strip("_")
    return stem == assignment, assignment in stem


def unpacked(
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
                yield from unpacked(content, name, assignment, depth + 1)
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


def _member_rank(name: str, assignment: str) -> tuple:
    ending = name.lower().rpartition(".")[2]
    base = name.replace("\\", "/").rpartition("/")[2]
    return (
        {"ipynb": 3, "json": 2, "txt": 0}.get(ending, 1),
        *alike(base, assignment),
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
            if member.file_size > places.SIZE_LIMIT:
                raise OSError("The notebook in the zip is too large; clear its outputs")
            with archive.open(member) as file:
                return file.read(places.SIZE_LIMIT)

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
            if member.size > places.SIZE_LIMIT:
                raise OSError("The notebook in the archive is too large")
            return archive.extractfile(member).read(places.SIZE_LIMIT)

        return read

    return [(m.name, reader(m)) for m in members if m.isreg() and _wanted(m.name)]


def _first_members(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    members = []
    for member in archive:
        members.append(member)
        if len(members) >= MEMBER_LIMIT:
            break
    return members
