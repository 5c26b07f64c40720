"""What all pages share: templates that escape, and filters for a stranger's text."""

from __future__ import annotations

import functools
import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from autograder.safe import inert


@functools.lru_cache
def templates() -> Environment:
    """Returns the templates; everything put into them is escaped."""
    environment = Environment(
        loader=PackageLoader("autograder.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["inert"] = inert
    environment.filters["points"] = lambda value: f"{value:.2f}".rstrip("0").rstrip(".")
    environment.filters["prose"] = prose
    return environment


def prose(text: str) -> Markup:
    """Returns text as HTML in which `code` is marked and the rest is inert."""
    parts = re.split(r"`([^`\n]*)`", inert(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )
