# %% [markdown]
# # Attention! One head
#
# *Transformers, assignment 1 · about 90 minutes · runs on a laptop or a free Colab GPU*
#
# A recurrent network reads a sentence the way you read in the dark with a small torch:
# one word at a time, and everything that came before has to fit into your memory.
# Attention switches the light on. Every word may look at every other word, directly,
# and decide for itself which ones matter.
#
# In this notebook you build that light switch. It takes about forty lines, all yours.
#
# **When you are done, you can**
#
# 1. explain why a recurrent network forgets and what attention does instead,
# 2. turn similarities between vectors into weights, in a numerically safe way,
# 3. write an attention head as a Keras layer: queries, keys and values, masks, scores,
# 4. read a heat map of attention, and know what it does not say.
#
# | exercise | you write | difficulty | minutes |
# |---|---|---|---|
# | 1 `attention_weights` | similarities → weights | ●●○○ | 20 |
# | 2 `attention` | weights → a mixture of values | ●○○○ | 5 |
# | 3 `causal_mask` | who may see whom | ●○○○ | 5 |
# | 4 `AttentionHead` | all of it as a layer | ●●●○ | 30 |
# | 5 in words | why divide by √d_k? | ●●○○ | 10 |
#
# **How it works.** Fill the cells that raise `NotImplementedError`, run them, then run
# the `check(...)` below. It shows what is right, what is not, and what to do next.
# `hint("attention_weights")` gives one hint at a time.

# %% role="given"
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from autograder import check, hint

keras.utils.set_random_seed(2017)
BLUE, ORANGE, GREY = "#2b6cb0", "#dd7a2a", "#8a8f98"

# %% [markdown]
# ## 1. The network that forgets
#
# A recurrent network carries a state from word to word: $h_t = f(h_{t-1}, x_t)$. For the
# last word to know about the first, the message has to survive every step between them.
# If a step keeps a fraction $a$ of what was there, $n$ steps keep $a^n$.

# %%
steps = np.arange(0, 61)
figure, axis = plt.subplots(figsize=(6.4, 3))
for keep, color in ((0.99, BLUE), (0.9, ORANGE), (0.7, GREY)):
    axis.plot(steps, keep**steps, color=color, lw=2, label=f"keeps {keep:.0%} a step")
axis.legend(frameon=False, loc=(0.62, 0.25))
axis.set(
    xlabel="words in between",
    ylabel="what is left",
    ylim=(0, 1.1),
    title="A message passed on word by word fades",
)
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# The LSTM (Hochreiter & Schmidhuber, 1997) was invented to keep that fraction close to
# one, and it helps. Let us see how far. The task is **recall**: a sequence begins with
# one of eight names, then comes a run of noise, and at the end the network has to say
# which name it was. Nothing else is needed than to remember.

# %%
NAMES, NOISE, TRAIN = 8, 8, 2048


def recall_data(distance, count, seed):
    """A name, then `distance` tokens of noise; the label is the name."""
    random = np.random.RandomState(seed)
    names = random.randint(0, NAMES, (count, 1))
    noise = random.randint(NAMES, NAMES + NOISE, (count, distance))
    return np.concatenate([names, noise], axis=1).astype("int32"), names[:, 0]


def train_recall(reader, distance, epochs=6):
    """Trains `reader` between an embedding and a classifier; returns the accuracies."""
    keras.utils.set_random_seed(1)
    tokens = keras.Input((distance + 1,), dtype="int32")
    x = keras.layers.Embedding(NAMES + NOISE, 16)(tokens)
    model = keras.Model(tokens, keras.layers.Dense(NAMES)(reader(x)))
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    past = model.fit(
        *recall_data(distance, TRAIN, 0),
        batch_size=64,
        epochs=epochs,
        validation_data=recall_data(distance, 512, 1),
        verbose=0,
    )
    return past.history["val_accuracy"]


DISTANCES = (5, 30, 90)
lstm_curves = {n: train_recall(keras.layers.LSTM(32), n) for n in DISTANCES}
for n, curve in lstm_curves.items():
    print(
        f"{n:3d} words back: the LSTM finds the name in {curve[-1]:.0%} of cases "
        f"(guessing: {1 / NAMES:.0%})"
    )

# %% [markdown]
# A few words back it does well; far back it hardly beats guessing. You will return to
# this race in section 8, with a head of your own.
#
# ## 2. Looking instead of remembering
#
# Bahdanau, Cho and Bengio (2014, arXiv 1409.0473) let a translator **look back** at all
# words of the source instead of squeezing them into one state. Looking needs a way to
# tell which words are relevant, and vectors have one built in: the **dot product**. It is
# large where two vectors point the same way, zero where they have nothing to do with each
# other, negative where they point apart.

