import json
import subprocess
import sys

import pytest

ROOT = __import__("pathlib").Path(__file__).parents[2]


def autograder(*arguments, cwd=ROOT):
    command = [sys.executable, "-m", "autograder", *map(str, arguments)]
    env = {**__import__("os").environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=500, env=env
    )


@pytest.mark.slow
def test_the_demo_grades_a_class(tmp_path):
    folder = tmp_path / "demo"
    done = autograder("demo", folder)
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "attention_head.json").read_text())
    students = {s["student"]: s for s in result["submissions"]}
    assert len(students) == 24
    assert {"graded", "unreadable"} <= {s["status"] for s in students.values()}
    assert sum(s["score"] == 12 for s in students.values()) >= 5
    assert any(
        e["status"] == "timeout" for s in students.values() for e in s["exercises"]
    )
    named = {e["misconception"] for s in students.values() for e in s["exercises"]}
    assert len(named) >= 8
    assert (folder / "gradebook.db").is_file()
    assert (folder / "reports" / "attention_head.html").is_file()
    pages = list(folder.glob("feedback/*/attention_head/attention_head.html"))
    assert len(pages) == 24
    assert "nothing written" in done.stdout and ": timeout" in done.stdout
    assert "24 submissions" in done.stdout and "class" in done.stdout.lower()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["grade", "attention_head", "--submitted", "nowhere"], "no folder"),
        (["grade", "nonsense", "--submitted", "."], "No assignment 'nonsense'"),
        (["build", "nonsense"], "No assignment 'nonsense'"),
        (["demo", "docs"], "no demo"),
        (["demo", "--assignment", "nonsense"], "No assignment 'nonsense'"),
        (["new", "class"], "a word of Python's"),
        (["new", "attention_head"], "there already"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_exit_code_2(arguments, words):
    done = autograder(*arguments)
    assert done.returncode == 2 and words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_outside_a_course_it_says_so(tmp_path):
    done = autograder("build", cwd=tmp_path)
    assert done.returncode == 2 and "course.toml" in done.stderr


def test_doctor_prints_the_ladder():
    done = autograder("doctor")
    assert "namespaces" in done.stdout and "seccomp" in done.stdout
