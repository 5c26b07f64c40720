"""Students' notebooks in environments equal to Colab's, and with the newest releases.

Each makes an environment with TensorFlow in it and trains what the notebooks train:
`make colab` asks for it (AUTOGRADER_COLAB=1), in minutes. A Python that is missing is
skipped. The lists in constraints/ are what `pip freeze` says there.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

from autograder import exercises
from autograder.authoring.bundle import bundle
from autograder.authoring.release import source_notebook
from autograder.course import load_course

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "AUTOGRADER_COLAB" not in os.environ, reason="`make colab` runs it, in minutes"
    ),
]
ROOT = Path(__file__).parents[2]
COURSE = load_course(ROOT)
NAMES = [a.name for a in COURSE.assignments]
RUNTIMES = {"colab": "3.13", "colab-previous": "3.12", "newest": "3.11"}
PACKAGE = "transformer-courseware"
WAITING = ("NotImplementedError", "Unfinished")  # for what is not written yet
PACKED = "attention_head"  # the one that is packed for real, which runs it once more


def python_of(version):
    """Returns a Python of that version, on PATH or pyenv's; skips where none is."""
    pyenv = Path.home() / ".pyenv" / "versions"
    found = [
        shutil.which(f"python{version}"),
        *sorted(pyenv.glob(f"{version}*/bin/python")),
    ]
    for program in filter(None, found):
        done = subprocess.run(
            [program, "-c", "import sys, venv; print(sys.executable)"],
            capture_output=True,
            text=True,
        )
        if done.returncode == 0:
            return done.stdout.strip()
    pytest.skip(f"no Python {version} here; install it for this environment")


def run(*command, cwd=None, **env):
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **quiet, **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    folder = tmp_path_factory.mktemp("public") / "course"
    bundle(COURSE, folder)
    return folder


@pytest.fixture(scope="module", params=RUNTIMES, ids="@colab-{}".format)
def runtime(request, tmp_path_factory):
    """A Python in an environment with exactly what the runtime has."""
    folder = tmp_path_factory.mktemp(request.param)
    run(python_of(RUNTIMES[request.param]), "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    listed = ROOT / "constraints" / f"{request.param}.txt"
    run(python, "-m", "pip", "install", "--quiet", "--requirement", listed)
    return python


def frozen(python):
    return set(run(python, "-m", "pip", "freeze").splitlines())


def as_colab_writes(notebook, minor):
    """Returns a notebook's text as Colab and old Jupyters save it: no ids, lines."""
    tree = json.loads(nbformat.writes(notebook))
    tree["nbformat_minor"] = minor
    for number, cell in enumerate(tree["cells"]):
        cell.pop("id", None)
        cell["source"] = "".join(cell["source"]).splitlines(keepends=True)
        cell["metadata"]["id"] = f"x{number:03d}"
        if cell["cell_type"] == "code":
            cell["metadata"]["outputId"] = f"y{number:03d}"
    return json.dumps(tree, indent=2, ensure_ascii=False)


def results(python, paths, **env):
    told = run(python, Path(__file__).with_name("run_notebooks.py"), *paths, **env)
    for line in told.splitlines():
        result = json.loads(line)
        print(f"{result['notebook']}: {result['seconds']:.0f} s")
        yield result


def test_release_and_solutions_run_and_no_other_package_changes(
    runtime, public, tmp_path
):
    before = frozen(runtime)
    folder = tmp_path / "course"
    shutil.copytree(public, folder)
    paths = [folder / "assignments" / name / f"{name}.ipynb" for name in NAMES]
    for minor, path in enumerate(paths):
        notebook = nbformat.read(path, as_version=4)
        path.write_text(as_colab_writes(notebook, minor), encoding="utf-8")
    assert not [line for line in before if PACKAGE in line]
    for result in results(runtime, paths, AUTOGRADER_PACKING="1"):
        # The set-up cell of the first one installs the package.
        errors = result["errors"]
        assert errors and all(e.startswith(WAITING) for e in errors)
        told = "\n".join(result["told"])
        assert re.search(r"^Ready: course package .*, Python .*, Keras", told, re.M)
        assert "Runtime → Change runtime type → T4 GPU" in told
    (new,) = frozen(runtime) - before
    assert new.startswith(PACKAGE) and before < frozen(runtime)

    for minor, (name, path) in enumerate(zip(NAMES, paths, strict=True)):
        solved = as_colab_writes(source_notebook(COURSE, name), 4 - minor)
        path.write_text(solved, encoding="utf-8")
    packed = paths[NAMES.index(PACKED)]
    others = [path for path in paths if path != packed]
    done = [*results(runtime, [packed])]
    done += results(runtime, others, AUTOGRADER_PACKING="1")
    for result in done:
        assert result["errors"] == []
        told = "\n".join(result["told"])
        green = re.findall(r"^(\w+): all \d+ checks pass", told, re.MULTILINE)
        asked = [e.id for e in exercises.load(result["notebook"]) if not e.manual]
        assert green == asked, told[-3000:]
    assert re.search("^Packed: hand in", "\n".join(done[0]["told"]), re.MULTILINE)
    tree = json.loads((packed.parent / "handin" / packed.name).read_text())
    receipt = tree["metadata"]["autograder"]["receipt"]
    assert receipt["run"] == "complete"
    assert all(result["passed"] for result in receipt["results"])
    assert before < frozen(runtime) and len(frozen(runtime)) == len(before) + 1