# %%
words = {"cat": (2.0, 0.5), "dog": (1.8, 0.9), "mat": (0.4, 1.9), "the": (0.3, -0.4)}
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4))
for word, (x, y) in words.items():
    left.annotate(
        "", (x, y), (0, 0), arrowprops={"arrowstyle": "->", "color": BLUE, "lw": 2}
    )
    left.text(x + 0.05, y + 0.08, word, color=BLUE)
left.set(xlim=(-0.3, 2.6), ylim=(-0.8, 2.4), title="Words as vectors …")
left.axhline(0, color=GREY, lw=0.5)
left.axvline(0, color=GREY, lw=0.5)
vectors = np.array(list(words.values()))
products = vectors @ vectors.T
right.imshow(products, cmap="Blues")
right.set_xticks(range(4), words)
right.set_yticks(range(4), words)
for i in range(4):
    for j in range(4):
        right.text(
            j,
            i,
            f"{products[i, j]:.1f}",
            ha="center",
            va="center",
            color="white" if products[i, j] > 2.2 else "black",
        )
right.set_title("… and all their dot products")
plt.show()

# %% [markdown]
# ## 3. From similarities to weights
#
# A row of dot products is not yet a decision. The **softmax** makes it one: all weights
# positive, together 1, the largest similarity taking the largest share.
#
# $$\text{weights} = \text{softmax}\!\left(\frac{q\,k^\top}{\sqrt{d_k}}\right)$$
#
# Why the square root? Look at what softmax does to random vectors of growing size $d_k$
# when nothing is divided: it stops sharing and bets everything on one key, and there its
# gradient is as good as zero.

# %%
random = np.random.RandomState(0)
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3), sharey=True)
for axis, scaled in zip(axes, (False, True)):
    for d, color in ((4, BLUE), (64, ORANGE), (1024, GREY)):
        scores = random.normal(size=(200, 8, d)) @ random.normal(size=(200, d, 1))
        scores = scores[..., 0] / (np.sqrt(d) if scaled else 1)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        axis.plot(
            range(1, 9),
            np.sort(weights)[:, ::-1].mean(0),
            "o-",
            color=color,
            label=f"$d_k$ = {d}",
        )
    axis.set(
        xlabel="keys, best first",
        ylim=(0, 1.05),
        title="divided by √d_k" if scaled else "not divided",
    )
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("average weight")
axes[1].legend(frameon=False)
plt.show()

# %% [markdown]
# ### Exercise 1 · `attention_weights` · ●●○○ · 20 minutes
#
# Write the formula above. What to mind:
#
# * **Shapes.** `(..., Tq, d_k)` and `(..., Tk, d_k)` give `(..., Tq, Tk)`. The dots stand
#   for nothing, for a batch, or for a batch and heads.
# * **The mask** is boolean, and **True means attend**. A hidden key gets the weight 0, and
#   the others still add up to 1. The mask broadcasts: `(Tq, Tk)`, `(B, 1, Tk)` and so on.
# * **Nothing may become NaN**: not for large scores, not for a row whose keys are all
#   hidden (any finite numbers will do there), and not in float16, whose largest number is
#   65504 (so −1e9 is minus infinity).
# * Use `keras.ops`, not NumPy: the function will run inside compiled layers, where the
#   batch size is not known.


# %% exercise="attention_weights"
def attention_weights(query, key, attention_mask=None):
    """How much each query attends to each key.

    Computes `softmax(query @ key^T / sqrt(d_k))` over the keys, as in section
    3.2.1 of "Attention is all you need" (Vaswani et al., 2017, arXiv 1706.03762).

    Args:
        query: tensor of shape `(..., Tq, d_k)`.
        key: tensor of shape `(..., Tk, d_k)`.
        attention_mask: boolean, broadcastable to `(..., Tq, Tk)`. True: attend.

    Returns:
        Tensor of shape `(..., Tq, Tk)`; every row adds up to 1.
    """
    # BEGIN SOLUTION
    d_k = query.shape[-1]
    scores = ops.matmul(query, ops.swapaxes(key, -2, -1))  # (..., Tq, Tk)
    scores = scores / ops.cast(d_k**0.5, scores.dtype)
    if attention_mask is not None:
        # The lowest finite number; -1e9 would be minus infinity in float16.
        half = keras.backend.standardize_dtype(scores.dtype) == "float16"
        lowest = ops.cast(-6e4 if half else -1e30, scores.dtype)
        scores = ops.where(ops.cast(attention_mask, "bool"), scores, lowest)
    return ops.softmax(scores, axis=-1)  # (..., Tq, Tk)
    # END SOLUTION


