import math

import pytest

from autograder.reports.statistics import (
    Bar,
    class_statistics,
    histogram,
    point_biserial,
)

BOTH = {"f/v": "failed", "f/m": "skipped"}
MASKS = {"f/m": "failed"}


def mistake(name):
    return {"f": {"misconception": name, "hint": f"About {name}."}}


@pytest.fixture
def planted(submit, class_of):
    """Ten submissions whose numbers are known."""
    nothing = dict.fromkeys(["f/v", "f/m", "g/v"], "skipped")
    open_ = {id: {"status": "not_attempted"} for id in "fg"}
    return class_of(
        [
            *(submit(f"a{i}", seconds=1.0 + i) for i in range(4)),
            *(submit(f"b{i}", MASKS, exercises=mistake("late")) for i in range(3)),
            *(submit(f"c{i}", BOTH, exercises=mistake("early")) for i in range(1)),
            submit("d", nothing, exercises=open_),
            submit("e", nothing, exercises=open_, status="timeout", message="Slow."),
        ]
    )


def test_planted_frequencies_are_recovered(planted, asked):
    found = class_statistics(planted, asked)
    assert found.size == 10 and found.automatic == 4
    assert found.statuses == [("graded", 9), ("timeout", 1)]
    assert sorted(found.scores) == [0, 1, 3, 3, 3, 4, 4, 4, 4]
    assert found.median == 3 and found.mean == pytest.approx(26 / 9)
    values, masks, numbers = found.rates
    assert list(values.counts.values()) == [7, 1, 0, 2]
    assert list(masks.counts.values()) == [4, 3, 1, 2]
    assert list(numbers.counts.values()) == [8, 0, 0, 2]
    f, g = found.exercises
    assert (f.full, f.partial, f.none, f.open) == (4, 3, 1, 2)
    assert (g.full, g.partial, g.none, g.open) == (8, 0, 0, 2)
    assert [(m.name, m.students) for m in found.misconceptions] == [
        ("late", ("b0", "b1", "b2")),
        ("early", ("c0",)),
    ]
    assert found.misconceptions[0].hint == "About late."
    assert found.ungraded == [("e", "timeout", "Slow.")]
    assert found.manual == [("Why?", 9)]
    assert [r.id for r in found.everybody] == ["v"] and not found.nobody
    assert found.seconds[0] == (4.0, "a3") and found.median_seconds == 0


def test_what_nobody_passes_is_named(submit, class_of, asked):
    found = class_statistics(class_of(submit(f"s{i}", BOTH) for i in range(3)), asked)
    assert [(r.exercise, r.id) for r in found.nobody] == [("f", "v")]


def test_a_mistake_carried_on_counts_once(submit, class_of, asked):
    both = {id: {"misconception": "late", "hint": id} for id in "fg"}
    result = class_of([submit("a", BOTH, exercises=both)])
    (named,) = class_statistics(result, asked).misconceptions
    assert (named.exercise, named.students) == ("f", ("a",))


@pytest.mark.parametrize("size", [0, 1])
def test_almost_nobody(size, submit, class_of, asked):
    found = class_statistics(class_of([submit("a")] * size), asked)
    assert found.median == (4 if size else None)
    assert [r.discrimination for r in found.rates] == [None] * 3
    assert sum(bar.count for bar in found.bars) == size


def test_a_submission_without_exercises_counts_as_open(submit, class_of, asked):
    empty = submit("a", status="crashed").model_copy(update={"exercises": []})
    found = class_statistics(class_of([empty, submit("b")]), asked)
    assert [r.open for r in found.rates] == [1, 1, 1]


def test_point_biserial_by_hand():
    # Deviations ±½ and ±3/2, ±1/2: covariance 2, variances 1 and 5.
    assert point_biserial([True, True, False, False], [3, 2, 1, 0]) == pytest.approx(
        2 / math.sqrt(5)
    )
    assert point_biserial([True, False, False], [0, 1, 1]) == pytest.approx(-1)
    assert point_biserial([True, False, True, False], [1, 1, 2, 2]) == pytest.approx(0)


@pytest.mark.parametrize(
    "passed, rest",
    [([], []), ([True, False], [1, 0]), ([True] * 4, [1, 2, 3, 4])]
    + [([True, False, True], [0.3, 0.1 + 0.2, 0.3])],
)
def test_no_correlation_where_nothing_varies(passed, rest):
    assert point_biserial(passed, rest) is None


def test_discrimination_takes_the_check_out_of_the_score(submit, class_of, asked):
    # Among those judged for `masks`, the other points are the same for all but one.
    result = class_of(
        [
            submit("a"),
            submit("b"),
            submit("c", MASKS),
            submit("d", {**MASKS, "g/v": "failed"}),
        ]
    )
    _, masks, numbers = class_statistics(result, asked).rates
    assert masks.discrimination == pytest.approx(1 / math.sqrt(3))
    assert numbers.discrimination == pytest.approx(1 / math.sqrt(3))


@pytest.mark.parametrize(
    "top, width, count",
    [(12, 1, 12), (3, 0.25, 12), (14, 1, 14), (15, 2, 8), (0, 0.25, 4)],
)
def test_bars_have_round_widths(top, width, count):
    bars = histogram([], top)
    assert len(bars) == count and bars[0].high - bars[0].low == width
    assert bars[-1].high >= top


def test_bars_hold_every_score_once():
    bars = histogram([0, 0.99, 1, 11.5, 13, -1], 12)
    assert sum(bar.count for bar in bars) == 6
    assert bars[0] == Bar(0, 1, 3) and bars[1].count == 1
    assert bars[-1].count == 1 and bars[-1].low <= 13 <= bars[-1].high
    assert histogram([12, 11], 12)[-1] == Bar(11, 12, 2)
