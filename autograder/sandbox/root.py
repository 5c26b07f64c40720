"""What is left to see: libraries, a scratch directory, and nothing of the course.

`libraries` lists it; `private_root` moves into a root that holds no more (with
namespaces), `landlock_paths` names it to Landlock (without).
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from pathlib import Path

from autograder.sandbox import gpu, kernel, scratch

SCRATCH = "/scratch"
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
# Not /usr or a prefix as a whole: courses live in /usr/src/app, or beside `bin/`.
SYSTEM = (
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share",
    "/usr/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/fonts",
    "/sys/devices/system/cpu",
)
OF_PREFIX = ("lib", "lib32", "lib64", "share", "pyvenv.cfg")
OWN_FACTS = ("cmdline", "maps", "stat", "statm", "status")


@functools.cache
def libraries() -> tuple[str, ...]:
    """Returns what a notebook reads: the interpreter, its packages, the system's.

    Looked up once: the zygote's forks know it from before.
    """
    found = [*SYSTEM, os.path.realpath(sys.executable)]
    for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix}:
        found += [os.path.join(prefix, name) for name in OF_PREFIX]
    found += [sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib")]
    found += [p for p in sys.path if "site-packages" in p or "dist-packages" in p]
    keep: list[str] = []
    for path in sorted({os.path.realpath(p) for p in found} | set(found)):
        inside = any(path.startswith(k + "/") for k in keep if not os.path.islink(k))
        if os.path.exists(path) and not inside:
            keep.append(path)
    return tuple(keep)


def exposed(secrets: list[str]) -> str | None:
    """Returns the first of some paths that lies where student code may read."""
    seen = [os.path.realpath(path) for path in libraries()]
    for secret in map(os.path.realpath, secrets):
        if any(f"{secret}/".startswith(f"{path}/") for path in seen):
            return secret
    return None


@functools.cache
def hidden_package() -> str | None:
    """Returns this package's folder where it lies among the libraries, as a wheel."""
    package = _package()
    inside = any(package.startswith(path + "/") for path in libraries())
    return package if inside else None


def _package() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def private_root(
    owner: int, group: int, scratch_mb: float, on_gpu: bool = False
) -> None:
    """Moves into a root that holds libraries and a scratch directory, no more.

    With a GPU it holds the driver's files too.
    """
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    sources = {path: os.open(path, os.O_PATH) for path in _mounted(on_gpu)}
    facts = {name: _read(f"/proc/{name}") for name in ("cpuinfo", "meminfo")}
    # Any directory will do: it is covered in this namespace only, and what lies
    # below it was opened above.
    root = "/tmp"
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID, "size=4m,mode=0755")
    for path, handle in sources.items():
        _bind(handle, path, root)
    for path in libraries():
        if os.path.islink(path) and not os.path.lexists(root + path):
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            os.symlink(os.readlink(path), root + path)
    package = hidden_package()
    if package:
        kernel.mount("tmpfs", root + package, "tmpfs", kernel.MS_RDONLY, "size=4k")
    _fake_proc(root, facts)
    os.makedirs(root + SCRATCH)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    size = f"size={int(scratch_mb * 1024)}k,nr_inodes={scratch.FILES},mode=0700"
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


def _mounted(on_gpu: bool) -> list[str]:
    paths = [path for path in libraries() if not os.path.islink(path)]
    paths += [device for device in DEVICES if os.path.exists(device)]
    return [*paths, *gpu.facts(), *gpu.nodes()] if on_gpu else paths


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
    flags |= 0 if path.startswith("/dev/") else kernel.MS_RDONLY
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
    (own / "fd").mkdir(parents=True, exist_ok=True)
    (own / "exe").symlink_to(os.path.realpath(sys.executable))
    (own / "cmdline").write_bytes(b"python\0")
    for name, text in facts.items():
        (own.parent / name).write_text(text)


def landlock_paths(on_gpu: bool = False) -> list[str]:
    """Returns what may be read where there is no private root."""
    own = [f"/proc/self/{name}" for name in OWN_FACTS]
    facts = [*own, "/proc/cpuinfo", "/proc/meminfo"]
    facts += gpu.facts() if on_gpu else []
    package = hidden_package()
    if package is None:
        return [*libraries(), *DEVICES, *facts]
    # Landlock has no exceptions: the folders on the way are opened child by child.
    paths, parents = facts, []
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
