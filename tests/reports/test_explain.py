"""One check asked again: what was due, what came, and why."""

import io
import os
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from rich.console import Console

from autograder.authoring.release import filled_notebook
from autograder.course import CourseError
from autograder.grading.classroom import Grader
from autograder.grading.collect import Found
from autograder.grading.kept import Kept
from autograder.reports.explain_page import WARNING, explain_page, explain_text
from autograder.reports.explaining import explain
from autograder.results import (
    CheckResult,
    ExerciseResult,
    Provenance,
    SubmissionResult,
)

NAME = "attention_head"
HOSTILE = '''
def attention_weights(query, key, attention_mask=None):
    """</code><script>alert(1)</script> \\x1b[31m [bold red]"""
    raise ValueError("<img src=x onerror=alert(1)> \\x1b[2J [/] " + str(query[0]))
'''
HANGS = "def attention_weights(query, key, attention_mask=None):\n    while 1: pass\n"


class Desk(Grader):
    """A grader with public questions: those with a secret seed take long to make."""

    def __init__(self, course, paper, release, sandbox):
        self.course, self.paper, self.release = course, paper, release
        self.sandbox, self.assignment = sandbox, NAME
        self.names = {e.id: e.names for e in paper.exercises if not e.manual}
        self.provenance = Provenance(seed_id="abc", isolation=sandbox.isolation)
        self.kept = Kept(Path(os.devnull), "")


@pytest.fixture(scope="module")
def desk(course, paper_of, sandbox):
    release = nbformat.read(course.release(NAME), as_version=4)
    return Desk(course, paper_of(NAME), release, sandbox)


@pytest.fixture
def hand_in(course, solutions, tmp_path):
    """Hands in the solutions, some of them changed."""

    def hand_in(name="Ann <b>", **changed):
        text = nbformat.writes(filled_notebook(course, NAME, {**solutions, **changed}))
        path = Path(tmp_path, f"{NAME}.ipynb")
        path.write_text(text)
        return Found("s1", path, "found", assignment=NAME, name=name)

    return hand_in


def told(explanation):
    """Returns an explanation as a page and as text."""
    page = explain_page(explanation, course_title="C", assignment_title="A")
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    explain_text(console, explanation)
    return page, console.file.getvalue()


def test_a_wrong_check_is_explained(desk, hand_in):
    wrong = (
        "def attention_weights(query, key, attention_mask=None):\n"
        "    return ops.softmax(ops.matmul(query, ops.swapaxes(key, -1, -2)))\n"
    )
    found = hand_in(attention_weights=wrong)
    got = explain(desk, found, "attention_weights")
    assert (got.check.id, got.verdict) == ("values", "failed")
    question = next(q for q in got.questions if not q.finding.passed)
    (numbers, *_) = question.numbers
    where, windows = numbers.window()
    (_, due), (_, own), (_, gap) = windows
    assert ((own - due) == gap).all() and abs(gap).max() > question.finding.tolerance
    assert question.finding.error > question.finding.tolerance
    why = " ".join(got.reasons)
    assert "no_scaling" in why and "same wrong numbers" in why and "0 of 1" in why
    page, text = told(got)
    for shown in (page, text):
        assert "expected" in shown and "own − expected" in shown
        assert "s1" in shown and "allowed" in shown
    assert page.index(WARNING) < page.index("<header>") and WARNING[:24] in text
    assert "data:image/png" in page and "http" not in page.split("</head>")[1]
    assert "Ann &lt;b&gt;" in page and "softmax(ops.matmul" in page


def test_what_a_student_wrote_is_never_live(desk, hand_in):
    got = explain(desk, hand_in(attention_weights=HOSTILE), "attention_weights")
    page, text = told(got)
    assert "<script" not in page and "<img src=x" not in page
    assert "&lt;script&gt;alert(1)" in page and "&lt;img src=x" in page
    assert "\x1b[2J" not in text and "[/]" in text and "onerror" in text
    assert any(q.own_error and q.traceback for q in got.questions)


def test_a_check_can_be_chosen_and_one_that_waits_says_for_what(desk, hand_in):
    broken = (
        "class AttentionHead(keras.layers.Layer):\n"
        "    def __init__(self, head_dim, **kwargs):\n"
        "        super().__init__(**kwargs)\n"
        "    def call(self, *a, **k):\n        raise RuntimeError('no')\n"
    )
    found = hand_in(attention_head=broken)
    first = explain(desk, found, "attention_head")
    assert first.verdict == "failed"
    waiting = next(c.id for c in first.exercise.checks if first.check.id in c.requires)
    got = explain(desk, found, "attention_head", waiting)
    assert got.verdict == "not judged"
    assert f"--check {first.check.id}" in " ".join(got.reasons)
    assert "not judged" in told(got)[0]


def test_a_right_answer_and_one_that_was_judged_otherwise(desk, hand_in):
    kept = CheckResult(id="values", passed=False, points=0, max_points=1)
    exercise = ExerciseResult(
        id="causal_mask", score=0, max_score=1, status="graded", checks=[kept]
    )
    stored = SubmissionResult(
        student="s1", status="graded", score=0, max_score=14, exercises=[exercise]
    )
    got = explain(desk, hand_in(), "causal_mask", "values", stored)
    assert got.verdict == "passed" and got.differs
    page, text = told(got)
    assert "another verdict" in page and "--regrade" in text


def test_one_that_never_ends_says_where_it_stopped(desk, hand_in):
    limits = replace(desk.paper.limits, exercise_seconds=3)
    short = Desk(desk.course, desk.paper, desk.release, desk.sandbox)
    short.paper = replace(desk.paper, limits=limits)
    got = explain(short, hand_in(attention_weights=HANGS), "attention_weights")
    assert got.verdict == "not judged" and "time" in got.reasons[0]
    assert "the next one was" in got.reasons[1]
    assert "ran out of time" in told(got)[0]


def test_what_was_not_written_has_nothing_to_ask(desk, course, tmp_path):
    path = tmp_path / f"{NAME}.ipynb"
    path.write_bytes(course.release(NAME).read_bytes())
    got = explain(desk, Found("s1", path, "found", assignment=NAME), "causal_mask")
    assert got.verdict == "not judged" and "Not written" in got.reasons[0]
    told(got)


@pytest.mark.parametrize(
    "exercise, check, words",
    [
        ("explain_scaling", None, "read by a person"),
        ("nonsense", None, "it has attention_weights"),
        ("causal_mask", "nonsense", "it has attempted, "),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(
    desk, hand_in, exercise, check, words
):
    with pytest.raises(CourseError, match=words) as raised:
        explain(desk, hand_in(), exercise, check)
    assert "\n" not in str(raised.value)


def test_what_cannot_be_read_is_one_sentence(desk, tmp_path):
    (tmp_path / "x.ipynb").write_bytes(b"%PDF")
    for found in (
        Found("s1", tmp_path / "x.ipynb", "found"),
        Found("s1", None, "missing", "Nothing was handed in."),
    ):
        with pytest.raises(CourseError, match="nothing of s1 to run"):
            explain(desk, found, "causal_mask")
