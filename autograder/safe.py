"""Text of a stranger's, made harmless for a terminal, a page or a spreadsheet."""

from __future__ import annotations

import ast
import re
import threading
import unicodedata

_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?")
_JOINERS = "\u200c\u200d"  # they shape Persian and Indic words, and turn nothing round
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # full-width ones count in East Asian locales
_BREAKS = {ord(character): None for character in "\n\t"}
_MARKS = 5
_CUT = "…"


_parsing = threading.Lock()


def syntax_tree(source: str) -> ast.Module:
    """Returns `ast.parse(source)`, one thread at a time.

    CPython 3.11 counts the depth of a tree for all threads together (its issue
    106905), so that a submission beside another would fail with a SystemError.
    """
    with _parsing:
        return ast.parse(source)


def inert(text: object, limit: int = 2000) -> str:
    """Returns text without escape codes, control or direction characters, cut short.

    Newlines and tabs stay; what else is taken out of sight is shown as `�`. Accents
    piled on one letter end at the fifth, before they cover the line above. HTML is
    not escaped here: templates do that.
    """
    plain = _ESCAPE.sub("", str(text)[: limit * 4])
    plain_ascii = plain.isascii() and plain.translate(_BREAKS).isprintable()
    shown = plain if plain_ascii else _without_marks(plain)
    return shown if len(shown) <= limit else shown[: limit - 1] + _CUT


def _without_marks(text: str) -> str:
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MARKS:
            kept.append(character if _harmless(character) else "�")
    return "".join(kept)


def one_line(text: object, limit: int = 200) -> str:
    """Returns `inert` text on a single line."""
    return " ".join(inert(text, limit).split())


def system_error(error: OSError) -> str:
    """Returns what the system refused as one sentence with a mend."""
    if not error.strerror:
        return one_line(error, 400)
    place = f" ({one_line(error.filename)})" if error.filename else ""
    return (
        f"{error.strerror}{place}; see that the path is right, that you may use it, "
        "and that there is room."
    )


def csv_cell(value: object) -> object:
    """Returns a value that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = one_line(value, 5000).lstrip(_JOINERS)
    return "'" + text if text.startswith(_FORMULA) else text


def _harmless(character: str) -> bool:
    # Cc and Cf hold controls and the overrides of writing direction.
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
    return not hidden or character in "\n\t" or character in _JOINERS
