# %% [markdown]
# Blocks and greedy decoding, as they really come back: implementations that are wrong in
# one way each, and right ones in other styles. A cell runs after the reference notebook's
# cells and redefines one object; the comment at its top is the hint a student gets, and the
# marker names the check that the mistake must lose.

# %% role="shared"
def _feed(block, x):
    return block.feed_forward_out(block.feed_forward_in(x))


def _causal(x):
    positions = ops.arange(ops.shape(x)[1])
    return positions[:, None] >= positions[None, :]


def _first(block, x, mask=None):
    return x + block.drop(block.attention(block.attention_norm(x), attention_mask=mask))


def _last(block, x):
    return x + block.drop(_feed(block, block.feed_forward_norm(x)))


def _cross(block, x, memory, mask=None):
    asked = block.cross_attention_norm(x)
    return x + block.drop(block.cross_attention(asked, memory, attention_mask=mask))


# %% wrong="post_norm" exercise="encoder_block" check="attention"
# This is post-norm, as in the paper of 2017: it normalises the sum. Asked is pre-norm:
# normalise what goes into the sublayer, and add the result to the x that was not normed.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = self.attention_norm(
            x + self.drop(self.attention(x, attention_mask=attention_mask))
        )
        return self.feed_forward_norm(x + self.drop(_feed(self, x)))


# %% wrong="norm_on_what_is_added" exercise="encoder_block" check="attention"
# The norm sits on what a sublayer returns. It belongs before the sublayer: norm first,
# then attention, then the sum.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = x + self.attention_norm(self.attention(x, attention_mask=attention_mask))
        return x + self.feed_forward_norm(_feed(self, x))


# %% wrong="residual_from_the_normed" exercise="encoder_block" check="attention"
# The sum starts from the normed x. Only the sublayer gets the normed copy; what it
# returns is added to x as it came, or the stream is rescaled in every block.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = self.attention_norm(x)
        x = x + self.drop(self.attention(x, attention_mask=attention_mask))
        x = self.feed_forward_norm(x)
        return x + self.drop(_feed(self, x))


# %% wrong="residual_from_the_normed/first_half" exercise="encoder_block" check="attention"
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = self.attention_norm(x)
        x = x + self.drop(self.attention(x, attention_mask=attention_mask))
        return _last(self, x)


# %% wrong="residual_from_the_normed/second_half" exercise="encoder_block" check="feed_forward"
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = self.feed_forward_norm(_first(self, x, attention_mask))
        return x + self.drop(_feed(self, x))


# %% wrong="attention_not_added" exercise="encoder_block" check="attention"
# The attention's result replaces x. It is added to x: that sum is the residual
# connection, by which a token keeps what it was.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = self.attention(self.attention_norm(x), attention_mask=attention_mask)
        return _last(self, x)


# %% wrong="feed_forward_not_added" exercise="encoder_block" check="feed_forward"
# The feed-forward part's result replaces the stream. It is added to it, as the
# attention's is: each half has a residual connection of its own.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = _first(self, x, attention_mask)
        return _feed(self, self.feed_forward_norm(x))


# %% wrong="nothing_added" exercise="encoder_block" check="attention"
# Neither half has a residual connection. Each adds its result to what came in: x +
# attention(…), then x + feed_forward(…).
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = self.attention(self.attention_norm(x), attention_mask=attention_mask)
        return _feed(self, self.feed_forward_norm(x))


# %% wrong="second_sum_from_the_input" exercise="encoder_block" check="attention"
# The second sum starts from the block's input again, so what the attention added is lost
# from the stream. It starts from the first half's result.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        attended = _first(self, x, attention_mask)
        return x + self.drop(_feed(self, self.feed_forward_norm(attended)))


# %% wrong="input_added_twice" exercise="encoder_block" check="attention"
# x is in the sum twice. What the first half returns holds it already.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        attended = _first(self, x, attention_mask)
        return x + _last(self, attended)


# %% wrong="halves_side_by_side" exercise="encoder_block" check="values"
# Both halves start from the block's input. They follow one another: the feed-forward
# part reads what the attention has added.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        attended = self.attention(self.attention_norm(x), attention_mask=attention_mask)
        return x + attended + _feed(self, self.feed_forward_norm(x))


# %% wrong="feed_forward_first" exercise="encoder_block" check="values"
# The feed-forward part comes before the attention. First the tokens talk to one another,
# then each is worked on alone.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        return _first(self, _last(self, x), attention_mask)


# %% wrong="attention_not_normed" exercise="encoder_block" check="attention"
# The attention gets x without `attention_norm`. What goes into a sublayer is normed.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        return _last(self, x + self.attention(x, attention_mask=attention_mask))


# %% wrong="only_the_query_normed" exercise="encoder_block" check="attention"
# Only the query is normed; keys and values come from the raw x. All three are the normed
# x: call the attention with that alone, or with it three times.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        normed = self.attention_norm(x)
        return _last(self, x + self.attention(normed, x, attention_mask=attention_mask))


# %% wrong="only_the_query_normed/raw_values" exercise="encoder_block" check="attention"
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        normed = self.attention_norm(x)
        attended = self.attention(normed, x, normed, attention_mask=attention_mask)
        return _last(self, x + attended)


# %% wrong="feed_forward_not_normed" exercise="encoder_block" check="feed_forward"
# The feed-forward part gets the stream without `feed_forward_norm`.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = _first(self, x, attention_mask)
        return x + _feed(self, x)


# %% wrong="nothing_normed" exercise="encoder_block" check="attention"
# Neither half is normed. Each sublayer gets the normed x, by a norm of its own.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = x + self.attention(x, attention_mask=attention_mask)
        return x + _feed(self, x)


# %% wrong="one_norm_for_both" exercise="encoder_block" check="feed_forward"
# `attention_norm` is used for both halves. The second has `feed_forward_norm`, with a
# scale and a shift of its own.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = _first(self, x, attention_mask)
        return x + _feed(self, self.attention_norm(x))


# %% wrong="one_norm_for_both/one_object" exercise="encoder_block" check="runs"
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.feed_forward_norm = self.attention_norm


# %% wrong="norms_swapped" exercise="encoder_block" check="attention"
# The two norms have changed places: `attention_norm` belongs before the attention,
# `feed_forward_norm` before the feed-forward part.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = x + self.attention(self.feed_forward_norm(x), attention_mask=attention_mask)
        return x + _feed(self, self.attention_norm(x))


# %% wrong="one_more_norm" exercise="encoder_block" check="build"
# There is a third norm. A pre-norm block has two, and none on what it returns: the one
# at the end belongs to the whole stack.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.last_norm = keras.layers.LayerNormalization(dtype=self.dtype_policy)

    def build(self, x_shape):
        super().build(x_shape)
        self.last_norm.build(x_shape)

    def call(self, x, attention_mask=None, training=None):
        return self.last_norm(super().call(x, attention_mask))


# %% wrong="batch_norm" exercise="encoder_block" check="build"
# BatchNormalization looks across the batch. A layer norm looks at one token's features
# alone, and is the same in training and at inference: `keras.layers.LayerNormalization`.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in ("attention_norm", "feed_forward_norm"):
            layer = keras.layers.BatchNormalization(dtype=self.dtype_policy, name=name)
            setattr(self, name, layer)


# %% wrong="norm_over_the_tokens" exercise="encoder_block" check="build"
# The norm runs over the tokens. It runs over the last axis, a token's features:
# `LayerNormalization()` as it comes.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in ("attention_norm", "feed_forward_norm"):
            layer = keras.layers.LayerNormalization(
                axis=1, dtype=self.dtype_policy, name=name
            )
            setattr(self, name, layer)


# %% wrong="norm_without_shift" exercise="encoder_block" check="build"
# The norms have no shift (`beta`). A layer norm has a scale and a shift:
# `LayerNormalization()` as it comes.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in ("attention_norm", "feed_forward_norm"):
            layer = keras.layers.LayerNormalization(
                center=False, dtype=self.dtype_policy, name=name
            )
            setattr(self, name, layer)


# %% wrong="relu_for_gelu" exercise="encoder_block" check="feed_forward"
# The feed-forward part uses ReLU, as the paper of 2017 did. Asked is GELU, which the
# models since BERT use: `activation="gelu"`.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.feed_forward_in.activation = keras.activations.relu


