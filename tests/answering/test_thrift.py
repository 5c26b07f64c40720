"""What a probe is spared changes nothing that a student or a judge sees."""

import functools
import gc
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.tensorflow import core as keras_core
from keras.src.backend.tensorflow import numpy as keras_numpy
from keras.src.initializers import constant_initializers, random_initializers
from keras.src.layers import layer as keras_layer
from keras.src.saving import saving_lib
from tensorflow.python.framework import tensor_util
from tensorflow.python.ops import (
    array_ops_stack,
    gen_array_ops,
    gen_math_ops,
    resource_variable_ops,
)
from tensorflow.python.ops import gen_resource_variable_ops as operations
from tensorflow.python.util import tf_stack

from autograder import thrift
from autograder.answering import describe
from autograder.given import MultiHeadAttention


@pytest.fixture
def made(monkeypatch):
    """What stands in for TensorFlow's operation; its calls."""
    calls = []

    def made(dtype, shape, shared_name="", debug_name="", name=None):
        calls.append((dtype, shape, shared_name, debug_name, name))

    monkeypatch.setattr(operations, "var_handle_op", made)
    thrift.spared.cache_clear()
    yield calls
    thrift.spared.cache_clear()


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
            keras.layers.Layer.__call__,
            keras_core.Variable._initialize,
            keras_core.Variable._direct_assign,
            MultiHeadAttention._filling,
            array_ops_stack.stack,
            tf_stack.extract_stack,
            gen_array_ops.transpose,
            random_initializers.random,
            constant_initializers.ops,
            gen_array_ops.reshape,
            gen_math_ops.mean,
            keras_numpy.matmul,
            keras_numpy.convert_to_tensor,
            tensor_util.tf_type_classes,
            gc.get_threshold(),
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
        self.spec, self.policy = keras.InputSpec(ndim=2), keras.DTypePolicy("float32")
        self.function, self.start = keras.activations.relu, keras.initializers.Ones()

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
        plain["others"] = [type(layer.spec), type(layer.start), layer.function]
        paths = [v.path for v in layer.weights], [x.name for x in layer._layers]
        return plain, paths, layer.units, layer._dtype_policy.name

    before = told()
    with thrift.thrifty():
        assert told() == before


class Early(keras.layers.Layer):
    """Sets a part before Keras is ready, and one under a name of Keras'."""

    def __init__(self):
        self.early = keras.layers.Dense(2)
        super().__init__()
        self.blocks = []
        self.blocks.append(keras.layers.Dense(2))
        self.named = {"one": keras.layers.Dense(2), "two": [keras.layers.Dense(2)]}
        self._metrics = [keras.metrics.Mean(), keras.layers.Dense(2)]

    def build(self, shape):
        for part in self._layers:
            part.build(shape)

    def call(self, x):
        return self.early(x)


def test_parts_are_found_wherever_a_layer_puts_them():
    def told():
        keras.utils.clear_session()
        layer = Early()
        layer.build((None, 2))
        return [v.path for v in layer.weights], [x.name for x in layer._layers]

    before = told()
    assert len(before[0]) == 2 * len(before[1]) == 10
    with thrift.thrifty():
        assert told() == before


def test_a_layer_that_keras_was_never_told_of():
    class Silent(keras.layers.Layer):
        def __init__(self):
            self.units = 3

    def told():
        layer = Silent()
        try:
            return layer.weights, layer(np.ones((1, 2)))
        except Exception as error:
            return type(error), str(error)

    before = told()
    with thrift.thrifty():
        assert told() == before


def test_what_cannot_be_set_still_cannot_be():
    with thrift.thrifty():
        layer = Layer(4)
        layer.fixed = layer.fixed  # Keras lets that pass
        with pytest.raises(AttributeError):
            layer.fixed = "other"


@pytest.mark.parametrize("name", ["glorot_uniform", "he_uniform", "random_uniform"])
def test_first_numbers_are_as_widely_spread_and_the_seeds(name):
    def drawn(seed):
        config = {"class_name": name, "config": {"seed": seed}}
        start = keras.initializers.get(config)
        return keras.ops.convert_to_numpy(start((200, 300), dtype="float32"))

    due = drawn(1)
    with thrift.thrifty():
        one, again, other = drawn(1), drawn(1), drawn(2)
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.99 and one.dtype == due.dtype
    np.testing.assert_allclose(one.std(), due.std(), rtol=0.02)
    np.testing.assert_allclose([one.min(), one.max()], [due.min(), due.max()], 0.02)
    assert abs(one.mean()) < due.std() / 50


