"""What is asked of the model zoo: parameters, training mixes, compute.

The published models agree with one another: ff_dim is 4 embed_dim in all of them, their
images have three channels, their heads are tied. Whole families of mistakes count
them rightly, so invented configurations stand beside them.
"""

from __future__ import annotations

from autograder.exercise import Check, Draw, Exercise, Probe
from autograder.exercises._shared import attempted


def exercises(seed: int) -> list[Exercise]:
    """Returns the assignment's exercises in order."""
    return [
        _count_parameters(Draw(seed, "count_parameters")),
        _mixture_tokens(Draw(seed, "mixture_tokens")),
        _training_flops(Draw(seed, "training_flops")),
        Exercise("explain_families", (), "Why so many?", manual_points=2.0),
    ]


def _plain(name: str, id: str, *calls: list, **options) -> Probe:
    spec = {"target": name, "calls": [{"args": args} for args in calls]}
    return Probe(id, "plain", spec, "values", **options)


# --- count_parameters -------------------------------------------------------------


def _stack(family: str, layers: int, dim: int, heads: int, ff: int, **more) -> dict:
    sizes = {"num_layers": layers, "embed_dim": dim, "num_heads": heads, "ff_dim": ff}
    return {"family": family, **sizes, **more}


def _bert(vocabulary: int, *sizes: int, segments: int = 2, pooler: bool = True) -> dict:
    tables = {"vocabulary_size": vocabulary, "max_positions": 512}
    return _stack("encoder", *sizes, **tables, num_segments=segments, pooler=pooler)


def _gpt(vocabulary: int, positions: int, *sizes: int, final_norm: bool = True) -> dict:
    tables = {"vocabulary_size": vocabulary, "max_positions": positions}
    ends = {"final_norm": final_norm, "tied_head": True}
    return _stack("decoder", *sizes, 4 * sizes[1], **tables, **ends)


def _vit(*sizes: int) -> dict:
    image = {"image_size": 224, "patch_size": 16, "channels": 3, "num_classes": 1000}
    return _stack("vit", *sizes, **image)


PUBLISHED = {
    "Transformer": _stack(
        "encoder_decoder",
        *(6, 512, 8, 2048),
        vocabulary_size=0,
        max_positions=0,
        final_norm=True,
    ),
    "GPT-1": _gpt(40478, 512, 12, 768, 12, final_norm=False),
    "BERT-base": _bert(30522, 12, 768, 12, 3072),
    "BERT-large": _bert(30522, 24, 1024, 16, 4096),
    "GPT-2": _gpt(50257, 1024, 12, 768, 12),
    "GPT-2 medium": _gpt(50257, 1024, 24, 1024, 16),
    "GPT-2 large": _gpt(50257, 1024, 36, 1280, 20),
    "GPT-2 XL": _gpt(50257, 1024, 48, 1600, 25),
    "DistilBERT": _bert(30522, 6, 768, 12, 3072, segments=0, pooler=False),
    "GPT-3": _gpt(50257, 2048, 96, 12288, 96),
    "ViT-B/16": _vit(12, 768, 12, 3072),
    "ViT-L/16": _vit(24, 1024, 16, 4096),
    "DeiT-S/16": _vit(12, 384, 6, 1536),
    "DNABERT-3": _bert(4**3 + 5, 12, 768, 12, 3072),
    "DNABERT-4": _bert(4**4 + 5, 12, 768, 12, 3072),
    "DNABERT-5": _bert(4**5 + 5, 12, 768, 12, 3072),
    "DNABERT-6": _bert(4**6 + 5, 12, 768, 12, 3072),
}


def _invented(draw: Draw, family: str, **more) -> dict:
    """Returns a model that nobody has trained, no size of it like another."""
    heads, size, layers = draw.sizes(3, 3, 9)
    dim = heads * size
    wide = dim * draw.integer(2, 3) + draw.integer(1, dim - 1)  # never 4 dim
    return _stack(family, layers, dim, heads, wide, **more)


