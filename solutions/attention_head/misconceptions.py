# %% [markdown]
# Attention, as it really comes back: implementations that are wrong in one way each,
# and right ones in other styles. A cell runs after the reference notebook's cells, and
# redefines one object. The comment at its top is the hint a student gets; the marker
# names the check that the mistake must lose.

# %% wrong="no_scaling" exercise="attention_weights" check="values"
# The scores are not divided by √d_k. Dot products grow with the number of components,
# so the softmax of large heads bets on a single key. Look at section 3's two pictures.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, scores, low)
    return ops.softmax(scores, axis=-1)


# %% wrong="scaled_by_d_k" exercise="attention_weights" check="values"
# The scores are divided by d_k itself, not by its square root. The typical size of a
# dot product grows like √d_k, so dividing by d_k makes the weights too even.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1]
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, scores, low)
    return ops.softmax(scores, axis=-1)


# %% wrong="scaled_by_key_count" exercise="attention_weights" check="values"
# The scores are divided by the square root of the number of keys. What makes a dot
# product grow is the size of the vectors, d_k, which is the last axis.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / key.shape[-2] ** 0.5
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, scores, low)
    return ops.softmax(scores, axis=-1)


# %% wrong="scaled_up" exercise="attention_weights" check="values"
# The scores are multiplied by √d_k where they should be divided by it. That makes
# large scores larger still, and the softmax picks a single winner.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) * query.shape[-1] ** 0.5
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, scores, low)
    return ops.softmax(scores, axis=-1)


# %% wrong="scaled_after_softmax" exercise="attention_weights" check="values"
# The division by √d_k comes after the softmax, so the weights no longer add up to 1.
# It has to tame the scores before the softmax sees them.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, scores, low)
    return ops.softmax(scores, axis=-1) / query.shape[-1] ** 0.5


# %% wrong="softmax_over_queries" exercise="attention_weights" check="values"
# The softmax runs over the queries, so each column adds up to 1. Every query shares its
# attention out among the keys: the rows, along the last axis, must add up to 1.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, scores, low)
    return ops.softmax(scores, axis=-2)


# %% wrong="no_softmax" exercise="attention_weights" check="values"
# These are the scaled scores, not weights: some are negative, and no row adds up to 1.
# The softmax is missing.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        scores = ops.where(attention_mask, scores, ops.zeros_like(scores))
    return scores


# %% wrong="sigmoid" exercise="attention_weights" check="values"
# A sigmoid judges each key by itself. Attention is shared: what one key gains another
# loses, and only a softmax does that.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, scores, low)
    return ops.sigmoid(scores)


# %% wrong="mask_ignored" exercise="attention_weights" check="masks"
# The mask is never used. Hidden keys get attention as if they were visible.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    return ops.softmax(scores, axis=-1)


# %% wrong="mask_inverted" exercise="attention_weights" check="masks"
# The mask is read the wrong way round: in Keras, True means attend. Here the visible
# keys are hidden and the hidden ones seen.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, low, scores)
    return ops.softmax(scores, axis=-1)


# %% wrong="mask_times_scores" exercise="attention_weights" check="masks"
# The mask multiplies the scores, so a hidden key's score becomes 0. But exp(0) is 1,
# not 0: the key is still seen, and may even win. It needs a very low score instead.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        scores = scores * ops.cast(attention_mask, scores.dtype)
    return ops.softmax(scores, axis=-1)


# %% wrong="mask_times_weights" exercise="attention_weights" check="masks"
# The mask is applied after the softmax and the rest is not shared out again, so the
# visible keys' weights add up to less than 1. Hide the keys before the softmax.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    weights = ops.softmax(scores, axis=-1)
    if attention_mask is not None:
        weights = weights * ops.cast(attention_mask, weights.dtype)
    return weights


