"""Computing with a layer: how operations are handed their arguments."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np


def in_a_tensor(operation: Callable) -> Callable:
    """Hands on a shape or axes as a tensor: of a list TensorFlow makes one in 13 us."""

    @functools.wraps(operation)
    def handed(tensor, sizes, *others, **named):
        if type(sizes) in (list, tuple) and all(map(_is_size, sizes)):
            sizes = at_hand(tuple(sizes))
        return operation(tensor, sizes, *others, **named)

    return handed


def bounds(stack: Callable) -> Callable:
    """Does so with the bounds of a slice, `x[:, 2:5]`."""
    import tensorflow as tf

    @functools.wraps(stack)
    def stacked(values, *others, **named):
        plain = type(values) is list and values and not (others or named)
        if plain and tf.executing_eagerly() and all(map(_is_size, values)):
            return _kept(tuple(values))
        return stack(values, *others, **named)

    return stacked


def _is_size(value: object) -> bool:
    return type(value) is int and -(1 << 31) <= value < 1 << 31


def at_hand(sizes: tuple[int, ...]):
    """Returns whole numbers as an operation takes them at once.

    That is a tensor, the same one every time; in a graph it would have another name.
    """
    import tensorflow as tf

    return _kept(sizes) if tf.executing_eagerly() else np.array(sizes, "int32")


@functools.lru_cache(1000)
def _kept(sizes: tuple[int, ...]):
    import tensorflow as tf

    return tf.constant(np.array(sizes, "int32"))


def bare(convert: Callable) -> Callable:
    """Hands on one of Keras' variables as the variable of TensorFlow's that it is.

    Of Keras' own TensorFlow knows by a detour only, which takes 40 us more.
    """
    import keras

    @functools.wraps(convert)
    def converted(x, *others, **named):
        x = x.value if type(x) is keras.Variable else x
        return convert(x, *others, **named)

    return converted


def no_stack(extract: Callable) -> Callable:
    """Notes no line of code for an operation of a graph: 3 in 100 of all time.

    An error while a graph is made has the frames that Python notes.
    """

    @functools.lru_cache
    def none():
        return extract(1 << 20)

    return lambda stacklevel=1: none()


def products(matmul: Callable) -> Callable:
    """Multiplies by the operations that Keras and TensorFlow come to in the end.

    Which they are, they find out in 75 us, though for `(..., n) @ (n, m)` and for
    stacks of matrices of the same shape they are always the same.
    """
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.ops import EagerTensor
    from tensorflow.python.ops.resource_variable_ops import ResourceVariable

    @functools.wraps(matmul)
    def product(x1, x2):
        weights = x2.value if type(x2) is keras.Variable else x2
        if not (
            type(x1) is EagerTensor
            and type(weights) in (EagerTensor, ResourceVariable)
            and x1.dtype == weights.dtype == tf.float32
            and x1.shape.rank > 1
            and weights.shape.rank > 1
            and x1.shape[-1] == weights.shape[-2]
            and tf.executing_eagerly()
        ):
            return matmul(x1, x2)
        if weights.shape.rank == 2:
            return by_matrix(x1, weights)
        if x1.shape[:-2] == weights.shape[:-2]:
            return tf.raw_ops.BatchMatMulV2(x=x1, y=weights)
        return matmul(x1, x2)

    return product


def by_matrix(x, weights):
    """Multiplies rows, of shape `(..., n)`, by a matrix `(n, m)`."""
    import tensorflow as tf

    *outer, n = x.shape
    if len(outer) == 1:
        return tf.raw_ops.MatMul(a=x, b=weights)
    y = tf.raw_ops.MatMul(a=reshaped(x, (math.prod(outer), n)), b=weights)
    return reshaped(y, (*outer, weights.shape[1]))


def reshaped(tensor, shape: tuple[int, ...]):
    """Returns a tensor or a variable in another shape, whose sizes are all known."""
    import tensorflow as tf

    return tf.raw_ops.Reshape(tensor=tensor, shape=at_hand(shape))


def known_by_type(kinds: tuple) -> tuple:
    """Has what is plainly no tensor be known by its type.

    TensorFlow asks a protocol, of which Python looks up every member: 4 us.
    """
    import keras
    import tensorflow as tf

    plain = {type(None), bool, int, float, str, list, tuple, dict, np.ndarray}
    plain |= {tf.TensorShape, keras.DTypePolicy}
    plain |= {c for c in vars(keras.initializers).values() if isinstance(c, type)}

    class Kind(type):
        def __instancecheck__(cls, value) -> bool:
            return type(value) not in plain and isinstance(value, kinds)

    return (Kind("Tensor", (), {}),)