# %% check="attention_weights"
check("attention_weights", attention_weights)

# %% [markdown]
# ## 4. The mixture
#
# With the weights at hand, the rest is a weighted sum: each query receives a mixture of
# the **value** vectors, more from those it attends to.
#
# $$\text{attention}(q, k, v) = \text{softmax}\!\left(\frac{q\,k^\top}{\sqrt{d_k}}\right) v$$
#
# That is the formula on the slide, all of it. Queries and keys decide *where* to look,
# values say *what* is found there; so values may have a size of their own.
#
# ### Exercise 2 · `attention` · ●○○○ · 5 minutes


# %% exercise="attention"
def attention(query, key, value, attention_mask=None):
    """Scaled dot-product attention: for each query a mixture of the values.

    Args:
        query: tensor of shape `(..., Tq, d_k)`.
        key: tensor of shape `(..., Tk, d_k)`.
        value: tensor of shape `(..., Tk, d_v)`.
        attention_mask: boolean, broadcastable to `(..., Tq, Tk)`. True: attend.

    Returns:
        Tensor of shape `(..., Tq, d_v)`.
    """
    # BEGIN SOLUTION
    weights = attention_weights(query, key, attention_mask)  # (..., Tq, Tk)
    return ops.matmul(weights, value)  # (..., Tq, d_v)
    # END SOLUTION


# %% check="attention"
check("attention", attention)

# %% [markdown]
# Your function in use: one query walks from the first key to the last, and what it
# receives moves smoothly from one value to the next.

# %%
keys = np.eye(3, dtype="float32") * 6
values = np.array([[0.0], [1.0], [0.3]], "float32")
walk = np.linspace(0, 2, 61)
queries = np.stack([np.interp(walk, range(3), np.eye(3)[i]) for i in range(3)], -1)
queries = queries.astype("float32")
figure, axis = plt.subplots(figsize=(6.4, 2.8))
axis.plot(
    walk, ops.convert_to_numpy(attention(queries, keys, values)), color=BLUE, lw=2
)
axis.plot(range(3), values, "o", color=ORANGE, ms=9)
axis.set_xticks(range(3), ["like key 1", "like key 2", "like key 3"])
axis.set(
    xlabel="the query",
    ylabel="the mixture",
    title="A query like key 2 receives (nearly) value 2",
)
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## 5. No peeking
#
# A model that writes must not look at words that are not written yet. In training, where
# the whole sentence is at hand, a **causal mask** keeps it honest: the query at position
# $i$ may see the keys at positions $0 … i$, itself included.
#
# ### Exercise 3 · `causal_mask` · ●○○○ · 5 minutes


# %% exercise="causal_mask"
def causal_mask(length):
    """The mask that hides the future.

    Args:
        length: number of tokens, an integer.

    Returns:
        Boolean tensor of shape `(length, length)`, True where the position of
        the key (column) is not after that of the query (row).
    """
    # BEGIN SOLUTION
    positions = ops.arange(length)
    return positions[:, None] >= positions[None, :]  # (T, T)
    # END SOLUTION


# %% check="causal_mask"
check("causal_mask", causal_mask)

# %%
figure, axis = plt.subplots(figsize=(3.2, 3.2))
axis.imshow(ops.convert_to_numpy(causal_mask(7)), cmap="Blues", vmin=-0.3, vmax=1.3)
sentence = ["I", "like", "the", "cat", "on", "a", "mat"]
axis.set_xticks(range(7), sentence, rotation=60)
axis.set_yticks(range(7), sentence)
axis.set(xlabel="… may look at", ylabel="this word …")
axis.set_title("Dark: allowed")
plt.show()

