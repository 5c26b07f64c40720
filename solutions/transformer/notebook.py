# %% [markdown]
# # The block and its families
#
# *Transformers, assignment 5 · about 100 minutes · runs on a laptop or a free Colab GPU*
#
# You have heads, positions, and tokens made of words, patches and DNA. What turns them into a
# Transformer is a frame: **a residual stream** that every token carries through the model, and
# halves of a block that read from it and add to it. Stack the block and you have BERT. Hide the
# future and you have GPT. Let one stack look at the other and you have the translator of 2017.
#
# In this notebook you write the block once, the block that writes once more, and the loop that
# makes it speak. Then all three families are yours to train.
#
# **When you are done, you can**
#
# 1. write a pre-norm block, and say what the residual connection is for,
# 2. tell self-attention, causal self-attention and cross-attention apart, by who sees whom,
# 3. count a Transformer to the last bias,
# 4. let a model write, row by row, until each row has come to its end.
#
# | exercise | you write | difficulty | minutes |
# |---|---|---|---|
# | 1 `EncoderBlock` | attention and feed-forward part, in their frame | ●●○○ | 25 |
# | 2 `DecoderBlock` | the same with a causal mask, and a look at a memory | ●●●○ | 30 |
# | 3 `greedy_decode` | token after token | ●●○○ | 15 |
#
# Fill the cells that raise `NotImplementedError`, run them, then run the `check(...)`
# below. `hint("encoder_block")` gives one hint at a time.

# %% role="given"
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from autograder import check, earlier, hint, needs, watch
from autograder.given import MultiHeadAttention

keras.utils.set_random_seed(2017)
BLUE, ORANGE, GREEN, GREY = "#2b6cb0", "#dd7a2a", "#3b8f5a", "#8a8f98"

# %% [markdown]
# `MultiHeadAttention` is the layer of assignment 2, given here so that you can start at once. Yours
# is as good: the next cell takes it where it lies beside this notebook and passes its checks.

# %%
MultiHeadAttention = earlier("MultiHeadAttention", MultiHeadAttention)

# %% [markdown]
# ## 1. The block
#
# A block has two halves of the same form. Each takes the stream `x`, normalises a **copy** of
# it, does something with the copy, and **adds** the result to `x`:
#
# $$h = x + \text{attention}(\text{norm}_1(x)) \qquad
# y = h + \text{feed\_forward}(\text{norm}_2(h))$$
#
# In the first half tokens talk to each other. In the second every token is on its own: two dense
# layers with a GELU between them, wide in the middle. What is added can be small; `x` itself goes
# through untouched, from the first block to the last, and the gradient goes back the same way.
#
# The paper of 2017 normalised after the sum (**post-norm**). You normalise before (**pre-norm**),
# as GPT-2 and nearly everybody since: a stack of such blocks trains without tricks.
#
# | tensor | shape | |
# |---|---|---|
# | `x`, and what comes back | `(B, T, D)` | blocks can be stacked |
# | `attention_mask` | `(T, T)`, `(B, T, T)` or `(B, 1, T)` | True: attend |
# | after `feed_forward_in` | `(B, T, ff_dim)` | often four times D |
#
# ### Exercise 1 · `EncoderBlock` · ●●○○ · 25 minutes
#
# Write `__init__`, `call` and `get_config`; `build` is given and makes `feed_forward_out`, whose
# size is known only there. What to mind:
#
# * The sublayers' names are asked for: `attention_norm`, `attention`, `feed_forward_norm`,
#   `feed_forward_in`, `feed_forward_out`. The norms are `keras.layers.LayerNormalization`; epsilon,
#   and GELU's exact or tanh form, are yours to choose.
# * `MultiHeadAttention(num_heads, key_dim)` is called `(query, value=None, key=None,
#   attention_mask=None, return_attention_scores=False)`. It has no `use_causal_mask`.
# * Give every sublayer `dtype=self.dtype_policy`, so that the block runs in half precision too.
# * Dropout works in training only. Keras tells its own `Dropout` layer which it is; where you place
#   it is yours to choose, often on what a half adds. `layer.weights` stay those of the five
#   sublayers.


