"""What is asked of images as tokens: patches, their embedding, and the soft split.

Square or grey images, square grids and a batch of one hide whole families of mistakes;
so images are taller than wide or the reverse, have three channels and differ from each
other. Batches may be unknown; the images' sides are known.
"""

from __future__ import annotations

from autograder.exercise import Check, Draw, Exercise, Probe
from autograder.exercises._shared import (
    READY_MADE_PATCHES,
    attempted,
    lasting_checks,
)

PATHS = ["projection.kernel", "projection.bias", "class_token", "position_embedding"]


def exercises(seed: int) -> list[Exercise]:
    """Returns the assignment's exercises in order."""
    return [
        _patchify(Draw(seed, "patchify")),
        _patch_embedder(Draw(seed, "patch_embedder")),
        _soft_split(Draw(seed, "soft_split")),
        Exercise("explain_patches", (), "What is lost, what kept?", manual_points=2.0),
    ]


def _traced(name: str, *calls: dict) -> Check:
    """Must a function of images work while the batch is unknown?"""
    spec = {"target": name, "calls": list(calls), "unknown": {"0": [0]}}
    return Check(
        "traced",
        "an unknown batch",
        0.5,
        (Probe("traced", "symbolic", spec, "shapes"),),
        ("attempted",),
        "It must work where the batch size is unknown: let one -1 or `ops.shape` "
        "stand for it, and use `keras.ops` throughout.",
    )


# --- patchify ---------------------------------------------------------------------


def _patchify(draw: Draw) -> Exercise:
    name = "patchify"
    size = draw.integer(3, 4)
    batch = draw.integer(2, 3)
    rows, columns, others = draw.sizes(3, 2, 5, avoid=[size])
    left_over = draw.integer(1, size - 1)

    def call(b=batch, r=rows, c=columns, p=size, channels=3, extra=(0, 0)):
        sides = r * p + extra[0], c * p + extra[1]
        return {"args": [draw.normal(b, *sides, channels), p]}

    def probe(id, *calls, **spec):
        return Probe(id, "call", {"target": name, "calls": list(calls), **spec})

    def uneven(id, extra):
        # The other side is P², so that P² divides the number of pixels all the same.
        entry = call(c=size, extra=extra) if extra[0] else call(r=size, extra=extra)
        side = entry["args"][0].shape[1 if extra[0] else 2]
        return probe(id, entry, raises="ValueError", names=[side, size])

    return Exercise(
        name,
        (name,),
        "Cut an image into patches",
        (
            attempted(name, calls=[call()]),
            Check(
                "values",
                "every pixel in its place",
                1.5,
                (
                    probe("values", call(), call(batch + 1, columns, others)),
                    probe("values/channels", call(p=2, channels=5), call(channels=1)),
                ),
                ("attempted",),
                "Patches come row by row, and each is flattened by row, column, "
                "channel.",
            ),
            _traced(name, call(p=2), call(batch + 2, p=2)),
            Check(
                "error",
                "sizes that do not divide",
                0.5,
                (
                    uneven("error/height", (left_over, 0)),
                    uneven("error/width", (0, left_over)),
                ),
                ("attempted",),
                "Where P does not divide the height or the width, raise a ValueError "
                "that names the sizes.",
            ),
        ),
        hints=(
            "Give the height two axes, (rows of patches, pixels in a patch), and the "
            "width two as well: six axes with batch and channels.",
            "Of (B, rows, P, columns, P, C) the output wants rows and columns next to "
            "each other, then the two P: one transpose, then one reshape.",
        ),
    )


# --- PatchEmbedder ----------------------------------------------------------------


