"""A layer is used again where nothing tells, and only there."""

import keras
import numpy as np
import pytest
from keras import ops

from autograder.answering import Conversation

X = np.arange(12, dtype="float32").reshape(2, 2, 3)
KERNEL = np.eye(3, dtype="float32")


class Plain(keras.layers.Layer):
    made: list = []

    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.made.append(self)
        self.units = units
        self.inner = keras.layers.Dense(units, use_bias=False, dtype=self.dtype_policy)

    def call(self, x, mask=None, training=False):
        return self.inner(self.seen(x))

    def seen(self, x):
        return x


class KeepsTheTensor(Plain):
    def seen(self, x):
        self.first = getattr(self, "first", x)
        return self.first


class KeepsAnArray(Plain):
    def seen(self, x):
        self.first = getattr(self, "first", ops.convert_to_numpy(x))
        return self.first


class CountsCalls(Plain):
    calls = 0

    def seen(self, x):
        self.calls += 1
        return x + float(self.calls > 2)


class Lists(Plain):
    def seen(self, x):
        self.sizes = getattr(self, "sizes", [])
        self.sizes.append(1)
        return x + float(len(self.sizes) > 2)


class HasAVariable(Plain):
    def build(self, shape):
        self.total = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def seen(self, x):
        self.total.assign_add(1.0)
        return x + ops.cast(self.total > 2, "float32")


class HasARawVariable(Plain):
    def build(self, shape):
        import tensorflow as tf

        self.total = tf.Variable(0.0)

    def seen(self, x):
        self.total.assign_add(1.0)
        return x + float(self.total > 2)


class Box:
    full = 0


class HasABox(Plain):
    def build(self, shape):
        self.box = Box()

    def seen(self, x):
        self.box.full += 1
        return x + float(self.box.full > 2)


class InAPart(Plain):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.part = CountsCalls.__base__()
        self.part.calls = 0

    def seen(self, x):
        self.part.calls += 1
        return x + float(self.part.calls > 2)


class HoldsALongList(Plain):
    def build(self, shape):
        self.table = [0] * 5000

    def seen(self, x):
        self.table[-1] += 1
        return x + float(self.table[-1] > 2)


class Raising(list):
    def __iter__(self):
        raise OSError("not to be looked into")


class HoldsWhatRaises(Plain):
    def build(self, shape):
        vars(self)["table"] = Raising()


FORGETFUL = [Plain]
REMEMBERING = [
    *(KeepsTheTensor, KeepsAnArray, CountsCalls, Lists, HasAVariable),
    *(HasARawVariable, HasABox, InAPart, HoldsALongList, HoldsWhatRaises),
]


def probe(kind, x=X, action="call", construct=None, kernel=KERNEL, **more):
    given = {"weights": {"inner.kernel": kernel}, "calls": [{"args": [x]}]}
    spec = {"target": kind.__name__, "construct": construct or {}, **given, **more}
    return {"action": action, "spec": spec}


@pytest.fixture(autouse=True)
def made():
    Plain.made.clear()
    yield Plain.made
    Plain.made.clear()


def asked(kind, *probes):
    """Answers in one conversation, and how many layers they took."""
    before = len(Plain.made)
    with Conversation() as conversation:
        told = [conversation.ask(one, {kind.__name__: kind}) for one in probes]
    assert not any(t["error"] for t in told), told
    return [t["arrays"] for t in told], len(Plain.made) - before


@pytest.mark.parametrize("kind", [*FORGETFUL, *REMEMBERING])
def test_every_answer_is_a_fresh_layers(kind):
    """Whatever a layer remembers, it is asked as if it were the first time."""
    probes = [probe(kind, X + n, kernel=(1 + n) * KERNEL) for n in range(3)]
    together, _ = asked(kind, *probes)
    alone = [asked(kind, one)[0][0] for one in probes]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one["0/0"], other["0/0"])


@pytest.mark.parametrize("kind", FORGETFUL)
def test_one_layer_is_enough(kind):
    assert asked(kind, *[probe(kind, X + n) for n in range(3)])[1] == 1


@pytest.mark.parametrize("kind", REMEMBERING)
def test_who_remembers_is_made_anew(kind):
    parts = 2 if kind is InAPart else 1
    assert asked(kind, probe(kind), probe(kind))[1] == 2 * parts


@pytest.mark.parametrize(
    "other",
    [
        {"x": X[:, :1]},
        {"x": X[:1]},
        {"construct": {"name": "other"}},
        {"construct": {"dtype": "mixed_float16"}},
        {"global_policy": "mixed_float16"},
        {"weights": {}, "fill": True},
        {"method": "seen"},
    ],
    ids=lambda other: " ".join(other),
)
def test_another_use_has_another_layer(other):
    first = probe(Plain, **other)
    assert asked(Plain, first, probe(Plain))[1] == 2