# %% exercise="encoder_block"
@keras.saving.register_keras_serializable(package="transformers_course")
class EncoderBlock(keras.layers.Layer):
    """Self-attention and a feed-forward part, each added to its input.

    The block of "Attention is all you need" (Vaswani et al., 2017, arXiv
    1706.03762), section 3.1, with the norms before the sublayers as in "On layer
    normalization in the Transformer architecture" (Xiong et al., 2020, arXiv
    2002.04745).

    Args:
        num_heads: number of heads.
        key_dim: size of each head's queries, keys and values.
        ff_dim: width of the feed-forward part's hidden layer.
        dropout: share of numbers that are dropped in training.
        **kwargs: `name` and `dtype`, as every Keras layer takes them.

    Call arguments:
        x: tensor of shape `(B, T, D)`.
        attention_mask: boolean, of shape `(B, T, T)` or broadcastable to it. True:
            attend.
        training: whether dropout is at work.

    Returns:
        Tensor of shape `(B, T, D)`.

    Example:

    >>> block = EncoderBlock(num_heads=2, key_dim=8, ff_dim=64)
    >>> block(np.ones((2, 5, 16))).shape
    (2, 5, 16)
    """

    def __init__(self, num_heads, key_dim, ff_dim, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.ff_dim = ff_dim
        self.dropout_rate = dropout
        # BEGIN SOLUTION
        policy = self.dtype_policy
        self.attention_norm = keras.layers.LayerNormalization(
            epsilon=1e-5, dtype=policy, name="attention_norm"
        )
        self.attention = MultiHeadAttention(
            num_heads, key_dim, dtype=policy, name="attention"
        )
        self.feed_forward_norm = keras.layers.LayerNormalization(
            epsilon=1e-5, dtype=policy, name="feed_forward_norm"
        )
        self.feed_forward_in = keras.layers.Dense(
            ff_dim, activation="gelu", dtype=policy, name="feed_forward_in"
        )
        self.drop = keras.layers.Dropout(dropout, dtype=policy, name="drop")
        # END SOLUTION

    def build(self, x_shape):
        self.attention_norm.build(x_shape)
        self.attention.build(x_shape)
        self.feed_forward_norm.build(x_shape)
        self.feed_forward_in.build(x_shape)
        self.feed_forward_out = keras.layers.Dense(
            x_shape[-1], dtype=self.dtype_policy, name="feed_forward_out"
        )
        self.feed_forward_out.build((*x_shape[:-1], self.ff_dim))
        self.built = True

    def call(self, x, attention_mask=None, training=None):
        # BEGIN SOLUTION
        attended = self.attention(
            self.attention_norm(x), attention_mask=attention_mask
        )  # (B, T, D)
        x = x + self.drop(attended, training=training)
        hidden = self.feed_forward_in(self.feed_forward_norm(x))  # (B, T, ff_dim)
        return x + self.drop(self.feed_forward_out(hidden), training=training)
        # END SOLUTION

    def get_config(self):
        # BEGIN SOLUTION
        config = {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "ff_dim": self.ff_dim,
            "dropout": self.dropout_rate,
        }
        return {**super().get_config(), **config}
        # END SOLUTION


# %% check="encoder_block"
check("encoder_block", EncoderBlock)

# %% [markdown]
# ### What the stream is for
#
# Forty blocks of yours, untrained, one on top of the other. How much of what a token was at the
# start can still be found in the stream? Beside them the same blocks without the stream: each
# hands on only what it would have added.

# %%
keras.utils.set_random_seed(3)
blocks = [EncoderBlock(4, 16, 256) for _ in range(40)]
stream = bare = start = keras.random.normal((1, 30, 64), seed=1)
kept = {"with the stream": [], "without": []}
for block in blocks:
    stream, bare = block(stream), block(bare) - bare
    for title, now in (("with the stream", stream), ("without", bare)):
        alike = np.corrcoef(
            ops.convert_to_numpy(now)[0], ops.convert_to_numpy(start)[0]
        )
        kept[title].append(np.diag(alike[:30, 30:]).mean())

figure, axis = plt.subplots(figsize=(6.4, 3))
for (title, values), color in zip(kept.items(), (BLUE, ORANGE)):
    axis.plot(range(1, 41), values, color=color, lw=2, label=title)
axis.axhline(0, color=GREY, lw=0.8)
axis.set(
    xlabel="blocks passed",
    ylabel="correlation with the start",
    title="After forty blocks a token still knows where it came from",
)
axis.legend(frameon=False)
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## 2. The block that writes
#
# A decoder is asked at every position: *what comes next?* The answer stands right behind it, so
# the block must not look. That is a **causal mask** on the self-attention, and all there is to a
# GPT block. In an encoder–decoder a third part stands between the two halves:
#
# $$h_1 = x + \text{attention}(\text{norm}_1(x)),\ \text{causal}$$
# $$h_2 = h_1 + \text{cross\_attention}(\text{norm}_2(h_1),\ \text{memory})$$
# $$y = h_2 + \text{feed\_forward}(\text{norm}_3(h_2))$$
#
# **Cross-attention** asks with the decoder's tokens and looks for keys and values in the
# `memory`, which is what the encoder made of the source. Nothing is hidden there, unless a
# `memory_mask` says so: padding, for example.
#
# | tensor | shape | |
# |---|---|---|
# | `x` | `(B, T, D)` | what has been written so far |
# | `memory` | `(B, S, …)` | what the encoder made of the source, S tokens |
# | `memory_mask` | `(B, T, S)` | True: attend |
# | causal mask | `(T, T)` | row p is True up to column p |
#
# ### Exercise 2 · `DecoderBlock` · ●●●○ · 30 minutes
#
# What to mind, beyond exercise 1:
#
# * Two more sublayers, and only with `cross_attention=True`: `cross_attention_norm` and
#   `cross_attention`. The memory is used as it comes, without a norm.
# * The attribute `cross_attention` is the sublayer. The flag that the constructor takes has to be
#   kept under another name (`has_cross_attention`, in the starter code), and `get_config` still
#   returns it as `cross_attention`.
# * T is not known while a model is traced: `ops.shape(x)[1]` is. `ops.tril` and `ops.arange` can both
#   make the mask.
# * `memory_mask` is for the memory. It has nothing to say about the self-attention.


# %% exercise="decoder_block"
@keras.saving.register_keras_serializable(package="transformers_course")
class DecoderBlock(keras.layers.Layer):
    """Causal self-attention, a look at a memory, a feed-forward part.

    The decoder's block of "Attention is all you need" (Vaswani et al., 2017, arXiv
    1706.03762), section 3.1, with the norms first. Without cross-attention it is a
    block of GPT-2.

    Args:
        num_heads: number of heads of each attention.
        key_dim: size of each head's queries, keys and values.
        ff_dim: width of the feed-forward part's hidden layer.
        dropout: share of numbers that are dropped in training.
        cross_attention: whether the block looks at a memory.
        **kwargs: `name` and `dtype`, as every Keras layer takes them.

    Call arguments:
        x: tensor of shape `(B, T, D)`.
        memory: tensor of shape `(B, S, Dm)`, with `cross_attention=True`.
        memory_mask: boolean, of shape `(B, T, S)`. True: attend.
        training: whether dropout is at work.

    Returns:
        Tensor of shape `(B, T, D)`.

    Example:

    >>> block = DecoderBlock(2, 8, 64, cross_attention=True)
    >>> block(np.ones((2, 5, 16)), np.ones((2, 7, 16))).shape
    (2, 5, 16)
    """

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
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.ff_dim = ff_dim
        self.dropout_rate = dropout
        self.has_cross_attention = cross_attention
        # BEGIN SOLUTION
        policy = self.dtype_policy

        def norm(name):
            return keras.layers.LayerNormalization(
                epsilon=1e-5, dtype=policy, name=name
            )

        def heads(name):
            return MultiHeadAttention(num_heads, key_dim, dtype=policy, name=name)

        self.attention_norm = norm("attention_norm")
        self.attention = heads("attention")
        if cross_attention:
            self.cross_attention_norm = norm("cross_attention_norm")
            self.cross_attention = heads("cross_attention")
        self.feed_forward_norm = norm("feed_forward_norm")
        self.feed_forward_in = keras.layers.Dense(
            ff_dim, activation="gelu", dtype=policy, name="feed_forward_in"
        )
        self.drop = keras.layers.Dropout(dropout, dtype=policy, name="drop")
        # END SOLUTION

    def build(self, x_shape, memory_shape=None):
        self.attention_norm.build(x_shape)
        self.attention.build(x_shape)
        if self.has_cross_attention:
            self.cross_attention_norm.build(x_shape)
            self.cross_attention.build(x_shape, memory_shape or x_shape)
        self.feed_forward_norm.build(x_shape)
        self.feed_forward_in.build(x_shape)
        self.feed_forward_out = keras.layers.Dense(
            x_shape[-1], dtype=self.dtype_policy, name="feed_forward_out"
        )
        self.feed_forward_out.build((*x_shape[:-1], self.ff_dim))
        self.built = True

    def call(self, x, memory=None, memory_mask=None, training=None):
        # BEGIN SOLUTION
        positions = ops.arange(ops.shape(x)[1])
        causal = positions[:, None] >= positions[None, :]  # (T, T)
        attended = self.attention(self.attention_norm(x), attention_mask=causal)
        x = x + self.drop(attended, training=training)  # (B, T, D)
        if self.has_cross_attention:  # asks the memory, (B, S, Dm)
            looked = self.cross_attention(
                self.cross_attention_norm(x), memory, attention_mask=memory_mask
            )
            x = x + self.drop(looked, training=training)
        hidden = self.feed_forward_in(self.feed_forward_norm(x))  # (B, T, ff_dim)
        return x + self.drop(self.feed_forward_out(hidden), training=training)
        # END SOLUTION

    def get_config(self):
        # BEGIN SOLUTION
        config = {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "ff_dim": self.ff_dim,
            "dropout": self.dropout_rate,
            "cross_attention": self.has_cross_attention,
        }
        return {**super().get_config(), **config}
        # END SOLUTION


# %% check="decoder_block"
check("decoder_block", DecoderBlock)

# %% [markdown]
# ### Who sees whom
#
# No need to trust a mask: ask the block. Change one input token, and see which outputs move.


# %%
def influence(function, x):
    """How far each output (row) moves where one token of x (column) is changed."""
    before = ops.convert_to_numpy(function(x))[0]
    moved = []
    for place, change in enumerate(np.random.RandomState(4).normal(size=x[0].shape)):
        other = x.copy()
        other[0, place] += change
        after = ops.convert_to_numpy(function(other))[0]
        moved.append(np.abs(after - before).mean(axis=-1))
    return np.log10(np.stack(moved, axis=-1) + 1e-7)


keras.utils.set_random_seed(7)
tokens, memory = np.random.RandomState(0).normal(size=(2, 1, 9, 32)).astype("float32")
encoder, decoder = EncoderBlock(4, 8, 64), DecoderBlock(4, 8, 64)
translator = DecoderBlock(4, 8, 64, cross_attention=True)
panels = {
    "encoder": influence(encoder, tokens),
    "decoder": influence(decoder, tokens),
    "decoder, of the memory": influence(lambda m: translator(tokens, m), memory[:, :6]),
}
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3))
for axis, (title, moved) in zip(axes, panels.items()):
    axis.imshow(moved, cmap="Blues", vmin=-5, vmax=0.5)
    axis.set(title=title, xlabel="changed token", xticks=range(moved.shape[1]))
    axis.set_yticks(range(len(moved)))
