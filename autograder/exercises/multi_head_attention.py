"""What is asked of multi-head attention and of the positions it needs.

One head, zero biases, a batch of one, or as many queries as keys hide whole families
of mistakes; so all sizes are distinct, biases random, and masks differ per example.
"""

from __future__ import annotations

from autograder.exercise import Check, Draw, Exercise, Probe
from autograder.exercises._shared import (
    LOW_SCORE,
    LOW_TOLERANCE,
    READY_MADE_ATTENTION,
    READY_MADE_POSITIONS,
    attempted,
    lasting_checks,
    masked_call,
)

PROJECTIONS = ("query", "key", "value", "attention_output")
PATHS = [f"{name}.{part}" for name in PROJECTIONS for part in ("kernel", "bias")]


def exercises(seed: int) -> list[Exercise]:
    """Returns the assignment's exercises in order."""
    return [
        _split_heads(Draw(seed, "split_heads")),
        _merge_heads(Draw(seed, "merge_heads")),
        _multi_head_attention(Draw(seed, "multi_head_attention")),
        _sinusoidal_positions(Draw(seed, "sinusoidal_positions")),
        Exercise("explain_heads", (), "What can several heads do?", manual_points=2.0),
    ]


# --- split_heads, merge_heads -----------------------------------------------------


def _split_heads(draw: Draw) -> Exercise:
    name = "split_heads"

    def probe(id, *calls, action="call", compare="reference", **spec):
        spec = {"target": name, "calls": list(calls), **spec}
        return Probe(id, action, spec, compare)

    batch, heads, size = draw.sizes(3, 2, 5)
    tokens = draw.integer(6, 9)

    def call(b=batch, t=tokens, h=heads, d=size):
        return {"args": [draw.normal(b, t, h * d), h]}

    uneven = {"args": [draw.normal(batch, tokens, heads * size + 1), heads]}
    return Exercise(
        name,
        (name,),
        "Split the features into heads",
        (
            attempted(name, calls=[call()]),
            Check(
                "values",
                "who owns which features",
                1.0,
                (probe("values", call(), call(batch + 1, tokens + 1, size, heads)),),
                ("attempted",),
                "Head h owns the features h·D/H … (h+1)·D/H, for every token.",
            ),
            Check(
                "traced",
                "unknown batch and tokens",
                0.5,
                (
                    probe(
                        "traced",
                        call(),
                        call(batch + 1, tokens + 3),
                        action="symbolic",
                        compare="shapes",
                        unknown={"0": [0, 1]},
                    ),
                ),
                ("attempted",),
                "It must work where batch and token counts are unknown: let one -1 "
                "or `ops.shape` stand for them.",
            ),
            Check(
                "error",
                "sizes that do not divide",
                0.5,
                (
                    probe(
                        "error",
                        uneven,
                        raises="ValueError",
                        names=[heads * size + 1, heads],
                    ),
                ),
                ("attempted",),
                "Where H does not divide D, raise a ValueError that names both.",
            ),
        ),
        hints=(
            "D features are H groups of D/H neighbours: give the last axis two axes, "
            "heads first.",
            "`ops.reshape` only regroups neighbours, it never moves anything. To bring "
            "the heads before the tokens takes `ops.transpose` afterwards.",
        ),
    )


def _merge_heads(draw: Draw) -> Exercise:
    name = "merge_heads"

    def probe(id, *calls, action="call", compare="reference", **spec):
        spec = {"target": name, "calls": list(calls), **spec}
        return Probe(id, action, spec, compare)

    batch, heads, size = draw.sizes(3, 2, 5)
    tokens = draw.integer(6, 9)

    def call(b=batch, h=heads, t=tokens, d=size):
        return {"args": [draw.normal(b, h, t, d)]}

    return Exercise(
        name,
        (name,),
        "Put the heads back together",
        (
            attempted(name, calls=[call()]),
            Check(
                "values",
                "the inverse of split_heads",
                1.0,
                (probe("values", call(), call(batch + 1, size, tokens + 1, heads)),),
                ("attempted",),
                "Each token must get its features back, head after head.",
            ),
            Check(
                "traced",
                "unknown batch and tokens",
                0.5,
                (
                    probe(
                        "traced",
                        call(),
                        call(batch + 1, heads, tokens + 2),
                        action="symbolic",
                        compare="shapes",
                        unknown={"0": [0, 2]},
                    ),
                ),
                ("attempted",),
                "It must work where batch and token counts are unknown.",
            ),
        ),
        hints=("Do what `split_heads` did, backwards: transpose first, then reshape.",),
    )


# --- MultiHeadAttention -----------------------------------------------------------


