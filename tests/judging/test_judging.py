import numpy as np
import pytest

from autograder.exercise import Check, Exercise, Probe
from autograder.judging import (
    Misconception,
    Records,
    deviation,
    examine,
    judge,
    tell_error,
)

VALUE = np.arange(6, dtype="float32").reshape(2, 3)


def answer(array=None, error=None, **facts):
    arrays = {} if array is None else {"0/0": np.asarray(array)}
    return {"error": error, "facts": facts, "arrays": arrays}


def exercise(**extra):
    first = Probe("a", "call", {"target": "f"}, **extra)
    second = Probe("b", "call", {"target": "f"})
    checks = (
        Check("values", "values", 2.0, (first,), message="Not the sum."),
        Check("more", "more", 1.0, (second,), ("values",)),
    )
    return Exercise("e", ("f",), "E", checks)


RIGHT = {"a": answer(VALUE), "b": answer(VALUE)}


def test_right_answers_get_all_points():
    judgement = judge(exercise(), RIGHT, Records(RIGHT))
    assert judgement.passed and judgement.score == 3.0


def test_a_wrong_value_fails_and_what_depends_on_it_is_skipped():
    answers = {**RIGHT, "a": answer(VALUE + 0.5)}
    judgement = judge(exercise(), answers, Records(RIGHT))
    values, more = judgement.verdicts
    assert judgement.score == 0
    assert not values.passed and "Not the sum." in values.message
    assert more.skipped and "values" in more.message
    (finding,) = values.findings
    assert finding.error > finding.tolerance > 0


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        answer(VALUE[:1]),
        answer(VALUE.T),
        answer(np.full_like(VALUE, np.nan)),
        answer(np.full_like(VALUE, np.inf)),
        answer(VALUE[0, 0]),
        answer(),
        {**answer(VALUE), "arrays": {"0/0": VALUE, "0/1": VALUE}},
        answer(error={"type": "ValueError", "message": "no", "lines": []}),
    ],
)
def test_what_is_not_the_answer_is_wrong(wrong):
    probe = exercise().probes[0]
    finding = examine(probe, wrong, answer(VALUE))
    assert not finding.passed and finding.message


def test_tolerance_lets_rounding_pass_and_a_weak_mask_not():
    probe = exercise().probes[0]
    assert examine(probe, answer(VALUE + 3e-6), answer(VALUE)).passed
    assert not examine(probe, answer(VALUE + 6e-5), answer(VALUE)).passed


def test_facts_are_compared():
    probe = exercise(facts=("0/0/dtype",)).probes[0]
    due = {**answer(VALUE), "facts": {"0/0/dtype": "float16"}}
    own = {**answer(VALUE), "facts": {"0/0/dtype": "float32"}}
    assert examine(probe, due, due).passed
    assert "float16" in examine(probe, own, due).message


def test_a_misconception_is_recognised_by_its_numbers():
    wrong = {**RIGHT, "a": answer(VALUE * 2)}
    other = {**RIGHT, "a": answer(VALUE * 3)}
    known = [
        Misconception("tripled", "e", "You tripled.", other),
        Misconception("doubled", "e", "You doubled.", wrong),
    ]
    judgement = judge(exercise(), wrong, Records(RIGHT, known))
    assert judgement.misconception.name == "doubled"
    own = {**RIGHT, "a": answer(VALUE * 5)}
    assert judge(exercise(), own, Records(RIGHT, known)).misconception is None


def test_unchanged_compares_with_ones_own_numbers():
    probe = Probe("a", "reload", {"target": "f"}, compare="unchanged")
    due = {"error": None, "facts": {}, "arrays": {"before/0": VALUE, "after/0": VALUE}}
    own = {
        "error": None,
        "facts": {},
        "arrays": {"before/0": -VALUE, "after/0": -VALUE},
    }
    lost = {
        "error": None,
        "facts": {},
        "arrays": {"before/0": VALUE, "after/0": -VALUE},
    }
    flat = {
        "error": None,
        "facts": {},
        "arrays": {"before/0": VALUE * 0, "after/0": VALUE * 0},
    }
    assert examine(probe, own, due).passed
    assert not examine(probe, lost, due).passed
    assert not examine(probe, flat, due).passed, "a constant answers nothing"