def _count_parameters(draw: Draw) -> Exercise:
    name = "count_parameters"

    def tables() -> dict:
        return {
            "vocabulary_size": draw.integer(200, 900),
            "max_positions": draw.integer(50, 150),
        }

    def invented(family: str, *variants: dict) -> list[list[dict]]:
        text = family != "vit"
        return [
            [_invented(draw, family, **(tables() if text else {}), **more)]
            for more in variants
        ]

    def image(channels: int) -> dict:
        side, patch = draw.integer(5, 8), draw.integer(4, 9)
        pixels = {"image_size": side * patch, "patch_size": patch}
        return {**pixels, "channels": channels, "num_classes": draw.integer(20, 80)}

    def published(family: str) -> list[list[dict]]:
        return [[config] for config in PUBLISHED.values() if config["family"] == family]

    def check(family: str, title: str, message: str, *variants: dict) -> Check:
        return Check(
            family,
            title,
            1.0,
            (
                _plain(name, f"{family}/published", *published(family)),
                _plain(name, f"{family}/invented", *invented(family, *variants)),
            ),
            ("attempted",),
            message,
        )

    return Exercise(
        name,
        (name,),
        "Every parameter of every family",
        (
            attempted(name, calls=[{"args": [PUBLISHED["BERT-base"]]}]),
            check(
                "encoder",
                "BERT, DistilBERT, DNABERT, and three that nobody trained",
                "An encoder is three tables (tokens, positions, segments), a layer "
                "norm, the blocks, and a pooler where it has one.",
                {"num_segments": 3, "pooler": True},
                {"num_segments": 0, "pooler": True},
                {"num_segments": 2, "pooler": False},
            ),
            check(
                "decoder",
                "GPT-1, GPT-2, GPT-3, and others",
                "A decoder is two tables, the blocks, a layer norm at the end where "
                "it has one, and a head of its own where that is not tied.",
                {"final_norm": True, "tied_head": False},
                {"final_norm": False, "tied_head": False},
                {"final_norm": False, "tied_head": True},
            ),
            check(
                "encoder_decoder",
                "the original Transformer, and others",
                "Two stacks of `num_layers` each; a block of the decoder has a second "
                "attention, and a third layer norm. The tables are shared.",
                {"final_norm": True},
                {"final_norm": False},
            ),
            check(
                "vit",
                "ViT, DeiT, and others",
                "Patches through a dense layer, a class token, a position for each "
                "patch and for the class token, the blocks, a layer norm, a "
                "classifier.",
                image(1),
                image(5),
            ),
        ),
        hints=(
            "Start with one block. A dense layer from n to m features has n·m weights "
            "and m biases; a layer norm has a scale and a shift. An attention is four "
            "dense layers.",
            "Heads share out the features and add none: `num_heads` changes nothing.",
            "The decoder's block in an encoder–decoder is the encoder's block with one "
            "more attention and one more layer norm.",
            "A flattened patch has P·P·C numbers, and there are (image_size / P)² of "
            "them. The class token is one more, and has a position.",
            "Off by a small multiple of embed_dim? A bias or a layer norm is missing, "
            "or one too many. Divide the difference by embed_dim and by num_layers.",
        ),
    )


# --- mixture_tokens, epochs_seen --------------------------------------------------

PALM = {
    "social media conversations": 50,
    "filtered web pages": 27,
    "books": 13,
    "GitHub": 5,
    "Wikipedia": 4,
    "news": 1,
}
GPT3 = {"Common Crawl": 60, "WebText2": 22, "Books1": 8, "Books2": 8, "Wikipedia": 3}
GPT3_SIZES = {
    "Common Crawl": 410e9,
    "WebText2": 19e9,
    "Books1": 12e9,
    "Books2": 55e9,
    "Wikipedia": 3e9,
}