# %% [markdown]
# ## 6. Queries, keys and values
#
# So far the vectors were given. A head **learns** what to look for: three matrices turn
# each token into a query ("what am I looking for?"), a key ("what do I offer?") and a
# value ("what do you get from me?").
#
# $$q = x\,W_Q \qquad k = x\,W_K \qquad v = x\,W_V$$
#
# The same tokens may play all three parts (*self-attention*), or queries may come from
# one sequence and keys and values from another (*cross-attention*).
#
# | tensor | shape | |
# |---|---|---|
# | input `query` | `(B, Tq, D)` | B examples, Tq tokens, D features |
# | inputs `value`, `key` | `(B, Tk, …)` | their feature sizes may differ from D |
# | after `self.query`, `self.key`, `self.value` | `(B, T, head_dim)` | one Dense layer each |
# | weights | `(B, Tq, Tk)` | who looks at whom |
# | output | `(B, Tq, head_dim)` | one mixture per query |
#
# ### Exercise 4 · `AttentionHead` · ●●●○ · 30 minutes
#
# Write `__init__`, `call` and `get_config`; `build` is given. What to mind:
#
# * The three `Dense` sublayers are called `query`, `key` and `value`, have no bias, and
#   follow the layer's precision: `dtype=self.dtype_policy`.
# * In `call`, a missing `value` is the query, and a missing `key` is the value.
# * **Two orders!** Your functions take `query, key, value`. Keras' layers take
#   `query, value, key`, and so does yours.
# * With `return_attention_scores=True`, return `(output, weights)`.
# * `get_config` returns what the constructor takes, so that a saved model can be loaded.


# %% exercise="attention_head"
@keras.saving.register_keras_serializable(package="transformers_course")
class AttentionHead(keras.layers.Layer):
    """One head of scaled dot-product attention.

    Projects its inputs to queries, keys and values, and gives each query a
    mixture of the values. See "Attention is all you need" (Vaswani et al., 2017,
    arXiv 1706.03762), section 3.2.

    Args:
        head_dim: size of the queries, keys, values and of the output.
        **kwargs: `name` and `dtype`, as every Keras layer takes them.

    Call arguments:
        query: tensor of shape `(B, Tq, D)`.
        value: tensor of shape `(B, Tk, Dv)`; defaults to `query`.
        key: tensor of shape `(B, Tk, Dk)`; defaults to `value`.
        attention_mask: boolean, broadcastable to `(B, Tq, Tk)`. True: attend.
        return_attention_scores: whether to return the weights as well.

    Returns:
        Tensor of shape `(B, Tq, head_dim)`, or `(output, weights)` with weights
        of shape `(B, Tq, Tk)`.

    Example:

    >>> head = AttentionHead(head_dim=8)
    >>> head(np.ones((2, 5, 16))).shape
    (2, 5, 8)
    """

    def __init__(self, head_dim, **kwargs):
        super().__init__(**kwargs)
        self.head_dim = head_dim
        # BEGIN SOLUTION
        dense = {"use_bias": False, "dtype": self.dtype_policy}
        self.query = keras.layers.Dense(head_dim, name="query", **dense)
        self.key = keras.layers.Dense(head_dim, name="key", **dense)
        self.value = keras.layers.Dense(head_dim, name="value", **dense)
        # END SOLUTION

    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        key_shape = key_shape or value_shape
        self.query.build(query_shape)
        self.key.build(key_shape)
        self.value.build(value_shape)
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
        q, k, v = self.query(query), self.key(key), self.value(value)  # (B, T, d)
        weights = attention_weights(q, k, attention_mask)  # (B, Tq, Tk)
        output = ops.matmul(weights, v)  # (B, Tq, d)
        return (output, weights) if return_attention_scores else output
        # END SOLUTION

    def get_config(self):
        # BEGIN SOLUTION
        return {**super().get_config(), "head_dim": self.head_dim}
        # END SOLUTION


# %% check="attention_head"
check("attention_head", AttentionHead)

# %% [markdown]
# ## 7. "I like the cat on a mat"
#
# What does a head look at? An untrained one at nothing in particular, so let us give
# yours a small job first: **for every noun, find its article; for every other word, find
# itself.** It learns from shuffled six-word sentences, and has never seen ours. Watch
# what it makes of "cat" and "mat".

# %%
vocabulary = [
    "I",
    "like",
    "the",
    "cat",
    "on",
    "a",
    "mat",
    "you",
    "see",
    "dog",
    "by",
    "an",
    "egg",
]
articles, nouns = {"the", "a", "an"}, {"cat", "mat", "dog", "egg"}


def sentences(count, seed):
    """Sentences `word* article noun word* article noun`, and where to look."""
    random = np.random.RandomState(seed)
    others = [w for w in vocabulary if w not in articles | nouns]
    ids, targets = [], []
    for _ in range(count):
        line, goal = [], []
        for filler in random.permutation([1, 2]):
            for _ in range(filler):
                goal.append(len(line))
                line.append(random.choice(others))
            goal += [len(line), len(line)]
            line += [random.choice(sorted(articles)), random.choice(sorted(nouns))]
        ids.append([vocabulary.index(w) for w in line])
        targets.append(goal)
    return np.array(ids, "int32"), np.array(targets, "int32")


