# %% [markdown]
# # Reading DNA
#
# *Transformers, assignment 4 · about 90 minutes · runs on a laptop or a free Colab GPU*
#
# The genome is a text of three billion letters without a single space. There are four
# letters, no words, no full stops, and it is read nonetheless: proteins find the place
# where a gene begins, and sit down there. **DNABERT** (Ji et al., 2021) showed that a
# Transformer can learn to read it too. All that has to change is what a token is.
#
# You write that part: the scissors, the vocabulary, and a tokenizer that is a **Keras
# layer** without a string in it, so that it runs wherever the model runs. Then you find
# out, by experiment, that the obvious way to pre-train on such tokens teaches nothing, and mend
# it. At the end a head of attention looks for the place where a real gene is switched on.
#
# **When you are done, you can**
#
# 1. cut a sequence into overlapping k-mers and number them as DNABERT does,
# 2. replace string handling by arithmetic that runs on a GPU,
# 3. show why hiding one k-mer hides nothing, and hide a base for good,
# 4. train a classifier on real promoters and ask its heads what they looked at.
#
# | exercise | you write | difficulty | minutes |
# |---|---|---|---|
# | 1 `split_kmers` | the scissors | ●○○○ | 5 |
# | 2 `kmer_vocabulary` | all tokens, in order | ●○○○ | 10 |
# | 3 `KmerTokenizer` | the layer | ●●●● | 45 |
# | 4 `mask_kmers` | hiding a base for good | ●●●○ | 20 |
# | 5 in words | why one mask hides nothing | ●●○○ | 10 |
#
# Fill the cells that raise `NotImplementedError`, run them, then run the `check(...)`
# below. `hint("split_kmers")` gives one hint at a time.

# %% role="given"
import itertools

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from autograder import check, hint
from autograder.datasets import encode_bases

keras.utils.set_random_seed(2021)
BLUE, ORANGE, GREY = "#2b6cb0", "#dd7a2a", "#8a8f98"

# %% [markdown]
# ## 1. A text without spaces
#
# One letter alone says next to nothing, and there are no words. So DNABERT slides a window
# of $k$ letters along the sequence, one step at a time, and calls each window a token: a
# **k-mer**. Every base then stands in $k$ tokens, and every token knows its surroundings.

# %%
SEQUENCE = "ATCGATTACG"
figure, axis = plt.subplots(figsize=(7, 2.9))
for place, base in enumerate(SEQUENCE):
    axis.text(place, 0, base, ha="center", va="center", family="monospace", size=15)
for start in range(len(SEQUENCE) - 5):
    row = -1.1 - 0.75 * start
    axis.add_patch(plt.Rectangle((start - 0.4, row - 0.28), 5.8, 0.56, fc="#d5e2f0"))
    for i in range(6):
        base = SEQUENCE[start + i]
        axis.text(start + i, row, base, ha="center", va="center", family="monospace")
axis.set(xlim=(-1, 10), ylim=(-4.6, 0.6))
axis.set_title(f"{len(SEQUENCE)} bases, 5 overlapping 6-mers")
axis.axis("off")
plt.show()

# %% [markdown]
# ### Exercise 1 · `split_kmers` · ●○○○ · 5 minutes
#
# Plain Python on a plain string; no tensors yet. Return a list.


# %% exercise="split_kmers"
def split_kmers(sequence, k):
    """Cuts a sequence into overlapping k-mers.

    See "DNABERT" (Ji et al., 2021, Bioinformatics 37(15)), section 2.1.

    Args:
        sequence: a string of bases.
        k: length of a k-mer.

    Returns:
        List of `len(sequence) - k + 1` strings of `k` bases, from left to right;
        empty where the sequence is shorter than `k`.

    Example:

    >>> split_kmers("ATCGA", 3)
    ['ATC', 'TCG', 'CGA']
    """
    # BEGIN SOLUTION
    return [sequence[start : start + k] for start in range(len(sequence) - k + 1)]
    # END SOLUTION


# %% check="split_kmers"
check("split_kmers", split_kmers)

