"""The Transformer's blocks and decoding, beside NumPy and published numbers."""

import math

import numpy as np
import pytest
import tensorflow as tf

from autograder import exercises
from autograder.answering import answer
from autograder.authoring.reference import reference_cells
from autograder.course import load_course
from autograder.language import next_token_logits

COURSE = load_course()


@pytest.fixture(scope="module")
def reference():
    namespace = {"__name__": "reference"}
    for cell in reference_cells(COURSE, "transformer"):
        exec(compile(cell, "<reference>", "exec"), namespace)
    return namespace


def test_stacks_of_the_blocks_are_the_published_transformer(reference):
    import keras

    sizes = {"num_heads": 8, "key_dim": 64, "ff_dim": 2048}
    encoder = reference["EncoderBlock"](**sizes)
    decoder = reference["DecoderBlock"](**sizes, cross_attention=True)
    norm = keras.layers.LayerNormalization()
    for layer in (encoder, decoder, norm):
        layer.build((None, None, 512))
    assert encoder.count_params() == 3_152_384
    assert decoder.count_params() == 4_204_032
    stacks = 6 * (encoder.count_params() + decoder.count_params())
    assert stacks + 2 * norm.count_params() == 44_140_544


# --- beside NumPy in float64 ------------------------------------------------------


def numpy_norm(layer, x):
    mean, spread = x.mean(-1, keepdims=True), x.std(-1, keepdims=True)
    gamma, beta = (w.numpy() for w in (layer.gamma, layer.beta))
    return (x - mean) / spread * gamma + beta


def numpy_dense(layer, x):
    return x @ layer.kernel.numpy().astype("float64") + layer.bias.numpy()


def numpy_attention(layer, x, memory, mask):
    def heads(x):
        return np.stack(np.split(x, layer.num_heads, axis=-1), axis=1)

    q, k, v = (
        heads(numpy_dense(part, of))
        for part, of in ((layer.query, x), (layer.key, memory), (layer.value, memory))
    )
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(layer.key_dim)
    weights = np.exp(scores - scores.max(-1, keepdims=True)) * mask
    weights /= weights.sum(-1, keepdims=True)
    mixed = np.concatenate(list(np.moveaxis(weights @ v, 1, 0)), axis=-1)
    return numpy_dense(layer.attention_output, mixed)


def numpy_feed_forward(block, x):
    h = numpy_dense(block.feed_forward_in, numpy_norm(block.feed_forward_norm, x))
    h = 0.5 * h * (1 + np.vectorize(math.erf)(h / math.sqrt(2)))
    return x + numpy_dense(block.feed_forward_out, h)


def filled(block, *inputs):
    """Calls a block once, then gives it weights of every kind."""
    block(*inputs)
    random = np.random.RandomState(1)
    for weight in block.weights:
        weight.assign(random.normal(0.3, 0.6, tuple(weight.shape)))
    return block


def test_encoder_block_equals_numpy(reference):
    random = np.random.RandomState(0)
    x = random.normal(size=(2, 5, 12), scale=3)
    mask = random.rand(2, 5, 5) < 0.6
    mask[:, range(5), range(5)] = True
    block = filled(reference["EncoderBlock"](3, 5, 17), x)
    normed = numpy_norm(block.attention_norm, x)
    due = x + numpy_attention(block.attention, normed, normed, mask[:, None])
    own = block(x.astype("float32"), attention_mask=mask)
    np.testing.assert_allclose(
        own, numpy_feed_forward(block, due), atol=2e-3, rtol=1e-3
    )


def test_decoder_block_equals_numpy(reference):
    random = np.random.RandomState(0)
    x, memory = random.normal(size=(2, 5, 12), scale=3), random.normal(size=(2, 7, 9))
    mask = random.rand(2, 5, 7) < 0.6
    mask[..., 0] = True
    made = reference["DecoderBlock"](3, 5, 17, cross_attention=True)
    block = filled(made, x, memory)
    normed = numpy_norm(block.attention_norm, x)
    causal = np.tril(np.ones((5, 5)))
    due = x + numpy_attention(block.attention, normed, normed, causal)
    asked = numpy_norm(block.cross_attention_norm, due)
    due = due + numpy_attention(block.cross_attention, asked, memory, mask[:, None])
    own = block(x.astype("float32"), memory.astype("float32"), memory_mask=mask)
    np.testing.assert_allclose(
        own, numpy_feed_forward(block, due), atol=2e-3, rtol=1e-3
    )


# --- the made-up language ---------------------------------------------------------


DECODE = "greedy_decode"


def decoded(reference, seed, name):
    """What the reference answers to a probe, call by call, with the call."""
    (asked,) = (e for e in exercises.load("transformer", seed) if e.names == (DECODE,))
    probe = next(probe for probe in asked.probes if probe.id == name)
    told = answer({"action": probe.action, "spec": probe.spec}, reference)
    assert told["error"] is None
    calls = probe.spec["calls"]
    return [(told["arrays"][f"{i}/0"], call) for i, call in enumerate(calls)]


@pytest.mark.parametrize("seed", range(12))
def test_rows_end_when_the_question_means_them_to(reference, seed):
    def ends(name):
        """The new columns in which each row says `end_id` first; -1 for never."""
        ((ids, call),) = decoded(reference, seed, name)
        prompt, count = call["args"]
        said = ids[:, prompt.shape[1] :] == call["kwargs"]["end_id"]
        assert ids.shape == (len(prompt), prompt.shape[1] + count)
        return sorted(np.where(said.any(1), said.argmax(1), -1).tolist()), count

    found, count = ends("end/rows")
    assert found == [-1, 0, 2, count - 1]
    assert ends("end/all")[0] == [0, 1, 2]
    assert ends("end/never")[0] == [-1, -1]
    found, count = ends("zero")
    assert found == [-1, 0, 2, count - 1]
    assert ends("prompt")[0] == [-1, 2, 3]


def test_a_loop_without_an_end_is_told(reference):
    def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
        while True:
            next_token_logits(prompt)

    (asked,) = (e for e in exercises.load("transformer", 3) if e.names == (DECODE,))
    probe = next(probe for probe in asked.probes if probe.id == "values")
    told = answer({"action": probe.action, "spec": probe.spec}, {DECODE: greedy_decode})
    assert told["error"]["type"] == "Refusal"
    assert "it must end after `max_new_tokens` rounds" in told["error"]["message"]


LANGUAGE = np.random.default_rng(5).permutation(12), np.eye(12, dtype="float32")
IDS = np.random.default_rng(6).integers(0, 12, (3, 5))


@pytest.mark.parametrize("kind", [np.array, tf.constant, np.ndarray.tolist])
def test_the_language_says_the_same_in_a_graph(kind):
    told = next_token_logits(*LANGUAGE, plain=False, limit=9)
    places = np.argsort(LANGUAGE[0])
    follows = (places[IDS[:, -1]] + places[IDS[:, 0]] % 3 + 1) % 12
    np.testing.assert_array_equal(told(kind(IDS)), LANGUAGE[1][follows])
    np.testing.assert_array_equal(tf.function(told)(tf.constant(IDS)), told(IDS))


def test_the_language_names_an_id_that_it_has_not():
    told = next_token_logits(*LANGUAGE, plain=False, limit=9)
    with pytest.raises(ValueError, match="the id 19; its ids go from 0 to 11"):
        told(np.where(IDS.max() == IDS, 19, IDS))
