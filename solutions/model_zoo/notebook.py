# %% [markdown]
# # Why so many?
#
# *Transformers, assignment 6 · about 75 minutes · runs on a laptop, no GPU needed*
#
# BERT, GPT, DistilBERT, ViT, DeiT, DNABERT: every year brings a dozen names, and from far
# away they look like a dozen inventions. They are not. Take the names off and you find the
# block that you know, stacked; a table in front; something small at the end. What differs can be
# written down in a dictionary of ten entries, and from it you can **count** the model, to the
# last bias.
#
# In this notebook you turn the lecture's table into arithmetic: how large, fed with what, at
# what price. At the end you measure for yourself how the loss falls as the price goes up.
#
# **When you are done, you can**
#
# 1. tell an encoder, a decoder and an encoder–decoder apart by their parts,
# 2. count the parameters of a published model exactly, and say where they are,
# 3. read a paper's table of training data, and notice when it does not add up,
# 4. estimate what a training run costs, and whether the model was too large for its data.
#
# | exercise | you write | difficulty | minutes |
# |---|---|---|---|
# | 1 `count_parameters` | a configuration → a number | ●●●○ | 35 |
# | 2 `mixture_tokens`, `epochs_seen` | weights → tokens, and how often they are read | ●●○○ | 15 |
# | 3 `training_flops`, `compute_optimal_tokens` | the price of training | ●○○○ | 5 |
# | 4 in words | why so many? | ●●○○ | 10 |
#
# Fill the cells that raise `NotImplementedError`, run them, then run the `check(...)`
# below. `hint("count_parameters")` gives one hint at a time.

# %% role="given"
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from autograder import check, hint

keras.utils.set_random_seed(2020)
BLUE, ORANGE, GREEN, GREY = "#2b6cb0", "#dd7a2a", "#3b8f5a", "#8a8f98"

# %% [markdown]
# ## 1. Three families and a guest
#
# An **encoder** sees the whole input at once and turns it into vectors. A **decoder** sees
# only what came before, and says what comes next. An **encoder–decoder** reads one sequence and
# writes another. A **ViT** is an encoder whose tokens are patches.
#
# | model | family | read in training | what it was trained to do | source |
# |---|---|---|---|---|
# | Transformer, 2017 | encoder–decoder | sentence pairs (WMT 2014) | translate: the next word of the translation | [1] |
# | GPT-1, 2018 | decoder | books (BooksCorpus) | the next token, then one task at a time | [2] |
# | BERT, 2018 | encoder | BooksCorpus and Wikipedia | guess hidden tokens; do two sentences belong together? | [3] |
# | GPT-2, 2019 | decoder | web pages that Reddit linked to (WebText) | the next token, and nothing else | [4] |
# | DistilBERT, 2019 | encoder | the same as BERT | answer as BERT does, with half the layers | [5] |
# | GPT-3, 2020 | decoder | 300 billion tokens of web, books, Wikipedia | the next token; tasks are put as text | [6] |
# | ViT, 2020 | encoder | labelled images | name what is in the image | [7] |
# | DeiT, 2020 | encoder | ImageNet's labelled images | the same, with a teacher and far fewer images | [8] |
# | DNABERT, 2021 | encoder | the human genome | guess hidden k-mers | [9] |
#
# The numbers in brackets are the papers at the end.
#
# ### A model is a dictionary
#
# A **configuration** holds all that a count needs. Every family has these keys:
#
# | key | meaning |
# |---|---|
# | `family` | `"encoder"`, `"decoder"`, `"encoder_decoder"` or `"vit"` |
# | `embed_dim` | features of a token, $d$ |
# | `num_layers` | blocks; in an encoder–decoder, blocks **of each** stack |
# | `num_heads` | heads of each attention; they share the $d$ features out among themselves |
# | `ff_dim` | width of the feed-forward part's hidden layer |
#
# and each family some of its own:
#
# | family | key | meaning |
# |---|---|---|
# | all but `vit` | `vocabulary_size` | rows of the table of tokens |
# | all but `vit` | `max_positions` | rows of the table of positions, which are learned |
# | `encoder` | `num_segments` | rows of the table of segments (first or second sentence); 0: no table |
# | `encoder` | `pooler` | True: a dense layer $d \to d$ on the first token |
# | `decoder` | `tied_head` | True: the table of tokens is the head too. False: a matrix $d \to$ vocabulary of its own, without bias |
# | `decoder`, `encoder_decoder` | `final_norm` | True: a layer norm after the last block, in an encoder–decoder after the last of each stack |
# | `vit` | `image_size`, `patch_size` | of square images and patches, in pixels; the first is a multiple of the second |
# | `vit` | `channels`, `num_classes` | colours that come in, classes that go out |
#
# ### What is in the parts
#
# | part | parameters | shapes |
# |---|---|---|
# | dense layer $n \to m$ | weights and a bias | `(n, m)`, `(m,)` |
# | layer norm | a scale and a shift | `(d,)`, `(d,)` |
# | attention | dense layers query, key, value, output | four times $d \to d$ |
# | feed-forward part | two dense layers | $d \to$ `ff_dim` $\to d$ |
# | block | attention, feed-forward part, **two** layer norms | |
# | block of an encoder–decoder's decoder | **two** attentions, feed-forward part, **three** layer norms | |
# | start of an encoder | tables of tokens, positions, segments; one layer norm on their sum | |
# | start of the other two | tables of tokens and positions, shared by both stacks and the head | no layer norm |
# | start of a ViT | dense layer on the flattened patches, class token, positions of patches **and class token** | |
# | end of a ViT | layer norm, dense layer $d \to$ classes | |
#
# ### Exercise 1 · `count_parameters` · ●●●○ · 35 minutes
#
# Write one block first, then family after family: the check has a line for each. All biases are there.
# The result is exact, and it can be: the original Transformer's stacks hold 44,140,544
# parameters without their tables, the number that `torch.nn.Transformer()` has as well.


