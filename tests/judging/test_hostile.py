"""Whatever a worker sends: the judge does not raise, and gives no points for it."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from autograder import exercises, records
from autograder.grading.answers import ENTRIES, NOT_AN_ANSWER, checked
from autograder.judging import Records, judge
from autograder.reports.feedback import pictures_of
from autograder.sandbox.host import _cell_outcome

NAMES = "attention_head", "multi_head_attention", "vit_patch_embedder"


@pytest.fixture(scope="module")
def asked(course):
    """Every exercise with its public records."""
    found = []
    for name in NAMES:
        tree = records.read(
            course.root / "autograder" / "public" / f"{name}.safetensors"
        )
        for exercise in exercises.load(name):
            if not exercise.manual:
                found.append((exercise, Records.of(tree, exercise.id)))
    return found


NUMBERS = (
    st.integers()
    | st.floats()
    | st.just(10**4000)
    | st.just(-(1 << 63) - 1)
    | st.booleans()
    | st.none()
)
TEXT = st.text(max_size=8) | st.just("\ud800") | st.just("x" * 200_000)
VALUES = st.recursive(
    NUMBERS | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner)
    ),
    max_leaves=6,
)
DTYPES = st.sampled_from(sorted(records.DTYPES))
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=5, min_side=0))


def forged(exercise, right):
    """Answers with the right names and anything else in their places."""

    def one(probe):
        due = right.answers[probe.id]
        facts = {name: VALUES for name in [*due["facts"], *probe.facts, "written"]}
        arrays = {name: ARRAYS | VALUES for name in due["arrays"]}
        return VALUES | st.fixed_dictionaries(
            {
                "error": st.none() | VALUES | st.fixed_dictionaries(
                    {"type": TEXT, "message": VALUES, "lines": VALUES}
                ),
                "facts": VALUES | st.fixed_dictionaries({}, optional=facts),
                "arrays": VALUES | st.fixed_dictionaries({}, optional=arrays),
            }
        )  # fmt: skip

    return st.fixed_dictionaries({probe.id: one(probe) for probe in exercise.probes})


@pytest.mark.slow
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_no_answer_makes_the_judge_raise(asked, data):
    exercise, right = data.draw(st.sampled_from(asked))
    answers = {
        id: checked(answer) for id, answer in data.draw(forged(exercise, right)).items()
    }
    judgement = judge(exercise, answers, right)
    lucky = {"attempted", "build"}  # what a random fact may well say rightly
    assert all(v.passed is False or _by_facts(v, lucky) for v in judgement.verdicts)
    json.dumps([v.message for v in judgement.verdicts]).encode()
    [v.message.encode() for v in judgement.verdicts]
    pictures_of([exercise], {exercise.id: answers}, {exercise.id: right})


def _by_facts(verdict, lucky):
    return not verdict.points or verdict.check.id in lucky


@settings(max_examples=300, deadline=None, derandomize=True)
@given(told=VALUES)
def test_no_outcome_of_a_cell_is_taken_as_it_comes(told):
    outcome = _cell_outcome(told, {"id": "x"})
    json.dumps(outcome, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize("cut", [0, 4, 30, -50, -1])
def test_damaged_records_are_told_as_such(cut):
    data = records.to_bytes({"a": np.ones(20), "b": 1})
    with pytest.raises((ValueError, KeyError)):
        records.from_bytes(data[:cut])


def test_wrong_types_are_no_answer():
    for forged in (None, [], 7, "x", {}, {"error": None, "facts": [], "arrays": {}}):
        assert checked(forged) == NOT_AN_ANSWER
    many = {str(i): 0 for i in range(ENTRIES + 1)}
    assert checked({"error": None, "facts": many, "arrays": {}}) == NOT_AN_ANSWER


def test_what_does_not_fit_is_dropped():
    facts = {"a": float("nan"), "b": 10**4000, "c": [[[[[[1]]]]]], "d": "x" * 200_000}
    arrays = {"0": np.ones(2), "1": [1, 2]}
    answer = checked({"error": None, "facts": facts | {"e": 1}, "arrays": arrays})
    assert answer["facts"] == {"e": 1} and list(answer["arrays"]) == ["0"]
    error = {"type": ["x"], "message": "\ud800", "lines": [["a", 1e400, "b"], "abc"]}
    told = checked({"error": error, "facts": {}, "arrays": {}})["error"]
    assert told == {"type": "", "message": "?", "lines": [["a", 0, "b"]]}
