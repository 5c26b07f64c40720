"""The set-up cell's ways to the package, each with pip, in a bare environment.

Keras and TensorFlow are stand-ins here: what is tried is what comes before them. The
cell meets the real ones in tests/colab, and in the solution notebooks.
"""

import functools
import hashlib
import http.server
import shutil
import subprocess
import sys
import sysconfig
import threading
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from autograder.authoring.release import set_up_cell
from autograder.authoring.wheel import build_wheel
from autograder.course import load_course

ROOT = Path(__file__).parents[2]
COURSE = load_course(ROOT)
AFTER = "\nimport autograder\nprint('file', autograder.__file__, *sorted(locals()))"
KERAS = """
__version__ = "3.99"
class backend:
    backend = staticmethod(lambda: "tensorflow")
class utils:
    set_random_seed = staticmethod(lambda seed: print("seeded", seed))
"""
TENSORFLOW = """
import os
__version__ = "2.99"
GPUS = [n for n in os.environ.get("FAKE_GPUS", "").split(",") if n]
class config:
    list_physical_devices = staticmethod(lambda kind: GPUS)
    class experimental:
        def set_memory_growth(gpu, on):
            print("growth", gpu, on)
            if gpu == "busy":
                raise RuntimeError("in use")
        def get_device_details(gpu):
            return {"device_name": f"Tesla {gpu}"}
"""


@pytest.fixture(scope="module")
def wheel():
    return build_wheel(COURSE)


@pytest.fixture
def student(tmp_path):
    """Runs the cell as a student who has nothing but Python, pip and "Keras"."""
    bare = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", bare)
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    (stubs / "pip").symlink_to(Path(sysconfig.get_path("purelib"), "pip"))
    (stubs / "keras.py").write_text(KERAS)
    (stubs / "tensorflow.py").write_text(TENSORFLOW)
    place = tmp_path / "course" / "assignments" / "one"
    place.mkdir(parents=True)

    def attempt(code, path=(), **env):
        return subprocess.run(
            [bare / "bin" / "python", "-c", code + AFTER],
            cwd=place,
            env={
                "PYTHONPATH": ":".join(map(str, [*path, stubs])),
                "PIP_NO_INDEX": "1",
                "PIP_NO_COMPILE": "1",
                "HOME": str(tmp_path),
                **env,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )

    attempt.place, attempt.bare = place, bare
    return attempt


def run(*command):
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def cell(repository=None, version=None):
    code = set_up_cell(replace(COURSE, repository=repository)).source
    return code.replace('"0.1.0"', f'"{version}"') if version else code


def put(folder, wheel):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / wheel[0]).write_bytes(wheel[1])


def found_in(done):
    assert done.returncode == 0, done.stderr
    return next(x for x in done.stdout.splitlines() if x.startswith("file"))


def test_the_cell_is_a_form_and_hides_its_code():
    for assignment in COURSE.assignments:
        notebook = nbformat.read(COURSE.release(assignment.name), as_version=4)
        first = next(c for c in notebook.cells if c.cell_type == "code")
        assert first.source == set_up_cell(COURSE).source
        title = first.source.splitlines()[0]
        assert title.startswith("#@title ") and '{display-mode: "form"}' in title
        assert first.metadata["cellView"] == "form"
        assert first.metadata["jupyter"] == {"source_hidden": True}
        assert "nbgrader" not in first.metadata  # the grader does not run it


def test_what_is_there_is_taken(student, wheel):
    put(student.place, wheel)
    done = student(cell(), path=[ROOT])
    assert str(ROOT / "autograder") in found_in(done)
    assert not list(student.bare.rglob("autograder"))
    assert "seeded 2017" in done.stdout and "set_up" not in found_in(done)


def test_a_checkout_around_the_notebook_is_taken(student, wheel):
    root = student.place.parents[1]
    put(root / "wheel", wheel)
    shutil.copytree(
        ROOT / "autograder",
        root / "autograder",
        ignore=shutil.ignore_patterns("__pycache__", "public"),
    )
    (root / "course.toml").touch()
    assert str(root / "autograder") in found_in(student(cell()))


@pytest.mark.parametrize("place", [".", "../../wheel"])
def test_a_wheel_beside_or_above_is_installed(student, wheel, place):
    put(student.place / place, wheel)
    done = student(cell())
    assert str(student.bare) in found_in(done)
    installed = {p.name for p in student.bare.glob("lib/*/site-packages/*.dist-info")}
    assert installed == {"transformer_courseware-0.1.0.dist-info"}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    """A repository's raw files on this machine; its address and its folder."""
    folder = tmp_path / "served"
    (folder / "raw" / "main").mkdir(parents=True)
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}", folder / "raw" / "main"
        serving.shutdown()


def publish(folder, wheel, digest=None):
    put(folder / "wheel", wheel)
    digest = digest or hashlib.sha256(wheel[1]).hexdigest()
    (folder / "SHA256SUMS").write_text(
        f"{'0' * 64}  README.md\n{digest}  wheel/{wheel[0]}\n"
    )


def test_the_address_is_the_last_way(student, wheel, server):
    address, folder = server
    publish(folder, wheel)
    assert str(student.bare) in found_in(student(cell(address)))


def test_a_wheel_that_is_not_the_listed_one_is_not_installed(student, wheel, server):
    address, folder = server
    publish(folder, wheel, digest="1" * 64)
    done = student(cell(address))
    assert done.returncode and not list(student.bare.rglob("autograder"))


def test_an_older_package_is_replaced(student, wheel):
    old = student.bare / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (old / "autograder").mkdir()
    (old / "autograder" / "__init__.py").write_text("__version__ = '0.0.9'")
    put(student.place, wheel)
    done = student(cell() + "\nimport autograder; print('v', autograder.__version__)")
    assert "v 0.1.0" in done.stdout, done.stderr


def test_where_all_ways_fail_it_says_what_to_do(student, server):
    address, _ = server
    (student.place / "transformer_courseware-9-py3-none-any.whl").write_bytes(b"no zip")
    done = student(cell(address))
    assert done.returncode
    told = done.stderr[done.stderr.index("SetUpFailed") :]
    assert "no checkout" in told and "404" in told and "What to do: download" in told
    assert len(told.splitlines()) < 9


def test_without_keras_it_says_what_to_do(student, wheel):
    put(student.place, wheel)
    code = "import sys; sys.modules['tensorflow'] = None\n" + cell()
    done = student(code)
    assert "tensorflow is missing here" in done.stderr
    assert "Change runtime type" in done.stderr and "environment.yml" in done.stderr


def test_it_reports_what_it_runs_on(student):
    done = student(cell(), path=[ROOT])
    ready, warning = [x for x in done.stdout.splitlines() if "eady" in x or "No" in x]
    version = ".".join(map(str, sys.version_info[:3]))
    assert f"Python {version}, Keras 3.99 on tensorflow 2.99, CPU." in ready
    assert "Runtime → Change runtime type → T4 GPU" in warning
    done = student(cell(), path=[ROOT], FAKE_GPUS="busy,T4")
    assert "Tesla busy, Tesla T4." in done.stdout and "No GPU" not in done.stdout
    assert "growth T4 True" in done.stdout


def test_it_does_no_harm_where_the_grader_runs_it(sandbox):
    """A notebook's shown cells are run where one of them defines what was missed."""
    cells = [cell("https://example.org/course"), "from autograder import check, pack"]
    asked = [{"id": str(n), "source": c, "seconds": 60} for n, c in enumerate(cells)]
    with sandbox.session() as session:
        assert [told["error"] for told in session.run(asked)] == [None, None]