def _mixture_tokens(draw: Draw) -> Exercise:
    name, epochs = "mixture_tokens", "epochs_seen"
    first, second = draw.sizes(2, 11, 29)
    hundred = {"web": 100 - first - second, "code": first, "letters": second}
    shares = {"web": 0.5, "code": 0.125, "letters": 0.375}
    parts = dict(
        zip(("web", "code", "books", "news"), draw.sizes(4, 2, 9), strict=True)
    )
    few = float(10 * draw.integer(10, 99) + 7)  # rounding to whole tokens shows

    def seen(*left_out: str) -> list[dict]:
        tokens = {source: float(draw.integer(50, 950)) for source in parts}
        known = {s: draw.integer(50, 950) for s in parts if s not in left_out}
        return [tokens, known]

    gpt3 = {"Common Crawl": 180e9, "WebText2": 66e9, "Books2": 24e9, "Wikipedia": 9e9}
    sizes = {source: GPT3_SIZES[source] for source in gpt3}
    return Exercise(
        name,
        (name, epochs),
        "What a model reads, and how often",
        (
            attempted(name, calls=[{"args": [780e9, PALM]}]),
            Check(
                "values",
                "PaLM's 780 billion tokens",
                0.75,
                (
                    _plain(name, "values/palm", [780e9, PALM]),
                    _plain(name, "values/few", [few, hundred]),
                ),
                ("attempted",),
                "A source gets its weight's part of all tokens, as a number that is "
                "not rounded, in a dictionary.",
            ),
            Check(
                "normalised",
                "weights that do not add up to 100",
                0.75,
                (
                    _plain(name, "normalised/gpt3", [300e9, GPT3]),
                    _plain(name, "normalised/shares", [few, shares]),
                    _plain(name, "normalised/parts", [few, parts]),
                ),
                ("attempted",),
                "What the sources get must add up to all tokens, whatever the weights "
                "add up to.",
            ),
            Check(
                "epochs",
                "how often each source is read",
                0.5,
                (
                    _plain(epochs, "epochs/gpt3", [gpt3, sizes]),
                    _plain(epochs, "epochs/others", seen()),
                ),
                ("attempted",),
                "Epochs are the tokens read over the tokens there are.",
            ),
            Check(
                "unknown",
                "sources of unknown size",
                0.25,
                (_plain(epochs, "unknown", seen("code"), seen("web", "news")),),
                ("attempted",),
                "A source that `sizes` does not list has no epochs, and no entry in "
                "the result.",
            ),
        ),
        hints=(
            "Add up GPT-3's weights before you trust them.",
            "A source's share is its weight divided by the sum of all weights.",
            "In `epochs_seen`, ask `if source in sizes` before you divide.",
        ),
    )


# --- training_flops, compute_optimal_tokens ---------------------------------------


def _training_flops(draw: Draw) -> Exercise:
    name, optimal = "training_flops", "compute_optimal_tokens"
    small, tokens = draw.integer(1_000, 9_999), draw.integer(100_000, 900_000)
    return Exercise(
        name,
        (name, optimal),
        "The price of training",
        (
            attempted(name, calls=[{"args": [1000, 1000]}]),
            Check(
                "values",
                "operations of a training run",
                0.5,
                (
                    _plain(name, "values/small", [small, float(tokens)]),
                    _plain(name, "values/large", [float(small) * 1e6, tokens * 1e5]),
                ),
                ("attempted",),
                "Six operations per parameter and token: two on the way forward, four "
                "on the way back.",
            ),
            Check(
                "gpt3",
                "a number beyond 64 bits",
                0.25,
                (_plain(name, "gpt3", [174_604_259_328, 300 * 10**9]),),
                ("attempted",),
                "GPT-3 took 3.14e23 operations. NumPy's integers end at 9.2e18 and "
                "wrap around without a word; Python's numbers do not.",
            ),
            Check(
                "optimal",
                "the tokens that a model deserves",
                0.25,
                (
                    _plain(optimal, "optimal", [small], [70 * 10**9]),
                    _plain(optimal, "optimal/others", [tokens], [float(small)]),
                ),
                ("attempted",),
                "About twenty tokens for each parameter.",
            ),
        ),
        hints=(
            "A multiplication and an addition for each weight and token: 2·N·D on the "
            "way forward. How much more is the way back?",
            "Chinchilla's rule of thumb: D = 20·N.",
        ),
    )