def test_other_first_numbers_are_tensorflows_own():
    """Of a graph, of half precision, of a generator of seeds, and normal ones."""
    start = keras.initializers.GlorotUniform(seed=3)
    generator = keras.random.SeedGenerator(1)
    normal = keras.initializers.RandomNormal(seed=3)

    def told():
        generator.state.assign([1, 0])
        own = keras.initializers.GlorotUniform(seed=generator)
        graph = tf.function(lambda: start((3, 2), dtype="float32"))()
        half = start((3, 2), dtype="float16")
        return [graph, half, own((3, 2), dtype="float32"), normal((3, 2))]

    before = [keras.ops.convert_to_numpy(x) for x in told()]
    with thrift.thrifty():
        for one, due in zip(told(), before, strict=True):
            np.testing.assert_array_equal(one, due)


@pytest.mark.parametrize(
    "shape", [[3, 4], (12,), (-1, 2), (2, np.int64(6)), [True, 12], (1 << 40, 0), "x"]
)
@pytest.mark.parametrize("graph", [False, True])
def test_reshaped_as_ever(shape, graph):
    def told():
        try:
            put = lambda x: tf.reshape(x, shape)  # noqa: E731
            done = (tf.function(put) if graph else put)(tf.range(12))
        except Exception as error:
            return type(error)
        return done.numpy().tolist()

    before = told()
    with thrift.thrifty():
        assert told() == before


def outcome(function, *args):
    """What a call gives: numbers and their type, or an exception's type."""
    try:
        done = function(*args)
    except Exception as error:
        return type(error)
    done = keras.ops.convert_to_numpy(done)
    return done.shape, done.dtype.name, done.tobytes()


NUMBERS = np.random.default_rng(0).normal(size=(4, 5, 6))


@pytest.mark.parametrize("axis", [None, 0, -1, [1], (0, 2), [-1, -2], [5], [True]])
@pytest.mark.parametrize("graph", [False, True])
def test_means_and_sums_as_ever(axis, graph):
    def told():
        for reduced in (tf.reduce_mean, tf.reduce_sum, keras.ops.mean):
            for keeps in (False, True):
                put = lambda x: reduced(x, axis, keeps)  # noqa: B023, E731
                yield outcome(tf.function(put) if graph else put, tf.constant(NUMBERS))

    before = list(told())
    with thrift.thrifty():
        assert list(told()) == before


PRODUCTS = {
    "rows": ((4, 5, 6), (6, 3)),
    "rows of rows": ((2, 4, 5, 6), (6, 3)),
    "of one": ((1, 1, 6), (6, 1)),
    "of none": ((0, 5, 6), (6, 3)),
    "into none": ((4, 5, 6), (6, 0)),
    "of nothing": ((4, 5, 0), (0, 3)),
    "matrices": ((5, 6), (6, 3)),
    "stacks": ((4, 5, 6), (4, 6, 3)),
    "a vector": ((4, 5, 6), (6,)),
    "that do not fit": ((4, 5, 6), (5, 3)),
}


@pytest.mark.parametrize("shapes", PRODUCTS.values(), ids=PRODUCTS)
@pytest.mark.parametrize(
    "dtypes",
    [("float32",) * 2, ("float16",) * 2, ("float32", "float64"), ("int8",) * 2],
)
@pytest.mark.parametrize(
    "kind", [keras.ops.convert_to_tensor, np.array, keras.Variable]
)
def test_products_are_the_same_to_the_last_bit(shapes, dtypes, kind):
    draw = np.random.default_rng(1)
    one, other = (
        (3 * draw.normal(size=shape)).astype(dtype)
        for shape, dtype in zip(shapes, dtypes, strict=True)
    )
    one = keras.ops.convert_to_tensor(one)
    other = kind(other) if kind is np.array else kind(other, dtype=dtypes[1])
    graph = tf.function(keras.ops.matmul, autograph=False)

    def told():
        return [outcome(product, one, other) for product in (keras.ops.matmul, graph)]

    before = told()
    graph = tf.function(keras.ops.matmul, autograph=False)
    with thrift.thrifty():
        assert told() == before


@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "float64"])
def test_layers_give_the_same_numbers_and_gradients(policy):
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(5, dtype=policy),
        keras.layers.LayerNormalization(dtype=policy),
        keras.layers.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d", dtype=policy),
        keras.layers.MultiHeadAttention(2, 3, dtype=policy),
    ]
    x = tf.constant(NUMBERS, "float32")
    layers[0](x), layers[1](x), layers[2](x), layers[3](x, x)

    def told():
        for layer in layers:
            args = (x, x) if layer is layers[3] else (x,)
            with tf.GradientTape() as tape:
                tape.watch(x)
                done = layer(*args)
            weights = layer.trainable_weights
            found = tape.gradient(done, [x, *(w.value for w in weights)])
            yield [np.asarray(one) for one in (done, *found)]

    before = list(told())
    with thrift.thrifty():
        for one, due in zip(told(), before, strict=True):
            for number, expected in zip(one, due, strict=True):
                assert number.dtype == expected.dtype
                close = 10 * np.finfo(number.dtype).resolution
                np.testing.assert_allclose(number, expected, close, close)