# %% wrong="silu_for_gelu" exercise="encoder_block" check="feed_forward"
# The feed-forward part uses SiLU (swish). Asked is GELU: `activation="gelu"`.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.feed_forward_in.activation = keras.activations.silu


# %% wrong="rough_gelu" exercise="encoder_block" check="feed_forward"
# x · sigmoid(1.702 x) is a rough stand-in for GELU, off by up to 0.02. Exact or with tanh,
# as in `keras.activations.gelu`, is what is asked.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.feed_forward_in.activation = lambda x: x * ops.sigmoid(1.702 * x)


# %% wrong="no_activation" exercise="encoder_block" check="feed_forward"
# There is no activation between the two dense layers, so that they are no more than one.
# `feed_forward_in` has a GELU.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.feed_forward_in.activation = keras.activations.linear


# %% wrong="gelu_after_the_second_layer" exercise="encoder_block" check="feed_forward"
# The GELU stands after `feed_forward_out`. It stands between the two dense layers; what
# is added to the stream has no activation, or it could hardly ever take something away.
class EncoderBlock(EncoderBlock):
    def build(self, x_shape):
        super().build(x_shape)
        self.feed_forward_in.activation = keras.activations.linear
        self.feed_forward_out.activation = keras.activations.gelu


# %% wrong="gelu_after_the_second_layer/both" exercise="encoder_block" check="feed_forward"
class EncoderBlock(EncoderBlock):
    def build(self, x_shape):
        super().build(x_shape)
        self.feed_forward_out.activation = keras.activations.gelu


# %% wrong="second_layer_of_another_width" exercise="encoder_block" check="runs"
# `feed_forward_out` has another number of units than x has features, so that it cannot be
# added to x. It goes back from ff_dim to x's features, which are known in `build`.
class EncoderBlock(EncoderBlock):
    def build(self, x_shape):
        super().build(x_shape)
        self.feed_forward_out = keras.layers.Dense(
            self.ff_dim, dtype=self.dtype_policy, name="feed_forward_out"
        )
        self.feed_forward_out.build((None, None, self.ff_dim))


# %% wrong="key_dim_divided" exercise="encoder_block" check="build"
# key_dim is divided by the number of heads on its way to the attention. It is the size of
# one head already: `MultiHeadAttention(num_heads, key_dim)`.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        size = max(1, self.key_dim // self.num_heads)
        self.attention = MultiHeadAttention(
            self.num_heads, size, dtype=self.dtype_policy, name="attention"
        )


# %% wrong="heads_and_size_swapped" exercise="encoder_block" check="values"
# The number of heads and the size of a head have changed places on their way to the
# attention: `MultiHeadAttention(num_heads, key_dim)`.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.attention = MultiHeadAttention(
            self.key_dim, self.num_heads, dtype=self.dtype_policy, name="attention"
        )


# %% wrong="heads_as_wide_as_the_tokens" exercise="encoder_block" check="build"
# Each head is as wide as x. The size of a head is key_dim.
class EncoderBlock(EncoderBlock):
    def build(self, x_shape):
        self.attention = MultiHeadAttention(
            self.num_heads, x_shape[-1], dtype=self.dtype_policy, name="attention"
        )
        super().build(x_shape)


# %% wrong="keras_attention" exercise="encoder_block" check="runs"
# `attention` is Keras' own layer, which has no sublayers `query`, `key`, `value` and
# `attention_output`. Use the `MultiHeadAttention` that the notebook gives, or yours.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.attention = keras.layers.MultiHeadAttention(
            self.num_heads, self.key_dim, dtype=self.dtype_policy, name="attention"
        )


# %% wrong="other_names" exercise="encoder_block" check="build"
# A sublayer goes by another name than asked, or sits in a list. The names are
# `attention_norm`, `attention`, `feed_forward_norm`, `feed_forward_in` and
# `feed_forward_out`, each an attribute of the block.
class EncoderBlock(EncoderBlock):
    def build(self, x_shape):
        super().build(x_shape)
        self.norm1, self.norm2 = self.attention_norm, self.feed_forward_norm
        del self.attention_norm, self.feed_forward_norm

    def call(self, x, attention_mask=None, training=None):
        x = x + self.attention(self.norm1(x), attention_mask=attention_mask)
        return x + _feed(self, self.norm2(x))


# %% wrong="other_names/attention" exercise="encoder_block" check="build"
class EncoderBlock(EncoderBlock):
    def build(self, x_shape):
        super().build(x_shape)
        self.mha = self.attention
        del self.attention

    def call(self, x, attention_mask=None, training=None):
        x = x + self.mha(self.attention_norm(x), attention_mask=attention_mask)
        return _last(self, x)


# %% wrong="other_names/feed_forward" exercise="encoder_block" check="build"
class EncoderBlock(EncoderBlock):
    def build(self, x_shape):
        super().build(x_shape)
        self.ffn = [self.feed_forward_in, self.feed_forward_out]
        del self.feed_forward_in, self.feed_forward_out

    def call(self, x, attention_mask=None, training=None):
        x = _first(self, x, attention_mask)
        hidden = self.feed_forward_norm(x)
        for layer in self.ffn:
            hidden = layer(hidden)
        return x + hidden


# %% wrong="mask_ignored" exercise="encoder_block" check="masks"
# `attention_mask` is not handed on to the attention.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        return _last(self, _first(self, x))


# %% wrong="mask_inverted" exercise="encoder_block" check="masks"
# The mask is turned round. True means attend, for the block as for the attention.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        if attention_mask is not None:
            attention_mask = ops.logical_not(attention_mask)
        return super().call(x, attention_mask)


# %% wrong="mask_transposed" exercise="encoder_block" check="masks"
# The mask's last two axes have changed places. Rows are queries and columns are keys:
# hand it on as it is.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        if attention_mask is not None:
            attention_mask = ops.swapaxes(attention_mask, -1, -2)
        return super().call(x, attention_mask)


# %% wrong="mask_taken_for_padding" exercise="encoder_block" check="masks"
# The mask gets axes put in as if it were (B, T). It says for every query which keys it
# may see, (B, T, T) or (T, T): hand it on as it is.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        if attention_mask is not None:
            attention_mask = attention_mask[:, None, None, :]
        return super().call(x, attention_mask)


# %% wrong="mask_in_the_place_of_the_value" exercise="encoder_block" check="masks"
# The mask is the attention's second argument, which is `value`. Hand it on by name:
# `attention_mask=attention_mask`.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = x + self.attention(self.attention_norm(x), attention_mask)
        return _last(self, x)


# %% wrong="mask_as_truth" exercise="encoder_block" check="masks"
# `if attention_mask:` asks whether the mask as a whole is true, which no array can say.
# Ask `is not None`, or hand it on as it is: the attention takes None.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        if attention_mask:
            return super().call(x, attention_mask)
        return super().call(x)


# %% wrong="mask_under_another_name" exercise="encoder_block" check="masks"
# `call` takes the mask under another name. Its arguments are asked for by name: `x,
# attention_mask=None, training=None`.
class EncoderBlock(EncoderBlock):
    def call(self, x, mask=None, training=None):
        return super().call(x, mask)


# %% wrong="causal_encoder" exercise="encoder_block" check="attention"
# An encoder's tokens see all others. The causal mask is the decoder's.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        causal = _causal(x)
        if attention_mask is not None:
            causal = ops.logical_and(causal, attention_mask)
        return super().call(x, causal)


# %% wrong="scores_returned" exercise="encoder_block" check="runs"
# The block returns two things. It returns one, the stream, so that blocks can be stacked.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        return super().call(x, attention_mask), x


# %% wrong="dropout_always_on" exercise="encoder_block" check="dropout"
# Dropout drops at inference too. Hand `training` on as it is, or leave it out: `Dropout`
# then asks Keras.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = x + self.drop(
            self.attention(self.attention_norm(x), attention_mask=attention_mask),
            training=True,
        )
        return x + self.drop(_feed(self, self.feed_forward_norm(x)), training=True)


# %% wrong="dropout_ignored" exercise="encoder_block" check="dropout"
# With `training=True` nothing is dropped. Make a `keras.layers.Dropout(dropout)` and call
# it, without forbidding it to train.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        x = x + self.attention(self.attention_norm(x), attention_mask=attention_mask)
        return x + _feed(self, self.feed_forward_norm(x))


# %% wrong="another_dropout_rate" exercise="encoder_block" check="dropout"
# With `dropout=0.0` something is dropped in training all the same. Hand the rate itself to
# `Dropout`, which is the share that is dropped: no number of your own, and not 1 − rate.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.drop = keras.layers.Dropout(1 - self.dropout_rate)


