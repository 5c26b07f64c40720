# %% [markdown]
# # Many heads, and where things stand
#
# *Transformers, assignment 2 · about 100 minutes · runs on a laptop or a free Colab GPU*
#
# One attention head asks one question of a sentence: *where is my article?* But language
# asks many at once. Who does it? To whom? Which "it" is meant? **Multi-head attention**
# lets several heads look at the same tokens side by side, each with queries, keys and
# values of its own, and learns how to put their answers together.
#
# It also has a blind spot: attention does not see order. "Dog bites man" and "man bites
# dog" are the same to it. In the second half you give every position a signature, and
# watch a classifier go from guessing to certainty.
#
# **When you are done, you can**
#
# 1. split features into heads and merge them again, and say why reshape alone is not enough,
# 2. write multi-head attention that equals `keras.layers.MultiHeadAttention` number for number,
# 3. make sinusoidal positions and read their picture,
# 4. show by an experiment that attention without positions cannot see order.
#
# | exercise | you write | difficulty | minutes |
# |---|---|---|---|
# | 1 `split_heads` | `(B, T, D)` → `(B, H, T, D/H)` | ●●○○ | 15 |
# | 2 `merge_heads` | and back | ●○○○ | 5 |
# | 3 `MultiHeadAttention` | the layer | ●●●○ | 40 |
# | 4 `sinusoidal_positions` | the paper's positions | ●●○○ | 20 |
# | 5 in words | what several heads can do | ●●○○ | 10 |
#
# Fill the cells that raise `NotImplementedError`, run them, then run the `check(...)`
# below. `hint("split_heads")` gives one hint at a time.

# %% role="given"
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from autograder import check, hint

keras.utils.set_random_seed(2017)
BLUE, ORANGE, GREY = "#2b6cb0", "#dd7a2a", "#8a8f98"

# %% [markdown]
# ## 1. One vector, several heads
#
# A head does not need all the room. Instead of one head with $D$ features, take $H$ heads
# with $D/H$ features each: the same number of weights, the same work, but $H$ different
# ways of looking. Head $h$ owns the features $hD/H … (h+1)D/H$ of **every** token.

# %%
tokens, heads, size = 4, 3, 2
owner = np.tile(np.repeat(np.arange(heads), size), (tokens, 1))
figure, axes = plt.subplots(1, 1 + heads, figsize=(8, 2.6), width_ratios=[3, 1, 1, 1])
axes[0].imshow(owner, cmap="viridis", vmin=0, vmax=heads - 1)
axes[0].set(title="4 tokens × 6 features", xlabel="feature", ylabel="token")
for h in range(heads):
    axes[1 + h].imshow(
        np.full((tokens, size), h), cmap="viridis", vmin=0, vmax=heads - 1
    )
    axes[1 + h].set(title=f"head {h}", xticks=[], yticks=[])
for axis in axes:
    axis.set_xticks(np.arange(-0.5, axis.get_xlim()[1], 1), minor=True)
    axis.set_yticks(np.arange(-0.5, tokens, 1), minor=True)
    axis.grid(which="minor", color="white", lw=2)
    axis.tick_params(which="minor", length=0)
figure.tight_layout()
plt.show()

# %% [markdown]
# ### Exercise 1 · `split_heads` · ●●○○ · 15 minutes
#
# Mind the trap: `reshape` regroups neighbours and never moves anything, so a reshape
# straight to `(B, H, T, D/H)` has the right shape and mixes up tokens and heads. Batch
# and token counts may be unknown (`None`) while a model is traced. Where H does not
# divide D, raise a `ValueError` that names both numbers.


