"""The sandbox from outside: honest code works, everything else stops at a wall."""

import contextlib
import os
import signal
import socket
import textwrap
import time
from pathlib import Path

import pytest

from autograder.course import Limits
from autograder.sandbox import host, jail, scratch, zygote
from autograder.sandbox.host import ConfinementError, Sandbox, SessionLost


def run(sandbox, source, seconds=20, **session):
    with sandbox.session(**session) as opened:
        (told,) = opened.run(
            [{"id": "x", "source": textwrap.dedent(source), "seconds": seconds}]
        )
    return told


HONEST = {
    "magics": "%time x = 1\n!ls\n%pip install numpy\nassert x == 1",
    "colab": "from google.colab import drive\ndrive.mount('/content')",
    "face": "from autograder import check, hint\ncheck('a', 1); hint('a')",
    "autograph": """
        import tensorflow as tf
        @tf.function
        def f(x):
            if tf.reduce_sum(x) > 0:
                return x
            return -x
        assert float(tf.reduce_sum(f(tf.ones(3)))) == 3
    """,
    "fit_and_save": """
        import keras, numpy as np
        model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dropout(0.1)])
        model.compile("adam", "mse")
        model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0)
        model.save("m.keras")
        keras.models.load_model("m.keras")
    """,
    "figures": """
        import matplotlib.pyplot as plt
        plt.plot([1, 2]); plt.title("$x^2$"); plt.savefig("a.png"); plt.show()
    """,
    "threads_and_files": """
        import threading, tempfile
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(abs, [-1, -2])) == [1, 2]
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("x")
    """,
    "data": """
        from autograder.datasets import encode_bases, load_promoters
        (x, y), _ = load_promoters()
        assert encode_bases(x).shape == (len(y), 75)
    """,
    "earlier": "from autograder import earlier\nassert earlier('A', len) is len",
    "random": "import numpy as np, random\nnp.random.default_rng(0).normal()",
    "stderr": "import sys, warnings\nprint('I', file=sys.stderr)\nwarnings.warn('w')",
}


@pytest.fixture(params=["strongest", "landlock+seccomp"])
def confined(request, sandbox):
    """The sandbox at its best, and as it is where namespaces are forbidden."""
    best = sandbox.plan
    if request.param != "strongest":
        if not {"landlock", "seccomp"} <= set(sandbox.isolation.split("+")):
            pytest.skip("no Landlock and seccomp here")
        can = jail.can_change_user() and jail.libraries_open_to_all()
        sandbox.plan = jail.Plan(landlock=True, seccomp=True, user=can)
    yield sandbox
    sandbox.plan = best


@pytest.mark.parametrize("name", HONEST)
def test_honest_code_works(confined, name):
    told = run(confined, HONEST[name])
    assert told["error"] is None, told


