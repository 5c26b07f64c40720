"""Keras' own layers, computed straight, are what Keras makes of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from autograder import thrift
from autograder.answering import describe
from autograder.given import MultiHeadAttention
from autograder.thrift import calling

DRAW = np.random.default_rng(0)
SPLIT, MERGE = "abc,cde->abde", "abcd,cde->abe"

LAYERS = {
    "dense": (lambda **k: keras.layers.Dense(4, **k), (2, 3, 5)),
    "dense of a batch": (lambda **k: keras.layers.Dense(4, **k), (3, 5)),
    "dense of four axes": (lambda **k: keras.layers.Dense(4, **k), (2, 2, 3, 5)),
    "dense with one unit": (lambda **k: keras.layers.Dense(1, **k), (2, 3, 5)),
    "dense without bias": (
        lambda **k: keras.layers.Dense(4, use_bias=False, **k),
        (2, 3, 5),
    ),
    "dense with an activation": (
        lambda **k: keras.layers.Dense(4, activation="gelu", **k),
        (2, 3, 5),
    ),
    "dense that halves": (
        lambda **k: keras.layers.Dense(4, activation="glu", **k),
        (2, 3, 5),
    ),
    "regularized dense": (
        lambda **k: keras.layers.Dense(4, activity_regularizer="l2", **k),
        (2, 5),
    ),
    "heads split": (
        lambda **k: keras.layers.EinsumDense(SPLIT, (None, 2, 3), bias_axes="de", **k),
        (2, 3, 5),
    ),
    "heads merged": (
        lambda **k: keras.layers.EinsumDense(MERGE, (None, 4), bias_axes="e", **k),
        (2, 3, 2, 5),
    ),
    "another equation": (
        lambda **k: keras.layers.EinsumDense("abc,cd->abd", (None, 4), **k),
        (2, 3, 5),
    ),
    "normalization": (lambda **k: keras.layers.LayerNormalization(**k), (2, 3, 5)),
    "normalization, bare": (
        lambda **k: keras.layers.LayerNormalization(center=False, scale=False, **k),
        (2, 3, 5),
    ),
    "normalization over two axes": (
        lambda **k: keras.layers.LayerNormalization(axis=(1, 2), **k),
        (2, 3, 5),
    ),
    "normalization of rows": (
        lambda **k: keras.layers.LayerNormalization(axis=1, **k),
        (2, 3, 5),
    ),
    "given attention": (lambda **k: MultiHeadAttention(2, 3, **k), (2, 3, 5)),
}


def built(name, dtype="float32"):
    """A layer, its weights drawn, and an input."""
    make, shape = LAYERS[name]
    layer = make(dtype=dtype)
    x = tf.constant(DRAW.normal(size=shape).astype("float32"))
    layer(x)
    for weight in layer.weights:
        weight.assign(DRAW.normal(size=weight.shape))
    return layer, x


def answers(layer, x, where):
    """What it makes of the input, and the gradients by input and weights."""
    graph = tf.function(lambda x: layer(x), autograph=False)
    run = graph if where == "graph" else layer
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = run(x)
        loss = tf.reduce_sum(tf.cos(tf.cast(y, "float32")))
    sources = [x, *(w.value for w in layer.trainable_weights)]
    told = [y, *tape.gradient(loss, sources), *(layer.losses if run is layer else [])]
    return [np.asarray(one) for one in told]


@pytest.mark.parametrize("where", ["eager", "graph"])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_numbers_and_gradients_are_the_same(name, dtype, where):
    layer, x = built(name, dtype)
    before = answers(layer, x, where)
    with thrift.thrifty():
        told = answers(layer, x, where)
    for one, due in zip(told, before, strict=True):
        assert one.dtype == due.dtype
        close = 10 * np.finfo(one.dtype).resolution
        np.testing.assert_allclose(one, due, close, close)


@pytest.mark.parametrize("name", ["dense", "heads split", "heads merged"])
def test_what_it_takes_is_what_keras_takes(name):
    layer, x = built(name)
    wrong = [x[..., :-1], x[0], tf.cast(x, "int32"), tf.cast(x, "float64"), x.numpy()]
    wrong += [x[None], tf.constant(1.0), tf.zeros((0, *x.shape[1:])), None, "x"]

    def told():
        for value in wrong:
            try:
                done = layer(value)
            except Exception as error:
                yield describe(error)["type"], describe(error)["message"]
            else:
                yield done.dtype, np.asarray(done).tobytes()

    before = list(told())
    with thrift.thrifty():
        assert list(told()) == before


def marked(x):
    """A tensor that carries a mask."""
    return keras.layers.Masking()(tf.concat([x[:, :1] * 0, x[:, 1:]], 1))


@pytest.mark.parametrize("name", ["dense", "normalization", "given attention"])
def test_a_mask_goes_where_keras_has_it_go(name):
    layer, x = built(name)

    def told():
        return getattr(layer(marked(x)), "_keras_mask", None)

    before = told()
    with thrift.thrifty():
        after = told()
    assert (before is None) == (after is None)
    if before is not None:
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("place", ["class", "layer"])
def test_a_call_that_somebody_wrapped_is_called(place, monkeypatch):
    layer, x = built("dense")
    owner = keras.layers.Dense if place == "class" else layer
    asked = []
    own = owner.call

    def wrapped(*args, **kwargs):
        asked.append(1)
        return own(*args, **kwargs)

    with thrift.thrifty():
        layer(x)
        if place == "class":
            monkeypatch.setattr(owner, "call", wrapped)
        else:
            object.__setattr__(layer, "call", wrapped)
        layer(x)
    assert asked == [1]


class Own(keras.layers.Dense):
    def call(self, inputs, training=None):
        return super().call(inputs) + 1


def test_a_subclass_calls_its_own():
    layer, x = Own(3), tf.ones((2, 4))
    before = layer(x)
    with thrift.thrifty():
        np.testing.assert_array_equal(layer(x), before)


def test_lora_and_a_weight_that_a_scope_replaces():
    layer, x = built("dense")
    layer.enable_lora(2)
    for weight in layer.weights:
        weight.assign(DRAW.normal(size=weight.shape))
    before = np.asarray(layer(x))
    plain, y = built("dense")
    twice = [(plain.bias, plain.bias + 1)]
    with thrift.thrifty():
        np.testing.assert_allclose(layer(x), before, 1e-5, 1e-5)
        with keras.StatelessScope(twice):
            moved = plain(y)
        np.testing.assert_allclose(moved, plain(y) + 1, 1e-5, 1e-5)


def test_weights_that_are_tied_are_tensors():
    layer, x = built("dense")
    tied, y = built("normalization")
    object.__setattr__(layer, "_kernel", keras.ops.transpose(tf.ones((4, 5))))
    object.__setattr__(layer, "bias", tf.ones((1, 4)))
    object.__setattr__(tied, "gamma", tf.ones(5))
    before = layer(x).numpy(), tied(y).numpy()
    with thrift.thrifty():
        for told, due in zip((layer(x), tied(y)), before, strict=True):
            np.testing.assert_allclose(told, due, 1e-6, 1e-6)


def test_it_is_taken_where_nothing_is_to_be_looked_after(monkeypatch):
    taken = []
    for name in ("dense", "einsum_dense", "layer_normalization"):
        own = getattr(calling, name)

        def noted(layer, x, own=own, name=name):
            taken.append(name)
            return own(layer, x)

        monkeypatch.setattr(calling, name, noted)
    monkeypatch.setattr(calling, "_of_shape", None)
    thrift.spared.cache_clear()
    try:
        for name in ("dense", "heads split", "heads merged", "normalization"):
            layer, x = built(name)
            taken.clear()
            with thrift.thrifty():
                layer(x)
            assert len(taken) == 1, name
            with thrift.thrifty(), pytest.raises(TypeError):  # it tells the shape
                Twice(layer)(keras.Input(x.shape[1:]))
    finally:
        thrift.spared.cache_clear()


class Twice(keras.layers.Layer):
    """Calls a layer in its own call, as a student's block does."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def call(self, x):
        return self.part(x)


@pytest.mark.parametrize("name", LAYERS)
def test_a_block_that_is_traced_for_its_shape_tells_the_same(name):
    layer, x = built(name)
    sizes = [x.shape[1:]]
    if not name.startswith("normalization") and len(x.shape) > 2:
        sizes.append((None, *x.shape[2:]))

    def told():
        return [Twice(layer)(keras.Input(size)).shape for size in sizes]

    before = told()
    with thrift.thrifty():
        assert told() == before