# %% [markdown]
# ### Exercise 2 · `kmer_vocabulary` · ●○○○ · 10 minutes
#
# A model needs numbers. A token's id is its place in the vocabulary, and to use DNABERT's
# weights you need DNABERT's order: five special tokens first, then all k-mers, with the bases in
# the order **A, T, C, G** and the first base changing most slowly (AAA, AAT, AAC, AAG, ATA, …).
#
# | id | token | what for |
# |---|---|---|
# | 0 | `[PAD]` | fills up short sequences |
# | 1 | `[UNK]` | a k-mer with an unreadable base |
# | 2 | `[CLS]` | stands in front; the classifier reads here |
# | 3 | `[SEP]` | the end |
# | 4 | `[MASK]` | hidden in pre-training |
# | 5 … | `AAA`, `AAT`, … | the k-mers |


# %% exercise="kmer_vocabulary"
def kmer_vocabulary(k):
    """All tokens of DNABERT's vocabulary for k-mers, in the order of their ids.

    Args:
        k: length of a k-mer.

    Returns:
        List of `4**k + 5` strings: `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]`, `[MASK]`,
        then all k-mers, bases in the order A, T, C, G, first base slowest.
    """
    # BEGIN SOLUTION
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return special + ["".join(bases) for bases in itertools.product("ATCG", repeat=k)]
    # END SOLUTION


# %% check="kmer_vocabulary"
check("kmer_vocabulary", kmer_vocabulary)

# %% [markdown]
# How long should a token be? The vocabulary grows by a factor of four with every letter, and
# most long k-mers are rare, so that the model has to learn their embeddings from a few
# examples each. Here is how often a k-mer turns up in ten thousand real sequences of
# 75 bases (you will meet them again in section 4).

# %%
from autograder.datasets import load_promoters

(x_train, y_train), (x_test, y_test) = load_promoters()
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3))
sizes = range(1, 8)
left.semilogy(sizes, [len(kmer_vocabulary(k)) for k in sizes], "o-", color=BLUE)
left.set(xlabel="k", ylabel="tokens", title="The vocabulary explodes …")
for k, color in ((3, BLUE), (6, ORANGE)):
    count = dict.fromkeys(kmer_vocabulary(k)[5:], 0)
    for sequence in x_train:
        for kmer in split_kmers(str(sequence), k):
            count[kmer] += 1
    often = np.sort(list(count.values()))[::-1]
    share = np.linspace(0, 1, len(often))
    right.semilogy(share, often + 0.5, color=color, lw=2, label=f"k = {k}")
    seen = (often > 0).mean()
    print(
        f"k = {k}: {seen:.0%} of all k-mers occur, half of them at most "
        f"{int(np.median(often))} times"
    )
right.set(xlabel="share of the k-mers, most frequent first", ylabel="occurrences")
right.set_title("… and most tokens become rare")
right.legend(frameon=False)
for axis in (left, right):
    axis.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
plt.show()

# %% [markdown]
# ## 2. A tokenizer that is a layer
#
# The vocabulary and a dictionary would do the job, in Python, one string after the other,
# while the GPU waits. But look at the order once more: with A=0, T=1, C=2, G=3 the ids of the
# k-mers **count in base 4**. A k-mer needs no look-up: it *is* a number, its bases the digits.
#
# $$\text{id} = 5 + \sum_{i=0}^{k-1} \text{base}_{p+i}\; 4^{\,k-1-i}
# \qquad\text{ATC} \to 5 + 0\cdot 16 + 1 \cdot 4 + 2 = 11$$
#
# So sequences come into the layer as integers, and everything in it is arithmetic on whole
# tensors. `encode_bases` (given) makes the integers:

# %%
print(encode_bases(["ATCG", "acgu", "ACNG", "AT"]))
print(kmer_vocabulary(3).index("ATC"))

