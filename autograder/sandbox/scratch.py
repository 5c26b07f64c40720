"""Scratch directories where the kernel does not bound them: made, measured, removed.

A submission may nest directories thousands deep, so nothing here recurses, and no
path grows with the depth.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile

PREFIX = "autograder-scratch-"
DEPTH = 64
FILES = 4096


class Base:
    """A directory that holds the scratch directories of one grader.

    It is locked while the grader lives, so that the next one can tell what a killed
    one left behind, and remove it.
    """

    def __init__(self) -> None:
        sweep(tempfile.gettempdir())
        self.path = tempfile.mkdtemp(prefix=PREFIX)
        os.chmod(self.path, 0o711)  # another user must get through it, not look
        # Locked before it has its name, or a sweep could take it for abandoned.
        new = os.path.join(self.path, "lock.new")
        self._lock = os.open(new, os.O_CREAT | os.O_RDWR)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        os.rename(new, os.path.join(self.path, "lock"))

    def close(self) -> None:
        """Removes it with all that is in it."""
        remove(self.path)
        os.close(self._lock)


def sweep(folder: str) -> None:
    """Removes what graders of this user left in `folder` when they were killed."""
    with os.scandir(folder) as entries:
        found = [e.path for e in entries if e.name.startswith(PREFIX)]
    for path in found:
        with contextlib.suppress(OSError):
            if os.lstat(path).st_uid == os.geteuid() and _abandoned(path):
                remove(path)


def _abandoned(path: str) -> bool:
    flags = os.O_RDWR | os.O_NOFOLLOW
    try:
        handle = os.open(os.path.join(path, "lock"), flags)
    except FileNotFoundError:
        return False  # being made at this moment
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def make(base: str, size_mb: float, owner: int | None) -> str:
    """Makes a directory for one submission below `base`.

    Raises:
        OSError: the disk has not even room for what a submission may write.
    """
    if shutil.disk_usage(base).free < size_mb * (1 << 20):
        raise OSError(f"the disk of {base} is full")
    path = tempfile.mkdtemp(dir=base)
    if owner is not None:
        os.chown(path, owner, owner)
    return path


def overfull(path: str, limit_mb: float) -> bool:
    """Does a directory hold more bytes, files or levels than a submission may make?"""
    files, size, limit = 0, 0, limit_mb * (1 << 20)
    waiting = [(path, 0)]
    while waiting:
        folder, depth = waiting.pop()
        if depth > DEPTH:
            return True
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                files += 1
                with contextlib.suppress(OSError):
                    facts = entry.stat(follow_symlinks=False)
                    size += max(facts.st_size, facts.st_blocks * 512)
                    if stat.S_ISDIR(facts.st_mode):
                        waiting.append((entry.path, depth + 1))
                if files > FILES or size > limit:
                    return True
    return False


def remove(path: str) -> None:
    """Removes a directory whose makers are gone, however deep it is.

    Each inner directory is moved up to the top before it is emptied.
    """
    with contextlib.suppress(OSError):
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(path)


def _empty(top: int) -> None:
    moved = 0
    while names := os.listdir(top):
        before = moved, len(names)
        for name in names:
            if not _is_folder(name, top):
                os.unlink(name, dir_fd=top)
                continue
            os.chmod(name, 0o700, dir_fd=top)  # it may have been made unreadable
            inner = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=top)
            try:
                for child in os.listdir(inner):
                    if _is_folder(child, inner):
                        moved += 1
                        # Renaming a directory writes its `..`: it must be ours.
                        os.chmod(child, 0o700, dir_fd=inner)
                        free = f".moved-{os.getpid()}-{moved}-{id(inner)}"
                        os.rename(child, free, src_dir_fd=inner, dst_dir_fd=top)
                    else:
                        os.unlink(child, dir_fd=inner)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)
        if before == (moved, len(os.listdir(top))):
            return  # nothing moves any more: leave it


def _is_folder(name: str, parent: int) -> bool:
    facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
    return stat.S_ISDIR(facts.st_mode)
