"""What is asked of one attention head.

Sizes follow what separates right from wrong: all of them distinct, at least two
examples, a mask of its own per example, more than one query and key, a head size
that is no power of two and differs from the features.
"""

from __future__ import annotations

from autograder.exercise import Check, Draw, Exercise, Probe
from autograder.exercises._shared import (
    LOW_SCORE,
    LOW_TOLERANCE,
    READY_MADE_ATTENTION,
    attempted,
    lasting_checks,
    masked_call,
)

HEAD_SIZES = (5, 6, 7, 10, 11)  # d/2, int(sqrt(d)) and sqrt(d) all differ visibly
KERNELS = ["query.kernel", "key.kernel", "value.kernel"]


def exercises(seed: int) -> list[Exercise]:
    """Returns the assignment's exercises in order."""
    return [
        _attention_weights(Draw(seed, "attention_weights")),
        _attention(Draw(seed, "attention")),
        _causal_mask(Draw(seed, "causal_mask")),
        _attention_head(Draw(seed, "attention_head")),
        Exercise(
            "explain_scaling",
            (),
            "Why divide by the square root of d_k?",
            manual_points=2.0,
        ),
    ]


# --- attention_weights ------------------------------------------------------------


def _attention_weights(draw: Draw) -> Exercise:
    name = "attention_weights"

    def probe(id, *calls, action="call", compare="reference", tolerance=None, **spec):
        spec = {"target": name, "calls": list(calls), **spec}
        return Probe(id, action, spec, compare, tolerance)

    d = HEAD_SIZES[draw.integer(0, 4)]
    batch = draw.integer(2, 4)
    # No square: √keys must not be what somebody's rounded √d_k is.
    queries, keys, heads = draw.sizes(3, 5, 8, avoid=[d])

    def pair(*lead, scale=1.2):
        return [
            draw.normal(*lead, queries, d, scale=scale),
            draw.normal(*lead, keys, d, scale=scale),
        ]

    plain = [{"args": pair()}, {"args": pair(batch)}, {"args": pair(batch, heads)}]
    low_query, low_key = pair(batch)
    depth = LOW_SCORE**0.5 * d**0.25
    low_query[..., 0], low_key[..., 0] = depth, -depth
    masked = [
        masked_call(pair(batch), draw.mask(batch, queries, keys)),
        masked_call([low_query, low_key], draw.mask(batch, queries, keys)),
        masked_call(pair(batch), draw.mask(queries, keys)),
        masked_call(pair(batch), draw.mask(batch, 1, keys)),
        masked_call(pair(batch, heads), draw.mask(batch, 1, queries, keys)),
    ]
    blind = draw.mask(batch, queries, keys)
    blind[0, 1] = False
    half = masked_call(pair(batch), draw.mask(batch, queries, keys), dtype="float16")
    large = {"args": pair(batch, scale=40.0)}
    traced = masked_call(pair(batch), draw.mask(batch, queries, keys))
    mask = draw.mask(batch + 1, queries, keys)
    traced_again = masked_call(pair(batch + 1), mask)
    return Exercise(
        name,
        (name,),
        "From similarities to weights",
        (
            attempted(name, calls=[plain[1]]),
            Check(
                "values",
                "weights for given queries and keys",
                1.0,
                (probe("values/2d", plain[0]), probe("values/4d", *plain[1:])),
                ("attempted",),
                "The weights are not softmax(q kᵀ / √d_k) over the keys.",
            ),
            Check(
                "masks",
                "what the mask hides",
                0.5,
                (
                    probe("masks/example", masked[0]),
                    probe("masks/shapes", *masked[2:]),
                ),
                ("attempted",),
                "With a mask the weights are not right: True means attend, and a "
                "hidden key gets weight 0 while the others still sum to 1.",
            ),
            Check(
                "hidden",
                "hidden, however low the scores",
                0.25,
                (probe("hidden/low", masked[1], tolerance=LOW_TOLERANCE),),
                ("attempted",),
                "Where all scores are far below zero, hidden keys get weight: what "
                "stands for them must be lower than any score.",
            ),
            Check(
                "stability",
                "large scores, float16, nothing to attend to",
                0.75,
                (
                    probe("stability/large", large),
                    probe(
                        "stability/blind",
                        masked_call(pair(batch), blind),
                        compare="finite",
                    ),
                    probe("stability/float16", half),
                    probe(
                        "stability/float16_blind",
                        masked_call(pair(batch), blind, dtype="float16"),
                        compare="finite",
                    ),
                ),
                ("attempted",),
                "The weights must stay finite for large scores, in float16 (where "
                "-1e9 is minus infinity), and in a row whose keys are all hidden.",
            ),
            Check(
                "traced",
                "unknown batch size",
                0.25,
                (
                    probe(
                        "traced/mask",
                        traced,
                        traced_again,
                        action="symbolic",
                        compare="shapes",
                    ),
                ),
                ("attempted",),
                "Inside a layer with an unknown batch size it does not work: use "
                "`keras.ops`, and no Python numbers taken from the batch.",
            ),
            Check(
                "gradients",
                "gradients reach queries and keys",
                0.25,
                (
                    probe(
                        "gradients/inputs",
                        {"args": pair(batch)},
                        action="gradients",
                        compare="flows",
                        cotangent=draw.normal(batch, queries, keys),
                    ),
                ),
                ("attempted",),
                "Training needs a gradient through this function.",
            ),
        ),
        hints=(
            "Similarity first: one matrix product gives every query's dot product "
            "with every key. Which of the two has to be transposed, and on which "
            "axes, if there may be a batch in front?",
            "Divide by the square root of the size of the last axis, *then* apply "
            "the softmax along the axis of the keys, the last one.",
            "For the mask: where it is False, put a score so low that its "
            "exponential is 0, before the softmax. The lowest finite number of the "
            "scores' dtype is safe in float16 too, where -1e9 is not.",
        ),
        forbidden=READY_MADE_ATTENTION,
    )


