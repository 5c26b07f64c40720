# %% [markdown]
# # An image is a sentence of patches
#
# *Transformers, assignment 3 · about 90 minutes · runs on a laptop or a free Colab GPU*
#
# Attention works on tokens, and nothing in it says that tokens are words. Cut an image
# into squares of 16 × 16 pixels, flatten each, multiply it by a matrix: what comes out
# looks, to a Transformer, exactly like a sentence. That is the whole trick of the
# **Vision Transformer** (ViT), and you write it here: the scissors, the layer that makes
# tokens of what they cut, and the *soft* scissors of Tokens-to-Token ViT, whose cuts overlap.
#
# At the end a small ViT, with your layer at its front, learns to read digits in front of you.
#
# **When you are done, you can**
#
# 1. cut a batch of images into patches with nothing but reshape and transpose, and undo it,
# 2. write the patch embedder: projection, class token, learned positions,
# 3. say why one `Conv2D` with kernel = stride = patch does the same as a `Dense` on patches,
# 4. split an image softly, and predict how many tokens come out.
#
# | exercise | you write | difficulty | minutes |
# |---|---|---|---|
# | 1 `patchify` | `(B, H, W, C)` → `(B, N, P·P·C)` | ●●○○ | 20 |
# | 2 `PatchEmbedder` | the layer in front of every ViT | ●●●○ | 35 |
# | 3 `soft_split` | windows that overlap | ●●●○ | 25 |
# | 4 in words | what an image loses on the way | ●●○○ | 10 |
#
# Fill the cells that raise `NotImplementedError`, run them, then run the `check(...)`
# below. `hint("patchify")` gives one hint at a time.

# %% role="given"
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from autograder import check, hint

keras.utils.set_random_seed(2020)
BLUE, ORANGE, GREY = "#2b6cb0", "#dd7a2a", "#8a8f98"

# %% [markdown]
# ## 1. The scissors
#
# An image is a tensor `(H, W, C)`: rows, columns, channels. With patches of P × P pixels
# there are `H/P` rows of patches with `W/P` patches each, so N = (H/P)·(W/P) tokens, and
# every token has P·P·C numbers. The order is the order in which you read a page: patch by
# patch along a row, then the next row; and inside a patch the same, pixel by pixel, the
# channels of a pixel side by side.
#
# Here is one of the photographs that come with scikit-learn, 224 pixels on each side.

# %%
from sklearn.datasets import load_sample_image

photo = load_sample_image("china.jpg")[:, 60:487]  # a square of it
photo = ops.convert_to_numpy(ops.image.resize(photo, (224, 224))).astype("float32")
photo = np.clip(photo / 255.0, 0.0, 1.0)
figure, axis = plt.subplots(figsize=(4.4, 4.4))
axis.imshow(photo, extent=(0, 224, 224, 0))
axis.set(xticks=range(0, 225, 32), yticks=range(0, 225, 32))
axis.grid(color="white", lw=1.2)
axis.set_title("224 × 224 × 3, and where to cut for P = 32")
figure.tight_layout()
plt.show()

# %% [markdown]
# ### Exercise 1 · `patchify` · ●●○○ · 20 minutes
#
# A loop over patches would do, and would be slow. Two reshapes with a transpose between
# them do it for the whole batch at once. Batches may be unknown (`None`) while a model is
# traced; height, width and channels are known. Where P does not divide the height or the
# width, raise a `ValueError` that names the sizes.
#
# | step | shape |
# |---|---|
# | images | `(B, H, W, C)` |
# | two axes each for height and width | `(B, H/P, P, W/P, P, C)` |
# | patches' axes first, pixels' axes after them | `(B, H/P, W/P, P, P, C)` |
# | flattened | `(B, N, P·P·C)` |


