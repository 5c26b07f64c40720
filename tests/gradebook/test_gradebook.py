import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.utils import determine_grade

from autograder import exercises
from autograder.gradebook.database import gradebook_id, write_scores
from autograder.gradebook.notebooks import autograded
from autograder.grading.cells import grade_id
from autograder.nbgrading import tools_on_path
from autograder.results import CheckResult, ExerciseResult, SubmissionResult

NAME = "attention_head"
ASKED = exercises.load(NAME)


def result(student, share, status="graded"):
    told = []
    for exercise in ASKED:
        if exercise.manual:
            told.append(
                ExerciseResult(
                    id=exercise.id, score=0, max_score=exercise.points, status="manual"
                )
            )
            continue
        checks = [
            CheckResult(
                id=c.id,
                title=c.title,
                passed=share == 1,
                points=c.points * share,
                max_points=c.points,
                message="<script>alert(1)</script> \x1b[31m`q`",
            )
            for c in exercise.checks
        ]
        told.append(
            ExerciseResult(
                id=exercise.id,
                score=exercise.points * share,
                max_score=exercise.points,
                status="graded",
                checks=checks,
            )
        )
    score = sum(e.score for e in told)
    return SubmissionResult(
        student=student, status=status, score=score, max_score=14, exercises=told
    )


@pytest.fixture
def url(tmp_path):
    tools_on_path()
    return f"sqlite:///{tmp_path / 'gradebook.db'}"


def scores(url):
    with Gradebook(url, "course") as gradebook:
        return {s.student.id: s.score for s in gradebook.assignment_submissions(NAME)}


def test_scores_arrive(url, release):
    results = [result("ana", 1), result("ben", 0.5), result("cem", 0, "unreadable")]
    write_scores(url, "course", NAME, release, ASKED, results)
    assert scores(url) == {"ana": 12.0, "ben": 6.0, "cem": 0.0}
    with Gradebook(url, "course") as gradebook:
        assert gradebook.find_assignment(NAME).max_score == 14
        submission = gradebook.find_submission(NAME, "ana")
        assert submission.needs_manual_grade


def test_writing_again_changes_nothing_and_keeps_manual_scores(url, release):
    write_scores(url, "course", NAME, release, ASKED, [result("ana", 1)])
    with Gradebook(url, "course") as gradebook:
        grade = gradebook.find_grade("explain_scaling", NAME, NAME, "ana")
        grade.manual_score, grade.needs_manual_grade = 1.5, False
        gradebook.db.commit()
    write_scores(url, "course", NAME, release, ASKED, [result("ana", 0.5)])
    assert scores(url) == {"ana": 7.5}


def test_a_missing_submission_is_a_student_without_one(url, release):
    missing = result("dan", 0, "missing")
    write_scores(url, "course", NAME, release, ASKED, [result("ana", 1), missing])
    assert list(scores(url)) == ["ana"]
    with Gradebook(url, "course") as gradebook:
        assert {s.id for s in gradebook.students} == {"ana", "dan"}


def test_nbgrader_reads_the_same_scores_from_the_notebook(release):
    notebook = nbformat.reads(autograded(release, result("ana", 0.5), []), as_version=4)
    nbformat.validate(notebook)
    got = {}
    for cell in notebook.cells:
        id = grade_id(cell) or ""
        if id.startswith("grade_"):
            got[id.removeprefix("grade_")] = determine_grade(cell)[0]
    assert got == {e.id: e.points / 2 for e in ASKED if not e.manual}


def test_nothing_of_a_message_is_live_in_the_notebook(release):
    text = autograded(release, result("ana", 0), [])
    assert "\\u001b" not in text
    for cell in nbformat.reads(text, as_version=4).cells:
        for output in cell.get("outputs", []):
            html = output.get("data", {}).get("text/html", "")
            assert "<script" not in html


@pytest.mark.parametrize(
    "odd", ["a b", "../x", "ä", "<b>", "a/b", "", "..", "'; drop table"]
)
def test_odd_names_become_plain_ids(odd):
    import re

    id = gradebook_id(odd)
    assert re.fullmatch(r"[A-Za-z0-9_][\w.@+-]*", id, re.ASCII) and ".." not in id
    assert gradebook_id("ana") == "ana" and gradebook_id("a b") != gradebook_id("a-b")
