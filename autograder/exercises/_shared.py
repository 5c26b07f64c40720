"""What several assignments ask alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from autograder.exercise import Check, Probe

# `autograder.given` gives the layers of an assignment to those that follow it.
READY_MADE_ATTENTION = (
    "autograder.given.MultiHeadAttention",
    "keras.layers.Attention",
    "keras.layers.AdditiveAttention",
    "keras.layers.MultiHeadAttention",
    "keras.layers.GroupQueryAttention",
    "keras.layers.GroupedQueryAttention",
    "keras.ops.dot_product_attention",
    "keras_hub.layers.CachedMultiHeadAttention",
    "keras_hub.layers.TransformerEncoder",
    "keras_hub.layers.TransformerDecoder",
    "tensorflow_addons.layers.MultiHeadAttention",
    "torch.nn.MultiheadAttention",
    "torch.nn.functional.scaled_dot_product_attention",
    "torch.nn.functional.multi_head_attention_forward",
    "jax.nn.dot_product_attention",
    "flax.linen.MultiHeadDotProductAttention",
    "flax.nnx.MultiHeadAttention",
)
READY_MADE_PATCHES = (
    "keras_hub.layers.ViTPatchingAndEmbedding",
    "keras_hub.layers.PatchingAndEmbedding",
    "keras_hub.layers.PatchEmbedding",
)
READY_MADE_POSITIONS = ("keras_hub.layers.SinePositionEncoding",)

# Where all visible scores are near -2000, a mask that fills with -10 or -100, or
# multiplies by zero, lets the hidden keys win; -10000 still hides them. Float32 has
# steps of 1e-4 there, and a key that wins is off by its whole weight.
LOW_SCORE, LOW_TOLERANCE = 2000.0, 2e-3


def attempted(name: str, **spec) -> Check:
    """Is there anything but the starter code? Worth nothing; the others wait for it."""
    probe = Probe(
        "attempted",
        "attempted",
        {"target": name, **spec},
        compare="facts_only",
        facts=("written",),
    )
    return Check("attempted", "attempted", 0.0, (probe,), message="Not written yet.")


def masked_call(args: list[np.ndarray], mask: np.ndarray, **call) -> dict:
    """Returns a call with an attention mask."""
    return {"args": args, "kwargs": {"attention_mask": mask}, **call}


def lasting_checks(probe: Callable, entry: dict, construct: dict) -> tuple[Check, ...]:
    """What a layer must survive unchanged: its config, a file, compilation.

    A weight of another name than asked is no reason to lose these.

    Args:
        probe: makes a probe of the layer from an id, calls, and parts of its spec.
        entry: the call whose results are compared.
        construct: the constructor's arguments, all of which the config must hold.
    """
    named = {**construct, "name": "remembered"}
    remembers = tuple(f"config/{key}" for key in named)

    def same(id: str, action: str, **spec) -> Probe:
        spec = {"weights": {}, "fill": True, **spec}
        return probe(id, entry, action=action, compare="unchanged", **spec)

    return (
        Check(
            "config",
            "made anew from its config",
            0.25,
            (same("config", "config", facts=remembers, construct=named),),
            ("constructor",),
            "`get_config()` must return what the constructor takes.",
        ),
        Check(
            "reload",
            "saved and loaded",
            0.25,
            (same("reload", "reload"),),
            ("constructor",),
            "Saved as `.keras` and loaded again, the layer is another one.",
        ),
        Check(
            "compiled",
            "compiled as eager",
            0.25,
            (same("compiled", "compiled"),),
            ("constructor",),
            "Compiled into a graph, the layer gives other numbers.",
        ),
    )