def test_all_weights_can_be_given_to_one_that_was_given_some():
    filled = probe(Plain, weights={}, fill=True)
    assert asked(Plain, probe(Plain), filled)[1] == 1
    assert asked(Plain, probe(Plain), filled, probe(Plain))[1] == 2


def test_a_mask_builds_nothing():
    masked = probe(Plain)
    masked["spec"]["calls"] = [{"args": [X], "kwargs": {"mask": X[..., 0] > 1}}]
    assert asked(Plain, probe(Plain), masked)[1] == 1


def test_a_traced_layer_serves_again():
    traced = probe(Plain, action="symbolic")
    (_, after), count = asked(Plain, traced, probe(Plain))
    assert count == 1
    np.testing.assert_array_equal(after["0/0"], X)


def test_after_an_error_it_is_made_anew(made):
    class Fails(Plain):
        def seen(self, x):
            if len(made) == 1 and x.shape[0] == 9:
                raise ValueError("no")
            return x

    names = {"Fails": Fails}
    wrong = probe(Fails)
    wrong["spec"]["calls"].append({"args": [np.ones((9, 2, 3), "float32")]})
    with Conversation() as conversation:
        assert conversation.ask(wrong, names)["error"]
        assert not conversation.ask(probe(Fails), names)["error"] and len(made) == 2


def test_a_class_of_the_same_name_is_another():
    class Other(Plain):
        def seen(self, x):
            return -x

    Other.__name__ = "Plain"
    with Conversation() as conversation:
        for kind, sign in ((Plain, 1), (Other, -1), (Plain, 1)):
            told = conversation.ask(probe(Plain), {"Plain": kind})
            np.testing.assert_array_equal(told["arrays"]["0/0"], sign * X)


class Traced(keras.layers.Layer):
    """Notes which sizes were unknown where it was traced; of 4 units, it knows one."""

    traced: list = []

    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner = keras.layers.Dense(units, use_bias=False)

    def call(self, x, mask=None):
        if None in x.shape:
            self.traced.append(tuple(x.shape))
        return self.inner(x + 0.0 * x.shape[1] if self.units == 4 else x)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@pytest.fixture
def traced():
    Traced.traced.clear()
    yield Traced.traced
    Traced.traced.clear()


ANY = probe(Traced, action="symbolic", unknown={"0": [0, 1]})
RELOAD = probe(Traced, action="reload", weights={}, fill=True)


def test_a_file_is_written_of_what_was_traced_already(traced):
    told = asked(Traced, ANY, RELOAD)[0][1]
    assert set(traced) == {(None, None, 3)}
    traced.clear()
    alone = asked(Traced, RELOAD)[0][0]
    assert set(traced) == {(None, 2, 3)}
    for name, array in alone.items():
        np.testing.assert_array_equal(told[name], array)


@pytest.mark.parametrize(
    "other",
    [
        {"x": X[:1]},
        {"construct": {"name": "other"}},
        {"calls": [{"args": [X], "kwargs": {"mask": X[..., 0] > 1}}]},
    ],
    ids=lambda other: " ".join(other),
)
def test_of_another_call_it_is_traced_for_its_own(traced, other):
    other = {"weights": {}, "fill": True, **other}
    asked(Traced, ANY, probe(Traced, action="reload", **other))
    assert {shape[1] for shape in traced} == {None, 2}


def test_who_cannot_take_every_size_is_still_loaded(traced):
    wide = {"construct": {"units": 4}, "kernel": np.ones((3, 4), "float32")}
    names = {"Traced": Traced}
    every = probe(Traced, action="symbolic", unknown={"0": [0, 1]}, **wide)
    reload = probe(Traced, action="reload", fill=True, **wide)
    with Conversation() as conversation:
        assert conversation.ask(every, names)["error"]
        told = conversation.ask(reload, names)
    assert told["error"] is None
    np.testing.assert_array_equal(told["arrays"]["before/0"], told["arrays"]["after/0"])


def test_who_cannot_be_loaded_with_every_size_is_loaded_with_one_batch():
    class Once(Traced):
        """Takes every size when it is made, and rows of one length when loaded."""

        loaded = False

        def call(self, x, mask=None):
            if self.loaded and x.shape[1] is None:
                raise ValueError("rows of any length")
            return super().call(x)

        @classmethod
        def from_config(cls, config):
            made = super().from_config(config)
            made.loaded = True
            return made

    (_, told), _ = asked(
        Once,
        probe(Once, action="symbolic", unknown={"0": [0, 1]}),
        probe(Once, action="reload", weights={}, fill=True),
    )
    np.testing.assert_array_equal(told["before/0"], told["after/0"])