axes[0].set_ylabel("output that moves")
figure.tight_layout()
plt.show()

# %% [markdown]
# An encoder's outputs move with every token. A decoder's move with the tokens up to their own: white
# means that nothing moved, to the last digit. Of the memory each output sees all.
#
# ### The size of the original
#
# The Transformer of 2017 has six encoder blocks and six decoder blocks, 512 features, 8 heads of 64,
# 2048 hidden units, and a layer norm at the end of each stack. Its parameters without the tables are
# known: **44,140,544**. One block of each kind tells whether yours is the same.

# %%
sizes = {"num_heads": 8, "key_dim": 64, "ff_dim": 2048}
encoder, decoder = EncoderBlock(**sizes), DecoderBlock(**sizes, cross_attention=True)
final_norm = keras.layers.LayerNormalization()
for layer in (encoder, decoder, final_norm):
    layer.build((None, None, 512))
    print(f"{type(layer).__name__:20}{layer.count_params():12,}")
stacks = 6 * (encoder.count_params() + decoder.count_params())
total = stacks + 2 * final_norm.count_params()
print(f"{'6 + 6, and 2 norms':20}{total:12,}  published: 44,140,544")

# %% [markdown]
# ## 3. One token after the other
#
# A decoder says what comes next; to *write*, it has to be asked again and again, each time with
# what it has said so far. **Greedy decoding** takes the most likely token every time.
#
# A batch of rows does not end all at once. When a row says `end_id`, it has ended, and from there on
# it only repeats that id, so that the result is a rectangle while the others go on.
#
# ### Exercise 3 · `greedy_decode` · ●●○○ · 15 minutes
#
# * `next_token_logits(ids)` takes **all** ids so far, `(B, T)`, and returns the logits of the next
#   one, `(B, V)`.
# * The result is `(B, T + max_new_tokens)`, integers, always: also where all rows have ended early,
#   and where `max_new_tokens` is 0.
# * Only new ids end a row. An `end_id` in the prompt does not count, not even as its last id.
# * `end_id` may be 0, which is false to `if end_id:`. It may be None: then nothing ends.
# * Prompt and logits are tensors or NumPy arrays; `ops` functions take both.