# %% [markdown]
# A, T (or U), C, G are 0 to 3, any other letter is 4, and −1 stands after a sequence's end.
#
# | tensor | shape | |
# |---|---|---|
# | `bases` | `(B, L)` int32 | L is the longest sequence's length |
# | base i of every k-mer | `(B, L-k+1)` | a slice: `bases[:, i : …]` |
# | the k-mers' numbers | `(B, L-k+1)` | k such slices, each times its power of 4 |
# | output | `(B, sequence_length)` int32 | `[CLS]` k-mers `[SEP]` `[PAD]` … |
#
# ### Exercise 3 · `KmerTokenizer` · ●●●● · 45 minutes
#
# Write `call`, `compute_mask` and `get_config`. Take it in steps and run the check after each:
# full sequences first, then ends, then unknown bases, then the mask. What to mind:
#
# * **Rows end at different places.** After a row's last k-mer comes `[SEP]`, then only `[PAD]`.
#   A row without a k-mer is `[CLS] [SEP]`. A row with too many is cut, and `[SEP]` stays:
#   at most `sequence_length - 2` k-mers fit.
# * **Unknown bases.** A k-mer that touches a 4 is `[UNK]`; in mid-sequence that makes k of them.
# * **No loop over the batch**, and the batch may be unknown (`None`); L is known. A loop over
#   the k offsets is fine. L may also be shorter than k.
# * **Whole numbers stay whole**: int32 all the way. float16 cannot count beyond 2048 without
#   gaps, so under `mixed_float16` ids that pass through floats come out wrong.
# * `compute_mask(bases)` is True where the token is not `[PAD]`. Keras calls it in functional
#   models with symbolic tensors, on which `==` **fails silently**: use `ops.equal` or
#   `ops.not_equal`.


# %% exercise="kmer_tokenizer"
@keras.saving.register_keras_serializable(package="transformers_course")
class KmerTokenizer(keras.layers.Layer):
    """Turns DNA, given as integers, into the ids of its overlapping k-mers.

    Ids are those of DNABERT (Ji et al., 2021, Bioinformatics 37(15)). The layer has no
    weights and works on integers only.

    Args:
        k: length of a k-mer.
        sequence_length: number of tokens that come out, 3 or more.
        **kwargs: `name` and `dtype`, as every Keras layer takes them.

    Call arguments:
        bases: int32 tensor of shape `(B, L)`: A 0, T 1, C 2, G 3, unknown 4, and -1
            after a sequence's end, as `encode_bases` returns it.

    Returns:
        int32 tensor of shape `(B, sequence_length)`: `[CLS]`, the k-mers' ids,
        `[SEP]`, then `[PAD]`.

    Example:

    >>> layer = KmerTokenizer(k=3, sequence_length=6)
    >>> layer(encode_bases(["ATCGA", "ANCG"]))
    [[2, 11, 32, 49, 3, 0], [2, 1, 1, 3, 0, 0]]
    """

    def __init__(self, k, sequence_length, **kwargs):
        super().__init__(**kwargs)
        self.k = k
        self.sequence_length = sequence_length

    def call(self, bases):
        # BEGIN SOLUTION
        room = self.sequence_length - 2  # k-mers that fit
        used = room + self.k - 1  # bases that they need
        bases = bases[:, :used]
        missing = used - bases.shape[1]
        bases = ops.pad(bases, ((0, 0), (0, missing)), constant_values=-1)  # (B, used)
        number = ops.zeros_like(bases[:, :room])  # (B, room)
        unknown = ops.zeros_like(number, dtype="bool")
        for i in range(self.k):
            digit = bases[:, i : i + room]  # base i of every k-mer
            number = 4 * number + digit
            unknown = ops.logical_or(unknown, ops.equal(digit, 4))
        tokens = ops.where(unknown, 1, number + 5)
        tokens = ops.pad(tokens, ((0, 0), (1, 1)))  # room for [CLS] and [SEP]
        positions = ops.arange(self.sequence_length, dtype="int32")[None]  # (1, T)
        end = self._count_kmers(bases) + 1  # (B, 1): where [SEP] goes
        tokens = ops.where(ops.less(positions, end), tokens, 0)
        tokens = ops.where(ops.equal(positions, end), 3, tokens)
        tokens = ops.where(ops.equal(positions, 0), 2, tokens)
        return ops.cast(tokens, "int32")  # (B, T)
        # END SOLUTION

    def compute_mask(self, bases, mask=None):
        # BEGIN SOLUTION
        positions = ops.arange(self.sequence_length, dtype="int32")[None]  # (1, T)
        return ops.less(positions, self._count_kmers(bases) + 2)  # (B, T)

    def _count_kmers(self, bases):
        """How many k-mers each row holds, as many as fit: `(B, 1)`."""
        real = ops.cast(ops.not_equal(bases, -1), "int32")
        count = ops.sum(real, axis=1, keepdims=True) - self.k + 1
        return ops.clip(count, 0, self.sequence_length - 2)
        # END SOLUTION

    def get_config(self):
        # BEGIN SOLUTION
        config = {"k": self.k, "sequence_length": self.sequence_length}
        return {**super().get_config(), **config}
        # END SOLUTION


