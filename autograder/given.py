"""Layers of earlier assignments, for students who have not finished them.

    from autograder.given import MultiHeadAttention

They keep the exercises' contracts, and weights from a student's own layer fit them and
the other way round. Inside, ready-made parts do the work that the exercise asks for, so
there is nothing here to copy. Where an exercise asks for a layer itself, the given one
counts as ready-made, like Keras' own.
"""

from __future__ import annotations

import functools
import operator

import keras
from keras import ops

__all__ = ["MultiHeadAttention"]


@functools.lru_cache(100)
def _ready_made(num_heads, key_dim, query, value, key, dtype):
    """Returns Keras' layer, the same one for all layers of these sizes.

    Its variables are only places to fill, and neither trained nor saved.
    """
    layer = keras.layers.MultiHeadAttention(
        num_heads, key_dim, kernel_initializer="zeros", dtype=dtype
    )
    layer.build(*((None, None, size) for size in (query, value, key)))
    return layer


@keras.saving.register_keras_serializable(package="autograder")
class MultiHeadAttention(keras.layers.Layer):
    """`keras.layers.MultiHeadAttention`, its weights where assignment 2 has them.

    Args:
        num_heads: number of heads `H`.
        key_dim: size of each head's queries, keys and values.
        **kwargs: `name` and `dtype`, as every Keras layer takes them.

    Call arguments:
        query: tensor of shape `(B, Tq, D)`.
        value: tensor of shape `(B, Tk, Dv)`; defaults to `query`.
        key: tensor of shape `(B, Tk, Dk)`; defaults to `value`.
        attention_mask: boolean, of shape `(Tq, Tk)`, `(B, Tq, Tk)` or
            `(B, H, Tq, Tk)`, or broadcastable to it. True: attend.
        return_attention_scores: whether to return the weights as well.

    Returns:
        Tensor of shape `(B, Tq, D)`, or `(output, weights)` with weights of
        shape `(B, H, Tq, Tk)`.

    Raises:
        ValueError: a number of heads or a size is not positive.
    """

    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = operator.index(num_heads)
        self.key_dim = operator.index(key_dim)
        if min(self.num_heads, self.key_dim) < 1:
            raise ValueError(
                "num_heads and key_dim must be positive; got "
                f"{self.num_heads} and {self.key_dim}."
            )

    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        key_shape = key_shape or value_shape
        width = self.num_heads * self.key_dim
        self.query = self._dense("query", width, query_shape)
        self.key = self._dense("key", width, key_shape)
        self.value = self._dense("value", width, value_shape)
        self.attention_output = self._dense(
            "attention_output", query_shape[-1], (None, None, width)
        )
        self.built = True

    def _dense(self, name, units, shape):
        layer = keras.layers.Dense(units, name=name, dtype=self.dtype_policy)
        layer.build(shape)
        return layer

    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        # Keras' layer obeys masks that tensors carry, and takes them off; the contract
        # knows none, and a copy carries none.
        query = ops.copy(query)
        value = query if value is None else ops.copy(value)
        key = value if key is None else ops.copy(key)
        inputs = [query, value, key]
        sizes = [tensor.shape[-1] for tensor in inputs]
        inner = _ready_made(
            self.num_heads, self.key_dim, *sizes, self.dtype_policy.name
        )
        with keras.StatelessScope(state_mapping=self._filling(inner.weights)):
            return inner.call(
                *inputs[:2],
                key=inputs[2],
                attention_mask=attention_mask,
                return_attention_scores=return_attention_scores,
            )

    def _filling(self, places):
        """Returns our weights by Keras' layer's, in the shapes that it has."""
        ours = [self._weight_for(place) for place in places]
        return [(p, ops.reshape(w, p.shape)) for p, w in zip(places, ours, strict=True)]

    def _weight_for(self, place):
        layer, weight = place.path.split("/")[-2:]
        return getattr(getattr(self, layer), weight)

    def get_config(self):
        sizes = dict(num_heads=self.num_heads, key_dim=self.key_dim)
        return super().get_config() | sizes
