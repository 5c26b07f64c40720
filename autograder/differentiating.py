"""Gradients and compilation on whichever backend Keras runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras


def gradients_of(
    loss: Callable[[], Any], variables: Sequence, inputs: Sequence
) -> tuple[list, list]:
    """Returns the gradients of `loss()` by variables and by input tensors.

    A gradient that does not exist is None. On JAX, whose arrays cannot be watched,
    only the variables are differentiated and the inputs' gradients are an empty list.
    """
    return {"tensorflow": _tensorflow, "torch": _torch, "jax": _jax}[
        keras.backend.backend()
    ](loss, list(variables), list(inputs))


def _tensorflow(loss, variables, inputs):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = loss()
    sources = [variable.value for variable in variables] + inputs
    grads = [
        tf.convert_to_tensor(g) if isinstance(g, tf.IndexedSlices) else g
        for g in tape.gradient(value, sources)
    ]
    return grads[: len(variables)], grads[len(variables) :]


def _torch(loss, variables, inputs):
    import torch

    for tensor in inputs:
        tensor.requires_grad_(True)
    sources = [variable.value for variable in variables] + inputs
    grads = list(torch.autograd.grad(loss(), sources, allow_unused=True))
    return grads[: len(variables)], grads[len(variables) :]


def _jax(loss, variables, inputs):
    import jax

    def pure(values):
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return loss()

    return list(jax.grad(pure)([v.value for v in variables])), []


def compile_call(function: Callable, args: list, named: dict) -> Any:
    """Returns `function(*args, **named)` as the backend compiles it.

    TensorFlow traces it into a graph, JAX jits it; torch has no graph to differ from
    and runs as it is.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(lambda: function(*args, **named))()
    if backend == "jax":
        import jax

        return jax.jit(lambda: function(*args, **named))()
    return function(*args, **named)