# --- attention --------------------------------------------------------------------


def _attention(draw: Draw) -> Exercise:
    name = "attention"

    def probe(id, *calls, action="call", compare="reference", **spec):
        spec = {"target": name, "calls": list(calls), **spec}
        return Probe(id, action, spec, compare)

    d = HEAD_SIZES[draw.integer(0, 4)]
    batch, heads = draw.sizes(2, 2, 4)
    queries, keys, features = draw.sizes(3, 8, 12, avoid=[d])

    def triple(*lead):
        return [
            draw.normal(*lead, queries, d, scale=1.2),
            draw.normal(*lead, keys, d, scale=1.2),
            draw.normal(*lead, keys, features),
        ]

    def masked(lead, *shape, **call):
        return masked_call(triple(*lead), draw.mask(*shape), **call)

    blind = draw.mask(batch, queries, keys)
    blind[-1, 0] = False
    full = (batch, queries, keys)
    return Exercise(
        name,
        (name,),
        "The formula on the slide",
        (
            attempted(name, calls=[{"args": triple(batch)}]),
            Check(
                "values",
                "weighted sum of the values",
                0.75,
                (
                    probe("values/2d", {"args": triple()}),
                    probe(
                        "values/4d",
                        {"args": triple(batch)},
                        {"args": triple(batch, heads)},
                    ),
                ),
                ("attempted",),
                "The output is not the weighted sum of the value vectors.",
            ),
            Check(
                "masks",
                "masks are honoured",
                0.5,
                (
                    probe("masks/example", masked((batch,), *full)),
                    probe(
                        "masks/shapes",
                        masked((batch,), queries, keys),
                        masked((batch,), batch, 1, keys),
                        masked((batch, heads), batch, heads, queries, keys),
                    ),
                ),
                ("attempted",),
                "With a mask the output is not right: hand the mask on to the weights.",
            ),
            Check(
                "stability",
                "float16, nothing to attend to",
                0.25,
                (
                    probe(
                        "stability/float16", masked((batch,), *full, dtype="float16")
                    ),
                    probe(
                        "stability/blind",
                        masked_call(triple(batch), blind, dtype="float16"),
                        compare="finite",
                    ),
                ),
                ("attempted",),
                "In float16 the output must stay close and finite.",
            ),
            Check(
                "traced",
                "unknown batch size",
                0.25,
                (
                    probe(
                        "traced/mask",
                        masked((batch,), *full),
                        masked((batch + 1,), batch + 1, queries, keys),
                        action="symbolic",
                        compare="shapes",
                    ),
                ),
                ("attempted",),
                "Inside a layer with an unknown batch size it does not work: use "
                "`keras.ops`, and no Python numbers taken from the batch.",
            ),
            Check(
                "gradients",
                "gradients reach queries, keys and values",
                0.25,
                (
                    probe(
                        "gradients/inputs",
                        {"args": triple(batch)},
                        action="gradients",
                        compare="flows",
                        cotangent=draw.normal(batch, queries, features),
                    ),
                ),
                ("attempted",),
                "Training needs a gradient to every input.",
            ),
        ),
        hints=(
            "You have the weights already: `attention_weights(query, key, …)`.",
            "Each output is a mixture of value vectors, and the weights say how much "
            "of each. That, too, is one matrix product.",
        ),
        forbidden=READY_MADE_ATTENTION,
    )