def test_a_variable_without_state_has_the_value_it_was_given():
    weight = keras.Variable(np.ones((6, 2)), dtype="float32")
    x = tf.constant(NUMBERS, "float32")
    with thrift.thrifty(), keras.StatelessScope([(weight, 2 * weight.value)]):
        twice = (
            keras.ops.matmul(x, weight),
            x[..., :2] + 0 * weight[0, 0] + weight[0, 1],
        )
    once = keras.ops.matmul(x, weight)
    np.testing.assert_array_equal(twice[0], 2 * once)
    np.testing.assert_array_equal(twice[1], x[..., :2] + 2)


class TensorLike:
    is_tensor_like = True


def test_what_is_a_tensor_is_the_same():
    values = [None, True, 1, 1.0, "x", [1], (1,), {}, np.ones(2), np.float32(1), {1}]
    values += [tf.constant(1), tf.Variable(1), keras.Variable(1.0), tf.TensorShape([1])]
    values += [keras.Input((2,)), TensorLike(), TensorLike, keras.layers.Dense(2)]
    values += [tf.ragged.constant([[1], [2, 3]]), tf.sparse.eye(2), keras.DTypePolicy]
    values += [keras.initializers.Zeros(), keras.DTypePolicy("float32")]
    before = [tf.is_tensor(value) for value in values]
    assert any(before) and not all(before)
    with thrift.thrifty():
        assert [tf.is_tensor(value) for value in values] == before


