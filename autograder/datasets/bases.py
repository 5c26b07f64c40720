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
