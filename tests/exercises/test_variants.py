"""The checks are tested by mutation: every known mistake must be caught and named."""

import functools

import pytest

from autograder import exercises
from autograder.authoring.reference import ask_here, ask_variant, reference_cells
from autograder.authoring.source import read_variants
from autograder.course import load_course
from autograder.exercise import PUBLIC_SEED
from autograder.judging import Records, judge

COURSE = load_course()
SEEDS = (PUBLIC_SEED, 7)
# So many wrong and right variants are never to be fewer again; an assignment that is
# not listed has one of each.
LEAST = {
    "attention_head": (25, 8),
    "multi_head_attention": (35, 8),
    "vit_patch_embedder": (35, 8),
    "dna_tokenization": (40, 8),
    "transformer": (110, 11),
    "model_zoo": (80, 12),
}
# A block takes a second to ask: its mistakes are asked under the public seed only.
SLOW = {"transformer"}
ASSIGNMENTS = [a.name for a in COURSE.assignments]
VARIANTS = {a: read_variants(COURSE, a) for a in ASSIGNMENTS}
UNITS = [
    pytest.param(a, v, seed, id=f"{v.name}@{a}-{seed}")
    for a in ASSIGNMENTS
    for seed in SEEDS
    for v in VARIANTS[a]
    if seed == PUBLIC_SEED or v.right or a not in SLOW
]


@functools.lru_cache
def reference_alone(assignment, seed):
    """Returns records that know of no mistake, which takes a second or two."""
    asked = [e for e in exercises.load(assignment, seed) if not e.manual]
    answers = ask_here(reference_cells(COURSE, assignment), asked)
    return {"answers": answers, "misconceptions": []}


def judged(assignment, variant, seed, tree):
    """Judges a variant: a wrong one by the answers that the records keep of it."""
    asked = [e for e in exercises.load(assignment, seed) if not e.manual]
    exercise = next(e for e in asked if e.id == variant.exercise)
    if variant.right:
        cells = reference_cells(COURSE, assignment)
        answers = ask_variant(cells, variant, [exercise])[exercise.id]
    else:
        wrong = [v.name for v in VARIANTS[assignment] if not v.right]
        kept = tree["misconceptions"][wrong.index(variant.name)]
        assert kept["name"] == variant.mistake
        answers = tree["answers"][exercise.id] | kept["answers"].get(exercise.id, {})
    return judge(exercise, answers, Records.of(tree, exercise.id))


@pytest.mark.slow
@pytest.mark.parametrize("assignment, variant, seed", UNITS)
def test_variant(assignment, variant, seed, fresh_records):
    alone = assignment in SLOW and seed != PUBLIC_SEED
    tree = (reference_alone if alone else fresh_records)(assignment, seed)
    judgement = judged(assignment, variant, seed, tree)
    failed = {v.check.id: v.message for v in judgement.verdicts if not v.passed}
    if variant.right:
        assert not failed
        assert judgement.score == judgement.exercise.points
    else:
        lost = {v.check.id for v in judgement.verdicts if not v.passed}
        skipped = {v.check.id for v in judgement.verdicts if v.skipped}
        assert variant.check in lost - skipped, failed
        assert judgement.misconception.name == variant.mistake
        assert variant.hint


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_there_are_enough_of_them(assignment):
    variants = read_variants(COURSE, assignment)
    wrong, right = LEAST.get(assignment, (1, 1))
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


def layer_probes():
    """Yields every layer that is asked for, with a call of it and its constructor."""
    for assignment in ASSIGNMENTS:
        for exercise in exercises.load(assignment):
            for probe in exercise.probes:
                if probe.action == "config":
                    construct = dict(probe.spec["construct"])
                    construct.pop("name", None)
                    construct.pop("dropout", None)  # Keras counts its generators
                    yield (
                        assignment,
                        exercise.names[0],
                        construct,
                        probe.spec["calls"][0],
                    )