# %% wrong="mask_not_low_enough" exercise="attention_weights" check="hidden"
# Hidden keys get a score that is low but not low enough: where the visible scores are
# lower still, the hidden keys win. Use the lowest finite number of the dtype.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        scores = ops.where(attention_mask, scores, ops.cast(-10.0, scores.dtype))
    return ops.softmax(scores, axis=-1)


# %% wrong="mask_not_low_enough/hundred" exercise="attention_weights" check="hidden"
def attention_weights(query, key, attention_mask=None):
    scores = ops.einsum("...qd,...kd->...qk", query, key) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        scores = ops.where(attention_mask, scores, -100.0)
    return ops.softmax(scores)


# %% wrong="mask_is_minus_infinity" exercise="attention_weights" check="stability"
# Hidden keys get minus infinity. A row whose keys are all hidden then divides zero by
# zero and becomes NaN, which spreads through the whole network. Use a low finite number.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        scores = ops.where(attention_mask, scores, ops.cast(-np.inf, scores.dtype))
    return ops.softmax(scores, axis=-1)


# %% wrong="minus_1e9_in_float16" exercise="attention_weights" check="stability"
# In float16 the number -1e9 does not exist: it becomes minus infinity, and a row whose
# keys are all hidden becomes NaN. The largest float16 is 65504.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        scores = ops.where(attention_mask, scores, ops.cast(-1e9, scores.dtype))
    return ops.softmax(scores, axis=-1)


# %% wrong="mask_added_as_zero_times_infinity" exercise="attention_weights" check="stability"
# (1 - mask) · (-1e9) is added to the scores. In float16 that is 0 · (-∞) for every
# visible key, which is NaN. Choose the low number to fit the scores' dtype.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        hidden = 1.0 - ops.cast(attention_mask, scores.dtype)
        scores = scores + hidden * ops.cast(-1e9, scores.dtype)
    return ops.softmax(scores, axis=-1)


# %% wrong="naive_exponential" exercise="attention_weights" check="stability"
# exp(score) overflows for scores above 88, and infinity divided by infinity is NaN.
# Subtract each row's largest score first, or use `ops.softmax`, which does.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, scores, low)
    powers = ops.exp(scores)
    return powers / ops.sum(powers, axis=-1, keepdims=True)


# %% wrong="numpy_inside" exercise="attention_weights" check="traced"
# NumPy works on numbers that are there. Inside a model the tensors are symbolic at
# first, and no gradient passes through NumPy: use `keras.ops`.
def attention_weights(query, key, attention_mask=None):
    query, key = np.asarray(query), np.asarray(key)
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(query.shape[-1])
    if attention_mask is not None:
        low = np.finfo(scores.dtype).min
        scores = np.where(attention_mask, scores, low)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# %% wrong="stopped_gradient" exercise="attention_weights" check="gradients"
# The weights are cut off from the gradient, so queries and keys never learn.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, scores, low)
    return ops.stop_gradient(ops.softmax(scores, axis=-1))


# %% wrong="cosine_similarity" exercise="attention_weights" check="values"
# The vectors are normalised first, which turns dot products into cosines. Attention
# keeps the lengths: a long key may call louder than a short one.
def attention_weights(query, key, attention_mask=None):
    query, key = ops.normalize(query, axis=-1), ops.normalize(key, axis=-1)
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, scores, low)
    return ops.softmax(scores, axis=-1)