keras.utils.set_random_seed(3)
tokens = keras.Input((None,), dtype="int32")
places = keras.layers.Embedding(8, 24, name="places")
here = keras.layers.Lambda(lambda ids: ops.cumsum(ops.ones_like(ids), axis=1) - 1)(
    tokens
)
embedded = keras.layers.Embedding(len(vocabulary), 24)(tokens) + places(here)
head = AttentionHead(24, name="head")
head.value.trainable = False  # the job is where to look, not what to fetch
_, weights = head(embedded, return_attention_scores=True)
looker = keras.Model(tokens, weights)
looker.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
_ = looker.fit(*sentences(4000, 0), batch_size=64, epochs=4, verbose=0)

sentence = ["I", "like", "the", "cat", "on", "a", "mat"]
ids = np.array([[vocabulary.index(word) for word in sentence]], "int32")
seen = ops.convert_to_numpy(looker(ids))[0]
figure, axis = plt.subplots(figsize=(4.6, 4.2))
image = axis.imshow(seen, cmap="Blues", vmin=0, vmax=1)
axis.set_xticks(range(7), sentence)
axis.set_yticks(range(7), sentence)
axis.set(xlabel="looks at", ylabel="this word")
axis.set_title("Your head, on a sentence it never saw")
for i, j in np.argwhere(seen > 0.15):
    axis.text(
        j,
        i,
        f"{seen[i, j]:.1f}",
        ha="center",
        va="center",
        color="white" if seen[i, j] > 0.5 else "black",
    )
figure.colorbar(image, label="attention weight", shrink=0.8)
plt.show()

# %% [markdown]
# "cat" looks at "the" and "mat" at "a": the head has learnt what to ask for. Mind what
# the map does *not* say: it shows where information was fetched, not what was done with
# it, and in a deep network the tokens are mixed long before the last layer.
#
# ## 8. The race
#
# Back to recall. The reader is now a head of yours: the last token asks, all tokens
# answer, and the name is exactly one step away, however long the noise.


# %%
class LastTokenAsks(keras.layers.Layer):
    """An attention head whose only query is the last token."""

    def __init__(self):
        super().__init__()
        self.head = AttentionHead(32)

    def call(self, x):
        return self.head(x[:, -1:], x)[:, 0]


head_curves = {n: train_recall(LastTokenAsks(), n) for n in DISTANCES}

figure, axes = plt.subplots(1, len(DISTANCES), figsize=(9, 2.9), sharey=True)
for axis, n in zip(axes, DISTANCES):
    epochs = range(1, len(head_curves[n]) + 1)
    axis.plot(epochs, head_curves[n], "o-", color=BLUE, label="your head")
    axis.plot(epochs, lstm_curves[n], "s-", color=ORANGE, label="LSTM")
    axis.axhline(1 / NAMES, color=GREY, ls=":", label="guessing")
    axis.set(title=f"{n} words back", xlabel="epoch", ylim=(0, 1.05))
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("recalled")
axes[-1].legend(frameon=False, loc="center right")
figure.tight_layout()
plt.show()

# %% [markdown]
# For attention every word is one step away. That is the whole trick, and the rest of
# this course is what grew out of it. (The price: a head compares every word with every
# other, so twice the length costs four times the work.)
#
# ## 9. In your own words
#
# ### Exercise 5 · ●●○○ · 10 minutes
#
# **Why are the scores divided by the square root of $d_k$?** Three to six sentences. Say
# what happens to the dot product of two random vectors as $d_k$ grows, what the softmax
# makes of it, and why that hurts training. A person reads this.

# %% [markdown] manual="explain_scaling"
# BEGIN SOLUTION
# If the components of q and k are independent with mean 0 and variance 1, their dot
# product is a sum of d_k terms of variance 1 each: its variance is d_k and its typical
# size the square root of d_k. Undivided, the scores spread as d_k grows and the softmax
# saturates: one weight near 1, all others near 0. There its gradient is nearly zero, so
# the projections hardly learn. Dividing by the square root of d_k keeps the variance of
# the scores at 1, whatever the size of the head.
# END SOLUTION

# %% [markdown]
# ## What comes next
#
# One head asks one kind of question. In the next assignment several heads look at the
# same sentence at once, each with queries, keys and values of its own, and the layer
# learns to put their answers together.
#
# **To read**
#
# * A. Vaswani et al., *Attention is all you need*, 2017 (arXiv 1706.03762)
# * D. Bahdanau, K. Cho, Y. Bengio, *Neural machine translation by jointly learning to
#   align and translate*, 2014 (arXiv 1409.0473)
# * S. Hochreiter, J. Schmidhuber, *Long short-term memory*, Neural Computation, 1997
