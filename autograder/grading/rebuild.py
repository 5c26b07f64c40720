"""A student's notebook, laid over the release: what they wrote, in our frame.

Student code is found by `grade_id`, then by the name that a cell defines. Everything
the course gave (given cells, tests, metadata, points) comes from the release, so that
editing it has no effect but a note.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.grading.reading import Unreadable
from autograder.safe import one_line

FENCE = re.compile(r"```(?:python|py)?\s*\n(.*?)```", re.DOTALL)
MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)
BAD_TAGS = {"skip-execution", "raises-exception"}


@dataclass(frozen=True)
class Cell:
    """A cell that the grader may run."""

    id: str
    """The `grade_id`, or the place in the student's notebook: `cell 7`."""
    kind: str
    """`given`, `exercise`, `extra` (the student's own) or `shown`."""
    source: str


@dataclass
class Rebuilt:
    """A submission in the release's frame."""

    cells: list[Cell] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    """What was written, by exercise."""
    untouched: set[str] = field(default_factory=set)
    """Exercises left as they were given, or deleted."""
    manual: dict[str, str] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    """What a person should look at."""
    notebook: NotebookNode | None = None
    """The release with the student's cells in it, without outputs."""


def grade_id(cell: NotebookNode) -> str | None:
    """Returns a cell's nbgrader id, if it has one that is a string."""
    data = cell.metadata.get("nbgrader")
    found = data.get("grade_id") if isinstance(data, Mapping) else None
    return found if isinstance(found, str) else None


def rebuild(
    notebook: NotebookNode, release: NotebookNode, names: Mapping[str, tuple[str, ...]]
) -> Rebuilt:
    """Rebuilds a submission from the release.

    Args:
        notebook: the student's, as `read_notebook` returns it.
        release: the notebook that the student was given.
        names: what each exercise's cell defines.
    """
    return _Rebuilder(notebook, release, names).run()