# %% exercise="patchify"
def patchify(images, patch_size):
    """Cuts images into square patches and flattens each.

    See "An image is worth 16x16 words" (Dosovitskiy et al., 2020, arXiv
    2010.11929), section 3.1.

    Args:
        images: tensor of shape `(B, H, W, C)`.
        patch_size: side `P` of a patch, in pixels.

    Returns:
        Tensor of shape `(B, (H / P) * (W / P), P * P * C)`: patches in row-major
        order, each flattened by row, column, channel.

    Raises:
        ValueError: `P` does not divide `H` or `W`; the message names the sizes.
    """
    # BEGIN SOLUTION
    height, width, channels = images.shape[1:]
    if height % patch_size or width % patch_size:
        raise ValueError(
            f"Images of {height} x {width} pixels cannot be cut into patches of "
            f"{patch_size} x {patch_size}."
        )
    rows, columns = height // patch_size, width // patch_size
    grid = ops.reshape(
        images, (-1, rows, patch_size, columns, patch_size, channels)
    )  # (B, H/P, P, W/P, P, C)
    patches = ops.transpose(grid, (0, 1, 3, 2, 4, 5))  # (B, H/P, W/P, P, P, C)
    return ops.reshape(
        patches, (-1, rows * columns, patch_size * patch_size * channels)
    )  # (B, N, P·P·C)
    # END SOLUTION


# %% check="patchify"
check("patchify", patchify)

# %% [markdown]
# ### Cut and put back
#
# Left, your patches in the order in which you return them, with a gap between them. Right,
# the image put back together from them. If a patch were turned or misplaced, you would see it.

# %%
P, rows = 32, 7
patches = ops.convert_to_numpy(patchify(photo[None], P))[0]  # (49, 3072)
squares = patches.reshape(rows, rows, P, P, 3)
back = squares.transpose(0, 2, 1, 3, 4).reshape(224, 224, 3)
gapped = np.ones((rows * (P + 6) - 6, rows * (P + 6) - 6, 3))
for r in range(rows):
    for c in range(rows):
        top, left = r * (P + 6), c * (P + 6)
        gapped[top : top + P, left : left + P] = squares[r, c]
figure, (left_axis, right_axis) = plt.subplots(1, 2, figsize=(8, 4))
left_axis.imshow(gapped)
left_axis.set_title("49 tokens of 3072 numbers")
for n in (0, 1, 7, 48):
    r, c = divmod(n, rows)
    left_axis.text(
        c * (P + 6) + 3, r * (P + 6) + 3, str(n), color="white", va="top", weight="bold"
    )
right_axis.imshow(back)
right_axis.set_title(f"put back: largest error {np.abs(back - photo).max():g}")
for axis in (left_axis, right_axis):
    axis.axis("off")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## 2. From patches to tokens
#
# Three things turn patches into what a Transformer reads:
#
# 1. a **projection**, the same for every patch, from P·P·C numbers to D;
# 2. a **class token**, a learned vector put *in front* of the patches. It belongs to no
#    place in the image; after the last block the classifier reads its row and no other;
# 3. a **position embedding**, one learned vector for each of the N + 1 tokens. Without it
#    the model sees a bag of patches.
#
# | tensor | shape | |
# |---|---|---|
# | images | `(B, H, W, C)` | |
# | `projection` of the patches | `(B, N, D)` | with bias |
# | `class_token` | `(1, 1, D)` | a weight, the same for all images |
# | class token, then patches | `(B, N+1, D)` | |
# | `position_embedding` | `(1, N+1, D)` | a weight, added to all N + 1 |
# | output | `(B, N+1, D)` | |
#
# ### Exercise 2 · `PatchEmbedder` · ●●●○ · 35 minutes
#
# Write `__init__`, `call` and `get_config`; `build` is given, so that the weights exist as
# soon as the shape of the images is known. What to mind:
#
# * `projection` may be a `Dense(embed_dim)` on what your `patchify` returns, or a
#   `Conv2D(embed_dim, patch_size, strides=patch_size)` on the images. Both are right, and with
#   the same weights they give the same numbers. Choose; the given `build` serves either.
# * The batch may be unknown: `ops.shape(images)[0]`.
# * Under `dtype="mixed_float16"` everything must compute in float16: the sublayer needs
#   `dtype=self.dtype_policy`.