def test_deviation_is_relative_to_large_values_and_absolute_to_small_ones():
    assert deviation(np.array([101.0]), np.array([100.0])) == pytest.approx(1 / 101)
    assert deviation(np.array([0.1]), np.array([0.0])) == pytest.approx(0.1)
    assert deviation(np.array([np.inf]), np.array([np.inf])) == 0.0
    assert deviation(np.array([np.nan]), np.array([0.0])) == np.inf


def test_errors_are_told_by_the_students_line():
    told = tell_error(
        {"type": "KeyError", "message": "'a'", "lines": [["<x>", 3, "d['a']"]]}
    )
    assert told == "It raised KeyError: 'a'. (line 3: `d['a']`)"


def told(value):
    return {"error": None, "facts": {"value/0": value}, "arrays": {}}


@pytest.mark.parametrize(
    "own, due",
    [
        (["A", "T"], ["A", "T"]),
        (7, 7.0),
        (0.1 + 0.2, 0.3),
        ({"web": 2.0}, {"web": 2.0}),
        ([], []),
        (3 * 10**23, 3 * 10**23),
    ],
)
def test_python_values_that_agree(own, due):
    probe = Probe("a", "plain", {}, "values")
    assert examine(probe, told(own), told(due)).passed


@pytest.mark.parametrize(
    "own, due, words",
    [
        (["A"], ["A", "T"], "has 1 entries; expected 2"),
        (["A", "C"], ["A", "T"], "Entry 1 is 'C'; expected 'T'"),
        ({"type": "tuple"}, ["A"], "of type tuple; expected a list"),
        (None, ["A"], "is None; expected"),
        ("A T", ["A", "T"], "is 'A T'; expected"),
        (True, 1, "is True; expected 1"),
        ({"a": 1.0}, {"b": 1.0}, "has the keys ['a']; expected ['b']"),
        ({"a": 1.1}, {"a": 1.0}, "The entry 'a' is 1.1; expected 1.0"),
        (3e23, 3 * 10**23 + 1, "expected 300000000000000000000001"),
    ],
)
def test_python_values_that_do_not(own, due, words):
    probe = Probe("a", "plain", {}, "values")
    finding = examine(probe, told(own), told(due))
    assert not finding.passed and words in finding.message


def raising(kind, message):
    return answer(error={"type": kind, "message": message, "lines": []})


@pytest.mark.parametrize(
    "message, passed",
    [
        ("9x12 pixels, patches of 4", True),
        ("(B, 9, 12, 3) / 4.", True),
        ("9 is no multiple of 4", True),
        ("19 is no multiple of 4", False),
        ("4 does not divide the height", False),
    ],
)
def test_an_error_must_name_the_sizes_in_whatever_words(message, passed):
    spec = {"target": "f", "raises": "ValueError", "names": [9, 4]}
    probe, due = Probe("a", "call", spec), raising("ValueError", "9 by 4")
    assert examine(probe, raising("ValueError", message), due).passed == passed


@pytest.mark.parametrize(
    "message, name",
    [
        ("Cannot concatenate (3, 1, 8) and (1, 1, 8)", "not_spread"),
        ("Conv2D takes half, not float", None),
    ],
)
def test_an_error_is_recognised_by_what_it_complains_of(message, name):
    wrong = raising(
        "InvalidArgumentError", "Cannot concatenate (2, 1, 5) and (1, 1, 5)"
    )
    known = [Misconception("not_spread", "e", "Spread it.", {**RIGHT, "a": wrong})]
    own = {**RIGHT, "a": raising("InvalidArgumentError", message)}
    named = judge(exercise(), own, Records(RIGHT, known)).misconception
    assert (named and named.name) == name


# --- which mistake ----------------------------------------------------------------


