"""Every way out tells the same total: one class, graded once, written out five ways."""

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder.cli import app, run
from autograder.course import LateRule
from autograder.demo import make_class

NAME = "attention_head"
FEW = ("alma", "ben", "dora", "ivo", "omar")
DUE = datetime(2026, 11, 20, 12, tzinfo=UTC)
pytestmark = pytest.mark.slow


def command(*arguments):
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.fixture(scope="module")
def graded(course, prepare, tmp_path_factory):
    """A small class: two of them late, one question graded, one score overruled."""
    folder = tmp_path_factory.mktemp("class")
    everyone = make_class(course, NAME, folder / "all")
    for student in FEW:
        shutil.copytree(everyone / student, folder / "submitted" / student)
    for student in ("ben", "dora"):
        stamp = folder / "submitted" / student / NAME / "timestamp.txt"
        stamp.write_text("2026-11-21 13:00:00 UTC")
    listed = [a if a.name != NAME else replace(a, due=DUE) for a in course.assignments]
    late = replace(course, assignments=tuple(listed), late=LateRule(percent_per_day=10))
    prepare(folder, NAME)
    run(late, NAME, folder / "submitted", folder, jobs=2)
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}", course.id) as gradebook:
        for student, cell, points in (
            ("alma", "explain_scaling", 1.5),
            ("ben", "grade_attention", 0.25),
            ("dora", "explain_scaling", 0.5),
        ):
            grade = gradebook.find_grade(cell, NAME, NAME, student)
            grade.manual_score, grade.needs_manual_grade = points, False
        comment = gradebook.find_comment("explain_scaling", NAME, NAME, "alma")
        comment.manual_comment = "And the gradient?"
        gradebook.db.commit()
    return folder


@pytest.fixture(scope="module")
def nbgraders(graded):
    """What nbgrader itself tells of its gradebook."""
    subprocess.run(
        [sys.executable, "-m", "nbgrader", "export", "--to", str(graded / "nb.csv")]
        + [f"--CourseDirectory.db_url=sqlite:///{graded / 'gradebook.db'}"],
        cwd=graded,
        check=True,
        capture_output=True,
        timeout=120,
        env={**os.environ, "HOME": str(graded)},
    )
    return {
        row["student_id"]: float(row["score"])
        for row in table(graded / "nb.csv")
        if row["assignment"] == NAME
    }


def test_the_class_is_worth_comparing(nbgraders):
    # 12 and 1.5 given; two days begun cost 2.8 of 14 points, and nobody falls below 0.
    assert nbgraders["alma"] == 13.5
    assert nbgraders["dora"] == nbgraders["omar"] == 0
    assert 0 < nbgraders["ben"] < nbgraders["ivo"] < 14


def test_csv_and_json_lines(graded, nbgraders):
    for way in ("csv", "jsonl"):
        assert command("export", way, NAME, "--out", graded).exit_code == 0
    rows = table(graded / "exports" / f"{NAME}.csv")
    assert {r["student"]: float(r["total"]) for r in rows} == pytest.approx(nbgraders)
    lines = (graded / "exports" / f"{NAME}.jsonl").read_text().splitlines()
    told = {line["student"]: line["total"] for line in map(json.loads, lines)}
    assert told == pytest.approx(nbgraders)


def test_canvas(graded, nbgraders):
    title = "Attention! One head (77)"
    rows = [f'"Student, {s}",{100 + i},{s},S1,' for i, s in enumerate(FEW)]
    head = f"Student,ID,SIS Login ID,Section,{title}\n    Points Possible,,,,14\n"
    theirs = graded / "canvas.csv"
    theirs.write_text(head + "\n".join([*rows, '"Nobody, No",999,no,S1,']) + "\n")
    done = command("export", "canvas", NAME, theirs, "--out", graded, "--column", title)
    assert done.exit_code == 0 and "5 rows" in done.output
    filled = table(graded / "exports" / f"{NAME}-canvas.csv")[1:]
    told = {r["SIS Login ID"]: r[title] for r in filled}
    assert told.pop("no") == ""
    assert {s: float(t) for s, t in told.items()} == pytest.approx(nbgraders)


def test_gradescopes_results(graded, nbgraders):
    assert command("export", "gradescope", NAME, "--results", "--out", graded)
    for student, total in nbgraders.items():
        path = graded / "exports" / f"{NAME}-gradescope" / student / "results.json"
        told = json.loads(path.read_text())
        assert told["score"] == pytest.approx(total)
        assert sum(t["score"] for t in told["tests"]) == pytest.approx(total)


def test_pages_know_what_people_gave(graded):
    page = graded / "reports" / f"{NAME}.html"
    before = page.read_text()
    assert command("report", NAME, "--out", graded).exit_code == 0
    assert page.read_text() != before and "13.5" in page.read_text()


def test_run_autograder_in_gradescopes_folders(graded, course, prepare, tmp_path):
    """The archive, unpacked where Gradescope does, but for the installation.

    The environment of the tests stands in for the one that setup.sh makes, and the
    records that were made for the class for those made while an image is built.
    """
    assert command("export", "gradescope", NAME, "--out", graded).exit_code == 0
    archive = graded / "exports" / f"{NAME}-autograder.zip"
    first = archive.read_bytes()
    assert command("export", "gradescope", NAME, "--out", graded).exit_code == 0
    assert archive.read_bytes() == first, "the same bytes again"
    with zipfile.ZipFile(archive) as packed:
        names = set(packed.namelist())
        packed.extractall(tmp_path / "source")
    assert {"setup.sh", "run_autograder", "seed", "course.toml"} <= names
    others = {a.name for a in course.assignments} - {NAME}
    assert not {n for n in names if n.startswith("solutions/")} & {
        f"solutions/{other}/notebook.py" for other in others
    }
    program = tmp_path / "venv" / "bin" / "autograder"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\nexport PYTHONPATH="{tmp_path}/source"\n'
        f'exec {sys.executable} -m autograder "$@"\n'
    )
    program.chmod(0o755)
    prepare(tmp_path / "work", NAME)
    shutil.copytree(graded / "submitted" / "ivo" / NAME, tmp_path / "submission")
    (tmp_path / "submission_metadata.json").write_text(
        json.dumps({"users": [{"email": "ivo@u.edu", "id": 3, "name": "Ivo"}]})
    )
    (tmp_path / "results").mkdir()

    def inside(*command):
        return subprocess.run(
            command,
            env={**os.environ, "AUTOGRADER_ROOT": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )

    prepared = inside(program, "gradescope", NAME, "--root", tmp_path, "--prepare")
    assert prepared.returncode == 2 and "course.toml" in prepared.stderr
    source = tmp_path / "source"
    for step in (["bash", "-c", f"cd {source} && {program} gradescope {NAME} "
                  f"--root {tmp_path} --prepare"],
                 ["bash", str(source / "run_autograder")]):  # fmt: skip
        done = inside(*step)
        assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "results" / "results.json").read_text())
    here = json.loads((graded / "reports" / f"{NAME}.json").read_text())
    (ivo,) = [s for s in here["submissions"] if s["student"] == "ivo"]
    assert told["score"] == pytest.approx(ivo["score"])
    assert {t["number"] for t in told["tests"] if "number" in t} >= {"attention/values"}
