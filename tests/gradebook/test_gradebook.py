import contextlib
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.utils import determine_grade

from autograder import exercises
from autograder.course import CourseError, Extension
from autograder.gradebook.database import gradebook_id, write_scores
from autograder.gradebook.notebooks import autograded
from autograder.grading.cells import grade_id
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
def answered(filled):
    """A right submission whose question is answered in words."""
    for cell in filled.cells:
        if grade_id(cell) == "explain_scaling":
            cell.source = "Because."
    return filled


@pytest.fixture
def write(url, course, release):
    """Writes results into the gradebook, as `autograder grade` does."""

    def write(*results, notebooks=None, course=course):
        write_scores(url, course, NAME, release, results, notebooks)

    return write


def scores(url):
    with Gradebook(url, "transformers") as gradebook:
        return {s.student.id: s.score for s in gradebook.assignment_submissions(NAME)}


@contextlib.contextmanager
def grade_of(url, student, question="explain_scaling"):
    with Gradebook(url, "transformers") as gradebook:
        yield gradebook.find_grade(question, NAME, NAME, student)
        gradebook.db.commit()


def give(url, student, points, question="explain_scaling"):
    """What formgrader does when a person types a score."""
    with grade_of(url, student, question) as grade:
        grade.manual_score, grade.needs_manual_grade = points, False


def test_scores_arrive(url, write, answered):
    write(
        result("ana", 1),
        result("ben", 0.5),
        result("cem", 0, "unreadable"),
        notebooks={"ana": answered},
    )
    assert scores(url) == {"ana": 12.0, "ben": 6.0, "cem": 0.0}
    with Gradebook(url, "transformers") as gradebook:
        assert gradebook.find_assignment(NAME).max_score == 14
        assert gradebook.find_submission(NAME, "ana").needs_manual_grade
        # An answer that was not given is not put before a person.
        assert not gradebook.find_submission(NAME, "ben").needs_manual_grade
        notebook = gradebook.find_submission_notebook(NAME, NAME, "ben")
        told = {c.name: c.auto_comment for c in notebook.comments}
        assert told["explain_scaling"] == "No response."


def test_a_persons_score_is_asked_again_only_when_the_answer_changes(
    url, write, answered
):
    write(result("ana", 1), notebooks={"ana": answered})
    give(url, "ana", 1.5)
    write(result("ana", 0.5), notebooks={"ana": answered})
    assert scores(url) == {"ana": 7.5}
    with grade_of(url, "ana") as grade:
        assert not grade.needs_manual_grade
    another = deepcopy(answered)
    for cell in another.cells:
        if grade_id(cell) == "explain_scaling":
            cell.source = "Another answer."
    for _ in range(2):  # grading twice does not take the question off the pile
        write(result("ana", 0.5), notebooks={"ana": another})
        with grade_of(url, "ana") as grade:
            assert grade.needs_manual_grade and grade.manual_score == 1.5
    give(url, "ana", 2)
    write(result("ana", 0.5), notebooks={"ana": another})
    assert scores(url) == {"ana": 8}
    with grade_of(url, "ana") as grade:
        assert not grade.needs_manual_grade


def test_an_overruled_check_is_asked_again_when_its_automatic_score_changes(url, write):
    check = "grade_attention"
    write(result("ana", 0.5))
    give(url, "ana", 3, check)
    write(result("ana", 0.5))
    with grade_of(url, "ana", check) as grade:
        assert not grade.needs_manual_grade and grade.score == 3
    write(result("ana", 1))
    with grade_of(url, "ana", check) as grade:
        assert grade.needs_manual_grade and grade.score == 3


def test_a_missing_submission_is_a_student_without_one(url, write):
    write(result("ana", 1), result("dan", 0, "missing"))
    assert list(scores(url)) == ["ana"]
    with Gradebook(url, "transformers") as gradebook:
        assert {s.id for s in gradebook.students} == {"ana", "dan"}


def test_lateness_reaches_the_gradebook(url, write, course):
    due = datetime(2026, 11, 20, 12, tzinfo=UTC)
    late = replace(
        course,
        assignments=(replace(course.assignments[0], due=due),),
        extensions=(Extension("ben", NAME, due + timedelta(days=7)),),
    )
    came = (due + timedelta(days=1, hours=1)).isoformat()
    for_ana = result("ana", 1).model_copy(update={"submitted": came, "penalty": 2.8})
    for_ben = result("ben", 1).model_copy(update={"submitted": came})
    for_cem = result("cem", 0).model_copy(update={"submitted": came, "penalty": 2.8})
    write(for_ana, for_ben, for_cem, course=late)
    with Gradebook(url, "transformers") as gradebook:
        told = {s.student.id: s for s in gradebook.assignment_submissions(NAME)}
        seconds = {student: s.total_seconds_late for student, s in told.items()}
        assert seconds == {"ana": 90_000, "ben": 0, "cem": 90_000}
        lost = {student: s.late_submission_penalty for student, s in told.items()}
        assert lost == {"ana": 2.8, "ben": 0, "cem": 2.8}


@pytest.mark.parametrize(
    "address, words",
    [
        ("postgresql+psycopg://a:hunter2@127.0.0.1:1/x", "cannot be opened"),
        ("sqlite:////nonexistent/folder/x.db", "cannot be opened"),
        ("nonsense", "address"),
        ("nosuchdb://x/y", "cannot be opened"),
    ],
)
def test_a_gradebook_that_cannot_be_had_is_one_sentence(
    address, words, course, release
):
    with pytest.raises(CourseError, match=words) as caught:
        write_scores(address, course, NAME, release, [])
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nbgrader_reads_the_same_scores_from_the_notebook(release):
    notebook = autograded(release, result("ana", 0.5), [])
    nbformat.validate(notebook)
    got = {}
    for cell in notebook.cells:
        id = grade_id(cell) or ""
        if id.startswith("grade_"):
            got[id.removeprefix("grade_")] = determine_grade(cell)[0]
    assert got == {e.id: e.points / 2 for e in ASKED if not e.manual}


def test_nothing_of_a_message_is_live_in_the_notebook(release):
    text = nbformat.writes(autograded(release, result("ana", 0), []))
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
