"""Which layers of confinement work here: canaries try what a submission must not.

A feature flag says what a kernel offers; a canary says what holds. The same canaries
first run with no layer at all, where they must get through: one that fails even
there proves nothing and is left out of account. Then each layer is tried alone with
the canaries that it should stop, and at last all that work together.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from autograder.sandbox import jail, landlock, seccomp

CANARY = """
import ctypes, os, resource, socket
libc = ctypes.CDLL(None, use_errno=True)
def connect(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(0.5)
        s.connect(address)
        s.send(b"canary")
def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
def memory():
    segment = libc.shmget(0, 4096, 0o600)
    assert segment >= 0
    libc.shmctl(segment, 0, None)
def succeed(result):
    assert result
ATTEMPTS = dict(
    read=lambda: open(SECRET).read(),
    stat=lambda: os.stat(SECRET),
    write=lambda: open(FOLDER + "/planted", "w").close(),
    empty=lambda: os.close(os.open(EMPTIED, os.O_RDONLY | os.O_TRUNC)),
    mode=lambda: os.chmod(SECRET, 0o666),
    environ=lambda: open(f"/proc/{PID}/environ", "rb").read(),
    tcp=lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", PORT)),
    udp=lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", PORT)),
    unix=lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, FOLDER + "/socket"),
    signal=lambda: os.kill(PID, 0),
    limits=lambda: resource.prlimit(PID, resource.RLIMIT_NOFILE),
    fork=fork,
    shared=memory,
    descriptors=lambda: [os.fstat(i) for i in range(5, 9)],
    variables=lambda: os.environ["AUTOGRADER_DEVICE"],
    privileges=lambda: succeed(libc.prctl(39, 0, 0, 0, 0) == 0),
    size=lambda: succeed(resource.getrlimit(resource.RLIMIT_FSIZE)[0] < 0),
    namespace=lambda: succeed(libc.unshare(0x10000000) == 0),
)
def canaries():
    through = []
    for name, attempt in ATTEMPTS.items():
        try:
            attempt()
        except BaseException:
            continue
        through.append(name)
    return through
"""

HOLES = {
    "stat": "the names, sizes and times of files can be seen, not what is in them",
    "fork": "new processes, which end with the submission",
    "shared": "shared memory of the submission's own",
    "namespace": "the kernel's code for new namespaces",
}

Session = Any
Open = Callable[[jail.Plan], Session]


@dataclass(frozen=True)
class Layer:
    """One layer of confinement, for `autograder doctor`."""

    name: str
    active: bool
    stops: str
    mend: str


@dataclass(frozen=True)
class _Known:
    stops: str
    mend: str
    canaries: tuple[str, ...] = ()
    """What this layer stops alone."""


LAYERS = {
    "namespaces": _Known(
        "sight of any file, process, network or shared memory but its own, and a disk "
        "filled beyond its scratch directory",
        "run as root with CAP_SYS_ADMIN, or allow user namespaces "
        "(sysctl user.max_user_namespaces, on Ubuntu also "
        "kernel.apparmor_restrict_unprivileged_userns=0; in a container "
        "--security-opt seccomp=unconfined --security-opt apparmor=unconfined)",
        ("read", "stat", "write", "empty", "environ", "tcp", "signal"),
    ),
    "landlock": _Known(
        "reading and writing files by paths that were not granted, TCP, and signals",
        "use Linux 5.13 or newer with `landlock` among the kernel's lsm= modules, and "
        "a container engine whose filter lets its three calls pass",
        ("read", "write", "environ"),
    ),
    "seccomp": _Known(
        "new processes, sockets of every family, changed modes and owners, and the "
        "kernel's rarer calls",
        "install libseccomp (apt-get install libseccomp2)",
        ("fork", "tcp", "udp", "unix", "mode", "signal", "limits", "namespace"),
    ),
    "user": _Known(
        "what file permissions and the kernel deny to strangers: the grader's files "
        "and processes, and limits shared with them",
        "run as root (in a container that is the default), with the interpreter and "
        "its packages readable by all",
        ("mode", "signal"),
    ),
    "cgroup": _Known(
        "memory and tasks beyond the limit, at once and however they are hidden",
        "run as root where /sys/fs/cgroup is writable, or under systemd-run --user "
        "--scope -p Delegate=yes; without it the watchdog ends what it sees",
    ),
    "no-new-privileges": _Known(
        "rights regained by set-uid programs; all capabilities are dropped with it",
        "nothing: it is always there",
        ("privileges",),
    ),
    "limits": _Known(
        "too much processor time, too large files, too many descriptors and threads",
        "nothing: it is always there",
        ("size",),
    ),
    "environment": _Known(
        "tokens and paths in the grader's environment",
        "nothing: it is always there",
        ("variables",),
    ),
    "descriptors": _Known(
        "use of files and sockets that the grader holds open",
        "nothing: it is always there",
        ("descriptors",),
    ),
    "watchdog": _Known(
        "time, memory, threads and disk beyond the limits, and processes that outlive",
        "nothing: it is always there",
    ),
}


def ladder(plan: jail.Plan) -> list[Layer]:
    """Returns every layer, what it stops, and how to get it where it is missing."""
    active = set(plan.name.split("+"))
    return [
        Layer(name, name in active, known.stops, known.mend)
        for name, known in LAYERS.items()
    ]


def strongest(
    open_session: Open, without: frozenset[str] = frozenset()
) -> tuple[jail.Plan, list[str]]:
    """Returns the plan of all layers that hold here, and what still gets through.

    Args:
        open_session: opens a session under a plan.
        without: layers to do without, as on a machine that has none.
    """
    with _bait() as facts:

        def through(plan: jail.Plan) -> set[str] | None:
            """Returns the canaries that got through; None where the plan fails."""
            return _canaries(open_session, plan, facts)

        fired = through(jail.Plan(bare=True))
        if not fired:
            return jail.Plan(), ["everything"]
        working: list[str] = []
        for name in (n for n in jail.OPTIONAL if n not in without):
            alone = jail.Plan(**{name: True})
            if name == "user":  # it needs libraries that strangers can read
                alone = replace(alone, namespaces="namespaces" in working)
            if _offered(alone) and _holds(name, through(alone), fired):
                working.append(name)
        for dropped in ((), ("namespaces",), ("landlock", "seccomp"), jail.OPTIONAL):
            plan = jail.Plan(**{n: True for n in working if n not in dropped})
            if not _offered(plan):
                plan = replace(plan, user=False)
            left = through(plan)
            if left is None:
                continue
            left &= fired
            if plan.name == "none" or left <= _open_under(plan):
                return plan, sorted(left)
    return jail.Plan(), sorted(fired)


def strong(plan: jail.Plan) -> bool:
    """Is a plan enough to grade strangers' code?"""
    return plan.namespaces or (plan.landlock and plan.seccomp)


