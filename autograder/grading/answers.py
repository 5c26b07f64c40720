"""What a worker says, checked before anything is made of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograder.sandbox.host import error_told, plain_text

NOT_AN_ANSWER = {
    "error": {"type": "Refusal", "message": "No answer came back.", "lines": []},
    "facts": {},
    "arrays": {},
}
ENTRIES = 5000  # facts and arrays that an answer may have
NAME, TEXT, DEPTH = 200, 100_000, 4


def checked(answer: Any) -> dict[str, Any]:
    """Returns an answer of the shape that the judge reads, or one that says it is not.

    The worker runs beside student code, so whatever it sends may be forged: every
    part is looked at, and what does not fit is dropped.
    """
    if not isinstance(answer, dict):
        return NOT_AN_ANSWER
    error, facts, arrays = (answer.get(k) for k in ("error", "facts", "arrays"))
    if not isinstance(facts, dict) or not isinstance(arrays, dict):
        return NOT_AN_ANSWER
    if len(facts) + len(arrays) > ENTRIES:
        return NOT_AN_ANSWER
    return {
        "error": None if error is None else error_told(error),
        "facts": {
            plain_text(k, NAME): _clean(v) for k, v in facts.items() if _plain(v)
        },
        "arrays": {
            plain_text(k, NAME): v
            for k, v in arrays.items()
            if isinstance(v, np.ndarray)
        },
    }


def _plain(value: Any, depth: int = 0) -> bool:
    if value is None or type(value) is bool:
        return True
    if type(value) is int:
        return -(1 << 63) <= value < 1 << 64
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is str:
        return len(value) <= TEXT
    if type(value) is list and depth < DEPTH:
        return all(_plain(item, depth + 1) for item in value)
    if type(value) is dict and depth < DEPTH:
        return all(_plain(item, depth + 1) for item in value.values())
    return False


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return plain_text(value, TEXT)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {plain_text(k, TEXT): _clean(v) for k, v in value.items()}
    return value
