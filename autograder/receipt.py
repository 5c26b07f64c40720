"""The receipt that `pack` puts into a notebook, and what its hash is taken of.

It stands in the notebook's metadata under `autograder`. Whoever has the file can write
another one: it tells honest mistakes, such as the wrong file handed in, and proves
nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

KEY = "autograder"  # in the notebook's metadata
SCHEMA_VERSION = 1


def fingerprint(cells: Iterable[tuple[str, str]]) -> str:
    """Returns the SHA-256 of a notebook's cells, given as (type, source).

    What editors change unasked does not count: outputs, metadata, ids, the kind of
    line ends, space at a cell's end, and cells with nothing in them.
    """
    kept = [
        [kind if kind in ("markdown", "raw") else "code", _plain(source)]
        for kind, source in cells
    ]
    text = json.dumps([cell for cell in kept if cell[1]])
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(source: str) -> str:
    return source.replace("\r\n", "\n").replace("\r", "\n").rstrip()