def _multi_head_attention(draw: Draw) -> Exercise:
    name = "MultiHeadAttention"
    heads, batch = draw.sizes(2, 2, 4)
    size = draw.integer(5, 7)
    units = heads * size
    queries, keys = draw.sizes(2, 5, 8, avoid=[size])
    fq, fv, fk = draw.sizes(3, 8, 14, avoid=[queries, keys, units])
    construct = {"num_heads": heads, "key_dim": size}

    def inputs(b=batch, tq=queries, tk=keys):
        return [draw.normal(b, tq, fq), draw.normal(b, tk, fv), draw.normal(b, tk, fk)]

    def weights(q=fq, k=fk, v=fv):
        sides = {
            "query": (q, units),
            "key": (k, units),
            "value": (v, units),
            "attention_output": (units, q),
        }
        made = {}
        for part, (rows, columns) in sides.items():
            made[f"{part}.kernel"] = draw.normal(rows, columns, scale=1.3 / rows**0.5)
            made[f"{part}.bias"] = draw.normal(columns, scale=0.5)
        return made

    def probe(
        id,
        *calls,
        action="call",
        compare="reference",
        tolerance=None,
        facts=(),
        **spec,
    ):
        spec = {
            "target": name,
            "construct": construct,
            "weights": weights(),
            "calls": list(calls),
            **spec,
        }
        return Probe(id, action, spec, compare, tolerance, facts)

    def masked(b=batch, tq=queries, tk=keys, shape=None, **call):
        mask = draw.mask(*(shape or (b, tq, tk)))
        return masked_call(inputs(b, tq, tk), mask, **call)

    def scored(entry: dict) -> dict:
        flag = {"return_attention_scores": True}
        return entry | {"kwargs": entry.get("kwargs", {}) | flag}

    same = {"args": [draw.normal(batch, queries, fq)]}
    alike = {"args": [draw.normal(batch, n, fq) for n in (queries, keys, keys)]}
    pair = {"args": [draw.normal(batch, queries, fq), draw.normal(batch, keys, fv)]}
    other = masked(batch + 1, keys + 2, queries + 3)
    blind = masked()
    blind["kwargs"]["attention_mask"][0, 1] = False
    low_weights = weights()
    depth = LOW_SCORE**0.5 * size**0.25
    for part, side in (("query", depth), ("key", -depth)):
        low_weights[f"{part}.kernel"][:, ::size] = 0.0
        low_weights[f"{part}.bias"][::size] = side
    every_size = {"0": [0, 1], "1": [0, 1], "2": [0, 1], "attention_mask": [0, 1, 2]}
    shapes = [[None, None, n] for n in (fq, fv, fk)]
    sizes = tuple(f"size/{path}" for path in PATHS)
    trainable = tuple(f"trainable/{path}" for path in PATHS)
    parts = tuple(f"policy/{part}" for part in PROJECTIONS)

    def build(id, count, facts):
        spec = {
            "target": name,
            "construct": construct,
            "build": shapes[:count],
            "paths": PATHS,
        }
        return Probe(id, "weights", spec, facts=facts)

    return Exercise(
        "multi_head_attention",
        (name,),
        "Multi-head attention as a Keras layer",
        (
            attempted(name, construct=construct),
            Check(
                "runs",
                "makes a layer that runs",
                0.25,
                (
                    probe(
                        "runs",
                        alike,
                        compare="numeric",
                        facts=("0/count",),
                        weights={},
                    ),
                ),
                ("attempted",),
                "`MultiHeadAttention(num_heads, key_dim)` must make a layer that takes "
                "query, value and key and returns one output with as many features "
                "as the query.",
            ),
            Check(
                "constructor",
                "constructor, name and dtype",
                0.25,
                (
                    probe(
                        "constructor",
                        alike,
                        action="constructor",
                        compare="numeric",
                        facts=("name", "policy"),
                        construct={
                            **construct,
                            "name": "lecture_heads",
                            "dtype": "float32",
                        },
                        weights={},
                    ),
                ),
                ("runs",),
                "The constructor must also take `name` and `dtype`, as `**kwargs`, and "
                "hand them to `super().__init__(**kwargs)`.",
            ),
            Check(
                "build",
                "built from shapes alone",
                0.5,
                (
                    build("build/three", 3, (*sizes, *trainable, "held", "parameters")),
                    build("build/one", 1, (*sizes, "parameters")),
                ),
                ("runs",),
                "`build` must make four Dense layers with bias, from shapes alone: "
                "`query`, `key` and `value` of num_heads · key_dim units, "
                "`attention_output` of the query's feature size.",
            ),
            Check(
                "shapes",
                "any batch, any number of tokens",
                0.25,
                (
                    probe(
                        "shapes/unknown",
                        masked(),
                        other,
                        action="symbolic",
                        compare="shapes",
                        unknown=every_size,
                    ),
                ),
                ("runs",),
                "The layer must work with unknown batch and token counts.",
            ),
            Check(
                "values",
                "values under given weights",
                1.5,
                (
                    probe("values/cross", {"args": inputs()}),
                    probe(
                        "values/again",
                        {"args": inputs()},
                        {"args": inputs(batch + 1, keys + 2, queries + 3)},
                    ),
                ),
                ("runs",),
                "With weights we gave it, the output is not that of "
                "`keras.layers.MultiHeadAttention`.",
            ),
            Check(
                "defaults",
                "value defaults to query, key to value",
                0.5,
                (
                    probe("defaults/query", same, weights=weights(fq, fq, fq)),
                    probe("defaults/value", pair, weights=weights(fq, fv, fv)),
                ),
                ("runs",),
                "Called with fewer inputs the output is not right: a missing value "
                "is the query, a missing key is the value.",
            ),
            Check(
                "masks",
                "what the mask hides, in every head",
                1.0,
                (
                    probe("masks/example", masked()),
                    probe(
                        "masks/shapes",
                        masked(shape=(queries, keys)),
                        masked(shape=(batch, 1, keys)),
                        masked(shape=(batch, heads, queries, keys)),
                        {"args": inputs()},
                    ),
                    probe("masks/blind", blind, compare="finite"),
                ),
                ("runs",),
                "With a mask the output is not right: a mask (B, Tq, Tk) holds for "
                "every head, so it needs an axis for the heads.",
            ),
            Check(
                "hidden",
                "hidden, however low the scores",
                0.25,
                (
                    probe(
                        "hidden/low",
                        masked(),
                        weights=low_weights,
                        tolerance=LOW_TOLERANCE,
                    ),
                ),
                ("runs",),
                "Where all scores are far below zero, hidden keys get weight: what "
                "stands for them must be lower than any score.",
            ),
            Check(
                "scores",
                "attention scores on request",
                0.5,
                (probe("scores/masked", scored(masked()), scored({"args": inputs()})),),
                ("runs",),
                "`return_attention_scores=True` must return `(output, weights)`, the "
                "weights after the softmax, of shape (B, H, Tq, Tk).",
            ),
            Check(
                "gradients",
                "a gradient for every weight",
                0.5,
                (
                    probe(
                        "gradients/all",
                        {"args": inputs()},
                        action="gradients",
                        compare="flows",
                        paths=PATHS,
                        may_vanish=["key.bias"],  # it cancels in the softmax
                        cotangent=draw.normal(batch, queries, fq),
                    ),
                ),
                ("runs",),
                "A weight that gets no gradient never learns.",
            ),
            Check(
                "precision",
                "mixed precision and float16",
                0.5,
                (
                    probe(
                        "precision/mixed",
                        masked(),
                        action="policies",
                        compare="half",
                        construct={**construct, "dtype": "mixed_float16"},
                        sublayers=list(PROJECTIONS),
                        facts=("policy", "0/0/dtype", *parts),
                    ),
                    probe(
                        "precision/blind",
                        blind,
                        action="policies",
                        compare="finite",
                        construct={**construct, "dtype": "float16"},
                        facts=("0/0/dtype",),
                    ),
                ),
                ("constructor",),
                "Under `mixed_float16` the layer and its sublayers must compute in "
                "float16: give sublayers `dtype=self.dtype_policy`.",
            ),
            *lasting_checks(probe, masked(), construct),
        ),
        hints=(
            "`__init__` makes three `Dense` layers of `num_heads * key_dim` units. The "
            "fourth, `attention_output`, has as many units as the query has features, "
            "and that is known in `build` only.",
            "Project, split into heads, attend in all heads at once, merge, project. "
            "The scores are divided by √key_dim, the size of one head.",
            "A mask of shape (B, Tq, Tk) has to meet scores of shape (B, H, Tq, Tk): "
            "where does the missing axis go?",
        ),
        forbidden=READY_MADE_ATTENTION,
    )


