"""The checks are tested by mutation: every known mistake must be caught and named."""

import pytest

from autograder import exercises
from autograder.authoring.reference import (
    ask_variant,
    make_records,
    reference_cells,
)
from autograder.authoring.source import read_variants
from autograder.course import load_course
from autograder.exercise import PUBLIC_SEED
from autograder.judging import Records, judge

COURSE = load_course()
SEEDS = (PUBLIC_SEED, 7)
LEAST = {"attention_head": (25, 8)}
ASSIGNMENTS = [a.name for a in COURSE.assignments]
VARIANTS = [(a, v) for a in ASSIGNMENTS for v in read_variants(COURSE, a)]
_records = {}


def records(assignment, seed):
    key = assignment, seed
    if key not in _records:
        _records[key] = make_records(COURSE, assignment, seed)
    return _records[key]


def judged(assignment, variant, seed):
    asked = [e for e in exercises.load(assignment, seed) if not e.manual]
    exercise = next(e for e in asked if e.id == variant.exercise)
    cells = reference_cells(COURSE, assignment)
    answers = ask_variant(cells, variant, [exercise])[variant.exercise]
    known = Records.of(records(assignment, seed), variant.exercise)
    return judge(exercise, answers, known)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "assignment, variant", VARIANTS, ids=[f"{a}-{v.name}" for a, v in VARIANTS]
)
def test_variant(assignment, variant, seed):
    judgement = judged(assignment, variant, seed)
    failed = {v.check.id: v.message for v in judgement.verdicts if not v.passed}
    if variant.right:
        assert not failed
        assert judgement.score == judgement.exercise.points
    else:
        lost = {v.check.id for v in judgement.verdicts if not v.passed}
        skipped = {v.check.id for v in judgement.verdicts if v.skipped}
        assert variant.check in lost - skipped, failed
        assert judgement.misconception.name == variant.name
        assert variant.hint


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_there_are_enough_of_them(assignment):
    variants = read_variants(COURSE, assignment)
    wrong, right = LEAST[assignment]
    assert sum(not v.right for v in variants) >= wrong
    assert sum(v.right for v in variants) >= right


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_same_seed_same_questions(assignment):
    first, again = exercises.load(assignment, 3), exercises.load(assignment, 3)
    assert exercises.digest(first) == exercises.digest(again)
    assert exercises.digest(first) != exercises.digest(exercises.load(assignment, 4))


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_shape_of_exercises_does_not_depend_on_the_seed(assignment):
    def outline(seed):
        return [
            (e.id, e.points, [(c.id, c.points, c.requires) for c in e.checks])
            for e in exercises.load(assignment, seed)
        ]

    assert outline(1) == outline(2) == outline(PUBLIC_SEED)


def test_reference_head_passes_keras_own_layer_test():
    from keras import initializers  # noqa: F401 - Keras must be up first
    from keras.src.testing import TestCase

    namespace = {"__name__": "reference"}
    for cell in reference_cells(COURSE, "attention_head"):
        exec(compile(cell, "<reference>", "exec"), namespace)
    right = [v for v in read_variants(COURSE, "attention_head") if v.right]
    heads = [namespace["AttentionHead"]]
    for variant in right:
        if variant.exercise == "attention_head":
            own = dict(namespace)
            exec(compile(variant.source, variant.name, "exec"), own)
            heads.append(own["AttentionHead"])
    for head in heads:
        TestCase().run_layer_test(
            head,
            init_kwargs={"head_dim": 6},
            input_shape=(2, 5, 9),
            expected_output_shape=(2, 5, 6),
            expected_num_trainable_weights=3,
            expected_num_non_trainable_weights=0,
            expected_num_seed_generators=0,
            expected_num_losses=0,
            supports_masking=False,
            custom_objects={head.__name__: head},
        )
