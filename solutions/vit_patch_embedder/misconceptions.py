# %% [markdown]
# Images as tokens, as they really come back: implementations that are wrong in one way
# each, and right ones in other styles. A cell runs after the reference notebook's cells
# and redefines one object; the comment at its top is the hint a student gets, and the
# marker names the check that the mistake must lose.

# %% role="shared"
def _divides(images, patch_size):
    height, width = images.shape[1:3]
    if height % patch_size or width % patch_size:
        raise ValueError(f"{height} x {width} pixels, patches of {patch_size}")
    return height // patch_size, width // patch_size


def _windows(images, kernel_size, stride, padding, mode="constant"):
    """The windows before they are flattened: (B, rows, columns, k, k, C)."""
    sides = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    padded = ops.pad(images, sides, mode=mode) if padding else images
    rows = (padded.shape[1] - kernel_size) // stride + 1
    columns = (padded.shape[2] - kernel_size) // stride + 1
    down = np.arange(rows)[:, None] * stride + np.arange(kernel_size)
    across = np.arange(columns)[:, None] * stride + np.arange(kernel_size)
    taken = ops.take(padded, down.ravel().astype("int32"), axis=1)
    taken = ops.take(taken, across.ravel().astype("int32"), axis=2)
    shape = (-1, rows, kernel_size, columns, kernel_size, images.shape[-1])
    return ops.transpose(ops.reshape(taken, shape), (0, 1, 3, 2, 4, 5))


def _flat(windows):
    rows, columns, high, wide, channels = windows.shape[1:]
    return ops.reshape(windows, (-1, rows * columns, high * wide * channels))


class _Patches(keras.layers.Layer):
    """A right PatchEmbedder, of which each cell below changes one thing."""

    def __init__(self, patch_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = patch_size
        self.embed_dim = embed_dim
        self.projection = self.make_projection()

    def make_projection(self):
        return keras.layers.Dense(self.embed_dim, dtype=self.dtype_policy)

    def build(self, images_shape):
        _, height, width, channels = images_shape
        tokens = (height // self.patch_size) * (width // self.patch_size)
        if isinstance(self.projection, keras.layers.Dense):
            self.projection.build((None, tokens, self.patch_size**2 * channels))
        else:
            self.projection.build(images_shape)
        self.make_weights(tokens)
        self.built = True

    def make_weights(self, tokens):
        self.class_token = self.add_weight(shape=(1, 1, self.embed_dim), name="cls")
        self.position_embedding = self.add_weight(
            shape=(1, tokens + 1, self.embed_dim), name="positions"
        )

    def project(self, images):
        return self.projection(patchify(images, self.patch_size))

    def spread(self, tokens):
        return ops.repeat(self.class_token, ops.shape(tokens)[0], axis=0)

    def join(self, tokens):
        return ops.concatenate([self.spread(tokens), tokens], axis=1)

    def place(self, tokens):
        return tokens + self.position_embedding

    def call(self, images):
        return self.place(self.join(self.project(images)))

    def get_config(self):
        config = {"patch_size": self.patch_size, "embed_dim": self.embed_dim}
        return {**super().get_config(), **config}


# %% wrong="reshaped_only" exercise="patchify" check="values"
# One reshape gives the right shape and cuts no squares: it takes P·P·C neighbours in
# memory, which are pixels of one long row. The patch's rows must first be brought
# together by a transpose.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    pixels = patch_size**2 * images.shape[-1]
    return ops.reshape(images, (-1, rows * columns, pixels))


# %% wrong="patches_column_by_column" exercise="patchify" check="values"
# The patches come column by column. Row-major order reads like a page: along a row of
# patches first.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    x = ops.reshape(
        images, (-1, rows, patch_size, columns, patch_size, images.shape[-1])
    )
    x = ops.transpose(x, (0, 3, 1, 2, 4, 5))
    return ops.reshape(x, (-1, rows * columns, patch_size**2 * images.shape[-1]))


# %% wrong="pixels_column_by_column" exercise="patchify" check="values"
# Inside a patch the pixels come column by column: width before height. Flatten by row,
# column, channel.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    x = ops.reshape(
        images, (-1, rows, patch_size, columns, patch_size, images.shape[-1])
    )
    x = ops.transpose(x, (0, 1, 3, 4, 2, 5))
    return ops.reshape(x, (-1, rows * columns, patch_size**2 * images.shape[-1]))


# %% wrong="channels_first_in_patch" exercise="patchify" check="values"
# Inside a patch all red values come first, then all green. Flatten by row, column,
# channel: the channels of one pixel stay together.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    x = ops.reshape(
        images, (-1, rows, patch_size, columns, patch_size, images.shape[-1])
    )
    x = ops.transpose(x, (0, 1, 3, 5, 2, 4))
    return ops.reshape(x, (-1, rows * columns, patch_size**2 * images.shape[-1]))