# %% exercise="count_parameters"
def count_parameters(config):
    """Counts the parameters of a Transformer from its configuration.

    Args:
        config: dictionary with the keys of the tables above.

    Returns:
        The exact number of parameters.

    Example:

    >>> count_parameters(
    ...     {
    ...         "family": "encoder_decoder",
    ...         "embed_dim": 512,
    ...         "num_layers": 6,
    ...         "num_heads": 8,
    ...         "ff_dim": 2048,
    ...         "vocabulary_size": 0,
    ...         "max_positions": 0,
    ...         "final_norm": True,
    ...     }
    ... )
    44140544
    """
    # BEGIN SOLUTION
    d, layers, ff = config["embed_dim"], config["num_layers"], config["ff_dim"]
    attention = 4 * (d * d + d)  # query, key, value, output
    feed_forward = (d * ff + ff) + (ff * d + d)
    norm = 2 * d  # scale and shift
    block = attention + feed_forward + 2 * norm

    if config["family"] == "vit":
        patches = (config["image_size"] // config["patch_size"]) ** 2
        pixels = config["patch_size"] ** 2 * config["channels"]  # of one patch
        embedder = (pixels * d + d) + d + (patches + 1) * d
        classifier = d * config["num_classes"] + config["num_classes"]
        return embedder + layers * block + norm + classifier

    tables = (config["vocabulary_size"] + config["max_positions"]) * d
    if config["family"] == "encoder":
        segments = config["num_segments"] * d
        pooler = d * d + d if config["pooler"] else 0
        return tables + segments + norm + layers * block + pooler

    final_norm = norm if config["final_norm"] else 0
    if config["family"] == "decoder":
        head = 0 if config["tied_head"] else config["vocabulary_size"] * d
        return tables + layers * block + final_norm + head

    decoder_block = block + attention + norm
    return tables + layers * (block + decoder_block) + 2 * final_norm
    # END SOLUTION


# %% check="count_parameters"
check("count_parameters", count_parameters)

# %% [markdown]
# ### The zoo, counted
#
# Here they are, as configurations. Look how little changes from line to line.


# %%
def stack(family, num_layers, embed_dim, num_heads, ff_dim, **more):
    sizes = {"num_layers": num_layers, "embed_dim": embed_dim}
    return {"family": family, **sizes, "num_heads": num_heads, "ff_dim": ff_dim} | more


def bert(vocabulary_size, *sizes, num_segments=2, pooler=True):
    tables = {"vocabulary_size": vocabulary_size, "max_positions": 512}
    return stack("encoder", *sizes, **tables, num_segments=num_segments, pooler=pooler)


def gpt(vocabulary_size, max_positions, *sizes, final_norm=True):
    tables = {"vocabulary_size": vocabulary_size, "max_positions": max_positions}
    return stack("decoder", *sizes, **tables, final_norm=final_norm, tied_head=True)


def vit(*sizes):
    image = {"image_size": 224, "patch_size": 16, "channels": 3, "num_classes": 1000}
    return stack("vit", *sizes, **image)


bare = {"vocabulary_size": 0, "max_positions": 0, "final_norm": True}
ZOO = {  # name: (year, configuration)
    "Transformer": (2017, stack("encoder_decoder", 6, 512, 8, 2048, **bare)),
    "GPT-1": (2018, gpt(40478, 512, 12, 768, 12, 3072, final_norm=False)),
    "BERT-base": (2018, bert(30522, 12, 768, 12, 3072)),
    "BERT-large": (2018, bert(30522, 24, 1024, 16, 4096)),
    "GPT-2": (2019, gpt(50257, 1024, 12, 768, 12, 3072)),
    "GPT-2 medium": (2019, gpt(50257, 1024, 24, 1024, 16, 4096)),
    "GPT-2 large": (2019, gpt(50257, 1024, 36, 1280, 20, 5120)),
    "GPT-2 XL": (2019, gpt(50257, 1024, 48, 1600, 25, 6400)),
    "DistilBERT": (
        2019,
        bert(30522, 6, 768, 12, 3072, num_segments=0, pooler=False),
    ),
    "GPT-3": (2020, gpt(50257, 2048, 96, 12288, 96, 49152)),
    "ViT-B/16": (2020, vit(12, 768, 12, 3072)),
    "ViT-L/16": (2020, vit(24, 1024, 16, 4096)),
    "DeiT-S/16": (2020, vit(12, 384, 6, 1536)),
    "DNABERT-3": (2021, bert(4**3 + 5, 12, 768, 12, 3072)),
    "DNABERT-4": (2021, bert(4**4 + 5, 12, 768, 12, 3072)),
    "DNABERT-5": (2021, bert(4**5 + 5, 12, 768, 12, 3072)),
    "DNABERT-6": (2021, bert(4**6 + 5, 12, 768, 12, 3072)),
}
counted = {name: count_parameters(config) for name, (_, config) in ZOO.items()}
print(f"{'':13}{'family':>16}{'layers':>8}{'d':>7}{'heads':>7}{'parameters':>17}")
for name, (_, config) in ZOO.items():
    sizes = f"{config['num_layers']:8}{config['embed_dim']:7}{config['num_heads']:7}"
    print(f"{name:13}{config['family']:>16}{sizes}{counted[name]:17,}")

# %% [markdown]
# Compare with what you read elsewhere, and mind what is being counted. GPT-2's paper says 117M
# and 345M for its two smaller models; OpenAI took these counts back, and yours are right. The
# Transformer's paper says 65M for the base model, and no single vocabulary gives that number. You
# counted its stacks without tables.

# %%
colors = {"encoder": BLUE, "decoder": ORANGE, "encoder_decoder": GREEN, "vit": GREY}
figure, axis = plt.subplots(figsize=(8.6, 4.6))
labelled = {
    "Transformer": (8, -4),
    "GPT-1": (8, 2),
    "BERT-base": (8, -11),
    "BERT-large": (8, -3),
    "GPT-2": (-8, -3),
    "GPT-2 XL": (8, -3),
    "DistilBERT": (8, -4),
    "GPT-3": (8, -3),
    "ViT-B/16": (8, -4),
    "ViT-L/16": (8, -3),
    "DeiT-S/16": (8, -3),
    "DNABERT-6": (8, -3),
}
for name, (year, config) in ZOO.items():
    axis.semilogy(year, counted[name], "o", ms=8, color=colors[config["family"]])
    if name in labelled:
        side = "left" if labelled[name][0] > 0 else "right"
        axis.annotate(
            name,
            (year, counted[name]),
            xytext=labelled[name],
            textcoords="offset points",
            ha=side,
            size=9,
        )
for family, color in colors.items():
    axis.plot([], [], "o", color=color, label=family.replace("_", "–"))
axis.set(xlabel="year", ylabel="parameters", xlim=(2016.6, 2021.8), ylim=(1e7, 1e12))
axis.set_xticks(range(2017, 2022))
axis.set_title("Decoders grew; the others mostly changed what they read")
axis.legend(frameon=False, loc="upper left")
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# The scale is logarithmic: between GPT-1 and GPT-3 lie two years and a factor of 1,500. The
# block has the same parts. Where do the parameters sit? Your function can tell: count
# with and without.


# %%
def shares(config):
    """Parameters in tables, attention and norms, feed-forward parts, and the rest."""
    bare = {**config, "vocabulary_size": 0, "max_positions": 0}
    all_of_it, stacked = count_parameters(config), count_parameters(bare)
    without_ff = count_parameters({**bare, "ff_dim": 0})
    rest = count_parameters({**bare, "num_layers": 0})
    return np.array(
        [all_of_it - stacked, without_ff - rest, stacked - without_ff, rest]
    )


names = ["DistilBERT", "BERT-base", "GPT-2", "GPT-2 XL", "GPT-3"]
parts = np.array([shares(ZOO[name][1]) for name in names])
parts = parts / parts.sum(axis=1, keepdims=True)
figure, axis = plt.subplots(figsize=(8.6, 2.8))
left = np.zeros(len(names))
titles = ("tables", "attention and norms", "feed-forward", "rest")
for share, title, color in zip(parts.T, titles, (GREEN, BLUE, ORANGE, GREY)):
    axis.barh(names[::-1], share[::-1], left=left[::-1], color=color, label=title)
    left = left + share
axis.set(xlim=(0, 1), xlabel="share of all parameters")
axis.legend(frameon=False, ncol=4, loc="lower center", bbox_to_anchor=(0.5, 1))
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# The larger the model, the less its tables weigh: a table grows with $d$, a block with $d^2$.
#
# ## 2. What they read
#
# A large model reads a **mixture**. Its paper gives each source a weight: how often a piece of
# training text is drawn from it. Here are two such tables, PaLM's [10] and GPT-3's [6, table 2.2].

# %% role="given"
PALM_WEIGHTS = {
    "social media conversations": 50,
    "filtered web pages": 27,
    "books": 13,
    "GitHub": 5,
    "Wikipedia": 4,
    "news": 1,
}
GPT3_WEIGHTS = {
    "Common Crawl": 60,
    "WebText2": 22,
    "Books1": 8,
    "Books2": 8,
    "Wikipedia": 3,
}
GPT3_SIZES = {  # tokens there are
    "Common Crawl": 410e9,
    "WebText2": 19e9,
    "Books1": 12e9,
    "Books2": 55e9,
    "Wikipedia": 3e9,
}

# %% [markdown]
# PaLM read 780 billion tokens, GPT-3 300 billion. How many of them from each source? And how
# often was the same page read? If a source of 3 billion tokens gives 9 billion, the model has read
# it three times: three **epochs**. If a source of 410 billion gives 178, most of it was never seen.
#
# ### Exercise 2 · `mixture_tokens`, `epochs_seen` · ●●○○ · 15 minutes
#
# Before you write the first line: add up GPT-3's weights.
#
# | argument | is |
# |---|---|
# | `total_tokens` | a number, such as `780e9` |
# | `weights` | `{source: weight}`; percent, shares or parts: only their ratios mean anything |
# | `tokens` | `{source: tokens read}` |
# | `sizes` | `{source: tokens there are}`; a source of unknown size is not in it |


# %% exercise="mixture_tokens"
def mixture_tokens(total_tokens, weights):
    """Shares a training run's tokens out among its sources.

    Args:
        total_tokens: number of tokens of the run.
        weights: dictionary from source to weight, on any scale.

    Returns:
        Dictionary from source to tokens, not rounded; they add up to `total_tokens`.

    Example:

    >>> mixture_tokens(100, {"web": 3, "books": 1})
    {'web': 75.0, 'books': 25.0}
    """
    # BEGIN SOLUTION
    whole = sum(weights.values())  # 100, or what rounding made of it
    return {source: total_tokens * w / whole for source, w in weights.items()}
    # END SOLUTION


def epochs_seen(tokens, sizes):
    """Says how often each source was read.

    Args:
        tokens: dictionary from source to the tokens read from it.
        sizes: dictionary from source to the tokens in it, where that is known.

    Returns:
        Dictionary from source to epochs, not rounded; sources of unknown size are
        left out.

    Example:

    >>> epochs_seen({"web": 75.0, "books": 25.0}, {"books": 10})
    {'books': 2.5}
    """
    # BEGIN SOLUTION
    known = [source for source in tokens if source in sizes]
    return {source: tokens[source] / sizes[source] for source in known}
    # END SOLUTION


# %% check="mixture_tokens"
check("mixture_tokens", mixture_tokens, epochs_seen)

# %%
palm = mixture_tokens(780e9, PALM_WEIGHTS)
gpt3 = mixture_tokens(300e9, GPT3_WEIGHTS)
figure, axes = plt.subplots(1, 2, figsize=(10.4, 3.2))
for axis, mix, title in zip(axes, (palm, gpt3), ("PaLM", "GPT-3")):
    bars = axis.barh(list(mix)[::-1], [n / 1e9 for n in list(mix.values())[::-1]])
    axis.bar_label(bars, fmt="%.0f", padding=3)
    axis.set(xlabel="billion tokens", title=f"What {title} read")
    axis.margins(x=0.15)
    axis.spines[["top", "right"]].set_visible(False)
for bar in axes[0].patches:
    bar.set_color(BLUE)
for bar in axes[1].patches:
    bar.set_color(ORANGE)
figure.tight_layout()
plt.show()

PRINTED = {
    "Common Crawl": 0.44,
    "WebText2": 2.9,
    "Books1": 1.9,
    "Books2": 0.43,
    "Wikipedia": 3.4,
}
print(f"The weights add up to {sum(GPT3_WEIGHTS.values())}.")
print(f"\n{'epochs of GPT-3':16}{'yours':>8}{'printed':>9}")
for source, epochs in epochs_seen(gpt3, GPT3_SIZES).items():
    print(f"{source:16}{epochs:8.2f}{PRINTED[source]:9}")

# %% [markdown]
# The weights were rounded, and add up to 101. Whoever divides by 100 makes GPT-3 read 303 billion
# tokens. Now look at the last column, which stands in the same table of the paper. Most of it
# agrees with yours, as far as rounding goes. WebText2 does not: 2.9 times 19 billion tokens are 18 % of
# 300 billion, and the weight says 22. A published table is an observation, like any other: do the
# sum before you build on it.
#
# Small and good sources are read several times, the large and dirty one not even once. That is
# a decision about quality, made with nothing but weights.
#
# ## 3. What it costs
#
# Each token meets each weight in a multiplication and an addition: $2N$ operations forward.
# The way back computes two gradients, one for the weights and one for the activations, at the
# same price each: $4N$. For $D$ tokens
#
# $$C \approx 6\,N\,D$$
#
# floating-point operations (*FLOPs*). Attention's own products are left out; in large models
# they are small beside it. In 2022 Hoffmann and colleagues ("Chinchilla", [11]) asked how to
# spend a given $C$, and found that model and data should grow in step: about **twenty tokens per
# parameter**.
#
# ### Exercise 3 · `training_flops`, `compute_optimal_tokens` · ●○○○ · 5 minutes
#
# One line each, and one trap: GPT-3's number does not fit into 64 bits. NumPy's integers wrap
# around without a word. Use Python's numbers.


# %% exercise="training_flops"
def training_flops(parameters, tokens):
    """Estimates the operations that training takes.

    See "Scaling laws for neural language models" (Kaplan et al., 2020), section 2.1.

    Args:
        parameters: number of parameters, an integer or a float.
        tokens: number of tokens read, an integer or a float.

    Returns:
        Floating-point operations, forward and back, as a Python number.
    """
    # BEGIN SOLUTION
    return 6.0 * parameters * tokens
    # END SOLUTION


def compute_optimal_tokens(parameters):
    """Tokens that make the best of the compute spent on a model of this size.

    See "Training compute-optimal large language models" (Hoffmann et al., 2022).

    Args:
        parameters: number of parameters.

    Returns:
        Number of tokens: twenty for each parameter.
    """
    # BEGIN SOLUTION
    return 20 * parameters
    # END SOLUTION


# %% check="training_flops"
check("training_flops", training_flops, compute_optimal_tokens)

# %% [markdown]
# Was GPT-3 the right size? Both rules together answer that. With $D = 20N$ the price is
# $C = 120 N^2$, so that the best size for a price is $N = \sqrt{C / 120}$.

# %%
spent = training_flops(counted["GPT-3"], 300e9)
best = (spent / 120) ** 0.5
deserved = compute_optimal_tokens(counted["GPT-3"])
print(f"GPT-3's training took about {spent:.3g} operations.")
print(
    f"A model of its size deserves {deserved / 1e12:.1f} trillion tokens; it got 0.3."
)
print(
    f"For the same price: {best / 1e9:.0f} billion parameters, "
    f"{compute_optimal_tokens(best) / 1e12:.1f} trillion tokens."
)

# %% [markdown]
# ## 4. Your own scaling law
#
# Do not believe a rule of thumb: measure it. Three tiny GPTs of two blocks each learn English,
# letter by letter, from text that ships with Python (the help on its own language). Before
# training, a test of your first exercise that needs no check: Keras counts too.

# %%
import pydoc_data.topics

text = "\n".join(pydoc_data.topics.topics.values())
letters = sorted(set(text))
ids = np.array([letters.index(letter) for letter in text], "int32")
cut = int(0.9 * len(ids))
TRAIN, HELD_OUT = ids[:cut], ids[cut:]
LENGTH, BATCH = 64, 32


def tiny(embed_dim):
    """The configuration of a GPT with two blocks and a head of its own."""
    config = gpt(len(letters), LENGTH, 2, embed_dim, 4, 4 * embed_dim)
    return {**config, "tied_head": False}


def make_gpt(config):
    """Builds a decoder as its configuration says."""
    d, heads = config["embed_dim"], config["num_heads"]
    vocabulary, length = config["vocabulary_size"], config["max_positions"]
    tokens = keras.Input((length,), dtype="int32")  # (B, T)
    positions = ops.cumsum(ops.ones_like(tokens), axis=1) - 1
    x = keras.layers.Embedding(vocabulary, d)(tokens)
    x = x + keras.layers.Embedding(length, d)(positions)  # (B, T, d)
    for _ in range(config["num_layers"]):
        y = keras.layers.LayerNormalization()(x)
        attention = keras.layers.MultiHeadAttention(heads, d // heads)
        x = x + attention(y, y, use_causal_mask=True)
        y = keras.layers.LayerNormalization()(x)
        y = keras.layers.Dense(config["ff_dim"], activation="gelu")(y)
        x = x + keras.layers.Dense(d)(y)
    x = keras.layers.LayerNormalization()(x)
    logits = keras.layers.Dense(vocabulary, use_bias=False)(x)  # (B, T, V)
    return keras.Model(tokens, logits)


for embed_dim in (16, 32, 64):
    model = make_gpt(tiny(embed_dim))
    mine = count_parameters(tiny(embed_dim))
    print(f"d = {embed_dim}: Keras counts {model.count_params():,}, you {mine:,}")

# %% [markdown]
# The sweep: every model gets the **same price**, 200 billion operations, so that the small one
# reads far more letters than the large one. The loss on text held out, in **bits per character**, is
# taken each time the price has doubled, by your `training_flops`.


# %%
def windows(ids, count, random):
    """Pieces of text and, one letter on, what comes next: two of `(count, LENGTH)`."""
    starts = random.randint(0, len(ids) - LENGTH, count)
    pieces = ids[starts[:, None] + np.arange(LENGTH + 1)]
    return pieces[:, :-1], pieces[:, 1:]


def sweep(embed_dim, budget=2e11):
    """Trains one model; returns compute spent and bits per character as it went."""
    keras.utils.set_random_seed(1)
    random = np.random.RandomState(1)
    model = make_gpt(tiny(embed_dim))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.003), loss)
    size = count_parameters(tiny(embed_dim))
    held_out = windows(HELD_OUT, 256, np.random.RandomState(2))
    done, spent, bits = 0, [], []
    for share in 2.0 ** np.arange(-6, 1):
        due = round(share * budget / training_flops(size, BATCH * LENGTH))  # batches
        x, y = windows(TRAIN, (due - done) * BATCH, random)
        model.fit(x, y, batch_size=BATCH, verbose=0)
        done = due
        spent.append(training_flops(size, done * BATCH * LENGTH))
        nats = model.evaluate(*held_out, batch_size=BATCH, verbose=0)
        bits.append(nats / np.log(2))
    letters_read = done * BATCH * LENGTH
    print(f"{size:7,} parameters, {letters_read:9,} letters: {bits[-1]:.2f} bits")
    return spent, bits


