"""A control group per submission, where this process may make one.

The kernel then counts all memory of a submission, shared and file-backed too, and
its tasks. Version 1 and 2 are known; where neither is writable, the watchdog and the
resource limits stand alone.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
PREFIX = "autograder-"


class Group:
    """One directory per controller, or one for all in version 2."""

    def __init__(self, memory_mb: float, tasks: int):
        """Makes the group.

        Raises:
            OSError: there is no place for one here.
        """
        self.folders: list[Path] = []
        self._gates: list[int] = []
        memory = str(int(memory_mb * (1 << 20)))
        try:
            parent = _unified()
            if parent is not None:
                made = self._make(parent)
                (made / "memory.max").write_text(memory)
                (made / "pids.max").write_text(str(tasks))
            else:
                made = self._make(_hierarchy("memory"))
                (made / "memory.limit_in_bytes").write_text(memory)
                with contextlib.suppress(OSError):
                    made = self._make(_hierarchy("pids"))
                    (made / "pids.max").write_text(str(tasks))
            # Opened now: whoever puts the child in may have fewer rights by then.
            self._gates = [
                os.open(folder / "cgroup.procs", os.O_WRONLY) for folder in self.folders
            ]
        except BaseException:
            self.remove()
            raise

    def _make(self, parent: Path) -> Path:
        folder = parent / f"{PREFIX}{os.getpid()}"
        folder.mkdir()
        self.folders.append(folder)
        return folder

    def add(self, pid: int) -> None:
        """Puts a process into the group."""
        for gate in self._gates:
            os.write(gate, str(pid).encode())

    def out_of_memory(self) -> bool:
        """Did the kernel kill for memory here?"""
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError):
                for line in (self.folders[0] / name).read_text().splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1]) > 0
        return False

    def remove(self) -> None:
        """Removes the group, whose processes are gone."""
        for gate in self._gates:
            os.close(gate)
        for folder in self.folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        self._gates, self.folders = [], []


def sweep() -> None:
    """Removes the empty groups of monitors that were killed."""
    for find in (_unified, lambda: _hierarchy("memory"), lambda: _hierarchy("pids")):
        with contextlib.suppress(OSError):
            for folder in (find() or MOUNT).glob(f"{PREFIX}*"):
                if not Path("/proc", folder.name.removeprefix(PREFIX)).exists():
                    folder.rmdir()


def _own() -> dict[str, str]:
    """Returns this process's group per controller; version 2 under the empty name."""
    found = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            found[name] = path.lstrip("/")
    return found


def _unified() -> Path | None:
    """Returns the version-2 group to make others in: this one's, or its parent."""
    own = _own()
    if "memory" in own or "" not in own:
        return None
    here = MOUNT / own[""]
    for folder in (here, here.parent):
        with contextlib.suppress(OSError):
            given = (folder / "cgroup.subtree_control").read_text().split()
            if {"memory", "pids"} <= set(given) and os.access(folder, os.W_OK):
                return folder
    raise PermissionError("no control group is delegated to this user")


def _hierarchy(controller: str) -> Path:
    """Returns this process's version-1 group of a controller."""
    own = _own()
    if controller not in own:
        raise FileNotFoundError(f"no control group for {controller}")
    for path in (MOUNT / controller / own[controller], MOUNT / controller):
        if path.is_dir() and os.access(path, os.W_OK):
            return path
    raise PermissionError(f"the control group for {controller} is not writable")
