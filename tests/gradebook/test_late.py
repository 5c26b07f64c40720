import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from autograder.course import CourseError, LateRule, load_course
from autograder.grading.collect import Found
from autograder.grading.lateness import note_lateness, read_timestamp
from autograder.results import SubmissionResult

HOUR = 3600
COURSE = """
[course]
id = "c"
title = "C"
repository = "https://example.org/c"

[[assignment]]
name = "a"
title = "A"
due = 2026-11-20T23:59:00+01:00
"""


def course(tmp_path, text=""):
    (tmp_path / "course.toml").write_text(COURSE + text)
    return load_course(tmp_path)


@pytest.mark.parametrize(
    "rule, hours, points",
    [
        (LateRule(), 1000, 0),
        (LateRule(percent_per_day=10), 0, 0),
        (LateRule(percent_per_day=10), 1, 1.4),
        (LateRule(percent_per_day=10), 24, 1.4),
        (LateRule(percent_per_day=10), 25, 2.8),
        (LateRule(percent_per_day=10), 24 * 30, 14),
        (LateRule(percent_per_day=10, maximum_percent=30), 24 * 30, 4.2),
        (LateRule(percent_per_day=10, maximum_percent=300), 24 * 30, 14),
        (LateRule(percent_per_day=10, grace_minutes=60), 1, 0),
        (LateRule(percent_per_day=10, grace_minutes=60), 1.01, 1.4),
    ],
)
def test_the_rule(rule, hours, points):
    assert rule.penalty(hours * HOUR, 14) == pytest.approx(points)


def test_an_extension_moves_the_deadline_of_one_student_and_only_later(tmp_path):
    read = course(
        tmp_path,
        '\n[[extension]]\nstudent = "ana"\nassignment = "a"\n'
        "until = 2026-11-27T23:59:00+01:00\n"
        '[[extension]]\nstudent = "ben"\nassignment = "a"\n'
        "until = 2026-11-01T23:59:00+01:00\n",
    )
    due = datetime(2026, 11, 20, 22, 59, tzinfo=UTC)
    assert read.deadline("a", "cem") == read.deadline("a", "ben") == due
    assert read.deadline("a", "ana") == due.replace(day=27)


@pytest.mark.parametrize(
    "text, words",
    [
        ("[late]\npercent_per_day = -1\n", "from 0"),
        ('[late]\npercent_per_day = "10"\n', "from 0"),
        ("[late]\npercent = 10\n", "unknown key 'percent'"),
        ("[late]\npercent_per_day = nan\n", "from 0"),
        ('[[extension]]\nstudent = "x"\nassignment = "a"\nuntil = 2026-11-27\n', "UTC"),
        (
            '[[extension]]\nstudent = "x"\nassignment = "b"\n'
            "until = 2026-11-27T00:00:00Z\n",
            "No assignment 'b'",
        ),
        ('[[assignment]]\nname = "b"\ntitle = "B"\ndue = 2026-11-20T23:59:00\n', "due"),
    ],
)
def test_a_vague_or_mistyped_rule_is_refused(tmp_path, text, words):
    with pytest.raises(CourseError, match=words):
        course(tmp_path, text)


@pytest.mark.parametrize(
    "text, told",
    [
        ("2026-11-20 23:59:00.000000 UTC", "2026-11-20T23:59:00+00:00"),
        ("2026-11-20 23:59:00 +0100\n", "2026-11-20T22:59:00+00:00"),
        ("2026-11-20T23:59:00+01:00", "2026-11-20T22:59:00+00:00"),
        ("2026-11-20 23:59:00 CET", "2026-11-20T22:59:00+00:00"),
        ("2026-11-20 23:59:00", "2026-11-20T23:59:00+00:00"),
        *[
            (bad, None)
            for bad in ("", "soon", "12", "\0", "9" * 40, "2026-13-45 99:99")
        ],
        ("9999-12-31 23:59:00 -1400", None),
    ],
)
def test_timestamps(tmp_path, text, told):
    path = tmp_path / "timestamp.txt"
    path.write_text(text)
    moment = read_timestamp(path)
    assert (moment and moment.isoformat()) == told


def test_a_timestamp_that_is_no_file_is_unknown(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name in ("pipe", "link", "bytes", "nothing", "."):
        assert read_timestamp(tmp_path / name) is None


def test_a_result_tells_when_it_came_and_what_that_costs(tmp_path):
    late = course(tmp_path, "\n[late]\npercent_per_day = 50\n")
    notebook = tmp_path / "a.ipynb"
    found = Found("ana", notebook, "found")

    def noted(score, course=late):
        result = SubmissionResult(
            student="ana", status="graded", score=score, max_score=14
        )
        note_lateness(course, "a", found, result)
        return result

    assert noted(9).penalty == 0 and "lateness" in noted(9).flags[0]
    (tmp_path / "timestamp.txt").write_text("2026-11-21 22:59:00 UTC")
    assert noted(9).penalty == 7 and noted(9).late_seconds == 24 * HOUR
    assert noted(3).penalty == 7 and noted(3).total == 0
    assert noted(9).score == 9, "the score stays what it is"
    assert noted(9).total == 2
    free = replace(late, assignments=(replace(late.assignments[0], due=None),))
    assert noted(9, free).penalty == 0 and not noted(9, free).flags
