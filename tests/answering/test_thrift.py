"""What a probe is spared changes nothing that a student or a judge sees."""

import functools
import inspect

import keras
import pytest
from keras.src.layers import layer as keras_layer
from keras.src.saving import saving_lib
from tensorflow.python.ops import gen_resource_variable_ops as operations

from autograder import thrift


@pytest.fixture
def made(monkeypatch):
    """What stands in for TensorFlow's operation; its calls."""
    calls = []

    def made(dtype, shape, shared_name="", debug_name="", name=None):
        calls.append((dtype, shape, shared_name, debug_name, name))

    monkeypatch.setattr(operations, "var_handle_op", made)
    thrift._spared.cache_clear()
    yield calls
    thrift._spared.cache_clear()


def test_variables_keep_their_names_and_values():
    with thrift.thrifty():
        layers = [keras.layers.Dense(2) for _ in range(2)]
        for layer in layers:
            layer.build((None, 3))
        one, other = (layer.kernel for layer in layers)
        assert one.path != other.path and one.path.endswith("/kernel")
        before = keras.ops.convert_to_numpy(other)
        assert (keras.ops.convert_to_numpy(one) != before).any()
        one.assign(keras.ops.zeros((3, 2)))
        assert (keras.ops.convert_to_numpy(other) == before).all()


def test_it_is_over_when_it_is_over():
    def replaced():
        return (
            operations.var_handle_op,
            saving_lib.get_attr_skipset,
            keras_layer.inspect,
            keras.layers.Layer.__setattr__,
        )

    before = replaced()
    with pytest.raises(KeyError), thrift.thrifty():
        assert not any(a is b for a, b in zip(replaced(), before, strict=True))
        raise KeyError
    assert replaced() == before


def test_the_name_for_error_texts_is_left_out(made):
    with thrift.thrifty():
        operations.var_handle_op("f", (2,), shared_name="s", debug_name="w", name="w")
    operations.var_handle_op("f", (2,), debug_name="w")
    assert made == [("f", (2,), "s", "", "w"), ("f", (2,), "", "w", None)]


def test_a_tensorflow_without_that_name_is_left_alone(made, monkeypatch):
    def older(dtype, shape):
        """Takes no name."""

    monkeypatch.setattr(operations, "var_handle_op", older)
    with thrift.thrifty():
        assert operations.var_handle_op is older


def test_what_keras_skips_is_the_same():
    asked = saving_lib.get_attr_skipset
    with thrift.thrifty():
        for kind in ("Layer", "Functional", "Sequential"):
            assert saving_lib.get_attr_skipset(kind) == asked(kind)


def doubled(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return 2 * function(*args, **kwargs)

    return wrapper


class Asked:
    def plain(self, x, *, training=False): ...

    def anything(*args, **kwargs): ...

    @doubled
    def wrapped(self, x): ...

    @staticmethod
    def static(x): ...

    @classmethod
    def of_class(cls, x): ...


ASKED = {
    "a function": Asked.plain,
    "a method": Asked().plain,
    "a method without self": Asked().anything,
    "a decorated function": Asked.wrapped,
    "a decorated method": Asked().wrapped,
    "a static method": Asked().static,
    "a class method": Asked.of_class,
    "a class": Asked,
    "a partial": functools.partial(Asked().plain, 1),
    "not of Python": len,
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_signatures_are_the_same_twice(asked):
    with thrift.thrifty():
        for _ in range(2):
            assert keras_layer.inspect.signature(asked) == inspect.signature(asked)
            told = keras_layer.inspect.getfullargspec(asked)
            assert told == inspect.getfullargspec(asked)


def test_another_class_of_the_name_has_its_own_signature():
    def made(text: str):
        names: dict = {}
        exec(f"class Layer:\n    def call(self, {text}): ...", names)
        return names["Layer"]().call

    with thrift.thrifty():
        for text in ("x", "x, mask", "x"):
            told = keras_layer.inspect.signature(made(text))
            assert ", ".join(told.parameters) == text


class Layer(keras.layers.Layer):
    """Sets attributes of all kinds; `units` is a property."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.number, self.text, self.nothing = 3, "three", None
        self.part = None
        self.part = keras.layers.Dense(2)
        self.parts = [keras.layers.Dense(2)]
        self.weight = self.add_weight(shape=(2,))

    @property
    def units(self):
        return self._units

    @units.setter
    def units(self, value):
        self._units = value + 1

    @property
    def fixed(self):
        return "fixed"


def test_what_a_layer_holds_is_the_same():
    def told():
        keras.utils.clear_session()
        layer = Layer(4, name="mine", trainable=False)
        layer.trainable = True
        plain = {
            name: value
            for name, value in vars(layer).items()
            if type(value) in (bool, int, float, str, type(None))
        }
        paths = [v.path for v in layer.weights], [x.name for x in layer._layers]
        return plain, paths, layer.units, layer._dtype_policy.name

    before = told()
    with thrift.thrifty():
        assert told() == before


def test_what_cannot_be_set_still_cannot_be():
    with thrift.thrifty():
        layer = Layer(4)
        layer.fixed = layer.fixed  # Keras lets that pass
        with pytest.raises(AttributeError):
            layer.fixed = "other"
