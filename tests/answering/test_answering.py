import keras
import numpy as np
import pytest
import tensorflow as tf

from autograder.answering import answer
from autograder.records import from_bytes, to_bytes


class Head(keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = keras.layers.Dense(units, dtype=self.dtype_policy)

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


X = np.arange(12, dtype="float32").reshape(2, 6)
KERNEL = np.ones((6, 3), "float32")


def ask(action, **spec):
    spec = {"target": "Head", "construct": {"units": 3}, **spec}
    return answer({"action": action, "spec": spec}, {"Head": Head})


def test_weights_are_transplanted_and_reshaped():
    got = ask(
        "call",
        weights={"dense.kernel": KERNEL.reshape(-1), "dense.bias": np.ones(3, "f4")},
        calls=[{"args": [X]}],
    )
    np.testing.assert_allclose(got["arrays"]["0/0"], X @ KERNEL + 1)


@pytest.mark.parametrize(
    "weights, words",
    [
        ({"query.kernel": KERNEL}, "Head has no sublayer or weight `query`"),
        ({"dense.gamma": KERNEL}, "Head.dense has no weight `gamma`"),
        ({"dense.units": KERNEL}, "not a weight"),
        ({"dense.kernel": KERNEL[:2]}, "expected 6 numbers"),
    ],
)
def test_a_missing_path_is_named(weights, words):
    got = ask("call", weights=weights, calls=[{"args": [X]}])
    assert got["error"]["type"] == "Refusal" and words in got["error"]["message"]


@pytest.mark.parametrize("action", ["config", "reload", "compiled", "symbolic"])
def test_round_trips(action):
    weights = {"dense.kernel": KERNEL}
    got = ask(action, weights=weights, calls=[{"args": [X]}])
    assert got["error"] is None
    arrays = list(got["arrays"].values())
    np.testing.assert_allclose(arrays[0], arrays[-1], rtol=1e-6)


def test_a_graph_is_traced_as_fit_would_and_a_function_by_autograph():
    def halved(x):
        if keras.ops.sum(x) > 0:
            x = x / 2
        return x

    class Halved(keras.layers.Layer):
        def call(self, x):
            return halved(x)

    def told(target, **spec):
        spec = {"target": target, "calls": [{"args": [X]}], **spec}
        names = {"halved": halved, "Halved": Halved}
        return answer({"action": "compiled", "spec": spec}, names)

    np.testing.assert_allclose(told("halved")["arrays"]["after/0"], X / 2)
    error = told("Halved", construct={})["error"]
    assert "symbolic" in error["message"] and "Python `bool`" in error["message"]


def test_a_notebooks_own_graphs_are_optimized_as_before():
    for before in (False, True):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})
        ask("compiled", weights={"dense.kernel": KERNEL}, calls=[{"args": [X]}])
        after = tf.config.optimizer.get_experimental_options()
        assert after["disable_meta_optimizer"] is before
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


def test_gradients_by_weights_and_inputs():
    got = ask(
        "gradients",
        weights={"dense.kernel": KERNEL},
        paths=["dense.kernel"],
        calls=[{"args": [X]}],
        cotangent=np.ones((2, 3), "float32"),
    )
    np.testing.assert_allclose(got["arrays"]["input 0"], np.full((2, 6), 3.0))
    assert got["arrays"]["dense.kernel"].shape == (6, 3)


class Liar:
    shape, dtype = (2, 3), "float32"

    def __array__(self, *args, **kwargs):
        return np.ones((2, 3))

    def __eq__(self, other):
        return True

    __hash__ = None


class SubArray(np.ndarray):
    pass


@pytest.mark.parametrize(
    "result", [Liar(), [[1.0]], "text", None, np.ones(3).view(SubArray), object()]
)
def test_only_tensors_count_as_numbers(result):
    names = {"f": lambda: result}
    got = answer({"action": "call", "spec": {"target": "f", "calls": [{}]}}, names)
    assert got["error"]["type"] == "Refusal"


@pytest.mark.parametrize(
    "error", [SystemExit, KeyboardInterrupt, ValueError, MemoryError]
)
def test_whatever_is_raised_becomes_an_answer(error):
    def f():
        raise error("why")

    got = answer({"action": "call", "spec": {"target": "f", "calls": [{}]}}, {"f": f})
    assert got["error"]["type"] == error.__name__
    assert got["error"]["lines"][-1][2] == 'raise error("why")'


def test_a_hostile_exception_becomes_an_answer():
    class Bad(Exception):
        def __str__(self):
            raise RuntimeError

    def f():
        raise Bad

    got = answer({"action": "call", "spec": {"target": "f", "calls": [{}]}}, {"f": f})
    assert got["error"]["message"] == ""