# %% wrong="rows_and_columns_swapped" exercise="patchify" check="values"
# Rows and columns of the image have changed places before the cut: the image is
# transposed. On square pictures it goes unnoticed.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    x = ops.reshape(
        images, (-1, rows, patch_size, columns, patch_size, images.shape[-1])
    )
    x = ops.transpose(x, (0, 3, 1, 4, 2, 5))
    return ops.reshape(x, (-1, rows * columns, patch_size**2 * images.shape[-1]))


# %% wrong="six_axes_in_wrong_order" exercise="patchify" check="values"
# The height was cut into (P, H/P) instead of (H/P, P): every patch collects pixels from
# all over the image. The number of patches comes first.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    x = ops.reshape(
        images, (-1, patch_size, rows, patch_size, columns, images.shape[-1])
    )
    x = ops.transpose(x, (0, 2, 4, 1, 3, 5))
    return ops.reshape(x, (-1, rows * columns, patch_size**2 * images.shape[-1]))


# %% wrong="size_taken_for_count" exercise="patchify" check="values"
# `patch_size` is the side of a patch in pixels, not the number of patches along a side.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    x = ops.reshape(
        images, (-1, patch_size, rows, patch_size, columns, images.shape[-1])
    )
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, patch_size**2, rows * columns * images.shape[-1]))


# %% wrong="square_images_assumed" exercise="patchify" check="values"
# The number of patches along the width was taken from the height. Images need not be
# square.
def patchify(images, patch_size):
    rows, _ = _divides(images, patch_size)
    channels = images.shape[-1]
    x = ops.reshape(images, (-1, rows, patch_size, rows, patch_size, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, rows * rows, patch_size**2 * channels))


# %% wrong="patches_left_square" exercise="patchify" check="values"
# The patches are cut rightly and not flattened: a token is one axis of P·P·C numbers.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    x = ops.reshape(
        images, (-1, rows, patch_size, columns, patch_size, images.shape[-1])
    )
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(
        x, (-1, rows * columns, patch_size, patch_size, images.shape[-1])
    )


# %% wrong="grid_left_standing" exercise="patchify" check="values"
# The patches still stand in their grid. A Transformer reads a row of N tokens: rows and
# columns of the grid become one axis.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    x = ops.reshape(
        images, (-1, rows, patch_size, columns, patch_size, images.shape[-1])
    )
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, rows, columns, patch_size**2 * images.shape[-1]))


# %% wrong="only_the_first_channel" exercise="patchify" check="values"
# Only the first channel was cut; the colours are gone. A token has P·P·C numbers.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    x = ops.reshape(images[..., 0], (-1, rows, patch_size, columns, patch_size))
    x = ops.transpose(x, (0, 1, 3, 2, 4))
    return ops.reshape(x, (-1, rows * columns, patch_size**2))


# %% wrong="batch_size_fixed" exercise="patchify" check="traced"
# The batch size was read from `images.shape[0]`, which is None while a model is traced.
# Put -1 in its place, or ask `ops.shape(images)[0]`.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    x = ops.reshape(
        images,
        (int(images.shape[0]), rows, patch_size, columns, patch_size, images.shape[-1]),
    )
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, rows * columns, patch_size**2 * images.shape[-1]))


# %% wrong="numpy_in_the_graph" exercise="patchify" check="traced"
# NumPy works on real numbers only; while a model is traced there are none. Use
# `keras.ops`.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    x = np.reshape(
        np.array(images), (-1, rows, patch_size, columns, patch_size, images.shape[-1])
    )
    x = np.transpose(x, (0, 1, 3, 2, 4, 5))
    return x.reshape((-1, rows * columns, patch_size**2 * images.shape[-1]))


# %% wrong="rim_cut_off" exercise="patchify" check="error"
# What does not fit is silently cut off. A ValueError that names the sizes saves hours
# of search.
def patchify(images, patch_size):
    rows, columns = (n // patch_size for n in images.shape[1:3])
    images = images[:, : rows * patch_size, : columns * patch_size]
    x = ops.reshape(
        images, (-1, rows, patch_size, columns, patch_size, images.shape[-1])
    )
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, rows * columns, patch_size**2 * images.shape[-1]))


# %% wrong="only_the_height_checked" exercise="patchify" check="error"
# The height is checked and the width is not. Both must be divided by P.
def patchify(images, patch_size):
    rows, columns = (n // patch_size for n in images.shape[1:3])
    if images.shape[1] % patch_size:
        raise ValueError(f"{patch_size} does not divide {images.shape[1]}.")
    images = images[:, :, : columns * patch_size]
    x = ops.reshape(
        images, (-1, rows, patch_size, columns, patch_size, images.shape[-1])
    )
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, rows * columns, patch_size**2 * images.shape[-1]))


