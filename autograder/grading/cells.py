"""One cell of a student's: its code, and what it defines."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass

from nbformat import NotebookNode

from autograder.grading.mending import (
    as_python,
    mend,
    only,
    parse,
    parses,
    what_parses,
    without,
)

FENCE = re.compile(r"```(?:python|py)?\s*\n(.*?)```", re.DOTALL)
DEFINITION = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)
UNCOUNTED = ("decorator_list", "returns")
MADE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Definition:
    """A name that a cell gives a meaning at its top level."""

    name: str
    strong: bool
    """A function, class or lambda; other values and imports are weak."""
    node: ast.stmt | None = None
    """The top-level statement; None where the cell does not parse."""
    made: ast.AST | None = None
    """The function or class itself."""

    @functools.cached_property
    def shape(self) -> str:
        """As `shape_of` tells it."""
        return shape_of(self.made)


class Theirs:
    """One cell of the student's, mended."""

    def __init__(self, number: int, cell: NotebookNode, code: str | None = None):
        self.number, self.cell = number, cell
        self.code, self.notes = (code, []) if code is not None else _code(cell)
        self.tree = parse(as_python(self.code))
        self.definitions = _defined(self.tree, self.code)
        # Code that stands in text counts only where it defines what is asked.
        self.runs = cell.cell_type == "code" and bool(self.code.strip())

    @property
    def id(self) -> str | None:
        return grade_id(self.cell)

    def defines(self, names: Collection[str]) -> bool:
        return any(d.name in names for d in self.definitions)

    def writes(
        self, names: Collection[str], starters: Mapping[str, str], strong: bool
    ) -> bool:
        """Does it define one of the names, by more than the starter code?"""
        return any(
            d.name in names and d.strong == strong and not is_stub(d, starters)
            for d in self.definitions
        )

    def without_stubs(self, starters: Mapping[str, str]) -> str:
        """Returns its code, starter code of what is asked taken out."""
        stubs = [d.node for d in self.definitions if d.node and is_stub(d, starters)]
        return without(self.code, stubs) if stubs else self.code

    def only(self, names: Collection[str], starters: Mapping[str, str]) -> str:
        """Returns its real definitions of some names, all other lines blanked."""
        kept = [
            d.node
            for d in self.definitions
            if d.name in names and d.strong and d.node and not is_stub(d, starters)
        ]
        return only(self.code, kept)

    def overwrites(self, name: str, after: ast.stmt | None = None) -> bool:
        """Does it use the name for something that is no definition of it?

        Args:
            name: the name.
            after: look only at what follows this statement of the cell's.
        """
        body = self.tree.body if self.tree else []
        start = body.index(after) + 1 if after in body else 0
        return any(name in _stored(node) for node in body[start:])

    def split_where_broken(self) -> list[Theirs]:
        """Returns the part that parses and the rest, if the cell does not."""
        if self.tree is not None or not self.runs:
            return [self]
        part = what_parses(self.code)
        if not part.strip() or not definitions(part, loose=False):
            return [self]
        lines = part.split("\n")
        rest = [
            "" if n < len(lines) and lines[n].strip() else line
            for n, line in enumerate(self.code.split("\n"))
        ]
        good = Theirs(self.number, self.cell, part)
        good.notes = [*self.notes, "a part of it does not parse; the rest was read"]
        bare = deepcopy(self.cell)
        bare.metadata = {}
        return [good, Theirs(self.number, bare, "\n".join(rest))]


def joined(first: Theirs, second: Theirs) -> Theirs | None:
    """Returns two cells as one, if they are halves of one piece of code."""
    code = next((x for x in second.code.split("\n") if x.strip()), "")
    if first.tree is not None and not code.startswith((" ", "\t")):
        return None
    whole = f"{first.code}\n{second.code}"
    if not parses(as_python(whole)):
        return None
    kept = {d.name for d in definitions(whole)}
    lone = {d.name for d in second.definitions} if code == code.lstrip() else set()
    if not {d.name for d in first.definitions} | lone <= kept:
        return None
    made = Theirs(first.number, first.cell, whole)
    made.notes = [*first.notes, *second.notes]
    return made


def grade_id(cell: NotebookNode) -> str | None:
    """Returns a cell's nbgrader id, if it has one that is a string."""
    data = cell.metadata.get("nbgrader")
    found = data.get("grade_id") if isinstance(data, Mapping) else None
    return found if isinstance(found, str) else None


def _code(cell: NotebookNode) -> tuple[str, list[str]]:
    source = cell.source
    if cell.cell_type == "markdown":
        found = FENCE.findall(source)
        if not found and not DEFINITION.search(source):
            return source, []
        source = "\n".join(found) if found else source
    return mend(source)


# --- what is defined --------------------------------------------------------------