# %% check="kmer_tokenizer"
check("kmer_tokenizer", KmerTokenizer)

# %% [markdown]
# Four sequences through your layer: one that fits, a short one, one with an unreadable base,
# one that is too long.

# %%
shown = ["ATCGATTACGGA", "ATCGAT", "ATCGATNACGGA", "ATCGATTACGGATTACAGATTACA"]
ids = ops.convert_to_numpy(KmerTokenizer(3, 14)(encode_bases(shown)))
names = kmer_vocabulary(3)
colors = {0: "#eef0f3", 1: ORANGE, 2: GREY, 3: GREY}
figure, axis = plt.subplots(figsize=(9.6, 2.2))
for row, tokens in enumerate(ids):
    for column, token in enumerate(tokens):
        box = plt.Rectangle((column, -row), 0.94, 0.86, color=colors.get(token, BLUE))
        axis.add_patch(box)
        color = GREY if token == 0 else "white"
        text = names[token].strip("[]")
        axis.text(
            column + 0.47, 0.43 - row, text, color=color, ha="center", va="center"
        )
axis.set(xlim=(0, 14), ylim=(-3, 0.9))
axis.axis("off")
plt.show()

# %% [markdown]
# ## 3. Hide and seek
#
# BERT learns by hiding tokens and guessing them. With words that is hard: nothing but meaning
# gives the hidden word away. With overlapping k-mers it is another matter. Let us hide **one**
# 6-mer in the middle and see what is left to guess.

# %%
K = 6
HIDDEN_IN = "ATCGATTACGGATTC"
kmers = split_kmers(HIDDEN_IN, K)


def read_back(kmers, hidden, k):
    """The bases that the visible k-mers still tell; '?' where none of them does."""
    bases = ["?"] * (len(kmers) + k - 1)
    for place, kmer in enumerate(kmers):
        if not hidden[place]:
            bases[place : place + k] = kmer
    return "".join(bases)


def draw_hidden(axis, hidden, title):
    """The k-mers under their sequence; hidden ones are only outlined."""
    known = read_back(kmers, hidden, K)
    for place, base in enumerate(known):
        color = ORANGE if base == "?" else "black"
        axis.text(
            place,
            0,
            base,
            color=color,
            ha="center",
            va="center",
            size=14,
            family="monospace",
            weight="bold" if base == "?" else "normal",
        )
    for start, kmer in enumerate(kmers):
        row = -0.7 - 0.6 * start
        color = "white" if hidden[start] else "#d5e2f0"
        edge = ORANGE if hidden[start] else "#d5e2f0"
        box = plt.Rectangle((start - 0.4, row - 0.25), K - 0.2, 0.5, fc=color, ec=edge)
        axis.add_patch(box)
        for i, base in enumerate(kmer):
            color = ORANGE if hidden[start] else "black"
            letter = "·" if hidden[start] else base
            axis.text(start + i, row, letter, color=color, ha="center", va="center")
    axis.set(xlim=(-1, len(known)), ylim=(-1.1 - 0.6 * len(kmers), 0.5), title=title)
    axis.axis("off")


one = np.arange(len(kmers)) == 4
figure, axis = plt.subplots(figsize=(6.4, 3.9))
draw_hidden(axis, one, "One 6-mer hidden: every base can still be read")
plt.show()
print("read back:", read_back(kmers, one, K), "·", "really:", HIDDEN_IN)