# %% wrong="only_the_area_checked" exercise="patchify" check="error"
# The number of pixels is checked, and that is not enough: 6 × 8 pixels are three times
# 4 × 4, and still cannot be cut into squares of 4. Check both sides.
def patchify(images, patch_size):
    height, width, channels = images.shape[1:]
    if height * width % patch_size**2:
        raise ValueError(f"{height} x {width} is no multiple of {patch_size}².")
    rows, columns = height // patch_size, width // patch_size
    x = ops.reshape(images, (-1, rows, patch_size, columns, patch_size, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, rows * columns, patch_size**2 * channels))


# %% wrong="error_without_sizes" exercise="patchify" check="error"
# The ValueError does not say which sizes were involved. Name the patch size and the
# sides of the image.
def patchify(images, patch_size):
    rows, columns = (n // patch_size for n in images.shape[1:3])
    if images.shape[1] % patch_size or images.shape[2] % patch_size:
        raise ValueError("The patch size must divide the image.")
    x = ops.reshape(
        images, (-1, rows, patch_size, columns, patch_size, images.shape[-1])
    )
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, rows * columns, patch_size**2 * images.shape[-1]))


# %% wrong="asserted_instead_of_raised" exercise="patchify" check="error"
# An assertion is for the programmer and vanishes with `python -O`. What a caller got
# wrong is a ValueError.
def patchify(images, patch_size):
    rows, columns = (n // patch_size for n in images.shape[1:3])
    assert images.shape[1] % patch_size == 0, (images.shape, patch_size)
    assert images.shape[2] % patch_size == 0, (images.shape, patch_size)
    x = ops.reshape(
        images, (-1, rows, patch_size, columns, patch_size, images.shape[-1])
    )
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, rows * columns, patch_size**2 * images.shape[-1]))


# %% wrong="class_token_last" exercise="patch_embedder" check="class_token"
# The class token stands behind the patches. It comes first, and the classifier reads
# row 0.
class PatchEmbedder(_Patches):
    def join(self, tokens):
        return ops.concatenate([tokens, self.spread(tokens)], axis=1)


# %% wrong="class_token_missing" exercise="patch_embedder" check="class_token"
# The class token was made and never put in front of the patches: N tokens come out, and
# N + 1 are asked.
class PatchEmbedder(_Patches):
    def join(self, tokens):
        return tokens

    def place(self, tokens):
        return tokens + self.position_embedding[:, 1:]


# %% wrong="class_token_added_to_all" exercise="patch_embedder" check="class_token"
# The class token was added to every patch. It is a token of its own, put in front:
# concatenate along the axis of tokens.
class PatchEmbedder(_Patches):
    def join(self, tokens):
        first = ops.zeros_like(tokens[:, :1])
        return ops.concatenate([first, tokens], axis=1) + self.class_token


# %% wrong="class_token_is_the_mean" exercise="patch_embedder" check="class_token"
# The class token is the mean of the patches. It should be a learned weight that does
# not depend on the image.
class PatchEmbedder(_Patches):
    def spread(self, tokens):
        return ops.mean(tokens, axis=1, keepdims=True) + 0.0 * self.class_token


# %% wrong="class_token_for_first_image_only" exercise="patch_embedder" check="class_token"
# Only the first image of the batch got the class token, the others got zeros. Spread it
# over the whole batch.
class PatchEmbedder(_Patches):
    def spread(self, tokens):
        first = ops.zeros_like(tokens[:, :1])
        keep = ops.cast(ops.arange(ops.shape(tokens)[0]) == 0, tokens.dtype)
        return first + self.class_token * keep[:, None, None]


# %% wrong="positions_on_patches_only" exercise="patch_embedder" check="positions"
# The positions were added before the class token joined, so the class token has none.
# Concatenate first, then add: there are N + 1 positions.
class PatchEmbedder(_Patches):
    def call(self, images):
        tokens = self.project(images) + self.position_embedding[:, 1:]
        return self.join(tokens)


# %% wrong="positions_forgotten" exercise="patch_embedder" check="positions"
# The position embedding was made and never added.
class PatchEmbedder(_Patches):
    def place(self, tokens):
        return tokens


# %% wrong="positions_multiplied" exercise="patch_embedder" check="positions"
# The positions were multiplied with the tokens. They are added.
class PatchEmbedder(_Patches):
    def place(self, tokens):
        return tokens * self.position_embedding


