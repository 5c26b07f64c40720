"""One cell's code, made to parse where only its writing is at fault.

Nothing is mended that runs as it is. What IPython understands (magics, `!`, prompts)
is left to it; `as_python` shows such a cell to readers of plain Python.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Collection

from IPython.core.inputtransformer2 import TransformerManager

from autograder.safe import syntax_tree
from autograder.sandbox.worker import neutralise

CELL_MAGIC = re.compile(r"\s*%%(\w+)[^\n]*")
FOREIGN = frozenset(
    "bash sh shell script system sx html javascript js latex markdown svg R julia perl "
    "ruby cython sql bigquery cmd powershell kql".split()
)
FENCE_LINE = re.compile(r"^\s*(```|~~~)\w*\s*$")
LOOKALIKES = str.maketrans(
    {
        **dict.fromkeys("“”„‟″＂«»", '"'),
        **dict.fromkeys("‘’‚‛′＇", "'"),
        **dict.fromkeys("–—−‐‑－", "-"),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad\x00", ""),
        **dict.fromkeys("\u00a0\u1680\u202f\u205f\u3000", " "),
        **{chr(c): " " for c in range(0x2000, 0x200B)},
        **dict(zip("（）［］｛｝：，＝；．＊＋＠", "()[]{}:,=;.*+@", strict=True)),
        "\u2028": "\n",
        "\u2029": "\n",
    }
)
LONG = 20_000  # letters; a tree takes a hundred times its code's memory
BLOCKS_LIMIT, BLOCK_REACH = 400, 25
BLOCK = re.compile(r"^(?=[^\s#)\]}\"'])(?!else|elif|except|finally)", re.MULTILINE)


@functools.lru_cache(maxsize=4096)
def as_python(source: str) -> str:
    """Returns a cell as the Python that IPython makes of it, on the same lines."""
    plain = neutralise(source)[0]
    if parses(plain):
        return plain
    body = plain.lstrip("\n")  # IPython would drop these lines
    try:
        made = TransformerManager().transform_cell(body)
    except Exception:
        return plain
    return "\n" * (len(plain) - len(body)) + made


def parse(source: str) -> ast.Module | None:
    """Returns Python's syntax tree, or None; nobody changes it, for others have it."""
    return (_parsed if len(source) < LONG else _parsed.__wrapped__)(source)