# %% [markdown]
# Nothing is hidden! The neighbours spell the missing k-mer out, letter by letter. A model
# trained like this learns to copy, and about DNA it learns nothing. To hide a base, **every**
# k-mer that contains it has to go: $k$ of them, side by side. That is how DNABERT does it.
#
# ### Exercise 4 · `mask_kmers` · ●●●○ · 20 minutes
#
# `centers` says which tokens were drawn. Spread each of them to $k$ contiguous tokens, with
# the offsets of DNABERT's pre-training:
#
# | k | offsets from the centre |
# |---|---|
# | 3 | −1 … 1 |
# | 4 | −1 … 2 |
# | 5 | −2 … 2 |
# | 6 | −2 … 3 |
#
# Special tokens (ids below 5, `[UNK]` too) are never masked, nothing wraps around from one end
# of the row to the other, and the batch may be unknown. The result is boolean.


# %% exercise="mask_kmers"
def mask_kmers(token_ids, centers, k):
    """Which tokens to hide, so that a base is hidden for good.

    See "DNABERT" (Ji et al., 2021, Bioinformatics 37(15)), section 2.2.

    Args:
        token_ids: int32 tensor of shape `(B, T)`.
        centers: boolean tensor of shape `(B, T)`, True where a token was drawn.
        k: length of a k-mer, 3 to 6.

    Returns:
        Boolean tensor of shape `(B, T)`: each True of `centers` spread to `k`
        contiguous tokens, special tokens left out.
    """
    # BEGIN SOLUTION
    length = token_ids.shape[1]
    before, after = (k - 1) // 2, k // 2
    drawn = ops.pad(ops.cast(centers, "int32"), ((0, 0), (after, before)))
    shifted = [drawn[:, i : i + length] for i in range(k)]  # k of (B, T)
    near = ops.greater(sum(shifted), 0)
    return ops.logical_and(near, ops.greater_equal(token_ids, 5))  # (B, T)
    # END SOLUTION


# %% check="mask_kmers"
check("mask_kmers", mask_kmers)

# %%
index = {name: i for i, name in enumerate(kmer_vocabulary(K))}
ids = np.array([[2, *(index[kmer] for kmer in kmers), 3]], "int32")
drawn = np.zeros(ids.shape, bool)
drawn[0, 5] = True
hidden = ops.convert_to_numpy(mask_kmers(ids, drawn, K))[0, 1:-1]
figure, axis = plt.subplots(figsize=(6.4, 3.9))
draw_hidden(axis, hidden, "Your mask: six 6-mers hidden, one base gone for good")
plt.show()

# %% [markdown]
# Six tokens for one base. The same count for every $k$ and every number of hidden tokens, from
# nothing but reading back what is visible:

# %%
figure, axis = plt.subplots(figsize=(6.4, 3))
random = np.random.RandomState(0)
text = "".join(random.choice(list("ATCG"), 40))
for k, color in ((3, BLUE), (4, GREY), (6, ORANGE)):
    lost = []
    for many in range(11):
        pieces = split_kmers(text, k)
        gone = [12 <= place < 12 + many for place in range(len(pieces))]
        lost.append(read_back(pieces, gone, k).count("?"))
    axis.plot(range(11), lost, "o-", color=color, lw=2, label=f"k = {k}")
axis.set(xlabel="k-mers hidden, side by side", ylabel="bases hidden")
axis.set_title("Fewer than k hidden k-mers hide nothing at all")
axis.legend(frameon=False)
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## 4. Where a gene is switched on
#
# In front of a gene lies its **promoter**: the stretch where proteins bind that switch it on.
# The most studied one in biology belongs to the *lac* genes of the gut bacterium *E. coli*. In
# 2010, Kinney and colleagues made some fifty thousand mutants of its 75 bases, and sorted the cells by
# how strongly the gene was read. You have 10,000 of them to train on and 2,000 to test, half of them
# strong, half weak.
#
# Biologists know three places that matter: two where the enzyme that reads genes holds
# on (called **−35** and **−10**, after their distance to the gene's first base), and one where a helper
# protein, **CRP**, binds, with both its halves. The model is not told.

# %%
from autograder.datasets import LAC, SITES