# %% wrong="dropout_scaled_at_inference" exercise="encoder_block" check="dropout"
# At inference the results are scaled by 1 − rate. Keras' `Dropout` makes up for what it
# drops in training, so nothing is left to do.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        keep = 1.0 if training else 1.0 - self.dropout_rate
        attended = self.attention(self.attention_norm(x), attention_mask=attention_mask)
        x = x + keep * self.drop(attended)
        return x + keep * self.drop(_feed(self, self.feed_forward_norm(x)))


# %% wrong="dropout_handed_to_the_attention" exercise="encoder_block" check="runs"
# The attention of assignment 2 takes no `dropout`, unlike Keras' own. Make a
# `keras.layers.Dropout(dropout)`, and put it where you like.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.attention = MultiHeadAttention(
            self.num_heads,
            self.key_dim,
            dropout=self.dropout_rate,
            dtype=self.dtype_policy,
        )


# %% wrong="norms_in_float32" exercise="encoder_block" check="precision"
# A sublayer computes in another precision than the block. Give every one of them
# `dtype=self.dtype_policy`; layer norms look after their own precision.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in ("attention_norm", "feed_forward_norm"):
            layer = keras.layers.LayerNormalization(dtype="float32", name=name)
            setattr(self, name, layer)


# %% wrong="sublayers_without_policy" exercise="encoder_block" check="precision"
# The sublayers do not know the block's dtype policy. Give every one of them
# `dtype=self.dtype_policy`.
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.attention_norm = keras.layers.LayerNormalization()
        self.attention = MultiHeadAttention(self.num_heads, self.key_dim)
        self.feed_forward_norm = keras.layers.LayerNormalization()
        self.feed_forward_in = keras.layers.Dense(self.ff_dim, activation="gelu")


# %% wrong="result_in_float32" exercise="encoder_block" check="precision"
# The result is float32 whatever the policy. Leave its dtype alone.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        return ops.cast(super().call(x, attention_mask), "float32")


# %% wrong="build_makes_nothing" exercise="encoder_block" check="build"
# `build` does not build the sublayers, so that their weights come with the first call
# only. Keep the `build` of the starter code.
class EncoderBlock(EncoderBlock):
    def build(self, x_shape):
        self.feed_forward_out = keras.layers.Dense(
            x_shape[-1], dtype=self.dtype_policy, name="feed_forward_out"
        )
        self.built = True


# %% wrong="no_name_no_dtype" exercise="encoder_block" check="constructor"
# The constructor takes no `name` and no `dtype`. Take `**kwargs` and hand them to
# `super().__init__(**kwargs)`.
class EncoderBlock(EncoderBlock):
    def __init__(self, num_heads, key_dim, ff_dim, dropout=0.0):
        super().__init__(num_heads, key_dim, ff_dim, dropout)


# %% wrong="name_and_dtype_lost" exercise="encoder_block" check="constructor"
# `name` and `dtype` are taken and lost. Hand them on: `super().__init__(**kwargs)`.
class EncoderBlock(EncoderBlock):
    def __init__(self, num_heads, key_dim, ff_dim, dropout=0.0, **kwargs):
        super().__init__(num_heads, key_dim, ff_dim, dropout)


# %% wrong="config_without_dropout" exercise="encoder_block" check="config"
# `get_config()` leaves out `dropout`, so a saved model comes back without it.
class EncoderBlock(EncoderBlock):
    def get_config(self):
        config = super().get_config()
        del config["dropout"]
        return config


# %% wrong="config_without_arguments" exercise="encoder_block" check="config"
# `get_config()` does not return the constructor's arguments: num_heads, key_dim, ff_dim
# and dropout, beside what `super().get_config()` holds.
class EncoderBlock(EncoderBlock):
    def get_config(self):
        config = super().get_config()
        for name in ("num_heads", "key_dim", "ff_dim", "dropout"):
            del config[name]
        return config


# %% wrong="config_without_super" exercise="encoder_block" check="config"
# `get_config()` leaves out what Keras keeps there, `name` and `dtype`: start from
# `super().get_config()`.
class EncoderBlock(EncoderBlock):
    def get_config(self):
        names = ("num_heads", "key_dim", "ff_dim", "dropout")
        config = super().get_config()
        return {name: config[name] for name in names}


# %% wrong="static_sizes_needed" exercise="encoder_block" check="shapes"
# `x.shape` holds None where a size is not known yet. A block needs no sizes but the
# last: let one -1 or `ops.shape(x)` stand for the others.
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        batch, length, features = x.shape
        x = super().call(x, attention_mask)
        return ops.reshape(x, (int(batch), int(length), features))


# %% wrong="static_sizes_needed/in_the_reshape" exercise="encoder_block" check="shapes"
class EncoderBlock(EncoderBlock):
    def call(self, x, attention_mask=None, training=None):
        batch, length, features = x.shape
        x = super().call(x, attention_mask)
        return ops.reshape(x, (batch, length, features))


