"""Computing with a layer: how operations are handed their arguments."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np


def in_an_array(operation: Callable) -> Callable:
    """Hands on a shape or axes as an array: of a list TensorFlow makes one in 13 us."""

    @functools.wraps(operation)
    def handed(tensor, sizes, *others, **named):
        if type(sizes) in (list, tuple) and all(map(_is_size, sizes)):
            sizes = np.array(sizes, "int32")
        return operation(tensor, sizes, *others, **named)

    return handed


def _is_size(value: object) -> bool:
    return type(value) is int and -(1 << 31) <= value < 1 << 31


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


def by_rows(matmul: Callable) -> Callable:
    """Multiplies many rows by a matrix with the operations of `tf.tensordot` alone.

    It finds out in 75 us which they are, though for `(..., n) @ (n, m)` they are always
    the same.
    """
    import keras
    import tensorflow as tf

    def are_rows(x1, weights) -> bool:
        return (
            isinstance(x1, tf.Tensor)
            and isinstance(weights, (tf.Tensor, tf.Variable))
            and x1.dtype == weights.dtype == tf.float32
            and x1.shape.rank > 2
            and weights.shape.rank == 2
            and x1.shape[-1] == weights.shape[0]
        )

    @functools.wraps(matmul)
    def product(x1, x2):
        weights = x2.value if type(x2) is keras.Variable else x2
        if not (tf.executing_eagerly() and are_rows(x1, weights)):
            return matmul(x1, x2)
        *outer, n = x1.shape
        rows = tf.reshape(x1, (math.prod(outer), n))
        return tf.reshape(tf.matmul(rows, weights), (*outer, weights.shape[1]))

    return product


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
