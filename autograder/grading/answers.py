"""What a worker says, checked before anything is made of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

NOT_AN_ANSWER = {
    "error": {"type": "Refusal", "message": "No answer came back.", "lines": []},
    "facts": {},
    "arrays": {},
}


def checked(answer: Any) -> dict[str, Any]:
    """Returns an answer of the shape that the judge reads, or one that says it is not.

    The worker runs beside student code, so whatever it sends may be forged: every
    part is looked at, and what does not fit is dropped.
    """
    try:
        error, facts, arrays = answer["error"], answer["facts"], answer["arrays"]
        return {
            "error": None if error is None else _error(error),
            "facts": {str(k): v for k, v in facts.items() if _plain(v)},
            "arrays": {
                str(k): v for k, v in arrays.items() if isinstance(v, np.ndarray)
            },
        }
    except (TypeError, KeyError, AttributeError, ValueError, IndexError):
        return NOT_AN_ANSWER


def _error(error: dict) -> dict[str, Any]:
    lines = [
        [str(file)[:200], int(line), str(source)[:200]]
        for file, line, source in error["lines"][:8]
    ]
    return {
        "type": str(error["type"])[:80],
        "message": str(error["message"])[:2000],
        "lines": lines,
    }


def _plain(value: Any, depth: int = 0) -> bool:
    if value is None or type(value) in (bool, int):
        return True
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is str:
        return len(value) <= 100_000
    if type(value) is list and depth < 3:
        return all(_plain(item, depth + 1) for item in value)
    if type(value) is dict and depth < 3:
        return all(_plain(item, depth + 1) for item in value.values())
    return False
