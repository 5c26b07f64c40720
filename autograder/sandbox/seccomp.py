"""A system-call filter, by the system's libseccomp.

Threads are allowed and processes are not, so there are no fork bombs, daemons or
subprocesses; sockets are not, so there is no network by any family; and nothing
that reaches into another process or the kernel's rarer corners. A denied call
fails with EPERM, which libraries survive, instead of killing.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import lru_cache

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_NE, _EQ, _MASKED_EQ = 1, 4, 7  # enum scmp_compare
_BAD_ARCHITECTURE = 2  # enum scmp_filter_attr
CLONE_THREAD = 0x00010000

DENIED = """
    fork vfork execve execveat
    socket connect bind listen accept accept4 sendmsg sendmmsg
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp
    pidfd_open pidfd_getfd pidfd_send_signal
    tkill rt_sigqueueinfo rt_tgsigqueueinfo
    unshare setns mount umount2 pivot_root chroot mount_setattr move_mount open_tree
    fsopen fsconfig fsmount fspick swapon swapoff quotactl quotactl_fd
    bpf perf_event_open keyctl add_key request_key userfaultfd memfd_create
    memfd_secret io_uring_setup io_uring_enter io_uring_register
    shmget shmat shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl
    mq_open mq_unlink
    chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat
    utime utimes utimensat futimesat setxattr lsetxattr fsetxattr removexattr
    lremovexattr fremovexattr link linkat symlink symlinkat mknod mknodat
    truncate name_to_handle_at open_by_handle_at fanotify_init inotify_init
    inotify_init1 acct reboot kexec_load kexec_file_load init_module finit_module
    delete_module syslog settimeofday clock_settime adjtimex clock_adjtime
    sethostname setdomainname iopl ioperm personality modify_ldt vhangup
    setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid
    setsid setpgid setpriority ioprio_set capset seccomp
    landlock_create_ruleset lookup_dcookie nfsservctl
""".split()


class _Compare(ctypes.Structure):
    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


@lru_cache
def _library():
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Compare),
    ]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    return library


def available() -> bool:
    """Is libseccomp on this system?"""
    try:
        _library()
    except OSError:
        return False
    return True


def restrict() -> None:
    """Filters the system calls of this process, for good."""
    library = _library()
    context = library.seccomp_init(_ALLOW)
    if not context:
        raise OSError("libseccomp cannot make a filter")
    library.seccomp_attr_set(context, _BAD_ARCHITECTURE, _KILL)
    denied = _ERRNO | errno.EPERM
    for name in DENIED:
        _deny(library, context, name, denied)
    # glibc falls back from clone3 to clone, whose flags a filter can see.
    _deny(library, context, "clone3", _ERRNO | errno.ENOSYS)
    _deny(library, context, "clone", denied, _Compare(0, _MASKED_EQ, CLONE_THREAD, 0))
    own = os.getpid()
    _deny(library, context, "kill", denied, _Compare(0, _NE, own, 0))
    _deny(library, context, "tgkill", denied, _Compare(0, _NE, own, 0))
    _deny(library, context, "sendto", denied, _Compare(4, _NE, 0, 0))
    for name in ("prlimit64", "sched_setaffinity", "sched_setscheduler"):
        _deny(library, context, name, denied, _Compare(0, _NE, 0, 0))
    # Old Landlock lets O_TRUNC empty a file that was opened for reading.
    emptying = 0o1000
    for name, at in (("open", 1), ("openat", 2)):
        rule = _Compare(at, _MASKED_EQ, emptying | os.O_ACCMODE, emptying)
        _deny(library, context, name, denied, rule)
    for option in (1, 22, 23, 35):  # death signal, seccomp, bounding set, memory map
        _deny(library, context, "prctl", denied, _Compare(0, _EQ, option, 0))
    for request in (0x5412, 0x541C, 0x8901, 0x8902):  # terminals, signals by files
        _deny(library, context, "ioctl", denied, _Compare(1, _EQ, request, 0))
    for command in (8, 10, 15):  # F_SETOWN, F_SETSIG, F_SETOWN_EX
        _deny(library, context, "fcntl", denied, _Compare(1, _EQ, command, 0))
    result = library.seccomp_load(context)
    library.seccomp_release(context)
    if result < 0:
        raise OSError(-result, f"seccomp: {os.strerror(-result)}")


def _deny(library, context, name: str, action: int, *conditions: _Compare) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number == -1:
        return  # this architecture, or this libseccomp, does not know it
    array = (_Compare * max(1, len(conditions)))(*conditions)
    library.seccomp_rule_add_array(context, action, number, len(conditions), array)