# --- sinusoidal_positions ---------------------------------------------------------


def _sinusoidal_positions(draw: Draw) -> Exercise:
    name = "sinusoidal_positions"

    def probe(id, *sizes, compare="reference", facts=()):
        spec = {"target": name, "calls": [{"args": list(pair)} for pair in sizes]}
        return Probe(id, "call", spec, compare, tolerance=5e-5, facts=facts)

    length, dim = draw.sizes(2, 5, 11)
    odd = 2 * draw.integer(3, 6) + 1
    return Exercise(
        name,
        (name,),
        "Where a token stands",
        (
            attempted(name, calls=[{"args": [4, 6]}]),
            Check(
                "values",
                "sines and cosines",
                1.25,
                (probe("values", (7, 12), (length, 2 * dim), (64, 16)),),
                ("attempted",),
                "Column 2i is sin(p / 10000^(2i/dim)) and column 2i+1 the cosine of "
                "the same angle.",
            ),
            Check(
                "odd",
                "an odd number of columns",
                0.5,
                (probe("odd", (6, odd), (5, 9)),),
                ("attempted",),
                "With an odd `dim` the last column is a sine without its cosine.",
            ),
            Check(
                "dtype",
                "float32",
                0.25,
                (probe("dtype", (4, 6), compare="facts_only", facts=("0/0/dtype",)),),
                ("values",),
                "The table is float32, so that it can be added to embeddings.",
            ),
        ),
        hints=(
            "Make the angles first: a column of positions times a row of frequencies, "
            "one frequency per *pair* of columns.",
            "Columns 0 and 1 share the frequency 1, columns 2 and 3 share "
            "10000^(-2/dim): `ops.arange(dim) // 2` counts the pairs.",
        ),
        forbidden=READY_MADE_POSITIONS,
    )