# --- causal_mask ------------------------------------------------------------------


def _causal_mask(draw: Draw) -> Exercise:
    name = "causal_mask"
    lengths = [1, *draw.sizes(2, 3, 9)]
    probe = Probe(
        "values/lengths",
        "call",
        {"target": name, "calls": [{"args": [n]} for n in lengths]},
    )
    dtype = Probe(
        "dtype",
        "call",
        {"target": name, "calls": [{"args": [lengths[-1]]}]},
        compare="facts_only",
        facts=("0/0/dtype",),
    )
    return Exercise(
        name,
        (name,),
        "No peeking at the future",
        (
            attempted(name, calls=[{"args": [3]}]),
            Check(
                "values",
                "who may see whom",
                0.75,
                (probe,),
                ("attempted",),
                "Row i must be True for keys 0 … i, itself included, and False after.",
            ),
            Check(
                "dtype",
                "boolean",
                0.25,
                (dtype,),
                ("values",),
                "A mask is boolean: True and False, not 1.0 and 0.0.",
            ),
        ),
        hints=(
            "Row i belongs to the query at position i, column j to the key at "
            "position j. For which j may the entry be True?",
            "Put the positions `ops.arange(length)` once in a column and once in a "
            "row, and compare them: broadcasting makes the square.",
        ),
    )


# --- AttentionHead ----------------------------------------------------------------