@pytest.mark.parametrize(
    "assignment, name, construct, call",
    [pytest.param(*found, id=found[1]) for found in layer_probes()],
)
def test_right_layers_pass_keras_own_layer_test(assignment, name, construct, call):
    import keras
    from keras.src.testing import TestCase

    namespace = {"__name__": "reference"}
    for cell in reference_cells(COURSE, assignment):
        exec(compile(cell, "<reference>", "exec"), namespace)
    layers = [namespace[name]]
    for variant in read_variants(COURSE, assignment):
        if variant.right and f"class {name}(" in variant.source:
            own = dict(namespace)
            exec(compile(variant.source, variant.name, "exec"), own)
            layers.append(own[name])
    assert len(layers) > 1
    x = call["args"][0]
    reference = namespace[name](**construct)
    shape = tuple(reference(keras.ops.convert_to_tensor(x)).shape)
    sublayers = list(reference._flatten_layers(include_self=False))
    held = {id(weight) for sublayer in sublayers for weight in sublayer.weights}
    # Keras compares with a symbolic call that casts no weight of the layer's own.
    castable = bool(held) and all(id(weight) in held for weight in reference.weights)
    for layer in layers:
        TestCase().run_layer_test(
            layer,
            init_kwargs=construct,
            input_shape=x.shape,
            input_dtype=None if x.dtype.kind == "f" else x.dtype.name,
            expected_output_shape=shape,
            expected_num_trainable_weights=len(reference.weights),
            expected_num_non_trainable_weights=0,
            # A block may draw its dropout by itself, and keep a generator for that.
            expected_num_seed_generators=None if assignment in SLOW else 0,
            expected_num_losses=0,
            # Variants register under one name, and the last would win.
            custom_objects={keras.saving.get_registered_name(layer): layer},
            run_training_check=bool(reference.weights),
            run_mixed_precision_check=castable,
        )


@pytest.mark.parametrize("seed", range(8))
def test_reference_equals_keras_multi_head_attention(seed):
    import keras
    import numpy as np

    namespace = {"__name__": "reference"}
    for cell in reference_cells(COURSE, "multi_head_attention"):
        exec(compile(cell, "<reference>", "exec"), namespace)
    random = np.random.RandomState(seed)
    heads, size, batch = random.randint(1, 5), random.randint(1, 8), 3
    tq, tk, fq, fv, fk = random.randint(2, 12, 5)

    def normal(*shape):
        return random.normal(size=shape).astype("float32")

    q, v, k = normal(batch, tq, fq), normal(batch, tk, fv), normal(batch, tk, fk)
    mask = random.rand(batch, tq, tk) < 0.6
    mask[..., 0] = True
    ours = namespace["MultiHeadAttention"](heads, size)
    theirs = keras.layers.MultiHeadAttention(heads, size)
    ours(q, v, k), theirs(q, v, k)
    for path in ("query", "key", "value", "attention_output"):
        own, their = getattr(ours, path), getattr(theirs, f"{path}_dense", None)
        their = their or getattr(theirs, f"_{path}_dense", None)
        their = their or theirs._output_dense
        kernel, bias = normal(*own.kernel.shape), normal(*own.bias.shape)
        own.set_weights([kernel, bias])
        their.set_weights(
            [kernel.reshape(their.kernel.shape), bias.reshape(their.bias.shape)]
        )
    for attention_mask in (None, mask):
        options = {"attention_mask": attention_mask, "return_attention_scores": True}
        for own, due in zip(
            ours(q, v, k, **options), theirs(q, v, k, **options), strict=False
        ):
            np.testing.assert_allclose(own, due, atol=2e-5)


def test_reference_tokenizer_equals_a_dictionary_of_strings():
    import itertools

    import numpy as np

    from autograder.datasets import encode_bases

    namespace = {"__name__": "reference"}
    for cell in reference_cells(COURSE, "dna_tokenization"):
        exec(compile(cell, "<reference>", "exec"), namespace)
    random = np.random.RandomState(0)
    for k in range(1, 7):
        kmers = ["".join(p) for p in itertools.product("ATCG", repeat=k)]
        index = {kmer: i for i, kmer in enumerate(kmers, start=5)}
        texts = ["".join(random.choice(list("ATCGN"), n)) for n in range(0, 24, 3)]
        due = np.zeros((len(texts), 16), "int32")
        for row, text in zip(due, texts, strict=True):
            windows = [text[i : i + k] for i in range(len(text) - k + 1)][:14]
            ids = [2, *(index.get(kmer, 1) for kmer in windows), 3]
            row[: len(ids)] = ids
        layer = namespace["KmerTokenizer"](k, 16)
        np.testing.assert_array_equal(layer(encode_bases(texts)), due)
        mask = layer.compute_mask(encode_bases(texts))
        np.testing.assert_array_equal(mask, due != 0)
