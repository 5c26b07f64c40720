"""What forks are spared changes nothing that a notebook sees."""

from keras.src.saving import saving_lib
from tensorflow.python.ops import gen_resource_variable_ops as operations

from autograder.course import Limits
from autograder.sandbox import thrift
from autograder.sandbox.host import Sandbox

CELL = """
import keras
a, b = keras.Variable([1.0], name="a"), keras.Variable([2.0], name="b")
b.assign([3.0])
assert (a.path, b.path) == ("a", "b") and float(a[0]) == 1.0 and float(b[0]) == 3.0
layers = [keras.layers.Dense(2) for _ in range(2)]
for layer in layers:
    layer.build((None, 3))
assert layers[0].kernel.path != layers[1].kernel.path
assert not (layers[0].kernel.numpy() == layers[1].kernel.numpy()).all()
"""


def test_variables_keep_their_names_and_values():
    with Sandbox(Limits()) as sandbox, sandbox.session() as session:
        (told,) = session.run([{"id": "x", "source": CELL, "seconds": 60}])
    assert told["error"] is None


def test_the_name_for_error_texts_is_left_out(monkeypatch):
    calls = []

    def made(dtype, shape, shared_name="", debug_name="", name=None):
        calls.append((dtype, shape, shared_name, debug_name, name))

    monkeypatch.setattr(operations, "var_handle_op", made)
    thrift.share_variable_kernels()
    operations.var_handle_op("float32", (2,), shared_name="s", debug_name="w", name="w")
    assert calls == [("float32", (2,), "s", "", "w")]


def test_a_tensorflow_without_that_name_is_left_alone(monkeypatch):
    def made(dtype, shape):
        """Older ones."""

    monkeypatch.setattr(operations, "var_handle_op", made)
    thrift.share_variable_kernels()
    assert operations.var_handle_op is made


def test_what_keras_skips_is_the_same(monkeypatch):
    asked = saving_lib.get_attr_skipset
    monkeypatch.setattr(saving_lib, "get_attr_skipset", asked)
    thrift.remember_attributes()
    for kind in ("Layer", "Functional", "Sequential"):
        assert saving_lib.get_attr_skipset(kind) == asked(kind)
        again = saving_lib.get_attr_skipset(kind)
        assert again is saving_lib.get_attr_skipset(kind)
