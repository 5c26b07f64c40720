"""Text of a stranger's, made harmless for a terminal, a page or a spreadsheet."""

from __future__ import annotations

import re
import unicodedata

_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CUT = "…"


def inert(text: object, limit: int = 2000) -> str:
    """Returns text without escape codes, control or direction characters, cut short.

    Newlines and tabs stay. HTML is not escaped here: templates do that.
    """
    plain = _ESCAPE.sub("", str(text)[: limit * 4])
    kept = "".join(c if c in "\n\t" or _harmless(c) else "�" for c in plain)
    return kept if len(kept) <= limit else kept[: limit - 1] + _CUT


def one_line(text: object, limit: int = 200) -> str:
    """Returns `inert` text on a single line."""
    return " ".join(inert(text, limit).split())


def csv_cell(value: object) -> object:
    """Returns a value that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = one_line(value, 5000)
    return "'" + text if text.startswith(_FORMULA) else text


def _harmless(character: str) -> bool:
    # Cc and Cf hold controls and the overrides of writing direction.
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