@pytest.mark.parametrize("name", ["zeros", "ones"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int32", None])
def test_first_zeros_and_ones_are_the_same(name, dtype):
    start = keras.initializers.get(name)

    def told():
        graph = tf.function(lambda: start((2, 0, 3), dtype))
        return [
            outcome(start, shape, dtype) for shape in ((2, 3), [2], (), 3, (-1,))
        ] + [outcome(graph)]

    before = told()
    with thrift.thrifty():
        assert told() == before


def test_what_somebody_has_put_in_a_place_stays_there(monkeypatch):
    asked = []
    own = keras.layers.Layer.__call__

    def theirs(layer, *args, **kwargs):
        asked.append(layer)
        return own(layer, *args, **kwargs)

    thrift.spared()
    monkeypatch.setattr(keras.layers.Layer, "__call__", theirs)
    with thrift.thrifty():
        keras.layers.Dense(2)(tf.ones((1, 3)))
    assert len(asked) == 1 and keras.layers.Layer.__call__ is theirs


# --- variables --------------------------------------------------------------------


def variables():
    """Some of all kinds, and one that a graph made."""
    zeros = keras.initializers.Zeros()
    with tf.name_scope("outer"), keras.name_scope("layer"):
        yield keras.Variable(zeros, shape=(2, 3), name="kernel")
    yield keras.Variable(np.ones((2, 3)), dtype="float16")
    yield keras.Variable(np.ones((2, 3), "float32"), trainable=False)
    yield keras.Variable(tf.ones((0, 3)), aggregation="sum")
    yield keras.Variable(5, dtype="int32", trainable=False)
    yield keras.Variable(lambda shape, dtype: tf.fill(shape, 2.0), shape=(3,))
    yield keras.Variable(zeros, shape=())
    made = []

    @tf.function
    def graph():
        if not made:
            made.append(keras.Variable(zeros, shape=(2,)))
        return made[0] + 1

    graph()
    yield made[0]


def held(variable):
    """What TensorFlow's variable holds, but for what numbers it."""
    own = variable.value
    numbers = "_handle", "_unique_id", "_graph_key"
    plain = {k: v for k, v in vars(own).items() if k not in numbers}
    told = [own.name, own.shape, own.dtype, own.trainable, own.device, repr(plain)]
    return [*told, own.handle.dtype, own.handle._name, own.numpy().tolist()]


def test_variables_hold_the_same():
    keras.utils.clear_session()
    before = list(map(held, variables()))
    keras.utils.clear_session()
    with thrift.thrifty():
        list(variables())  # the first is TensorFlow's own, to compare
        keras.utils.clear_session()
        told = list(map(held, variables()))
    assert told == before


def test_variables_are_made_at_once_and_are_two(monkeypatch):
    with thrift.thrifty():
        keras.Variable(np.ones(2, "float32"))
        monkeypatch.setattr(keras_core.tf, "Variable", None)
        one, other = (keras.Variable(tf.ones(2), name="same") for _ in range(2))
    monkeypatch.undo()
    one.assign([3.0, 4.0])
    assert other.value.numpy().tolist() == [1, 1]
    assert one.value._unique_id != other.value._unique_id
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(one * one) + other[0]
    assert tape.gradient(loss, one.value).numpy().tolist() == [6, 8]
    assert tf.function(lambda: one + 1)().numpy().tolist() == [4, 5]


def test_a_tensorflow_whose_variables_hold_more_makes_its_own(monkeypatch):
    own = resource_variable_ops.ResourceVariable._init_from_args

    def more(variable, *args, **kwargs):
        variable.more = 1
        own(variable, *args, **kwargs)

    patched = resource_variable_ops.ResourceVariable, "_init_from_args"
    monkeypatch.setattr(*patched, more)
    thrift.spared.cache_clear()
    with thrift.thrifty():
        made = [keras.Variable(tf.ones(2)) for _ in range(3)]
    thrift.spared.cache_clear()
    assert [v.value.more for v in made] == [1, 1, 1]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
@pytest.mark.parametrize("value", [[1, 2], np.ones(2), tf.ones(2), [1], "no", None])
def test_assigned_as_ever(dtype, value):
    def told():
        variable = keras.Variable(np.zeros(2), dtype=dtype)
        try:
            variable.assign(value)
        except Exception as error:
            return type(error)
        return variable.dtype, variable.value.numpy().tolist()

    before = told()
    with thrift.thrifty():
        assert told() == before


def test_assigned_in_a_graph_as_ever():
    variable = keras.Variable(np.zeros(2), dtype="float32")
    count = tf.function(lambda: variable.assign(variable + 1), autograph=False)
    with thrift.thrifty():
        count(), count()
    assert variable.value.numpy().tolist() == [2, 2]


# --- operations -------------------------------------------------------------------

SLICES = {
    "from to": lambda x: x[1:3],
    "of an axis": lambda x: x[:, 1:, ::2],
    "one": lambda x: x[0, -1],
    "more axes": lambda x: x[None, ..., None, 2],
    "backwards": lambda x: x[::-1, 4:1:-2],
    "by a tensor": lambda x: x[tf.constant(1), tf.constant(0) :],
    "by NumPy's number": lambda x: x[np.int64(1) :, np.int32(2)],
    "out of it": lambda x: x[9:],
    "too far": lambda x: x[9],
    "too many": lambda x: x[0, 0, 0, 0],
    "by true": lambda x: x[True],
    "large": lambda x: x[1 << 40 :],
}


@pytest.mark.parametrize("name", SLICES)
@pytest.mark.parametrize("graph", [False, True])
def test_slices_are_the_same(name, graph):
    cut = SLICES[name]

    def told():
        run = tf.function(cut, autograph=False) if graph else cut
        return [outcome(run, tf.constant(NUMBERS)) for _ in range(2)]

    before = told()
    with thrift.thrifty():
        assert told() == before


@pytest.mark.parametrize(
    "axes", [None, (1, 0, 2), [2, 1, 0], (0, -1, 1), (0, 1), (0, 0, 1), [True, 0, 2]]
)
@pytest.mark.parametrize("graph", [False, True])
def test_transposed_as_ever(axes, graph):
    def told():
        for turn in (tf.transpose, keras.ops.transpose):
            put = lambda x: turn(x, axes)  # noqa: B023, E731
            yield outcome(tf.function(put) if graph else put, tf.constant(NUMBERS))

    before = list(told())
    with thrift.thrifty():
        assert list(told()) == before


def test_stacked_as_ever():
    x = tf.constant([1, 2])
    values = ([1, 2], [x, x], [1.5, 2], [[1, 2], [3, 4]], [True, 1], [], (1, 2), [1, x])

    def told():
        for value in values:
            yield outcome(tf.stack, value)
            yield outcome(keras.ops.stack, value)
            yield outcome(array_ops_stack.stack, value)
        yield outcome(lambda: array_ops_stack.stack([x, x], axis=1))

    before = list(told())
    with thrift.thrifty():
        assert list(told()) == before


def test_an_error_in_a_graph_has_its_sentence():
    def wrong(x):
        return tf.reshape(x, (7, 7))

    @tf.function
    def late(x):
        tf.debugging.assert_less(x, 1.0, "too large")
        return x

    def told():
        for graph in (tf.function(wrong), late):
            try:
                graph(tf.constant(NUMBERS, "float32"))
            except Exception as error:
                told = describe(error)
                yield told["type"], told["message"], told["lines"]

    before = list(told())
    assert len(before) == 2
    with thrift.thrifty():
        assert list(told()) == before
