"""Ready-made parts in code that was to build them: noted, for a person to judge."""

from __future__ import annotations

import ast
from collections.abc import Iterable


def ready_made(source: str, helpers: Iterable[str], forbidden: Iterable[str]) -> list:
    """Returns which of the dotted names `forbidden` an exercise's code uses.

    Args:
        source: the exercise's cell.
        helpers: the student's own other cells; those count whose names it uses.
        forbidden: such as `keras.layers.MultiHeadAttention`. An attribute counts by
            its last two parts, a bare name only where it was imported from there, so
            that a class of one's own may be called the same.
    """
    tree = _parse(source)
    words = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    trees = [tree]
    for helper in map(_parse, helpers):
        made = {getattr(node, "name", None) for node in helper.body}
        if made & words:
            trees.append(helper)
    used = {name for one in trees for name in _dotted(one)}
    return [name for name in forbidden if tuple(name.split(".")[-2:]) in used]


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module(body=[], type_ignores=[])


def _dotted(tree: ast.Module):
    """Yields the last two parts of every attribute and imported name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = getattr(node.value, "attr", getattr(node.value, "id", ""))
            yield owner, node.attr
        elif isinstance(node, ast.ImportFrom):
            owner = (node.module or "").rpartition(".")[2]
            yield from ((owner, alias.name) for alias in node.names)