def _open_under(plan: jail.Plan) -> set[str]:
    """Returns what no combination of a plan's layers is known to stop."""
    closed = {
        name
        for field in fields(plan)
        if getattr(plan, field.name) and field.name in LAYERS
        for name in LAYERS[field.name].canaries
    }
    for name in jail.ALWAYS:
        closed |= set(LAYERS[name].canaries)
    return set(_ALL) - closed


_ALL = (
    "read stat write empty mode environ tcp udp unix signal limits fork shared "
    "descriptors variables privileges size namespace"
).split()


def _offered(plan: jail.Plan) -> bool:
    """Does this system have what a plan needs, before anything is tried?"""
    if plan.landlock and not landlock.version():
        return False
    if plan.seccomp and not seccomp.available():
        return False
    readable = plan.namespaces or jail.libraries_open_to_all()
    return not plan.user or (readable and jail.can_change_user())


def _holds(name: str, left: set[str] | None, fired: set[str]) -> bool:
    return left is not None and not (left & fired & set(LAYERS[name].canaries))


def _canaries(open_session: Open, plan: jail.Plan, facts: str) -> set[str] | None:
    from autograder.sandbox.host import SessionLost

    probe = {
        "id": "canaries",
        "action": "plain",
        "spec": {"target": "canaries", "calls": [{"args": []}]},
    }
    try:
        with open_session(plan) as session:
            cell = {"id": "canaries", "source": facts + CANARY, "seconds": 20}
            if session.run([cell])[0]["error"]:
                return None
            answer = session.ask(probe, 30)
    except SessionLost:
        return None
    told = answer["facts"].get("value/0") if isinstance(answer, dict) else None
    return set(told) if isinstance(told, list) else None


@contextlib.contextmanager
def _bait() -> Iterator[str]:
    """Lays out what canaries reach for; yields where it is, as Python source."""
    with (
        tempfile.TemporaryDirectory(prefix="autograder-bait-") as folder,
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as local,
    ):
        os.chmod(folder, 0o777)  # open to all: walls must hold, not permissions
        for name in ("secret", "emptied"):
            with open(f"{folder}/{name}", "w") as file:
                file.write("a hidden value")
            os.chmod(f"{folder}/{name}", 0o644)
        with contextlib.suppress(OSError):  # a temporary folder's name may be too long
            local.bind(f"{folder}/socket")
            os.chmod(f"{folder}/socket", 0o777)
            local.listen(8)
        yield (
            f"FOLDER, SECRET = {folder!r}, {folder + '/secret'!r}\n"
            f"EMPTIED, PORT = {folder + '/emptied'!r}, {listener.getsockname()[1]}\n"
            f"PID = {os.getpid()}\n"
        )
