import csv
import io
import json

import pytest

from autograder.exports.canvas import CanvasError, fill
from autograder.exports.gradescope import to_results
from autograder.exports.tables import number, to_csv, to_json_lines
from autograder.results import (
    CheckResult,
    ClassResult,
    ExerciseResult,
    SubmissionResult,
)


def submission(student, *scores, status="graded", **more):
    exercises = [
        ExerciseResult(
            id=f"e{i}",
            score=score,
            max_score=3.0,
            status="graded",
            hint="Divide.",
            checks=[
                CheckResult(id="a", passed=score >= 1, points=min(score, 1.0),
                            max_points=1.0, message="Not the sum."),
                CheckResult(id="b", passed=score > 2, points=max(score - 1, 0.0),
                            max_points=2.0),
            ],
        )
        for i, score in enumerate(scores)
    ]  # fmt: skip
    exercises.append(
        ExerciseResult(id="why", score=0, max_score=2, status="manual", waits=True)
    )
    return SubmissionResult(
        student=student,
        status=status,
        score=sum(scores),
        max_score=8.0,
        exercises=exercises,
        **more,
    )


CLASS = ClassResult(
    assignment="attention_head",
    seed_id="abc",
    submissions=[
        submission("101", 3.0, 1 / 3),
        submission("jane@u.edu", 1.0, 0.0, flags=["=cmd|' /C calc'!A0", "tag"]),
        submission("=1+1", 0.0, 0.0, status="timeout", message="@SUM(A1)\nlate"),
        submission("103", 0.0, 0.0, status="missing"),
    ],
)

CANVAS = """\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Essay (7),\
Attention! One head (4711),Current Score
,,,,,Manual Posting,Manual Posting,(read only)
    Points Possible,,,,,5,9,(read only)
"Doe, John",101,u-1,john@u.edu,=HYPERLINK(1),4,,
"Doe, Jane",102,u-2,jane@u.edu,One,3,,
"Late, Lee",103,u-3,lee@u.edu,One,,2.5,
"Student, Test",999,,deadbeef,One,,,
"""


def rows(text):
    return list(csv.reader(io.StringIO(text, newline="")))


def test_csv_has_every_student_and_no_formula():
    header, *table = rows(to_csv(CLASS))
    assert header[:4] == ["student", "status", "total", "max_score"]
    assert [row[0] for row in table] == ["101", "jane@u.edu", "'=1+1", "103"]
    assert table[0][2:7] == ["3.3333", "8", "3.3333", "0", "2"]
    assert table[0][8:11] == ["3", "0.3333", "0"]
    cells = [cell for row in table for cell in row]
    assert not [c for c in cells if c.startswith(("=", "+", "-", "@", "\t"))]


def test_json_lines_hold_what_the_result_holds():
    lines = [json.loads(line) for line in to_json_lines(CLASS).splitlines()]
    assert [line["score"] for line in lines] == [s.score for s in CLASS.submissions]
    assert all(line["assignment"] == "attention_head" for line in lines)
    again = SubmissionResult.model_validate(
        {k: v for k, v in lines[0].items() if k in SubmissionResult.model_fields}
    )
    assert again == CLASS.submissions[0]


@pytest.mark.parametrize(
    "value, text", [(4.5, "4.5"), (12.0, "12"), (1 / 3, "0.3333"), (0.0, "0")]
)
def test_numbers(value, text):
    assert number(value) == text


def test_gradescope_counts_what_the_result_counts():
    told = to_results(CLASS.submissions[0])
    assert told["score"] == pytest.approx(3.3333)
    assert sum(test["score"] for test in told["tests"]) == pytest.approx(
        3.3333, abs=1e-3
    )
    assert [t["status"] for t in told["tests"]] == [
        "passed",
        "passed",
        "failed",
        "failed",
    ]
    assert "Divide." in told["tests"][2]["output"]
    assert "2 more points are given by a person" in told["output"]


def test_gradescope_tells_points_taken_for_a_rule():
    fined = submission("x", 3.0, 3.0, flags=["uses keras.layers.Attention"])
    fined.exercises[0].score, fined.score = 0.0, 3.0
    fined.exercises[0].message = "uses keras.layers.Attention"
    told = to_results(fined)
    assert told["score"] == 3.0 == sum(test["score"] for test in told["tests"])
    (rule,) = [t for t in told["tests"] if t["name"] == "e0: corrected"]
    assert rule["score"] == -3 and "keras.layers.Attention" in rule["output"]


def test_gradescope_has_what_people_gave_and_the_penalty():
    late = submission("x", 3.0, 1.0, penalty=1.5, late_seconds=3600.0)
    late.exercises[0].score = late.exercises[0].given = 2.0
    late.exercises[-1].score = late.exercises[-1].given = 1.5
    late.score, late.exercises[-1].waits = 4.5, False
    told = to_results(late)
    assert told["score"] == 3.0 == sum(test["score"] for test in told["tests"])
    assert [t["score"] for t in told["tests"]] == [1, 2, -1, 1, 0, 1.5, -1.5]
    assert "given by a person" not in told["output"]


def test_canvas_gets_its_own_rows_back_with_one_column():
    filled = fill(CANVAS, CLASS, ["attention_head", "Attention! One head"])
    table = rows(filled.text)
    assert table[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section",
                        "Attention! One head (4711)"]  # fmt: skip
    assert table[1][-1] == "Manual Posting"
    assert table[2] == ["    Points Possible", "", "", "", "", "9"]
    assert table[3] == [
        "Doe, John",
        "101",
        "u-1",
        "john@u.edu",
        "'=HYPERLINK(1)",
        "3.3333",
    ]
    assert table[4][-1] == "1"
    assert table[5][-1] == "2.5"  # nothing handed in: what stands there stays
    assert filled.unmatched == ("=1+1",)
    assert filled.waiting == ("Late, Lee", "Student, Test")
    assert "9 points possible" in filled.notes[0]


def test_canvas_never_compares_names():
    named = CLASS.model_copy(update={"submissions": [submission("Doe, John", 3.0)]})
    filled = fill(CANVAS, named, ["Attention! One head"])
    assert filled.unmatched == ("Doe, John",)
    assert rows(filled.text)[3][-1] == ""


@pytest.mark.parametrize(
    "text, column, words",
    [
        ("a,b\n1,2\n", None, "no gradebook of Canvas"),
        ("", None, "no gradebook of Canvas"),
        (CANVAS, "12", "No column"),
        (CANVAS.replace("Essay (7)", "Attention! One head (8)"), None, "More than one"),
        (CANVAS.replace("102", "101"), None, "more than one row"),
    ],
)
def test_what_is_not_unique_is_refused(text, column, words):
    with pytest.raises(CanvasError, match=words):
        fill(text, CLASS, ["Attention! One head"], column)


@pytest.mark.parametrize("column", ["7", "Essay (7)"])
def test_a_column_may_be_named(column):
    filled = fill(CANVAS, CLASS, ["attention_head"], column)
    assert filled.column == "Essay (7)"