def defined_names(code: str) -> set[str]:
    """Returns the names that code defines at its top level.

    Code that does not parse is searched for `def` and `class` at a line's beginning.
    """
    return {d.name for d in definitions(code)}


def definitions(code: str, loose: bool = True) -> list[Definition]:
    """Returns what code defines at its top level, in order.

    Args:
        code: a cell's.
        loose: whether to search code that does not parse by its words.
    """
    return _defined(parse(as_python(code)), code, loose)


def _defined(
    tree: ast.Module | None, code: str, loose: bool = True
) -> list[Definition]:
    if tree is None:
        names = DEFINITION.findall(code) if loose else []
        return [Definition(name, True) for name in names]
    return [d for node in tree.body for d in _of(node, node)]


def _of(node: ast.AST, top: ast.stmt) -> Iterator[Definition]:
    if isinstance(node, MADE):
        yield Definition(node.name, True, top, node)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        strong = isinstance(node.value, ast.Lambda)
        names = [t.id for t in targets if isinstance(t, ast.Name)]
        yield from (Definition(name, strong, top) for name in names)
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        names = [alias.asname or alias.name for alias in node.names]
        yield from (Definition(name, False, top) for name in names)
    elif isinstance(node, (ast.If, ast.With, ast.For, ast.While, ast.Try)):
        inner = [*node.body, *getattr(node, "orelse", [])]
        inner += [x for h in getattr(node, "handlers", []) for x in h.body]
        for child in [*inner, *getattr(node, "finalbody", [])]:
            yield from _of(child, top)


def _stored(node: ast.AST) -> set[str]:
    """Returns the names that a statement gives a value to, definitions left out."""
    if isinstance(node, (*MADE, ast.Lambda)):
        return set()
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {a.asname or a.name.split(".")[0] for a in node.names}
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
        return set()
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        return set()
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, (ast.Store, ast.Del)) else set()
    return {name for child in ast.iter_child_nodes(node) for name in _stored(child)}


def shape_of(node: ast.AST) -> str:
    """Returns a definition as text in which names, docstrings, hints do not count."""
    parts: list[str] = []
    _spell(node, parts.append)
    return "".join(parts)


def _spell(node: ast.AST, write: Callable[[str], None]) -> None:
    write(f"{type(node).__name__}(")
    for name, value in ast.iter_fields(node):
        if name in UNCOUNTED or _says_more(node, name):
            continue
        if name == "body" and isinstance(node, MADE):
            value = _undocumented(value)
        write(f"{name}=")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, ast.AST):
                _spell(one, write)
            else:
                write(f"{one!r}")
            write(",")
    write(")")


def _says_more(node: ast.AST, name: str) -> bool:
    """Is it an argument's hint, or the words of a starter's NotImplementedError?"""
    if isinstance(node, ast.arg):
        return name == "annotation"
    return name == "exc" and isinstance(node, ast.Raise) and _not_written(node)


def takes(node: ast.AST) -> list[str]:
    """Returns the names of a function's arguments, or of a class's constructor's."""
    if isinstance(node, ast.ClassDef):
        inits = [n for n in node.body if getattr(n, "name", None) == "__init__"]
        return ["class", *(takes(inits[-1]) if inits else [])]
    return [a.arg for a in [*node.args.posonlyargs, *node.args.args]]


def mentions(node: ast.AST, name: str) -> bool:
    """Does a definition use a name?"""
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


def is_stub(definition: Definition, starters: Mapping[str, str]) -> bool:
    """Is it the starter code, or a body that says nothing?"""
    if definition.made is None or definition.name not in starters:
        return False
    body = _undocumented(definition.made.body)
    if all(_says_nothing(statement) for statement in body):
        return True
    try:
        return definition.shape == starters[definition.name]
    except RecursionError:
        return False


def _undocumented(body: list[ast.stmt]) -> list[ast.stmt]:
    return [
        statement
        for statement in body
        if not (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and statement.value.value is not Ellipsis
        )
    ]


def _says_nothing(statement: ast.stmt) -> bool:
    dots = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    raised = isinstance(statement, ast.Raise) and _not_written(statement)
    return isinstance(statement, ast.Pass) or dots or raised


def _not_written(statement: ast.Raise) -> bool:
    raised = (
        statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
    )
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


# --- comparing code ---------------------------------------------------------------


def normal(code: str) -> str:
    """Returns code without comments, blank lines and trailing space."""
    lines = (line.rstrip() for line in code.replace("\r\n", "\n").split("\n"))
    return "\n".join(x for x in lines if x.strip() and not x.lstrip().startswith("#"))


def same_code(a: str, b: str) -> bool:
    """Do two cells differ in comments and white space at most?"""
    return normal(a) == normal(b)
