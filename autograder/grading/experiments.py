"""Loops and trainings that nothing graded depends on, told by reading the code.

A notebook is handed in with what its author tried out: a training of minutes, a loop
that never ends. What is graded is followed back through the names that it is made of;
a costly statement that is not met on the way is an *experiment*. Following is
generous: what could change a needed value, as a method or an argument may, is needed.
Effects that no name tells of, such as a global setting, are not seen: so only who is
right without the experiments is graded without them.
"""

from __future__ import annotations

import ast
import builtins
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from autograder.grading.mending import as_python, parse, without
from autograder.grading.rebuild import Cell
from autograder.safe import one_line

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom)
SIGNS = (ast.operator, ast.unaryop, ast.expr_context)
LITERAL = (ast.Constant, ast.Tuple, ast.UnaryOp, ast.BinOp, *SIGNS)
COSTLY = frozenset(
    "fit evaluate predict train_on_batch test_on_batch sleep timeit prun input".split()
)
FEW = 100  # rounds of a loop that is not worth looking into
# Whoever uses these may reach names that stand nowhere.
OPAQUE = frozenset("exec eval globals locals vars user_ns user_global_ns".split())
HARMLESS = frozenset(  # to what is handed to them
    "print len isinstance issubclass type repr str help dir callable id hash".split()
)


