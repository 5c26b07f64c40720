"""The sandbox from outside: honest code works, everything else stops at a wall."""

import os
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from autograder.sandbox.host import Sandbox, SessionLost


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
    "random": "import numpy as np, random\nnp.random.default_rng(0).normal()",
    "stderr": "import sys, warnings\nprint('I', file=sys.stderr)\nwarnings.warn('w')",
}


@pytest.fixture(params=["strongest", "landlock+seccomp"])
def confined(request, sandbox):
    """The sandbox at its best, and as it is where namespaces are forbidden."""
    from autograder.sandbox.jail import Plan

    best = sandbox.plan
    if request.param != "strongest":
        if not {"landlock", "seccomp"} <= set(sandbox.isolation.split("+")):
            pytest.skip("no Landlock and seccomp here")
        sandbox.plan = Plan(False, True, True)
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
    "fill the disk": (
        "for i in range(200): open(f'f{{i}}', 'wb').write(bytes(1 << 20))"
    ),
    "one huge file": "open('f', 'wb').write(bytes(200 << 20))",
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


def test_errors_name_the_students_own_lines(sandbox):
    told = run(sandbox, "def f():\n    return 1 / 0\nf()")
    lines = [line[1:] for line in told["error"]["lines"]]
    assert lines == [[3, "f()"], [2, "return 1 / 0"]]
    told = run(sandbox, "x = 1\ny = = 2")
    assert told["error"]["type"] == "SyntaxError"
    assert told["error"]["lines"] == [["x", 2, "y = = 2"]]


def test_the_zygote_may_die_and_nothing_else_is_lost():
    from autograder.course import Limits

    with Sandbox(Limits()) as sandbox:
        with sandbox.session() as session:
            sandbox._process.kill()
            with pytest.raises(SessionLost):
                session.ask({"action": "call", "spec": {}}, 5)
                session.ask({"action": "call", "spec": {}}, 5)
        assert run(sandbox, "1")["error"] is None


def test_nothing_is_left_behind(sandbox):
    def scratch():
        return set(Path(tempfile.gettempdir()).glob("autograder-scratch-*"))

    before = scratch()
    run(sandbox, "open('left', 'w').write('x')")
    # Tests beside this one have theirs, for as long as a submission may take.
    since, deadline = scratch() - before, time.monotonic() + 60
    while since & scratch() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not since & scratch()


def test_isolation_is_named(sandbox):
    assert sandbox.isolation != "none"
    active = {layer.name for layer in sandbox.ladder() if layer.active}
    assert active == set(sandbox.isolation.split("+"))
    for layer in sandbox.ladder():
        assert layer.stops and layer.mend