# %% right="parts_made_in_build" exercise="encoder_block"
@keras.saving.register_keras_serializable(package="student")
class EncoderBlock(keras.layers.Layer):
    def __init__(self, num_heads, key_dim, ff_dim, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.sizes = dict(num_heads=num_heads, key_dim=key_dim, ff_dim=ff_dim)
        self.dropout = dropout

    def build(self, x_shape):
        dtype, sizes = self.dtype_policy, self.sizes
        self.attention_norm = keras.layers.LayerNormalization(dtype=dtype)
        self.feed_forward_norm = keras.layers.LayerNormalization(dtype=dtype)
        self.attention = MultiHeadAttention(
            sizes["num_heads"], sizes["key_dim"], dtype=dtype
        )
        self.feed_forward_in = keras.layers.Dense(sizes["ff_dim"], dtype=dtype)
        self.feed_forward_out = keras.layers.Dense(x_shape[-1], dtype=dtype)
        self.attention_norm.build(x_shape)
        self.attention.build(x_shape, x_shape, x_shape)
        self.feed_forward_norm.build(x_shape)
        self.feed_forward_in.build(x_shape)
        self.feed_forward_out.build([*x_shape[:-1], sizes["ff_dim"]])
        super().build(x_shape)

    def call(self, x, attention_mask=None, training=False):
        h = self.attention_norm(x)
        h = self.attention(h, h, h, attention_mask=attention_mask)
        if training and self.dropout:
            h = keras.random.dropout(h, self.dropout)
        x = ops.add(x, h)
        h = keras.activations.gelu(
            self.feed_forward_in(self.feed_forward_norm(x)), approximate=True
        )
        return ops.add(x, self.feed_forward_out(h))

    def get_config(self):
        return super().get_config() | self.sizes | {"dropout": self.dropout}


# %% right="hand_written_gelu" exercise="encoder_block"
class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.attention_norm.epsilon = self.feed_forward_norm.epsilon = 1e-6
        self.feed_forward_in.activation = None
        self.before = keras.layers.Dropout(self.dropout_rate, dtype=self.dtype_policy)
        self.inside = keras.layers.Dropout(self.dropout_rate, dtype=self.dtype_policy)

    def call(self, x, attention_mask=None, training=None):
        normed = self.before(self.attention_norm(x), training=training)
        attended, _ = self.attention(
            normed, attention_mask=attention_mask, return_attention_scores=True
        )
        x += attended
        h = self.feed_forward_in(self.feed_forward_norm(x))
        h = 0.5 * h * (1.0 + ops.erf(h / ops.cast(2.0**0.5, h.dtype)))
        return x + self.feed_forward_out(self.inside(h, training=training))


# %% right="own_multi_head_attention" exercise="encoder_block"
@keras.saving.register_keras_serializable(package="student")
class MultiHeadAttention(keras.layers.Layer):
    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.key_dim = num_heads, key_dim

    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        shapes = (query_shape, key_shape or value_shape, value_shape)
        for name, shape in zip(("query", "key", "value"), shapes, strict=True):
            units = self.num_heads * self.key_dim
            setattr(self, name, keras.layers.Dense(units, dtype=self.dtype_policy))
            getattr(self, name).build(shape)
        self.attention_output = keras.layers.Dense(
            query_shape[-1], dtype=self.dtype_policy
        )
        self.attention_output.build((None, None, self.num_heads * self.key_dim))
        self.built = True

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
            shape = (ops.shape(x)[0], -1, self.num_heads, self.key_dim)
            return ops.reshape(x, shape)

        q, k, v = (
            heads(self.query(query)),
            heads(self.key(key)),
            heads(self.value(value)),
        )
        scores = ops.einsum("bqhd,bkhd->bhqk", q, k) / self.key_dim**0.5
        if attention_mask is not None:
            mask = ops.cast(attention_mask, "bool")
            mask = mask[:, None] if len(mask.shape) == 3 else mask
            low = -6e4 if self.compute_dtype == "float16" else -1e9
            scores = ops.where(mask, scores, ops.cast(low, scores.dtype))
        weights = ops.softmax(scores)
        x = ops.einsum("bhqk,bkhd->bqhd", weights, v)
        shape = (ops.shape(x)[0], -1, self.num_heads * self.key_dim)
        x = self.attention_output(ops.reshape(x, shape))
        return (x, weights) if return_attention_scores else x

    def get_config(self):
        sizes = {"num_heads": self.num_heads, "key_dim": self.key_dim}
        return {**super().get_config(), **sizes}


class EncoderBlock(EncoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.attention = MultiHeadAttention(
            self.num_heads, self.key_dim, dtype=self.dtype_policy
        )


# %% right="dropout_after_the_sums" exercise="encoder_block"
@keras.saving.register_keras_serializable(package="student")
class EncoderBlock(keras.layers.Layer):
    def __init__(self, num_heads, key_dim, ff_dim, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        make = dict(dtype=self.dtype_policy)
        self.attention_norm = keras.layers.LayerNormalization(epsilon=1e-12, **make)
        self.attention = MultiHeadAttention(
            num_heads=num_heads, key_dim=key_dim, **make
        )
        self.dropout_1 = keras.layers.Dropout(dropout, **make)
        self.dropout_2 = keras.layers.Dropout(dropout, **make)
        self.feed_forward_norm = keras.layers.LayerNormalization(epsilon=1e-12, **make)
        self.feed_forward_in = keras.layers.Dense(
            ff_dim, activation=keras.activations.gelu, **make
        )
        self.config = {
            "num_heads": num_heads,
            "key_dim": key_dim,
            "ff_dim": ff_dim,
            "dropout": dropout,
        }

    def build(self, input_shape):
        features = input_shape[-1]
        for part in (self.attention_norm, self.attention, self.feed_forward_norm):
            part.build(input_shape)
        self.feed_forward_in.build(input_shape)
        self.feed_forward_out = keras.layers.Dense(features, dtype=self.dtype_policy)
        self.feed_forward_out.build((None, None, self.config["ff_dim"]))
        self.built = True

    def call(self, inputs, attention_mask=None, training=None):
        normed = self.attention_norm(inputs)
        attended = self.attention(
            query=normed, value=normed, key=normed, attention_mask=attention_mask
        )
        x = self.dropout_1(ops.add(inputs, attended), training=training)
        y = self.feed_forward_out(self.feed_forward_in(self.feed_forward_norm(x)))
        return self.dropout_2(ops.add(y, x), training=training)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), **self.config}


# %% right="config_by_keras" exercise="encoder_block"
class EncoderBlock(keras.layers.Layer):
    def __init__(self, num_heads, key_dim, ff_dim, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.attention_norm = keras.layers.LayerNormalization(dtype=policy)
        self.attention = MultiHeadAttention(num_heads, key_dim, dtype=policy)
        self.feed_forward_norm = keras.layers.LayerNormalization(dtype=policy)
        self.feed_forward_in = keras.layers.Dense(ff_dim, "gelu", dtype=policy)
        self.rate, self.width = dropout, ff_dim
        self.seeds = keras.random.SeedGenerator(1)

    def build(self, x_shape):
        self.attention_norm.build(x_shape)
        self.attention.build(x_shape)
        self.feed_forward_norm.build(x_shape)
        self.feed_forward_in.build(x_shape)
        self.feed_forward_out = keras.layers.Dense(x_shape[-1], dtype=self.dtype_policy)
        self.feed_forward_out.build((None, None, self.width))

    def some_of(self, x, training):
        if not training or self.rate == 0:
            return x
        return keras.random.dropout(x, self.rate, seed=self.seeds)

    def call(self, x, attention_mask=None, training=False):
        for norm, part in (
            (
                self.attention_norm,
                lambda x: self.attention(x, attention_mask=attention_mask),
            ),
            (
                self.feed_forward_norm,
                lambda x: self.feed_forward_out(self.feed_forward_in(x)),
            ),
        ):
            x = x + self.some_of(part(norm(x)), training)
        return x


# %% wrong="no_causal_mask" exercise="decoder_block" check="causal"
# The self-attention has no causal mask, so every position sees what comes after it: in
# training the answer itself.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x)
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="causal_mask_transposed" exercise="decoder_block" check="causal"
# The mask is the wrong way round: each position sees itself and what comes *after* it. Row
# p is the query, and True up to column p: `ops.tril`, not `ops.triu`.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, ops.transpose(_causal(x)))
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="causal_mask_inverted" exercise="decoder_block" check="causal"
# The mask says what to hide: True means attend, here as everywhere in Keras. (A mask of 0
# and -1e9 to be added is such a one: as a boolean, what is not zero is True.)
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, ops.logical_not(_causal(x)))
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="not_even_itself" exercise="decoder_block" check="causal"
# A position does not see itself. The mask is True on the diagonal too: `>=`, not `>`.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        positions = ops.arange(ops.shape(x)[1])
        x = _first(self, x, positions[:, None] > positions[None, :])
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="mask_of_another_length" exercise="decoder_block" check="causal"
# The causal mask has another length than x: that of the first call, a fixed one, or the
# batch's. Make it in every `call`, from the number of tokens: `ops.shape(x)[1]`.
class DecoderBlock(DecoderBlock):
    mask = None

    def call(self, x, memory=None, memory_mask=None, training=None):
        if self.mask is None:
            self.mask = np.tril(np.ones((x.shape[1] or 8,) * 2, "bool"))
        x = _first(self, x, self.mask)
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="mask_of_another_length/fixed" exercise="decoder_block" check="runs"
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, np.tril(np.ones((128, 128), "bool")))
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="mask_for_known_lengths" exercise="decoder_block" check="shapes"
# `x.shape[1]` is None while a model is traced. `ops.shape(x)[1]` is a number then too.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        length = x.shape[1]
        x = _first(self, x, ops.tril(ops.ones((length, length), "bool")))
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="mask_for_known_lengths/numpy" exercise="decoder_block" check="shapes"
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, np.tril(np.ones((x.shape[1], x.shape[1]), "bool")))
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="mask_of_another_length/batch" exercise="decoder_block" check="runs"
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        positions = ops.arange(ops.shape(x)[0])
        x = _first(self, x, positions[:, None] >= positions[None, :])
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="asked_for_a_causal_mask" exercise="decoder_block" check="runs"
# The attention of assignment 2 has no `use_causal_mask`. Make the mask and hand it on as
# `attention_mask`.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = x + self.attention(self.attention_norm(x), use_causal_mask=True)
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="cross_attention_causal" exercise="decoder_block" check="cross"
# The causal mask is on the cross-attention as well. The memory is all there from the
# start: only `memory_mask` hides any of it.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            rows = ops.arange(ops.shape(x)[1])
            mask = rows[:, None] >= ops.arange(ops.shape(memory)[1])[None, :]
            if memory_mask is not None:
                mask = ops.logical_and(mask, memory_mask)
            x = _cross(self, x, memory, mask)
        return _last(self, x)


# %% wrong="causal_on_the_memory_instead" exercise="decoder_block" check="causal"
# The causal mask is on the cross-attention instead of the self-attention. What must not be
# seen is the writing to come; the memory may be.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x)
        if self.has_cross_attention:
            rows = ops.arange(ops.shape(x)[1])
            mask = rows[:, None] >= ops.arange(ops.shape(memory)[1])[None, :]
            x = _cross(self, x, memory, mask)
        return _last(self, x)


# %% wrong="memory_asks" exercise="decoder_block" check="runs"
# Query and memory have changed places: here the memory asks, and there are as many answers
# as it has tokens. The decoder's tokens ask: `cross_attention(query, memory)`.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            normed = self.cross_attention_norm(x)
            x = x + self.cross_attention(memory, normed, attention_mask=memory_mask)
        return _last(self, x)


