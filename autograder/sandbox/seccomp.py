"""A system-call filter, by the system's libseccomp.

What is not listed does not exist (ENOSYS), so that calls which a newer kernel brings
are closed before anybody here has heard of them; a list of denied names would leave
them open, and libseccomp skips names that it does not know. Threads are allowed and
processes are not, so there are no fork bombs, daemons or subprocesses; sockets are
not, so there is no network by any family. Refused calls fail instead of killing:
libraries survive that and fall back.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import signal

from autograder.sandbox import kernel

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000
_EQ, _MASKED_EQ = 4, 7  # enum scmp_compare
_BAD_ARCHITECTURE = 2  # enum scmp_filter_attr
CLONE_THREAD = 0x00010000

ALLOWED = """
    read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek
    _llseek close close_range creat sendfile copy_file_range ftruncate fallocate
    fsync fdatasync sync_file_range fadvise64 readahead flock dup dup2 dup3 pipe pipe2
    stat fstat lstat newfstatat fstatat64 statx access faccessat faccessat2
    statfs fstatfs getdents getdents64 readlink readlinkat getcwd chdir fchdir umask
    mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2
    brk mmap mmap2 munmap mremap mprotect madvise msync mincore membarrier
    get_mempolicy mlock munlock
    futex set_robust_list get_robust_list set_tid_address rseq arch_prctl
    gettid getpid getppid getpgrp getpgid getsid getuid geteuid getgid getegid
    getresuid getresgid getgroups capget
    exit exit_group restart_syscall wait4 waitid
    sched_yield sched_getaffinity sched_getparam sched_getscheduler
    sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority
    getcpu
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigpending
    rt_sigtimedwait sigaltstack pause alarm getitimer setitimer
    timer_create timer_settime timer_gettime timer_getoverrun timer_delete
    timerfd_create timerfd_settime timerfd_gettime
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times
    poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_ctl_old
    epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4
    recvfrom recvmsg shutdown getsockopt setsockopt getsockname getpeername
    uname sysinfo getrusage getrlimit setrlimit getrandom
""".split()

# These say “not permitted” instead of “not implemented”: what a notebook is likely to
# try, and should be told the truth about.
REFUSED = """
    fork vfork execve execveat socket connect bind listen accept accept4 sendmsg
    sendmmsg ptrace unshare setns mount umount2 chroot chmod fchmod fchmodat chown
    fchown lchown fchownat utime utimes utimensat link linkat symlink symlinkat mknod
    mknodat truncate setuid setgid setresuid setresgid setgroups setsid setpgid tkill
    shmget shmat semget msgget memfd_create setpriority
""".split()

# Commands that may be given to a descriptor. Those that name a process to signal, or
# type into a terminal, are not among them. The kernel reads the low half of the
# argument only, so that a list of bad ones could be passed by setting a high bit.
FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 9, 36, 37, 38, 1030, 1032, 1034)
IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # size, bytes left, flags
# A GPU's: (mask, what is left under it), the driver's own type `F` with any number, the
# memory manager's below 128, and its two that open and close it.
IOCTL_GPU = ((0xFF00, 0x4600), (0xFFFFFF80, 0), (0xFFFFFFFC, 0x30000000))
PRCTL = (3, 15, 16, 21, 23, 39, 0x53564D41)  # questions, and names of threads, memory


class _Compare(ctypes.Structure):
    _fields_ = [
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    ]


@functools.cache
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
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    return library


def available() -> bool:
    """Is libseccomp on this system?"""
    try:
        _library()
    except OSError:
        return False
    return True


def restrict(on_gpu: bool = False) -> None:
    """Filters the system calls of this process, for good.

    Args:
        on_gpu: whether the commands of a GPU's driver may pass.
    """
    kernel.filter_calls(program(os.getpid(), on_gpu))


@functools.cache
def program(pid: int, on_gpu: bool = False) -> bytes:
    """Returns the filter as the kernel takes it, for a process that has this id.

    Making it takes longer than all other walls: what the zygote has made, its forks
    know. In a namespace of its own a process has the id 1.
    """
    library = _library()
    context = library.seccomp_init(_ERRNO | errno.ENOSYS)
    if not context:
        raise OSError("libseccomp cannot make a filter")
    library.seccomp_attr_set(context, _BAD_ARCHITECTURE, _KILL)

    def rule(name: str, *conditions: _Compare, action: int = _ALLOW) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == -1:
            return  # unknown here, and so not there at all
        array = (_Compare * max(1, len(conditions)))(*conditions)
        library.seccomp_rule_add_array(context, action, number, len(conditions), array)

    for name in ALLOWED:
        rule(name)
    for name in REFUSED:
        rule(name, action=_ERRNO | errno.EPERM)
    _limited(rule, pid)
    for mask, left in IOCTL_GPU if on_gpu else ():
        rule("ioctl", _Compare(1, _MASKED_EQ, mask, left))
    with open(os.memfd_create("filter"), "rb") as file:
        result = library.seccomp_export_bpf(context, file.fileno())
        file.seek(0)
        made = file.read()
    library.seccomp_release(context)
    if result < 0:
        raise OSError(-result, f"seccomp: {os.strerror(-result)}")
    return made


def _limited(rule, pid: int) -> None:
    """Allows calls for some arguments only; the others are not permitted."""
    # clone3 hides its flags and is not there: glibc falls back to clone.
    thread = _Compare(0, _MASKED_EQ, CLONE_THREAD, CLONE_THREAD)
    rule("clone", thread)
    process = _Compare(0, _MASKED_EQ, CLONE_THREAD, 0)
    rule("clone", process, action=_ERRNO | errno.EPERM)
    # Old Landlock lets O_TRUNC empty a file that was opened for reading.
    emptying, access = os.O_TRUNC, os.O_TRUNC | os.O_ACCMODE
    for name, at in (("open", 1), ("openat", 2)):
        rule(name, _Compare(at, _MASKED_EQ, emptying, 0))
        rule(name, _Compare(at, _MASKED_EQ, access, emptying | os.O_WRONLY))
        rule(name, _Compare(at, _MASKED_EQ, access, emptying | os.O_RDWR))
    # Its own signals, but for SIGKILL: what dies of that was killed from outside.
    own = _Compare(0, _EQ, pid, 0)
    for number in (n for n in range(65) if n != signal.SIGKILL):
        rule("kill", own, _Compare(1, _EQ, number, 0))
        rule("tgkill", own, _Compare(2, _EQ, number, 0))
    for name in ("prlimit64", "sched_setaffinity", "sched_setscheduler"):
        rule(name, _Compare(0, _EQ, 0, 0))
    rule("socketpair", _Compare(0, _EQ, 1, 0))  # Unix; asyncio makes one
    rule("sendto", _Compare(4, _EQ, 0, 0))  # what is connected, no address
    for name, at, values in (
        ("fcntl", 1, FCNTL),
        ("fcntl64", 1, FCNTL),
        ("ioctl", 1, IOCTL),
        ("prctl", 0, PRCTL),
    ):
        for value in values:
            rule(name, _Compare(at, _EQ, value, 0))