def test_the_global_policy_is_the_students_own_again():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        got = ask("call", weights={"dense.kernel": KERNEL}, calls=[{"args": [X]}])
        assert got["facts"]["0/0/dtype"] == "float32"
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_answers_survive_as_bytes():
    got = ask("call", weights={"dense.kernel": KERNEL}, calls=[{"args": [X]}])
    again = from_bytes(to_bytes(got))
    np.testing.assert_array_equal(again["arrays"]["0/0"], got["arrays"]["0/0"])
    assert again["facts"] == got["facts"]
    assert to_bytes(got) == to_bytes(again)


class Tokens(keras.layers.Layer):
    """Hands on a mask; without weights."""

    def call(self, ids):
        return ids + 1

    def compute_mask(self, ids, mask=None):
        return keras.ops.not_equal(ids, 0)


IDS = np.array([[3, 0, 2], [0, 0, 1]], "int32")


def ask_tokens(action, cls=Tokens, **spec):
    spec = {"target": "T", "construct": {}, "calls": [{"args": [IDS]}], **spec}
    return answer({"action": action, "spec": spec}, {"T": cls})


def test_a_method_can_be_asked():
    got = ask_tokens("call", method="compute_mask")
    np.testing.assert_array_equal(got["arrays"]["0/0"], IDS != 0)


def test_the_mask_is_seen_by_the_next_layer():
    got = ask_tokens("mask_downstream")
    np.testing.assert_array_equal(got["arrays"]["0/0"], IDS != 0)


def test_a_mask_that_is_lost_is_refused():
    class Silent(Tokens):
        def compute_mask(self, ids, mask=None):
            return keras.ops.logical_not(ids == 0)

    got = ask_tokens("mask_downstream", Silent)
    assert "no mask reaches the next layer" in got["error"]["message"]


def test_a_mask_not_written_yet_costs_only_itself():
    class Half(Tokens):
        def compute_mask(self, ids, mask=None):
            raise NotImplementedError("write this part")

    np.testing.assert_array_equal(ask_tokens("call", Half)["arrays"]["0/0"], IDS + 1)
    assert ask_tokens("attempted", Half)["facts"]["written"]
    unwritten = ask_tokens("call", Half, method="compute_mask")["error"]
    assert unwritten["type"] == "NotImplementedError"


def test_a_mask_that_fails_on_symbols_costs_only_itself():
    class Eager(Tokens):
        def compute_mask(self, ids, mask=None):
            return keras.ops.convert_to_tensor(np.asarray(ids) != 0)

    assert ask_tokens("symbolic", Eager)["error"] is None
    assert ask_tokens("mask_downstream", Eager)["error"]
    got = ask_tokens("call", Eager, method="compute_mask")
    np.testing.assert_array_equal(got["arrays"]["0/0"], IDS != 0)


def test_a_call_not_written_yet_is_not_attempted():
    class Stub(Tokens):
        def call(self, ids):
            raise NotImplementedError("write this part")

    assert not ask_tokens("attempted", Stub)["facts"]["written"]


def plain(result):
    spec = {"target": "f", "calls": [{}]}
    return answer({"action": "plain", "spec": spec}, {"f": lambda: result})


@pytest.mark.parametrize(
    "result, told",
    [
        (["ATC", "TCG"], ["ATC", "TCG"]),
        ({"web": 1.5, 2: [True, None]}, {"web": 1.5, "2": [True, None]}),
        (3 * 10**23, 3 * 10**23),
        (np.int32(3), 3),
        (np.str_("ATC"), "ATC"),
        (("ATC",), {"type": "tuple"}),
        ([("A", "T")], [{"type": "tuple"}]),
        ((x for x in "ATC"), {"type": "generator"}),
        (np.ones(3), {"type": "ndarray"}),
    ],
)
def test_python_values_are_told_as_they_are(result, told):
    assert plain(result)["facts"] == {"value/0": told}


def test_a_python_value_without_end_is_refused():
    endless = []
    endless.append(endless)
    for result in ("A" * 10**6, ["A"] * 10**6, endless):
        assert plain(result)["error"]["type"] in ("Refusal", "RecursionError")


def test_filled_weights_are_the_same_in_a_twin():
    got = ask("config", fill=True, weights={}, calls=[{"args": [X]}])
    before, after = got["arrays"]["before/0"], got["arrays"]["after/0"]
    np.testing.assert_array_equal(before, after)
    assert np.ptp(before) > 1


def test_a_function_that_empties_its_argument_spoils_no_later_question():
    def emptied(config):
        return config.pop("size")

    probe = {
        "action": "plain",
        "spec": {"target": "emptied", "calls": [{"args": [{"size": 3}]}]},
    }
    for _ in range(2):
        assert answer(probe, {"emptied": emptied})["facts"] == {"value/0": 3}
