from html.parser import HTMLParser

import numpy as np
import pytest

from autograder.exercise import Check, Exercise
from autograder.reports.class_page import class_page
from autograder.reports.feedback import feedback_page, summary
from autograder.reports.statistics import class_statistics
from autograder.results import (
    CheckResult,
    ClassResult,
    ExerciseResult,
    SubmissionResult,
)
from autograder.safe import csv_cell, inert
from autograder.student.figures import alt_text, compare_matrices

HOSTILE = (
    '<script>alert(1)</script>"><img src=x onerror=alert(1)>\x1b]0;t\x07\x1b[2J'
    "‮ {{ 7*7 }} `</code><script>`"
)
ASKED = [
    Exercise(
        "f", ("f",), "Write f", (Check("v", "values", 2.0), Check("m", "masks", 1.0))
    ),
    Exercise("why", (), "Why?", manual_points=2.0),
]


def submission(student, passed, status="graded", misconception=None):
    checks = [
        CheckResult(
            id=c.id,
            title=c.title,
            passed=ok,
            points=c.points * ok,
            max_points=c.points,
            message="" if ok else HOSTILE,
        )
        for c, ok in zip(ASKED[0].checks, passed, strict=True)
    ]
    score = sum(c.points for c in checks)
    first = ExerciseResult(
        id="f",
        score=score,
        max_score=3,
        status="graded",
        misconception=misconception,
        hint=misconception and "Look at √d.",
        checks=checks,
    )
    manual = ExerciseResult(id="why", score=0, max_score=2, status="manual")
    return SubmissionResult(
        student=student,
        status=status,
        score=score,
        max_score=5,
        message="" if status == "graded" else HOSTILE,
        repairs=[HOSTILE],
        flags=[HOSTILE],
        exercises=[first, manual],
    )


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def inspected(page):
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.tags
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert (
        "\x1b" not in page
        and "‮" not in page
        and "{{" not in page.replace("{{ 7*7 }}", "")
    )
    assert "http://" not in page and "https://" not in page
    assert "default-src 'none'" in page
    return tags.tags


def feedback(result, **extra):
    return feedback_page(result, ASKED, course_title="C", assignment_title="A", **extra)


@pytest.mark.parametrize("status", ["graded", "unreadable", "timeout", "missing"])
def test_feedback_is_inert_and_whole(status):
    result = submission(HOSTILE, (True, False), status, "no_scaling")
    page = feedback(result, sources={"f": f"def f():\n    '''{HOSTILE}'''"})
    assert "img" not in inspected(page)
    assert "2 of 3 points" in page and "Look at √d." in page
    assert "wait for a person" in page


def class_of(*submissions):
    return ClassResult(assignment="a", seed_id="x", submissions=list(submissions))


def page_of(result):
    links = {s.student: "x.html" for s in result.submissions}
    return class_page(
        result, ASKED, course_title="C", assignment_title="A", links=links
    )


@pytest.mark.parametrize("count", [0, 1, 40])
def test_class_page_is_inert_for_any_size(count):
    result = class_of(
        *(submission(f"{HOSTILE}{i}", (i % 2 == 0, False)) for i in range(count))
    )
    inspected(page_of(result))


def test_planted_frequencies_are_recovered():
    result = class_of(
        *(submission(f"a{i}", (True, True)) for i in range(5)),
        *(submission(f"b{i}", (True, False), "graded", "late") for i in range(3)),
        *(submission(f"c{i}", (False, False), "graded", "early") for i in range(2)),
    )
    statistics = class_statistics(result, ASKED)
    values, masks = statistics.rates
    assert (values.passed, values.failed) == (8, 2)
    assert (masks.passed, masks.failed) == (5, 5)
    assert [(m.name, len(m.students)) for m in statistics.misconceptions] == [
        ("late", 3),
        ("early", 2),
    ]
    assert statistics.median == 2.5 and statistics.automatic == 3
    assert not statistics.nobody and not statistics.everybody


def test_summaries_are_sentences():
    assert "right" in summary(submission("a", (True, True)))
    assert "f" in summary(submission("a", (True, False)))


@pytest.mark.parametrize(
    "text, kept",
    [
        ("plain", "plain"),
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b]8;;x\x07link", "link"),
        ("a\nb\tc", "a\nb\tc"),
        ("a\x00b", "a�b"),
        ("‮abc", "�abc"),
        ("x" * 5000, "x" * 1999 + "…"),
    ],
)
def test_inert(text, kept):
    assert inert(text) == kept


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "=cmd|' /C"]
)
def test_no_cell_starts_a_formula(text):
    assert not str(csv_cell(text)).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert csv_cell(-1) == -1


@pytest.mark.parametrize(
    "shape", [(3,), (2, 3), (2, 3, 4), (2, 2, 3, 4), (0, 3), (1, 1)]
)
def test_any_array_can_be_drawn(shape):
    expected = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    own = expected.copy()
    own[..., -1:] = np.nan
    png = compare_matrices(expected, own, title="t")
    assert png.startswith(b"\x89PNG")
    other = compare_matrices(expected, np.zeros((2, 5)), title="t")
    assert other.startswith(b"\x89PNG")
    assert "shape" in alt_text(expected, np.zeros((7, 5)))
