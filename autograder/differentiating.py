"""Gradients and compilation on whichever backend Keras runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras


def gradients_of(
    loss: Callable[..., Any], variables: Sequence, inputs: Sequence
) -> tuple[list, list]:
    """Returns the gradients of `loss(*inputs)` by variables and by input tensors.

    A gradient that does not exist is None; on JAX, which does not tell, it is zero.
    """
    return {"tensorflow": _tensorflow, "torch": _torch, "jax": _jax}[
        keras.backend.backend()
    ](loss, list(variables), list(inputs))


def _tensorflow(loss, variables, inputs):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = loss(*inputs)
    sources = [variable.value for variable in variables] + inputs
    grads = [
        tf.convert_to_tensor(g) if isinstance(g, tf.IndexedSlices) else g
        for g in tape.gradient(value, sources)
    ]
    return grads[: len(variables)], grads[len(variables) :]


def _torch(loss, variables, inputs):
    import torch

    inputs = [tensor.detach().requires_grad_(True) for tensor in inputs]
    sources = [variable.value for variable in variables] + inputs
    grads = list(torch.autograd.grad(loss(*inputs), sources, allow_unused=True))
    return grads[: len(variables)], grads[len(variables) :]


def _jax(loss, variables, inputs):
    import jax

    def pure(values, inputs):
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return loss(*inputs)

    return jax.grad(pure, argnums=(0, 1))([v.value for v in variables], inputs)


def compile_call(function: Callable, args: list, named: dict) -> Any:
    """Returns `function(*args, **named)` as the backend compiles it.

    TensorFlow traces it into a graph, JAX jits it; torch has no graph to differ from
    and runs as it is.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # AutoGraph does not go through Keras' `__call__`, so it would convert the line
        # below and nothing of a layer; as in `fit`, no layer's `call` is converted.
        converted = not isinstance(function, keras.layers.Layer)
        graph = tf.function(lambda: function(*args, **named), autograph=converted)
        with _unoptimized():
            return graph()
    if backend == "jax":
        import jax

        return jax.jit(lambda: function(*args, **named))()
    return function(*args, **named)


@contextlib.contextmanager
def _unoptimized():
    """Has TensorFlow run a graph as it was traced: it is to run only once."""
    import tensorflow as tf

    options, name = tf.config.optimizer, "disable_meta_optimizer"
    before = options.get_experimental_options().get(name, False)
    options.set_experimental_options({name: True})
    try:
        yield
    finally:
        options.set_experimental_options({name: before})