# %% exercise="greedy_decode"
def greedy_decode(next_token_logits, prompt, max_new_tokens, end_id=None):
    """Continues prompts by the most likely token, again and again.

    Args:
        next_token_logits: function of ids `(B, T)` that returns the logits `(B, V)`
            of the token that comes next.
        prompt: integer tensor of shape `(B, T)`.
        max_new_tokens: number of ids to add.
        end_id: id that ends a row, or None. After its first new one a row repeats
            it.

    Returns:
        Integer tensor of shape `(B, T + max_new_tokens)`: the prompt, then the new
        ids.
    """
    # BEGIN SOLUTION
    ids = ops.cast(prompt, "int32")
    ended = ops.zeros((ops.shape(ids)[0],), "bool")
    for _ in range(max_new_tokens):
        new = ops.cast(ops.argmax(next_token_logits(ids), axis=-1), "int32")  # (B,)
        if end_id is not None:
            new = ops.where(ended, end_id, new)
            ended = ops.logical_or(ended, ops.equal(new, end_id))
        ids = ops.concatenate([ids, new[:, None]], axis=1)  # one column more
    return ids
    # END SOLUTION


# %% check="greedy_decode"
check("greedy_decode", greedy_decode)

# %% [markdown]
# ## 4. Three families
#
# You have all the parts. The lecture's three families differ in who sees whom, and in what the
# last layer is asked:
#
# | family | blocks | a token sees | learns to say | below |
# |---|---|---|---|---|
# | encoder–decoder | `EncoderBlock`, `DecoderBlock` with cross-attention | the whole source, and what has been written | the next letter of the translation | French dates → ISO |
# | decoder | `DecoderBlock` | what has been written | the next letter | a GPT on English |
# | encoder | `EncoderBlock` | everything | what was hidden; then, one verdict | DNA |
#
# From here on everything is written. Run it, look, change numbers: nothing below is graded. Each training takes
# between ten seconds and a minute on two CPU cores. All three models begin with the same line,
# *what a token is plus where it stands*, and are trained by the same few others:


