# %% [markdown]
# Implementations that are wrong in one way each, and right ones in other styles. A cell
# runs after the reference notebook's cells, and redefines one object. The comment at its
# top is the hint that a student gets; the marker names the check that the mistake must
# lose. A mistake that loses nothing, or a right one that does, fails the tests.

# %% wrong="mean_subtracted" exercise="NEW_NAME_function" check="values"
# The mean is subtracted first: that is layer normalization. Here a vector keeps its
# direction and is divided by its size alone.
def rms_norm(x, epsilon=1e-6):
    centered = x - ops.mean(x, axis=-1, keepdims=True)
    mean_square = ops.mean(ops.square(centered), axis=-1, keepdims=True)
    return centered / ops.sqrt(mean_square + epsilon)


# %% wrong="scale_added" exercise="NEW_NAME_layer" check="values"
# The weight `scale` is added to the features. It should multiply them, so that it can
# make a feature more or less important.
class RMSNorm(RMSNorm):
    def call(self, x):
        return rms_norm(x, self.epsilon) + self.scale


# %% right="as_a_power" exercise="NEW_NAME_function"
def rms_norm(x, epsilon=1e-6):
    squares = ops.sum(x * x, axis=-1, keepdims=True) / x.shape[-1]
    return x * (squares + epsilon) ** -0.5


# %% right="layer_by_itself" exercise="NEW_NAME_layer"
@keras.saving.register_keras_serializable(package="transformers_course")
class RMSNorm(keras.layers.Layer):
    def __init__(self, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, x_shape):
        self.scale = self.add_weight(shape=(x_shape[-1],), initializer="ones")

    def call(self, x):
        size = ops.sqrt(ops.mean(x**2, axis=-1, keepdims=True) + self.epsilon)
        return ops.multiply(self.scale, x / size)

    def get_config(self):
        config = super().get_config()
        config["epsilon"] = self.epsilon
        return config
