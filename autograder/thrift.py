"""What TensorFlow and Keras do for every layer anew, and a probe can do without."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
from collections.abc import Callable


@contextlib.contextmanager
def thrifty():
    """Spares that as long as it is open; a notebook's own code never sees it.

    What layers compute, what variables are called and what is saved stay the same.
    """
    with contextlib.ExitStack() as after:
        for module, name, quicker in _spared():
            after.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, quicker)
        yield


@functools.cache
def _spared() -> list[tuple]:
    """Returns what is there to be replaced, and by what."""
    import keras

    wanted = [("keras.src.saving.saving_lib", "get_attr_skipset", _remembering)]
    if keras.backend.backend() == "tensorflow":
        operations = "tensorflow.python.ops.gen_resource_variable_ops"
        wanted.append((operations, "var_handle_op", _nameless))
    found = []
    for path, name, spare in wanted:
        with contextlib.suppress(ImportError, AttributeError, TypeError, ValueError):
            module = importlib.import_module(path)
            found.append((module, name, spare(getattr(module, name))))
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


def _remembering(asked: Callable) -> Callable:
    """Has Keras look once, not once per layer, at which attributes are its own.

    Saving a model makes a bare layer for each of its layers to ask this: what it keeps
    for the next time (3.15, `saving_lib.get_attr_skipset`) goes under another name
    than it is looked for.
    """
    return functools.cache(asked)