# %% wrong="positions_off_by_one" exercise="patch_embedder" check="positions"
# Every token has its neighbour's position. Row 0 of the position embedding belongs to
# the class token, row 1 to the first patch.
class PatchEmbedder(_Patches):
    def place(self, tokens):
        return tokens + ops.roll(self.position_embedding, 1, axis=1)


# %% wrong="one_position_for_all_patches" exercise="patch_embedder" check="positions"
# All patches get the same position. Each of the N + 1 tokens has a row of its own.
class PatchEmbedder(_Patches):
    def place(self, tokens):
        rest = 0.0 * self.position_embedding[:, 1:] + self.position_embedding[:, 1:2]
        own = ops.concatenate([self.position_embedding[:, :1], rest], axis=1)
        return tokens + own


# %% wrong="positions_scaled" exercise="patch_embedder" check="positions"
# The tokens were scaled by the root of D before the positions were added. That belongs
# to word embeddings of the 2017 paper, not to ViT.
class PatchEmbedder(_Patches):
    def place(self, tokens):
        return tokens * self.embed_dim**0.5 + self.position_embedding


# %% wrong="activation_in_projection" exercise="patch_embedder" check="patches"
# The projection has an activation. It is linear: a matrix and a bias.
class PatchEmbedder(_Patches):
    def make_projection(self):
        return keras.layers.Dense(
            self.embed_dim, activation="relu", dtype=self.dtype_policy
        )


# %% wrong="projection_without_bias" exercise="patch_embedder" check="build"
# The projection has no bias, and one is asked.
class PatchEmbedder(_Patches):
    def make_projection(self):
        return keras.layers.Dense(
            self.embed_dim, use_bias=False, dtype=self.dtype_policy
        )