# %% wrong="keys_from_the_decoder" exercise="decoder_block" check="runs"
# Keys and values do not both come from the memory. The order is `query, value, key`, and
# key is value where it is left out.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            normed = self.cross_attention_norm(x)
            looked = self.cross_attention(
                normed, memory, normed, attention_mask=memory_mask
            )
            x = x + looked
        return _last(self, x)


# %% wrong="memory_never_looked_at" exercise="decoder_block" check="cross"
# `cross_attention` attends to the decoder's own tokens; the memory is not used. Its second
# argument is the memory.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            x = x + self.cross_attention(self.cross_attention_norm(x))
        return _last(self, x)


# %% wrong="no_cross_attention" exercise="decoder_block" check="cross"
# With `cross_attention=True` there is no look at the memory. It stands between the
# self-attention and the feed-forward part.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        return _last(self, _first(self, x, _causal(x)))


# %% wrong="memory_normed" exercise="decoder_block" check="cross"
# The memory is normed. It is used as it comes: only the query is.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            x = _cross(self, x, self.cross_attention_norm(memory), memory_mask)
        return _last(self, x)


# %% wrong="only_the_memory_normed" exercise="decoder_block" check="cross"
# `cross_attention_norm` is on the memory instead of the query. What goes into a sublayer
# from the stream is normed; the memory is used as it comes.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            memory = self.cross_attention_norm(memory)
            x = x + self.cross_attention(x, memory, attention_mask=memory_mask)
        return _last(self, x)


# %% wrong="cross_attention_not_normed" exercise="decoder_block" check="cross"
# The cross-attention gets x without `cross_attention_norm`.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            x = x + self.cross_attention(x, memory, attention_mask=memory_mask)
        return _last(self, x)


# %% wrong="cross_attention_with_another_norm" exercise="decoder_block" check="cross"
# The cross-attention's query goes through another part's norm. It has its own,
# `cross_attention_norm`.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            normed = self.attention_norm(x)
            x = x + self.cross_attention(normed, memory, attention_mask=memory_mask)
        return _last(self, x)


# %% wrong="cross_attention_from_the_input" exercise="decoder_block" check="cross"
# The cross-attention asks with the block's input. It asks with what the self-attention has
# made of it.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        start, x = x, _first(self, x, _causal(x))
        if self.has_cross_attention:
            normed = self.cross_attention_norm(start)
            x = x + self.cross_attention(normed, memory, attention_mask=memory_mask)
        return _last(self, x)


# %% wrong="cross_attention_not_added" exercise="decoder_block" check="cross"
# The cross-attention's result replaces the stream. It is added to it.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            normed = self.cross_attention_norm(x)
            x = self.cross_attention(normed, memory, attention_mask=memory_mask)
        return _last(self, x)


# %% wrong="cross_attention_first" exercise="decoder_block" check="cross"
# The cross-attention comes before the self-attention. The order is self-attention,
# cross-attention, feed-forward.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, _first(self, x, _causal(x)))


# %% wrong="cross_attention_last" exercise="decoder_block" check="cross"
# The cross-attention comes after the feed-forward part. The order is self-attention,
# cross-attention, feed-forward.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _last(self, _first(self, x, _causal(x)))
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return x


# %% wrong="one_attention_for_both" exercise="decoder_block" check="cross"
# `attention` is used for the memory as well. `cross_attention` is a layer of its own.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            normed = self.cross_attention_norm(x)
            x = x + self.attention(normed, memory, attention_mask=memory_mask)
        return _last(self, x)


# %% wrong="cross_attention_always_there" exercise="decoder_block" check="build"
# The cross-attention's sublayers are made without `cross_attention=True` as well, with
# weights that never learn anything.
class DecoderBlock(DecoderBlock):
    def __init__(self, *args, cross_attention=False, **kwargs):
        super().__init__(*args, cross_attention=True, **kwargs)
        self.asked = cross_attention

    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.asked:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)

    def get_config(self):
        return {**super().get_config(), "cross_attention": self.asked}


# %% wrong="memory_mask_ignored" exercise="decoder_block" check="memory_mask"
# `memory_mask` is not handed on to the cross-attention.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        return super().call(x, memory)


# %% wrong="memory_mask_inverted" exercise="decoder_block" check="memory_mask"
# `memory_mask` is turned round. True means attend.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        if memory_mask is not None:
            memory_mask = ops.logical_not(memory_mask)
        return super().call(x, memory, memory_mask)


# %% wrong="memory_mask_on_the_self_attention" exercise="decoder_block" check="memory_mask"
# `memory_mask` goes to the self-attention. It says what of the *memory* may be seen, (B, T,
# S), and belongs to the cross-attention; the self-attention has the causal mask.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        mask = _causal(x) if memory_mask is None else memory_mask
        x = _first(self, x, mask)
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="memory_mask_on_the_self_attention/joined" exercise="decoder_block" check="memory_mask"
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        mask = _causal(x)
        if memory_mask is not None:
            mask = ops.logical_and(mask, memory_mask)
        x = _first(self, x, mask)
        if self.has_cross_attention:
            x = _cross(self, x, memory)
        return _last(self, x)


# %% wrong="memory_mask_taken_for_padding" exercise="decoder_block" check="memory_mask"
# `memory_mask` is taken for (B, S). It is (B, T, S), and goes to the cross-attention as it
# is.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        if memory_mask is not None:
            memory_mask = memory_mask[:, None, None, :]
        return super().call(x, memory, memory_mask)


# %% wrong="decoder_with_post_norm" exercise="decoder_block" check="causal"
# This is post-norm: it normalises the sums. Asked is pre-norm: normalise what goes into
# the sublayer, and add the result to the x that was not normed.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = self.attention_norm(x + self.attention(x, attention_mask=_causal(x)))
        if self.has_cross_attention:
            looked = self.cross_attention(x, memory, attention_mask=memory_mask)
            x = self.cross_attention_norm(x + looked)
        return self.feed_forward_norm(x + _feed(self, x))


# %% wrong="decoder_stream_normed" exercise="decoder_block" check="causal"
# The sums start from the normed x. Only the sublayer gets the normed copy; what it returns
# is added to x as it came.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = self.attention_norm(x)
        x = x + self.attention(x, attention_mask=_causal(x))
        if self.has_cross_attention:
            x = self.cross_attention_norm(x)
            x = x + self.cross_attention(x, memory, attention_mask=memory_mask)
        x = self.feed_forward_norm(x)
        return x + _feed(self, x)


# %% wrong="self_attention_not_added" exercise="decoder_block" check="causal"
# The self-attention's result replaces x. It is added to x.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = self.attention(self.attention_norm(x), attention_mask=_causal(x))
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="decoder_without_residuals" exercise="decoder_block" check="causal"
# Nothing is added to the stream: every part's result replaces it. Each part adds to what
# came in.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = self.attention(self.attention_norm(x), attention_mask=_causal(x))
        if self.has_cross_attention:
            normed = self.cross_attention_norm(x)
            x = self.cross_attention(normed, memory, attention_mask=memory_mask)
        return _feed(self, self.feed_forward_norm(x))


# %% wrong="decoders_feed_forward_not_added" exercise="decoder_block" check="values"
# The feed-forward part's result replaces the stream. It is added to it.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _feed(self, self.feed_forward_norm(x))


# %% wrong="self_attention_not_normed" exercise="decoder_block" check="causal"
# The self-attention gets x without `attention_norm`.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = x + self.attention(x, attention_mask=_causal(x))
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="decoders_feed_forward_not_normed" exercise="decoder_block" check="values"
# The feed-forward part gets the stream without `feed_forward_norm`.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return x + _feed(self, x)


# %% wrong="one_norm_for_all" exercise="decoder_block" check="values"
# `attention_norm` is used everywhere. Every part has a norm of its own.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            normed = self.attention_norm(x)
            x = x + self.cross_attention(normed, memory, attention_mask=memory_mask)
        return x + _feed(self, self.attention_norm(x))


