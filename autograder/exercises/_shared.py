"""What several assignments ask alike."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Check, Probe

READY_MADE_ATTENTION = (
    "keras.layers.Attention",
    "keras.layers.AdditiveAttention",
    "keras.layers.MultiHeadAttention",
    "keras.layers.GroupedQueryAttention",
    "keras.ops.dot_product_attention",
)


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