# %% wrong="unscaled_mixture" exercise="attention" check="values"
# The weights are computed anew, without dividing by √d_k. You have written a function
# that does it right: `attention_weights`.
def attention(query, key, value, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
    if attention_mask is not None:
        low = ops.cast(-6e4 if "float16" in str(scores.dtype) else -1e9, scores.dtype)
        scores = ops.where(attention_mask, scores, low)
    return ops.matmul(ops.softmax(scores, axis=-1), value)


# %% wrong="mask_not_passed_on" exercise="attention" check="masks"
# The mask ends here: it is not handed on to the weights, so nothing is hidden.
def attention(query, key, value, attention_mask=None):
    return ops.matmul(attention_weights(query, key), value)


# %% wrong="mixes_keys" exercise="attention" check="values"
# The keys are mixed, not the values. Keys say where to look; what is found there are
# the values.
def attention(query, key, value, attention_mask=None):
    return ops.matmul(attention_weights(query, key, attention_mask), key)


# %% wrong="roles_swapped" exercise="attention" check="values"
# Queries and keys have changed places. Each query asks all keys, so the rows of the
# weights belong to the queries.
def attention(query, key, value, attention_mask=None):
    mask = attention_mask
    if mask is not None:
        mask = ops.swapaxes(mask, -1, -2)
    weights = attention_weights(key, query, mask)
    return ops.matmul(ops.swapaxes(weights, -1, -2), value)


# %% wrong="divided_by_key_count" exercise="attention" check="values"
# The mixture is divided by the number of keys. The weights add up to 1 already: it is
# a weighted mean as it stands.
def attention(query, key, value, attention_mask=None):
    mixed = ops.matmul(attention_weights(query, key, attention_mask), value)
    return mixed / key.shape[-2]


# %% wrong="plain_mean" exercise="attention" check="values"
# Every query gets the plain average of all values. The weights are what makes it
# attention.
def attention(query, key, value, attention_mask=None):
    weights = ops.ones_like(attention_weights(query, key, attention_mask))
    return ops.matmul(weights / key.shape[-2], value)


# %% wrong="upper_triangle" exercise="causal_mask" check="values"
# This is the other triangle: each word sees only what comes after it. Rows are queries,
# columns are keys, and the past lies to the left.
def causal_mask(length):
    positions = ops.arange(length)
    return positions[:, None] <= positions[None, :]


# %% wrong="own_position_hidden" exercise="causal_mask" check="values"
# A word may look at itself: the diagonal is True. Here the first word has nothing to
# look at.
def causal_mask(length):
    positions = ops.arange(length)
    return positions[:, None] > positions[None, :]


# %% wrong="ones_and_zeros" exercise="causal_mask" check="dtype"
# The numbers are right and the dtype is not: a mask is boolean. Compare positions
# rather than filling with ones, or cast at the end.
def causal_mask(length):
    return ops.tril(ops.ones((length, length)))


# %% wrong="ones_and_zeros/integers" exercise="causal_mask" check="dtype"
def causal_mask(length):
    positions = ops.arange(length)
    return ops.cast(positions[:, None] >= positions, "int32")


# %% wrong="ones_and_zeros/numpy" exercise="causal_mask" check="dtype"
def causal_mask(length):
    return np.tril(np.ones((length, length)))


# %% wrong="future_marked" exercise="causal_mask" check="values"
# True marks the future, as masks do in some other libraries. In Keras, True means
# attend.
def causal_mask(length):
    positions = ops.arange(length)
    return positions[None, :] > positions[:, None]


# %% wrong="biased_projections" exercise="attention_head" check="build"
# The Dense sublayers have a bias. The slide's projections are plain matrices:
# `use_bias=False`.
class AttentionHead(AttentionHead):
    def __init__(self, head_dim, **kwargs):
        super().__init__(head_dim, **kwargs)
        dense = {"dtype": self.dtype_policy}
        self.query = keras.layers.Dense(head_dim, name="query", **dense)
        self.key = keras.layers.Dense(head_dim, name="key", **dense)
        self.value = keras.layers.Dense(head_dim, name="value", **dense)


# %% wrong="value_and_key_swapped" exercise="attention_head" check="values"
# Value and key have changed places on the way. The layer's order is `query, value,
# key`, your functions' order `query, key, value`: pass them by name.
class AttentionHead(AttentionHead):
    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        key_shape = key_shape or value_shape
        self.query.build(query_shape)
        self.key.build(key_shape)
        self.value.build(value_shape)

    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        value = query if value is None else value
        key = value if key is None else key
        q, k, v = self.query(query), self.key(key), self.value(value)
        weights = attention_weights(q, v, attention_mask)
        output = ops.matmul(weights, k)
        return (output, weights) if return_attention_scores else output


# %% wrong="value_and_key_swapped/in_the_signature" exercise="attention_head" check="values"
# `call` takes the key before the value. Keras' order is `query, value, key`, so what a
# caller gives second is the value.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        key=None,
        value=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        key = query if key is None else key
        value = key if value is None else value
        return super().call(query, value, key, attention_mask, return_attention_scores)


# %% wrong="scaled_by_features" exercise="attention_head" check="values"
# The scores are divided by the root of the input's feature size. What counts is the
# size of the projected queries and keys, `head_dim`.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        value = query if value is None else value
        key = value if key is None else key
        q, k, v = self.query(query), self.key(key), self.value(value)
        q = q * ops.cast((self.head_dim / query.shape[-1]) ** 0.5, q.dtype)
        weights = attention_weights(q, k, attention_mask)
        output = ops.matmul(weights, v)
        return (output, weights) if return_attention_scores else output


# %% wrong="head_without_scaling" exercise="attention_head" check="values"
# Inside the layer the scores are not divided by √head_dim. Use your own
# `attention_weights`, which does it.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        value = query if value is None else value
        key = value if key is None else key
        q, k, v = self.query(query), self.key(key), self.value(value)
        q = q * ops.cast(self.head_dim**0.5, q.dtype)
        weights = attention_weights(q, k, attention_mask)
        output = ops.matmul(weights, v)
        return (output, weights) if return_attention_scores else output


# %% wrong="head_ignores_mask" exercise="attention_head" check="masks"
# `attention_mask` arrives in `call` and is not handed on.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        return super().call(
            query, value, key, return_attention_scores=return_attention_scores
        )