@dataclass
class Lean:
    """A notebook without its experiments."""

    cells: list[Cell] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is left out, in words."""


def without_experiments(cells: Sequence[Cell], names: Collection[str]) -> Lean | None:
    """Returns a notebook's cells without experiments; None where there are none.

    Args:
        cells: those that would run, in order.
        names: what is graded.
    """
    found = [
        (cell, node)
        for cell in cells
        if (tree := parse(as_python(cell.source))) is not None
        for node in tree.body
    ]
    if any(_is_opaque(node) for _, node in found):
        return None
    try:
        code = Code([Statement(cell, node) for cell, node in found])
    except RecursionError:  # it is nested too deep to be gone through
        return None
    out = code.experiments(set(names))
    if not out:
        return None
    lean = Lean()
    for cell in cells:
        gone = [s.node for s in out if s.cell is cell]
        if gone:
            lean.notes.append(_note(cell, gone))
            cell = replace(cell, source=without(cell.source, gone))
        lean.cells.append(cell)
    return lean


def _note(cell: Cell, gone: Sequence[ast.stmt]) -> str:
    title = cell.id if cell.kind == "extra" else f"the cell of {cell.id}"
    first, last = gone[0].lineno, gone[-1].end_lineno
    where = f"line {first}" if first == last else f"lines {first} to {last}"
    some = "" if len(gone) == 1 else "some of "
    told = f"{title}: {some}{where} not run; nothing that is graded depends on it"
    return one_line(told)


# --- which statements are needed --------------------------------------------------


class Statement:
    """A statement at the top level of a cell, and what running it reads and makes."""

    def __init__(self, cell: Cell, node: ast.stmt):
        self.cell, self.node = cell, node
        self.defines = isinstance(node, DEFINITIONS)
        self.may_go = cell.kind != "given" and not self.defines
        self.effect = _Effect(node)

    @property
    def lines(self) -> range:
        return range(self.node.lineno, self.node.end_lineno + 1)


class Code:
    """A notebook's statements, and which of them has to do with which name.

    A name is followed through the notebook's functions: whoever mentions one is taken
    to call it. Each statement and each function is looked at once per question, so that
    no notebook, however it is knotted, takes long.
    """

    def __init__(self, statements: list[Statement]):
        self.statements = statements
        self.functions = [
            _Called(s.node) for s in statements if isinstance(s.node, FUNCTIONS)
        ]
        self.readers: dict[str, list[Statement | _Called]] = defaultdict(list)
        for one in (*statements, *self.functions):
            for name in one.effect.reads:
                self.readers[name].append(one)

    def experiments(self, graded: set[str]) -> list[Statement]:
        """Returns the costly statements that nobody needs, and what hangs on them."""
        needed = self._needed(graded)
        free = {s for s in self.statements if s.may_go and s not in needed}
        makers = Counter(name for s in self.statements for name in s.effect.makes)
        out: set[Statement] = set()
        more, seen = self._costly(graded) & free, set()
        while more:
            out |= more
            made = [name for s in more for name in s.effect.makes]
            makers.subtract(made)
            lost = [user for n in made if not makers[n] for user in self.readers[n]]
            more = (self._through(lost, seen) & free) - out
        kept = [s for s in self.statements if s not in out]
        lines = {(s.cell.id, line) for s in kept for line in s.lines}
        return [
            s
            for s in self.statements
            if s in out and not any((s.cell.id, line) in lines for line in s.lines)
        ]

    def _needed(self, graded: set[str]) -> set[Statement]:
        """Returns the statements that what is graded may be made of."""
        touching = self._touching()
        waiting = set(graded)
        for statement in self.statements:
            if not statement.may_go:  # it runs in any case
                waiting |= statement.effect.reads
        needed: set[Statement] = set()
        seen: set = set()
        while waiting:
            found = touching.pop(waiting.pop(), [])
            for statement in self._through(found, seen):
                needed.add(statement)
                waiting |= statement.effect.reads | statement.effect.later
        return needed

    def _touching(self) -> dict[str, list[Statement | _Called]]:
        """Returns, for each name, what may change its meaning."""
        # No method changes a function, and nothing but its name a number.
        defined = self._made_by(lambda s: s.defines) | set(dir(builtins))
        numbers = self._made_by(lambda s: _is_literal(s.node))
        touching = defaultdict(list)
        for one in (*self.statements, *self.functions):
            names = one.effect.makes
            if isinstance(one, _Called) or not one.defines:
                reached = one.effect.changes | one.effect.reads - defined
                names = names | reached - numbers
            for name in names:
                touching[name].append(one)
        return touching

    def _made_by(self, kind: Callable[[Statement], bool]) -> set[str]:
        """Returns the names that are made by statements of one kind alone."""
        made: dict[bool, set[str]] = {True: set(), False: set()}
        for statement in self.statements:
            made[kind(statement)] |= statement.effect.makes
        return made[True] - made[False]

    def _costly(self, graded: set[str]) -> set[Statement]:
        costly = [one for one in self.functions if one.effect.costly]
        # To call what is graded is no experiment, whatever goes on inside.
        known = {one for one in self.functions if one.name in graded}
        calling = self._through([one for one in costly if one not in known], known)
        return calling | {s for s in self.statements if s.effect.costly}

    def _through(self, users: Iterable[Statement | _Called], seen: set) -> set:
        """Returns the statements among users, and those that call the functions.

        What is in `seen` is passed over, and what is met is added to it.
        """
        waiting, found = list(users), set()
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if isinstance(one, _Called):
                waiting += self.readers[one.name]
            else:
                found.add(one)
        return found


def _is_literal(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and all(
        isinstance(part, LITERAL) for part in ast.walk(node.value)
    )


def _is_opaque(node: ast.stmt) -> bool:
    return any(
        getattr(part, "id", getattr(part, "attr", None)) in OPAQUE
        for part in ast.walk(node)
    )


# --- what a piece of code does ----------------------------------------------------


class _Effect(ast.NodeVisitor):
    """The names that a statement reads, makes and changes when it runs."""

    def __init__(self, *nodes: ast.AST):
        self.reads: set[str] = set()
        self.later: set[str] = set()
        """Read by functions that are only defined here."""
        self.makes: set[str] = set()
        self.changes: set[str] = set()
        """Whose attributes or items are set, or what is handed to a function."""
        self.costly = False
        for node in nodes:
            self.visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        (self.reads if isinstance(node.ctx, ast.Load) else self.makes).add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._visit_part(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._visit_part(node)

    def _visit_part(self, node: ast.Attribute | ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.changes |= _roots(node)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.reads |= _roots(node.target)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        magic = name == "run_line_magic" and node.args
        word = getattr(node.args[0], "value", "") if magic else name
        self.costly |= word in COSTLY
        if name not in HARMLESS:
            given = [*node.args, *(k.value for k in node.keywords)]
            self.changes |= {n for value in given for n in _roots(value)}
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self.costly = True
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.costly |= not _is_short(node.iter)
        self.generic_visit(node)

    visit_AsyncFor = visit_For

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.makes.add(node.name)
        for part in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
            if part is not None:
                self.visit(part)
        self.later |= _Called(node).effect.reads

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        inside = _Effect(node.body)
        self.reads |= inside.reads - _arguments(node.args)
        self.costly |= inside.costly

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.makes.add(node.name)
        inside = _Effect(*node.decorator_list, *node.bases, *node.keywords, *node.body)
        self.reads |= inside.reads - inside.makes
        self.later |= inside.later
        self.changes |= inside.changes - inside.makes

    def _visit_comprehension(self, node: ast.AST) -> None:
        inside = _Effect(*ast.iter_child_nodes(node))
        self.reads |= inside.reads - inside.makes
        self.changes |= inside.changes - inside.makes
        self.costly |= inside.costly

    visit_ListComp = visit_SetComp = _visit_comprehension
    visit_DictComp = visit_GeneratorExp = _visit_comprehension

    def _visit_import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.makes |= {a.asname or a.name.split(".")[0] for a in node.names}

    visit_Import = visit_ImportFrom = _visit_import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.makes.add(node.name)
        self.generic_visit(node)


class _Called:
    """What calling a function reads, makes and changes outside of it."""

    def __init__(self, node: ast.FunctionDef | ast.AsyncFunctionDef):
        self.name = node.name
        inside = _Effect(*node.body)
        outer = {
            name
            for part in ast.walk(node)
            if isinstance(part, (ast.Global, ast.Nonlocal))
            for name in part.names
        }
        local = (inside.makes | _arguments(node.args)) - outer
        inside.reads = (inside.reads | inside.later) - local
        inside.makes &= outer
        inside.changes -= local
        self.effect = inside


def _arguments(args: ast.arguments) -> set[str]:
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    return {arg.arg for arg in every if arg is not None}


def _roots(node: ast.AST) -> set[str]:
    """Returns the name at the head of `a.b[c]`, or those of a starred or listed one."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    if isinstance(node, (ast.Tuple, ast.List)):
        return {name for part in node.elts for name in _roots(part)}
    return {node.id} if isinstance(node, ast.Name) else set()


def _is_short(rounds: ast.expr) -> bool:
    """Does a loop over it go few rounds, as far as one can see?"""
    if isinstance(rounds, (ast.Tuple, ast.List, ast.Set)):
        return len(rounds.elts) <= FEW
    counts = isinstance(rounds, ast.Call) and getattr(rounds.func, "id", "") == "range"
    if not counts or rounds.keywords:
        return False
    bounds = [getattr(bound, "value", None) for bound in rounds.args]
    if not 1 <= len(bounds) <= 3 or not all(type(b) is int for b in bounds):
        return False
    return bounds[2:] != [0] and len(range(*bounds)) <= FEW
