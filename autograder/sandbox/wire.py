"""Frames between grader and worker: JSON and raw arrays over one socket.

    u32 header length | JSON {"tree": …, "arrays": [[dtype, shape], …]} | raw buffers

Both sides use the same two functions. The reader trusts nothing: sizes are checked
against a cap before anything is allocated, and every frame has one deadline.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from typing import Any

import numpy as np

from autograder.records import ARRAY, DTYPES, flatten

HEADER_LIMIT = 4 << 20
FRAME_LIMIT = 4 << 20  # a hundred times the largest honest answer
RANK_LIMIT = 16
DEPTH_LIMIT = 40


class WireError(Exception):
    """A frame could not be read."""


class Closed(WireError):
    """The other side is gone."""


class ProtocolError(WireError):
    """The frame is not what this protocol allows."""


class Late(WireError, TimeoutError):
    """The frame was not complete at its deadline."""


def send(sock: socket.socket, tree: Any, limit: int = FRAME_LIMIT) -> None:
    """Sends a tree of JSON values and NumPy arrays.

    Raises:
        ProtocolError: the tree is no JSON, or too large to be accepted.
    """
    try:
        structure, arrays = flatten(tree)
        arrays = [a.astype(a.dtype.newbyteorder("<"), copy=False) for a in arrays]
        facts = [[a.dtype.name, list(a.shape)] for a in arrays]
        header = json.dumps({"tree": structure, "arrays": facts}).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ProtocolError(f"This cannot be sent: {error}") from error
    if len(header) > HEADER_LIMIT or sum(a.nbytes for a in arrays) > limit:
        raise ProtocolError("This is too large to be sent.")
    sock.sendall(struct.pack("<I", len(header)) + header)
    for array in arrays:
        sock.sendall(array.tobytes())


def receive(
    sock: socket.socket, *, seconds: float | None = None, limit: int = FRAME_LIMIT
) -> Any:
    """Receives a tree.

    Args:
        sock: a connected stream socket.
        seconds: until the whole frame must have come; None waits for ever.
        limit: the most bytes of arrays that are accepted.

    Raises:
        Closed, ProtocolError, Late: see there.
    """
    return receive_counted(sock, seconds=seconds, limit=limit)[0]


def receive_counted(
    sock: socket.socket, *, seconds: float | None, limit: int
) -> tuple[Any, int]:
    """Receives a tree, and says of how many bytes; see `receive`."""
    deadline = None if seconds is None else time.monotonic() + seconds
    (length,) = struct.unpack("<I", _read(sock, 4, deadline))
    if length > min(HEADER_LIMIT, limit):
        raise ProtocolError(f"A header of {length} bytes is too long.")
    structure, facts = _header(bytes(_read(sock, length, deadline)))
    total = length + sum(size for _, _, size in facts)
    if total - length > limit:
        raise ProtocolError("The arrays are larger than allowed.")
    arrays = [_array(sock, fact, deadline) for fact in facts]
    return _revive(structure, arrays), total


def _header(data: bytes) -> tuple[Any, list[tuple[np.dtype, tuple, int]]]:
    try:
        header = json.loads(data)
        facts = [_fact(*fact) for fact in header["arrays"]]
        return header["tree"], facts
    except (ValueError, RecursionError, KeyError, TypeError, OverflowError) as error:
        raise ProtocolError(f"The header is not understood: {error!r}"[:200]) from None


def _fact(name: Any, shape: Any) -> tuple[np.dtype, tuple, int]:
    if name not in DTYPES or type(shape) is not list or len(shape) > RANK_LIMIT:
        raise ValueError("dtype or rank")
    if any(type(n) is not int or not 0 <= n < 1 << 40 for n in shape):
        raise ValueError("shape")
    dtype = np.dtype(name).newbyteorder("<")
    return dtype, tuple(shape), math.prod(shape) * dtype.itemsize


def _array(sock: socket.socket, fact: tuple, deadline: float | None) -> np.ndarray:
    dtype, shape, size = fact
    data = _read(sock, size, deadline)
    if dtype == np.bool_ and np.frombuffer(data, "u1").max(initial=0) > 1:
        raise ProtocolError("A boolean is neither 0 nor 1.")
    try:
        return np.frombuffer(data, dtype).reshape(shape)
    except ValueError:  # zero-sized shapes whose other sides overflow
        raise ProtocolError(f"No array has the shape {shape}.") from None


def _revive(node: Any, arrays: list[np.ndarray], depth: int = 0) -> Any:
    if depth > DEPTH_LIMIT:
        raise ProtocolError("The tree is too deep.")
    if isinstance(node, dict):
        if ARRAY in node:
            return _referred(node, arrays)
        return {key: _revive(value, arrays, depth + 1) for key, value in node.items()}
    if isinstance(node, list):
        return [_revive(value, arrays, depth + 1) for value in node]
    return node


def _referred(node: dict, arrays: list[np.ndarray]) -> np.ndarray:
    index = node[ARRAY]
    if len(node) != 1 or type(index) is not int or not 0 <= index < len(arrays):
        raise ProtocolError("The tree names an array that was not sent.")
    return arrays[index]


def _read(sock: socket.socket, size: int, deadline: float | None) -> bytearray:
    data = bytearray()
    while len(data) < size:
        remaining = None if deadline is None else deadline - time.monotonic()
        if remaining is not None and remaining <= 0:
            raise Late("The answer did not come in time.")
        sock.settimeout(remaining)
        try:
            # Grows with what has come: a lying size allocates nothing.
            part = sock.recv(min(size - len(data), 1 << 20))
        except TimeoutError:
            raise Late("The answer did not come in time.") from None
        except OSError:
            raise Closed("The other side is gone.") from None
        if not part:
            raise Closed("The other side is gone.")
        data += part
    return data
