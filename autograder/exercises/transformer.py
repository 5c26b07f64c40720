"""What is asked of the Transformer's blocks, and of decoding with them.

Inputs vary widely, so that the norm's epsilon cannot be seen; tolerances admit the
exact GELU and the one with tanh. To see one part alone, the last weights of the others
are zero: in a pre-norm block they then add nothing.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from autograder.exercise import Check, Draw, Exercise, Probe
from autograder.exercises._shared import attempted, lasting_checks

READY_MADE_BLOCKS = (
    "keras_hub.layers.TransformerEncoder",
    "keras_hub.layers.TransformerDecoder",
    "torch.nn.Transformer",
    "torch.nn.TransformerEncoder",
    "torch.nn.TransformerDecoder",
    "torch.nn.TransformerEncoderLayer",
    "torch.nn.TransformerDecoderLayer",
)
READY_MADE_DECODING = ("keras_hub.samplers.GreedySampler",)

SPREAD = 4.0  # of the inputs; at 1 an epsilon of 1e-3 shows
GELU_TOLERANCE = 3e-3  # exact or tanh; ReLU is off by ten times as much
DROPOUT = 0.6

ATTENTION = ("query", "key", "value", "attention_output")
SELF = ("attention_norm", "attention")
CROSS = ("cross_attention_norm", "cross_attention")
FEED_FORWARD = ("feed_forward_norm", "feed_forward_in", "feed_forward_out")


def exercises(seed: int) -> list[Exercise]:
    """Returns the assignment's exercises in order."""
    return [
        _encoder_block(Draw(seed, "encoder_block")),
        _decoder_block(Draw(seed, "decoder_block")),
        _greedy_decode(Draw(seed, "greedy_decode")),
    ]


# --- both blocks ------------------------------------------------------------------


