"""nbgrader's own commands, in a course folder, beside `autograder grade`."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import records
from autograder.authoring.release import filled_notebook
from autograder.authoring.source import read_variants
from autograder.demo import FORGER
from autograder.grading.cells import grade_id

ROOT = Path(__file__).parents[2]
NAME = "attention_head"
BIN = Path(sys.executable).parent
LATE = "2026-11-21 13:00:00.000000 UTC"
TIMES = f"""
[late]
grace_minutes = 10
percent_per_day = 10
maximum_percent = 50

[[extension]]
student = "granted"
assignment = "{NAME}"
until = 2026-11-30T12:00:00Z
"""
WORDS = (
    "Because of the variance. <script>alert(1)</script> <img src=x onerror=alert(2)>"
)


SPY = """

import os

def _read(path):
    try:
        with open(path, "rb") as file:
            return len(file.read(9))
    except OSError:
        return "nothing"

print("SPY", *(_read(path) for path in {paths}), os.environ.get("AUTOGRADER_GRADEBOOK"))
"""


def run(folder, *command, ok=True):
    env = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "AUTOGRADER_GRADEBOOK": f"sqlite:///{folder / 'gradebook.db'}",
    }
    done = subprocess.run(
        [str(BIN / command[0]), *map(str, command[1:])],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert not ok or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def make_course(folder):
    """Copies the course; one assignment, with a deadline and short limits."""
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    for room in ("assignments", "solutions"):
        shutil.copytree(ROOT / room / NAME, folder / room / NAME)
    text = (ROOT / "course.toml").read_text()
    name = f'name = "{NAME}"\n'
    assert name in text
    text = text.replace(name, name + "due = 2026-11-20T12:00:00Z\n")
    text = re.sub(r"(cell|exercise)_seconds = \d+", r"\1_seconds = 8", text)
    (folder / "course.toml").write_text(text + TIMES)


def hand_in(folder, student, text, file=f"{NAME}.ipynb", came=None):
    place = folder / "submitted" / student / NAME
    place.mkdir(parents=True)
    (place / file).write_text(text) if isinstance(text, str) else (
        place / file
    ).write_bytes(text)
    if came is not None:
        (place / "timestamp.txt").write_text(came)
    return place


def make_class(folder, course, right):
    def notebook(sources, change=lambda cell: None):
        made = filled_notebook(course, NAME, sources)
        for cell in made.cells:
            change(cell)
        return nbformat.writes(made)

    def tamper(cell):
        if (grade_id(cell) or "").startswith("grade_"):
            cell.metadata["tags"] = ["skip-execution", "raises-exception"]
            cell.metadata.nbgrader["points"] = 99
            cell.source = "99"

    def forget(cell):
        cell.metadata.pop("nbgrader", None)

    good = {**right, "explain_scaling": WORDS}
    wrong = next(v for v in read_variants(course, NAME) if not v.right)
    first = next(iter(right))
    always = f"{FORGER}\ndef {first}(*a, **k):\n    return AlwaysEqual()\n"
    endless = f"def {first}(*a, **k):\n    while True:\n        pass\n"
    hand_in(folder, "right", notebook(good), came="2026-11-20 11:00:00 UTC")
    hand_in(folder, "late", notebook(good), came=LATE)
    hand_in(folder, "granted", notebook(good), came=LATE)
    hand_in(folder, "wrong", notebook({**right, wrong.exercise: wrong.source}))
    hand_in(folder, "untouched", notebook({}))
    hand_in(folder, "broken", notebook(right)[:-9000])
    hand_in(folder, "forged", notebook({first: always}, tamper))
    hand_in(folder, "endless", notebook({**right, first: endless}))
    kept = [str(folder / name) for name in ("gradebook.db", ".autograder/seed")]
    spy = right[first] + SPY.format(paths=kept)
    hand_in(folder, "spy", notebook({**right, first: spy}))
    hand_in(folder, "lost", notebook(right, forget))
    hand_in(folder, "renamed", notebook(right), "copy of it (1).ipynb")
    hand_in(folder, "script", "\n\n\n".join(right.values()), f"{NAME}.py")
    place = hand_in(folder, "rubbish", bytes(range(256)) * 9, came="soon")
    (place / "data.csv").symlink_to("/etc/passwd")
    os.mkfifo(place / "pipe")


@pytest.fixture(scope="module")
def graded(tmp_path_factory, course, solutions):
    """A class, graded by nbgrader and then by ours; the folder and our results."""
    folder = tmp_path_factory.mktemp("course")
    make_course(folder)
    make_class(folder, course, solutions)
    private = folder / ".autograder"
    private.mkdir(mode=0o700)
    (private / "seed").write_text("20261120\n")
    said = run(folder, "nbgrader", "autograde", NAME)
    other = f"sqlite:///{folder / 'other.db'}"
    submitted = folder / "submitted"
    arguments = ["--submitted", submitted, "--db", other, "--json", folder / "r.json"]
    shutil.copytree(folder / "autograded", folder / "by_nbgrader")
    run(folder, "autograder", "grade", NAME, *arguments, ok=False)
    told = json.loads((folder / "r.json").read_text())["submissions"]
    return folder, {s["student"]: s for s in told}, said


def facts(folder, database):
    """Returns all that a gradebook knows of the class."""
    found = {}
    with Gradebook(f"sqlite:///{folder / database}", "transformers") as gradebook:
        for submission in gradebook.assignment_submissions(NAME):
            grades = {
                grade.name: (grade.auto_score, grade.needs_manual_grade, grade.score)
                for notebook in submission.notebooks
                for grade in notebook.grades
            }
            comments = {
                comment.name: comment.auto_comment
                for notebook in submission.notebooks
                for comment in notebook.comments
            }
            found[submission.student.id] = {
                "grades": grades,
                "comments": comments,
                "score": submission.score,
                "penalty": submission.late_submission_penalty,
                "timestamp": submission.timestamp,
                "late": submission.total_seconds_late,
            }
    return found


@pytest.mark.slow
def test_both_ways_give_the_same_gradebook(graded):
    folder, results, said = graded
    mine, theirs = facts(folder, "other.db"), facts(folder, "gradebook.db")
    assert set(theirs) == set(results) and len(theirs) == 13
    assert mine == theirs
    for student, result in results.items():
        assert theirs[student]["score"] == pytest.approx(result["score"]), student
        assert theirs[student]["penalty"] == pytest.approx(result["penalty"]), student
    scores = {student: result["score"] for student, result in results.items()}
    full = {"right", "late", "granted", "lost", "renamed", "script", "spy"}
    assert {student for student in scores if scores[student] == 12} == full
    assert scores["untouched"] == scores["rubbish"] == 0
    assert scores["forged"] == 0, (
        "neither tags nor points nor AlwaysEqual earn anything"
    )
    assert 0 < scores["wrong"] < 12 and 0 < scores["endless"] < 12
    assert "rubbish" in said and "unreadable" in said


@pytest.mark.slow
def test_lateness_and_extensions(graded):
    folder, results, _ = graded
    kept = facts(folder, "gradebook.db")
    lost = {student: fact["penalty"] for student, fact in kept.items()}
    # 25 hours are two days begun: 20 % of 14 points.
    assert {s: p for s, p in lost.items() if p} == {"late": pytest.approx(2.8)}
    assert results["late"]["late_seconds"] == 25 * 3600
    assert results["granted"]["submitted"] == "2026-11-21T13:00:00+00:00"
    unknown = [
        s for s, r in results.items() if any("lateness" in f for f in r["flags"])
    ]
    assert set(unknown) == set(results) - {"right", "late", "granted"}


@pytest.mark.slow
def test_both_ways_write_the_same_notebooks(graded):
    folder, results, _ = graded
    for student in results:
        path = Path(student, NAME, f"{NAME}.ipynb")
        ours = nbformat.read(folder / "autograded" / path, as_version=4)
        theirs = nbformat.read(folder / "by_nbgrader" / path, as_version=4)
        for a, b in zip(ours.cells, theirs.cells, strict=True):
            assert a.source == b.source
            assert a.get("outputs") == b.get("outputs")
    copied = {p.name for p in (folder / "by_nbgrader" / "rubbish").rglob("*")}
    assert copied == {NAME, f"{NAME}.ipynb", "timestamp.txt"}, (
        "links and pipes are left"
    )


@pytest.mark.slow
def test_the_worker_sees_neither_gradebook_nor_seed_nor_address(graded):
    folder, _, _ = graded
    text = (folder / "autograded" / "spy" / NAME / f"{NAME}.ipynb").read_text()
    assert "SPY nothing nothing None" in text


@pytest.mark.slow
def test_feedback_has_hints_and_pictures_and_nothing_hidden(graded):
    folder, results, _ = graded
    run(folder, "nbgrader", "generate_feedback", NAME, "--force")
    pages = {
        student: (folder / "feedback" / student / NAME / f"{NAME}.html").read_text()
        for student in results
    }
    hint = next(e["hint"] for e in results["wrong"]["exercises"] if e["hint"])
    page = re.sub(r"<[^>]*>", "", pages["wrong"])
    assert hint.split("`")[0].split("'")[0][:40] in page
    assert "data:image/png;base64" in pages["wrong"]
    assert "Expected values beside yours" in pages["wrong"], (
        "pictures say what they show"
    )
    assert "Late submission penalty" in pages["late"]
    live = pages["right"].split("Because of the variance", 1)[1][:300]
    assert "<script>" not in live and "onerror=alert" not in live.split("&lt;")[0]
    assert "<img src=" not in live
    hidden = next((folder / ".autograder").glob(f"{NAME}-*"))
    values = {
        f"{value:.4f}"
        for probes in records.read(hidden)["answers"].values()
        for answer in probes.values()
        for array in answer["arrays"].values()
        if array.dtype.kind == "f"
        for value in array.ravel()[:50].tolist()
        if abs(value) > 0.01 and abs(value - round(value, 2)) > 1e-3
    }
    public = {v for v in values if v in (ROOT / "assignments").joinpath(
        NAME, f"{NAME}.ipynb").read_text()}  # fmt: skip
    assert len(values) > 100
    for student, text in pages.items():
        words = re.sub(r"base64,[A-Za-z0-9+/=\s]+", "", text)
        words = re.sub(r"<style.*?</style>", "", words, flags=re.DOTALL)
        shown = set(re.findall(r"-?\d+\.\d{4}\b", words))
        assert not shown & (values - public), student


@pytest.mark.slow
def test_export_and_a_second_run(graded):
    folder, results, _ = graded
    run(folder, "nbgrader", "export", "--to", folder / "grades.csv")
    lines = (folder / "grades.csv").read_text().splitlines()
    head = lines[0].split(",")
    rows = [dict(zip(head, line.split(","), strict=True)) for line in lines[1:]]
    got = {r["student_id"]: r for r in rows if r["assignment"] == NAME}
    for student, result in results.items():
        assert float(got[student]["raw_score"]) == pytest.approx(result["score"])
        final = result["score"] - result["penalty"]
        assert float(got[student]["score"]) == pytest.approx(final)
    url = f"sqlite:///{folder / 'gradebook.db'}"
    with Gradebook(url, "transformers") as gradebook:
        grade = gradebook.find_grade("explain_scaling", NAME, NAME, "right")
        assert grade.needs_manual_grade
        grade.manual_score, grade.needs_manual_grade = 2, False
        gradebook.db.commit()
    run(folder, "nbgrader", "autograde", NAME, "--force", "--student", "right")
    again = facts(folder, "gradebook.db")["right"]
    assert again["score"] == 14
    assert again["grades"]["explain_scaling"] == (None, False, 2)


@pytest.mark.slow
def test_generating_in_nbgrader_writes_the_very_release(tmp_path):
    make_course(tmp_path)
    release = tmp_path / "assignments" / NAME / f"{NAME}.ipynb"
    before = release.read_bytes()
    release.unlink()
    run(tmp_path, "nbgrader", "generate_assignment", NAME, "--force")
    assert release.read_bytes() == before
    source = tmp_path / "source" / NAME / f"{NAME}.ipynb"
    assert "BEGIN SOLUTION" in source.read_text()


@pytest.mark.slow
def test_a_broken_course_never_falls_back_on_nbgraders_own_execution(tmp_path):
    make_course(tmp_path)
    notebook = (tmp_path / "assignments" / NAME / f"{NAME}.ipynb").read_text()
    hand_in(tmp_path, "ana", notebook)
    (tmp_path / "course.toml").write_text("[course\n")
    said = run(tmp_path, "nbgrader", "autograde", NAME, ok=False)
    assert "cannot be read" in said
    assert not (tmp_path / "autograded").exists()
