"""Attention weights of a layer inside a model, without changing the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def watch(attention: Any, run: Callable[[], Any]) -> np.ndarray:
    """Returns the weights with which an attention layer looked while a model ran.

    The layer may stand anywhere in the model; whoever calls it gets what it asked for.

    Args:
        attention: a layer that takes `return_attention_scores=True`, such as the
            `cross_attention` of a block.
        run: what to do meanwhile, such as `lambda: model(x)`; eagerly, not compiled.

    Returns:
        Array of shape `(B, H, Tq, Tk)`, or what else the layer returns as its scores:
        those of its last call.

    Raises:
        ValueError: the layer was not called meanwhile.
    """
    import keras

    seen: list[Any] = []
    original = attention.call

    def call(*args, return_attention_scores=False, **kwargs):
        both = original(*args, return_attention_scores=True, **kwargs)
        seen.append(both[1])
        return both if return_attention_scores else both[0]

    attention.call = call
    try:
        run()
    finally:
        del attention.call
    if not seen:
        raise ValueError(
            f"{attention.name} was not called; does the model hold this very layer?"
        )
    return keras.ops.convert_to_numpy(seen[-1])
