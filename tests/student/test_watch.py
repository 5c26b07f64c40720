"""Watching a layer attend: its weights, and nothing in the model is changed."""

import keras
import numpy as np
import pytest
from keras import ops

from autograder import watch


def random(*shape):
    return np.random.RandomState(sum(shape)).normal(size=shape).astype("float32")


class Block(keras.layers.Layer):
    """Attends within another layer, and asks for its scores where told to."""

    def __init__(self, asks):
        super().__init__()
        self.attention, self.asks = keras.layers.MultiHeadAttention(2, 3), asks

    def call(self, x):
        if not self.asks:
            return self.attention(x, x)
        output, scores = self.attention(x, x, return_attention_scores=True)
        assert scores.shape[1] == 2
        return output


@pytest.mark.parametrize("asks", [False, True])
def test_weights_are_the_layers_own(asks):
    inputs, block = keras.Input((None, 6)), Block(asks)
    model, x = keras.Model(inputs, block(inputs)), random(2, 5, 6)
    before = ops.convert_to_numpy(model(x))
    seen = watch(block.attention, lambda: model(x))
    _, due = block.attention(x, x, return_attention_scores=True)
    np.testing.assert_allclose(seen, due, atol=1e-6)
    np.testing.assert_array_equal(ops.convert_to_numpy(model(x)), before)
    assert "call" not in vars(block.attention)


def test_the_last_call_counts_and_an_error_leaves_no_trace():
    layer = keras.layers.MultiHeadAttention(1, 2)
    x = random(1, 4, 2)
    seen = watch(layer, lambda: (layer(x, x), layer(x[:, :3], x)))
    assert seen.shape == (1, 1, 3, 4)
    with pytest.raises(ZeroDivisionError):
        watch(layer, lambda: 1 / 0)
    assert "call" not in vars(layer)


def test_a_layer_that_did_not_run_is_named():
    layer = keras.layers.MultiHeadAttention(1, 2, name="idle")
    with pytest.raises(ValueError, match="idle was not called"):
        watch(layer, lambda: None)