def _patch_embedder(draw: Draw) -> Exercise:
    name = "PatchEmbedder"
    size = draw.integer(3, 4)
    batch = draw.integer(2, 3)
    rows, columns = draw.sizes(2, 2, 5, avoid=[size])
    channels = 3
    tokens, pixels = rows * columns, size * size * channels
    (dim,) = draw.sizes(1, 5, 11, avoid=[rows, columns, tokens, tokens + 1])
    height, width = rows * size, columns * size
    construct = {"patch_size": size, "embed_dim": dim}

    def images(b=batch):
        return {"args": [draw.normal(b, height, width, channels)]}

    def weights(class_token=1.0, positions=1.0):
        return {
            "projection.kernel": draw.normal(pixels, dim, scale=1.3 / pixels**0.5),
            "projection.bias": draw.normal(dim, scale=0.5),
            "class_token": draw.normal(1, 1, dim, scale=class_token),
            "position_embedding": draw.normal(1, tokens + 1, dim, scale=positions),
        }

    def probe(id, *calls, action="call", compare="reference", facts=(), **spec):
        spec = {
            "target": name,
            "construct": construct,
            "weights": weights(),
            "calls": list(calls),
            **spec,
        }
        return Probe(id, action, spec, compare, facts=facts)

    return Exercise(
        "patch_embedder",
        (name,),
        "From patches to tokens: a Keras layer",
        (
            attempted(name, construct=construct),
            Check(
                "constructor",
                "constructor, name and dtype",
                0.25,
                (
                    probe(
                        "constructor",
                        images(),
                        action="constructor",
                        compare="facts_only",
                        facts=("name", "policy", "0/count"),
                        construct={
                            **construct,
                            "name": "lecture_patches",
                            "dtype": "float32",
                        },
                        weights={},
                    ),
                ),
                ("attempted",),
                "`PatchEmbedder(patch_size, embed_dim, name=…, dtype=…)` must make a "
                "layer that runs.",
            ),
            Check(
                "build",
                "built from shapes alone",
                0.75,
                (
                    Probe(
                        "build",
                        "weights",
                        {
                            "target": name,
                            "construct": construct,
                            "build": [[None, height, width, channels]],
                            "paths": PATHS,
                        },
                        facts=(
                            *(f"size/{path}" for path in PATHS),
                            *(f"trainable/{path}" for path in PATHS),
                            "held",
                            "parameters",
                        ),
                    ),
                ),
                ("constructor",),
                "`build` must make a `projection` with bias, a `class_token` "
                "(1, 1, D) and a `position_embedding` (1, N+1, D), all trainable.",
            ),
            Check(
                "shapes",
                "any batch",
                0.5,
                (
                    probe(
                        "shapes/unknown",
                        images(),
                        images(batch + 2),
                        images(1),
                        action="symbolic",
                        compare="shapes",
                        weights={},
                    ),
                ),
                ("constructor",),
                "The layer must give N + 1 tokens whatever the batch, also while the "
                "batch is unknown.",
            ),
            Check(
                "patches",
                "each patch projected",
                1.0,
                (
                    probe(
                        "patches",
                        images(),
                        images(batch + 1),
                        weights=weights(class_token=0.0, positions=0.0),
                    ),
                ),
                ("constructor",),
                "With class token and positions set to zero, what is left is not the "
                "projected patches behind a row of zeros.",
            ),
            Check(
                "class_token",
                "the class token stands first",
                0.75,
                (probe("class_token", images(), weights=weights(positions=0.0)),),
                ("constructor",),
                "With positions set to zero, the output is not the class token "
                "followed by the projected patches.",
            ),
            Check(
                "positions",
                "positions on all N + 1 tokens",
                0.75,
                (
                    probe("positions", images()),
                    probe("positions/again", images(), images(batch + 2)),
                ),
                ("constructor",),
                "With random weights the output is not right: each of the N + 1 "
                "tokens, the class token included, gets its own position added.",
            ),
            Check(
                "gradients",
                "a gradient for every weight",
                0.5,
                (
                    probe(
                        "gradients",
                        images(),
                        action="gradients",
                        compare="flows",
                        paths=PATHS,
                        cotangent=draw.normal(batch, tokens + 1, dim),
                    ),
                ),
                ("constructor",),
                "A weight that gets no gradient never learns.",
            ),
            Check(
                "precision",
                "mixed precision",
                0.25,
                (
                    probe(
                        "precision/mixed",
                        images(),
                        action="policies",
                        compare="half",
                        construct={**construct, "dtype": "mixed_float16"},
                        sublayers=["projection"],
                        facts=("policy", "0/0/dtype", "policy/projection"),
                    ),
                    probe(
                        "precision/float64",
                        images(),
                        action="policies",
                        compare="half",
                        construct={**construct, "dtype": "float64"},
                        sublayers=["projection"],
                        facts=("0/0/dtype", "policy/projection"),
                    ),
                ),
                ("constructor",),
                "Under `mixed_float16` the layer and its projection must compute in "
                "float16: give the sublayer `dtype=self.dtype_policy`.",
            ),
            *lasting_checks(probe, images(), construct),
        ),
        hints=(
            "`projection` may be a `Dense` on what your `patchify` returns, or a "
            "`Conv2D` whose kernel and stride are the patch size: the numbers are the "
            "same.",
            "The class token is one weight for all images: spread it over the batch "
            "with `ops.broadcast_to`, whose batch size comes from `ops.shape`.",
            "Concatenate first, then add: the position embedding has N + 1 rows, and "
            "the first one belongs to the class token.",
        ),
        forbidden=READY_MADE_PATCHES,
    )