# %% wrong="head_mask_not_low_enough" exercise="attention_head" check="hidden"
# In the layer, hidden keys get a score that is not low enough: where the visible scores
# are lower still, they win. Use the lowest finite number, or your `attention_weights`.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        value = query if value is None else value
        key = value if key is None else key
        q, k, v = self.query(query), self.key(key), self.value(value)
        scores = ops.matmul(q, ops.swapaxes(k, -1, -2)) / self.head_dim**0.5
        if attention_mask is not None:
            scores = ops.where(attention_mask, scores, -100.0)
        weights = ops.softmax(scores)
        output = ops.matmul(weights, v)
        return (output, weights) if return_attention_scores else output


# %% wrong="head_inverts_mask" exercise="attention_head" check="masks"
# The layer turns the mask round. True means attend, from the caller to the softmax.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        if attention_mask is not None:
            attention_mask = ops.logical_not(attention_mask)
        return super().call(query, value, key, attention_mask, return_attention_scores)


# %% wrong="key_defaults_to_query" exercise="attention_head" check="defaults"
# A missing key is taken from the query. In cross-attention the keys describe the values,
# so a missing key is the value.
class AttentionHead(AttentionHead):
    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        super().build(query_shape, value_shape, key_shape or query_shape)

    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        value = query if value is None else value
        key = query if key is None else key
        return super().call(query, value, key, attention_mask, return_attention_scores)


# %% wrong="key_defaults_to_query/as_built" exercise="attention_head" check="defaults"
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        key = query if key is None else key
        return super().call(query, value, key, attention_mask, return_attention_scores)


# %% wrong="value_required" exercise="attention_head" check="defaults"
# Called with fewer than three inputs it fails. Self-attention is the common case: a
# missing value is the query, and a missing key is the value.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        q, k, v = self.query(query), self.key(key), self.value(value)
        weights = attention_weights(q, k, attention_mask)
        output = ops.matmul(weights, v)
        return (output, weights) if return_attention_scores else output


