"""What all pages share: templates that escape, and filters for a stranger's text."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from autograder.safe import inert, one_line


@functools.lru_cache
def templates() -> Environment:
    """Returns the templates; everything put into them is escaped."""
    environment = Environment(
        loader=PackageLoader("autograder.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "inert": inert,
        "line": one_line,
        "points": points,
        "plural": plural,
        "prose": prose,
        "segments": segments,
        "base64": lambda data: base64.b64encode(data).decode(),
    }
    return environment


def points(value: float) -> str:
    """Returns a number with two decimals at most: `4.5`, `12`."""
    text = f"{value:.2f}"
    return text.rstrip("0").rstrip(".")


def plural(number: float, word: str) -> str:
    """Returns a number with its noun: `1 point`, `0.5 points`."""
    return f"{points(number)} {word}{'' if number == 1 else 's'}"


def prose(text: str) -> Markup:
    """Returns text as HTML in which `code` is marked and the rest is inert."""
    parts = re.split(r"`([^`\n]*)`", inert(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )


def segments(counts: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Returns the parts of a stacked bar: name, start and width in percent."""
    total, start, parts = sum(counts.values()), 0.0, []
    for name, count in counts.items():
        width = 100 * count / total if total else 0.0
        if width:
            parts.append((name, round(start, 3), round(width, 3)))
        start += width
    return parts