# %% exercise="split_heads"
def split_heads(x, num_heads):
    """Gives each head its share of the features.

    See "Attention is all you need" (Vaswani et al., 2017, arXiv 1706.03762),
    section 3.2.2.

    Args:
        x: tensor of shape `(B, T, D)`.
        num_heads: number of heads `H`.

    Returns:
        Tensor of shape `(B, H, T, D / H)`.

    Raises:
        ValueError: `H` does not divide `D`; the message names both.
    """
    # BEGIN SOLUTION
    features = x.shape[-1]
    if features % num_heads:
        raise ValueError(
            f"{features} features cannot be split among {num_heads} heads evenly."
        )
    batch, length = ops.shape(x)[:2]
    split_shape = (batch, length, num_heads, features // num_heads)
    return ops.transpose(ops.reshape(x, split_shape), (0, 2, 1, 3))  # (B, H, T, D/H)
    # END SOLUTION


# %% check="split_heads"
check("split_heads", split_heads)

# %% [markdown]
# ### Exercise 2 · `merge_heads` · ●○○○ · 5 minutes
#
# The way back: after attention, every token gets its heads' answers side by side.


# %% exercise="merge_heads"
def merge_heads(x):
    """Puts the heads' features side by side again: the inverse of `split_heads`.

    Args:
        x: tensor of shape `(B, H, T, d)`.

    Returns:
        Tensor of shape `(B, T, H * d)`.
    """
    # BEGIN SOLUTION
    batch, heads, length, size = ops.shape(x)
    by_token = ops.transpose(x, (0, 2, 1, 3))  # (B, T, H, d)
    return ops.reshape(by_token, (batch, length, heads * size))  # (B, T, H·d)
    # END SOLUTION


# %% check="merge_heads"
check("merge_heads", merge_heads)

# %% [markdown]
# ## 2. All heads at once
#
# $$\text{head}_h = \text{softmax}\!\left(\frac{q_h k_h^\top}{\sqrt{d}}\right) v_h
# \qquad \text{output} = [\text{head}_1, …, \text{head}_H]\,W_O$$
#
# Nothing is looped over: once the heads have an axis of their own, one matrix product
# serves all of them. The last projection, `attention_output`, is where the heads' answers
# meet. It returns to the query's feature size, so that layers can be stacked.
#
# | tensor | shape | |
# |---|---|---|
# | inputs `query`; `value`, `key` | `(B, Tq, D)`; `(B, Tk, …)` | feature sizes may differ |
# | after the Dense layers | `(B, T, H·key_dim)` | one layer for all heads |
# | after `split_heads` | `(B, H, T, key_dim)` | |
# | weights | `(B, H, Tq, Tk)` | who looks at whom, per head |
# | after `merge_heads` | `(B, Tq, H·key_dim)` | |
# | output | `(B, Tq, D)` | through `attention_output` |
#
# ### Exercise 3 · `MultiHeadAttention` · ●●●○ · 40 minutes
#
# Write `__init__`, `call` and `get_config`; `build` is given and makes
# `attention_output`, whose size is known only there. What to mind:
#
# * `query`, `key`, `value` are `Dense` layers **with** bias, of `num_heads * key_dim` units.
# * The scores are divided by √key_dim, the size of **one** head.
# * The layer takes Keras' order `query, value, key`. A missing value is the query, a
#   missing key is the value.
# * A mask is boolean, True means attend. `(Tq, Tk)`, `(B, Tq, Tk)` and `(B, 1, Tk)` hold for
#   every head; `(B, H, Tq, Tk)` says it per head. A row with nothing to attend to stays finite.
# * In float16, −1e9 is minus infinity; 65504 is the largest number there is.


# %% exercise="multi_head_attention"
@keras.saving.register_keras_serializable(package="transformers_course")
class MultiHeadAttention(keras.layers.Layer):
    """Several attention heads side by side, and a projection that joins them.

    See "Attention is all you need" (Vaswani et al., 2017, arXiv 1706.03762),
    section 3.2.2. Equal to `keras.layers.MultiHeadAttention` with the same
    weights.

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

    Example:

    >>> layer = MultiHeadAttention(num_heads=2, key_dim=4)
    >>> layer(np.ones((2, 5, 16))).shape
    (2, 5, 16)
    """

    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        # BEGIN SOLUTION
        units = num_heads * key_dim
        self.query = keras.layers.Dense(units, dtype=self.dtype_policy, name="query")
        self.key = keras.layers.Dense(units, dtype=self.dtype_policy, name="key")
        self.value = keras.layers.Dense(units, dtype=self.dtype_policy, name="value")
        # END SOLUTION

    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        key_shape = key_shape or value_shape
        self.query.build(query_shape)
        self.key.build(key_shape)
        self.value.build(value_shape)
        self.attention_output = keras.layers.Dense(
            query_shape[-1], dtype=self.dtype_policy, name="attention_output"
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
        # BEGIN SOLUTION
        value = query if value is None else value
        key = value if key is None else key
        q = split_heads(self.query(query), self.num_heads)  # (B, H, Tq, d)
        k = split_heads(self.key(key), self.num_heads)  # (B, H, Tk, d)
        v = split_heads(self.value(value), self.num_heads)  # (B, H, Tk, d)
        scores = ops.matmul(q, ops.swapaxes(k, -2, -1))  # (B, H, Tq, Tk)
        scores = scores / ops.cast(self.key_dim**0.5, scores.dtype)
        if attention_mask is not None:
            mask = ops.cast(attention_mask, "bool")
            if len(mask.shape) == 3:
                mask = mask[:, None]  # (B, 1, Tq, Tk): the same for every head
            half = keras.backend.standardize_dtype(scores.dtype) == "float16"
            scores = ops.where(
                mask, scores, ops.cast(-6e4 if half else -1e30, scores.dtype)
            )
        weights = ops.softmax(scores, axis=-1)
        output = self.attention_output(
            merge_heads(ops.matmul(weights, v))
        )  # (B, Tq, D)
        return (output, weights) if return_attention_scores else output
        # END SOLUTION

    def get_config(self):
        # BEGIN SOLUTION
        config = {"num_heads": self.num_heads, "key_dim": self.key_dim}
        return {**super().get_config(), **config}
        # END SOLUTION


# %% check="multi_head_attention"
check("multi_head_attention", MultiHeadAttention)

# %% [markdown]
# ## 3. What each head looks at
#
# Give four of your heads two jobs. For every word of a sentence the layer must name **the word
# before it and the word after it**. One softmax can hardly look at two places at once; watch
# how the heads divide the work.

# %%
sentence = "I like the cat on a mat".split()
vocabulary = [*sentence, "you", "see", "dog", "by", "an", "egg", "<s>"]


def neighbours(count, length, seed):
    """Random sentences, with the word before and after each word."""
    random = np.random.RandomState(seed)
    ids = random.randint(0, len(vocabulary) - 1, (count, length)).astype("int32")
    padded = np.pad(ids, ((0, 0), (1, 1)), constant_values=len(vocabulary) - 1)
    return ids, {"before": padded[:, :-2], "after": padded[:, 2:]}


keras.utils.set_random_seed(5)
words = keras.Input((7,), dtype="int32")
wide = keras.initializers.RandomNormal(stddev=1.0)  # positions easy to tell apart
places = keras.layers.Embedding(7, 32, wide)(ops.arange(7)[None])
x = keras.layers.Embedding(len(vocabulary), 32, wide)(words) + places
looked, maps = MultiHeadAttention(4, 8, name="heads")(x, return_attention_scores=True)
outputs = {
    side: keras.layers.Dense(len(vocabulary), name=side)(looked)
    for side in ("before", "after")
}
reader = keras.Model(words, outputs)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
reader.compile(keras.optimizers.Adam(0.01), {"before": loss, "after": loss})
_ = reader.fit(*neighbours(6000, 7, 0), batch_size=64, epochs=6, verbose=0)

ids = np.array([[vocabulary.index(word) for word in sentence]], "int32")
seen = ops.convert_to_numpy(keras.Model(words, maps)(ids))[0]
figure, axes = plt.subplots(1, 4, figsize=(10, 3), sharey=True)
for h, axis in enumerate(axes):
    axis.imshow(seen[h], cmap="Blues", vmin=0, vmax=1)
    axis.set_xticks(range(7), sentence, rotation=60)
    axis.set_yticks(range(7), sentence)
    axis.set_title(f"head {h + 1}")
axes[0].set_ylabel("this word looks at …")
figure.tight_layout()
plt.show()

# %% [markdown]
# A row is a word, and the dark square in it is where the word looks. A dark line above the
# diagonal is a head that looks ahead, one below it a head that looks back. Nobody told them
# which of them should do which. (The first word has none before it, the last none after it:
# there a head may look anywhere.)
#
# ## 4. Attention is blind to order
#
# Shuffle the tokens, and each token's mixture stays what it was: a sum does not care about
# order. So the paper **adds a signature of the position** to every embedding, sines and
# cosines of frequencies that fall from column pair to column pair:
#
# $$P_{p,\,2i} = \sin\!\left(\frac{p}{10000^{2i/\text{dim}}}\right) \qquad
# P_{p,\,2i+1} = \cos\!\left(\frac{p}{10000^{2i/\text{dim}}}\right)$$
#
# ### Exercise 4 · `sinusoidal_positions` · ●●○○ · 20 minutes
#
# Sine and cosine take turns, column by column. `dim` may be odd: then the last sine has no
# cosine. The result is float32.


# %% exercise="sinusoidal_positions"
def sinusoidal_positions(length, dim):
    """The position table of "Attention is all you need", section 3.5.

    Args:
        length: number of positions.
        dim: number of columns, even or odd.

    Returns:
        float32 tensor of shape `(length, dim)`.
    """
    # BEGIN SOLUTION
    columns = np.arange(dim)
    frequencies = 10000.0 ** (-2 * (columns // 2) / dim)  # (dim,)
    angles = np.arange(length)[:, None] * frequencies[None, :]  # (length, dim)
    table = np.where(columns % 2 == 0, np.sin(angles), np.cos(angles))
    return ops.convert_to_tensor(table.astype("float32"))  # (length, dim)
    # END SOLUTION


# %% check="sinusoidal_positions"
check("sinusoidal_positions", sinusoidal_positions)

# %%
table = ops.convert_to_numpy(sinusoidal_positions(60, 64))
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=[1, 1])
left.imshow(table, cmap="PuOr", aspect="auto")
left.set(
    title="Every row is a position's signature", xlabel="column", ylabel="position"
)
image = right.imshow(table @ table.T, cmap="viridis")
right.set(
    title="Dot products: neighbours are alike", xlabel="position", ylabel="position"
)
figure.colorbar(image, shrink=0.85)
figure.tight_layout()
plt.show()

# %% [markdown]
# The dot product of two positions depends on their distance only, and falls, with ripples, as
# they move apart. A head can use that: "look at my neighbour" becomes a matter of similarity.
#
# ## 5. A classifier, blind and seeing
#
# A sequence of twelve tokens holds one **A** and one **B**. Which of them comes first? The
# same small model, made of your layer, is trained twice: on embeddings alone, and on
# embeddings plus your positions.

# %%
LENGTH, A, B, OTHERS = 12, 0, 1, 10


def who_is_first(count, seed):
    """Sequences with one A and one B; the label says whether A comes first."""
    random = np.random.RandomState(seed)
    ids = random.randint(2, 2 + OTHERS, (count, LENGTH))
    spots = np.argsort(random.rand(count, LENGTH), axis=1)[:, :2]
    rows = np.arange(count)
    ids[rows, spots[:, 0]], ids[rows, spots[:, 1]] = A, B
    return ids.astype("int32"), (spots[:, 0] < spots[:, 1]).astype("int32")


def classifier_accuracy(with_positions, epochs=8):
    """Trains the classifier; returns its accuracy after each epoch."""
    keras.utils.set_random_seed(11)
    tokens = keras.Input((LENGTH,), dtype="int32")
    x = keras.layers.Embedding(2 + OTHERS, 32)(tokens)
    if with_positions:
        x = x + sinusoidal_positions(LENGTH, 32)
    x = x + MultiHeadAttention(4, 8)(x)
    x = x + keras.layers.Dense(32, activation="gelu")(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model(tokens, keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(
        keras.optimizers.Adam(0.005), "binary_crossentropy", metrics=["accuracy"]
    )
    past = model.fit(
        *who_is_first(4096, 0),
        batch_size=64,
        epochs=epochs,
        validation_data=who_is_first(1024, 1),
        verbose=0,
    )
    return past.history["val_accuracy"]


blind, seeing = classifier_accuracy(False), classifier_accuracy(True)

figure, axis = plt.subplots(figsize=(6, 3))
epochs = range(1, len(blind) + 1)
axis.plot(epochs, seeing, "o-", color=BLUE, lw=2, label="with positions")
axis.plot(epochs, blind, "s-", color=ORANGE, lw=2, label="without")
axis.axhline(0.5, color=GREY, ls=":", label="guessing")
axis.set(
    xlabel="epoch",
    ylabel="share right",
    ylim=(0.4, 1.03),
    title="Does A come before B? Without positions nobody can tell",
)
axis.legend(frameon=False, loc="center right")
axis.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
plt.show()

# %% [markdown]
# Without positions the model is not bad at the task, it is *unable* to do it: shuffled, a
# sequence gives the same output (but for rounding), whatever the weights.
#
# ## 6. In your own words
#
# ### Exercise 5 · ●●○○ · 10 minutes
#
# **What can several heads do that one head of the same total size cannot?** Three to six
# sentences; use what you saw in section 3. A person reads this.

# %% [markdown] manual="explain_heads"
# BEGIN SOLUTION
# One head has one softmax per query: its weights add up to 1, so looking at two places
# means looking at each by half, and what comes back is their average, in which the two
# can no longer be told apart. Several heads each have a softmax of their own and values
# of their own, so one can fetch the word before and another the word after, and the
# output projection receives both side by side. Each head works in a subspace, so
# similarity can mean something different in each. The cost in weights and work is about
# that of one large head.
# END SOLUTION

# %% [markdown]
# ## What comes next
#
# You have the two parts that were new in 2017. With a residual connection and a small
# feed-forward network around them they become the Transformer's block; and the next
# assignment shows that the tokens need not be words at all.
#
# **To read**
#
# * A. Vaswani et al., *Attention is all you need*, 2017 (arXiv 1706.03762)
# * P. Michel, O. Levy, G. Neubig, *Are sixteen heads really better than one?*, 2019
#   (arXiv 1905.10650)
