# %% [markdown]
# # NEW_TITLE
#
# *about 30 minutes · runs on a laptop or a free Colab GPU*
#
# This notebook is a working example to change into your own: a function, a small layer made of
# it, a picture, a question. The exercise is a real one. Between the blocks of a Transformer
# its vectors are brought back to one size, or the numbers would grow from block to block.
#
# **When you are done, you can**
#
# 1. scale vectors by their root mean square,
# 2. make a Keras layer of it, with one learned weight per feature.
#
# Fill the cells that raise `NotImplementedError`, run them, then run the `check(...)`
# below. `hint("NEW_NAME_function")` gives a hint.

# %% role="given"
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

from autograder import check, hint

keras.utils.set_random_seed(2019)

# %% [markdown]
# ## 1. One size for all vectors
#
# The root mean square of a vector is the typical size of its numbers:
#
# $$\mathrm{rms}(x) = \sqrt{\frac{1}{D}\sum_i x_i^2 + \epsilon}$$
#
# Divided by it, a vector keeps its direction, and its numbers are about 1 in size. The small
# $\epsilon$ keeps a vector of zeros from being divided by zero.
#
# ### Exercise 1 · `rms_norm` · ●○○○ · 10 minutes


# %% exercise="NEW_NAME_function"
def rms_norm(x, epsilon=1e-6):
    """Divides each vector by the root mean square of its numbers.

    See "Root mean square layer normalization" (Zhang and Sennrich, 2019, arXiv
    1910.07467), equation 4.

    Args:
        x: float tensor of shape `(..., D)`.
        epsilon: small number, added to the mean of the squares.

    Returns:
        Tensor of the same shape.
    """
    # BEGIN SOLUTION
    mean_square = ops.mean(ops.square(x), axis=-1, keepdims=True)  # (..., 1)
    return x / ops.sqrt(mean_square + epsilon)  # (..., D)
    # END SOLUTION


# %% check="NEW_NAME_function"
check("NEW_NAME_function", rms_norm)

# %% [markdown]
# Vectors in the plane, before and after: all of them land on one circle.

# %%
points = np.random.RandomState(0).normal(size=(60, 2)).astype("float32") * [1.5, 1.0]
normed = ops.convert_to_numpy(rms_norm(points))
figure, axis = plt.subplots(figsize=(4, 4))
axis.plot(*np.stack([points, normed]).transpose(2, 0, 1), color="#d5d8dc", lw=0.7)
axis.scatter(*points.T, s=14, color="#8a8f98", label="before")
axis.scatter(*normed.T, s=14, color="#2b6cb0", label="after")
axis.set(aspect="equal", title="Same direction, one size")
axis.legend(frameon=False, loc="upper right")
figure.tight_layout()
plt.show()

# %% [markdown]
# ## 2. The layer
#
# One size for all is too strict: after dividing, each feature is multiplied by a weight of its
# own, `scale`, which starts at 1 and is learned.
#
# ### Exercise 2 · `RMSNorm` · ●●○○ · 15 minutes
#
# Write `__init__`, `call` and `get_config`; `build` is given.


# %% exercise="NEW_NAME_layer"
@keras.saving.register_keras_serializable(package="transformers_course")
class RMSNorm(keras.layers.Layer):
    """Divides vectors by their root mean square, and scales each feature.

    Args:
        epsilon: small number, added to the mean of the squares.
        **kwargs: `name` and `dtype`, as every Keras layer takes them.

    Call arguments:
        x: float tensor of shape `(..., D)`.

    Returns:
        Tensor of the same shape.
    """

    def __init__(self, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        # BEGIN SOLUTION
        self.epsilon = epsilon
        # END SOLUTION

    def build(self, x_shape):
        self.scale = self.add_weight(
            shape=(x_shape[-1],), initializer="ones", name="scale"
        )
        self.built = True

    def call(self, x):
        # BEGIN SOLUTION
        return rms_norm(x, self.epsilon) * self.scale  # (..., D)
        # END SOLUTION

    def get_config(self):
        # BEGIN SOLUTION
        return {**super().get_config(), "epsilon": self.epsilon}
        # END SOLUTION


# %% check="NEW_NAME_layer"
check("NEW_NAME_layer", RMSNorm)

# %% [markdown]
# ## 3. In your own words
#
# ### Exercise 3 · ●○○○ · 5 minutes
#
# **Layer normalization also subtracts the mean; this layer does not. What is kept, and
# what is saved?** Two to four sentences. A person reads this.

# %% [markdown] manual="explain_NEW_NAME"
# BEGIN SOLUTION
# What trained models need is that the vectors' size stays the same from block to block, and
# that is kept. The mean is left in, which the next layer's weights can take out themselves. One
# pass over the numbers is saved, and one weight per feature, the bias.
# END SOLUTION
