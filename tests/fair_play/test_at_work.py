"""Ready-made parts, seen at work while probes are answered."""

import base64
import inspect

import keras
import pytest

from autograder import exercises
from autograder.answering import answer
from autograder.exercises._shared import READY_MADE_ATTENTION
from autograder.watching import watch

HIDDEN = base64.b64encode(b"MultiHeadAttention").decode()
MHA = "keras.layers.MultiHeadAttention"
DOT = "keras.ops.dot_product_attention"
LAYER = """
import base64, keras
from keras import ops
class MultiHeadAttention(keras.layers.Layer):
    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(**kwargs)
        {made}
    def call(self, query, value=None, key=None, attention_mask=None,
             return_attention_scores=False):
        return {called}
"""
OUT = "self.inner(query, query)"
# Routes that no reader can follow, and those that enter a class in the middle.
ROUTES = {
    "decoded": (
        f"name = base64.b64decode('{HIDDEN}').decode()\n"
        "        self.inner = getattr(keras.layers, name)(2, 3)",
        OUT,
    ),
    "searched": (
        "self.inner = next(v for k, v in vars(keras.layers).items() "
        "if k.startswith('MultiHeadA'))(2, 3)",
        OUT,
    ),
    "deserialized": (
        "self.inner = keras.layers.deserialize({'class_name': 'MultiHeadAttention', "
        "'module': 'keras.layers', 'registered_name': None, "
        "'config': {'num_heads': 2, 'key_dim': 3}})",
        OUT,
    ),
    "call_itself": (
        "self.inner = keras.layers.MultiHeadAttention(2, 3)\n"
        "        self.inner.build((None, None, 6), (None, None, 6))",
        "self.inner.call(query, query)",
    ),
    "subclassed": (
        "class Mine(keras.layers.MultiHeadAttention): pass\n"
        "        self.inner = Mine(num_heads=2, key_dim=3)",
        OUT,
    ),
    "the_middle": (
        "self.inner = keras.layers.MultiHeadAttention(2, 3)\n"
        "        self.inner.build((None, None, 6), (None, None, 6))",
        "self.inner._compute_attention(*[d(query) for d in (self.inner._query_dense, "
        "self.inner._key_dense, self.inner._value_dense)])[0]",
    ),
}


def seen(code, **probe):
    namespace = {}
    exec(code, namespace)
    spec = {
        "target": "MultiHeadAttention",
        "construct": {"num_heads": 2, "key_dim": 3},
        "calls": [{"args": [keras.random.normal((2, 4, 6), seed=1).numpy()]}],
    }
    probe = {"action": "call", "spec": spec, "watch": READY_MADE_ATTENTION, **probe}
    told = answer(probe, namespace)
    assert told["error"] is None
    return told["facts"].get("ready_made", [])


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_ends_in_the_class(route):
    made, called = ROUTES[route]
    assert seen(LAYER.format(made=made, called=called)) == [MHA]


@pytest.mark.parametrize("action", ["symbolic", "compiled", "reload", "config"])
def test_other_questions_see_it_too(action):
    code = LAYER.format(made=ROUTES["searched"][0], called=OUT)
    code += "    def get_config(self):\n        return {'num_heads': 2, 'key_dim': 3}\n"
    assert seen(code, action=action) == [MHA]


@pytest.mark.parametrize(
    "alias",
    ["ops.dot_product_attention", "vars(ops)['dot_' + 'product_attention']"],
)
def test_a_function_is_seen_behind_its_aliases(alias):
    made = f"self.inner = {alias}"
    called = "self.inner(*[query[:, :, None]] * 3)"
    assert seen(LAYER.format(made=made, called=called)) == [DOT]


@pytest.mark.parametrize(
    "made, called",
    [
        ("self.inner = keras.layers.Dense(3)", "self.inner(query)"),
        ("self.inner = keras.layers.LayerNormalization()", "self.inner(query)"),
        ("self.inner = keras.layers.Softmax()", "self.inner(query)"),
        ("keras.layers.MultiHeadAttention", "query + 1"),
        (
            "pass",
            "query if not isinstance(self, keras.layers.Attention) else None",
        ),
        ("self.inner = ops.softmax", "self.inner(query @ ops.swapaxes(query, 1, 2))"),
    ],
)
def test_a_layer_of_ones_own_uses_nothing(made, called):
    assert seen(LAYER.format(made=made, called=called)) == []


def test_what_ran_before_the_questions_does_not_count():
    code = LAYER.format(made="pass", called="query + 1")
    code += "x = ops.ones((1, 2, 3))\nkeras.layers.MultiHeadAttention(2, 3)(x, x)"
    assert seen(code) == []


def test_an_error_keeps_what_was_seen():
    code = LAYER.format(
        made="self.inner = keras.layers.MultiHeadAttention(2, 3)", called="1 / 0"
    )
    namespace = {}
    exec(code, namespace)
    spec = {"target": "MultiHeadAttention", "construct": {"num_heads": 2, "key_dim": 3}}
    spec["calls"] = [{"args": []}]
    probe = {"action": "call", "spec": spec, "watch": READY_MADE_ATTENTION}
    told = answer(probe, namespace)
    assert told["error"] and told["facts"]["ready_made"] == [MHA]


def test_watching_leaves_no_trace():
    cls = keras.layers.MultiHeadAttention
    before = dict(vars(cls)), inspect.signature(cls.__init__)
    with pytest.raises(ZeroDivisionError), watch(READY_MADE_ATTENTION):
        assert vars(cls)["call"] is not before[0]["call"]
        assert inspect.signature(cls.__init__) == before[1]
        assert inspect.getfullargspec(cls.__init__).args[1] == "num_heads"
        _ = 1 / 0
    assert dict(vars(cls)) == before[0]


def test_every_watched_keras_name_exists():
    """A part that Keras renames would be watched in vain."""
    from autograder.watching import _find

    asked = [e for a in exercises.names() for e in exercises.load(a)]
    names = {n for e in asked for n in e.forbidden if n.startswith("keras.")}
    lost = {name for name in names if not callable(_find(name)[2])}
    assert len(names) == 6
    assert lost == {"keras.layers.GroupedQueryAttention"}  # its name in `keras.src`