# %% wrong="value_required/but_not_the_key" exercise="attention_head" check="defaults"
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        key = value if key is None else key
        q, k, v = self.query(query), self.key(key), self.value(value)
        weights = attention_weights(q, k, attention_mask)
        output = ops.matmul(weights, v)
        return (output, weights) if return_attention_scores else output


# %% wrong="value_required/in_the_signature" exercise="attention_head" check="defaults"
class AttentionHead(AttentionHead):
    def call(
        self, query, value, key, attention_mask=None, return_attention_scores=False
    ):
        return super().call(query, value, key, attention_mask, return_attention_scores)


# %% wrong="scores_before_softmax" exercise="attention_head" check="scores"
# What is returned as attention scores are the raw dot products. The caller wants the
# weights, after the softmax: rows that add up to 1.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        output = super().call(query, value, key, attention_mask)
        value = query if value is None else value
        key = value if key is None else key
        scores = ops.matmul(self.query(query), ops.swapaxes(self.key(key), -1, -2))
        scores = scores / ops.cast(self.head_dim**0.5, scores.dtype)
        return (output, scores) if return_attention_scores else output


# %% wrong="scores_before_softmax/masked" exercise="attention_head" check="scores"
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        output = super().call(query, value, key, attention_mask)
        value = query if value is None else value
        key = value if key is None else key
        scores = ops.matmul(self.query(query), ops.swapaxes(self.key(key), -1, -2))
        scores = scores / ops.cast(self.head_dim**0.5, scores.dtype)
        if attention_mask is not None:
            scores = ops.where(attention_mask, scores, ops.cast(-6e4, scores.dtype))
        return (output, scores) if return_attention_scores else output


# %% wrong="scores_never_returned" exercise="attention_head" check="scores"
# `return_attention_scores=True` changes nothing: the weights are not returned.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        return super().call(query, value, key, attention_mask)


# %% wrong="scores_first" exercise="attention_head" check="scores"
# The pair comes back in the wrong order: the output first, then the weights.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        output, weights = super().call(query, value, key, attention_mask, True)
        return (weights, output) if return_attention_scores else output


# %% wrong="residual_added" exercise="attention_head" check="values"
# The projected query is added to the output. Residual connections belong to the
# Transformer block around the head, not into the head.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        output, weights = super().call(query, value, key, attention_mask, True)
        output = output + self.query(query)
        return (output, weights) if return_attention_scores else output


# %% wrong="activated_projections" exercise="attention_head" check="values"
# The projections go through a ReLU. Queries, keys and values are linear in the input:
# the softmax is the only non-linearity of a head.
class AttentionHead(AttentionHead):
    def __init__(self, head_dim, **kwargs):
        super().__init__(head_dim, **kwargs)
        dense = {"use_bias": False, "activation": "relu", "dtype": self.dtype_policy}
        self.query = keras.layers.Dense(head_dim, name="query", **dense)
        self.key = keras.layers.Dense(head_dim, name="key", **dense)
        self.value = keras.layers.Dense(head_dim, name="value", **dense)


# %% wrong="shared_projection" exercise="attention_head" check="build"
# Queries and keys share one matrix. Then every word asks for words like itself; with
# two matrices it can ask for something else.
class AttentionHead(AttentionHead):
    def __init__(self, head_dim, **kwargs):
        super().__init__(head_dim, **kwargs)
        self.key = self.query

    def build(self, query_shape, value_shape=None, key_shape=None):
        self.query.build(query_shape)
        self.value.build(value_shape or query_shape)
        self.built = True


# %% wrong="config_incomplete" exercise="attention_head" check="config"
# `get_config()` does not return `head_dim`, so the layer cannot be made again from its
# config, nor loaded from a file.
class AttentionHead(AttentionHead):
    def get_config(self):
        return keras.layers.Layer.get_config(self)