FORBIDDEN = {
    "read a file": "open({secret!r}).read()",
    "stat a file": "import os; os.stat({secret!r})",
    "list the project": "import os; assert set(os.listdir({root!r})) - {{'.venv'}}",
    "import the judge": "import autograder.judging",
    "import the exercises": "import autograder.exercises.attention_head",
    "read the records": "open({root!r} + '/autograder/public/x')",
    "write beside": "open({secret!r} + '.new', 'w')",
    "write to packages": "import keras; open(keras.__file__, 'a')",
    "change the mode": "import os; os.chmod('/usr', 0o777)",
    "the grader's environment": "open('/proc/{pid}/environ').read()",
    "the grader's memory": "open('/proc/{pid}/mem', 'rb')",
    "run a program": "import subprocess; subprocess.run(['/bin/true'], check=True)",
    "a shell": "import os; assert os.system('true') == 0",
    "fork": "import os\nif os.fork() == 0: os._exit(0)",
    "tcp": "import socket; socket.create_connection(('127.0.0.1', 22), 1)",
    "udp": "import socket; socket.socket(type=socket.SOCK_DGRAM)",
    "unix socket": "import socket; socket.socket(socket.AF_UNIX)",
    "dns": "import socket; assert socket.gethostbyname('example.org')",
    "signal the grader": "import os; os.kill({pid}, 0)",
    "signal everyone": "import os; os.kill(-1, 0)",
    "become root": "import os; os.setuid(0)",
    "mount": (
        "import ctypes; assert ctypes.CDLL(None).mount(b'x', b'/', b'tmpfs', 0, 0) == 0"
    ),
    "trace": "import ctypes; assert ctypes.CDLL(None).ptrace(16, {pid}, 0, 0) == 0",
    "change the mode by its new call": (
        "import ctypes, os; libc = ctypes.CDLL(None)\n"
        "assert libc.syscall(452, -100, {secret!r}.encode(), 0o777, 0) == 0"
    ),
    "set an attribute by its new call": (
        "import ctypes; libc = ctypes.CDLL(None)\n"
        "assert libc.syscall(463, -100, b{secret!r}, 0, b'u.x', b'', 16) == 0"
    ),
    "a command with a high bit": (  # the kernel reads the low half of it
        "import ctypes, os; libc = ctypes.CDLL(None); r, w = os.pipe()\n"
        "n = ctypes.c_long\n"
        "assert libc.syscall(n(72), n(r), n((1 << 32) | 8), n({pid})) == 0"
    ),
    "io_uring": (
        "import ctypes; libc = ctypes.CDLL(None)\n"
        "assert libc.syscall(425, 8, ctypes.create_string_buffer(256)) >= 0"
    ),
    "fill the disk": (
        "for i in range(200): open(f'f{{i}}', 'wb').write(bytes(1 << 20))"
    ),
    "one huge file": "open('f', 'wb').write(bytes(200 << 20))",
    "a deep directory": (
        "import os\nfor i in range(5000):\n    os.mkdir('d'); os.chdir('d')\n"
        "    open('f', 'wb').write(bytes(1 << 18))"
    ),
    "many files": "for i in range(20000): open(f'n{{i}}', 'w').close()",
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_things_fail(confined, name, tmp_path):
    if name == "stat a file" and "namespaces" not in confined.isolation:
        pytest.xfail("Landlock does not hide that a file exists")
    secret = tmp_path / "secret.txt"
    secret.write_text("hidden")
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    source = FORBIDDEN[name].format(secret=str(secret), root=root, pid=os.getpid())
    try:
        told = run(confined, source)
        assert told["error"] is not None, name
    except SessionLost as lost:
        assert lost.reason in ("crashed", "disk")
    assert os.listdir(tmp_path) == ["secret.txt"] and secret.read_text() == "hidden"


@pytest.mark.parametrize(
    "source, reason",
    [
        ("import os; os._exit(0)", "crashed"),
        ("import ctypes; ctypes.string_at(0)", "crashed"),
        ("x = b'x' * (3 << 30)", "memory"),
        ("import os\nfor fd in range(3, 50):\n    try: os.close(fd)\n"
         "    except OSError: pass", "crashed"),
        ("import os, struct\nos.write(3, struct.pack('<I', 1 << 31))", "protocol"),
    ],
)  # fmt: skip
def test_a_lost_process_is_told(confined, source, reason):
    with pytest.raises(SessionLost) as lost:
        run(confined, source)
    assert lost.value.reason == reason
    assert run(confined, "1")["error"] is None, "the next one is unharmed"


def test_an_endless_cell_is_ended_and_the_next_one_runs(sandbox):
    cells = [
        {"id": "a", "source": "while True: pass", "seconds": 0.3},
        {"id": "b", "source": "x = 1", "seconds": 5},
    ]
    with sandbox.session() as session:
        first, second = session.run(cells)
    assert first["error"]["type"] == "CellTimeout" and second["ok"]


def test_a_process_that_cannot_be_interrupted_is_killed(sandbox):
    import dataclasses

    limits = dataclasses.replace(sandbox.limits, wall_seconds=2)
    source = """
        import signal, time
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True: time.sleep(1)
    """
    start = time.monotonic()
    with pytest.raises(SessionLost) as lost:
        run(sandbox, source, limits=limits)
    assert lost.value.reason == "timeout"
    assert time.monotonic() - start < 30


def test_output_is_capped(sandbox):
    told = run(sandbox, "for i in range(100000): print('x' * 100)")
    limit = sandbox.limits.output_kb * 1024
    assert 0 < len(told["stdout"]) <= limit
    with sandbox.session() as session:
        session.run(
            [{"id": "x", "source": "import os; os.write(1, b'x' * (8 << 20))",
              "seconds": 20}]
        )  # fmt: skip
        session.close()
        assert len(session.output) <= limit


def test_the_collector_leaves_alone_what_was_forked(sandbox):
    told = run(sandbox, "import gc\nprint(gc.isenabled(), gc.get_freeze_count())")
    enabled, frozen = told["stdout"].split()
    assert enabled == "True" and int(frozen) > 100_000


def test_a_zygote_that_has_grown_gives_way(monkeypatch):
    cell = [{"id": "x", "source": "x = 1", "seconds": 9}]
    with Sandbox(Limits()) as made, made.session() as before:
        first = made._process
        with made.session() as beside:
            assert made._process is first and beside.run(cell)
        monkeypatch.setattr(host, "GROWTH_MB", -1.0)
        with made.session() as after:
            assert made._process is not first and after.run(cell)
        assert before.run(cell), "what the old one has begun goes on"


def test_operations_run_as_they_are(sandbox):
    """Not each in a function of its own, which its error text would name."""
    told = run(
        sandbox,
        """
        import os
        import tensorflow as tf
        try:
            tf.matmul(tf.ones((2, 3)), tf.ones((2, 3)))
        except Exception as error:
            print("__wrapped__" in str(error), "MatMul" in str(error))
        print(os.environ["TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL"])
        """,
    )
    assert told["stdout"].split() == ["False", "True", "0"]


def test_errors_name_the_students_own_lines(sandbox):
    told = run(sandbox, "def f():\n    return 1 / 0\nf()")
    lines = [line[1:] for line in told["error"]["lines"]]
    assert lines == [[3, "f()"], [2, "return 1 / 0"]]
    told = run(sandbox, "x = 1\ny = = 2")
    assert told["error"]["type"] == "SyntaxError"
    assert told["error"]["lines"] == [["x", 2, "y = = 2"]]


@pytest.mark.parametrize("early", [True, False])
def test_the_zygote_may_die_and_nothing_else_is_lost(early):
    with Sandbox(Limits()) as sandbox:
        with sandbox.session() as session:
            if not early:
                assert session.run([{"id": "x", "source": "y = 1", "seconds": 9}])
            sandbox._process.kill()
            if early:  # it may not have forked yet
                with contextlib.suppress(SessionLost):
                    session.run([{"id": "x", "source": "y = 1", "seconds": 9}])
            else:  # the monitor and its child need no zygote
                told = session.run([{"id": "x", "source": "y", "seconds": 9}])
                assert told[0]["ok"]
        sandbox._process.wait(9)  # what is sent to a dying one is lost, and sent again
        assert run(sandbox, "1")["error"] is None


def test_a_killed_monitor_is_no_fault_of_the_submission(sandbox):
    with sandbox.session() as session:
        session.run([{"id": "x", "source": "y = 1", "seconds": 9}])
        parent = sandbox._process.pid
        own = Path(f"/proc/{parent}/task/{parent}/children")
        monitor = own.read_text().split()[-1]  # others may be on their way out
        os.kill(int(monitor), signal.SIGKILL)
        with pytest.raises(SessionLost) as lost:
            session.run([{"id": "x", "source": "while True: pass", "seconds": 9}])
    assert lost.value.reason == "lost" and lost.value.ours
    assert run(sandbox, "1")["error"] is None


def test_who_lets_go_does_not_wait_and_leaves_nothing():
    endless = {"id": "x", "source": "import os; os.fork(); 1", "seconds": 9}
    with Sandbox(Limits()) as made:
        session = made.session()
        session.run([endless])
        session.let_go()
        with pytest.raises(SessionLost):
            session.run([endless])
        session.let_go(), session.close()  # it is over, and stays so
        assert run(made, "1")["error"] is None
        drainer = session.drainer
    assert not drainer.is_alive(), "all that held its output is gone"


def test_a_place_on_a_gpu_is_free_when_its_process_is_gone(sandbox):
    gone = []
    session = sandbox._open(
        sandbox.plan, sandbox.limits, leave=lambda: gone.append(session._status)
    )
    session.let_go()
    assert gone and session.close().reason == "cancelled"


def test_a_cancelled_process_is_killed_once(monkeypatch):
    kill, killed = zygote._kill, []
    monkeypatch.setattr(zygote, "_kill", lambda pid: killed.append(pid) or kill(pid))
    if (child := os.fork()) == 0:
        while True:
            signal.pause()
    ours, theirs = socket.socketpair()
    ours.close()
    limits = {"memory_mb": 1 << 20, "threads": 1 << 20, "wall_seconds": 60}
    told = zygote._watch(child, theirs.fileno(), limits, None)
    theirs.close()
    assert killed == [child] and told["reason"] == "cancelled"
    assert told["code"] == -signal.SIGKILL


def test_nothing_is_left_behind(confined):
    run(confined, "open('left', 'w').write('x')")
    assert os.listdir(confined._scratch.path) == ["lock"]


def test_what_a_killed_grader_left_is_swept(tmp_path):
    left = tmp_path / f"{scratch.PREFIX}killed"
    left.mkdir()
    (left / "lock").touch()
    top = os.open(left, os.O_RDONLY)
    for _ in range(3000):  # deeper than Python recurses, longer than a path may be
        os.mkdir("d", dir_fd=top)
        inner = os.open("d", os.O_RDONLY, dir_fd=top)
        os.close(top)
        top = inner
    os.mkdir("closed", 0o000, dir_fd=top)
    os.close(top)
    other = tmp_path / "mine"
    other.mkdir()
    scratch.sweep(str(tmp_path))
    assert os.listdir(tmp_path) == ["mine"]


def test_a_deep_directory_is_overfull(tmp_path):
    folder = tmp_path
    for _ in range(scratch.DEPTH + 2):
        folder = folder / "d"
    folder.mkdir(parents=True)
    assert scratch.overfull(str(tmp_path), 1)


def test_isolation_is_named(sandbox):
    assert sandbox.isolation != "none"
    active = {layer.name for layer in sandbox.ladder() if layer.active}
    assert active == set(sandbox.isolation.split("+"))
    for layer in sandbox.ladder():
        assert layer.stops and layer.mend
    assert "stat" in sandbox.holes or "namespaces" in active


@pytest.mark.parametrize(
    "without, left",
    [
        (["namespaces"], {"landlock", "seccomp"}),
        (["landlock", "seccomp"], {"namespaces"}),
        (["namespaces", "user", "cgroup"], {"landlock", "seccomp"}),
    ],
)
def test_poorer_machines_get_what_holds_there(sandbox, without, left):
    if not left <= set(sandbox.isolation.split("+")):
        pytest.skip(f"no {left} here")
    with Sandbox(sandbox.limits, without=without) as poorer:
        layers = set(poorer.isolation.split("+"))
        assert left <= layers and not layers & set(without)
        assert run(poorer, "x = 1")["ok"]


@pytest.mark.parametrize("missing", ["landlock", "seccomp"])
def test_too_little_is_refused_unless_allowed(sandbox, missing):
    without = ["namespaces", missing]
    with pytest.raises(ConfinementError, match="--allow-unconfined"):
        Sandbox(sandbox.limits, without=without)
    with Sandbox(sandbox.limits, without=without, minimum="none") as allowed:
        assert run(allowed, "x = 1")["ok"]
        assert missing not in allowed.isolation


def test_orphans_end_where_no_wall_stands(sandbox):
    """A daemon with a session of its own is the monitor's, and ends with it."""
    source = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open("pid", "w").write(str(os.getpid()))
                time.sleep(600)
            os._exit(0)
        while not os.path.exists("pid") or not open("pid").read(): time.sleep(0.01)
        print(open("pid").read())
    """
    layers = ["namespaces", "landlock", "seccomp", "user"]
    with Sandbox(sandbox.limits, minimum="none", without=layers) as bare:
        pid = int(run(bare, source)["stdout"])
        assert not os.path.exists(f"/proc/{pid}")


def test_other_systems_are_told_where_to_go(monkeypatch):
    for platform in ("darwin", "win32"):
        monkeypatch.setattr("autograder.sandbox.host.sys.platform", platform)
        with pytest.raises(ConfinementError, match="docs/container.md"):
            Sandbox(Limits(), minimum="none")


def test_a_course_among_the_libraries_is_refused(sandbox):
    place = Path(os.__file__).parent / "course"
    with pytest.raises(ConfinementError, match="move it"):
        Sandbox(sandbox.limits, secrets=[place])