runs = {embed_dim: sweep(embed_dim) for embed_dim in (16, 32, 64)}

# %%
counts = np.bincount(TRAIN, minlength=len(letters)) + 1
single = np.log2(counts.sum() / counts)[HELD_OUT].mean()
figure, axis = plt.subplots(figsize=(7, 3.8))
for (embed_dim, (spent, bits)), color in zip(runs.items(), (GREY, BLUE, ORANGE)):
    size = count_parameters(tiny(embed_dim))
    axis.semilogx(spent, bits, "o-", color=color, lw=2, label=f"{size:,} parameters")
axis.axhline(single, color=GREY, ls=":", label="letters by their frequency alone")
axis.set(xlabel="compute spent, FLOPs", ylabel="bits per character")
axis.set_title("Loss against compute: three sizes, one price")
axis.legend(frameon=False)
axis.spines[["top", "right"]].set_visible(False)
plt.show()
for step in range(7):
    best = min(runs, key=lambda embed_dim: runs[embed_dim][1][step])
    price = runs[best][0][step]
    print(f"For {price:.1e} operations the best is d = {best}.")

# %% [markdown]
# Draw a vertical line in the figure, at a price of your choice, and see which curve is lowest there.
# That is Chinchilla's question, at about a trillionth of GPT-3's price. Does the best size grow with
# the price? Where is twenty letters per parameter on each curve? And what can your sweep *not* tell:
# three sizes, one learning rate for all, one seed, and models so small that their tables make
# up a good part of them. Change the seed; see what stays.
#
# ## 5. In your own words
#
# ### Exercise 4 · ●●○○ · 10 minutes
#
# **Why are there so many?** Choose a family for each of these and say why: judging whether
# a piece of DNA is a promoter; finishing a sentence; translating a date. Then say what changed
# from GPT-1 to GPT-3 and what did not, with one number that you counted. Five to eight sentences. A
# person reads this.