# %% wrong="convolution_with_stride_one" exercise="patch_embedder" check="patches"
# The convolution steps by one pixel, so its windows overlap. With `strides=patch_size`
# it cuts patches.
class PatchEmbedder(_Patches):
    def make_projection(self):
        return keras.layers.Conv2D(
            self.embed_dim, self.patch_size, dtype=self.dtype_policy
        )

    def project(self, images):
        rows, columns = (n // self.patch_size for n in images.shape[1:3])
        seen = self.projection(images)[:, :rows, :columns]
        return ops.reshape(seen, (-1, rows * columns, self.embed_dim))


# %% wrong="convolution_flattened_wrongly" exercise="patch_embedder" check="patches"
# The grid of the convolution was flattened column by column. Transposing rows and
# columns changes the order of the tokens.
class PatchEmbedder(_Patches):
    def make_projection(self):
        return keras.layers.Conv2D(
            self.embed_dim,
            self.patch_size,
            strides=self.patch_size,
            dtype=self.dtype_policy,
        )

    def project(self, images):
        seen = ops.transpose(self.projection(images), (0, 2, 1, 3))
        return ops.reshape(seen, (-1, seen.shape[1] * seen.shape[2], self.embed_dim))


# %% wrong="patches_reshaped_only" exercise="patch_embedder" check="patches"
# The patches were cut by one reshape, which takes stretches of pixel rows and no
# squares. Use your `patchify`.
class PatchEmbedder(_Patches):
    def project(self, images):
        tokens = self.position_embedding.shape[1] - 1
        pixels = self.patch_size**2 * images.shape[-1]
        return self.projection(ops.reshape(images, (-1, tokens, pixels)))


# %% wrong="tokens_normalised" exercise="patch_embedder" check="patches"
# The tokens were normalised. The blocks behind do that themselves; the embedder only
# projects, joins and adds.
class PatchEmbedder(_Patches):
    def project(self, images):
        tokens = super().project(images)
        centred = tokens - ops.mean(tokens, axis=-1, keepdims=True)
        return centred / (ops.std(tokens, axis=-1, keepdims=True) + 1e-6)


# %% wrong="pixels_scaled_again" exercise="patch_embedder" check="patches"
# The layer divides the pixels by 255. Scaling belongs in front of the model: the layer
# takes the images as they are.
class PatchEmbedder(_Patches):
    def project(self, images):
        return super().project(images / 255.0)


# %% wrong="class_token_fixed" exercise="patch_embedder" check="build"
# The class token is not trainable. It is a weight that learns like any other.
class PatchEmbedder(_Patches):
    def make_weights(self, tokens):
        super().make_weights(tokens)
        self.class_token = self.add_weight(
            shape=(1, 1, self.embed_dim), name="cls2", trainable=False
        )


# %% wrong="class_token_is_no_weight" exercise="patch_embedder" check="build"
# The class token is a plain tensor. Only what `add_weight` makes is trained, saved and
# counted.
class PatchEmbedder(_Patches):
    def make_weights(self, tokens):
        super().make_weights(tokens)
        self.class_token = ops.zeros((1, 1, self.embed_dim))


# %% wrong="positions_without_class_token" exercise="patch_embedder" check="build"
# The position embedding has N rows. There are N + 1 tokens: the class token needs one
# too.
class PatchEmbedder(_Patches):
    def make_weights(self, tokens):
        self.class_token = self.add_weight(shape=(1, 1, self.embed_dim), name="cls")
        self.position_embedding = self.add_weight(
            shape=(1, tokens, self.embed_dim), name="positions"
        )

    def call(self, images):
        return self.join(self.project(images) + self.position_embedding)


# %% wrong="positions_in_an_embedding_layer" exercise="patch_embedder" check="build"
# The positions sit in an `Embedding` sublayer. Asked is a weight `position_embedding`
# of shape (1, N+1, D), made by `add_weight`.
class PatchEmbedder(_Patches):
    def make_weights(self, tokens):
        self.class_token = self.add_weight(shape=(1, 1, self.embed_dim), name="cls")
        self.position_embedding = keras.layers.Embedding(
            tokens + 1, self.embed_dim, dtype=self.dtype_policy
        )
        self.position_embedding.build(None)

    def place(self, tokens):
        return tokens + self.position_embedding(ops.arange(tokens.shape[1]))


# %% wrong="sinusoids_instead_of_learned" exercise="patch_embedder" check="build"
# The positions are fixed, as sines are: `trainable=False`. ViT learns them.
class PatchEmbedder(_Patches):
    def make_weights(self, tokens):
        self.class_token = self.add_weight(shape=(1, 1, self.embed_dim), name="cls")
        columns = np.arange(self.embed_dim)
        angles = np.arange(tokens + 1)[:, None] / 10000.0 ** (
            2 * (columns // 2) / self.embed_dim
        )
        table = np.where(columns % 2 == 0, np.sin(angles), np.cos(angles))[None]
        self.position_embedding = self.add_weight(
            shape=table.shape,
            trainable=False,
            name="positions",
            initializer=lambda shape, dtype=None: ops.cast(table, dtype),
        )


# %% wrong="weights_made_in_call" exercise="patch_embedder" check="build"
# The class token and the positions are made in `call`, so `build` alone does not make
# them. The given `build` does it: leave it as it is.
class PatchEmbedder(_Patches):
    def make_weights(self, tokens):
        pass

    def call(self, images):
        if not hasattr(self, "class_token"):
            rows, columns = (n // self.patch_size for n in images.shape[1:3])
            self._tracker.unlock()
            _Patches.make_weights(self, rows * columns)
            self._tracker.lock()
        return super().call(images)


# %% wrong="batch_of_the_first_call" exercise="patch_embedder" check="shapes"
# The batch size was read from the shape and is None while a model is traced. Ask
# `ops.shape(images)[0]`.
class PatchEmbedder(_Patches):
    def spread(self, tokens):
        return ops.concatenate([self.class_token] * int(tokens.shape[0]), axis=0)


# %% wrong="class_token_not_spread" exercise="patch_embedder" check="constructor"
# The class token has a batch of one and cannot be concatenated with a batch of images.
# Spread it with `ops.broadcast_to`.
class PatchEmbedder(_Patches):
    def spread(self, tokens):
        return self.class_token


# %% wrong="gradient_stopped_at_class_token" exercise="patch_embedder" check="gradients"
# No gradient reaches the class token: `stop_gradient` cuts it off, and it never learns.
class PatchEmbedder(_Patches):
    def spread(self, tokens):
        return ops.stop_gradient(super().spread(tokens))


# %% wrong="name_and_dtype_refused" exercise="patch_embedder" check="constructor"
# The constructor does not take `name` and `dtype`. Take `**kwargs` and hand them to
# `super().__init__`.
class PatchEmbedder(_Patches):
    def __init__(self, patch_size, embed_dim):
        super().__init__(patch_size, embed_dim)


# %% wrong="name_and_dtype_dropped" exercise="patch_embedder" check="constructor"
# `**kwargs` are taken and never handed on: the layer's name and dtype are lost. Call
# `super().__init__(**kwargs)`.
class PatchEmbedder(_Patches):
    def __init__(self, patch_size, embed_dim, **kwargs):
        super().__init__(patch_size, embed_dim)


# %% wrong="projection_off_the_policy" exercise="patch_embedder" check="precision"
# The projection does not follow the layer's dtype policy. Hand it on:
# `dtype=self.dtype_policy`.
class PatchEmbedder(_Patches):
    def make_projection(self):
        return keras.layers.Dense(self.embed_dim)


# %% wrong="output_cast_to_float32" exercise="patch_embedder" check="precision"
# The output is cast to float32. Under mixed precision it stays in the compute dtype.
class PatchEmbedder(_Patches):
    def call(self, images):
        return ops.cast(super().call(images), "float32")


# %% wrong="config_forgets_embed_dim" exercise="patch_embedder" check="config"
# `get_config` leaves out `embed_dim`, so the layer cannot be made anew.
class PatchEmbedder(_Patches):
    def get_config(self):
        config = super().get_config()
        del config["embed_dim"]
        return config


# %% wrong="config_without_parent" exercise="patch_embedder" check="config"
# `get_config` returns only your own arguments. The parent's, name and dtype, belong to
# it: `{**super().get_config(), …}`.
class PatchEmbedder(_Patches):
    def get_config(self):
        return {"patch_size": self.patch_size, "embed_dim": self.embed_dim}


# %% wrong="config_swaps_the_arguments" exercise="patch_embedder" check="config"
# `get_config` has swapped patch size and embedding dimension.
class PatchEmbedder(_Patches):
    def get_config(self):
        swapped = {"patch_size": self.embed_dim, "embed_dim": self.patch_size}
        return {**super().get_config(), **swapped}


# %% wrong="padding_forgotten" exercise="soft_split" check="values"
# The image was not padded. `padding` rows and columns of zeros belong on each side.
def soft_split(images, kernel_size, stride, padding):
    return _flat(_windows(images, kernel_size, stride, 0))


# %% wrong="padded_on_one_side" exercise="soft_split" check="values"
# The zeros were put on one side only. They go on all four: `padding` rows above and
# below, `padding` columns left and right.
def soft_split(images, kernel_size, stride, padding):
    sides = ((0, 0), (0, 2 * padding), (0, 2 * padding), (0, 0))
    return _flat(_windows(ops.pad(images, sides), kernel_size, stride, 0))


# %% wrong="half_of_the_padding" exercise="soft_split" check="values"
# Only `padding` rows were added in all, half on each side. It is `padding` on each
# side.
def soft_split(images, kernel_size, stride, padding):
    before = padding // 2
    sides = ((0, 0), (before, padding - before), (before, padding - before), (0, 0))
    return _flat(_windows(ops.pad(images, sides), kernel_size, stride, 0))


# %% wrong="mirrored_at_the_rim" exercise="soft_split" check="values"
# The rim was padded with mirrored pixels. It is padded with zeros.
def soft_split(images, kernel_size, stride, padding):
    return _flat(_windows(images, kernel_size, stride, padding, mode="reflect"))


# %% wrong="rim_repeated" exercise="soft_split" check="values"
# The rim was padded with its own last pixels. It is padded with zeros.
def soft_split(images, kernel_size, stride, padding):
    before = after = padding
    left = ops.concatenate([images[:, :, :1]] * before + [images], axis=2)
    wide = ops.concatenate([left] + [images[:, :, -1:]] * after, axis=2)
    tall = ops.concatenate(
        [wide[:, :1]] * before + [wide] + [wide[:, -1:]] * after, axis=1
    )
    return _flat(_windows(tall, kernel_size, stride, 0))


# %% wrong="padding_mode_same" exercise="soft_split" check="floor"
# TensorFlow's “same” padding decides for itself how many zeros go where. Pad by hand,
# then take only windows that fit.
def soft_split(images, kernel_size, stride, padding):
    seen = ops.image.extract_patches(
        images, (kernel_size, kernel_size), (stride, stride), padding="same"
    )
    return ops.reshape(seen, (-1, seen.shape[1] * seen.shape[2], seen.shape[3]))


# %% wrong="rounded_up" exercise="soft_split" check="floor"
# A last window that sticks out was filled up with zeros: that rounds up. The formula
# has a floor, so it is left out.
def soft_split(images, kernel_size, stride, padding):
    sides = [
        (padding, padding + -(n + 2 * padding - kernel_size) % stride)
        for n in images.shape[1:3]
    ]
    padded = ops.pad(images, ((0, 0), *sides, (0, 0)))
    return _flat(_windows(padded, kernel_size, stride, 0))


# %% wrong="one_window_short" exercise="soft_split" check="values"
# The last window of each row and column is missing: it is floor((S + 2p − k) / s) **+
# 1**.
def soft_split(images, kernel_size, stride, padding):
    return _flat(_windows(images, kernel_size, stride, padding)[:, :-1, :-1])


# %% wrong="windows_do_not_overlap" exercise="soft_split" check="values"
# The windows step by `kernel_size`, so they do not overlap. They step by `stride`.
def soft_split(images, kernel_size, stride, padding):
    return _flat(_windows(images, kernel_size, kernel_size, padding))


# %% wrong="kernel_and_stride_swapped" exercise="soft_split" check="values"
# Kernel size and stride have changed places.
def soft_split(images, kernel_size, stride, padding):
    return _flat(_windows(images, stride, kernel_size, padding))


# %% wrong="stride_one" exercise="soft_split" check="values"
# The windows step by one pixel. They step by `stride`.
def soft_split(images, kernel_size, stride, padding):
    return _flat(_windows(images, kernel_size, 1, padding))


# %% wrong="channels_before_pixels" exercise="soft_split" check="values"
# Each window lists all of one channel before the next, as `torch.nn.Unfold` does.
# Flatten by row, column, channel.
def soft_split(images, kernel_size, stride, padding):
    windows = _windows(images, kernel_size, stride, padding)
    return _flat(ops.transpose(windows, (0, 1, 2, 5, 3, 4)))


# %% wrong="windows_column_by_column" exercise="soft_split" check="values"
# The windows come column by column. They come row by row, as patches do.
def soft_split(images, kernel_size, stride, padding):
    windows = _windows(images, kernel_size, stride, padding)
    return _flat(ops.transpose(windows, (0, 2, 1, 3, 4, 5)))


# %% wrong="pixels_of_window_transposed" exercise="soft_split" check="values"
# Inside a window, columns come before rows. Flatten by row, column, channel.
def soft_split(images, kernel_size, stride, padding):
    windows = _windows(images, kernel_size, stride, padding)
    return _flat(ops.transpose(windows, (0, 1, 2, 4, 3, 5)))


# %% wrong="windows_averaged" exercise="soft_split" check="values"
# Each window was averaged to one pixel. A token keeps all k·k·C numbers of its window.
def soft_split(images, kernel_size, stride, padding):
    windows = ops.mean(_windows(images, kernel_size, stride, padding), axis=(3, 4))
    rows, columns, channels = windows.shape[1:]
    return ops.reshape(windows, (-1, rows * columns, channels))


# %% wrong="grid_kept" exercise="soft_split" check="values"
# The windows still stand in their grid (B, rows, columns, …). Tokens are one axis: rows
# · columns of them.
def soft_split(images, kernel_size, stride, padding):
    windows = _windows(images, kernel_size, stride, padding)
    rows, columns, high, wide, channels = windows.shape[1:]
    return ops.reshape(windows, (-1, rows, columns, high * wide * channels))


# %% wrong="square_grid_assumed" exercise="soft_split" check="values"
# The number of columns was taken from the height. Images need not be square.
def soft_split(images, kernel_size, stride, padding):
    windows = _windows(images, kernel_size, stride, padding)
    side = min(windows.shape[1], windows.shape[2])
    return _flat(windows[:, :side, :side])


# %% wrong="channels_padded_too" exercise="soft_split" check="values"
# The padding went to the channels as well. It belongs on height and width only: `((0,
# 0), (p, p), (p, p), (0, 0))`.
def soft_split(images, kernel_size, stride, padding):
    both = (padding, padding)
    padded = ops.pad(images, ((0, 0), both, both, both))
    return _flat(_windows(padded, kernel_size, stride, 0))


# %% wrong="unfolded_by_batch" exercise="soft_split" check="traced"
# The batch size is taken as a number and is unknown while a model is traced. Let -1
# stand for it, and do not loop over images.
def soft_split(images, kernel_size, stride, padding):
    return ops.concatenate(
        [
            _flat(_windows(images[i : i + 1], kernel_size, stride, padding))
            for i in range(images.shape[0])
        ],
        axis=0,
    )


# %% right="einops_style" exercise="patchify"
# Axis by axis, with named sizes.
def patchify(images, patch_size):
    _, h, w, c = images.shape
    p = patch_size
    for side in (h, w):
        if side % p != 0:
            raise ValueError(f"patch_size={p} must divide height={h} and width={w}")
    batch = ops.shape(images)[0]
    x = ops.reshape(images, [batch, h // p, p, w // p, p, c])
    x = ops.moveaxis(x, 2, 3)
    return ops.reshape(x, [batch, (h // p) * (w // p), p * p * c])


# %% right="extract_patches" exercise="patchify"
# Keras' own window function does the cutting.
def patchify(images, patch_size):
    rows, columns = _divides(images, patch_size)
    seen = ops.image.extract_patches(images, patch_size, padding="valid")
    return ops.reshape(seen, (-1, rows * columns, seen.shape[-1]))


# %% right="a_loop_of_slices" exercise="patchify"
# Slow and right.
def patchify(images, patch_size):
    height, width = images.shape[1], images.shape[2]
    if height % patch_size:
        raise ValueError(f"height {height} is no multiple of {patch_size}")
    if width % patch_size:
        raise ValueError(f"width {width} is no multiple of {patch_size}")
    patches = []
    for top in range(0, height, patch_size):
        for left in range(0, width, patch_size):
            cut = images[:, top : top + patch_size, left : left + patch_size, :]
            size = patch_size * patch_size * images.shape[-1]
            patches.append(ops.reshape(cut, (-1, size)))
    return ops.stack(patches, axis=1)


# %% right="convolution" exercise="patch_embedder"
# A convolution with kernel = stride = patch.
@keras.saving.register_keras_serializable(package="transformers_course")
class PatchEmbedder(keras.layers.Layer):
    def __init__(self, patch_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = patch_size
        self.embed_dim = embed_dim
        self.projection = keras.layers.Conv2D(
            embed_dim,
            kernel_size=patch_size,
            strides=patch_size,
            padding="valid",
            dtype=self.dtype_policy,
        )

    def build(self, images_shape):
        _, height, width, _ = images_shape
        tokens = (height // self.patch_size) * (width // self.patch_size)
        self.projection.build(images_shape)
        self.class_token = self.add_weight(
            shape=(1, 1, self.embed_dim), initializer="zeros", name="class_token"
        )
        self.position_embedding = self.add_weight(
            shape=(1, tokens + 1, self.embed_dim),
            initializer="random_normal",
            name="position_embedding",
        )
        self.built = True

    def call(self, images):
        grid = self.projection(images)
        tokens = ops.reshape(grid, (ops.shape(grid)[0], -1, self.embed_dim))
        token = ops.tile(self.class_token, (ops.shape(grid)[0], 1, 1))
        return ops.concatenate((token, tokens), axis=1) + self.position_embedding

    def get_config(self):
        config = super().get_config()
        config.update(patch_size=self.patch_size, embed_dim=self.embed_dim)
        return config


# %% right="weights_in_build_by_parts" exercise="patch_embedder"
# Everything made in `build`, Keras' own config.
@keras.saving.register_keras_serializable(package="transformers_course")
class PatchEmbedder(keras.layers.Layer):
    def __init__(self, patch_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.patch_size, self.embed_dim = patch_size, embed_dim

    def build(self, images_shape):
        height, width, channels = images_shape[1:]
        count = height * width // self.patch_size**2
        self.projection = keras.layers.Dense(self.embed_dim, dtype=self.dtype_policy)
        self.projection.build((None, count, self.patch_size**2 * channels))
        self.class_token = self.add_weight(shape=(1, 1, self.embed_dim))
        self.position_embedding = self.add_weight(
            shape=(1, count + 1, self.embed_dim), initializer="glorot_uniform"
        )

    def call(self, images):
        patches = self.projection(patchify(images, self.patch_size))
        first = self.class_token + ops.zeros_like(patches[:, :1])
        positions = ops.convert_to_tensor(self.position_embedding)
        return ops.concatenate(
            [first + positions[:, :1], patches + positions[:, 1:]], axis=1
        )


# %% right="from_shared_parts" exercise="patch_embedder"
# The class token repeated over the batch.
class PatchEmbedder(_Patches):
    pass


# %% right="token_by_padding" exercise="patch_embedder"
# A row of zeros in front, to which the class token is added.
class PatchEmbedder(_Patches):
    def join(self, tokens):
        padded = ops.pad(tokens, ((0, 0), (1, 0), (0, 0)))
        count = self.position_embedding.shape[1]
        first = ops.cast(ops.arange(count) == 0, tokens.dtype)[None, :, None]
        return padded + first * self.class_token


# %% right="extract_patches_after_pad" exercise="soft_split"
# Pad by hand, then Keras' windows that fit.
def soft_split(images, kernel_size, stride, padding):
    images = ops.pad(images, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    out = ops.image.extract_patches(
        images, (kernel_size, kernel_size), strides=(stride, stride), padding="valid"
    )
    return ops.reshape(out, (-1, out.shape[1] * out.shape[2], out.shape[3]))


# %% right="gathered" exercise="soft_split"
# Rows and columns gathered by index.
def soft_split(images, kernel_size, stride, padding):
    return _flat(_windows(images, kernel_size, stride, padding))


# %% right="a_convolution_of_ones" exercise="soft_split"
# A convolution whose kernel picks one pixel each.
def soft_split(images, kernel_size, stride, padding):
    channels = images.shape[-1]
    size = kernel_size * kernel_size * channels
    kernel = ops.reshape(ops.eye(size), (kernel_size, kernel_size, channels, size))
    padded = ops.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    seen = ops.conv(padded, ops.cast(kernel, images.dtype), strides=stride)
    return ops.reshape(seen, (-1, seen.shape[1] * seen.shape[2], size))