# %%
def embed(tokens, vocabulary, length, dim):
    """What each token is, plus where it stands: ids (B, T) → (B, T, dim)."""
    places = ops.cumsum(ops.ones_like(tokens), axis=1) - 1  # 0, 1, 2, … in each row
    what = keras.layers.Embedding(vocabulary, dim)(tokens)
    return what + keras.layers.Embedding(length, dim)(places)


def train(model, x, y, rate, batch_size, epochs, **more):
    """Trains to name the right class, in steps that become smaller and smaller."""
    steps = epochs * -(-len(y) // batch_size)
    falling = keras.optimizers.schedules.CosineDecay(rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(falling), loss, weighted_metrics=["accuracy"])
    return model.fit(x, y, batch_size=batch_size, epochs=epochs, **more)


# %% [markdown]
# ### 4.1 Encoder–decoder: a translator of dates
#
# French speakers write one and the same day in a dozen ways. Computers want one: year, month, day
# (ISO 8601). The pairs come from Babel, which knows how France, Belgium, Switzerland and
# Québec do it. The days to test with are in the training set in no form.

# %%
from autograder.datasets import load_dates

(french, iso), (new_french, new_iso) = load_dates()
for before, after in list(zip(french, iso))[:8]:
    print(f"{before:>28} → {after}")

# %% [markdown]
# Tokens are letters. Id 0 fills up short rows; `^` says *begin*.

# %%
LETTERS = ["", "^", *sorted(set("".join([*french, *iso])))]
NUMBER = {letter: number for number, letter in enumerate(LETTERS)}
LONGEST = max(len(text) for text in french)


def to_ids(texts, length):
    """Texts as rows of numbers, filled up with 0: (B, length)."""
    rows = [[NUMBER.get(letter, 0) for letter in text] for text in texts]
    return keras.utils.pad_sequences(rows, length, padding="post", truncating="post")


print(LETTERS[1:])
print(french[0], "→", to_ids(french[:1], LONGEST)[0])

# %% [markdown]
# One block of yours reads, one writes. Follow the shapes: the source goes through the encoder
# and becomes the `memory`; the decoder has the letters so far, and asks the memory for the next one.

# %%
needs(EncoderBlock, DecoderBlock, greedy_decode)
keras.utils.set_random_seed(1)
sizes = {"num_heads": 4, "key_dim": 16, "ff_dim": 128}
source = keras.Input((None,), dtype="int32")  # (B, S): the French date
written = keras.Input((None,), dtype="int32")  # (B, T): what stands there already

there = ops.not_equal(source, 0)  # (B, S): False where only filled up
x = embed(source, len(LETTERS), LONGEST, dim=64)
x = EncoderBlock(**sizes)(x, attention_mask=there[:, None])
memory = keras.layers.LayerNormalization()(x)  # (B, S, 64)

visible = ops.logical_and(ops.ones_like(written, "bool")[:, :, None], there[:, None])
writer = DecoderBlock(**sizes, cross_attention=True)
x = embed(written, len(LETTERS), 10, dim=64)
x = writer(x, memory=memory, memory_mask=visible)  # (B, T, 64)
x = keras.layers.LayerNormalization()(x)
translator = keras.Model([source, written], keras.layers.Dense(len(LETTERS))(x))
print(f"{translator.count_params():,} parameters")

# %% [markdown]
# In training the decoder is given the right letters, one place late, and all ten questions are put at
# once (*teacher forcing*): the causal mask sees to it that none can be answered by copying.

# %%
needs(EncoderBlock, DecoderBlock, greedy_decode)
questions = to_ids(french, LONGEST)
answers = to_ids(iso, 10)
begun = to_ids([f"^{date[:-1]}" for date in iso], 10)
_ = train(translator, [questions, begun], answers, 0.003, 128, epochs=6, verbose=2)

# %% [markdown]
# At work nobody gives it the right letters: `greedy_decode` feeds it its own.


# %%
def translate(texts):
    """Writes the ten letters of each date, one after the other."""
    source = ops.convert_to_tensor(to_ids(texts, LONGEST))

    def next_letter(ids):
        return translator([source, ops.convert_to_tensor(ids, "int32")])[:, -1]

    begin = np.full((len(texts), 1), NUMBER["^"], "int32")
    ids = ops.convert_to_numpy(greedy_decode(next_letter, begin, 10))
    return ["".join(LETTERS[number] for number in row[1:]) for row in ids]


needs(EncoderBlock, DecoderBlock, greedy_decode)
said = translate(new_french)
wrong = [three for three in zip(new_french, new_iso, said) if three[1] != three[2]]
print(
    f"{1 - len(wrong) / len(said):.1%} of {len(said)} new days are right, all ten letters."
)
for before, after, instead in wrong[:5]:
    print(f"{before:>28} → {instead}, should be {after}")
for text in ("14 juillet 1989", "lundi 1 juin 2043", "03.04.05"):
    print(f"{text:>28} → {translate([text])[0]}")

# %% [markdown]
# Put in dates of your own. Then look at the heads of your `cross_attention`: where in the source does the
# model look, while it writes each letter?

# %%
needs(EncoderBlock, DecoderBlock, greedy_decode)
shown = ["jeudi 24 septembre 1987", "3 févr. 2016", "24.09.87"]
widths = [len(text) for text in shown]
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), width_ratios=widths, sharey=False)
for axis, text in zip(axes, shown):
    (result,) = translate([text])
    inputs = [to_ids([text], LONGEST), to_ids([f"^{result[:-1]}"], 10)]
    weights = watch(writer.cross_attention, lambda inputs=inputs: translator(inputs))
    looked = weights[0].mean(axis=0)[:, : len(text)]  # (10, S), the mean of the heads
    axis.imshow(looked, cmap="Blues", vmin=0, aspect="auto")
    axis.set_xticks(range(len(text)), text, family="monospace")
    axis.set_yticks(range(10), result, family="monospace")
    axis.tick_params(length=0)