# %% wrong="config_not_returned" exercise="attention_head" check="config"
# `get_config()` changes a dictionary and does not return it. Its last line is missing:
# `return config`.
class AttentionHead(AttentionHead):
    def get_config(self):
        config = super().get_config()
        config.update({"head_dim": self.head_dim})


# %% wrong="no_keyword_arguments" exercise="attention_head" check="constructor"
# The constructor takes `head_dim` alone. Every Keras layer accepts `name` and `dtype`:
# take `**kwargs` and hand them to `super().__init__`.
class AttentionHead(AttentionHead):
    def __init__(self, head_dim):
        super().__init__(head_dim)


# %% wrong="keyword_arguments_dropped" exercise="attention_head" check="constructor"
# The constructor takes `**kwargs` and does not hand them on, so `name` and `dtype` are
# lost: `super().__init__(**kwargs)`.
class AttentionHead(AttentionHead):
    def __init__(self, head_dim, **kwargs):
        super().__init__(head_dim)


# %% wrong="sublayers_keep_float32" exercise="attention_head" check="precision"
# The sublayers do not follow the layer's precision: give them
# `dtype=self.dtype_policy`. Under mixed precision they would compute in float32.
class AttentionHead(AttentionHead):
    def __init__(self, head_dim, **kwargs):
        super().__init__(head_dim, **kwargs)
        self.query = keras.layers.Dense(head_dim, use_bias=False, name="query")
        self.key = keras.layers.Dense(head_dim, use_bias=False, name="key")
        self.value = keras.layers.Dense(head_dim, use_bias=False, name="value")


# %% wrong="result_in_float32" exercise="attention_head" check="precision"
# The result is cast to float32, whatever the policy. Under mixed precision the next
# layer expects the compute dtype, and memory is what one wanted to save.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        output, weights = super().call(query, value, key, attention_mask, True)
        output = ops.cast(output, "float32")
        return (output, weights) if return_attention_scores else output


# %% wrong="sizes_from_the_first_call" exercise="attention_head" check="shapes"
# The layer counts on the batch and token counts of the shapes it saw: with unknown ones
# it fails. Only the feature size may be taken from a shape.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        output, weights = super().call(query, value, key, attention_mask, True)
        batch, length = int(query.shape[0]), int(query.shape[1])
        output = ops.reshape(output, (batch, length, self.head_dim))
        return (output, weights) if return_attention_scores else output


# %% wrong="sizes_from_the_first_call/in_a_reshape" exercise="attention_head" check="shapes"
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        output, weights = super().call(query, value, key, attention_mask, True)
        batch, length, _ = query.shape
        output = ops.reshape(output, (batch, length, self.head_dim))
        return (output, weights) if return_attention_scores else output


# %% wrong="value_never_learns" exercise="attention_head" check="gradients"
# The values are cut off from the gradient, so their matrix never learns.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        value = query if value is None else value
        key = value if key is None else key
        q, k, v = self.query(query), self.key(key), ops.stop_gradient(self.value(value))
        weights = attention_weights(q, k, attention_mask)
        output = ops.matmul(weights, v)
        return (output, weights) if return_attention_scores else output


# %% wrong="frozen_projections" exercise="attention_head" check="build"
# The kernels are not trainable, so the head can never learn where to look.
class AttentionHead(AttentionHead):
    def __init__(self, head_dim, **kwargs):
        super().__init__(head_dim, **kwargs)
        for layer in (self.query, self.key, self.value):
            layer.trainable = False


