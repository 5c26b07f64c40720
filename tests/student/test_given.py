"""Given layers keep the contracts, take a student's weights, and are no way around."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from autograder import exercises
from autograder.answering import answer
from autograder.authoring.leaks import find_leaks, secret_lines
from autograder.authoring.reference import reference_cells
from autograder.exercises._shared import READY_MADE_ATTENTION
from autograder.given import MultiHeadAttention
from autograder.judging import judge
from autograder.ready_made import read_uses
from autograder.student.checking import ask, known_of

MHA = "autograder.given.MultiHeadAttention"
SHAPES = ((3, 5, 10), (3, 7, 8), (3, 7, 9))
GIVEN = {"MultiHeadAttention": MultiHeadAttention}


def asked_for(name):
    known = (e for a in exercises.names() for e in exercises.load(a))
    return next(e for e in known if name in e.names)


@pytest.mark.parametrize("name", GIVEN)
def test_it_keeps_the_contract_and_is_ready_made(name):
    exercise = asked_for(name)
    answers = ask(exercise, {name: GIVEN[name]})
    judgement = judge(exercise, answers, known_of(exercise))
    assert judgement.passed, [v.message for v in judgement.verdicts if not v.passed]
    seen = [a["facts"].get("ready_made") for a in answers.values()]
    assert [f"autograder.given.{name}"] in seen
    assert all(told in (None, [f"autograder.given.{name}"]) for told in seen)


@pytest.fixture(scope="module")
def own(course):
    """The class as a student writes it."""
    namespace = {}
    for cell in reference_cells(course, "multi_head_attention"):
        exec(cell, namespace)
    return namespace["MultiHeadAttention"]


def model_of(cls):
    inputs = [keras.Input((None, shape[-1])) for shape in SHAPES]
    return keras.Model(inputs, cls(2, 3, name="heads")(*inputs))


@pytest.mark.parametrize("way", ["file", "arrays"])
@pytest.mark.parametrize("given_first", [True, False], ids=["to_own", "from_own"])
def test_weights_go_both_ways(own, given_first, way, tmp_path):
    classes = (MultiHeadAttention, own) if given_first else (own, MultiHeadAttention)
    source, target = map(model_of, classes)
    random = np.random.RandomState(3)
    source.set_weights([random.normal(size=w.shape) for w in source.weights])
    if way == "file":
        source.save_weights(tmp_path / "heads.weights.h5")
        target.load_weights(tmp_path / "heads.weights.h5")
    else:
        target.set_weights(source.get_weights())
    inputs = [random.normal(size=shape).astype("float32") for shape in SHAPES]
    due, found = (keras.ops.convert_to_numpy(m(inputs)) for m in (source, target))
    np.testing.assert_allclose(found, due, atol=2e-5)
    assert [w.shape for w in source.weights] == [w.shape for w in target.weights]


def test_it_trains_and_freezes(own):
    given, theirs = model_of(MultiHeadAttention), model_of(own)
    assert given.count_params() == theirs.count_params()
    given.get_layer("heads").trainable = False
    assert not given.trainable_weights
    given.get_layer("heads").trainable = True
    inputs = [np.ones(shape, "float32") for shape in SHAPES]
    given.compile("sgd", "mse")
    before = given.get_weights()
    given.fit(inputs, np.zeros(SHAPES[0], "float32"), verbose=0)
    moved = [
        np.abs(a - b).max() > 0
        for a, b in zip(before, given.get_weights(), strict=True)
    ]
    assert sum(moved) >= 5  # among them what comes out; equal tokens ask for nothing


def test_masks_that_tensors_carry_are_not_used():
    ids = np.array([[1, 2, 0, 0]])
    x = keras.layers.Embedding(3, 6, mask_zero=True)(ids)
    layer = MultiHeadAttention(2, 3)
    with pytest.warns(UserWarning, match="does not support masking"):
        _, scores = layer(x, return_attention_scores=True)
    assert keras.ops.convert_to_numpy(scores).min() > 0
    assert getattr(x, "_keras_mask", None) is not None


@pytest.mark.parametrize("sizes", [(0, 3), (2, -1)])
def test_sizes_that_cannot_be_are_refused(sizes):
    with pytest.raises(ValueError, match="positive"):
        MultiHeadAttention(*sizes)


ROUTES = {
    "imported": "from autograder.given import MultiHeadAttention",
    "renamed": "from autograder import given as g\nMultiHeadAttention = "
    "g.MultiHeadAttention",
    "importlib": "import importlib\nMultiHeadAttention = "
    "importlib.import_module('autograder.given').MultiHeadAttention",
    "getattr": "import autograder.given\nMultiHeadAttention = "
    "getattr(autograder.given, 'Multi' + 'HeadAttention')",
    "starred": "from autograder.given import *",
    "subclassed": "from autograder.given import MultiHeadAttention as Given\n"
    "class MultiHeadAttention(Given): pass",
    "earlier": "from autograder import earlier, given\nMultiHeadAttention = "
    "earlier('MultiHeadAttention', given.MultiHeadAttention)",
}


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_read(route):
    names = ["MultiHeadAttention"]
    assert read_uses([ROUTES[route]], names, READY_MADE_ATTENTION) == [MHA]


BUILT_ON = """
import keras
from autograder.given import MultiHeadAttention
class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner = MultiHeadAttention(2, 3)
    def call(self, x):
        return self.inner(x)
"""


@pytest.mark.parametrize("forbidden, due", [(READY_MADE_ATTENTION, [MHA]), ((), [])])
def test_later_exercises_may_build_on_it(forbidden, due):
    """What works inside a given layer is no use of Keras' own attention."""
    keras_own = "keras.layers.MultiHeadAttention"
    namespace = {}
    exec(BUILT_ON, namespace)
    call = {"args": [np.ones((2, 4, 6), "float32")]}
    spec = {"target": "Block", "construct": {}, "calls": [call]}
    probe = {"action": "call", "spec": spec, "watch": [*forbidden, keras_own]}
    assert answer(probe, namespace)["facts"].get("ready_made", []) == due
    read = read_uses([BUILT_ON], ["Block"], [*forbidden, keras_own])
    assert read == due


def test_its_source_gives_no_solution_away(course):
    source = Path(sys.modules["autograder.given"].__file__).read_bytes()
    assert not list(find_leaks({"given.py": source}, secret_lines(course), {}))
    for word in (b"softmax", b"sqrt", b"matmul", b"einsum", b"transpose"):
        assert word not in source


def test_nobody_waits_for_it():
    code = "import autograder, sys; sys.exit('autograder.given' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_layers_of_one_size_stay_apart():
    """What is ready-made inside is one for all of them; their weights are their own."""
    x = np.ones((1, 3, 4), "float32") + np.arange(3, dtype="float32")[:, None]
    one, other = MultiHeadAttention(2, 3), MultiHeadAttention(2, 3)
    told = [keras.ops.convert_to_numpy(layer(x)) for layer in (one, other, one)]
    assert np.abs(told[0] - told[1]).max() > 1e-3
    np.testing.assert_array_equal(told[0], told[2])
    half = MultiHeadAttention(2, 3, dtype="mixed_float16")(x)
    assert keras.backend.standardize_dtype(half.dtype) == "float16"


def test_one_made_in_a_graph_serves_outside():
    layer = MultiHeadAttention(3, 5)
    x = np.ones((2, 4, 7), "float32")
    layer.build((None, None, 7))
    inside = tf.function(layer)(x)
    np.testing.assert_allclose(inside, layer(x), atol=1e-6)
    np.testing.assert_allclose(MultiHeadAttention(3, 5)(x).shape, x.shape)