axes[0].set_ylabel("written, from top to bottom")
figure.suptitle("Where the translator looks, letter by letter", x=0.06, ha="left")
figure.tight_layout()
plt.show()

# %% [markdown]
# ISO turns the date around, so the dark spots run from the end of the source to its beginning: the year
# first, then the name of the month, then the day. Nobody told it which part is which. For
# the first two letters of `24.09.87` it looks at 87 as well: 19 or 20 is decided there.
#
# ### 4.2 Decoder-only: a GPT
#
# Take the encoder away, and what remains learns from plain text: *given all letters so far,
# which comes next?* Python brings a text along, the help on its own language. Paragraphs that occur twice
# are kept once, and the last tenth is held out.

# %%
import pydoc_data.topics
import re

paragraphs = "\n\n".join(pydoc_data.topics.topics.values()).split("\n\n")
text = re.sub(" +", " ", "\n\n".join(dict.fromkeys(paragraphs)))
CHARACTERS = sorted(set(text))
stream = np.array([CHARACTERS.index(letter) for letter in text], "int32")
cut = len(stream) * 9 // 10
LEARN, HELD_OUT, LENGTH = stream[:cut], stream[cut:], 64
print(f"{len(LEARN):,} letters to learn from, {len(CHARACTERS)} different ones.")
print(text[20_000:20_300])

# %% [markdown]
# Before the model, something to beat. A **bigram** knows one letter only: it has counted what follows it.
# The measure is the number of **bits per character** on text held out: how many
# yes-or-no questions the next letter is still worth.

# %%
follows = np.full((len(CHARACTERS), len(CHARACTERS)), 0.1)  # nothing is impossible
np.add.at(follows, (LEARN[:-1], LEARN[1:]), 1)
bigram = follows / follows.sum(axis=1, keepdims=True)

rows = (len(HELD_OUT) - 1) // LENGTH
asked = HELD_OUT[: rows * LENGTH].reshape(rows, LENGTH)
due = HELD_OUT[1 : rows * LENGTH + 1].reshape(rows, LENGTH)  # one letter on
frequency = np.bincount(LEARN, minlength=len(CHARACTERS)) + 0.1
bits = {
    "each letter by its frequency": -np.log2(frequency / frequency.sum())[due].mean(),
    "bigram": -np.log2(bigram[asked, due]).mean(),
}
print({name: f"{value:.2f}" for name, value in bits.items()})

