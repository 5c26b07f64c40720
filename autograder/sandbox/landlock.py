"""Landlock: files and TCP denied except what is named. Needs Linux 5.13.

Source: the kernel's Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Sequence

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REMOVE_DIR, REMOVE_FILE = 1 << 4, 1 << 5
MAKE_DIR, MAKE_REG = 1 << 7, 1 << 8
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
WRITE = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER | TRUNCATE
FILE_ONLY = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

# What each version of the interface can deny.
_HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET = 0b11  # bind and connect, from version 4
_SCOPE = 0b11  # abstract sockets and signals, from version 6

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("fs", "net", "scope")]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("access", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def version() -> int:
    """Returns the interface's version on this kernel; 0 where there is none."""
    found = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    return max(0, found)


def restrict(
    readable: list[str], writable: list[str], driven: Sequence[str] = ()
) -> None:
    """Confines this process to reading and writing below the given paths.

    Args:
        readable: what may be read.
        writable: what may be written.
        driven: device files that may be given commands.
    """
    abi = version()
    if abi < 1:
        raise OSError("this kernel has no Landlock")
    handled = _HANDLED[max(known for known in _HANDLED if known <= abi)]
    rules = _Ruleset(handled, _NET if abi >= 4 else 0, _SCOPE if abi >= 6 else 0)
    size = ctypes.c_size_t(24 if abi >= 6 else 16 if abi >= 4 else 8)
    ruleset = _call(_CREATE_RULESET, ctypes.byref(rules), size, 0)
    for path in readable:
        _allow(ruleset, path, READ & handled)
    for path in writable:
        _allow(ruleset, path, (READ_FILE | READ_DIR | WRITE) & handled)
    for device in ("/dev/null", "/dev/zero"):
        _allow(ruleset, device, (READ_FILE | WRITE_FILE) & handled)
    for device in driven:
        _allow(ruleset, device, (READ_FILE | WRITE_FILE | IOCTL_DEV) & handled)
    _call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not stat.S_ISDIR(os.fstat(handle).st_mode):
        access &= FILE_ONLY
    rule = _Beneath(access, handle)
    _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    os.close(handle)


def _call(number: int, *arguments) -> int:
    result = _libc.syscall(number, *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"landlock: {os.strerror(error)}")
    return result
