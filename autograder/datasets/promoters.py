"""The lac promoter of *E. coli* and 50,518 mutants of it, by how strongly they work.

J. B. Kinney, A. Murugan, C. G. Callan, E. C. Cox, "Using deep sequencing to
characterize the biophysical mechanism of a transcriptional regulatory sequence", PNAS
107(20), 2010. Cells were sorted by fluorescence into nine bins, and the promoters of
each bin read.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterator
from itertools import chain

import numpy as np

from autograder.datasets import registry

LAC = "AATTAATGTGAGTTAGCTCACTCATTAGGCACCCCAGGCTTTACACTTTATGCTTCCGGCTCGTATGTTGTGTGG"
"""The promoter as it is in nature, 75 bases."""
SITES = {"CRP": (4, 26), "-35": (39, 45), "-10": (63, 69)}
"""Where proteins bind: half-open ranges of positions in `LAC`, counted from 0."""

BINS = range(1, 10)  # dark to bright; bin 0 is the library before it was sorted
WEAK, STRONG = 3, 7  # bins up to the first are weak, from the second on strong
BUNDLED = {"train": 10_000, "test": 2_000}
TEST_SHARE = 0.2
NEAR = 2  # so many edits at most: perhaps one promoter, read twice

Arrays = tuple[np.ndarray, np.ndarray]


def load_promoters(full: bool = False) -> tuple[Arrays, Arrays]:
    """Returns mutants of the lac promoter and whether each works strongly.

    Args:
        full: whether to fetch all that can be labelled, about 29,000, instead of the
            12,000 that come with the course. Splitting them takes some seconds.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: x are strings of 75 bases, y is 1 where
        the promoter is strong (bins 7 to 9) and 0 where it is weak (bins 1 to 3).
        No two edits (a base changed, lost or put in) lead from one of the test to one
        of those to train on.

    Raises:
        DatasetError: the file is absent or damaged, or cannot be fetched.
    """
    if full:
        rows = labelled(registry.fetch("lac_promoters_full"))
    else:
        rows = _rows(registry.read("lac_promoters"))
    return _part(rows, "train"), _part(rows, "test")


def _rows(data: bytes) -> list[tuple[str, int, str]]:
    rows = csv.reader(io.StringIO(data.decode()))
    next(rows)
    return [(sequence, int(strong), split) for sequence, strong, split in rows]


def _part(rows: list[tuple[str, int, str]], split: str) -> Arrays:
    kept = [(sequence, label) for sequence, label, part in rows if part == split]
    return np.array([s for s, _ in kept]), np.array([y for _, y in kept], "int32")


# --- how the bundled part was made ------------------------------------------------


def labelled(data: bytes) -> list[tuple[str, int, str]]:
    """Returns sequence, label and split of all that is weak or strong for certain.

    Takes the published file: gzipped CSV with a count per bin, `ct_0` to `ct_9`, and
    the sequence `x`.

    A sequence read more than once counts once; one seen in weak and strong bins, or
    between them, or only before the sorting, is left out. Near duplicates go to the
    same side of the split.
    """
    counts: dict[str, np.ndarray] = {}
    for row in csv.DictReader(io.StringIO(gzip.decompress(data).decode())):
        seen = np.array([int(row[f"ct_{n}"]) for n in BINS])
        counts[row["x"]] = counts.get(row["x"], 0) + seen
    labels = {}
    for sequence, seen in counts.items():
        bins = np.flatnonzero(seen) + BINS[0]
        if bins.size and bins.max() <= WEAK:
            labels[sequence] = 0
        elif bins.size and bins.min() >= STRONG:
            labels[sequence] = 1
    sequences = sorted(labels, key=_shuffle)
    group = groups(sequences)
    return [
        (sequence, labels[sequence], _side(sequences[first]))
        for sequence, first in zip(sequences, group, strict=True)
    ]


def bundled(rows: list[tuple[str, int, str]]) -> list[tuple[str, int, str]]:
    """Returns as many of each label and split as come with the course."""
    kept = []
    for split, count in BUNDLED.items():
        for label in (0, 1):
            kept += [r for r in rows if r[1:] == (label, split)][: count // 2]
    return sorted(kept, key=lambda row: (row[2] == "test", _shuffle(row[0])))


def groups(sequences: list[str], block: int = 1000) -> list[int]:
    """Returns, for each sequence, the first index of those linked to it by nearness.

    Two of the same length are linked where at most two edits lead from one to the
    other: two bases changed, or one lost and one put in. Links carry on.
    """
    parent = list(range(len(sequences)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in chain(_few_changes(sequences, block), _shifted(sequences)):
        first, second = sorted((root(i), root(j)))
        parent[second] = first
    return [root(i) for i in range(len(sequences))]


def _few_changes(sequences: list[str], block: int) -> Iterator[tuple[int, int]]:
    """Yields the pairs that differ in at most `NEAR` places."""
    letters = np.array([list(s) for s in sequences])
    one_hot = np.concatenate([letters == b for b in "ACGT"], axis=1).astype("float32")
    enough = letters.shape[1] - NEAR
    for start in range(0, len(sequences), block):
        same = one_hot[start : start + block] @ one_hot.T  # bases in common
        for i, j in zip(*np.nonzero(same >= enough), strict=True):
            yield start + int(i), int(j)


def _shifted(sequences: list[str]) -> Iterator[tuple[int, int]]:
    """Yields a sequence and an earlier one where both can lose a base and be equal."""
    first: dict[str, int] = {}
    for i, sequence in enumerate(sequences):
        for place in range(len(sequence)):
            j = first.setdefault(sequence[:place] + sequence[place + 1 :], i)
            if j != i:
                yield i, j


def _shuffle(sequence: str) -> str:
    return hashlib.sha256(sequence.encode()).hexdigest()


def _side(representative: str) -> str:
    share = int(_shuffle("side " + representative)[:8], 16) / 16**8
    return "test" if share < TEST_SHARE else "train"