# %% wrong="other_attribute_names" exercise="attention_head" check="build"
# There are no sublayers `query`, `key` and `value`. What they are called, and that they
# are Dense layers, is part of the contract, as it is of a saved model.
class AttentionHead(AttentionHead):
    def __init__(self, head_dim, **kwargs):
        keras.layers.Layer.__init__(self, **kwargs)
        self.head_dim = head_dim
        dense = {"use_bias": False, "dtype": self.dtype_policy}
        self.w_q = keras.layers.Dense(head_dim, **dense)
        self.w_k = keras.layers.Dense(head_dim, **dense)
        self.w_v = keras.layers.Dense(head_dim, **dense)

    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        self.w_q.build(query_shape)
        self.w_k.build(key_shape or value_shape)
        self.w_v.build(value_shape)

    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        value = query if value is None else value
        key = value if key is None else key
        weights = attention_weights(self.w_q(query), self.w_k(key), attention_mask)
        output = ops.matmul(weights, self.w_v(value))
        return (output, weights) if return_attention_scores else output


# %% wrong="output_projection" exercise="attention_head" check="build"
# There is a fourth matrix behind the mixture. That one belongs to multi-head attention,
# where it puts the heads together; a single head has none.
class AttentionHead(AttentionHead):
    def __init__(self, head_dim, **kwargs):
        super().__init__(head_dim, **kwargs)
        self.out = keras.layers.Dense(head_dim, use_bias=False, dtype=self.dtype_policy)

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.out.build((None, None, self.head_dim))

    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        output, weights = super().call(query, value, key, attention_mask, True)
        output = self.out(output)
        return (output, weights) if return_attention_scores else output


# %% right="einsum" exercise="attention_weights"
# Einstein's summation over any leading axes, softmax in float32.
def attention_weights(query, key, attention_mask=None):
    scores = ops.einsum("...qd,...kd->...qk", query, key)
    scores = ops.cast(scores, "float32") / float(query.shape[-1]) ** 0.5
    if attention_mask is not None:
        scores = ops.where(attention_mask, scores, -1e9)
    return ops.cast(ops.softmax(scores), query.dtype)


# %% right="masked_and_shared_again" exercise="attention_weights"
# The mask after the softmax, with the weights shared out again.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
    scores = ops.cast(scores, "float32") / query.shape[-1] ** 0.5
    if attention_mask is None:
        return ops.cast(ops.softmax(scores, axis=-1), query.dtype)
    seen = ops.cast(attention_mask, "float32")
    peak = ops.max(scores * seen - 1e9 * (1 - seen), axis=-1, keepdims=True)
    powers = ops.exp(ops.minimum(scores - peak, 0.0)) * seen
    total = ops.sum(powers, axis=-1, keepdims=True)
    return ops.cast(powers / ops.maximum(total, 1e-9), query.dtype)


# %% right="query_scaled_first" exercise="attention_weights"
# The query is scaled before the product, and the low number is added.
def attention_weights(query, key, attention_mask=None):
    query = query * ops.cast(query.shape[-1] ** -0.5, query.dtype)
    scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
    if attention_mask is not None:
        low = (
            -3e4 if keras.backend.standardize_dtype(scores.dtype) == "float16" else -1e9
        )
        scores = scores + ops.cast(ops.logical_not(attention_mask), scores.dtype) * low
    return keras.activations.softmax(scores)


# %% right="softmax_by_hand" exercise="attention_weights"
# Exponentials of scores minus their largest.
def attention_weights(query, key, attention_mask=None):
    axes = list(range(len(key.shape)))
    axes[-1], axes[-2] = axes[-2], axes[-1]
    scores = ops.matmul(query, ops.transpose(key, axes)) / np.sqrt(key.shape[-1]).item()
    if attention_mask is not None:
        low = np.finfo(keras.backend.standardize_dtype(scores.dtype)).min / 2
        scores = ops.where(attention_mask, scores, ops.cast(low, scores.dtype))
    powers = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
    return powers / ops.sum(powers, axis=-1, keepdims=True)


# %% right="blind_rows_rescued" exercise="attention_weights"
# Minus infinity, and rows without any key left open again.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        mask = ops.broadcast_to(attention_mask, ops.shape(scores))
        scores = ops.where(mask, scores, ops.cast(-np.inf, scores.dtype))
        rescue = ops.any(mask, axis=-1, keepdims=True)
        scores = ops.where(rescue, scores, ops.zeros_like(scores))
    return ops.softmax(scores, axis=-1)


