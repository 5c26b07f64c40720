"""Calling a layer: what Keras' own compute, by TensorFlow's operations alone."""

from __future__ import annotations

import functools
from collections.abc import Callable

from autograder.thrift.computing import at_hand, by_matrix, reshaped

# The two that `keras.layers.MultiHeadAttention` uses, for three axes.
SPLITTING, MERGING = "abc,cde->abde", "abcd,cde->abe"
PARAMETERS = ("_kernel", "bias", "gamma", "beta")
# Activations that change no shape.
EVEN = "linear relu gelu silu sigmoid tanh softmax".split()


def straight(call: Callable) -> Callable:
    """Computes `Dense`, `EinsumDense` and `LayerNormalization` without a detour.

    Keras looks after masks, policies, names, sharding and arguments in each call, and
    converts, compares and casts in each operation: 0.2 to 0.3 ms, of which computing is
    a sixth. Where a built layer of Keras' own class is given one float32 tensor, and
    nothing is to be looked after, the very same operations follow each other directly;
    and where Keras traces for shapes alone, and throws the graph away, the shape is
    told. All else goes Keras' way, what it would refuse too.
    """
    import keras
    from keras.src.backend import in_symbolic_scope

    ways = {
        keras.layers.Dense: (dense, shape_of_dense),
        keras.layers.EinsumDense: (einsum_dense, shape_of_einsum_dense),
        keras.layers.LayerNormalization: (layer_normalization, shape_of_normalization),
    }
    plain = _plain_calls(ways)

    @functools.wraps(call)
    def called(layer, *args, **kwargs):
        way = ways.get(type(layer))
        if way and not kwargs and plain(layer, args):
            compute, shape_of = way
            x = args[0]
            shape = shape_of(layer, x)
            if shape is not None and in_symbolic_scope():
                return _of_shape(layer, x, shape)
            if shape is not None and x.shape.is_fully_defined():
                return compute(layer, x)
        return call(layer, *args, **kwargs)

    return called


def _plain_calls(classes) -> Callable:
    """Returns what tells whether there is nothing to look after in a call."""
    import keras
    import tensorflow as tf
    from keras.src.backend import get_autocast_scope, get_keras_mask
    from tensorflow.python.framework import ops

    own = {cls: cls.call for cls in classes}
    tensors = ops.EagerTensor, ops.SymbolicTensor
    parameters = keras.Variable, type(None)

    def plain(layer, given: tuple) -> bool:
        held = vars(layer)
        return (
            len(given) == 1
            and type(given[0]) in tensors
            and given[0].dtype == tf.float32
            and layer.built
            # Somebody may have wrapped it, on the class or on the layer.
            and type(layer).call is own[type(layer)]
            and "call" not in held
            and layer.dtype_policy.name == "float32"
            # A weight may be tied: a tensor that is made of another's.
            and all(type(held.get(name)) in parameters for name in PARAMETERS)
            and held.get("activity_regularizer") is None
            and not held.get("lora_enabled")
            and not held.get("_remat_mode")
            and get_keras_mask(given[0]) is None
            and get_autocast_scope() is None
            and keras.distribution.distribution() is None
        )

    return plain


def filled(filling: Callable) -> Callable:
    """Puts weights straight into the layer that a given one works by.

    Where only shapes are looked for, nothing has to be in it.
    """
    import tensorflow as tf
    from keras.src.backend import in_symbolic_scope

    @functools.wraps(filling)
    def filled(layer, places):
        if in_symbolic_scope():
            return []
        if not tf.executing_eagerly():
            return filling(layer, places)
        return [(p, reshaped(layer._weight_for(p).value, p.shape)) for p in places]

    return filled


# --- which shape comes out; None: it does not fit, or is not seen to ----------------


def shape_of_dense(layer, x) -> tuple | None:
    kernel = vars(layer).get("_kernel")
    if kernel is None or len(kernel.shape) != 2 or not x.shape.rank >= 2:
        return None
    n, m = kernel.shape
    return (*x.shape[:-1], m) if x.shape[-1] == n and _fits(layer.bias, (m,)) else None


def shape_of_einsum_dense(layer, x) -> tuple | None:
    kernel = vars(layer).get("_kernel")
    if kernel is None or len(kernel.shape) != 3:
        return None
    c, d, e = kernel.shape
    if layer.equation == SPLITTING and x.shape.rank == 3 and x.shape[2] == c:
        return (*x.shape[:2], d, e) if _fits(layer.bias, (d, e)) else None
    if layer.equation == MERGING and x.shape.rank == 4 and x.shape[2:] == (c, d):
        return (*x.shape[:2], e) if _fits(layer.bias, (e,)) else None
    return None


def shape_of_normalization(layer, x) -> tuple | None:
    """Of one over the last axis."""
    last = list(layer.axis) in ([-1], [x.shape.rank - 1]) and not layer.rms_scaling
    size = tuple(x.shape[-1:])
    fits = last and _fits(layer.gamma, size) and _fits(layer.beta, size)
    return tuple(x.shape) if fits else None


def _fits(weight, shape: tuple) -> bool:
    return weight is None or tuple(weight.shape) == shape


def _of_shape(layer, x, shape: tuple):
    """Returns a tensor of a graph that never runs."""
    import keras
    import tensorflow as tf

    y = tf.compat.v1.placeholder(x.dtype, shape)
    activation = getattr(layer, "activation", None)
    even = [getattr(keras.activations, name) for name in EVEN]
    return y if activation is None or activation in even else activation(y)


# --- what is computed, of shapes that fit -------------------------------------------


def dense(layer, x):
    return _activated(layer, _biased(layer, by_matrix(x, layer._kernel.value)))


def einsum_dense(layer, x):
    import tensorflow as tf

    kernel = layer._kernel.value
    c, d, e = kernel.shape
    outer = x.shape[:2]
    if layer.equation == SPLITTING:
        y = tf.raw_ops.BatchMatMulV2(x=x, y=reshaped(kernel, (c, d * e)))
        y = reshaped(y, (*outer, d, e))
    else:
        rows = reshaped(x, (*outer, c * d))
        y = tf.raw_ops.BatchMatMulV2(x=rows, y=reshaped(kernel, (c * d, e)))
    return _activated(layer, _biased(layer, y))


def layer_normalization(layer, x):
    import tensorflow as tf

    raw, last = tf.raw_ops, at_hand((-1,))
    mean = raw.Mean(input=x, axis=last, keep_dims=True)
    still = raw.StopGradient(input=mean)
    spread = raw.SquaredDifference(x=x, y=still)
    variance = raw.Mean(input=spread, axis=last, keep_dims=True)
    scale = raw.Rsqrt(x=raw.AddV2(x=variance, y=layer.epsilon))
    if layer.gamma is not None:
        scale = raw.Mul(x=scale, y=layer.gamma.value)
    shift = raw.Mul(x=raw.Neg(x=mean), y=scale)
    if layer.beta is not None:
        shift = raw.AddV2(x=shift, y=layer.beta.value)
    return raw.AddV2(x=raw.Mul(x=x, y=scale), y=shift)


def _biased(layer, y):
    import tensorflow as tf

    if layer.bias is None:
        return y
    bias = layer.bias.value
    if bias.shape.rank == 1 and bias.shape[0] > 1:
        return tf.raw_ops.BiasAdd(value=y, bias=bias)
    return tf.raw_ops.AddV2(x=y, y=bias)


def _activated(layer, y):
    return y if layer.activation is None else layer.activation(y)