# %% wrong="decoder_with_relu" exercise="decoder_block" check="values"
# The feed-forward part uses ReLU. Asked is GELU: `activation="gelu"`.
class DecoderBlock(DecoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.feed_forward_in.activation = keras.activations.relu


# %% wrong="decoder_without_activation" exercise="decoder_block" check="values"
# There is no activation between the two dense layers. `feed_forward_in` has a GELU.
class DecoderBlock(DecoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.feed_forward_in.activation = keras.activations.linear


# %% wrong="decoders_dropout_always_on" exercise="decoder_block" check="dropout"
# Dropout drops at inference too. Hand `training` on as it is, or leave it out: `Dropout`
# then asks Keras.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        return self.drop(super().call(x, memory, memory_mask), training=True)


# %% wrong="decoders_dropout_ignored" exercise="decoder_block" check="dropout"
# With `training=True` nothing is dropped. Make a `keras.layers.Dropout(dropout)` and call
# it.
class DecoderBlock(DecoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.drop = keras.layers.Identity(dtype=self.dtype_policy)

    def call(self, x, memory=None, memory_mask=None, training=None):
        x = _first(self, x, _causal(x))
        if self.has_cross_attention:
            x = _cross(self, x, memory, memory_mask)
        return _last(self, x)


# %% wrong="decoders_other_dropout_rate" exercise="decoder_block" check="dropout"
# With `dropout=0.0` something is dropped in training all the same. Hand the rate itself to
# `Dropout`, which is the share that is dropped: no number of your own, and not 1 − rate.
class DecoderBlock(DecoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.drop = keras.layers.Dropout(0.1)


# %% wrong="cross_attention_without_policy" exercise="decoder_block" check="precision"
# A sublayer does not know the block's dtype policy. Give every one of them
# `dtype=self.dtype_policy`.
class DecoderBlock(DecoderBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.has_cross_attention:
            self.cross_attention_norm = keras.layers.LayerNormalization()
            self.cross_attention = MultiHeadAttention(self.num_heads, self.key_dim)


# %% wrong="memory_built_like_x" exercise="decoder_block" check="build"
# `build` takes no notice of `memory_shape`. The memory may have other features than x: the
# cross-attention is built from both, `build(x_shape, memory_shape)`.
class DecoderBlock(DecoderBlock):
    def build(self, x_shape, memory_shape=None):
        super().build(x_shape)


# %% wrong="config_without_the_flag" exercise="decoder_block" check="config"
# `get_config()` leaves out `cross_attention`, so a saved translator comes back as a GPT.
class DecoderBlock(DecoderBlock):
    def get_config(self):
        config = super().get_config()
        del config["cross_attention"]
        return config


# %% wrong="config_with_the_sublayer" exercise="decoder_block" check="config"
# `get_config()` returns the sublayer `cross_attention` where the flag is asked for. Keep
# what the constructor took under another name.
class DecoderBlock(DecoderBlock):
    def get_config(self):
        config = super().get_config()
        layer = getattr(self, "cross_attention", False)
        return {**config, "cross_attention": layer}


# %% wrong="memory_in_the_self_attention" exercise="decoder_block" check="cross"
# Self-attention and memory are one: the tokens attend to both at once. Asked is a layer of
# its own, `cross_attention`, after the self-attention.
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        if not self.has_cross_attention:
            return _last(self, _first(self, x, _causal(x)))
        normed = self.attention_norm(x)
        both = ops.concatenate([normed, memory], axis=1)
        seen = ops.ones((ops.shape(x)[1], ops.shape(memory)[1]), "bool")
        mask = ops.concatenate([_causal(x), seen], axis=1)
        return _last(self, x + self.attention(normed, both, attention_mask=mask))


# %% right="built_on_the_encoder" exercise="decoder_block"
@keras.saving.register_keras_serializable(package="student")
class DecoderBlock(EncoderBlock):
    def __init__(
        self, num_heads, key_dim, ff_dim, dropout=0.0, cross_attention=False, **kwargs
    ):
        super().__init__(num_heads, key_dim, ff_dim, dropout, **kwargs)
        self.crosses = cross_attention

    def build(self, x_shape, memory_shape=None):
        if self.crosses:
            dtype = self.dtype_policy
            self.cross_attention_norm = keras.layers.LayerNormalization(dtype=dtype)
            self.cross_attention_norm.build(x_shape)
            self.cross_attention = MultiHeadAttention(
                self.num_heads, self.key_dim, dtype=dtype
            )
            self.cross_attention.build(x_shape, memory_shape or x_shape)
        super().build(x_shape)

    def call(self, x, memory=None, memory_mask=None, training=False):
        length = ops.shape(x)[1]
        mask = ops.tril(ops.ones((1, length, length), dtype="bool"))
        x = x + self.attention(self.attention_norm(x), attention_mask=mask)
        if self.crosses and memory is not None:
            x = x + self.cross_attention(
                query=self.cross_attention_norm(x),
                value=memory,
                key=memory,
                attention_mask=memory_mask,
            )
        hidden = self.feed_forward_in(self.feed_forward_norm(x))
        return x + self.feed_forward_out(self.drop(hidden, training=training))

    def get_config(self):
        return {**super().get_config(), "cross_attention": self.crosses}


# %% right="mask_of_ones_and_zeros" exercise="decoder_block"
@keras.saving.register_keras_serializable(package="student")
class DecoderBlock(keras.layers.Layer):
    def __init__(
        self,
        num_heads,
        key_dim,
        ff_dim,
        dropout=0.0,
        cross_attention=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config = {
            "num_heads": num_heads,
            "key_dim": key_dim,
            "ff_dim": ff_dim,
            "dropout": dropout,
            "cross_attention": cross_attention,
        }
        make = {"dtype": self.dtype_policy}
        self.attention_norm = keras.layers.LayerNormalization(epsilon=1e-6, **make)
        self.attention = MultiHeadAttention(num_heads, key_dim, **make)
        if cross_attention:
            self.cross_attention_norm = keras.layers.LayerNormalization(
                epsilon=1e-6, **make
            )
            self.cross_attention = MultiHeadAttention(num_heads, key_dim, **make)
        self.feed_forward_norm = keras.layers.LayerNormalization(epsilon=1e-6, **make)
        self.feed_forward_in = keras.layers.Dense(
            ff_dim,
            activation=lambda x: keras.activations.gelu(x, approximate=True),
            **make,
        )
        self.drops = [keras.layers.Dropout(dropout, **make) for _ in range(3)]

    def build(self, x_shape, memory_shape=None):
        if memory_shape is None:
            memory_shape = x_shape
        self.attention_norm.build(x_shape)
        self.attention.build(x_shape, x_shape)
        if self.config["cross_attention"]:
            self.cross_attention_norm.build(x_shape)
            self.cross_attention.build(x_shape, memory_shape, memory_shape)
        self.feed_forward_norm.build(x_shape)
        self.feed_forward_in.build(x_shape)
        self.feed_forward_out = keras.layers.Dense(x_shape[-1], dtype=self.dtype_policy)
        self.feed_forward_out.build((None, None, self.config["ff_dim"]))
        self.built = True

    def causal_mask(self, x):
        length = ops.shape(x)[1]
        ones = ops.ones((length, length), dtype="int32")
        return ops.cumsum(ones, axis=0) >= ops.cumsum(ones, axis=1)

    def call(self, x, memory=None, memory_mask=None, training=None):
        h = self.attention_norm(x)
        h = self.attention(h, h, h, attention_mask=self.causal_mask(x))
        x = x + self.drops[0](h, training=training)
        if memory is not None:
            if memory_mask is not None and len(memory_mask.shape) == 2:
                memory_mask = memory_mask[:, None, :]
            h = self.cross_attention(
                self.cross_attention_norm(x), memory, attention_mask=memory_mask
            )
            x = x + self.drops[1](h, training=training)
        h = self.feed_forward_out(self.feed_forward_in(self.feed_forward_norm(x)))
        return x + self.drops[2](h, training=training)

    def get_config(self):
        return {**super().get_config(), **self.config}


# %% right="mask_per_example" exercise="decoder_block"
class DecoderBlock(DecoderBlock):
    def call(self, x, memory=None, memory_mask=None, training=None):
        batch, length = ops.shape(x)[0], ops.shape(x)[1]
        rows = ops.arange(length)
        mask = ops.less_equal(ops.expand_dims(rows, 0), ops.expand_dims(rows, 1))
        mask = ops.broadcast_to(mask[None], (batch, length, length))
        x = ops.add(x, self.attention(self.attention_norm(x), attention_mask=mask))
        if self.has_cross_attention:
            x = ops.add(
                x,
                self.cross_attention(
                    self.cross_attention_norm(x), memory, memory, memory_mask
                ),
            )
        h = self.drop(self.feed_forward_norm(x), training=training)
        return ops.add(x, self.feed_forward_out(self.feed_forward_in(h)))


# %% wrong="one_token_short" exercise="greedy_decode" check="values"
# One id is missing at the end. The loop has `max_new_tokens` rounds, and each adds one.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    for _ in range(1, max_new_tokens):
        new = ops.argmax(next_token_logits(ids), axis=-1)
        ids = ops.concatenate([ids, ops.cast(new, ids.dtype)[:, None]], axis=1)
    return ids


# %% wrong="one_token_too_many" exercise="greedy_decode" check="values"
# There is one id too many. The loop has `max_new_tokens` rounds, and none where that is 0.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    for _ in range(max_new_tokens + 1):
        new = ops.argmax(next_token_logits(ids), axis=-1)
        ids = ops.concatenate([ids, ops.cast(new, ids.dtype)[:, None]], axis=1)
    return ids


# %% wrong="length_of_the_whole" exercise="greedy_decode" check="values"
# `max_new_tokens` is taken for the length of the whole. So many ids are *added* to the
# prompt.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    while ids.shape[1] < max_new_tokens:
        new = ops.argmax(next_token_logits(ids), axis=-1)
        ids = ops.concatenate([ids, ops.cast(new, ids.dtype)[:, None]], axis=1)
    return ids


# %% wrong="only_new_ids" exercise="greedy_decode" check="values"
# The prompt is missing from the result. It comes first, then the new ids.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = _greedy(next_token_logits, prompt, max_new_tokens, end_id)
    return ids[:, prompt.shape[1] :]


# %% role="shared"
def _greedy(next_token_logits, prompt, max_new_tokens, end_id=None, choose=None):
    choose = choose or (lambda logits: ops.argmax(logits, axis=-1))
    ids = ops.cast(ops.convert_to_tensor(prompt), "int32")
    ended = ops.zeros((ids.shape[0],), "bool")
    for _ in range(max_new_tokens):
        new = ops.cast(choose(next_token_logits(ids)), "int32")
        if end_id is not None:
            new = ops.where(ended, end_id, new)
            ended = ops.logical_or(ended, new == end_id)
        ids = ops.concatenate([ids, new[:, None]], axis=1)
    return ids


# %% wrong="only_the_last_id_asked" exercise="greedy_decode" check="values"
# The model is shown the last id alone. What comes next depends on all ids so far: hand it
# the whole row.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return _greedy(
        lambda ids: next_token_logits(ids[:, -1:]), prompt, max_new_tokens, end_id
    )


# %% wrong="only_the_prompt_asked" exercise="greedy_decode" check="values"
# The model is asked about the prompt in every round. Hand it all ids so far, the new ones
# among them.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return _greedy(
        lambda ids: next_token_logits(prompt), prompt, max_new_tokens, end_id
    )


# %% wrong="only_new_ids_asked" exercise="greedy_decode" check="values"
# After the first round the model no longer sees the prompt. Hand it all ids so far.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    length = prompt.shape[1]
    return _greedy(
        lambda ids: next_token_logits(
            ids if ids.shape[1] == length else ids[:, length:]
        ),
        prompt,
        max_new_tokens,
        end_id,
    )


# %% wrong="least_likely" exercise="greedy_decode" check="values"
# The least likely id is taken. The largest logit wins: `ops.argmax`.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return _greedy(
        next_token_logits,
        prompt,
        max_new_tokens,
        end_id,
        lambda logits: ops.argmin(logits, axis=-1),
    )


# %% wrong="drawn_at_random" exercise="greedy_decode" check="repeats"
# The next id is drawn at random, so that every run gives another text. Greedy decoding
# takes the largest logit: `ops.argmax`.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return _greedy(
        next_token_logits,
        prompt,
        max_new_tokens,
        end_id,
        lambda logits: keras.random.categorical(logits, 1)[:, 0],
    )


# %% wrong="best_over_the_batch" exercise="greedy_decode" check="values"
# The argmax runs over the rows. It runs over the vocabulary, the last axis: `axis=-1`.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return _greedy(
        next_token_logits,
        prompt,
        max_new_tokens,
        end_id,
        lambda logits: ops.argmax(logits, axis=0),
    )


# %% wrong="best_over_everything" exercise="greedy_decode" check="values"
# The argmax runs over rows and vocabulary at once. Every row has its own: `axis=-1`.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    for _ in range(max_new_tokens):
        new = ops.argmax(next_token_logits(ids))
        new = ops.broadcast_to(ops.cast(new, ids.dtype), (ids.shape[0], 1))
        ids = ops.concatenate([ids, new], axis=1)
    return ids


# %% wrong="first_row_for_all" exercise="greedy_decode" check="values"
# Every row gets the first row's ids. Each row goes its own way.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    def choose(logits):
        return ops.repeat(ops.argmax(logits[:1], axis=-1), prompt.shape[0])

    return _greedy(next_token_logits, prompt, max_new_tokens, end_id, choose)


# %% wrong="logits_taken_for_a_sequence" exercise="greedy_decode" check="values"
# The logits are taken for (B, T, V), and cut at the last position. `next_token_logits`
# returns (B, V): those of the next token alone.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return _greedy(
        next_token_logits,
        prompt,
        max_new_tokens,
        end_id,
        lambda logits: ops.argmax(logits[:, -1, :], axis=-1),
    )


