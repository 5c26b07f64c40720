"""What is asked in NEW_NAME, and for how many points.

A check is a property worth points; its probes are the questions that it puts. A probe
says which action of `autograder.answering` asks, and with what. Sizes and arrays are
drawn from a seed: the public one for students, a secret one for grading.
"""

from __future__ import annotations

from autograder.exercise import Check, Draw, Exercise, Probe
from autograder.exercises._shared import attempted, lasting_checks

FUNCTION = "NEW_NAME_function"
LAYER = "NEW_NAME_layer"
QUESTION = "explain_NEW_NAME"
READY_MADE = ("keras.layers.RMSNormalization", "keras.ops.rms_normalization")


def exercises(seed: int) -> list[Exercise]:
    """Returns the assignment's exercises in order."""
    return [
        _function(Draw(seed, FUNCTION)),
        _layer(Draw(seed, LAYER)),
        Exercise(QUESTION, (), "Why is the mean left in?", manual_points=1.0),
    ]


def _function(draw: Draw) -> Exercise:
    name = "rms_norm"
    batch, tokens, features = draw.sizes(3, 3, 9)

    def call(*shape, scale=1.5):
        # Means far from zero, so that subtracting them is noticed.
        return {"args": [1.0 + draw.normal(*shape, scale=scale)]}

    def probe(id, *calls, action="call", compare="reference", **spec):
        return Probe(
            id, action, {"target": name, "calls": list(calls), **spec}, compare
        )

    plain, deep = call(tokens, features), call(batch, tokens, features)
    tiny = {"args": [draw.normal(tokens, features, scale=1e-3)]}
    return Exercise(
        FUNCTION,
        (name,),
        "One size for all vectors",
        (
            attempted(name, calls=[plain]),
            Check(
                "values",
                "numbers for given vectors",
                1.0,
                (probe("values/2d", plain), probe("values/3d", deep)),
                ("attempted",),
                "The result is not x / √(mean of x² + ε), along the last axis.",
            ),
            Check(
                "epsilon",
                "small vectors",
                0.5,
                (probe("epsilon", tiny, {"args": [0.0 * tiny["args"][0]]}),),
                ("attempted",),
                "For small vectors ε matters: it is added to the mean of the squares, "
                "under the root.",
            ),
            Check(
                "traced",
                "an unknown batch",
                0.5,
                (
                    probe(
                        "traced",
                        deep,
                        call(batch + 1, tokens, features),
                        action="symbolic",
                        compare="shapes",
                        unknown={"0": [0]},
                    ),
                ),
                ("attempted",),
                "It must work where the batch size is unknown: use `keras.ops` "
                "throughout.",
            ),
        ),
        hints=("`ops.mean(..., axis=-1, keepdims=True)` keeps an axis to divide by.",),
        forbidden=READY_MADE,
    )


def _layer(draw: Draw) -> Exercise:
    name = "RMSNorm"
    batch, tokens, features = draw.sizes(3, 3, 9)
    construct = {"epsilon": 0.01}
    weights = {"scale": draw.normal(features, scale=1.0)}

    def call():
        return {"args": [1.0 + draw.normal(batch, tokens, features)]}

    def probe(id, *calls, action="call", compare="reference", facts=(), **spec):
        spec = {
            "target": name,
            "construct": construct,
            "weights": weights,
            "calls": list(calls),
            **spec,
        }
        return Probe(id, action, spec, compare, facts=facts)

    return Exercise(
        LAYER,
        (name,),
        "A layer with one weight per feature",
        (
            attempted(name, construct=construct),
            Check(
                "constructor",
                "constructor, name and dtype",
                0.25,
                (
                    probe(
                        "constructor",
                        call(),
                        action="constructor",
                        compare="facts_only",
                        facts=("name", "policy", "0/count"),
                        construct={**construct, "name": "norm", "dtype": "float32"},
                        weights={},
                    ),
                ),
                ("attempted",),
                "`RMSNorm(epsilon=…, name=…, dtype=…)` must make a layer that runs.",
            ),
            Check(
                "values",
                "numbers under given weights",
                1.0,
                (probe("values", call(), call()),),
                ("constructor",),
                "With given weights the output is not `rms_norm(x)` times `scale`.",
            ),
            *lasting_checks(probe, call(), construct),
        ),
        hints=("`call` is one line: what `rms_norm` returns, times `self.scale`.",),
        forbidden=READY_MADE,
    )
