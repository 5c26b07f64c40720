"""What a probe is spared changes nothing that a student or a judge sees."""

import keras
import pytest
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
    before = operations.var_handle_op, saving_lib.get_attr_skipset
    with pytest.raises(KeyError), thrift.thrifty():
        assert operations.var_handle_op is not before[0]
        assert saving_lib.get_attr_skipset is not before[1]
        raise KeyError
    assert (operations.var_handle_op, saving_lib.get_attr_skipset) == before


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