@functools.lru_cache(maxsize=1024)
def _parsed(source: str) -> ast.Module | None:
    try:
        return syntax_tree(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def parses(source: str) -> bool:
    return parse(source) is not None


def mend(source: str) -> tuple[str, list[str]]:
    """Returns a cell's code so that it parses, and what was done, in words.

    Where nothing helps it is returned as it was.
    """
    body, notes = _without_magic(source)
    if parses(as_python(body)):
        return body, notes
    mended, done = body, []
    for step in STEPS:
        changed, told = step(mended)
        if changed == mended:
            continue
        mended = changed
        done.append(told)
        if parses(as_python(mended)):
            return mended, [*notes, *done]
    return body, notes


def _without_magic(source: str) -> tuple[str, list[str]]:
    """Takes `%%…` off a cell's head; a cell of another language is emptied."""
    lines, notes = source.split("\n"), []
    for number, line in enumerate(lines):
        found = CELL_MAGIC.match(line)
        if found and found.group(1) in FOREIGN:
            return "", [f"a `%%{found.group(1)}` cell was left out"]
        if found:
            lines[number] = ""
            notes.append(f"`%%{found.group(1)}` was taken off")
        elif line.strip() and not line.lstrip().startswith("#"):
            break
    return "\n".join(lines), notes


# --- what can be wrong with the writing -------------------------------------------


def _one_side(source: str) -> tuple[str, str]:
    """Takes one side of each merge conflict, the one that parses."""
    told = "merge-conflict markers; one side was taken"
    if not re.search(r"^<{7}", source, re.MULTILINE):
        return source, told
    sides = [take_side(source, side) for side in ("ours", "theirs")]
    return next((s for s in sides if parses(as_python(s))), sides[0]), told


def take_side(text: str, side: str) -> str:
    """Returns text with `ours` or `theirs` of each merge conflict in it."""
    kept, state = [], None
    for line in text.split("\n"):
        mark = line.lstrip().strip('",')
        if mark.startswith("<<<<<<<"):
            state = "ours"
        elif mark.startswith("|||||||") and state:
            state = "base"
        elif mark.startswith("=======") and state:
            state = "theirs"
        elif mark.startswith(">>>>>>>") and state:
            state = None
        elif state in (None, side):
            kept.append(line)
    return "\n".join(kept)


def _unfenced(source: str) -> tuple[str, str]:
    lines = ["" if FENCE_LINE.match(x) else x for x in source.split("\n")]
    return "\n".join(lines), "lines of ``` were taken out"


def _plain_letters(source: str) -> tuple[str, str]:
    told = "typographic quotes, dashes or spaces; made plain"
    return source.translate(LOOKALIKES), told


def _spaces(source: str) -> tuple[str, str]:
    """Makes spaces of tabs, of the width that parses."""
    told = "tabs and spaces were mixed; made spaces"
    sides = [source.expandtabs(width) for width in (4, 8, 2)]
    return next((s for s in sides if parses(as_python(s))), source), told


def _dedented(source: str) -> tuple[str, str]:
    """Takes the first line's indentation off every line."""
    first = next((x for x in source.split("\n") if x.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    lines = [x.removeprefix(indent) for x in source.split("\n")]
    return "\n".join(lines), "the whole cell was indented"


STEPS = (_one_side, _unfenced, _plain_letters, _spaces, _dedented)


# --- parts of a cell --------------------------------------------------------------


def without(source: str, nodes: Collection[ast.stmt]) -> str:
    """Returns code with top-level statements blanked, all other lines in place."""
    lines = source.split("\n")
    for node in nodes:
        for number in range(_first_line(node) - 1, node.end_lineno):
            if number < len(lines):
                lines[number] = ""
    return "\n".join(lines)


def only(source: str, nodes: Collection[ast.stmt]) -> str:
    """Returns the lines of some top-level statements, all others blanked."""
    lines = source.split("\n")
    kept = {n for x in nodes for n in range(_first_line(x) - 1, x.end_lineno)}
    made = [x if n in kept else "" for n, x in enumerate(lines)]
    if not made[0] and kept:
        made[0] = "#"  # so that IPython keeps the empty lines, and errors their places
    return "\n".join(made).rstrip()


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def pieces(source: str) -> list[str]:
    """Returns a cell's definitions one by one, each on the lines where it stood.

    Definitions are functions, classes, imports and assignments of what costs nothing.
    """
    code = as_python(source)
    tree = parse(code)
    if tree is None:
        return []
    return [only(code, [node]) for node in tree.body if _defines(node)]


def _defines(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        return not any(isinstance(n, (ast.Call, ast.Await)) for n in ast.walk(node))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return isinstance(node, (*kinds, ast.Import, ast.ImportFrom))


def what_parses(source: str) -> str:
    """Returns the top-level blocks of a broken cell that parse, in their places."""
    starts = [found.start() for found in BLOCK.finditer(source)]
    bounds = [0, *[s for s in starts if s], len(source)][:BLOCKS_LIMIT]
    blocks = [source[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
    kept, at = [], 0
    while at < len(blocks):
        # What begins here may go on: a decorator, a bracket, a text of several lines.
        end = next(
            (
                end
                for end in range(at + 1, min(at + BLOCK_REACH, len(blocks)) + 1)
                if parses(as_python("".join(blocks[at:end])))
            ),
            None,
        )
        text = "".join(blocks[at : end or at + 1])
        kept.append(text if end else "\n" * text.count("\n"))
        at = end or at + 1
    return "".join(kept).rstrip()