# %% right="softmax_layer" exercise="attention_weights"
# Keras' own softmax layer, which knows masks.
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        attention_mask = ops.broadcast_to(attention_mask, ops.shape(scores))
    dtype = keras.backend.standardize_dtype(scores.dtype)
    return keras.layers.Softmax(dtype=dtype)(scores, mask=attention_mask)


# %% right="one_line" exercise="attention"
# The mixture in one line.
def attention(query, key, value, attention_mask=None):
    return attention_weights(query, key, attention_mask=attention_mask) @ value


# %% right="einsum_mixture" exercise="attention"
# The weighted sum by einsum.
def attention(query, key, value, attention_mask=None):
    weights = attention_weights(query, key, attention_mask)
    return ops.einsum("...qk,...kd->...qd", weights, value)


# %% right="lower_triangle" exercise="causal_mask"
# The lower triangle of ones, as booleans.
def causal_mask(length):
    return ops.cast(ops.tril(ops.ones((length, length))), "bool")


# %% right="numpy_triangle" exercise="causal_mask"
# A mask is a constant, so NumPy may make it.
def causal_mask(length):
    return np.tril(np.ones((length, length), dtype=bool))


# %% right="own_formula" exercise="attention_head"
# Everything in the layer, helpers of its own, Keras' default config.
def _pick(first, second):
    return second if first is None else first


class AttentionHead(keras.layers.Layer):
    def __init__(self, head_dim, **kwargs):
        super().__init__(**kwargs)
        self.head_dim = head_dim

    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        shapes = {
            "query": query_shape,
            "key": key_shape or value_shape,
            "value": value_shape,
        }
        for name, shape in shapes.items():
            layer = keras.layers.Dense(
                self.head_dim, use_bias=False, dtype=self.dtype_policy, name=name
            )
            layer.build(shape)
            setattr(self, name, layer)

    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        value = _pick(value, query)
        key = _pick(key, value)
        scores = ops.einsum("bqd,bkd->bqk", self.query(query), self.key(key))
        scores = ops.cast(scores, "float32") * self.head_dim**-0.5
        if attention_mask is not None:
            scores = ops.where(attention_mask, scores, -1e9)
        weights = ops.cast(ops.softmax(scores), self.compute_dtype)
        output = ops.einsum("bqk,bkd->bqd", weights, self.value(value))
        if return_attention_scores:
            return output, weights
        return output

    def get_config(self):
        config = super().get_config()
        config.update({"head_dim": self.head_dim})
        return config


# %% right="base_class_and_einsum_dense" exercise="attention_head"
# A base class of one's own, EinsumDense for Dense, Keras' default config.
class _Projecting(keras.layers.Layer):
    def __init__(self, head_dim, **kwargs):
        super().__init__(**kwargs)
        self.head_dim = head_dim
        for name in ("query", "key", "value"):
            dense = keras.layers.EinsumDense(
                "btd,de->bte", (None, head_dim), dtype=self.dtype_policy
            )
            setattr(self, name, dense)

    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        self.query.build(query_shape)
        self.key.build(key_shape or value_shape)
        self.value.build(value_shape)
        self.built = True


class AttentionHead(_Projecting):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        value = query if value is None else value
        key = value if key is None else key
        weights = attention_weights(self.query(query), self.key(key), attention_mask)
        output = weights @ self.value(value)
        return [output, weights] if return_attention_scores else output


# %% right="uses_attention" exercise="attention_head"
# `attention` for the output, the weights only when asked for.
class AttentionHead(AttentionHead):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        if value is None:
            value = query
        if key is None:
            key = value
        q, k, v = self.query(query), self.key(key), self.value(value)
        output = attention(q, k, v, attention_mask)
        if not return_attention_scores:
            return output
        return output, attention_weights(q, k, attention_mask)
