import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from autograder.exercise import Check, Exercise, Probe
from autograder.judging import Records
from autograder.reports.class_page import class_page
from autograder.reports.feedback import (
    UNGRADED,
    Picture,
    feedback_page,
    pictures_of,
    summary,
)
from autograder.results import Alike

HOSTILE = (
    '<script>alert(1)</script>"><img src=x onerror=alert(1)>\x1b]0;t\x07\x1b[2J'
    "' onmouseover='x \u202e\u2066\x00 {{ 7*7 }} `</code><iframe src=//e.invalid>` "
    "</style><svg onload=alert(1)> <a href=javascript:x> &lt;b&gt;"
)
TAGS = set(
    """html head meta title style body header main section aside footer h1 h2 h3 p
    blockquote div span strong b small bdi ul li dl dt dd br a code pre details figure
    summary
    figcaption img svg rect line text table thead tbody tr th td""".split()
)
BLOCKS = set(
    "blockquote br section h1 h2 h3 p div li dt dd td th pre details summary".split()
)


class Parsed(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.names, self.links, self.images = set(), set(), [], []
        self.levels, self.ids, self.text, self.open = [], [], [], []
        self.styles = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.add(tag)
        self.text += [" "] if tag in BLOCKS else []
        self.names |= set(values)
        self.ids += [values["id"]] if "id" in values else []
        self.styles += [values["style"]] if "style" in values else []
        self.links += [values["href"]] if "href" in values else []
        self.images += [values] if tag == "img" else []
        self.levels += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        assert values.get("role") != "img" or values.get("aria-label"), values
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.styles if self.open[-1:] == ["style"] else self.text).append(data)


def inspected(page):
    """Parses a page, and asserts that it is inert, whole and on its own."""
    parsed = Parsed(page)
    assert parsed.tags <= TAGS and not parsed.open
    assert not [name for name in parsed.names if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)
    assert not re.search(r"url\(|@import", "".join(parsed.styles))
    assert not [link for link in parsed.links if re.match(r"\w+:|//", link)]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    for image in parsed.images:
        assert image["src"].startswith("data:image/png;base64,") and image["alt"]
    assert parsed.levels[0] == 1 and parsed.levels.count(1) == 1
    assert all(
        b - a <= 1 for a, b in zip(parsed.levels, parsed.levels[1:], strict=False)
    )
    assert len(set(parsed.ids)) == len(parsed.ids)
    return parsed


def words(page):
    return " ".join("".join(inspected(page).text).split())


@pytest.fixture
def feedback(asked):
    def make(result, **extra):
        return feedback_page(
            result, asked, course_title="C", assignment_title="A", **extra
        )

    return make


@pytest.fixture
def classwide(asked, class_of):
    def make(submissions, similar=(), **extra):
        return class_page(
            class_of(submissions, similar=similar),
            asked,
            course_title="C",
            assignment_title="A",
            **extra,
        )

    return make


# --- feedback ---------------------------------------------------------------------

WRONG = {"f/v": "failed", "f/m": "skipped"}


def test_feedback_tells_right_wrong_and_what_waits(submit, feedback):
    mistake = {"misconception": "no_scaling", "hint": "Divide by `√d`."}
    text = words(
        feedback(
            submit("ana", WRONG, "They are too large.", {"f": mistake}),
            sources={"f": "def f(): ..."},
            graded_at="on Monday",
        )
    )
    assert "ana 1 of 4 points" in text
    assert "1 of 2 exercises is complete, and most is to be gained in “Write f”" in text
    assert "A mistake we know no_scaling Divide by √d." in text
    assert "values 0 of 2 They are too large." in text
    assert "masks 1 point, waits for “values”" in text
    assert "numbers 1" in text and "def f(): ..." in text
    assert "2 more points wait for a person. Graded on Monday." in text
    assert "waiting for a person" in text
    assert "attempted" not in text


def test_repairs_are_told_and_flags_are_not(submit, feedback):
    result = submit("ana", repairs=["cell 7: lost its name"], flags=["cell 9: edited"])
    text = words(feedback(result))
    assert "We had to mend your notebook" in text and "cell 7: lost its name" in text
    assert "cost no points" in text and "edited" not in text


def test_an_exercise_that_raised_shows_the_students_own_line(submit, feedback):
    states = {"f/attempted": "failed", "f/v": "skipped", "f/m": "skipped"}
    told = "It raised NameError: name 'opps' is not defined. (line 3: `opps.exp(x)`)"
    raised = {"status": "error", "message": told}
    page = feedback(submit("ana", states, exercises={"f": raised}))
    assert "opps.exp(x)" in words(page) and "<code>opps.exp(x)</code>" in page
    many = {"status": "error", "message": "Traceback\n  <b>line 3</b>"}
    page = feedback(submit("ana", states, exercises={"f": many}))
    assert "<pre><code>Traceback\n  &lt;b&gt;line 3" in page


