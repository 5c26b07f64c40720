"""What a probe is spared changes nothing that a student or a judge sees."""

import functools
import gc
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.tensorflow import numpy as keras_numpy
from keras.src.initializers import constant_initializers, random_initializers
from keras.src.layers import layer as keras_layer
from keras.src.saving import saving_lib
from tensorflow.python.framework import tensor_util
from tensorflow.python.ops import gen_array_ops, gen_math_ops
from tensorflow.python.ops import gen_resource_variable_ops as operations

from autograder import thrift


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
