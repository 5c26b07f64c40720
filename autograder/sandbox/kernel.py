"""The system calls that Python does not offer, by ctypes. Linux only."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP = 1, 4, 24
PR_SET_NO_NEW_PRIVS = 38
PR_SET_CHILD_SUBREAPER = 36
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
BPF_INSTRUCTION_BYTES = 8
MADV_HUGEPAGE, MADV_COLLAPSE = 14, 25
LARGE_PAGE = 2 << 20
CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_SYS_ADMIN = 6, 7, 8, 21
LAST_CAPABILITY = 63

_libc = ctypes.CDLL(None, use_errno=True)
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def _checked(result: int, what: str) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def unshare(flags: int) -> None:
    """Leaves the namespaces that `flags` name for new ones."""
    _checked(_libc.unshare(flags), "unshare")


def mount(
    source: str | None, target: str, kind: str | None, flags: int, data: str = ""
) -> None:
    """mount(2)."""
    result = _libc.mount(
        source.encode() if source else None,
        os.fsencode(target),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _checked(result, f"mount {target}")


def unmount(target: str) -> None:
    """Detaches a mount."""
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def pivot_here() -> None:
    """Makes the working directory the root and drops the old one."""
    number = _PIVOT_ROOT.get(os.uname().machine)
    if number is None:
        raise OSError(f"pivot_root is not known on {os.uname().machine}")
    _checked(_libc.syscall(number, b".", b"."), "pivot_root")
    unmount(".")
    os.chdir("/")


def control(option: int, *values: int) -> None:
    """prctl(2)."""
    arguments = (ctypes.c_ulong * 4)(*values)
    result = _libc.prctl(option, *map(ctypes.c_ulong, arguments))
    _checked(result, "prctl")


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def filter_calls(program: bytes) -> None:
    """Has the kernel ask a BPF program about every system call of this process."""
    given = _Program(len(program) // BPF_INSTRUCTION_BYTES, program)
    control(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(given))


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("e", "p", "i")]


_CAPABILITY_VERSION = 0x20080522


def has_capability(number: int) -> bool:
    """Does this process hold a capability in effect?"""
    header, sets = _Header(_CAPABILITY_VERSION, 0), (_Sets * 2)()
    _checked(_libc.capget(ctypes.byref(header), sets), "capget")
    return bool(sets[number // 32].e >> number % 32 & 1)


def drop_capabilities() -> None:
    """Gives up every capability of the calling process."""
    header = _Header(_CAPABILITY_VERSION, 0)
    _checked(_libc.capset(ctypes.byref(header), (_Sets * 2)()), "capset")


def drop_bounding_set() -> None:
    """Forbids that any capability ever comes back."""
    for capability in range(LAST_CAPABILITY + 1):
        try:
            control(PR_CAPBSET_DROP, capability)
        except OSError:
            return  # past the last one that this kernel knows


def usage(pid: int) -> tuple[float, int]:
    """Returns memory that is the process's own, in MiB, and its threads."""
    try:
        with open(f"/proc/{pid}/status") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        parts = (fields.get("RssAnon", "0"), fields.get("RssShmem", "0"))
        memory = sum(int(part.split()[0]) for part in parts) / 1024
        return memory, int(fields.get("Threads", "1"))
    except (OSError, ValueError, IndexError):
        return 0.0, 1


def into_large_pages() -> None:
    """Moves this process's own memory into pages of 2 MiB, where that fills them.

    A fork copies an entry for each page: with these it takes a sixth less time. Linux
    6.1 and later can; elsewhere all stays as it is.
    """
    with open("/proc/self/maps") as file:
        parts = [line.split() for line in file]
    for area, rights, *_, name in [part for part in parts if len(part) in (5, 6)]:
        if rights != "rw-p" or name not in ("0", "[heap]"):  # others are files'
            continue
        low, high = (int(edge, 16) for edge in area.split("-"))
        first = -(-low // LARGE_PAGE) * LARGE_PAGE
        for start in range(first, high - LARGE_PAGE + 1, LARGE_PAGE):
            for advice in (MADV_HUGEPAGE, MADV_COLLAPSE):
                where, size = ctypes.c_void_p(start), ctypes.c_size_t(LARGE_PAGE)
                _libc.madvise(where, size, advice)