print("strong" if y_train[0] else "weak", x_train[0])
print("strong" if y_train[1] else "weak", x_train[1])
wild = encode_bases([LAC])[0]
mutated = encode_bases(x_train) != wild  # (10000, 75)
print(
    f"On average {mutated.sum(1).mean():.1f} of 75 bases differ from the natural promoter."
)

# %% [markdown]
# The model is as small as can be: your tokenizer in front, an embedding, positions, and **one
# question**: the `[CLS]` token asks, all k-mers answer, through the `MultiHeadAttention` that you wrote
# in assignment 2, if its notebook lies beside this one; otherwise a given one takes its place. Beside it
# trains a model that cannot ask and takes the average of all tokens instead.

# %%
from autograder import earlier, given

MultiHeadAttention = earlier("MultiHeadAttention", given.MultiHeadAttention)
k, length, dim, heads = 4, 75 - 4 + 1 + 2, 32, 4


def promoter_model(asks):
    """A classifier of promoters; returns it and, if it asks, what its heads look at."""
    keras.utils.set_random_seed(5)
    bases = keras.Input((75,), dtype="int32")
    tokenizer = KmerTokenizer(k, length)
    tokens = tokenizer(bases)  # (B, T)
    positions = ops.cumsum(ops.ones_like(tokens), axis=1) - 1  # 0, 1, 2, … in each row
    x = keras.layers.Embedding(4**k + 5, dim, mask_zero=True)(tokens)
    x = x + keras.layers.Embedding(length, dim)(positions)  # (B, T, D)
    x = keras.layers.LayerNormalization()(keras.layers.Dropout(0.2)(x))
    scores = None
    if asks:
        mask = tokenizer.compute_mask(bases)[:, None]  # (B, 1, T)
        x, scores = MultiHeadAttention(heads, dim // heads)(
            x[:, :1], x, attention_mask=mask, return_attention_scores=True
        )
        x = x[:, 0]  # (B, D)
    else:
        x = keras.layers.GlobalAveragePooling1D()(keras.layers.Dense(dim)(x))
    wide = keras.layers.Dense(2 * dim, activation="gelu")
    x = x + keras.layers.Dense(dim)(wide(keras.layers.LayerNormalization()(x)))
    model = keras.Model(bases, keras.layers.Dense(1)(x))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    rate = keras.optimizers.schedules.CosineDecay(0.005, 8 * 79)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model, keras.Model(bases, scores) if asks else None


def train_promoters(model):
    """Trains for eight epochs; returns the accuracy on the test set after each."""
    past = model.fit(
        encode_bases(x_train),
        y_train,
        batch_size=128,
        epochs=8,
        validation_data=(encode_bases(x_test), y_test),
        verbose=0,
    )
    return past.history["val_accuracy"]


reader, maps = promoter_model(asks=True)
asking = train_promoters(reader)
averaging = train_promoters(promoter_model(asks=False)[0])

figure, axis = plt.subplots(figsize=(6, 3))
epochs = range(1, 9)
axis.plot(epochs, asking, "o-", color=BLUE, lw=2, label="your heads ask")
axis.plot(epochs, averaging, "s-", color=ORANGE, lw=2, label="an average of all tokens")
axis.axhline(0.5, color=GREY, ls=":", label="guessing")
axis.set(xlabel="epoch", ylabel="right", ylim=(0.45, 0.95))
axis.set_title(f"{asking[-1]:.0%} of promoters never seen judged rightly")
axis.legend(frameon=False, loc="center right")
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# The average does nearly as well: a mutation in the wrong place changes it too. But only a model
# that asks can be asked in return.
#
# ### What did the heads look at?
#
# Each head's attention, averaged over the test set and handed from the k-mers down to their bases,
# drawn over the sequence. Below it, for comparison, what the data say without any model: how
# much it tells about strong or weak to know that a base is mutated (the *information footprint*
# with which biologists find binding sites).


# %%
def footprint(mutated, strong):
    """Mutual information between "this base is mutated" and "strong", in bits: (75,)."""
    total = np.zeros(mutated.shape[1])
    for m in (False, True):
        for s in (0, 1):
            both = ((mutated == m) & (strong[:, None] == s)).mean(0) + 1e-9
            total += both * np.log2(
                both / (mutated == m).mean(0) / (strong == s).mean()
            )
    return total