def problem(kind="ValueError", message="no"):
    return answer(error={"type": kind, "message": message, "lines": []})


def asked(*sizes):
    """An exercise with a check per size, of so many probes: `c0/0`, `c0/1`, …"""
    checks = tuple(
        Check(
            f"c{i}",
            f"c{i}",
            1.0,
            tuple(Probe(f"c{i}/{j}", "call", {"target": "f"}) for j in range(size)),
        )
        for i, size in enumerate(sizes)
    )
    return Exercise("e", ("f",), "E", checks)


def named(sizes, own, theirs, exercise="e", suspected=()):
    """Which mistake is named where answers differ from the right ones by `own`."""
    exam = asked(*sizes)
    right = {probe.id: answer(VALUE) for probe in exam.probes}
    known = Misconception("known", exercise, "Mend it.", {**right, **theirs})
    judgement = judge(exam, {**right, **own}, Records(right, [known]), suspected)
    return judgement.misconception and judgement.advice


def test_a_mistake_is_named_though_another_one_hides_part_of_it():
    own = {"c0/0": answer(VALUE * 2), "c1/0": answer(VALUE * 7)}
    theirs = {"c0/0": answer(VALUE * 2), "c1/0": answer(VALUE * 2)}
    assert named((1, 1), own, theirs) == "Mend it."


def test_one_number_that_agrees_by_chance_names_nothing():
    own = {"c0/0": answer(VALUE * 2), "c0/1": answer(VALUE * 7)}
    theirs = {"c0/0": answer(VALUE * 2), "c0/1": answer(VALUE * 3)}
    assert named((2,), own, theirs) is None


def test_close_to_the_mistake_counts_only_where_it_is_closer_than_to_the_truth():
    theirs = {"c0/0": answer(VALUE + 6e-5)}
    assert named((1,), {"c0/0": answer(VALUE + 6.1e-5)}, theirs) == "Mend it."
    assert named((1,), {"c0/0": answer(VALUE - 6e-5)}, theirs) is None


def test_an_error_is_like_another_by_its_text_not_by_its_type():
    theirs = {"c0/0": problem("ValueError", "layer 'dense_3': expected 4, got (2, 5)")}
    same = {"c0/0": problem("ValueError", "layer 'query': expected 7, got (3, 9)")}
    other = {"c0/0": problem("ValueError", "give me a key")}
    assert named((1,), same, theirs) == "Mend it."
    assert named((1,), other, theirs) is None


def test_an_error_alone_names_a_mistake_only_where_all_else_agrees():
    theirs = {"c0/0": problem()}
    own = {"c0/0": problem(), "c1/0": answer(VALUE * 2)}
    assert named((1, 1), own, theirs) is None
    assert named((1, 1), own, {**theirs, "c1/0": answer(VALUE * 3)}) is None


def test_where_an_error_is_due_its_text_is_free():
    probe = Probe("c0/0", "call", {"target": "f", "names": [7]})
    exam = Exercise("e", ("f",), "E", (Check("c0", "c0", 1.0, (probe,)),))
    right = {"c0/0": problem(message="7 does not fit")}
    known = Misconception("known", "e", "Mend it.", {"c0/0": problem(message="no")})
    own = {"c0/0": problem(message="wrong size")}
    judgement = judge(exam, own, Records(right, [known]))
    assert not judgement.passed and judgement.misconception.name == "known"


def test_large_numbers_that_hide_a_score_are_alike():
    def hidden(low):
        array = VALUE.copy()
        array[0] = low
        return {"c0/0": answer(array)}

    assert named((1,), hidden(-1e9), hidden(-6e4)) == "Mend it."
    assert named((1,), hidden(-1e9), hidden(-10.0)) is None


def test_only_a_mistake_that_was_met_is_called_carried_over():
    wrong = {"c0/0": answer(VALUE * 2)}
    assert named((1,), wrong, wrong, "earlier") == "Mend it."
    told = named((1,), wrong, wrong, "earlier", ["known"])
    assert told == "This follows from `earlier`; mend that first. Mend it."