# %% [markdown] manual="explain_families"
# BEGIN SOLUTION
# A promoter is judged as a whole, so an encoder fits: every k-mer may look at all others, on both
# sides, and the first token collects the verdict. Finishing a sentence means that the future is
# not there yet, so a decoder with its causal mask fits; it is trained on the very thing that it
# does later. Translating a date reads one sequence and writes another of a different length: an
# encoder–decoder reads all of the source, and its decoder asks it at every letter. From GPT-1 to
# GPT-3 the block kept its parts, though GPT-2 moved the layer norms and GPT-3 lets some layers see
# only part of the text; the number of parameters rose from 116,534,784 to 174,604,259,328, a factor
# of about 1,500; data and compute rose with it. There are so many because data, size and training
# task vary, while the parts do not.
# END SOLUTION

# %% [markdown]
# ## What comes next
#
# Nothing: you have been through the lecture. From one head's weights to the price of GPT-3, all
# of it is the block that you wrote. When the next name comes along, ask the five questions of this
# notebook: which family, how large, fed with what, trained to do what, for how much?
#
# **To read**
#
# 1. A. Vaswani et al., *Attention is all you need*, 2017 (arXiv 1706.03762)
# 2. A. Radford et al., *Improving language understanding by generative pre-training*, OpenAI, 2018
# 3. J. Devlin et al., *BERT: pre-training of deep bidirectional Transformers for language
#    understanding*, 2018 (arXiv 1810.04805)
# 4. A. Radford et al., *Language models are unsupervised multitask learners*, OpenAI, 2019
# 5. V. Sanh et al., *DistilBERT, a distilled version of BERT*, 2019 (arXiv 1910.01108)
# 6. T. Brown et al., *Language models are few-shot learners*, 2020 (arXiv 2005.14165)
# 7. A. Dosovitskiy et al., *An image is worth 16x16 words*, 2020 (arXiv 2010.11929)
# 8. H. Touvron et al., *Training data-efficient image transformers and distillation through
#    attention*, 2020 (arXiv 2012.12877)
# 9. Y. Ji et al., *DNABERT*, Bioinformatics 37(15), 2021
# 10. A. Chowdhery et al., *PaLM: scaling language modeling with Pathways*, 2022 (arXiv 2204.02311)
# 11. J. Hoffmann et al., *Training compute-optimal large language models*, 2022 (arXiv 2203.15556)
# 12. J. Kaplan et al., *Scaling laws for neural language models*, 2020 (arXiv 2001.08361)