# %%
needs(DecoderBlock, greedy_decode)
keras.utils.set_random_seed(1)
letters = keras.Input((None,), dtype="int32")  # (B, T)
x = embed(letters, len(CHARACTERS), LENGTH, dim=128)
blocks = [DecoderBlock(num_heads=4, key_dim=32, ff_dim=512) for _ in range(2)]
for block in blocks:
    x = block(x)
x = keras.layers.LayerNormalization()(x)
gpt = keras.Model(letters, keras.layers.Dense(len(CHARACTERS))(x))

starts = np.random.RandomState(0).randint(0, len(LEARN) - LENGTH, 24_000)
pieces = LEARN[starts[:, None] + np.arange(LENGTH + 1)]  # (N, 65)
_ = train(gpt, pieces[:, :-1], pieces[:, 1:], 0.003, 32, epochs=1, verbose=2)
bits["your GPT"] = gpt.evaluate(asked, due, verbose=0)[0] / np.log(2)

figure, axis = plt.subplots(figsize=(7, 1.9))
bars = axis.barh(list(bits), list(bits.values()), color=[GREY, ORANGE, BLUE])
axis.bar_label(bars, fmt="%.2f", padding=4)
axis.invert_yaxis()
axis.set(title="Bits per character, on the same text held out", xticks=[])
axis.spines[["top", "right", "bottom"]].set_visible(False)
figure.tight_layout()
plt.show()

# %% [markdown]
# What it looks at, and what it must not: the causal mask, and the weights of a head of each block, on a piece of the
# text held out. Row by row, a letter looks at those before it.

# %%
needs(DecoderBlock, greedy_decode)
place = text.index(" ", cut)
piece = stream[place : place + 28]
ticks = [CHARACTERS[number].replace("\n", "↵").replace(" ", "␣") for number in piece]
seen = [watch(block.attention, lambda: gpt(piece[None]))[0] for block in blocks]
sharpest = [heads[heads.max(-1).mean(-1).argmax()] for heads in seen]
figure, axes = plt.subplots(1, 3, figsize=(11, 4), sharey=True)
hidden = np.triu(np.ones((len(piece), len(piece))), 1)
for axis, weights in zip(axes, [(1 - hidden) / 3, *sharpest]):
    axis.imshow(weights, cmap="Blues", vmin=0, vmax=1)
    axis.imshow(np.where(hidden, 1, np.nan), cmap="Greys", vmin=0, vmax=4)
titles = ("the mask: grey is the future", "a head of block 1", "a head of block 2")
for axis, title in zip(axes, titles):
    axis.set_title(title)
    axis.set_xticks(range(len(piece)), ticks, family="monospace", size=8)
    axis.set_yticks(range(len(piece)), ticks, family="monospace", size=8)
    axis.tick_params(length=0)
figure.tight_layout()
plt.show()

# %% [markdown]
# Now let it write. Your loop takes the most likely letter each time, and soon goes round in
# circles: the surest way to be dull. A trick makes the same loop throw dice. Add **Gumbel noise** to the logits,
# and the largest of them is a *draw* from the softmax; less noise, less daring.


# %%
def write(prompt, count, noise):
    """Continues a prompt by `count` letters; without noise, by the likeliest ones."""
    random = np.random.RandomState(5)

    def next_letter(ids):
        window = ops.convert_to_tensor(ids, "int32")[:, -LENGTH:]
        logits = ops.convert_to_numpy(gpt(window))[:, -1]
        return logits + noise * random.gumbel(size=logits.shape)

    begin = np.array([[CHARACTERS.index(letter) for letter in prompt]], "int32")
    ids = ops.convert_to_numpy(greedy_decode(next_letter, begin, count))
    return "".join(CHARACTERS[number] for number in ids[0])


needs(DecoderBlock, greedy_decode)
for noise in (0, 0.7):
    print(f"--- noise {noise}\n{write('The ', 200, noise)}\n")

# %% [markdown]
# Half a minute of training, 430,000 parameters: it has words, spaces, quotes, the
# rhythm of a manual, and nothing to say. GPT-3 is this block ninety-six times over, and
# ninety-six times as wide.
#
# ### 4.3 Encoder-only: reading DNA
#
# The promoters of assignment 4 again: 75 bases, strong or weak. The tokens are overlapping 4-mers,
# `[CLS]` in front, and your `EncoderBlock` lets every one see all others. BERT's idea is to
# learn from text without labels first: hide tokens, have them guessed. DNABERT hides $k$ of
# them side by side, so that no neighbour spells them out. Does it help *here*?

# %%
from autograder.datasets import LAC, kmer_ids, load_promoters

(x_train, y_train), (x_test, y_test) = load_promoters()
K, MASK = 4, 4
tokens, new_tokens = kmer_ids(x_train, K), kmer_ids(x_test, K)  # (10000, 74)
TOKENS = tokens.shape[1]


