"""What TensorFlow and Keras do for every layer anew, and a probe can do without."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import pkgutil

from autograder.thrift import calling, computing, making

BACKEND = "keras.src.backend.tensorflow"
FRAMEWORK = "tensorflow.python.framework"
OPERATIONS = "tensorflow.python.ops"
GARBAGE = 20_000  # objects that a probe may leave before Python looks for cycles

# A place, what is replaced there, and by what; Keras 3.15 and TensorFlow 2.21.
ANYWHERE = (
    # Keras keeps it too, under another name than it looks for.
    ("keras.src.saving.saving_lib", "get_attr_skipset", functools.cache),
    ("keras.src.layers.layer", "inspect", making.Remembering),
    ("keras.src.ops.operation", "inspect", making.Remembering),
)
ON_TENSORFLOW = (
    (f"{OPERATIONS}.gen_resource_variable_ops", "var_handle_op", making.nameless),
    (f"{BACKEND}.core:Variable", "_initialize", making.at_once),
    (f"{BACKEND}.core:Variable", "_direct_assign", making.directly),
    ("keras.src.layers.layer:Layer", "__setattr__", making.untracked),
    ("keras.src.layers.layer:Layer", "__call__", calling.straight),
    ("autograder.given:MultiHeadAttention", "_filling", calling.filled),
    ("keras.src.initializers.random_initializers", "random", making.Numbers),
    ("keras.src.initializers.constant_initializers", "ops", making.Numbers),
    (f"{OPERATIONS}.array_ops_stack", "stack", computing.bounds),
    (f"{OPERATIONS}.gen_array_ops", "reshape", computing.in_a_tensor),
    (f"{OPERATIONS}.gen_array_ops", "transpose", computing.in_a_tensor),
    (f"{OPERATIONS}.gen_math_ops", "mean", computing.in_a_tensor),
    (f"{OPERATIONS}.gen_math_ops", "_sum", computing.in_a_tensor),
    (f"{BACKEND}.core", "convert_to_tensor", computing.bare),
    (f"{BACKEND}.nn", "convert_to_tensor", computing.bare),
    (f"{BACKEND}.numpy", "convert_to_tensor", computing.bare),
    (f"{BACKEND}.numpy", "matmul", computing.products),
    ("tensorflow.python.util.tf_stack", "extract_stack", computing.no_stack),
    (f"{FRAMEWORK}.tensor_util", "tf_type_classes", computing.known_by_type),
)


@contextlib.contextmanager
def thrifty():
    """Spares that as long as it is open; a notebook's own code never sees it.

    What layers compute, what variables are called and what is saved stay the same; the
    first numbers of a weight are as widely spread, but others.
    """
    with contextlib.ExitStack() as after:
        for place, name, own, quicker in spared():
            if getattr(place, name) is own:  # nobody has put something else there
                after.callback(setattr, place, name, own)
                setattr(place, name, quicker)
        after.callback(gc.set_threshold, *gc.get_threshold())
        gc.set_threshold(GARBAGE)
        yield


def plain_operations() -> None:
    """Has TensorFlow run an eager operation as it is, not wrapped in a function.

    Wrapping (2.21, `eager/context.py`) makes the first use of every operation and
    shape twenty times as long, 0.4 ms: a sixth of a session's time. It must be said
    before the first operation; where it cannot be said, nothing changes.
    """
    with contextlib.suppress(ImportError, AttributeError):
        calls = importlib.import_module("tensorflow.python.eager.context").pywrap_tfe
        told = calls.TFE_ContextOptionsSetRunEagerOpAsFunction
        calls.TFE_ContextOptionsSetRunEagerOpAsFunction = lambda options, _: told(
            options, False
        )


@functools.cache
def spared() -> list[tuple]:
    """Returns what is there to be replaced: where, under which name, what, and by what.

    A zygote asks for all its forks; no operation runs.
    """
    import keras

    here = ON_TENSORFLOW if keras.backend.backend() == "tensorflow" else ()
    found = []
    for path, name, spare in (*ANYWHERE, *here):
        with contextlib.suppress(ImportError, AttributeError, LookupError, ValueError):
            place = pkgutil.resolve_name(path)
            own = getattr(place, name)
            found.append((place, name, own, spare(own)))
    return found