def _attention_head(draw: Draw) -> Exercise:
    name = "AttentionHead"
    d = HEAD_SIZES[draw.integer(0, 4)]
    batch = draw.integer(2, 3)
    queries, keys = draw.sizes(2, 5, 8, avoid=[d])
    fq, fv, fk = draw.sizes(3, 8, 13, avoid=[9, d, queries, keys])

    def inputs(b=batch, tq=queries, tk=keys):
        return [draw.normal(b, tq, fq), draw.normal(b, tk, fv), draw.normal(b, tk, fk)]

    def kernels(q=fq, k=fk, v=fv):
        sizes = zip(KERNELS, (q, k, v), strict=True)
        return {path: draw.normal(n, d, scale=1.3 / n**0.5) for path, n in sizes}

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
            "construct": {"head_dim": d},
            "weights": kernels(),
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
    low, low_weights = masked(), kernels()
    for x in low["args"]:
        x[..., 0] = 1.0
    depth = LOW_SCORE**0.5 * d**0.25
    for path, side in (("query.kernel", depth), ("key.kernel", -depth)):
        low_weights[path][:, 0] = 0.0
        low_weights[path][0, 0] = side
    every_size = {"0": [0, 1], "1": [0, 1], "2": [0, 1], "attention_mask": [0, 1, 2]}
    self_weights = kernels(fq, fq, fq)
    shapes = [[None, None, n] for n in (fq, fv, fk)]
    sizes = tuple(f"size/{path}" for path in KERNELS)
    trainable = tuple(f"trainable/{path}" for path in KERNELS)
    parts = tuple(f"policy/{path.split('.')[0]}" for path in KERNELS)
    return Exercise(
        "attention_head",
        (name,),
        "An attention head as a Keras layer",
        (
            attempted(name, construct={"head_dim": d}),
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
                "`AttentionHead(head_dim)` must make a layer that takes query, value "
                "and key and returns one output of `head_dim` features.",
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
                            "head_dim": d,
                            "name": "lecture_head",
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
                    Probe(
                        "build/three",
                        "weights",
                        {
                            "target": name,
                            "construct": {"head_dim": d},
                            "build": shapes,
                            "paths": KERNELS,
                        },
                        facts=(*sizes, *trainable, "held", "parameters"),
                    ),
                    Probe(
                        "build/one",
                        "weights",
                        {
                            "target": name,
                            "construct": {"head_dim": d},
                            "build": shapes[:1],
                            "paths": KERNELS,
                        },
                        facts=(*sizes, "parameters"),
                    ),
                ),
                ("runs",),
                "`build` must make three bias-free kernels, `query`, `key` and "
                "`value`, from shapes alone.",
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
                1.0,
                (
                    probe("values/cross", {"args": inputs()}),
                    probe(
                        "values/again",
                        {"args": inputs()},
                        {"args": inputs(batch + 1, keys + 2, queries + 3)},
                    ),
                ),
                ("runs",),
                "With weights we gave it, the head's output is not attention.",
            ),
            Check(
                "defaults",
                "value defaults to query, key to value",
                0.5,
                (
                    probe("defaults/query", same, weights=self_weights),
                    probe("defaults/value", pair, weights=kernels(fq, fv, fv)),
                ),
                ("runs",),
                "Called with fewer inputs the output is not right: a missing value "
                "is the query, a missing key is the value.",
            ),
            Check(
                "masks",
                "what the mask hides",
                0.75,
                (
                    probe("masks/example", masked()),
                    probe(
                        "masks/shapes",
                        masked(shape=(queries, keys)),
                        masked(shape=(batch, 1, keys)),
                        {"args": inputs()},
                        other,
                    ),
                    probe("masks/blind", blind, compare="finite"),
                ),
                ("runs",),
                "With a mask the output is not right: True means attend.",
            ),
            Check(
                "hidden",
                "hidden, however low the scores",
                0.25,
                (
                    probe(
                        "hidden/low", low, weights=low_weights, tolerance=LOW_TOLERANCE
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
                "weights after the softmax, of shape (B, Tq, Tk).",
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
                        paths=KERNELS,
                        cotangent=draw.normal(batch, queries, d),
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
                        construct={"head_dim": d, "dtype": "mixed_float16"},
                        sublayers=["query", "key", "value"],
                        facts=("policy", "0/0/dtype", *parts),
                    ),
                    probe(
                        "precision/blind",
                        blind,
                        action="policies",
                        compare="finite",
                        construct={"head_dim": d, "dtype": "float16"},
                        facts=("0/0/dtype",),
                    ),
                ),
                ("constructor",),
                "Under `mixed_float16` the layer and its sublayers must compute in "
                "float16: give sublayers `dtype=self.dtype_policy`.",
            ),
            *lasting_checks(probe, masked(), {"head_dim": d}),
        ),
        hints=(
            "`__init__` makes three `keras.layers.Dense(head_dim, use_bias=False, "
            "dtype=self.dtype_policy)`; their attributes are called `query`, `key` "
            "and `value`.",
            "In `call`, settle the defaults first: `if value is None: value = query`, "
            "then the key. Then project all three and use what you wrote above.",
            "Mind the two orders: your functions take `query, key, value`, the layer "
            "takes Keras' `query, value, key`.",
        ),
        forbidden=READY_MADE_ATTENTION,
    )
