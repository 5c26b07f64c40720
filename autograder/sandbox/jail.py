"""The walls around a process that runs student code, in the order they must go up."""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from autograder.sandbox import gpu, kernel, landlock, root, seccomp

WALLS = ("namespaces", "landlock", "seccomp")
OPTIONAL = (*WALLS, "user", "cgroup")
ALWAYS = ("no-new-privileges", "limits", "environment", "descriptors", "watchdog")
OPEN_FILES, OPEN_FILES_GPU = 256, 1024
SIGNALS = 256
FIRST_UID = 1_600_000_000  # far from any real user
ADDRESS_SPACE = 12 << 30  # TensorFlow aborts below about 3 GB; memory is watched


@dataclass(frozen=True)
class Plan:
    """What a jail consists of on this machine."""

    namespaces: bool = False
    landlock: bool = False
    seccomp: bool = False
    user: bool = False
    """An unused user id instead of root."""
    cgroup: bool = False
    bare: bool = False
    """Nothing at all, for the canaries' positive control."""
    gpu: bool = False
    """The driver's files, its commands and any amount of address space besides."""

    @property
    def name(self) -> str:
        """The layers joined by `+`; `none` where no wall stands."""
        if not any(getattr(self, wall) for wall in WALLS):
            return "none"
        layers = [layer for layer in OPTIONAL if getattr(self, layer)]
        return "+".join([*layers, *ALWAYS])


def can_change_user() -> bool:
    """May this process become an unused user?"""
    wanted = kernel.CAP_SETUID, kernel.CAP_SETGID
    mapped = _unused_user() is not None
    return os.geteuid() == 0 and all(map(kernel.has_capability, wanted)) and mapped


def _unused_user() -> int | None:
    """Returns an id for this process that nobody has, of those that exist here."""
    spread = os.getpid()  # two graders must not share one
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= FIRST_UID < first + count - (1 << 22):
            return FIRST_UID + spread
        if count > 60_000:  # a container with its own range
            return first + count - 1 - spread % 4096
    return None


def libraries_open_to_all() -> bool:
    """Could an unused user read the libraries at their own place?

    In a private root they always can; elsewhere an interpreter below a closed home
    directory would be out of reach.
    """
    samples = [sys.prefix, sys.base_prefix, os.__file__, sys.modules["ctypes"].__file__]
    for folder in sys.path:
        samples += [f"{folder}/numpy/__init__.py", f"{folder}/keras/__init__.py"]
    return all(_open_to_all(p) for p in samples if os.path.exists(p))


def _open_to_all(path: str) -> bool:
    real = Path(path).resolve()
    wanted = 0o005 if real.is_dir() else 0o004
    return os.stat(real).st_mode & wanted == wanted and all(
        os.stat(folder).st_mode & 0o005 == 0o005 for folder in real.parents
    )


def outer(plan: Plan) -> int | None:
    """Leaves network, processes and IPC behind; for the process that forks.

    Returns:
        The user to become inside; None where that is done, or is not to be.
    """
    user = _unused_user() if plan.user else None
    if not plan.namespaces:
        return user
    others = kernel.CLONE_NEWNET | kernel.CLONE_NEWPID
    others |= kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    if os.geteuid() == 0 and kernel.has_capability(kernel.CAP_SYS_ADMIN):
        kernel.unshare(others)
        return user
    if user is not None:  # root in a container: no more than a user may do
        _become(user)
        kernel.control(kernel.PR_SET_DUMPABLE, 1)  # or its own maps were closed to it
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.CLONE_NEWUSER | others)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    return None


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def set_limits(limits: dict, others: int | None, on_gpu: bool = False) -> None:
    """Sets the kernel's own limits; memory proper is watched from outside.

    `others` counts the threads that this user has already; None says that no other
    process has this user id. CUDA reserves addresses for all memory that there is, of
    the machine and its cards, so that with a GPU they cannot be bounded.
    """
    threads = int(limits["threads"])
    if others is not None:
        # The kernel counts all of the user's threads together: a tight limit would
        # let one submission starve its neighbours. The watchdog counts its own.
        threads = others + 8 * threads
    cpu = int(limits["cpu_seconds"]) + 1
    size = int(limits["file_mb"] * 1024 * 1024)
    table = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: size,
        resource.RLIMIT_NOFILE: OPEN_FILES_GPU if on_gpu else OPEN_FILES,
        resource.RLIMIT_AS: resource.RLIM_INFINITY if on_gpu else ADDRESS_SPACE,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: SIGNALS,
        resource.RLIMIT_RTPRIO: 0,
        resource.RLIMIT_NPROC: threads,
    }
    for kind, value in table.items():
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = hard if value == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _threads() -> int:
    """Returns the number of threads that this user's processes have now."""
    count, uid = 0, os.getuid()
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue
    return count


def drop_rights(user: int | None) -> None:
    """Becomes a user with no rights, for good."""
    if kernel.has_capability(kernel.CAP_SETPCAP):
        kernel.drop_bounding_set()
    if user is not None:
        _become(user)
    kernel.drop_capabilities()
    kernel.control(kernel.PR_SET_NO_NEW_PRIVS, 1)
    # Every change of credentials clears this, so it comes last.
    kernel.control(kernel.PR_SET_PDEATHSIG, 9)


def enter(plan: Plan, limits: dict, scratch: str | None, user: int | None) -> str:
    """Jails this process; returns its scratch directory.

    Args:
        plan: which walls.
        limits: the fields of `Limits`.
        scratch: the directory to use where there is no private root.
        user: the user to become, as `outer` returned it.
    """
    os.setsid()
    others = None if plan.user else _threads()
    if plan.namespaces:
        owner = os.getuid() if user is None else user
        group = os.getgid() if user is None else user
        root.private_root(owner, group, limits["file_mb"], plan.gpu)
        scratch = root.SCRATCH
    set_limits(limits, others, plan.gpu)
    drop_rights(user)
    if plan.landlock:
        readable = ["/"] if plan.namespaces else root.landlock_paths(plan.gpu)
        landlock.restrict(readable, [scratch], gpu.nodes() if plan.gpu else [])
    if plan.seccomp:
        seccomp.restrict(plan.gpu)
    os.chdir(scratch)
    return scratch
