"""A made-up language for `greedy_decode`, whose sentences are known beforehand.

Its words stand in a circle, shuffled. What follows a row of ids is the word that lies
one, two or three places after the last one; how many, the row's first id says. So a
sentence depends on where it began, and reaches a given word after a known number of
steps. Who decodes sees logits only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class TooOften(Exception):
    """Whoever decodes has asked far more often than there are ids to find."""


def next_token_logits(
    order: np.ndarray, logits: np.ndarray, plain: bool, limit: int
) -> Callable[[Any], Any]:
    """Returns `function(ids (B, T)) -> logits (B, V)` of the language.

    Args:
        order: the words as they stand in the circle, `(V,)`.
        logits: a row for every place of the circle, largest at its word, `(V, V)`.
        plain: whether to answer with NumPy arrays instead of tensors.
        limit: how often the function answers before it raises `TooOften`.
    """
    from keras import ops

    places = np.argsort(order).astype("int32")
    asked = [0]

    def follows(ids, take: Callable):
        first, last = take(places, ids[:, 0]), take(places, ids[:, -1])
        return (last + first % 3 + 1) % len(order)

    def function(ids):
        asked[0] += 1
        if asked[0] > limit:
            raise TooOften(
                f"`next_token_logits` was asked {limit} times, and the loop goes on; "
                "it must end after `max_new_tokens` rounds."
            )
        ids = ops.cast(ops.convert_to_tensor(ids), "int32")
        if len(ids.shape) != 2:
            raise ValueError(
                f"`next_token_logits` was given ids of shape {tuple(ids.shape)}; "
                "it takes (B, T)."
            )
        try:
            known = ops.convert_to_numpy(ids)
        except (NotImplementedError, TypeError):  # traced: there are no numbers yet
            return ops.take(logits, follows(ids, ops.take), axis=0)
        if known.max(initial=0) >= len(order):
            raise ValueError(
                f"`next_token_logits` was given the id {known.max()}; its ids go from "
                f"0 to {len(order) - 1}."
            )
        told = logits[follows(known, np.take)]
        return told if plain else ops.convert_to_tensor(told)

    return function
