# %% [markdown]
# Multi-head attention and positions, as they really come back: implementations that are
# wrong in one way each, and right ones in other styles. A cell runs after the reference
# notebook's cells and redefines one object; the comment at its top is the hint a student
# gets, and the marker names the check that the mistake must lose.

# %% role="shared"
def _hide(scores, mask):
    low = -6e4 if "float16" in str(scores.dtype) else -1e9
    return ops.where(mask, scores, ops.cast(low, scores.dtype))


def _weights(q, k, mask, hide=_hide, axis=-1):
    scores = ops.matmul(q, ops.swapaxes(k, -1, -2))
    scores = scores / ops.cast(k.shape[-1] ** 0.5, scores.dtype)
    if mask is not None:
        if len(mask.shape) == 3:
            mask = ops.expand_dims(mask, 1)
        scores = hide(scores, mask)
    return ops.softmax(scores, axis=axis)


def _attend(
    layer,
    query,
    value,
    key,
    mask,
    return_scores,
    *,
    scale=lambda q: q,
    split=None,
    finish=None,
    **options,
):
    value = query if value is None else value
    key = value if key is None else key
    split = split or (lambda x: split_heads(x, layer.num_heads))
    finish = finish or (lambda x: layer.attention_output(merge_heads(x)))
    q, k, v = (
        split(layer.query(query)),
        split(layer.key(key)),
        split(layer.value(value)),
    )
    weights = _weights(scale(q), k, mask, **options)
    output = finish(ops.matmul(weights, v))
    return (output, weights) if return_scores else output


