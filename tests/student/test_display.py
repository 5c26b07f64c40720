"""What is shown can be read on any page, by a screen reader, and on paper."""

import re

import numpy as np
import pytest

import autograder
from autograder import exercises
from autograder.student.checking import _picture, known_of
from autograder.student.display import Report

LINES = 12


@pytest.fixture(scope="module")
def reports():
    """Reports of a third of the known mistakes; nothing is run."""
    from autograder.judging import judge

    made = []
    for exercise in (e for a in exercises.names() for e in exercises.load(a)):
        if exercise.manual:
            continue
        known = known_of(exercise)
        for mistake in known.misconceptions[::3]:
            judgement = judge(exercise, mistake.answers, known)
            if not judgement.passed:
                picture = _picture(judgement, mistake.answers, known)
                made.append(Report(judgement, picture, rule="A rule."))
    return made


def test_a_report_has_a_dozen_lines_at_most_and_says_what_is_next(reports):
    assert len(reports) > 40
    for report in reports:
        lines = repr(report).splitlines()
        assert len(lines) <= LINES, repr(report)
        assert report.rule in lines[1]
        assert re.search("Next: |not yours|not written yet", lines[0]), lines[0]


def test_every_mark_is_said_in_words(reports):
    marks = reports[0]._repr_html_()
    spoken = re.findall(r'class="m" role="img" aria-label="([^"]+)"', marks)
    assert "not yet:" in spoken
    assert len(spoken) == marks.count("<li")
    assert 'role="status"' in marks


def test_most_mistakes_with_wrong_numbers_are_drawn_by_the_smallest_of_them(reports):
    drawn = [report.picture for report in reports if report.picture]
    assert len(drawn) > 15
    for picture in drawn:
        assert picture.own.shape == picture.expected.shape
        assert "largest difference is" in picture.alt
    first = next(r for r in reports if r.picture)
    verdict = next(v for v in first.judgement.verdicts if v.findings and not v.passed)
    known = known_of(first.judgement.exercise)
    sizes = [
        array.size
        for probe in verdict.check.probes
        for array in known.answers[probe.id]["arrays"].values()
    ]
    assert first.picture.expected.size == min(sizes)


def test_every_picture_is_told_in_words_and_has_no_ground_of_its_own(reports):
    from io import BytesIO

    from PIL import Image

    report = next(r for r in reports if r.picture)
    html = report._repr_html_()
    assert re.findall('<img(?![^>]*alt="[^"]+)', html) == []
    assert report.picture.alt in repr(report)
    corner = Image.open(BytesIO(report.picture.png)).convert("RGBA").getpixel((0, 0))
    assert corner[3] == 0


def test_paper_gets_plain_words(reports):
    for report in reports:
        text = report._repr_latex_()
        assert "\\\\\n[" not in text, "LaTeX would take it for the break's argument"
        assert re.search(r"(?<!\\)[#$%&_]", text) is None
        assert "<" not in text and "✗" not in text
        depth = re.sub(r"\\[\\{}]", "", text)
        assert depth.count("{") == depth.count("}")


def test_what_is_all_right_earns_a_rosette_of_the_students_own_numbers():
    from io import BytesIO

    from PIL import Image

    def split_kmers(sequence, k):
        return [sequence[i : i + k] for i in range(len(sequence) - k + 1)]

    def split_heads(x, num_heads):
        from keras import ops

        if x.shape[-1] % num_heads:
            raise ValueError(f"{x.shape[-1]} does not divide by {num_heads}.")
        batch, length = ops.shape(x)[:2]
        size = x.shape[-1] // num_heads
        parts = ops.reshape(x, (batch, length, num_heads, size))
        return ops.transpose(parts, (0, 2, 1, 3))

    words = autograder.check("split_kmers", split_kmers)
    heads = autograder.check("split_heads", split_heads)
    for report in (words, heads):
        assert report.passed and "Next: " in report.headline
        picture = np.array(Image.open(BytesIO(report.reward.png)))
        assert picture[..., 3].min() == 0 and np.ptp(picture[..., 0]) > 50
        assert report.reward.alt in report._repr_html_()
    assert words.reward.png != heads.reward.png
