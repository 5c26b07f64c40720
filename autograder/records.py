"""Answers as bytes: JSON for structure, raw arrays beside it, never pickle.

A *tree* is JSON with NumPy arrays as leaves. `flatten` takes the arrays out, so
that the same form serves the worker's socket and the records on disk.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

DTYPES = frozenset(
    "bool int8 uint8 int16 int32 int64 uint32 float16 float32 float64".split()
)
ARRAY = "$array"
METADATA = "tree"


def flatten(tree: Any) -> tuple[Any, list[np.ndarray]]:
    """Returns the tree with `{"$array": i}` for each array, and the arrays."""
    arrays: list[np.ndarray] = []

    def walk(node):
        if isinstance(node, np.ndarray):
            if node.dtype.name not in DTYPES:
                raise TypeError(f"Arrays of dtype {node.dtype} are not recorded.")
            arrays.append(np.ascontiguousarray(node).reshape(node.shape))
            return {ARRAY: len(arrays) - 1}
        if isinstance(node, dict):
            return {str(key): walk(value) for key, value in node.items()}
        if isinstance(node, (list, tuple)):
            return [walk(value) for value in node]
        if isinstance(node, np.generic):
            return node.item()
        return node

    return walk(tree), arrays


def unflatten(tree: Any, arrays: list[np.ndarray]) -> Any:
    """Puts the arrays of `flatten` back into their places."""
    if isinstance(tree, dict):
        if set(tree) == {ARRAY}:
            return arrays[tree[ARRAY]]
        return {key: unflatten(value, arrays) for key, value in tree.items()}
    if isinstance(tree, list):
        return [unflatten(value, arrays) for value in tree]
    return tree


def to_bytes(tree: Any) -> bytes:
    """Returns a tree as a safetensors file; equal trees give equal bytes."""
    structure, arrays = flatten(tree)
    text = json.dumps(structure, sort_keys=True, separators=(",", ":"))
    named = {f"{i:06d}": array for i, array in enumerate(arrays)}
    return save(named, metadata={METADATA: text})


def from_bytes(data: bytes) -> Any:
    """Reads what `to_bytes` wrote.

    Raises:
        ValueError: the bytes are cut short or damaged.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    try:
        named = load(data)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    arrays = [named[name] for name in sorted(named)]
    return unflatten(json.loads(header["__metadata__"][METADATA]), arrays)


def write(path: Path, tree: Any) -> None:
    """Writes a tree to `path`, whole or not at all."""
    write_bytes(path, to_bytes(tree))


def read(path: Path) -> Any:
    """Reads the tree at `path`."""
    return from_bytes(Path(path).read_bytes())


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` under a temporary name beside `path`, then renames it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all.

    Half of a surrogate pair, which UTF-8 cannot hold, is written as JSON escapes it.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))