# %% exercise="patch_embedder"
@keras.saving.register_keras_serializable(package="transformers_course")
class PatchEmbedder(keras.layers.Layer):
    """Turns images into tokens: patches, a class token, learned positions.

    See "An image is worth 16x16 words" (Dosovitskiy et al., 2020, arXiv
    2010.11929), equation 1.

    Args:
        patch_size: side `P` of a patch, in pixels.
        embed_dim: features `D` of a token.
        **kwargs: `name` and `dtype`, as every Keras layer takes them.

    Call arguments:
        images: float tensor of shape `(B, H, W, C)`; `P` divides `H` and `W`.

    Returns:
        Tensor of shape `(B, N + 1, D)` with `N = (H / P) * (W / P)`, the class
        token first.

    Example:

    >>> layer = PatchEmbedder(patch_size=16, embed_dim=192)
    >>> layer(np.ones((2, 224, 224, 3))).shape
    (2, 197, 192)
    """

    def __init__(self, patch_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = patch_size
        self.embed_dim = embed_dim
        # BEGIN SOLUTION
        self.projection = keras.layers.Dense(
            embed_dim, dtype=self.dtype_policy, name="projection"
        )
        # END SOLUTION

    def build(self, images_shape):
        _, height, width, channels = images_shape
        tokens = (height // self.patch_size) * (width // self.patch_size)
        if isinstance(self.projection, keras.layers.Dense):
            self.projection.build((None, tokens, self.patch_size**2 * channels))
        else:
            self.projection.build(images_shape)
        self.class_token = self.add_weight(
            shape=(1, 1, self.embed_dim), initializer="zeros", name="class_token"
        )
        self.position_embedding = self.add_weight(
            shape=(1, tokens + 1, self.embed_dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="position_embedding",
        )
        self.built = True

    def call(self, images):
        # BEGIN SOLUTION
        tokens = self.projection(patchify(images, self.patch_size))  # (B, N, D)
        batch = ops.shape(images)[0]
        class_token = ops.broadcast_to(
            self.class_token, (batch, 1, self.embed_dim)
        )  # (B, 1, D)
        tokens = ops.concatenate([class_token, tokens], axis=1)  # (B, N+1, D)
        return tokens + self.position_embedding  # (B, N+1, D)
        # END SOLUTION

    def get_config(self):
        # BEGIN SOLUTION
        config = {"patch_size": self.patch_size, "embed_dim": self.embed_dim}
        return {**super().get_config(), **config}
        # END SOLUTION


# %% check="patch_embedder"
check("patch_embedder", PatchEmbedder)

# %% [markdown]
# ## 3. Soft scissors
#
# Hard cuts have a price: an edge that runs along a cut is whole in no token. **Tokens-to-Token
# ViT** (Yuan et al., 2021) lets windows of `kernel_size` pixels step by `stride` < `kernel_size`,
# so that neighbours share pixels; zeros are padded around the image, so that windows can reach
# over its rim too. It does so three times, and each time the tokens become fewer:
#
# $$\text{side} \;\to\; \left\lfloor\frac{\text{side} + 2\,\text{padding} - \text{kernel}}
# {\text{stride}}\right\rfloor + 1$$

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for axis, (kernel, stride, padding), title in (
    (axes[0], (4, 4, 0), "hard: kernel 4, stride 4"),
    (axes[1], (7, 4, 2), "soft: kernel 7, stride 4, padding 2"),
):
    seen = np.zeros((20, 20))  # 16 pixels, and 2 more on each side
    for top in range(-padding, 16 + padding - kernel + 1, stride):
        for left in range(-padding, 16 + padding - kernel + 1, stride):
            seen[top + 2 : top + 2 + kernel, left + 2 : left + 2 + kernel] += 1
    shown = axis.imshow(
        seen,
        cmap=plt.get_cmap("Blues", 5),
        vmin=-0.5,
        vmax=4.5,
        extent=(-2, 18, 18, -2),
    )
    axis.add_patch(plt.Rectangle((0, 0), 16, 16, fill=False, ec="black", lw=1.5))
    for step, style in ((1, "-"), (2, ":")):  # one window, and its right neighbour
        corner = (step * stride - padding, stride - padding)
        axis.add_patch(
            plt.Rectangle(
                corner, kernel, kernel, fill=False, ec=ORANGE, lw=2.5, ls=style
            )
        )
    axis.set(title=title, xticks=range(0, 17, 4), yticks=range(0, 17, 4))
figure.colorbar(shown, ax=axes, ticks=range(5), label="windows that see the pixel")
plt.show()

# %% [markdown]
# Black is the image, orange one window and, dotted, the next. On the left every pixel is in one
# window; on the right those where windows overlap are in two or four.
#
# ### Exercise 3 · `soft_split` · ●●●○ · 25 minutes
#
# * Pad height and width with zeros, and nothing else.
# * Windows come row by row; each is flattened by row, column, channel, as patches are.
# * Windows that would stick out are left out: that is the floor in the formula.
# * The batch may be unknown. `ops.unfold` looks made for this and cannot take an unknown
#   batch on TensorFlow (and orders the numbers differently).


# %% exercise="soft_split"
def soft_split(images, kernel_size, stride, padding):
    """Splits images into overlapping windows, as Tokens-to-Token ViT does.

    See "Tokens-to-Token ViT" (Yuan et al., 2021, arXiv 2101.11986), section 3.1.

    Args:
        images: tensor of shape `(B, H, W, C)`.
        kernel_size: side `k` of a window, in pixels.
        stride: step from one window to the next.
        padding: rows and columns of zeros added on each side.

    Returns:
        Tensor of shape `(B, rows * columns, k * k * C)` with
        `rows = floor((H + 2 * padding - k) / stride) + 1`, and columns alike.
    """
    # BEGIN SOLUTION
    padded = ops.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    height, width, channels = padded.shape[1:]
    rows = (height - kernel_size) // stride + 1
    columns = (width - kernel_size) // stride + 1
    pixels = [
        padded[:, i : i + stride * rows : stride, j : j + stride * columns : stride]
        for i in range(kernel_size)
        for j in range(kernel_size)
    ]  # k·k of (B, rows, columns, C)
    windows = ops.concatenate(pixels, axis=-1)  # (B, rows, columns, k·k·C)
    return ops.reshape(
        windows, (-1, rows * columns, kernel_size**2 * channels)
    )  # (B, rows·columns, k·k·C)
    # END SOLUTION


# %% check="soft_split"
check("soft_split", soft_split)

# %% [markdown]
# Now the paper's own chain, by your function. Between two splits the paper lets the tokens
# attend to one another and makes them narrower, to 64 features; then it puts them back into a
# square and splits again. Here a random matrix stands in for that middle step, because only
# the counts matter.

# %%
image, random = photo[None], np.random.RandomState(0)
print(f"{'split':>12} {'image':>16} {'tokens':>8} {'numbers each':>13}")
for kernel, stride, padding in ((7, 4, 2), (3, 2, 1), (3, 2, 1)):
    tokens = ops.convert_to_numpy(soft_split(image, kernel, stride, padding))
    size = " × ".join(str(n) for n in image.shape[1:])
    print(
        f"{(kernel, stride, padding)!s:>12} {size:>16} {tokens.shape[1]:>8} {tokens.shape[2]:>13}"
    )
    side = int(tokens.shape[1] ** 0.5)
    narrower = tokens @ random.normal(size=(tokens.shape[2], 64)).astype("float32")
    image = narrower.reshape(1, side, side, 64)

# %% [markdown]
# 3136, 784, 196: the same 196 tokens that hard patches of 16 pixels give, but each has
# seen its neighbours on the way.
#
# ## 4. A Vision Transformer reads digits
#
# scikit-learn brings 1,797 handwritten digits of 8 × 8 pixels. With patches of 2 × 2 that
# makes 16 tokens and a class token. In front stands your `PatchEmbedder`; the blocks behind it
# attend with the `MultiHeadAttention` that you wrote in assignment 2, if its notebook lies
# beside this one; otherwise a given one takes its place, into which the weights of yours fit.

# %%
from sklearn.datasets import load_digits

from autograder import earlier, given

MultiHeadAttention = earlier("MultiHeadAttention", given.MultiHeadAttention)

digits = load_digits()
x = (digits.images[..., None] / 16.0).astype("float32")  # (1797, 8, 8, 1)
order = np.random.RandomState(0).permutation(len(x))
train, test = order[:1437], order[1437:]
figure, axes = plt.subplots(1, 8, figsize=(8, 1.3))
for axis, n in zip(axes, train):
    axis.imshow(x[n, ..., 0], cmap="Greys")
    axis.set_title(str(digits.target[n]))
    axis.set_xticks([1.5, 3.5, 5.5], [])
    axis.set_yticks([1.5, 3.5, 5.5], [])
    axis.tick_params(length=0)
    axis.grid(color=ORANGE, lw=0.8)
figure.tight_layout()
plt.show()


# %%
def vision_transformer(image_shape, patch_size, classes, dim, heads, blocks):
    """A small ViT: your patches, pre-norm blocks, and a classifier on the class token."""
    images = keras.Input(image_shape)
    x = PatchEmbedder(patch_size, dim, name="patches")(images)  # (B, N+1, D)
    for _ in range(blocks):
        normed = keras.layers.LayerNormalization()(x)
        x = x + MultiHeadAttention(heads, dim // heads)(normed, normed)
        normed = keras.layers.LayerNormalization()(x)
        wide = keras.layers.Dense(2 * dim, activation="gelu")(normed)
        x = x + keras.layers.Dense(dim)(wide)
    class_token = keras.layers.LayerNormalization()(x)[:, 0]  # (B, D)
    return keras.Model(images, keras.layers.Dense(classes)(class_token))


keras.utils.set_random_seed(8)
vit = vision_transformer((8, 8, 1), patch_size=2, classes=10, dim=48, heads=4, blocks=2)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
vit.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"])
past = vit.fit(
    x[train],
    digits.target[train],
    batch_size=64,
    epochs=20,
    validation_data=(x[test], digits.target[test]),
    verbose=0,
)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=[1.3, 1])
epochs = range(1, 21)
left.plot(epochs, past.history["accuracy"], color=GREY, lw=2, label="on what it learns")
left.plot(
    epochs, past.history["val_accuracy"], color=BLUE, lw=2, label="on digits never seen"
)
left.set(xlabel="epoch", ylabel="share read right", ylim=(0, 1.03))
left.set_xticks(range(0, 21, 5))
left.set_title(f"{past.history['val_accuracy'][-1]:.1%} of new digits read")
left.legend(frameon=False, loc="lower right")
left.spines[["top", "right"]].set_visible(False)
guess = ops.convert_to_numpy(vit(x[test])).argmax(-1)
table = np.zeros((10, 10), int)
np.add.at(table, (digits.target[test], guess), 1)
right.imshow(np.log1p(table), cmap="Blues")
right.set(
    xlabel="read as",
    ylabel="is a",
    xticks=range(10),
    yticks=range(10),
    title="who is taken for whom",
)
figure.tight_layout()
plt.show()

# %% [markdown]
# ### What the positions have learned
#
# Nobody told the model that its tokens were once a picture. Can it find out? Let the digits
# wander: each is set down anywhere on a sheet of 12 × 12 pixels, which makes 36 patches. A
# stroke may now appear in one patch as well as in the next, so it pays to know who is whose
# neighbour. Then compare the learned position of each patch with all others, as the paper does
# in its figure 7.


# %%
def wandering(images, side, copies, seed):
    """Sets each image down somewhere on an empty sheet, `copies` times."""
    random = np.random.RandomState(seed)
    sheets = np.zeros((copies * len(images), side, side, 1), "float32")
    for n in range(len(sheets)):
        top, left = random.randint(0, side - 7, 2)
        sheets[n, top : top + 8, left : left + 8] = images[n % len(images)]
    return sheets


keras.utils.set_random_seed(8)
wanderer = vision_transformer((12, 12, 1), 2, classes=10, dim=48, heads=4, blocks=2)
wanderer.compile(keras.optimizers.Adam(2e-3), loss, metrics=["accuracy"])
_ = wanderer.fit(
    wandering(x[train], 12, 3, seed=0),
    np.tile(digits.target[train], 3),
    batch_size=64,
    epochs=10,
    verbose=0,
)

learned = ops.convert_to_numpy(wanderer.get_layer("patches").position_embedding)[0, 1:]
learned = learned - learned.mean(0)
unit = learned / np.linalg.norm(learned, axis=-1, keepdims=True)  # (36, 48)
alike = (unit @ unit.T).reshape(6, 6, 6, 6)
figure, axes = plt.subplots(6, 6, figsize=(5.4, 5.8))
for r in range(6):
    for c in range(6):
        axes[r, c].imshow(alike[r, c], cmap="PuOr_r", vmin=-1, vmax=1)
        axes[r, c].set(xticks=[], yticks=[])
figure.suptitle("36 patches, and whose position is like each one's", x=0.02, ha="left")
figure.tight_layout()
plt.show()
spots = np.stack(np.divmod(np.arange(36), 6), axis=-1)
steps = np.abs(spots[:, None] - spots[None]).sum(-1)
for n in (1, 2, 3, 6):
    mean = alike.reshape(36, 36)[steps == n].mean()
    print(f"{n} step{'s' if n > 1 else ' '} apart: similarity {mean:+.2f}")

# %% [markdown]
# Square (r, c) belongs to the patch in row r, column c. Brown is alike, violet is opposite. The
# darkest spot is the patch itself, of course; but around it the neighbours are brown too, and
# farther away they are not. From nothing but rows of tokens the model has found out which
# patches lie side by side on the sheet.
#
# ### Colour photographs, on a GPU
#
# CIFAR-10 has 50,000 photographs of 32 × 32 pixels. The next cell trains the same model on
# them where it finds a GPU (Colab: *Runtime → Change runtime type*); on a CPU it does nothing,
# for it would take an hour.


# %%
def has_gpu():
    """Is there a GPU for Keras' backend to use?"""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


if has_gpu():
    (c_train, y_train), (c_test, y_test) = keras.datasets.cifar10.load_data()
    c_train, c_test = (c.astype("float32") / 255.0 for c in (c_train, c_test))
    photographs = vision_transformer((32, 32, 3), 4, 10, dim=128, heads=4, blocks=6)
    photographs.compile(keras.optimizers.AdamW(1e-3), loss, metrics=["accuracy"])
    _ = photographs.fit(
        c_train,
        y_train,
        batch_size=256,
        epochs=15,
        validation_data=(c_test, y_test),
        verbose=2,
    )
else:
    print("No GPU here, so no CIFAR-10: this cell has nothing to do.")

# %% [markdown]
# Do not expect the paper's numbers: a ViT knows nothing of images when it starts, and makes up
# for it with hundreds of millions of them.
#
# ## 5. In your own words
#
# ### Exercise 4 · ●●○○ · 10 minutes
#
# **What does the model lose, and what does it keep, when an image becomes a row of
# tokens?** Three to six sentences. Think of neighbours inside a patch, of neighbours on two
# sides of a cut, of where a patch stood. A person reads this.

# %% [markdown] manual="explain_patches"
# BEGIN SOLUTION
# Nothing of the pixels is lost by cutting: the patches can be put back together exactly. What
# is lost is what the shape of the tensor used to say. Inside a token the pixels are a flat
# list, and the projection has to learn which of them are neighbours; two pixels on two sides
# of a cut end up in different tokens and meet only through attention; and without the position
# embedding a token no longer says where in the image it stood, so that a shuffled image would
# give the same class. What is kept is the content of each patch and, through the learned
# positions, the place; that the places form a grid, and that neighbours matter, is not built
# in as in a convolution and must be learned from data. A soft split keeps more of it, because
# neighbouring windows share pixels.
# END SOLUTION

# %% [markdown]
# ## What comes next
#
# Words, patches … and molecules. In the next assignment the tokens are stretches of DNA, and
# cutting them well turns out to be harder than it looks.
#
# **To read**
#
# * A. Dosovitskiy et al., *An image is worth 16x16 words: Transformers for image recognition
#   at scale*, 2020 (arXiv 2010.11929)
# * L. Yuan et al., *Tokens-to-Token ViT: Training vision transformers from scratch on
#   ImageNet*, 2021 (arXiv 2101.11986)
# * H. Touvron et al., *Training data-efficient image transformers & distillation through
#   attention*, 2020 (arXiv 2012.12877)