class _Rebuilder:
    def __init__(self, notebook, release, names):
        self.release, self.names = release, names
        self.result = Rebuilt()
        self.ours = {grade_id(c): c for c in release.cells if grade_id(c)}
        self.shown = [
            c for c in release.cells if c.cell_type == "code" and not grade_id(c)
        ]
        self.theirs = [_Theirs(i, c) for i, c in enumerate(notebook.cells, start=1)]
        self.taken: dict[int, str] = {}  # cell number → exercise, or "" for ours

    def run(self) -> Rebuilt:
        for exercise in self.names:
            self._find(exercise)
        if not self.taken:
            raise Unreadable(
                "None of this assignment's exercises is in the file; hand in the "
                "notebook of this assignment, saved with its exercise cells."
            )
        self._set_aside_ours()
        self._note_tampering()
        self._manual()
        self._order()
        self._frame()
        return self.result

    # --- which cell is which exercise ---

    def _find(self, exercise: str) -> None:
        wanted = self.names[exercise]
        starter = self.ours[exercise].source
        by_id = [c for c in self.theirs if grade_id(c.cell) == exercise]
        defining = [c for c in self.theirs if c.defines(wanted)]
        written = [c for c in defining if not same_code(c.code, starter)]
        if not written:
            written = [
                c
                for c in by_id
                if c.cell.cell_type == "code"
                and not same_code(c.code, starter)
                and c.code.strip()
            ]
        if not written:
            self.result.untouched.add(exercise)
            for cell in [*by_id, *defining]:
                self.taken.setdefault(cell.number, "")
            if not by_id and not defining:
                self._repair(f"exercise {exercise}: its cell is gone")
            return
        chosen = self._choose(exercise, written, by_id)
        self.result.sources[exercise] = chosen.code
        for cell in {c.number: c for c in [*by_id, *defining]}.values():
            if same_code(cell.code, starter):
                self.taken.setdefault(cell.number, "")
        self.taken[chosen.number] = self.taken.get(chosen.number) or exercise

    def _choose(self, exercise: str, written: list, by_id: list) -> _Theirs:
        chosen = written[-1]
        title = ", ".join(self.names[exercise])
        if len(written) > 1:
            self._repair(
                f"{title} is defined in {len(written)} cells; the last one counts"
            )
        if chosen.cell.cell_type != "code":
            self._repair(f"cell {chosen.number}: {title} stood in text; read as code")
        elif grade_id(chosen.cell) != exercise:
            reason = (
                "lost metadata" if not grade_id(chosen.cell) else "another cell's id"
            )
            self._repair(f"cell {chosen.number}: {reason}, matched by name {title}")
        elif len(by_id) > 1:
            self._repair(f"{len(by_id)} cells have the id {exercise}")
        return chosen

    def _repair(self, text: str) -> None:
        if text not in self.result.repairs:
            self.result.repairs.append(one_line(text))

    # --- what is ours ---

    def _set_aside_ours(self) -> None:
        """Marks the cells whose text the release supplies, and those only shown."""
        shown = {normal(cell.source) for cell in self.shown}
        for cell in self.theirs:
            if cell.number in self.taken or cell.cell.cell_type != "code":
                continue
            id = grade_id(cell.cell)
            ours = self.ours.get(id)
            if ours is not None and id not in self.names:
                if ours.metadata.nbgrader.get("locked"):
                    changed = not same_code(cell.code, ours.source)
                    if changed and not cell.defines(self._all_names()):
                        self._repair(
                            f"cell {cell.number}: {id} was edited; ours is used"
                        )
                        self.taken[cell.number] = ""
                        self._keep_given_edits(cell, id)
                    elif not changed:
                        self.taken[cell.number] = ""
            elif normal(cell.code) in shown or self._is_check(cell.code):
                self.taken[cell.number] = "shown" if normal(cell.code) in shown else ""
            elif any(same_code(cell.code, c.source) for c in self.ours.values()):
                self.taken[cell.number] = ""

    def _keep_given_edits(self, cell: _Theirs, id: str) -> None:
        """A student's own imports in a given cell may be needed: they run after it."""
        if id.startswith("given_"):
            self.taken.pop(cell.number, None)

    def _all_names(self) -> tuple[str, ...]:
        return tuple(name for names in self.names.values() for name in names)

    @staticmethod
    def _is_check(code: str) -> bool:
        lines = [line for line in normal(code).split("\n") if line]
        return bool(lines) and all(
            re.match(r"(check|hint|pack)\(.*\)$", line) for line in lines
        )

    def _note_tampering(self) -> None:
        for cell in self.theirs:
            id = grade_id(cell.cell)
            tags = cell.cell.metadata.get("tags")
            bad = BAD_TAGS & {str(t) for t in tags} if isinstance(tags, list) else set()
            if bad and id:
                self.result.flags.append(f"cell {cell.number}: tag {sorted(bad)[0]}")
            ours = self.ours.get(id)
            if ours is None or not id.startswith("grade_"):
                continue
            if not same_code(cell.code, ours.source):
                self.result.flags.append(f"cell {cell.number}: test {id} was edited")
            points = cell.cell.metadata.nbgrader.get("points")
            if points != ours.metadata.nbgrader.get("points"):
                self.result.flags.append(f"cell {cell.number}: points were changed")

    def _manual(self) -> None:
        for id, ours in self.ours.items():
            data = ours.metadata.nbgrader
            if not (data.get("grade") and data.get("solution")):
                continue
            answers = [c.cell.source for c in self.theirs if grade_id(c.cell) == id]
            self.result.manual[id] = answers[-1] if answers else ""
            if not answers:
                self._repair(f"question {id}: its answer cell is gone")

    # --- what is run, and the autograded notebook ---

    def _order(self) -> None:
        """Given cells first, then the student's code in the student's order."""
        for cell in self.release.cells:
            id = grade_id(cell)
            if cell.cell_type == "code" and id and id.startswith("given_"):
                self.result.cells.append(Cell(id, "given", cell.source))
        for cell in self.theirs:
            mark = self.taken.get(cell.number)
            if mark == "shown":
                kind, id = "shown", f"cell {cell.number}"
            elif mark:
                kind, id = "exercise", mark
            elif mark == "" or not cell.runs:
                continue
            else:
                kind, id = self._kind_of(cell), f"cell {cell.number}"
            self.result.cells.append(Cell(id, kind, cell.code))

    def _kind_of(self, cell: _Theirs) -> str:
        """Tells a student's own helper from one of our plots that they played with."""
        words = set(re.findall(r"\w+", cell.code))
        for shown in self.shown:
            theirs = set(re.findall(r"\w+", shown.source))
            if len(words & theirs) > 0.8 * max(len(theirs), len(words), 1):
                return "shown"
        return "extra"

    def _frame(self) -> None:
        notebook = deepcopy(self.release)
        for cell in notebook.cells:
            id = grade_id(cell)
            if id in self.result.sources:
                cell.source = self.result.sources[id]
            elif id in self.result.manual and self.result.manual[id]:
                cell.source = self.result.manual[id]
        extras = [c for c in self.result.cells if c.kind == "extra"]
        for number, extra in enumerate(extras, start=1):
            made = new_code_cell(extra.source, id=f"student-{number:03d}")
            notebook.cells.insert(self._place(notebook, extra), made)
        self.result.notebook = notebook

    def _place(self, notebook: NotebookNode, extra: Cell) -> int:
        """Returns where a student's own cell goes: before the exercise it preceded."""
        order = [c.id for c in self.result.cells]
        following = order[order.index(extra.id) + 1 :]
        after = next((id for id in following if id in self.names), None)
        for index, cell in enumerate(notebook.cells):
            if after is not None and grade_id(cell) == after:
                return index
        return len(notebook.cells)


class _Theirs:
    """One cell of the student's."""

    def __init__(self, number: int, cell: NotebookNode):
        self.number, self.cell = number, cell
        self.code = _code(cell)
        self._defined = defined_names(self.code)
        # Code that stands in text counts only where it defines what is asked.
        self.runs = cell.cell_type == "code" and bool(self.code.strip())

    def defines(self, names: tuple[str, ...]) -> bool:
        return bool(self._defined & set(names))


def _code(cell: NotebookNode) -> str:
    if cell.cell_type == "markdown" and FENCE.search(cell.source):
        return "\n".join(FENCE.findall(cell.source))
    return cell.source


def defined_names(code: str) -> set[str]:
    """Returns the names that code defines at its top level.

    Code that does not parse is searched for `def` and `class` at a line's beginning.
    """
    try:
        tree = ast.parse(MAGIC.sub("pass", code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(
            re.findall(r"^(?:async\s+def|def|class)\s+(\w+)", code, re.MULTILINE)
        )
    return set(_names(tree.body))


def _names(body: list[ast.stmt]):
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (t.id for t in targets if isinstance(t, ast.Name))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, (ast.If, ast.With, ast.For, ast.While, ast.Try)):
            yield from _names(node.body)
            yield from _names(getattr(node, "orelse", []))


def normal(code: str) -> str:
    """Returns code without comments, blank lines and trailing space."""
    lines = (line.rstrip() for line in code.replace("\r\n", "\n").split("\n"))
    return "\n".join(x for x in lines if x.strip() and not x.lstrip().startswith("#"))


def same_code(a: str, b: str) -> bool:
    """Do two cells differ in comments and white space at most?"""
    return normal(a) == normal(b)
