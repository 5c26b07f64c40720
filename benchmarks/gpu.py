"""The reference layers against what could replace them, on this machine's device.

Multi-head attention beside `keras.layers.MultiHeadAttention`, the patch embedder beside
a `Conv2D` of the same sizes, the k-mer layer beside plain Python; compiled, with the
same weights where both have some, and their results compared. The ways alternate within
one run; a ratio above 1 says that the reference is faster. Runs on a GPU where Keras
sees one, else on the CPU, and says which.

    python benchmarks/gpu.py [--batch 32] [--rounds 20]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np

from autograder.answering import plain_settings
from autograder.authoring.reference import reference_cells
from autograder.course import load_course
from autograder.datasets import encode_bases
from autograder.differentiating import compile_call

K = 6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--rounds", type=int, default=20)
    chosen = options.parse_args()
    random = np.random.RandomState(0)
    print(f"{device()}, Keras {keras.__version__} on {keras.backend.backend()}")
    with plain_settings():
        for name, make in PAIRS.items():
            ours, theirs = make(random, chosen.batch)
            np.testing.assert_allclose(ours(), theirs(), atol=5e-3, err_msg=name)
            mine, other = alternate(ours, theirs, chosen.rounds)
            ratio = statistics.median(other) / statistics.median(mine)
            print(
                f"{name:54} {1e3 * statistics.median(mine):8.2f} ms beside "
                f"{1e3 * statistics.median(other):8.2f} ms, ratio {ratio:.2f}",
                flush=True,
            )


def device() -> str:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if gpus:
            details = tf.config.experimental.get_device_details(gpus[0])
            return details.get("device_name", "a GPU")
    elif keras.backend.backend() == "jax":
        import jax

        return str(jax.devices()[0])
    return "CPU"


def reference(assignment: str) -> dict:
    """Returns the names that an assignment's reference defines."""
    namespace: dict = {"__name__": "reference"}
    for cell in reference_cells(load_course(), assignment):
        exec(compile(cell, "<reference>", "exec"), namespace)
    return namespace


def compiled(function: Callable, *args) -> Callable[[], np.ndarray]:
    """Returns a call that waits for the device and gives an array."""
    keras.ops.convert_to_numpy(function(*args))  # weights are made outside a graph
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        graph = tf.function(lambda: function(*args))
        return lambda: graph().numpy()
    if keras.backend.backend() == "jax":
        import jax

        jitted = jax.jit(function)
        return lambda: np.asarray(jitted(*args))
    return lambda: keras.ops.convert_to_numpy(compile_call(function, list(args), {}))


def attention(random, batch: int) -> tuple[Callable, Callable]:
    """64 features a head, eight heads, 256 tokens."""
    x = keras.ops.convert_to_tensor(random.normal(size=(batch, 256, 512)).astype("f4"))
    ours = reference("multi_head_attention")["MultiHeadAttention"](8, 64)
    theirs = keras.layers.MultiHeadAttention(8, 64)
    ours(x, x), theirs(x, x)
    for path in ("query", "key", "value", "attention_output"):
        own = getattr(ours, path)
        their = theirs._output_dense if path == "attention_output" else None
        their = their or getattr(theirs, f"_{path}_dense")
        shapes = [tuple(weight.shape) for weight in their.weights]
        pairs = zip(own.get_weights(), shapes, strict=True)
        their.set_weights([weight.reshape(shape) for weight, shape in pairs])
    return compiled(ours, x, x), compiled(theirs, x, x)


def patches(random, batch: int) -> tuple[Callable, Callable]:
    """224 × 224 pixels in patches of 16, 384 features."""
    size = (batch, 224, 224, 3)
    images = keras.ops.convert_to_tensor(random.normal(size=size).astype("f4"))
    ours = reference("vit_patch_embedder")["PatchEmbedder"](16, 384)
    theirs = keras.layers.Conv2D(384, 16, strides=16)
    ours(images), theirs(images)
    kernel, bias = ours.projection.get_weights()
    theirs.set_weights([kernel.reshape(theirs.kernel.shape), bias])
    places = ours.position_embedding

    def convolved(x):
        rows = keras.ops.reshape(theirs(x), (batch, -1, 384)) + places[:, 1:]
        first = keras.ops.broadcast_to(
            ours.class_token + places[:, :1], (batch, 1, 384)
        )
        return keras.ops.concatenate([first, rows], axis=1)

    return compiled(ours, images), compiled(convolved, images)


def kmers(random, batch: int) -> tuple[Callable, Callable]:
    """Sequences of 510 bases, 64 times the batch; encoding them is not counted."""
    import itertools

    letters = random.choice(list("ATCG"), (64 * batch, 510))
    texts = ["".join(row) for row in letters]
    bases = keras.ops.convert_to_tensor(encode_bases(texts))
    layer = reference("dna_tokenization")["KmerTokenizer"](K, 510 - K + 3)
    words = ("".join(p) for p in itertools.product("ATCG", repeat=K))
    index = {word: number for number, word in enumerate(words, start=5)}

    def plain():
        return np.array(
            [
                [2, *(index[t[i : i + K]] for i in range(len(t) - K + 1)), 3]
                for t in texts
            ],
            "int32",
        )

    return compiled(layer, bases), plain


PAIRS = {
    "MultiHeadAttention, beside keras.layers' own": attention,
    "PatchEmbedder, beside a Conv2D, token and positions": patches,
    "KmerTokenizer, beside plain Python": kmers,
}


def alternate(first: Callable, second: Callable, rounds: int) -> tuple[list, list]:
    """Returns the seconds of each call of two ways that take turns."""
    times: tuple[list, list] = ([], [])
    for _ in range(rounds):
        for way, kept in zip((first, second), times, strict=True):
            start = time.perf_counter()
            way()
            kept.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    main()