# %% wrong="logits_taken_for_a_sequence/last_column" exercise="greedy_decode" check="values"
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return _greedy(
        next_token_logits,
        prompt,
        max_new_tokens,
        end_id,
        lambda logits: ops.argmax(logits[:, -1], axis=-1),
    )


# %% wrong="end_not_minded" exercise="greedy_decode" check="end"
# After its `end_id` a row goes on writing. It repeats `end_id` from there on.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return _greedy(next_token_logits, prompt, max_new_tokens)


# %% wrong="all_end_with_the_first" exercise="greedy_decode" check="end"
# When one row ends, the others stop as well. Each goes on until its own end.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    for _ in range(max_new_tokens):
        new = ops.cast(ops.argmax(next_token_logits(ids), axis=-1), ids.dtype)
        ids = ops.concatenate([ids, new[:, None]], axis=1)
        if end_id is not None and bool(ops.any(new == end_id)):
            break
    return ids


# %% wrong="all_end_with_the_first/filled_up" exercise="greedy_decode" check="end"
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    done = False
    for _ in range(max_new_tokens):
        new = ops.cast(ops.argmax(next_token_logits(ids), axis=-1), ids.dtype)
        new = ops.full_like(new, end_id) if done else new
        ids = ops.concatenate([ids, new[:, None]], axis=1)
        done = done or (end_id is not None and bool(ops.any(new == end_id)))
    return ids


# %% wrong="stops_when_all_have_ended" exercise="greedy_decode" check="end"
# When all rows have ended the result is too short. It always has T + max_new_tokens
# columns: fill them up with `end_id`.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    ended = np.zeros(ids.shape[0], bool)
    for _ in range(max_new_tokens):
        new = ops.convert_to_numpy(ops.argmax(next_token_logits(ids), axis=-1))
        if end_id is not None:
            new = np.where(ended, end_id, new)
            ended = ended | (new == end_id)
        ids = ops.concatenate([ids, ops.cast(new, ids.dtype)[:, None]], axis=1)
        if ended.all():
            break
    return ids


# %% wrong="end_not_minded/until_all_say_it_at_once" exercise="greedy_decode" check="end"
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    for _ in range(max_new_tokens):
        new = ops.cast(ops.argmax(next_token_logits(ids), axis=-1), ids.dtype)
        ids = ops.concatenate([ids, new[:, None]], axis=1)
        if end_id is not None and bool(ops.all(new == end_id)):
            break
    return ids


# %% wrong="ends_only_when_the_model_says_so" exercise="greedy_decode" check="end"
# The loop goes on until every row has ended. A model may never say `end_id`: after
# `max_new_tokens` rounds it is over.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    if end_id is None:
        return _greedy(next_token_logits, prompt, max_new_tokens)
    ids, ended = ops.convert_to_tensor(prompt), np.zeros(len(prompt), bool)
    while not ended.all():
        new = ops.convert_to_numpy(ops.argmax(next_token_logits(ids), axis=-1))
        new = np.where(ended, end_id, new)
        ended = ended | (new == end_id)
        ids = ops.concatenate([ids, ops.cast(new, ids.dtype)[:, None]], axis=1)
    return ids


