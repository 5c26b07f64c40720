"""The walls around a process that runs student code, and what is left inside.

The order matters, and each step says why where it does. A jail has a root of its
own with read-only libraries, four device files, a /proc of three fake files and a
scratch directory of bounded size: no path leads to solutions, records, the
gradebook or another submission.
"""

from __future__ import annotations

import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from autograder.sandbox import kernel, landlock, seccomp

SCRATCH = "/scratch"
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
SYSTEM = (
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/fonts",
    "/sys/devices/system/cpu",
)
INODES = 4096
FILES = 256
FIRST_UID = 1_600_000_000  # far from any real user
ADDRESS_SPACE = 12 << 30  # TensorFlow aborts below about 3 GB; memory is watched


@dataclass(frozen=True)
class Plan:
    """What a jail consists of on this machine."""

    namespaces: bool = False
    landlock: bool = False
    seccomp: bool = False
    uid: int | None = None
    """The unused user to become, when the grader is root."""

    @property
    def name(self) -> str:
        layers = [n for n in ("namespaces", "landlock", "seccomp") if getattr(self, n)]
        return "+".join(layers) or "none"


def can_change_user(plan: Plan) -> bool:
    """Could an unused user still read the libraries?

    In a private root they always can; elsewhere an interpreter below a closed home
    directory would be out of reach, and the grader's own user stays.
    """
    if plan.namespaces:
        return True
    if plan.name == "none":
        return False
    return all(_open_to_all(path) for path in (sys.prefix, sys.base_prefix))


def _open_to_all(path: str) -> bool:
    folders = [Path(path), *Path(path).resolve().parents]
    return all(os.stat(folder).st_mode & 0o005 == 0o005 for folder in folders)


def outer_namespaces(plan: Plan) -> None:
    """Leaves the network, processes and IPC behind; for the process that forks."""
    if not plan.namespaces:
        return
    others = kernel.CLONE_NEWNET | kernel.CLONE_NEWPID
    others |= kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    if plan.uid is not None:
        kernel.unshare(others)
        return
    uid, gid = os.getuid(), os.getgid()
    kernel.unshare(kernel.CLONE_NEWUSER | others)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def libraries() -> list[str]:
    """Returns what a notebook reads: the interpreter, its packages, the system's."""
    found = [*SYSTEM, sys.base_prefix, sys.prefix]
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in sys.path:
        if "site-packages" in folder or "dist-packages" in folder:
            found.append(folder)
    keep: list[str] = []
    for path in sorted({os.path.realpath(p) for p in found} | set(found)):
        inside = any(path.startswith(k + "/") for k in keep if not os.path.islink(k))
        if os.path.exists(path) and not inside:
            keep.append(path)
    return [path for path in keep if not package.startswith(path + "/autograder")]


