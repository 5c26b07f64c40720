"""What TensorFlow and Keras do for every layer anew, and a probe can do without."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import pkgutil
import types
from collections.abc import Callable

import numpy as np


@contextlib.contextmanager
def thrifty():
    """Spares that as long as it is open; a notebook's own code never sees it.

    What layers compute, what variables are called and what is saved stay the same; the
    first numbers of a weight are as widely spread, but others.
    """
    with contextlib.ExitStack() as after:
        for place, name, quicker in _spared():
            after.callback(setattr, place, name, getattr(place, name))
            setattr(place, name, quicker)
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
def _spared() -> list[tuple]:
    """Returns what is there to be replaced, and by what."""
    import keras

    wanted = [
        # Keras 3.15 keeps it too, under another name than it looks for.
        ("keras.src.saving.saving_lib", "get_attr_skipset", functools.cache),
        ("keras.src.layers.layer", "inspect", _Remembering),
        ("keras.src.ops.operation", "inspect", _Remembering),
    ]
    if keras.backend.backend() == "tensorflow":
        operations = "tensorflow.python.ops.gen_resource_variable_ops"
        wanted.append((operations, "var_handle_op", _nameless))
        wanted.append(("keras.src.layers.layer:Layer", "__setattr__", _untracked))
        initials = "keras.src.initializers.random_initializers"
        wanted.append((initials, "random", _Numbers))
        arrays = "tensorflow.python.ops.gen_array_ops"
        wanted.append((arrays, "reshape", _shape_in_an_array))
    found = []
    for path, name, spare in wanted:
        with contextlib.suppress(ImportError, AttributeError, TypeError, ValueError):
            place = pkgutil.resolve_name(path)
            found.append((place, name, spare(getattr(place, name))))
    return found


def _nameless(made: Callable) -> Callable:
    """Has all variables of one shape and dtype use one kernel.

    TensorFlow's `VarHandleOp` (2.21, `resource_variable_ops.py`) takes the variable's
    name as `debug_name`, and eager execution looks kernels up by their attributes: as
    names differ, every variable gets a kernel of its own, in about 0.4 ms, which is
    more than all else that making it costs. The name is for error texts alone; which
    variable it is, the handle says.

    Raises:
        ValueError: this TensorFlow takes no such name.
    """
    if "debug_name" not in inspect.signature(made).parameters:
        raise ValueError("no debug_name")

    @functools.wraps(made)
    def nameless(*args, debug_name: str = "", **named):
        return made(*args, **named)

    return nameless


class _StandIn:
    """A module as Keras uses it; who inherits does some of it in another way."""

    def __init__(self, module: types.ModuleType):
        self._module = module

    def __getattr__(self, name: str):
        return getattr(self._module, name)


class _Remembering(_StandIn):
    """The module `inspect`, as Keras uses it: a signature is worked out once.

    Keras asks four times for each layer, of the class's `__init__`, `call` and `build`.
    """

    def signature(self, asked: Callable) -> inspect.Signature:
        """Returns a function's signature, or a method's, which is without `self`."""
        bound = type(asked) is types.MethodType
        function = asked.__func__ if bound else asked
        if not _plain(function):
            return inspect.signature(asked)
        return _signature(function, bound)

    def getfullargspec(self, asked: Callable) -> inspect.FullArgSpec:
        return _full_argspec(asked) if _plain(asked) else inspect.getfullargspec(asked)


def _plain(function: object) -> bool:
    """Is it a function as `def` makes it, which nothing was set on?"""
    return type(function) is types.FunctionType and not vars(function)


@functools.lru_cache(1000)
def _signature(function: types.FunctionType, bound: bool) -> inspect.Signature:
    asked = types.MethodType(function, object()) if bound else function
    return inspect.signature(asked)


_full_argspec = functools.lru_cache(1000)(inspect.getfullargspec)


def _untracked(put: Callable) -> Callable:
    """Has a layer's attribute that is a plain value, not a variable, simply put there.

    Keras and TensorFlow look at each of a layer's forty whether it holds a variable or
    another layer. Where the class has something of that name, a property, they do as
    ever.
    """
    import keras

    plain = {bool, int, float, str, type(None), types.FunctionType, inspect.Signature}
    plain |= {keras.DTypePolicy, keras.InputSpec}
    plain |= {c for c in vars(keras.initializers).values() if isinstance(c, type)}

    @functools.wraps(put)
    def untracked(layer, name: str, value) -> None:
        if type(value) in plain and not hasattr(type(layer), name):
            object.__setattr__(layer, name, value)
        else:
            put(layer, name, value)

    return untracked


class _Numbers(_StandIn):
    """The module `random`, as Keras' initializers use it, with NumPy's uniform numbers.

    As evenly spread, and the same from the same seed. TensorFlow's take twelve
    operations, a quarter of what a `Dense` layer costs.
    """

    def uniform(self, shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        import tensorflow as tf

        if dtype != "float32" or type(seed) is not int or not tf.executing_eagerly():
            return self._module.uniform(shape, minval, maxval, dtype, seed)
        drawn = np.random.default_rng(seed).uniform(minval, maxval, shape)
        return tf.constant(drawn.astype(dtype))


def _shape_in_an_array(reshape: Callable) -> Callable:
    """Hands on a shape as an array: of a list TensorFlow makes one in 13 us."""

    @functools.wraps(reshape)
    def reshaped(tensor, shape, name=None):
        if type(shape) in (list, tuple) and all(map(_is_size, shape)):
            shape = np.array(shape, "int32")
        return reshape(tensor, shape, name)

    return reshaped


def _is_size(value: object) -> bool:
    return type(value) is int and -1 <= value < 1 << 31