def _weights(
    draw: Draw, sizes: dict, parts: tuple[str, ...], silent: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """Returns weights for a block's sublayers by path; `silent` ones add nothing."""
    features, inner = sizes["features"], sizes["num_heads"] * sizes["key_dim"]
    dense = {
        "feed_forward_in": (features, sizes["ff_dim"]),
        "feed_forward_out": (sizes["ff_dim"], features),
    }
    for part in ("attention", "cross_attention"):
        dense |= {f"{part}.{side}": (features, inner) for side in ATTENTION[:3]}
        dense[f"{part}.attention_output"] = (inner, features)
    made = {}
    for part in parts:
        if part.endswith("norm"):
            made[f"{part}.gamma"] = 1 + draw.normal(features, scale=0.4)
            made[f"{part}.beta"] = draw.normal(features, scale=0.5)
        for path, (rows, columns) in dense.items():
            if path == part or path.startswith(f"{part}."):
                made[f"{path}.kernel"] = draw.normal(
                    rows, columns, scale=1.3 / rows**0.5
                )
                made[f"{path}.bias"] = draw.normal(columns, scale=0.5)
    for part in silent:
        last = part if part == "feed_forward_out" else f"{part}.attention_output"
        made[f"{last}.kernel"] *= 0
        made[f"{last}.bias"] *= 0
    return made


def _paths(parts: tuple[str, ...]) -> list[str]:
    ends = {True: ("gamma", "beta"), False: ("kernel", "bias")}
    paths = []
    for part in parts:
        inner = [f"{part}.{side}" for side in ATTENTION]
        layers = inner if part in ("attention", "cross_attention") else [part]
        paths += [f"{p}.{end}" for p in layers for end in ends[part.endswith("norm")]]
    return paths


def _dropout(probe, call: dict, construct: dict) -> Check:
    return Check(
        "dropout",
        "dropout, in training only",
        0.5,
        (
            probe(
                "dropout",
                call,
                action="dropped",
                compare="facts_only",
                facts=("off", "felt", "none"),
                construct={**construct, "dropout": DROPOUT},
            ),
        ),
        ("runs",),
        "Dropout with the rate `dropout` must be felt with `training=True`, and only "
        "then; where it sits is yours to choose.",
    )


def _gradients(probe, call: dict, paths: list[str], cotangent: np.ndarray) -> Check:
    return Check(
        "gradients",
        "a gradient for every weight",
        0.5,
        (
            probe(
                "gradients",
                call,
                action="gradients",
                compare="flows",
                paths=paths,
                # A key's bias cancels in the softmax.
                may_vanish=[path for path in paths if path.endswith("key.bias")],
                cotangent=cotangent,
            ),
        ),
        ("runs",),
        "A weight that gets no gradient never learns.",
    )


def _half(probe, construct: dict, parts: tuple[str, ...]) -> Check:
    policies = tuple(f"policy/{part}" for part in parts)
    return Check(
        "precision",
        "mixed precision",
        0.5,
        (
            probe(
                construct={**construct, "dtype": "mixed_float16"},
                sublayers=list(parts),
                facts=("policy", "0/0/dtype", *policies),
            ),
        ),
        ("constructor",),
        "Under `mixed_float16` the block and its sublayers must compute in float16: "
        "give every sublayer `dtype=self.dtype_policy`.",
    )


def _constructor(probe) -> Check:
    return Check(
        "constructor",
        "constructor, name and dtype",
        0.25,
        (probe,),
        ("runs",),
        "The constructor must also take `name` and `dtype`, as `**kwargs`, and hand "
        "them to `super().__init__(**kwargs)`.",
    )


# --- EncoderBlock -----------------------------------------------------------------


def _encoder_block(draw: Draw) -> Exercise:
    name = "EncoderBlock"
    parts = (*SELF, *FEED_FORWARD)
    heads, batch = draw.sizes(2, 2, 4)
    size = draw.integer(3, 5)
    tokens = draw.integer(6, 8)
    features, ff = draw.sizes(2, 10, 17, avoid=[heads * size])
    construct = {"num_heads": heads, "key_dim": size, "ff_dim": ff}
    sizes = {**construct, "features": features}
    paths = _paths(parts)

    def x(b=batch, t=tokens, spread=SPREAD):
        return draw.normal(b, t, features, scale=spread)

    def masked(*shape, b=batch, t=tokens, spread=SPREAD):
        mask = draw.mask(*(shape or (b, t, t)))
        return {"args": [x(b, t, spread)], "kwargs": {"attention_mask": mask}}

    def probe(
        id, *calls, action="call", compare="reference", facts=(), silent=(), **spec
    ):
        spec = {
            "target": name,
            "construct": construct,
            "weights": _weights(draw, sizes, parts, silent),
            "calls": list(calls),
            **spec,
        }
        own = GELU_TOLERANCE if compare == "reference" else None
        return Probe(id, action, spec, compare, own, facts)

    plain, shorter = {"args": [x()]}, {"args": [x(batch + 1, tokens - 2)]}
    build = {
        "target": name,
        "construct": construct,
        "build": [[None, None, features]],
        "paths": paths,
    }
    built = tuple(f"{fact}/{path}" for fact in ("size", "trainable") for path in paths)
    return Exercise(
        "encoder_block",
        (name,),
        "The Transformer's block, as a Keras layer",
        (
            attempted(name, construct=construct),
            Check(
                "runs",
                "makes a layer that runs",
                0.25,
                (
                    probe(
                        "runs", plain, compare="numeric", facts=("0/count",), weights={}
                    ),
                ),
                ("attempted",),
                "`EncoderBlock(num_heads, key_dim, ff_dim)` must make a layer that "
                "takes x (B, T, D) and returns one output of the same shape.",
            ),
            _constructor(
                probe(
                    "constructor",
                    plain,
                    action="constructor",
                    compare="numeric",
                    facts=("name", "policy"),
                    construct={
                        **construct,
                        "name": "lecture_block",
                        "dtype": "float32",
                    },
                    weights={},
                )
            ),
            Check(
                "build",
                "built from shapes alone",
                0.5,
                (
                    Probe(
                        "build", "weights", build, facts=(*built, "held", "parameters")
                    ),
                ),
                ("runs",),
                "`build` must make every weight from the shape alone: two layer norms, "
                "the attention, `feed_forward_in` of ff_dim units, `feed_forward_out` "
                "of as many units as x has features.",
            ),
            Check(
                "shapes",
                "any batch, any number of tokens",
                0.25,
                (
                    probe(
                        "shapes/unknown",
                        masked(),
                        masked(b=batch + 1, t=tokens + 2),
                        action="symbolic",
                        compare="shapes",
                        unknown={"0": [0, 1], "attention_mask": [0, 1, 2]},
                    ),
                ),
                ("runs",),
                "The block must work with unknown batch and token counts.",
            ),
            Check(
                "attention",
                "the attention half",
                1.0,
                (probe("attention", plain, shorter, silent=("feed_forward_out",)),),
                ("runs",),
                "With weights that silence the feed-forward half, the output is not "
                "x + attention(attention_norm(x)).",
            ),
            Check(
                "feed_forward",
                "the feed-forward half",
                1.0,
                (probe("feed_forward", plain, silent=("attention",)),),
                ("runs",),
                "With weights that silence the attention, the output is not x + "
                "feed_forward_out(gelu(feed_forward_in(feed_forward_norm(x)))).",
            ),
            Check(
                "values",
                "both halves, one after the other",
                0.5,
                (probe("values", plain, shorter, plain),),
                ("runs",),
                "The halves do not fit together: the second starts from the first "
                "one's result.",
            ),
            Check(
                "masks",
                "what the mask hides",
                0.75,
                (
                    probe("masks/example", masked()),
                    probe(
                        "masks/shapes",
                        masked(tokens, tokens),
                        masked(batch, 1, tokens),
                        plain,
                    ),
                ),
                ("runs",),
                "With a mask the output is not right: `attention_mask` goes to the "
                "attention as it is.",
            ),
            _dropout(probe, plain, construct),
            _gradients(probe, plain, paths, x(spread=1.0)),
            _half(
                lambda **more: probe(
                    "precision",
                    masked(spread=1.5),
                    action="policies",
                    compare="half",
                    **more,
                ),
                construct,
                parts,
            ),
            *lasting_checks(probe, masked(), {**construct, "dropout": 0.25}),
        ),
        hints=(
            "Two halves of the same form: x + something(norm(x)). Keep x as it is for "
            "the sum; only what goes into the sublayer is normed.",
            "The second half starts from what the first one returned, and has a norm "
            "of its own.",
            "`feed_forward_in` has ff_dim units and GELU; `feed_forward_out` goes back "
            "to x's features, without an activation.",
            "One `keras.layers.Dropout(dropout)` made in `__init__` is enough; Keras "
            "tells it whether this is training.",
        ),
        forbidden=READY_MADE_BLOCKS,
        reused=False,
    )


# --- DecoderBlock -----------------------------------------------------------------


def _decoder_block(draw: Draw) -> Exercise:
    name = "DecoderBlock"
    alone = (*SELF, *FEED_FORWARD)
    parts = (*SELF, *CROSS, *FEED_FORWARD)
    heads, batch = draw.sizes(2, 2, 4)
    size = draw.integer(3, 5)
    tokens, source = draw.sizes(2, 5, 8, avoid=[batch, heads])
    features, ff, wide = draw.sizes(3, 10, 18, avoid=[heads * size])
    plain = {"num_heads": heads, "key_dim": size, "ff_dim": ff}
    crossing = {**plain, "cross_attention": True}
    sizes = {**plain, "features": features}
    paths = _paths(parts)

    def normal(b, t, spread=SPREAD):
        return draw.normal(b, t, features, scale=spread)

    def alone_call(b=batch, t=tokens):
        return {"args": [normal(b, t)]}

    def call(b=batch, t=tokens, s=source, spread=SPREAD, hide=False):
        named = {"memory": normal(b, s, spread)}
        if hide:
            named["memory_mask"] = draw.mask(b, t, s)
        return {"args": [normal(b, t, spread)], "kwargs": named}

    def probe(
        id, *calls, action="call", compare="reference", facts=(), silent=(), **spec
    ):
        crosses = spec.get("construct", crossing).get("cross_attention", False)
        spec = {
            "target": name,
            "construct": crossing,
            "weights": _weights(draw, sizes, parts if crosses else alone, silent),
            "calls": list(calls),
            **spec,
        }
        own = GELU_TOLERANCE if compare == "reference" else None
        return Probe(id, action, spec, compare, own, facts)

    def build(id, construct, shapes, parts, more=()):
        named = _paths(parts)
        spec = {
            "target": name,
            "construct": construct,
            "build": [[None, None, n] for n in shapes],
            "paths": named,
        }
        facts = [f"{fact}/{path}" for fact in ("size", *more) for path in named]
        return Probe(id, "weights", spec, facts=(*facts, "held", "parameters"))

    first = alone_call()
    longer = alone_call(batch + 1, tokens + 3)
    # The config says whether there is a memory; file and graph are the same with one.
    config, *_ = lasting_checks(probe, call(hide=True), {**crossing, "dropout": 0.25})
    _, *lasting = lasting_checks(partial(probe, construct=plain), first, plain)
    return Exercise(
        "decoder_block",
        (name,),
        "The block that writes",
        (
            attempted(name, construct=plain),
            Check(
                "runs",
                "makes a layer that runs",
                0.25,
                (
                    probe(
                        "runs/alone",
                        first,
                        compare="numeric",
                        facts=("0/count",),
                        construct=plain,
                        weights={},
                    ),
                    probe(
                        "runs/memory",
                        call(),
                        compare="numeric",
                        facts=("0/count",),
                        weights={},
                    ),
                ),
                ("attempted",),
                "`DecoderBlock(num_heads, key_dim, ff_dim)` must take x (B, T, D), "
                "with `cross_attention=True` also `memory`, and return one output of "
                "x's shape.",
            ),
            _constructor(
                probe(
                    "constructor",
                    first,
                    action="constructor",
                    compare="numeric",
                    facts=("name", "policy"),
                    construct={**plain, "name": "lecture_decoder", "dtype": "float32"},
                    weights={},
                )
            ),
            Check(
                "build",
                "built from shapes alone",
                0.5,
                (
                    build("build/alone", plain, [features], alone),
                    build(
                        "build/memory",
                        crossing,
                        [features, wide],
                        parts,
                        ("trainable",),
                    ),
                    build("build/one", crossing, [features], parts),
                ),
                ("runs",),
                "`build(x_shape, memory_shape=None)` must make every weight from "
                "shapes alone, and the cross-attention's only with "
                "`cross_attention=True`.",
            ),
            Check(
                "shapes",
                "any batch, any number of tokens",
                0.25,
                (
                    probe(
                        "shapes/unknown",
                        call(hide=True),
                        call(batch + 1, tokens + 2, source + 3, hide=True),
                        action="symbolic",
                        compare="shapes",
                        unknown={
                            "0": [0, 1],
                            "memory": [0, 1],
                            "memory_mask": [0, 1, 2],
                        },
                    ),
                ),
                ("runs",),
                "The block must work with unknown batch and token counts: make the "
                "causal mask from `ops.shape(x)[1]`.",
            ),
            Check(
                "causal",
                "no look at what comes later",
                1.0,
                (
                    probe(
                        "causal",
                        first,
                        longer,
                        first,
                        construct=plain,
                        silent=("feed_forward_out",),
                    ),
                ),
                ("runs",),
                "With weights that silence the feed-forward part, the output is not "
                "x + attention(attention_norm(x)) under a causal mask.",
            ),
            Check(
                "values",
                "a GPT block",
                0.75,
                (probe("values", first, longer, construct=plain),),
                ("runs",),
                "Without cross-attention the output is not that of causal "
                "self-attention and feed-forward part, each added to its input.",
            ),
            Check(
                "cross",
                "a look at the memory",
                1.0,
                (probe("cross", call(), call(batch + 1, tokens + 2, source)),),
                ("runs",),
                "With a memory the output is not right: self-attention first, then x + "
                "cross_attention(cross_attention_norm(x), memory), then feed-forward.",
            ),
            Check(
                "memory_mask",
                "what is hidden of the memory",
                0.75,
                (probe("memory_mask", call(hide=True), call()),),
                ("runs",),
                "With a `memory_mask` the output is not right: it says what of the "
                "memory the cross-attention may see, and nothing else.",
            ),
            _dropout(probe, first, plain),
            _gradients(
                probe,
                {"args": [normal(batch, tokens), normal(batch, source)]},
                paths,
                normal(batch, tokens, 1.0),
            ),
            _half(
                lambda **more: probe(
                    "precision",
                    call(spread=1.5, hide=True),
                    action="policies",
                    compare="half",
                    **more,
                ),
                crossing,
                parts,
            ),
            config,
            *lasting,
        ),
        hints=(
            "Take your `EncoderBlock` and give its attention a causal mask: "
            "`causal_mask` of assignment 1, with `ops.shape(x)[1]` for the length.",
            "Cross-attention asks with the decoder's tokens and looks at the memory: "
            "`self.cross_attention(query, memory, attention_mask=memory_mask)`. The "
            "memory is not normed.",
            "`cross_attention` is the flag in the constructor and the sublayer's name: "
            "keep the flag under another name, and hand it out in `get_config` as "
            "`cross_attention`.",
        ),
        forbidden=READY_MADE_BLOCKS,
        reused=False,
    )


# --- greedy_decode ----------------------------------------------------------------

WORDS = 23  # a prime, so that every word is reached, whatever the step


def _greedy_decode(draw: Draw) -> Exercise:
    name = "greedy_decode"
    order = draw.random.permutation(WORDS).astype("int32")
    places = np.argsort(order)
    logits = _logits(draw, order)
    count = draw.integer(6, 8)
    end = int(order[draw.integer(1, 9)]) or int(order[10])
    length = draw.integer(4, 6)

    def row(steps: int, goal: int, length: int = length) -> list[int]:
        """Returns a prompt that reaches the word `goal` after so many new words."""
        others = [int(w) for w in draw.random.permutation(order) if w != goal]
        start = places[others[0]]
        last = order[(places[goal] - steps * (start % 3 + 1)) % WORDS]
        return [*others[: length - 1], int(last)]

    def call(rows: list[list[int]], new: int = count, plain=False, **named) -> dict:
        entry = {"args": [np.array(rows, "int32"), new], "kwargs": named}
        return entry | ({"plain": True} if plain else {})

    def probe(id, *calls, action="decode", compare="exact", facts=(), **spec):
        spec = {
            "target": name,
            "order": order,
            "logits": logits,
            "calls": list(calls),
            **spec,
        }
        return Probe(id, action, spec, compare, facts=facts)

    def free(rows: int, length: int = length) -> list[list[int]]:
        return [row(WORDS - 1 - i, end, length) for i in range(rows)]

    def ending(goal: int, *steps: int) -> list[list[int]]:
        return [row(n, goal) for n in draw.random.permutation(steps)]

    inside, at_first, at_last = row(3, end), row(4, end), row(WORDS, end)
    inside[1] = end
    at_first[0] = end
    step = places[end] % 3 + 1
    at_first[-1] = int(order[(places[end] - 4 * step) % WORDS])
    one = [[int(order[draw.integer(0, WORDS - 1)])]]
    late = (1, 3, count, WORDS - 1)
    return Exercise(
        name,
        (name,),
        "One token after the other",
        (
            attempted(name, calls=[{"args": [None, np.array(free(2)), 2]}]),
            Check(
                "values",
                "the most likely token, again and again",
                1.0,
                (
                    probe(
                        "values", call(free(3)), call(free(4, length + 2), count + 2)
                    ),
                    probe("values/one", call(one), call(free(1), 1, end_id=None)),
                ),
                ("attempted",),
                "The ids must be the prompt's, followed in every row by "
                "max_new_tokens times the id with the largest logit after all ids so "
                "far.",
            ),
            Check(
                "end",
                "rows that end, each at its own time",
                0.75,
                (
                    probe("end/rows", call(ending(end, *late), end_id=end)),
                    probe("end/all", call(ending(end, 1, 2, 3), end_id=end)),
                    probe(
                        "end/never",
                        call(ending(end, count + 1, count + 2), end_id=end),
                    ),
                ),
                ("attempted",),
                "After its first new `end_id` a row repeats that id; the other rows go "
                "on, and the result always has T + max_new_tokens columns.",
            ),
            Check(
                "prompt",
                "an end in the prompt",
                0.25,
                (probe("prompt", call([inside, at_first, at_last], end_id=end)),),
                ("attempted",),
                "An `end_id` that stands in the prompt does not end anything: only "
                "new ids count.",
            ),
            Check(
                "zero",
                "end_id = 0 is an id",
                0.25,
                (probe("zero", call(ending(0, *late), end_id=0)),),
                ("attempted",),
                "0 is an `end_id` like any other: ask `end_id is not None`.",
            ),
            Check(
                "nothing",
                "max_new_tokens = 0",
                0.25,
                (probe("nothing", call(free(2), 0), call(free(3), 0, end_id=end)),),
                ("attempted",),
                "With `max_new_tokens=0` the prompt comes back as it is.",
            ),
            Check(
                "arrays",
                "NumPy as well as tensors",
                0.25,
                (
                    probe(
                        "arrays",
                        call(free(3), plain=True),
                        call(ending(end, *late), plain=True, end_id=end),
                    ),
                ),
                ("attempted",),
                "Prompt and logits may be NumPy arrays: hand them to `ops` functions, "
                "which take both.",
            ),
            Check(
                "repeats",
                "the same every time",
                0.25,
                (
                    probe(
                        "repeats",
                        call(free(3)),
                        compare="facts_only",
                        facts=("repeats",),
                        twice=True,
                    ),
                ),
                ("attempted",),
                "Greedy decoding draws nothing at random: the largest logit wins.",
            ),
        ),
        hints=(
            "A loop of `max_new_tokens` rounds. In each: ask for the logits of *all* "
            "ids so far, take `ops.argmax` over the vocabulary, append it as a new "
            "column.",
            "Keep a boolean of shape (B,) that says which rows have ended. It starts "
            "as False, for the prompt does not count.",
            "In an ended row `ops.where(ended, end_id, new)` writes the end once more. "
            "Update `ended` from the new ids, and only where `end_id is not None`.",
        ),
        forbidden=READY_MADE_DECODING,
    )


def _logits(draw: Draw, order: np.ndarray) -> np.ndarray:
    """Returns a row of logits for each place of the circle, largest at its word."""
    made = draw.normal(WORDS, WORDS, scale=2.0)
    rows, best = np.arange(WORDS), made.argmax(axis=1)
    largest = made[rows, best].copy()
    made[rows, best] = made[rows, order]
    made[rows, order] = largest + 0.25  # no other comes near
    return made
