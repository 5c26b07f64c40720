"""DNA as integers, so that layers can work on it on a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LETTERS = "ATCG"
UNKNOWN, END = 4, -1
_CODES = np.full(256, UNKNOWN, "int32")
for _letter, _code in zip("ATCGU", (0, 1, 2, 3, 1), strict=True):
    _CODES[[ord(_letter), ord(_letter.lower())]] = _code


def encode_bases(sequences: Sequence[str], length: int | None = None) -> np.ndarray:
    """Returns sequences as integers: A 0, T or U 1, C 2, G 3, any other letter 4.

    Args:
        sequences: strings, in upper or lower case.
        length: columns of the result; the longest sequence's where it is None.
            Longer sequences are cut.

    Returns:
        int32 array of shape `(len(sequences), length)`, -1 after a sequence's end.

    Raises:
        TypeError: a single string was given, or a sequence is no string.
    """
    if isinstance(sequences, (str, bytes)):
        raise TypeError("Give a list of sequences: encode_bases(['ACGT']).")
    texts = list(sequences)
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"A sequence is a string such as 'ACGT', not {text!r}.")
    if length is None:
        length = max((len(text) for text in texts), default=0)
    encoded = np.full((len(texts), length), END, "int32")
    for row, text in zip(encoded, texts, strict=True):
        raw = np.frombuffer(text[:length].encode("latin-1", "replace"), np.uint8)
        row[: len(raw)] = _CODES[raw]
    return encoded


def kmer_ids(sequences: Sequence[str], k: int) -> np.ndarray:
    """Returns sequences of one length as DNABERT's token ids.

    It is for notebooks that begin where assignment 4 ends: NumPy, on strings, before
    a model sees anything. `ATCG` are the only letters.

    Args:
        sequences: strings of `L` bases each.
        k: length of a k-mer, at most `L`.

    Returns:
        int32 array of shape `(len(sequences), L - k + 3)`: 2 for `[CLS]`, the ids of
        the overlapping k-mers, 3 for `[SEP]`.

    Raises:
        ValueError: a letter is unknown, lengths differ, or there is no k-mer.
    """
    bases = encode_bases(sequences)
    if bases.size and not ((bases >= 0) & (bases < UNKNOWN)).all():
        raise ValueError("Sequences have to be of one length, of A, C, G and T alone.")
    if not 1 <= k <= bases.shape[1]:
        raise ValueError(f"k is {k}, and the sequences have {bases.shape[1]} bases.")
    digits = np.lib.stride_tricks.sliding_window_view(bases, k, axis=1)
    ids = 5 + np.ravel_multi_index(tuple(np.moveaxis(digits, 2, 0)), (4,) * k)
    ends = (0, 0), (2, 3)
    return np.pad(ids, ((0, 0), (1, 1)), constant_values=ends).astype("int32")
