"""`autograder new`: what it writes works, in a copy of the course."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

from autograder.authoring import scaffold
from autograder.authoring.source import read_solution, read_variants
from autograder.course import CourseError, load_course
from autograder.grading.cells import grade_id

ROOT = Path(__file__).parents[2]
NAME = "layer_norm_new"
PARTS = ("autograder", "solutions", "tests", "assignments", "course.toml")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the course in which an assignment was started and built."""
    root = tmp_path_factory.mktemp("course")
    for part in (*PARTS, "pyproject.toml"):
        if (ROOT / part).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, root / part, ignore=ignore)
        else:
            shutil.copy(ROOT / part, root / part)
    told = run(root, "autograder", "new", NAME)
    assert f"autograder build {NAME}" in told
    run(root, "autograder", "build", NAME)
    return root


def run(root, module, *arguments, code=0):
    """Runs a module of the copy, not of this checkout; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "COLUMNS": "100"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout if code == 0 else done.stderr


def submit(root, student, sources):
    """Writes a student's notebook: the release with some cells filled."""
    notebook = nbformat.read(load_course(root).release(NAME), as_version=4)
    for cell in notebook.cells:
        cell.source = sources.get(grade_id(cell), cell.source)
    path = root / "handed_in" / student / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


@pytest.mark.slow
def test_a_scaffolded_assignment_grades_right_and_wrong(copy):
    course = load_course(copy)
    right = {
        cell.marks["exercise"]: cell.source
        for cell in read_solution(course, NAME)
        if cell.role == "exercise"
    }
    variants = {v.name: v for v in read_variants(course, NAME)}
    wrong = variants["mean_subtracted"]
    submit(copy, "untouched", {})
    submit(copy, "right", right)
    submit(copy, "wrong", {**right, wrong.exercise: wrong.source})
    results = copy / "results.json"
    run(
        copy, "autograder", "grade", NAME, "--submitted", "handed_in", "--json", results
    )
    graded = json.loads(results.read_text())["submissions"]
    by_student = {s["student"]: s for s in graded}
    automatic = by_student["right"]["max_score"] - 1.0
    assert by_student["right"]["score"] == automatic > 0
    assert by_student["untouched"]["score"] == 0
    assert 0 < by_student["wrong"]["score"] < automatic
    (first, *_) = by_student["wrong"]["exercises"]
    assert first["misconception"] == wrong.name and first["hint"] == wrong.hint
    assert by_student["right"]["exercises"][-1]["status"] == "manual"


@pytest.mark.slow
def test_a_scaffolded_assignment_passes_the_projects_tests(copy):
    told = run(
        copy,
        "pytest",
        "-p",
        "no:cacheprovider",
        "tests/exercises",
        "tests/authoring/test_release.py",
        "tests/authoring/test_solution_notebooks.py",
        "-k",
        f"{NAME} or RMSNorm",
    )
    assert "passed" in told and "skipped" not in told
    written = ("solutions", "autograder")
    run(copy, "ruff", "check", "--no-cache", *written)
    run(copy, "ruff", "format", "--no-cache", "--check", *written)


@pytest.mark.slow
def test_it_is_never_overwritten(copy):
    before = (copy / "course.toml").read_bytes()
    error = run(copy, "autograder", "new", NAME, code=2)
    assert "is there already" in error and len(error.splitlines()) == 1
    assert (copy / "course.toml").read_bytes() == before


# --- names and course.toml, in this process ---------------------------------------


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A small course whose package is taken to be the one in use."""
    shutil.copy(ROOT / "course.toml", tmp_path)
    (tmp_path / "autograder" / "exercises").mkdir(parents=True)
    monkeypatch.setattr(
        scaffold.autograder, "__file__", str(tmp_path / "autograder" / "__init__.py")
    )
    return load_course(tmp_path)


def files(course):
    return sorted(p for p in course.root.rglob("*") if p.is_file())


BAD = "1st,two words,class,_shared,Upper,a-b,a.b,../up,/root,,é,x" + "x" * 32
BAD = [*BAD.split(","), "name\n", "attention_head", "None"]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_name_is_refused_and_nothing_written(course, name):
    before = files(course)
    with pytest.raises(CourseError) as error:
        scaffold.scaffold(course, name)
    assert "\n" not in str(error.value) and str(error.value).endswith(".")
    assert files(course) == before


@pytest.mark.parametrize(
    "place",
    [
        "solutions/{0}/notes.txt",
        "autograder/exercises/{0}.py",
        "assignments/{0}/{0}.ipynb",
        "autograder/public/{0}.safetensors",
    ],
)
def test_what_is_there_is_not_overwritten(course, place):
    path = course.root / place.format(NAME)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    before = files(course)
    with pytest.raises(CourseError, match="there already"):
        scaffold.scaffold(course, NAME)
    assert files(course) == before and path.read_text() == "mine"


def test_course_toml_keeps_every_byte_and_gets_an_entry(course):
    path = course.root / "course.toml"
    for text in ("\n", "", "  # a last remark without a line's end"):
        base = (ROOT / "course.toml").read_text().rstrip("\n") + text
        path.write_text(base)
        scaffold.scaffold(course, NAME)
        assert path.read_text().startswith(base)
        last = tomllib.loads(path.read_text())["assignment"][-1]
        assert last == {"name": NAME, "title": "Layer norm new", "minutes": 30}
        assert load_course(course.root).assignments[:-1] == course.assignments
        shutil.rmtree(course.solution(NAME))
        (course.root / "autograder" / "exercises" / f"{NAME}.py").unlink()


def test_a_course_toml_that_takes_no_entry_leaves_all_as_it_was(course):
    path = course.root / "course.toml"
    path.write_text('assignment = [{name = "a", title = "A"}]\n')
    before = files(course)
    with pytest.raises(CourseError, match=r"\[\[assignment\]\]"):
        scaffold.scaffold(course, NAME)
    assert files(course) == before


def test_where_writing_fails_nothing_stays(course, monkeypatch):
    before = files(course)

    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scaffold, "write_text", full)
    with pytest.raises(OSError, match="space"):
        scaffold.scaffold(course, NAME)
    assert files(course) == before and not course.solution(NAME).exists()


def test_another_courses_package_is_not_written_to(course, monkeypatch, tmp_path):
    monkeypatch.undo()
    with pytest.raises(CourseError, match="pip install --editable"):
        scaffold.scaffold(course, NAME)