def hidden_package() -> str | None:
    """Returns this package's folder where it lies among the libraries, as a wheel."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    inside = any(package.startswith(path + "/") for path in libraries())
    return package if inside else None


def private_root(plan: Plan, scratch_mb: float) -> None:
    """Moves into a root that holds libraries and a scratch directory, no more."""
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    sources = {path: os.open(path, os.O_PATH) for path in _mounted()}
    facts = {name: _read(f"/proc/{name}") for name in ("cpuinfo", "meminfo")}
    # Any directory will do: it is covered in this namespace only, and what lies
    # below it was opened above.
    root = "/tmp"
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID, "size=4m,mode=0755")
    for path, handle in sources.items():
        _bind(handle, path, root)
    for path in (*SYSTEM, sys.base_prefix, sys.prefix):
        if os.path.islink(path) and not os.path.lexists(root + path):
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            os.symlink(os.readlink(path), root + path)
    package = hidden_package()
    if package:
        kernel.mount("tmpfs", root + package, "tmpfs", kernel.MS_RDONLY, "size=4k")
    _fake_proc(root, facts)
    owner = plan.uid if plan.uid is not None else os.getuid()
    group = plan.uid if plan.uid is not None else os.getgid()
    os.makedirs(root + SCRATCH)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    size = f"size={int(scratch_mb * 1024)}k,nr_inodes={INODES},mode=0700"
    data = f"{size},uid={owner},gid={group}"
    kernel.mount("tmpfs", root + SCRATCH, "tmpfs", flags, data)
    if not os.path.lexists(root + "/tmp"):  # unless the interpreter lives below it
        os.symlink("scratch", root + "/tmp")
    os.chdir(root)
    kernel.pivot_here()
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID
    kernel.mount(None, "/", None, flags)
    for handle in sources.values():
        os.close(handle)


def _mounted() -> list[str]:
    paths = [path for path in libraries() if not os.path.islink(path)]
    return [*paths, *(device for device in DEVICES if os.path.exists(device))]


def _bind(handle: int, path: str, root: str) -> None:
    """Shows an open file or folder read-only at the same path below `root`."""
    target = root + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(f"/proc/self/fd/{handle}"):
        os.makedirs(target, exist_ok=True)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    kernel.mount(f"/proc/self/fd/{handle}", target, None, kernel.MS_BIND)
    held = os.statvfs(target).f_flag
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_NOSUID
    flags |= held & (kernel.MS_NODEV | kernel.MS_NOEXEC)
    flags |= 0 if path in DEVICES else kernel.MS_RDONLY
    flags |= _access_time(held)
    kernel.mount(None, target, None, flags)


def _access_time(held: int) -> int:
    """Returns the access-time flags of a mount, which a user namespace may not drop."""
    return held & (os.ST_NOATIME | os.ST_NODIRATIME | os.ST_RELATIME) if held else 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _fake_proc(root: str, facts: dict[str, str]) -> None:
    """Lays out the files without which TensorFlow aborts; nothing of a real /proc."""
    own = Path(root, "proc", "self")
    (own / "fd").mkdir(parents=True)
    (own / "exe").symlink_to(os.path.realpath(sys.executable))
    (own / "cmdline").write_bytes(b"python\0")
    for name, text in facts.items():
        (own.parent / name).write_text(text)


def set_limits(limits: dict, plan: Plan) -> None:
    """Sets the kernel's own limits; memory proper is watched from outside."""
    cpu = int(limits["cpu_seconds"]) + 1
    size = int(limits["file_mb"] * 1024 * 1024)
    table = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: size,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_AS: ADDRESS_SPACE,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    if plan.namespaces or plan.uid is not None:
        # Elsewhere the count would include the user's other processes.
        table[resource.RLIMIT_NPROC] = int(limits["threads"])
    for kind, value in table.items():
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))


def drop_rights(plan: Plan) -> None:
    """Becomes a user with no rights, for good."""
    if plan.uid is not None:
        kernel.drop_bounding_set()  # needs root still
        os.setgroups([])
        os.setresgid(plan.uid, plan.uid, plan.uid)
        os.setresuid(plan.uid, plan.uid, plan.uid)
    kernel.drop_capabilities()
    kernel.control(kernel.PR_SET_NO_NEW_PRIVS, 1)
    # Every change of credentials clears this, so it comes last.
    kernel.control(kernel.PR_SET_PDEATHSIG, 9)


def enter(plan: Plan, limits: dict, scratch: str) -> str:
    """Jails this process; returns its scratch directory.

    `scratch` is the directory to use where there is no private root.
    """
    os.setsid()
    if plan.namespaces:
        private_root(plan, limits["file_mb"])
        scratch = SCRATCH
    set_limits(limits, plan)
    drop_rights(plan)
    if plan.landlock:
        readable = ["/"] if plan.namespaces else landlock_paths()
        landlock.restrict(readable, [scratch])
    if plan.seccomp:
        seccomp.restrict()
    os.chdir(scratch)
    return scratch


def landlock_paths() -> list[str]:
    """Returns what may be read where there is no private root."""
    package = hidden_package()
    paths = [*libraries(), *DEVICES, "/proc/self", "/proc/cpuinfo", "/proc/meminfo"]
    if package is None:
        return paths
    # Landlock has no exceptions: the folders on the way are opened child by child.
    paths, parents = [], []
    for path in [*libraries(), *DEVICES]:
        (parents if package.startswith(path + "/") else paths).append(path)
    while parents:
        folder = parents.pop()
        for name in os.listdir(folder):
            child = os.path.join(folder, name)
            if child == package:
                continue
            (parents if package.startswith(child + "/") else paths).append(child)
    return paths