# %% wrong="zeros_after_the_end" exercise="greedy_decode" check="end"
# After its end a row is filled up with zeros. It repeats `end_id`.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    ended = ops.zeros((ids.shape[0],), "bool")
    for _ in range(max_new_tokens):
        new = ops.cast(ops.argmax(next_token_logits(ids), axis=-1), ids.dtype)
        if end_id is not None:
            new = ops.where(ended, 0, new)
            ended = ops.logical_or(ended, new == end_id)
        ids = ops.concatenate([ids, new[:, None]], axis=1)
    return ids


# %% wrong="last_id_repeated_for_the_end" exercise="greedy_decode" check="end"
# The `end_id` itself is not written; the row repeats the id before it. The end is written,
# and then repeated.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    ended = ops.zeros((ids.shape[0],), "bool")
    for _ in range(max_new_tokens):
        new = ops.cast(ops.argmax(next_token_logits(ids), axis=-1), ids.dtype)
        if end_id is not None:
            ended = ops.logical_or(ended, new == end_id)
            new = ops.where(ended, ids[:, -1], new)
        ids = ops.concatenate([ids, new[:, None]], axis=1)
    return ids


# %% wrong="end_of_the_last_round_forgotten" exercise="greedy_decode" check="end"
# Only who ended in the very last round repeats the end, or the memory of it is lost. Once
# ended, a row stays ended: `ended = ops.logical_or(ended, …)`.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    ended = ops.zeros((ids.shape[0],), "bool")
    for _ in range(max_new_tokens):
        best = ops.cast(ops.argmax(next_token_logits(ids), axis=-1), ids.dtype)
        new = best
        if end_id is not None:
            new = ops.where(ended, end_id, best)
            ended = best == end_id
        ids = ops.concatenate([ids, new[:, None]], axis=1)
    return ids


# %% wrong="end_in_the_prompt_counts" exercise="greedy_decode" check="prompt"
# An `end_id` in the prompt ends the row. Only new ids do: nothing has ended at the start.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    for _ in range(max_new_tokens):
        new = ops.cast(ops.argmax(next_token_logits(ids), axis=-1), ids.dtype)
        if end_id is not None:
            new = ops.where(ops.any(ids == end_id, axis=1), end_id, new)
        ids = ops.concatenate([ids, new[:, None]], axis=1)
    return ids


# %% wrong="end_in_the_prompt_counts/as_its_last" exercise="greedy_decode" check="prompt"
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.convert_to_tensor(prompt)
    for _ in range(max_new_tokens):
        new = ops.cast(ops.argmax(next_token_logits(ids), axis=-1), ids.dtype)
        if end_id is not None:
            new = ops.where(ids[:, -1] == end_id, end_id, new)
        ids = ops.concatenate([ids, new[:, None]], axis=1)
    return ids


# %% wrong="zero_is_no_end" exercise="greedy_decode" check="zero"
# `if end_id:` is false where `end_id` is 0. Ask whether `end_id is not None`.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return _greedy(next_token_logits, prompt, max_new_tokens, end_id or None)


# %% wrong="no_end_is_an_error" exercise="greedy_decode" check="values"
# Without `end_id` the function fails: None cannot be compared with ids. Where it is None,
# nothing ends.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = ops.cast(ops.convert_to_tensor(prompt), "int32")
    ended = ops.zeros((ids.shape[0],), "bool")
    for _ in range(max_new_tokens):
        new = ops.cast(ops.argmax(next_token_logits(ids), axis=-1), "int32")
        new = ops.where(ended, ops.cast(end_id, "int32"), new)
        ended = ops.logical_or(ended, ops.equal(new, end_id))
        ids = ops.concatenate([ids, new[:, None]], axis=1)
    return ids


# %% wrong="at_least_one_token" exercise="greedy_decode" check="nothing"
# With `max_new_tokens=0` an id is added all the same. Count before you add.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return _greedy(next_token_logits, prompt, max(1, max_new_tokens), end_id)


# %% wrong="nothing_is_an_error" exercise="greedy_decode" check="nothing"
# With `max_new_tokens=0` the function fails. The prompt comes back as it is: start from
# it, and append to it.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = _greedy(next_token_logits, prompt, max_new_tokens, end_id)
    new = [ids[:, i] for i in range(prompt.shape[1], ids.shape[1])]
    new = ops.stack(new, axis=1)
    return ops.concatenate([ids[:, : prompt.shape[1]], new], axis=1)


# %% wrong="tensors_only" exercise="greedy_decode" check="arrays"
# Methods that only tensors have fail on NumPy arrays. `ops` functions take both.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    prompt.numpy()
    return _greedy(next_token_logits, prompt, max_new_tokens, end_id)


# %% wrong="probabilities_rounded" exercise="greedy_decode" check="values"
# The probabilities are cast to integers before the argmax, so that nearly all are 0 and the
# first one wins. Take the argmax of the logits.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return _greedy(
        next_token_logits,
        prompt,
        max_new_tokens,
        end_id,
        lambda logits: ops.argmax(ops.cast(ops.softmax(logits), "int32"), axis=-1),
    )


# %% wrong="ids_as_floats" exercise="greedy_decode" check="values"
# The ids come back as floats. They are integers: `ops.cast(ids, "int32")`.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    return ops.cast(
        _greedy(next_token_logits, prompt, max_new_tokens, end_id), "float32"
    )


# %% wrong="new_ids_in_front" exercise="greedy_decode" check="values"
# The new ids stand in front of the prompt. They follow it.
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    ids = _greedy(next_token_logits, prompt, max_new_tokens, end_id)
    length = prompt.shape[1]
    return ops.concatenate([ids[:, length:], ids[:, :length]], axis=1)


# %% right="in_numpy" exercise="greedy_decode"
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    prompt = ops.convert_to_numpy(prompt)
    rows, length = prompt.shape
    ids = np.full((rows, length + max_new_tokens), -1, "int64")
    ids[:, :length] = prompt
    alive = np.ones(rows, bool)
    for column in range(length, length + max_new_tokens):
        if not alive.any():
            ids[:, column:] = end_id
            break
        logits = ops.convert_to_numpy(next_token_logits(ids[:, :column]))
        new = logits.argmax(-1)
        ids[:, column] = np.where(alive, new, end_id or 0)
        if end_id is not None:
            alive &= ids[:, column] != end_id
    return ids


# %% right="row_by_row" exercise="greedy_decode"
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    rows = []
    for row in ops.convert_to_numpy(prompt).tolist():
        length = len(row) + max_new_tokens
        while len(row) < length:
            logits = next_token_logits(ops.convert_to_tensor([row], dtype="int32"))
            row.append(int(ops.argmax(ops.softmax(logits)[0])))
            if row[-1] == end_id:
                row += [end_id] * (length - len(row))
        rows.append(row)
    return ops.convert_to_tensor(rows, dtype="int32")


# %% right="while_loop" exercise="greedy_decode"
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    prompt = ops.cast(ops.convert_to_tensor(prompt), "int32")
    last = prompt.shape[1] + max_new_tokens

    def open_rows(ids, ended):
        return ids.shape[1] < last

    def step(ids, ended):
        values, best = ops.top_k(ops.convert_to_tensor(next_token_logits(ids)), k=1)
        new = ops.cast(best, "int32")
        if end_id is not None:
            new = ops.where(ended, ops.full_like(new, end_id), new)
            ended = ops.logical_or(ended, ops.equal(new, end_id))
        return ops.concatenate([ids, new], axis=-1), ended

    state = (prompt, ops.zeros((prompt.shape[0], 1), "bool"))
    while open_rows(*state):
        state = step(*state)
    return state[0]


# %% right="mended_afterwards" exercise="greedy_decode"
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    columns = [ops.cast(prompt, "int32")[:, i : i + 1] for i in range(prompt.shape[1])]
    for _ in range(max_new_tokens):
        logits = next_token_logits(ops.concatenate(columns, axis=1))
        columns.append(ops.cast(ops.argmax(logits, axis=1), "int32")[:, None])
    ids = ops.concatenate(columns, axis=1)
    if end_id is None or max_new_tokens == 0:
        return ids
    new = ids[:, prompt.shape[1] :]
    ended = ops.cumsum(ops.cast(new == end_id, "int32"), axis=1) > 0
    new = ops.where(ended, end_id, new)
    return ops.concatenate([ids[:, : prompt.shape[1]], new], axis=1)
