"""What a regrade says of two results: who, which check, and why."""

import io

from rich.console import Console

from autograder.reports.changes import show_changes
from autograder.reports.regrading import compare
from autograder.results import (
    CheckResult,
    ClassResult,
    ExerciseResult,
    Provenance,
    SubmissionResult,
)


def result(student="ana", passed=True, message="", keras="3.1", **facts):
    points = 2.0 if passed else 0.0
    check = CheckResult(
        id="values",
        passed=passed,
        points=points,
        max_points=2,
        message=message,
        provenance=Provenance(keras=keras, seed_id="s"),
    )
    exercise = ExerciseResult(
        id="head", score=points, max_score=2, status="graded", checks=[check]
    )
    known = {"status": "graded", "score": points, "digest": "d", "file": "a.ipynb"}
    known |= {"student": student, "max_score": 4, "exercises": [exercise], **facts}
    return SubmissionResult(**known)


def compared(old, new):
    before = {} if old is None else {old.student: old}
    return compare(before, [] if new is None else [new])


def test_what_is_the_same_is_left_out():
    assert compared(result(), result(keras="3.2", seconds=9)) == []
    message = "It raised <A object at 0x7f00>."
    same = message.replace("0x7f00", "0x9e10")
    assert compared(result(message=message), result(message=same)) == []


def test_a_verdict_that_turns_is_told_with_points_and_reason():
    (one,) = compared(result(), result(passed=False, message="No.", keras="3.2"))
    (change,) = one.changes
    assert (one.old, one.new, one.moves) == (2, 0, True)
    assert change.what == "head/values"
    assert (change.before, change.after) == ("passed", "failed")
    assert (change.old_points, change.new_points, change.gain) == (2, 0, -2)
    assert change.reason == "No." and one.causes == ["Keras (3.1 → 3.2)"]
    (back,) = compared(result(passed=False, message="No."), result())
    assert "No." in back.changes[0].reason


def test_other_words_other_files_and_late_penalties_are_told():
    (one,) = compared(result(message="a"), result(message="b", file="b.ipynb"))
    assert not one.moves and "other words" in one.changes[0].after
    assert one.causes == ["another file (a.ipynb before, b.ipynb now)"]
    (late,) = compared(result(), result(penalty=1.0, digest="e", flags=["uses X"]))
    assert [c.what for c in late.changes] == ["late penalty", "flags"]
    assert late.new == 1 and late.causes == ["another file"]


def test_who_comes_and_who_goes_is_told():
    (come,) = compared(None, result())
    assert come.old is None and come.new == 2 and come.moves
    (gone,) = compared(result(), None)
    assert gone.new is None and "stays" in gone.changes[0].after
    (left,) = compared(result(), result(status="missing", score=0, exercises=[]))
    assert [c.what for c in left.changes] == ["status", "head"]


def test_an_exercise_that_another_mistake_explains_is_told():
    new = result(passed=False)
    new.exercises[0].misconception, new.exercises[0].hint = "no_scaling", "Scale."
    (one,) = compared(result(passed=False), new)
    assert one.changes[0].what == "head" and "no_scaling" in one.changes[0].after
    assert one.changes[0].reason == "Scale." and not one.moves


def test_the_table_is_inert_and_says_what_stays():
    console = Console(file=io.StringIO(), width=140)
    new = result("a[red]\x1b[2J", False, "[/] <b>")
    told = ClassResult(assignment="x", seed_id="s", submissions=[new])
    before = {new.student: result(new.student)}
    show_changes(console, before, told, lambda s, e: 1.5, applied=False)
    text = console.file.getvalue()
    assert "\x1b" not in text and "a[red]" in text and "[/] <b>" in text
    assert "A person gave 1.5; that stays" in text and "--apply" in text
    assert "1 of 1 students change, 1 of them in points" in text
    show_changes(console, {new.student: new}, told, lambda s, e: None, applied=True)
    assert "Nothing changes" in console.file.getvalue()
