"""The k-mer layer against plain Python: k-mers by slicing, ids by a dictionary.

Both turn the same random sequences into the same ids, which is checked. The layer is
measured as students call it (eager) and as a model's `predict` runs it (compiled), from
encoded bases to ids; `encode_bases` is timed apart, since a data pipeline does it once.
The ways alternate within one run; the ratio is to plain Python. Where the backend has a
GPU, the layer runs there too.

    python benchmarks/kmer_tokenizer.py [--sequences 4096] [--length 510] [--rounds 5]
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np

from autograder.authoring.reference import reference_cells
from autograder.course import load_course
from autograder.datasets import encode_bases

K = 6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sequences", type=int, default=4096)
    options.add_argument("--length", type=int, default=510, help="bases of each")
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    random = np.random.RandomState(0)
    letters = random.choice(list("ATCG"), (chosen.sequences, chosen.length))
    texts = ["".join(row) for row in letters]
    width = chosen.length - K + 3
    ways = {"plain Python": lambda: plain(texts), **layers(texts, width)}
    ways["encode_bases alone"] = lambda: encode_bases(texts)
    due = plain(texts)
    for name, way in ways.items():
        if name != "encode_bases alone":
            np.testing.assert_array_equal(np.asarray(way()), due, err_msg=name)
    times = {name: [] for name in ways}
    for _ in range(chosen.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            np.asarray(way())  # waits for the device
            times[name].append(time.perf_counter() - start)
    report(times, chosen.sequences * chosen.length)


def plain(texts: list[str]) -> np.ndarray:
    """Returns the ids as one would write it without tensors."""
    kmers = ("".join(p) for p in itertools.product("ATCG", repeat=K))
    index = {kmer: number for number, kmer in enumerate(kmers, start=5)}
    rows = []
    for text in texts:
        windows = (text[i : i + K] for i in range(len(text) - K + 1))
        rows.append([2, *(index.get(window, 1) for window in windows), 3])
    return np.array(rows, "int32")


def layers(texts: list[str], width: int) -> dict:
    """Returns ways to call the reference layer, by name."""
    namespace: dict = {"__name__": "reference"}
    for cell in reference_cells(load_course(), "dna_tokenization"):
        exec(compile(cell, "<reference>", "exec"), namespace)
    layer = namespace["KmerTokenizer"](K, width)
    encoded = encode_bases(texts)
    ways = {}
    for device in devices():
        with keras.device(device):
            bases = keras.ops.convert_to_tensor(encoded)
            model = keras.Sequential([layer])

        def eager(bases=bases, device=device):
            with keras.device(device):
                return keras.ops.convert_to_numpy(layer(bases))

        def compiled(bases=bases, model=model, device=device):
            with keras.device(device):
                return model.predict_on_batch(bases)

        ways[f"layer, eager, {device}"] = eager
        ways[f"layer, compiled, {device}"] = compiled
    return ways


def devices() -> list[str]:
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        if tensorflow.config.list_physical_devices("GPU"):
            return ["cpu:0", "gpu:0"]
    return ["cpu:0"]


def report(times: dict[str, list[float]], bases: int) -> None:
    base = statistics.median(times["plain Python"])
    print(f"{bases:,} bases, k = {K}, Keras {keras.__version__}")
    for name, seconds in times.items():
        rates = sorted(bases / s / 1e6 for s in seconds)
        ratio = base / statistics.median(seconds)
        print(
            f"{name:24} {statistics.median(rates):8.2f} million bases/s "
            f"({rates[0]:.2f} to {rates[-1]:.2f}), {ratio:6.1f} x"
        )


if __name__ == "__main__":
    main()