# %% wrong="reshaped_without_transpose" exercise="split_heads" check="values"
# A reshape straight to (B, H, T, D/H) has the right shape and the wrong content: it
# regroups neighbours, so a head gets whole tokens instead of its share of each token.
def split_heads(x, num_heads):
    if x.shape[-1] % num_heads:
        raise ValueError(f"{x.shape[-1]} features, {num_heads} heads")
    batch, length = ops.shape(x)[:2]
    return ops.reshape(x, (batch, num_heads, length, x.shape[-1] // num_heads))


# %% wrong="heads_interleaved" exercise="split_heads" check="values"
# Head h gets every H-th feature. It should own a block of neighbours: h·D/H … (h+1)·D/H.
def split_heads(x, num_heads):
    if x.shape[-1] % num_heads:
        raise ValueError(f"{x.shape[-1]} features, {num_heads} heads")
    batch, length = ops.shape(x)[:2]
    x = ops.reshape(x, (batch, length, x.shape[-1] // num_heads, num_heads))
    return ops.transpose(x, (0, 3, 1, 2))


# %% wrong="heads_after_tokens" exercise="split_heads" check="values"
# The heads' axis comes after the tokens'. Attention multiplies the last two axes, so
# tokens must be next to last: (B, H, T, D/H).
def split_heads(x, num_heads):
    if x.shape[-1] % num_heads:
        raise ValueError(f"{x.shape[-1]} features, {num_heads} heads")
    batch, length = ops.shape(x)[:2]
    return ops.reshape(x, (batch, length, num_heads, x.shape[-1] // num_heads))


# %% wrong="head_count_and_size_swapped" exercise="split_heads" check="values"
# Number of heads and size of a head have changed places: `num_heads` heads come out as
# heads of that size.
def split_heads(x, num_heads):
    if x.shape[-1] % num_heads:
        raise ValueError(f"{x.shape[-1]} features, {num_heads} heads")
    batch, length = ops.shape(x)[:2]
    x = ops.reshape(x, (batch, length, x.shape[-1] // num_heads, num_heads))
    return ops.transpose(x, (0, 2, 1, 3))


# %% wrong="features_before_tokens" exercise="split_heads" check="values"
# The last two axes have changed places: (B, H, D/H, T) where (B, H, T, D/H) is asked.
def split_heads(x, num_heads):
    if x.shape[-1] % num_heads:
        raise ValueError(f"{x.shape[-1]} features, {num_heads} heads")
    batch, length = ops.shape(x)[:2]
    x = ops.reshape(x, (batch, length, num_heads, x.shape[-1] // num_heads))
    return ops.transpose(x, (0, 2, 3, 1))


# %% wrong="leftover_features_dropped" exercise="split_heads" check="error"
# Features that do not fit are silently dropped. Where H does not divide D, an error that
# names both numbers saves hours of search.
def split_heads(x, num_heads):
    batch, length = ops.shape(x)[:2]
    size = x.shape[-1] // num_heads
    x = ops.reshape(x[..., : size * num_heads], (batch, length, num_heads, size))
    return ops.transpose(x, (0, 2, 1, 3))


# %% wrong="error_without_sizes" exercise="split_heads" check="error"
# The ValueError does not say which sizes were involved. Name both: the features and the
# heads.
def split_heads(x, num_heads):
    if x.shape[-1] % num_heads:
        raise ValueError("The number of heads must divide the number of features.")
    batch, length = ops.shape(x)[:2]
    x = ops.reshape(x, (batch, length, num_heads, x.shape[-1] // num_heads))
    return ops.transpose(x, (0, 2, 1, 3))


# %% wrong="asserted_instead_of_raised" exercise="split_heads" check="error"
# An assertion is for the programmer and vanishes with `python -O`. What a caller got
# wrong is a ValueError.
def split_heads(x, num_heads):
    assert x.shape[-1] % num_heads == 0, f"{x.shape[-1]} features, {num_heads} heads"
    batch, length = ops.shape(x)[:2]
    x = ops.reshape(x, (batch, length, num_heads, x.shape[-1] // num_heads))
    return ops.transpose(x, (0, 2, 1, 3))


# %% wrong="static_sizes_needed" exercise="split_heads" check="traced"
# `x.shape` holds None where a size is not known yet, and reshape cannot use None. Ask
# `ops.shape(x)`, or let -1 stand for one unknown size.
def split_heads(x, num_heads):
    batch, length, features = x.shape
    if features % num_heads:
        raise ValueError(f"{features} features, {num_heads} heads")
    batch, length = int(batch), int(length)
    x = ops.reshape(x, (batch, length, num_heads, features // num_heads))
    return ops.transpose(x, (0, 2, 1, 3))


# %% wrong="static_sizes_needed/in_the_reshape" exercise="split_heads" check="traced"
def split_heads(x, num_heads):
    batch, length, features = x.shape
    if features % num_heads:
        raise ValueError(f"{features} features, {num_heads} heads")
    x = ops.reshape(x, (batch, length, num_heads, features // num_heads))
    return ops.transpose(x, (0, 2, 1, 3))


# %% wrong="merged_without_transpose" exercise="merge_heads" check="values"
# A reshape straight from (B, H, T, d) mixes tokens: bring the heads back behind the
# tokens first, then reshape.
def merge_heads(x):
    batch, heads, length, size = ops.shape(x)
    return ops.reshape(x, (batch, length, heads * size))


# %% wrong="merged_interleaved" exercise="merge_heads" check="values"
# The heads' features are interleaved. They go side by side: first all of head 0, then
# all of head 1.
def merge_heads(x):
    batch, heads, length, size = ops.shape(x)
    x = ops.transpose(x, (0, 2, 3, 1))
    return ops.reshape(x, (batch, length, heads * size))


# %% wrong="heads_averaged" exercise="merge_heads" check="values"
# The heads are averaged. They should stand side by side, so that the projection behind
# them can weigh each one.
def merge_heads(x):
    return ops.mean(x, axis=1)


# %% wrong="heads_added" exercise="merge_heads" check="values"
# The heads are added up. They should stand side by side: nothing is lost by merging.
def merge_heads(x):
    return ops.sum(x, axis=1)


# %% wrong="merged_for_known_sizes_only" exercise="merge_heads" check="traced"
# Batch and token counts are taken for known numbers. While a model is traced they are
# None: ask `ops.shape(x)`, or use -1.
def merge_heads(x):
    batch, heads, length, size = (int(n) for n in x.shape)
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (batch, length, heads * size))


# %% wrong="merged_for_known_sizes_only/in_the_reshape" exercise="merge_heads" check="traced"
def merge_heads(x):
    batch, heads, length, size = x.shape
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (batch, length, heads * size))


# %% wrong="scaled_by_all_features" exercise="multi_head_attention" check="values"
# The scores are divided by the root of num_heads · key_dim. Each head's dot products run
# over key_dim numbers, so √key_dim is their typical size.
class MultiHeadAttention(MultiHeadAttention):
    def _scale(self, q):
        return q * ops.cast(self.num_heads**-0.5, q.dtype)

    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        return _attend(
            self,
            query,
            value,
            key,
            attention_mask,
            return_attention_scores,
            scale=self._scale,
        )


# %% wrong="not_scaled" exercise="multi_head_attention" check="values"
# The scores are not divided by √key_dim, so the softmax bets on single keys.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        def scale(q):
            return q * ops.cast(self.key_dim**0.5, q.dtype)

        return _attend(
            self,
            query,
            value,
            key,
            attention_mask,
            return_attention_scores,
            scale=scale,
        )


# %% wrong="scaled_by_the_input" exercise="multi_head_attention" check="values"
# The scores are divided by the root of the input's feature size. What counts is the size
# of one head, key_dim.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        def scale(q):
            return q * ops.cast((self.key_dim / query.shape[-1]) ** 0.5, q.dtype)

        return _attend(
            self,
            query,
            value,
            key,
            attention_mask,
            return_attention_scores,
            scale=scale,
        )


# %% wrong="key_dim_shared_among_heads" exercise="multi_head_attention" check="build"
# The Dense layers have key_dim units for all heads together. `key_dim` is the size of
# one head: together they need num_heads · key_dim.
class MultiHeadAttention(MultiHeadAttention):
    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(num_heads, key_dim, **kwargs)
        for name in ("query", "key", "value"):
            setattr(
                self, name, keras.layers.Dense(key_dim * 1, dtype=self.dtype_policy)
            )

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.attention_output = keras.layers.Dense(
            query_shape[-1], dtype=self.dtype_policy
        )
        self.attention_output.build((None, None, self.key_dim))

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
        weights = ops.softmax(ops.matmul(q, ops.swapaxes(k, -1, -2)))
        return self.attention_output(ops.matmul(weights, v))


# %% wrong="no_bias" exercise="multi_head_attention" check="build"
# The Dense layers have no bias. Keras' multi-head attention has one in all four: it is
# the default, leave `use_bias` alone.
class MultiHeadAttention(MultiHeadAttention):
    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(num_heads, key_dim, **kwargs)
        for name in ("query", "key", "value"):
            dense = keras.layers.Dense(
                num_heads * key_dim, use_bias=False, dtype=self.dtype_policy
            )
            setattr(self, name, dense)


# %% wrong="no_output_projection" exercise="multi_head_attention" check="runs"
# The merged heads are returned as they are. `attention_output` joins them and returns to
# the query's feature size, so that layers can be stacked.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        return _attend(
            self,
            query,
            value,
            key,
            attention_mask,
            return_attention_scores,
            finish=merge_heads,
        )


# %% wrong="value_and_key_swapped" exercise="multi_head_attention" check="values"
# Value and key have changed places. Keras' order is `query, value, key`.
class MultiHeadAttention(MultiHeadAttention):
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
        q = split_heads(self.query(query), self.num_heads)
        k = split_heads(self.value(value), self.num_heads)
        v = split_heads(self.key(key), self.num_heads)
        weights = _weights(q, k, attention_mask)
        output = self.attention_output(merge_heads(ops.matmul(weights, v)))
        return (output, weights) if return_attention_scores else output


# %% wrong="value_and_key_swapped/in_the_signature" exercise="multi_head_attention" check="values"
# `call` takes the key before the value. Keras' order is `query, value, key`, so what a
# caller gives second is the value.
class MultiHeadAttention(MultiHeadAttention):
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
        return _attend(self, query, value, key, attention_mask, return_attention_scores)


# %% wrong="heads_not_split" exercise="multi_head_attention" check="values"
# The heads are never split: this is one large head, whatever `num_heads` says.
class MultiHeadAttention(MultiHeadAttention):
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
        q, k, v = self.query(query)[:, None], self.key(key)[:, None], self.value(value)
        weights = _weights(q, k, attention_mask)
        output = self.attention_output(ops.matmul(weights[:, 0], v))
        return (output, weights) if return_attention_scores else output


# %% wrong="split_by_reshape_alone" exercise="multi_head_attention" check="values"
# Inside the layer the heads are split by a reshape alone, which mixes tokens and heads.
# Use your `split_heads`.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        def split(x):
            batch, length, features = ops.shape(x)
            shape = (batch, self.num_heads, length, features // self.num_heads)
            return ops.reshape(x, shape)

        return _attend(
            self,
            query,
            value,
            key,
            attention_mask,
            return_attention_scores,
            split=split,
        )


# %% wrong="merged_by_reshape_alone" exercise="multi_head_attention" check="values"
# The heads are merged by a reshape alone, which mixes up tokens. Use your `merge_heads`.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        def finish(x):
            batch, heads, length, size = ops.shape(x)
            return self.attention_output(ops.reshape(x, (batch, length, heads * size)))

        return _attend(
            self,
            query,
            value,
            key,
            attention_mask,
            return_attention_scores,
            finish=finish,
        )


# %% wrong="softmax_over_queries" exercise="multi_head_attention" check="values"
# The softmax runs over the queries. Each query shares its attention among the keys: the
# last axis.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        return _attend(
            self, query, value, key, attention_mask, return_attention_scores, axis=-2
        )


# %% wrong="softmax_over_heads" exercise="multi_head_attention" check="values"
# The softmax runs over the heads. Heads do not compete: each has a softmax of its own,
# over the keys.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        return _attend(
            self, query, value, key, attention_mask, return_attention_scores, axis=1
        )


# %% wrong="mask_ignored" exercise="multi_head_attention" check="masks"
# `attention_mask` arrives in `call` and is never used.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        return _attend(self, query, value, key, None, return_attention_scores)


# %% wrong="mask_inverted" exercise="multi_head_attention" check="masks"
# The mask is read the wrong way round: True means attend.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        mask = attention_mask
        if mask is not None:
            mask = ops.logical_not(mask)
        return _attend(self, query, value, key, mask, return_attention_scores)


# %% wrong="mask_times_scores" exercise="multi_head_attention" check="masks"
# The mask multiplies the scores, so that a hidden key scores 0, and exp(0) is 1: it is
# still seen. Hidden keys need a very low score.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        def hide(scores, mask):
            return scores * ops.cast(mask, scores.dtype)

        return _attend(
            self, query, value, key, attention_mask, return_attention_scores, hide=hide
        )


# %% wrong="mask_not_low_enough" exercise="multi_head_attention" check="hidden"
# Hidden keys get a score that is not low enough: where the visible scores are lower
# still, the hidden keys win. Use the lowest finite number of the dtype.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        def hide(scores, mask):
            return ops.where(mask, scores, ops.cast(-3.0, scores.dtype))

        return _attend(
            self, query, value, key, attention_mask, return_attention_scores, hide=hide
        )


# %% wrong="mask_not_low_enough/hundred" exercise="multi_head_attention" check="hidden"
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        def hide(scores, mask):
            return ops.where(mask, scores, ops.cast(-100.0, scores.dtype))

        return _attend(
            self, query, value, key, attention_mask, return_attention_scores, hide=hide
        )


# %% wrong="mask_is_minus_infinity" exercise="multi_head_attention" check="masks"
# Hidden keys score minus infinity. A row with nothing to attend to then becomes NaN; use
# a low finite number.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        def hide(scores, mask):
            return ops.where(mask, scores, ops.cast(-np.inf, scores.dtype))

        return _attend(
            self, query, value, key, attention_mask, return_attention_scores, hide=hide
        )


# %% wrong="minus_1e9_in_float16" exercise="multi_head_attention" check="precision"
# In float16, -1e9 is minus infinity, and a row with nothing to attend to becomes NaN.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        def hide(scores, mask):
            return ops.where(mask, scores, ops.cast(-1e9, scores.dtype))

        return _attend(
            self, query, value, key, attention_mask, return_attention_scores, hide=hide
        )


# %% wrong="mask_without_a_head_axis" exercise="multi_head_attention" check="masks"
# A mask (B, Tq, Tk) does not line up with scores (B, H, Tq, Tk): broadcasting matches
# axes from the right, so the batch meets the heads. Give it an axis for the heads.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        def hide(scores, mask):
            mask = attention_mask
            low = -6e4 if "float16" in str(scores.dtype) else -1e9
            return ops.where(mask, scores, ops.cast(low, scores.dtype))

        return _attend(
            self, query, value, key, attention_mask, return_attention_scores, hide=hide
        )


# %% wrong="first_example_masks_all" exercise="multi_head_attention" check="masks"
# The mask of the first example is used for the whole batch. Every example has its own.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        mask = attention_mask
        if mask is not None and len(mask.shape) == 3:
            mask = mask[0]
        return _attend(self, query, value, key, mask, return_attention_scores)


# %% wrong="key_defaults_to_query" exercise="multi_head_attention" check="defaults"
# A missing key is taken from the query. Keys describe the values: a missing key is the
# value.
class MultiHeadAttention(MultiHeadAttention):
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
        return _attend(self, query, value, key, attention_mask, return_attention_scores)


# %% wrong="key_defaults_to_query/as_built" exercise="multi_head_attention" check="defaults"
class MultiHeadAttention(MultiHeadAttention):
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
        return _attend(self, query, value, key, attention_mask, return_attention_scores)


# %% wrong="value_required" exercise="multi_head_attention" check="defaults"
# Called with fewer than three inputs it fails. Self-attention is the common case: a
# missing value is the query, and a missing key is the value.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        q = split_heads(self.query(query), self.num_heads)
        k = split_heads(self.key(key), self.num_heads)
        v = split_heads(self.value(value), self.num_heads)
        weights = _weights(q, k, attention_mask)
        output = self.attention_output(merge_heads(ops.matmul(weights, v)))
        return (output, weights) if return_attention_scores else output


# %% wrong="value_required/in_the_signature" exercise="multi_head_attention" check="defaults"
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self, query, value, key, attention_mask=None, return_attention_scores=False
    ):
        return _attend(self, query, value, key, attention_mask, return_attention_scores)


# %% wrong="scores_averaged_over_heads" exercise="multi_head_attention" check="scores"
# The returned weights are averaged over the heads. Each head has its own map: the shape
# is (B, H, Tq, Tk).
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        output, weights = _attend(self, query, value, key, attention_mask, True)
        if return_attention_scores:
            return output, ops.mean(weights, axis=1)
        return output


# %% wrong="scores_first" exercise="multi_head_attention" check="scores"
# The pair comes back in the wrong order: the output first, then the weights.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        output, weights = _attend(self, query, value, key, attention_mask, True)
        return (weights, output) if return_attention_scores else output


# %% wrong="scores_never_returned" exercise="multi_head_attention" check="scores"
# `return_attention_scores=True` changes nothing: the weights are not returned.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        return _attend(self, query, value, key, attention_mask, False)


# %% wrong="residual_added" exercise="multi_head_attention" check="values"
# The query is added to the output. The residual connection belongs to the block around
# the layer.
class MultiHeadAttention(MultiHeadAttention):
    def call(
        self,
        query,
        value=None,
        key=None,
        attention_mask=None,
        return_attention_scores=False,
    ):
        output, weights = _attend(self, query, value, key, attention_mask, True)
        output = output + query
        return (output, weights) if return_attention_scores else output


# %% wrong="sublayers_keep_float32" exercise="multi_head_attention" check="precision"
# The sublayers do not follow the layer's precision: give them
# `dtype=self.dtype_policy`.
class MultiHeadAttention(MultiHeadAttention):
    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(num_heads, key_dim, **kwargs)
        for name in ("query", "key", "value"):
            setattr(self, name, keras.layers.Dense(num_heads * key_dim, name=name))


# %% wrong="config_incomplete" exercise="multi_head_attention" check="config"
# `get_config()` forgets `key_dim`, so the layer cannot be made again from it.
class MultiHeadAttention(MultiHeadAttention):
    def get_config(self):
        config = super().get_config()
        del config["key_dim"]
        return config


# %% wrong="config_not_returned" exercise="multi_head_attention" check="config"
# `get_config()` changes a dictionary and does not return it. Its last line is missing:
# `return config`.
class MultiHeadAttention(MultiHeadAttention):
    def get_config(self):
        config = super().get_config()
        config.update({"num_heads": self.num_heads, "key_dim": self.key_dim})


# %% wrong="keyword_arguments_dropped" exercise="multi_head_attention" check="constructor"
# The constructor takes `**kwargs` and does not hand them on, so `name` and `dtype` are
# lost: `super().__init__(**kwargs)`.
class MultiHeadAttention(MultiHeadAttention):
    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(num_heads, key_dim)


# %% wrong="no_keyword_arguments" exercise="multi_head_attention" check="constructor"
# The constructor takes no `name` and no `dtype`. Accept `**kwargs` and hand them to
# `super().__init__`.
class MultiHeadAttention(MultiHeadAttention):
    def __init__(self, num_heads, key_dim):
        super().__init__(num_heads, key_dim)


# %% wrong="all_sines_then_all_cosines" exercise="sinusoidal_positions" check="values"
# All sines stand left and all cosines right, as some libraries have it. The paper lets
# them take turns, column by column.
def sinusoidal_positions(length, dim):
    half = (dim + 1) // 2
    frequencies = 10000.0 ** (-2 * np.arange(half) / dim)
    angles = np.arange(length)[:, None] * frequencies
    table = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :dim]
    return ops.convert_to_tensor(table.astype("float32"))


# %% wrong="sine_and_cosine_swapped" exercise="sinusoidal_positions" check="values"
# Sine and cosine have changed places: even columns are sines.
def sinusoidal_positions(length, dim):
    columns = np.arange(dim)
    angles = np.arange(length)[:, None] * 10000.0 ** (-2 * (columns // 2) / dim)
    table = np.where(columns % 2 == 1, np.sin(angles), np.cos(angles))
    return ops.convert_to_tensor(table.astype("float32"))


# %% wrong="a_frequency_per_column" exercise="sinusoidal_positions" check="values"
# Every column has a frequency of its own. A sine and the cosine beside it share one:
# the exponent counts pairs.
def sinusoidal_positions(length, dim):
    columns = np.arange(dim)
    angles = np.arange(length)[:, None] * 10000.0 ** (-columns / dim)
    table = np.where(columns % 2 == 0, np.sin(angles), np.cos(angles))
    return ops.convert_to_tensor(table.astype("float32"))


# %% wrong="exponent_halved" exercise="sinusoidal_positions" check="values"
# The exponent is i/dim, not 2i/dim, so the frequencies fall half as fast as they should.
def sinusoidal_positions(length, dim):
    columns = np.arange(dim)
    angles = np.arange(length)[:, None] * 10000.0 ** (-(columns // 2) / dim)
    table = np.where(columns % 2 == 0, np.sin(angles), np.cos(angles))
    return ops.convert_to_tensor(table.astype("float32"))


# %% wrong="base_1000" exercise="sinusoidal_positions" check="values"
# The base is 1000; the paper's is 10000.
def sinusoidal_positions(length, dim):
    columns = np.arange(dim)
    angles = np.arange(length)[:, None] * 1000.0 ** (-2 * (columns // 2) / dim)
    table = np.where(columns % 2 == 0, np.sin(angles), np.cos(angles))
    return ops.convert_to_tensor(table.astype("float32"))


# %% wrong="positions_from_one" exercise="sinusoidal_positions" check="values"
# The positions are counted from 1. They start at 0, whose row is 0, 1, 0, 1, …
def sinusoidal_positions(length, dim):
    columns = np.arange(dim)
    angles = np.arange(1, length + 1)[:, None] * 10000.0 ** (-2 * (columns // 2) / dim)
    table = np.where(columns % 2 == 0, np.sin(angles), np.cos(angles))
    return ops.convert_to_tensor(table.astype("float32"))


# %% wrong="rows_and_columns_swapped" exercise="sinusoidal_positions" check="values"
# The table lies on its side: rows are positions, columns are features.
def sinusoidal_positions(length, dim):
    columns = np.arange(dim)
    angles = np.arange(length)[:, None] * 10000.0 ** (-2 * (columns // 2) / dim)
    table = np.where(columns % 2 == 0, np.sin(angles), np.cos(angles)).T
    return ops.convert_to_tensor(table.astype("float32"))


# %% wrong="even_dim_only" exercise="sinusoidal_positions" check="odd"
# An odd `dim` fails: there is one sine more than there are cosines. Make room for it.
def sinusoidal_positions(length, dim):
    table = np.zeros((length, dim), "float32")
    angles = np.arange(length)[:, None] * 10000.0 ** (-np.arange(0, dim, 2) / dim)
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles)
    return ops.convert_to_tensor(table)


# %% wrong="float64_table" exercise="sinusoidal_positions" check="dtype"
# The table is float64. Embeddings are float32, and so the table must be.
def sinusoidal_positions(length, dim):
    columns = np.arange(dim)
    angles = np.arange(length)[:, None] * 10000.0 ** (-2 * (columns // 2) / dim)
    return np.where(columns % 2 == 0, np.sin(angles), np.cos(angles))


# %% right="minus_one_for_the_batch" exercise="split_heads"
# -1 stands for the batch, `ops.shape` for the tokens.
def split_heads(x, num_heads):
    features = x.shape[-1]
    size, rest = divmod(features, num_heads)
    if rest:
        raise ValueError(f"Expected num_heads to divide {features}, got {num_heads}.")
    x = ops.reshape(x, (-1, ops.shape(x)[1], num_heads, size))
    return ops.swapaxes(x, 1, 2)


# %% right="split_and_stacked" exercise="split_heads"
# Slices of the last axis, stacked.
def split_heads(x, num_heads):
    if x.shape[-1] % num_heads != 0:
        raise ValueError(f"{num_heads} heads do not divide {x.shape[-1]} features.")
    return ops.stack(ops.split(x, num_heads, axis=-1), axis=1)


# %% right="concatenated" exercise="merge_heads"
# The heads one after another along the features.
def merge_heads(x):
    return ops.concatenate([x[:, h] for h in range(x.shape[1])], axis=-1)


# %% right="merged_with_minus_one" exercise="merge_heads"
# -1 stands for the batch.
def merge_heads(x):
    x = ops.swapaxes(x, 1, 2)
    return ops.reshape(x, (-1, ops.shape(x)[1], x.shape[2] * x.shape[3]))


# %% right="everything_by_einsum" exercise="multi_head_attention"
# Einsum throughout, softmax in float32, the fourth layer made in `build`.
class MultiHeadAttention(MultiHeadAttention):
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

        def heads(x):
            shape = (-1, ops.shape(x)[1], self.num_heads, self.key_dim)
            return ops.reshape(x, shape)

        q, k, v = (
            heads(self.query(query)),
            heads(self.key(key)),
            heads(self.value(value)),
        )
        scores = ops.cast(ops.einsum("bqhd,bkhd->bhqk", q, k), "float32")
        scores = scores * self.key_dim**-0.5
        if attention_mask is not None:
            mask = ops.cast(attention_mask, "bool")
            while len(mask.shape) < 4:
                mask = ops.expand_dims(mask, -3)
            scores = ops.where(mask, scores, -1e9)
        weights = ops.cast(ops.softmax(scores), self.compute_dtype)
        mixed = ops.einsum("bhqk,bkhd->bqhd", weights, v)
        mixed = ops.reshape(
            mixed, (-1, ops.shape(mixed)[1], self.num_heads * self.key_dim)
        )
        output = self.attention_output(mixed)
        return (output, weights) if return_attention_scores else output


# %% right="query_scaled_first" exercise="multi_head_attention"
# The query is scaled before the product, and the low number added.
class MultiHeadAttention(MultiHeadAttention):
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
        q = split_heads(self.query(query), self.num_heads) * self.key_dim**-0.5
        k = split_heads(self.key(key), self.num_heads)
        v = split_heads(self.value(value), self.num_heads)
        scores = q @ ops.transpose(k, (0, 1, 3, 2))
        if attention_mask is not None:
            mask = attention_mask
            if len(mask.shape) == 3:
                mask = ops.expand_dims(mask, 1)
            low = -3e4 if self.compute_dtype == "float16" else -1e9
            scores = scores + ops.cast(ops.logical_not(mask), scores.dtype) * low
        weights = keras.activations.softmax(scores)
        output = self.attention_output(merge_heads(weights @ v))
        if return_attention_scores:
            return output, weights
        return output


# %% right="a_loop_over_heads" exercise="multi_head_attention"
# One head after another; slow, and right. The key's bias is left out of the sum: it
# cancels in the softmax.
class MultiHeadAttention(MultiHeadAttention):
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
        outputs, maps = [], []
        for h in range(self.num_heads):
            own = slice(h * self.key_dim, (h + 1) * self.key_dim)
            scores = ops.matmul(q[..., own], ops.swapaxes(k[..., own], 1, 2))
            scores = scores / self.key_dim**0.5
            if attention_mask is not None:
                mask = attention_mask
                if len(mask.shape) == 4:
                    mask = mask[:, min(h, mask.shape[1] - 1)]
                low = -6e4 if self.compute_dtype == "float16" else -1e9
                scores = ops.where(mask, scores, ops.cast(low, scores.dtype))
            maps.append(ops.softmax(scores))
            outputs.append(ops.matmul(maps[-1], v[..., own]))
        output = self.attention_output(ops.concatenate(outputs, axis=-1))
        return (output, ops.stack(maps, axis=1)) if return_attention_scores else output


# %% right="filled_by_slices" exercise="sinusoidal_positions"
# Sines and cosines written into every other column.
def sinusoidal_positions(length, dim):
    table = np.zeros((length, dim), "float32")
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles[:, : dim // 2])
    return table


# %% right="stacked_pairs" exercise="sinusoidal_positions"
# Pairs stacked on a new axis and flattened, in keras.ops.
def sinusoidal_positions(length, dim):
    pairs = (dim + 1) // 2
    frequencies = ops.exp(ops.arange(pairs, dtype="float32") * (-2 * np.log(1e4) / dim))
    angles = ops.arange(length, dtype="float32")[:, None] * frequencies[None]
    table = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
    return ops.reshape(table, (length, 2 * pairs))[:, :dim]