places = len(split_kmers(LAC, k))  # [CLS] stands before them, [SEP] after them
seen = ops.convert_to_numpy(maps.predict(encode_bases(x_test), verbose=0))
seen = seen.mean(0)[:, 0, 1 : places + 1]  # (heads, k-mers)
by_base = np.stack([np.convolve(row, np.ones(k) / k) for row in seen])  # (heads, 75)
figure, (top, bottom) = plt.subplots(
    2, 1, figsize=(11, 4.4), sharex=True, height_ratios=[3, 2]
)
strongest = by_base.max(axis=1, keepdims=True)  # each head on a scale of its own
top.imshow(by_base / strongest, cmap="Blues", aspect="auto", vmin=0)
top.set_yticks(range(heads), [f"head {h + 1}" for h in range(heads)])
top.set_title("Where your heads look …", loc="left")
bottom.bar(range(75), footprint(mutated, y_train), color=GREY, width=0.9)
bottom.set_ylabel("bits")
bottom.set_title("… and where a mutation matters", loc="left")
bottom.set_xticks(range(75), LAC, family="monospace")
bottom.spines[["top", "right"]].set_visible(False)
highest = bottom.get_ylim()[1]
for name, (first, last) in SITES.items():
    for axis in (top, bottom):
        axis.tick_params(axis="x", length=0)
        axis.axvspan(first - 0.5, last - 0.5, fc="none", ec=ORANGE, lw=1.5)
    place = {"x": last - 0.8, "y": 0.95 * highest, "ha": "right", "va": "top"}
    bottom.text(s=name, color=ORANGE, **place)
figure.tight_layout()
plt.show()
for h, row in enumerate(by_base):
    place = int(row.argmax())
    near = [n for n, (first, last) in SITES.items() if first - 2 <= place < last + 2]
    print(f"head {h + 1} looks most at base {place}:", *(near or ["no known site"]))

# %% [markdown]
# The heads went for the sites that took biologists decades to find, and divided them up among
# themselves. Begin from another seed and they divide them otherwise: with three seeds, all twelve
# heads looked most at one of the sites. Mind what this does *not* show: attention says where the model looked, and the
# footprint says where the data tell something. That they agree is evidence; attention alone would not be.
# Look for a place where they do not agree.
#
# ## 5. In your own words
#
# ### Exercise 5 · ●●○○ · 10 minutes
#
# **Why does masking a single k-mer hide nothing, and what does it take to hide one base?**
# Three to six sentences; say what a model would learn from the easy version, and what the
# overlap costs. A person reads this.

# %% [markdown] manual="explain_kmers"
# BEGIN SOLUTION
# Overlapping k-mers repeat every base k times: token p and token p+1 share k-1 bases. If only
# one token is hidden, the token before it gives its first k-1 bases and the token after it the
# last k-1, so it can be copied together without knowing anything about DNA; a model trained like this
# reaches a perfect score and learns to copy. A base is hidden only when all k tokens that
# contain it are hidden, so k contiguous tokens have to be masked, and they hide exactly one
# base between them. The overlap therefore makes masked training expensive, and it makes sequences
# no shorter: about as many tokens as bases, from a vocabulary of 4^k.
# END SOLUTION

# %% [markdown]
# ## What comes next
#
# Words, patches, k-mers: by now anything is a token. What has been missing is the block
# around the attention. The next assignment builds it, and from it the lecture's three families:
# encoders, decoders, and both together.
#
# **To read**
#
# * Y. Ji, Z. Zhou, H. Liu, R. V. Davuluri, *DNABERT: pre-trained Bidirectional Encoder
#   Representations from Transformers model for DNA-language in genome*, Bioinformatics 37(15), 2021
# * J. B. Kinney, A. Murugan, C. G. Callan, E. C. Cox, *Using deep sequencing to
#   characterize the biophysical mechanism of a transcriptional regulatory sequence*, PNAS 107(20), 2010
# * Z. Zhou et al., *DNABERT-2: efficient foundation model and benchmark for multi-species
#   genome*, 2023 (arXiv 2306.15006), which gives up k-mers, and says why