# --- soft_split -------------------------------------------------------------------


def _soft_split(draw: Draw) -> Exercise:
    name = "soft_split"
    batch = draw.integer(2, 3)
    height, width = draw.sizes(2, 7, 10)

    def call(k, s, p, b=batch, sides=(height, width), channels=3):
        return {"args": [draw.normal(b, *sides, channels), k, s, p]}

    def probe(id, *calls):
        return Probe(id, "call", {"target": name, "calls": list(calls)})

    kernel = draw.integer(4, 5)
    stride = draw.integer(2, 3)
    return Exercise(
        name,
        (name,),
        "Tokens that overlap",
        (
            attempted(name, calls=[call(3, 2, 1)]),
            Check(
                "values",
                "overlapping windows",
                1.25,
                (
                    probe("values", call(kernel, stride, 1), call(3, 2, 0, b=1)),
                    probe(
                        "values/padding",
                        call(5, 3, 2, sides=(6, 9)),
                        call(3, 1, 1, sides=(5, 4)),
                    ),
                ),
                ("attempted",),
                "Each token is one window of the zero-padded image, flattened by row, "
                "column, channel; windows come row by row.",
            ),
            Check(
                "floor",
                "windows that do not fit are left out",
                0.5,
                (
                    probe("floor", call(4, 3, 1, sides=(9, 7)), call(2, 2, 0, b=1)),
                    probe("floor/even", call(4, 2, 1, sides=(7, 8))),
                ),
                ("attempted",),
                "A side of S pixels gives floor((S + 2·padding − kernel) / stride) + 1 "
                "windows.",
            ),
            Check(
                "t2t",
                "the sizes of Tokens-to-Token",
                0.25,
                (
                    probe("t2t/first", call(7, 4, 2, b=1, sides=(20, 12), channels=1)),
                    probe("t2t/next", call(3, 2, 1, b=1, sides=(8, 14), channels=4)),
                ),
                ("attempted",),
                "The sizes of the paper, (7, 4, 2) and (3, 2, 1), do not come out.",
            ),
            _traced(
                name,
                call(3, 2, 1, sides=(6, 9), channels=1),
                call(3, 2, 1, b=batch + 2, sides=(6, 9), channels=1),
            ),
        ),
        hints=(
            "Pad height and width with zeros first, and only those: `ops.pad` takes a "
            "pair of numbers per axis.",
            "Pixel (i, j) of all windows at once is a slice with a step: "
            "`padded[:, i : i + stride * rows : stride, …]`. There are kernel² such "
            "slices; stack them.",
            "`ops.image.extract_patches` with `padding='valid'` on the padded images "
            "gives the windows too. `ops.unfold` cannot take an unknown batch on "
            "TensorFlow.",
        ),
    )
