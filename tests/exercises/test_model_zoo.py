"""The zoo's numbers are the published ones, in the notebook and in the questions."""

import pytest

from autograder.authoring.reference import reference_cells
from autograder.authoring.source import read_solution, read_variants
from autograder.course import load_course
from autograder.demo import complete
from autograder.exercises import model_zoo

COURSE = load_course()
# Counted twice, and compared with the models' published weights where there are any.
PUBLISHED = {
    "Transformer": 44_140_544,
    "GPT-1": 116_534_784,
    "BERT-base": 109_482_240,
    "BERT-large": 335_141_888,
    "GPT-2": 124_439_808,
    "GPT-2 medium": 354_823_168,
    "GPT-2 large": 774_030_080,
    "GPT-2 XL": 1_557_611_200,
    "DistilBERT": 66_362_880,
    "GPT-3": 174_604_259_328,
    "ViT-B/16": 86_567_656,
    "ViT-L/16": 304_326_632,
    "DeiT-S/16": 22_050_664,
    "DNABERT-3": 86_094_336,
    "DNABERT-4": 86_241_792,
    "DNABERT-5": 86_831_616,
    "DNABERT-6": 89_190_912,
}
# Hoffmann et al. (2022), table 3: parameters, operations, tokens.
CHINCHILLA = [
    (400e6, 1.92e19, 8.0e9),
    (1e9, 1.21e20, 20.2e9),
    (10e9, 1.23e22, 205.1e9),
    (175e9, 3.85e24, 3.7e12),
    (280e9, 9.90e24, 5.9e12),
    (520e9, 3.43e25, 11.0e12),
    (1e12, 1.27e26, 21.2e12),
    (10e12, 1.30e28, 216.2e12),
]


@pytest.fixture(scope="module")
def reference():
    namespace = {"__name__": "reference"}
    for cell in reference_cells(COURSE, "model_zoo"):
        exec(compile(cell, "<reference>", "exec"), namespace)
    return namespace


def test_published_models_are_counted_exactly(reference):
    count = reference["count_parameters"]
    counted = {name: count(config) for name, config in model_zoo.PUBLISHED.items()}
    assert counted == PUBLISHED


def test_the_notebook_shows_the_models_that_are_asked(reference):
    cells = read_solution(COURSE, "model_zoo")
    (source,) = (c.source for c in cells if "\nZOO = {" in c.source)
    shown = dict(reference)
    exec(compile(source, "<zoo>", "exec"), shown)
    assert {name: config for name, (_, config) in shown["ZOO"].items()} == (
        model_zoo.PUBLISHED
    )


def test_the_notebook_shows_the_mixtures_that_are_asked(reference):
    assert reference["PALM_WEIGHTS"] == model_zoo.PALM
    assert reference["GPT3_WEIGHTS"] == model_zoo.GPT3
    assert reference["GPT3_SIZES"] == model_zoo.GPT3_SIZES
    assert sum(model_zoo.PALM.values()) == 100
    assert sum(model_zoo.GPT3.values()) == 101


def test_mixtures_add_up(reference):
    mixture = reference["mixture_tokens"]
    palm = mixture(780e9, model_zoo.PALM)
    assert [round(n / 1e9, 1) for n in palm.values()] == [
        390,
        210.6,
        101.4,
        39,
        31.2,
        7.8,
    ]
    assert sum(mixture(300e9, model_zoo.GPT3).values()) == pytest.approx(300e9)


@pytest.mark.parametrize("parameters, operations, tokens", CHINCHILLA)
def test_compute_is_that_of_chinchillas_table(
    reference, parameters, operations, tokens
):
    estimate = reference["training_flops"](parameters, tokens)
    assert estimate == pytest.approx(operations, rel=0.011)


def test_compute_of_gpt3(reference):
    assert reference["training_flops"](174_604_259_328, 300e9) == pytest.approx(
        3.143e23, rel=1e-3
    )


def test_tiny_gpt_has_as_many_parameters_as_are_counted(reference):
    cells = read_solution(COURSE, "model_zoo")
    source = "\n".join(
        c.source
        for c in cells
        if "\nZOO = {" in c.source or "def make_gpt(" in c.source
    )
    shown = dict(reference)
    exec(compile(source, "<tiny>", "exec"), shown)
    for embed_dim in (16, 64):
        config = shown["tiny"](embed_dim)
        model = shown["make_gpt"](config)
        assert model.count_params() == reference["count_parameters"](config)


def test_a_made_up_student_hands_in_every_object_of_an_exercise():
    cells = read_solution(COURSE, "model_zoo")
    right = {c.marks["exercise"]: c.source for c in cells if c.role == "exercise"}
    for variant in read_variants(COURSE, "model_zoo"):
        handed_in = complete(variant, right)
        (asked,) = [e for e in model_zoo.exercises(1) if e.id == variant.exercise]
        assert all(f"def {name}(" in handed_in for name in asked.names), variant.name
        assert handed_in.endswith(variant.source)
