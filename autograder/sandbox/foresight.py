"""What every fork would look up in its first second, looked up before the first fork.

Nothing here runs an operation, makes TensorFlow's context or starts a thread: a fork
after that would hang. `zygote.guard` looks, whatever this module says.
"""

from __future__ import annotations

import collections.abc
import contextlib
import importlib

import numpy as np

# Classes that TensorFlow and Keras ask of every value whether it is one.
ASKED = (
    "collections.abc:Mapping",
    "collections.abc:MappingView",
    "collections.abc:MutableMapping",
    "collections.abc:Sequence",
    "tensorflow.python.framework.composite_tensor:CompositeTensor",
    "tensorflow.python.framework.type_spec:TypeSpec",
    "tensorflow.python.framework.weak_tensor:WeakTensor",
    "tensorflow.python.ops.ragged.ragged_tensor:RaggedTensor",
    "tensorflow.python.ops.resource_variable_ops:BaseResourceVariable",
    "tensorflow.python.ops.variables:Variable",
)
VALUES = (
    "tensorflow.python.framework.ops:EagerTensor",
    "tensorflow.python.framework.ops:SymbolicTensor",
    "tensorflow.python.framework.tensor_shape:TensorShape",
    "tensorflow.python.ops.resource_variable_ops:ResourceVariable",
    "tensorflow.python.types.core:Tensor",
    "tensorflow.python.types.core:TensorProtocol",
    "keras:DTypePolicy",
    "keras:KerasTensor",
    "keras:Variable",
    "keras.layers:InputLayer",
    "keras.src.models.functional:Functional",
)
PLAIN = (bool, int, float, str, type(None), list, tuple, dict, set, np.ndarray)


def look_up() -> None:
    """Looks up registries and kinds: a thirtieth of a short session's time."""
    _read_registries()
    _ask_for_kinds()


def _read_registries() -> None:
    """Has TensorFlow (2.21) index its operations, 4 ms, and kernels, 2 ms.

    An operation that it does not know is what makes it list those that it knows; the
    first function that a process defines would be one.
    """
    with contextlib.suppress(ImportError, AttributeError):
        package = "tensorflow.python.framework"
        operations = importlib.import_module(f"{package}.op_def_registry")
        operations.get("NoOperationOfThatName")
        kernels = importlib.import_module(f"{package}.kernels")
        kernels.get_registered_kernels_for_op("MatMul")


def _ask_for_kinds() -> None:
    """Has Python remember which types are of which kind, 8 ms.

    An abstract class asks all its registered ones, and each remembers the answer.
    """
    kinds, values = _found(ASKED), [*PLAIN, type(look_up), *_found(VALUES)]
    for kind in kinds:
        for value in values:
            with contextlib.suppress(TypeError):
                issubclass(value, kind)


def _found(paths: collections.abc.Iterable[str]) -> list[type]:
    found = []
    for path in paths:
        module, _, name = path.partition(":")
        with contextlib.suppress(ImportError, AttributeError):
            found.append(getattr(importlib.import_module(module), name))
    return found