def hide(tokens, seed):
    """Hides two stretches of K tokens in each row; returns it and where they are."""
    starts = np.random.RandomState(seed).randint(1, TOKENS - K, (len(tokens), 2, 1))
    places = np.arange(TOKENS)
    hidden = ((places >= starts) & (places < starts + K)).any(axis=1)
    return np.where(hidden, MASK, tokens), hidden


print(x_train[0], "→", tokens[0, :6], "…")
print("with two stretches hidden:", hide(tokens[:1], seed=0)[0][0])


# %%
def read(seed):
    """One block that reads DNA: token ids (B, 74) → (B, 74, 32)."""
    keras.utils.set_random_seed(seed)
    tokens = keras.Input((TOKENS,), dtype="int32")
    x = embed(tokens, 4**K + 5, TOKENS, dim=32)
    x = EncoderBlock(num_heads=4, key_dim=8, ff_dim=64, dropout=0.1)(x)
    return keras.Model(tokens, keras.layers.LayerNormalization()(x))


def pretrained(seed, epochs=3):
    """A reader that has guessed hidden tokens, and the share it guessed rightly."""
    body = read(seed)
    guesser = keras.Model(body.input, keras.layers.Dense(4**K + 5)(body.output))
    many = np.tile(tokens, (epochs, 1))  # every time hidden elsewhere
    seen, hidden = hide(many, seed)
    weight = hidden.astype("float32")  # only what is hidden counts
    train(guesser, seen, many, 0.004, 128, 1, sample_weight=weight, verbose=0)
    seen, hidden = hide(new_tokens, seed)
    guess = guesser.predict(seen, batch_size=500, verbose=0).argmax(-1)
    return body, (guess == new_tokens)[hidden].mean()


needs(EncoderBlock)
body, guessed = pretrained(seed=1)
natural = kmer_ids([LAC], K)
hidden = hide(new_tokens, 1)[1]
by_heart = (natural == new_tokens)[hidden].mean()
print(f"hidden tokens of new promoters guessed rightly: {guessed:.0%}")
print(f"by always saying what the natural promoter has there: {by_heart:.0%}")

# %% [markdown]
# The two numbers are all but the same, and that tells all. These ten thousand sequences are mutants of *one* promoter,
# each base changed by chance. There is nothing to be learned from the
# neighbours of a hidden base; the model has learned the natural sequence by heart, and rightly so.


# %%
def judge(body, labels, seed):
    """Trains a reader to tell strong from weak; returns the share of new ones right."""
    verdict = keras.layers.Dense(2)(body.output[:, 0])  # what [CLS] has gathered
    model = keras.Model(body.input, verdict)
    order = np.random.RandomState(seed).permutation(len(tokens))[:labels]
    batch_size, epochs = (32, 6000 // labels) if labels < 10_000 else (128, 3)
    x, y = tokens[order], y_train[order]
    train(model, x, y, 0.003, batch_size, epochs, verbose=0)
    return model.evaluate(new_tokens, y_test, batch_size=500, verbose=0)[1]


def copy_of(body):
    """A second reader with the same weights."""
    twin = read(0)
    twin.set_weights(body.get_weights())
    return twin


needs(EncoderBlock)
for labels in (300, 10_000):
    fresh = judge(read(seed=1), labels, seed=1)
    after = judge(copy_of(body), labels, seed=1)
    print(f"{labels:6,} labels: {fresh:.1%} from scratch, {after:.1%} pre-trained")

# %% [markdown]
# **So does it help? Hardly.** Measured over five seeds: with 300 labels 72 % right from scratch and 73 %
# pre-trained, with 1,000 labels 80 % either way, with all 10,000 labels 88 % from scratch and 87 %
# pre-trained; from one seed to the next it swings by two or three points, up and down. A single
# run such as yours above can show either. What pre-training could learn here, the natural sequence,
# is of little use for telling its mutants apart.
#
# DNABERT read the whole human genome, where there *is* something to learn from the neighbours:
# genes, repeats, sites of all kinds. Pre-training is no magic in the method. It brings what is in
# the data, and it pays where labels are few and text is plenty **and rich**.

# %% [markdown]
# ## What comes next
#
# Nothing is missing any more. The next assignment puts names to what you can now build, BERT, GPT,
# ViT and DNABERT, counts them, and asks why there are so many.
#
# **To read**
#
# * A. Vaswani et al., *Attention is all you need*, 2017 (arXiv 1706.03762)
# * R. Xiong et al., *On layer normalization in the Transformer architecture*, 2020
#   (arXiv 2002.04745)
# * A. Radford et al., *Language models are unsupervised multitask learners*, 2019: GPT-2