def test_an_untouched_exercise_names_a_first_step(submit, feedback):
    states = {"g/v": "skipped"}
    text = words(
        feedback(submit("a", states, exercises={"g": {"status": "not_attempted"}}))
    )
    assert 'hint("g")' in text and "All that you wrote is right; one exercise" in text


@pytest.mark.parametrize("status", UNGRADED)
def test_ungraded_says_what_happened_what_it_costs_what_to_do(status, submit, feedback):
    states = dict.fromkeys(["f/attempted", "f/v", "f/m", "g/v"], "skipped")
    gone = {id: {"status": "error", "message": "Too big."} for id in "fg"}
    result = submit("ana", states, exercises=gone, status=status, message="Too big.")
    text = words(feedback(result))
    for heading in ("What happened", "What it costs", "What to do"):
        assert heading in text
    assert UNGRADED[status][0] in text and "Too big." in text
    assert text.count("Too big.") == 1  # not once per exercise
    unread = status in ("missing", "unreadable")
    assert ("None of the 6 points" in text) == unread
    assert ("waiting for a person" in text) != unread


def test_pictures_stand_with_their_check(submit, feedback):
    pictures = {
        ("f", "v"): Picture(b"png", 'expected "1"'),
        ("g", "v"): Picture(b"", ""),
    }
    page = feedback(submit("ana", WRONG), pictures=pictures)
    (image,) = inspected(page).images
    assert image["src"].endswith(base64.b64encode(b"png").decode())
    assert image["alt"] == 'expected "1"'
    assert page.index("values") < page.index("<img") < page.index("masks")


def test_a_picture_is_drawn_of_the_first_public_question_that_is_wrong():
    probes = (Probe("v/a", "call", {}), Probe("v/b", "call", {}))
    exercise = Exercise("f", ("f",), "F", (Check("v", "values", 1.0, probes),))

    def answer(*values):
        value = np.array([values], "float32")
        return {"arrays": {"value": value}, "facts": {}, "error": None}

    due = Records({"v/a": answer(1, 2), "v/b": answer(3, 4)})
    own = {"v/a": answer(1, 2), "v/b": answer(3, 5)}
    drawn = pictures_of([exercise], {"f": own}, {"f": due})
    assert drawn["f", "v"].png.startswith(b"\x89PNG")
    assert "The largest difference is 1" in drawn["f", "v"].alt
    assert pictures_of([exercise], {"f": {"v/a": own["v/a"]}}, {"f": due}) == {}
    assert pictures_of([exercise], {}, {"f": due}) == {}


@pytest.mark.parametrize("status", ["graded", *UNGRADED])
def test_a_hostile_student_is_inert(status, submit, feedback):
    mistake = {"misconception": HOSTILE, "hint": HOSTILE, "message": HOSTILE}
    result = submit(
        HOSTILE,
        WRONG,
        HOSTILE,
        {"f": mistake},
        status=status,
        message=HOSTILE,
        repairs=[HOSTILE] * 3,
        flags=[HOSTILE],
    )
    page = feedback(result, sources={"f": HOSTILE * 50, "why": HOSTILE})
    parsed = inspected(page)
    assert not parsed.images and not parsed.links
    assert "{{ 7*7 }}" in page  # shown as it was written
    assert "<script>alert(1)</script>" in "".join(parsed.text)


def test_endless_strings_are_cut(submit, feedback):
    page = feedback(submit("x" * 10**6, WRONG, "y" * 10**6), sources={"f": "z" * 10**6})
    inspected(page)
    assert len(page) < 60_000


# --- the sentence -----------------------------------------------------------------


@pytest.mark.parametrize(
    "states, exercises, told",
    [
        ({}, {}, "Everything that can be checked is right. Well done."),
        (
            dict.fromkeys(["f/v", "f/m", "g/v"], "skipped"),
            {id: {"status": "not_attempted"} for id in "fg"},
            "The exercises are still as you got them.",
        ),
        (
            {**WRONG, "g/v": "failed"},
            {},
            "No exercise is complete yet, and “Write f” has no point so far: begin "
            "there.",
        ),
        (
            {**WRONG, "g/v": "failed"},
            {id: {"misconception": "late"} for id in "fg"},
            "No exercise is complete yet, and one mistake, made in “Write f”, runs "
            "through 2 exercises: mend it there first.",
        ),
    ],
)
def test_the_sentence(states, exercises, told, submit, asked):
    assert summary(submit("a", states, exercises=exercises), asked) == told


# --- the class --------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2, 24, 1000])
def test_a_class_of_any_size(size, submit, classwide):
    students = [submit(f"s{i:04d}", WRONG if i % 2 else {}) for i in range(size)]
    page = classwide(students, links={s.student: f"{s.student}.html" for s in students})
    parsed = inspected(page)
    assert len(parsed.links) == size
    assert ("no submissions" in " ".join(parsed.text)) == (size == 0)


def test_the_class_page_tells_everything(submit, classwide):
    late = {"f": {"misconception": "no_scaling", "hint": "Divide."}}
    students = [
        submit("ana", {}),
        submit("ben", WRONG, exercises=late, repairs=["cell 7: mended"]),
        submit("cem", WRONG, exercises=late, flags=["cell 9: edited"], seconds=7.25),
        submit("dan", WRONG, status="missing", score=0, message="No notebook."),
    ]
    pair = Alike(students=("ben", "cem"), share=0.81, passages=12, excerpt="return <b>")
    text = words(classwide(students, similar=[pair]))
    for told in (
        "Submissions 4",
        "Graded 3",
        "Missing 1",
        "Median score 1 of 4",
        "Mean score 2 of 4",
        "3 answers to read: Why?",
        "dan missing No notebook.",
        "cem cell 9: edited",
        "1 notebook had to be mended",
        "ben cell 7: mended",
        "no_scaling Write f 2 ben, cem",
        "ben, cem 81%",
        "return <b>",
        "7.2 s at most (cem)",
    ):
        assert told in text, told


def test_many_names_are_folded(submit, classwide):
    late = {"f": {"misconception": "no_scaling"}}
    page = classwide([submit(f"s{i:02d}", WRONG, exercises=late) for i in range(20)])
    assert "and 12 more" in words(page)


def test_a_hostile_class_is_inert(submit, classwide):
    late = {"f": {"misconception": HOSTILE, "hint": HOSTILE, "message": HOSTILE}}
    more = {"message": HOSTILE, "flags": [HOSTILE] * 40, "repairs": [HOSTILE] * 40}
    students = [
        submit(f"{HOSTILE}{i}", WRONG, HOSTILE, late, status=status, **more)
        for i, status in enumerate(["graded", *UNGRADED])
    ]
    pair = Alike(
        students=(students[0].student, "=1+1"), share=1.0, passages=9, excerpt=HOSTILE
    )
    links = {s.student: 'javascript:alert(1)"><b>' for s in students}
    parsed = inspected(classwide(students, similar=[pair], links=links))
    assert set(parsed.links) == {"javascript%3Aalert%281%29%22%3E%3Cb%3E"}


# --- what people gave -------------------------------------------------------------


def graded_by_people(submit):
    told = {
        "f": {"given": 2.5, "comment": "The idea is right."},
        "why": {"given": 1.5, "comment": "Say `why`, <b>not</b> how."},
    }
    result = submit("ana", WRONG, exercises=told)
    for exercise in result.exercises:
        exercise.score = exercise.score if exercise.given is None else exercise.given
        exercise.waits = False
    return result.model_copy(
        update={"score": 5.0, "penalty": 2.0, "late_seconds": 25 * 3600.0}
    )


def test_after_a_named_mistake_other_failing_checks_are_brief(submit, feedback):
    states = {"f/v": "failed", "f/m": "failed"}
    named = {"f": {"misconception": "no_scaling", "hint": "Divide."}}
    text = words(feedback(submit("ana", states, "A rule.", named)))
    assert "values 0 of 2 A rule. Fail too, most likely for the same reason" in text
    assert "masks 0 of 1 what the check says A rule." in text
    assert "same reason" not in words(feedback(submit("ana", states, "A rule.")))


def test_feedback_tells_what_people_gave_and_what_lateness_cost(submit, feedback):
    text = words(feedback(graded_by_people(submit)))
    assert "5 of 6 points" in text
    assert (
        "It came 1 day and 1 hour after the deadline. That costs 2 points, so 3" in text
    )
    assert "gave 2.5 of 3 points" in text and "The idea is right." in text
    assert "gave 1.5 of 2 points. Say why, <b>not</b> how." in text
    assert "waiting for a person" not in text


def test_the_class_page_tells_totals_where_they_differ(submit, classwide):
    assert "total" not in words(classwide([submit("ben", {})]))
    text = words(classwide([graded_by_people(submit), submit("ben", {})]))
    assert "ana 3.5 3 graded" in text and "ben 4 4 graded" in text
    assert "1 answer to read: Why?" in text
