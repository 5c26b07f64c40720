"""A student's notebook, laid over the release: what they wrote, in our frame.

Student code is found by `grade_id`, then by the name that a cell defines, then by its
place. Everything the course gave (given cells, tests, metadata, points) comes from
the release, so that editing it has no effect but a note. Of several definitions the
last one counts, as it does when a notebook runs from top to bottom; starter code and
other uses of the name are no definitions.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder import exercises
from autograder.grading.cells import (
    Theirs,
    definitions,
    grade_id,
    joined,
    mentions,
    normal,
    same_code,
    shape_of,
    takes,
)
from autograder.grading.mending import as_python
from autograder.grading.reading import Unreadable
from autograder.grading.receipts import read_receipt
from autograder.results import ReceiptResult
from autograder.safe import one_line
from autograder.sandbox.worker import neutralise

BAD_TAGS = {"skip-execution", "raises-exception"}
CHECK = re.compile(r"(check|hint|pack)\(.*\)$|from autograder import [\w, ]+$")


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
    gone: set[str] = field(default_factory=set)
    """Those of them whose cell is not in the file at all."""
    manual: dict[str, str] = field(default_factory=dict)
    """The answers to the questions that a person reads."""
    unanswered: set[str] = field(default_factory=set)
    """Those of them that were left as they were given."""
    repairs: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    """What a person should look at."""
    receipt: ReceiptResult = field(default_factory=ReceiptResult)
    notebook: NotebookNode | None = None
    """The release with the student's cells in it, without outputs."""


def rebuild(
    notebook: NotebookNode, release: NotebookNode, names: Mapping[str, tuple[str, ...]]
) -> Rebuilt:
    """Rebuilds a submission from the release.

    Args:
        notebook: the student's, as `read_notebook` returns it.
        release: the notebook that the student was given.
        names: what each exercise's cell defines.

    Raises:
        Unreadable: it is another notebook, or nothing of this one.
    """
    return _Rebuilder(notebook, release, names).run()


class _Rebuilder:
    def __init__(self, notebook, release, names):
        self.release, self.names = release, names
        self.result = Rebuilt()
        self.ours = {grade_id(c): c for c in release.cells if grade_id(c)}
        self.shown = {
            normal(c.source): c
            for c in release.cells
            if c.cell_type == "code" and not grade_id(c)
        }
        self.asked = {name for wanted in names.values() for name in wanted}
        self.given = {normal(c.source) for c in release.cells}
        starters = _starters(tuple(self.ours[e].source for e in names))
        self.starters = {
            name: starters[name][0] for name in starters.keys() & self.asked
        }
        """The shape of the starter code, by name."""
        self.takes = {name: starters[name][1] for name in self.starters}
        """The arguments that the starter code takes, by name."""
        self.theirs = self._read(notebook)
        self.result.receipt = read_receipt(notebook, self._assignment())
        self.taken: dict[Theirs, str] = {}  # a cell → its exercise, or "" for ours
        self.chosen: dict[str, Theirs] = {}
        self.aliases: dict[str, str] = {}
        self.places = self._placed()

    def run(self) -> Rebuilt:
        self._refuse_another_assignment()
        for exercise in self.names:
            self._find(exercise)
        if not self.chosen and not any(self._recognised(e) for e in self.names):
            raise Unreadable(
                "None of this assignment's exercises is in the file; hand in the "
                f"notebook {self._assignment()}.ipynb, saved with its exercise cells."
            )
        self._set_aside_ours()
        self._note_tampering()
        self._manual()
        self._order()
        self._frame()
        return self.result

    def _repair(self, text: str, cell: Theirs | None = None) -> None:
        told = one_line(f"cell {cell.number}: {text}" if cell else text)
        if told not in self.result.repairs:
            self.result.repairs.append(told)

    # --- reading their cells ---

    def _read(self, notebook: NotebookNode) -> list[Theirs]:
        """Returns the cells, halves joined and broken ones split."""
        cells: list[Theirs] = []
        last: Theirs | None = None
        for number, cell in enumerate(notebook.cells, start=1):
            one = Theirs(number, cell)
            whole = joined(last, one) if last and one.runs else None
            if whole is not None:
                self._repair(f"is the rest of cell {last.number}; joined", one)
                cells[cells.index(last)] = last = whole
                continue
            cells.append(one)
            if one.runs:
                last = one
        return [part for cell in cells for part in cell.split_where_broken()]

    def _placed(self) -> dict[int, int]:
        """Returns where the release's cells are in the student's notebook."""
        by_id: dict[str, int] = {}
        by_text: dict[str, int] = {}
        for place, cell in enumerate(self.theirs):
            by_id.setdefault(cell.id, place)
            by_text.setdefault("".join(cell.cell.source.split()), place)
        found = {}
        for number, cell in enumerate(self.release.cells):
            text = "".join(cell.source.split())
            place = by_id.get(grade_id(cell)) if grade_id(cell) else None
            place = by_text.get(text) if place is None and text else place
            if place is not None:
                found[number] = place
        return found

    def _around(self, id: str) -> list[Theirs]:
        """Returns the student's cells between the neighbours of one of ours."""
        here = next(i for i, c in enumerate(self.release.cells) if grade_id(c) == id)
        before = [self.places[i] for i in range(here) if i in self.places]
        after = [
            self.places[i]
            for i in range(here + 1, len(self.release.cells))
            if i in self.places
        ]
        if not before and not after:
            return []
        start = before[-1] + 1 if before else 0
        end = after[0] if after else len(self.theirs)
        return self.theirs[start:end]

    # --- which cell is which exercise ---

    def _assignment(self) -> str:
        return exercises.assignment_of(next(iter(self.names)))

    def _refuse_another_assignment(self) -> None:
        """Raises where the cells are those of another assignment."""
        ids = {cell.id for cell in self.theirs} - {None}
        ours = any(
            cell.writes(self.asked, self.starters, strong=True) for cell in self.theirs
        )
        if ours or ids & set(self.names):
            return
        made = {d.name for c in self.theirs for d in c.definitions if d.strong}
        for other in exercises.names():
            known = exercises.load(other)
            if other == self._assignment():
                continue
            named = {name for e in known for name in e.names}
            if ids & {e.id for e in known} or len(made & named) > 1:
                raise Unreadable(
                    f"This is the notebook of {other}; hand in "
                    f"{self._assignment()}.ipynb here."
                )

    def _recognised(self, exercise: str) -> bool:
        wanted = self.names[exercise]
        return any(c.id == exercise or c.defines(wanted) for c in self.theirs)

    def _find(self, exercise: str) -> None:
        pool = self._written(exercise)
        if pool:
            self._choose(exercise, pool)
        elif not self._find_renamed(exercise):
            self.result.untouched.add(exercise)
            if not self._recognised(exercise):
                self.result.gone.add(exercise)
                self._repair(f"exercise {exercise}: its cell is gone")

    def _written(self, exercise: str) -> list[Theirs]:
        """Returns the cells that define what is asked, the best kind of them."""
        wanted = self.names[exercise]
        for strong in (True, False):
            found = [
                c
                for c in self.theirs
                if c.writes(wanted, self.starters, strong)
                and normal(c.cell.source) not in self.given
            ]
            code = [c for c in found if c.cell.cell_type == "code"]
            parsed = [c for c in code or found if c.tree is not None]
            if found:
                return parsed or code or found
        return []

    def _choose(self, exercise: str, written: list[Theirs]) -> None:
        chosen, wanted = written[-1], self.names[exercise]
        title = ", ".join(wanted)
        times = max(sum(c.defines((name,)) for c in written) for name in wanted)
        if times > 1:
            self._repair(f"{title} is defined in {times} cells; the last one counts")
        same = [c for c in self.theirs if c.id == exercise]
        if chosen.cell.cell_type != "code":
            self._repair(f"{title} stood in text; read as code", chosen)
        elif chosen.id != exercise:
            reason = "another cell's id" if chosen.id else "lost metadata"
            self._repair(f"{reason}, matched by name {title}", chosen)
        elif len(same) > 1:
            self._repair(f"{len(same)} cells have the id {exercise}")
        self._take(exercise, chosen)

    def _take(self, exercise: str, chosen: Theirs) -> None:
        self.chosen[exercise] = chosen
        self.result.sources[exercise] = chosen.without_stubs(self.starters)
        self.taken[chosen] = self.taken.get(chosen) or exercise

    def _find_renamed(self, exercise: str) -> bool:
        """Looks for what was renamed: checked, by id, spelt alike, by place."""
        wanted = self.names[exercise]
        starter = self.ours[exercise].source
        by_id = [
            c
            for c in self.theirs
            if c.id == exercise and c.runs and not same_code(c.code, starter)
        ]
        by_id = [c for c in by_id if normal(c.without_stubs(self.starters)).strip()]
        if len(wanted) == 1:
            around = self._around(exercise)
            for (cells, name), why in (
                (self._checked_as(exercise), "is what the notebook checks"),
                (self._own(by_id, wanted[0]), "is what its cell defines"),
                (self._spelt_alike(wanted[0]), "is spelt alike"),
                (self._own(around, wanted[0]), "stands in its place"),
            ):
                if name is None or not cells:
                    continue
                cell = [c for c in cells if c.defines((name,))][-1]
                self.aliases[exercise] = f"{wanted[0]} = {name}"
                self._repair(f"{wanted[0]} is missing; `{name}` {why}, taken", cell)
                self._take(exercise, cell)
                return True
        if by_id:
            self._take(exercise, by_id[-1])
        return bool(by_id)

    def _own(self, cells: list[Theirs], wanted: str) -> tuple[list[Theirs], str | None]:
        """Returns cells with the one function or class of the student's in them.

        Of several, the one that takes what the wanted one takes and is no helper of
        another.
        """
        made = {
            d.name: d.made
            for cell in cells
            if cell.runs and not self._is_shown(cell)
            for d in cell.definitions
            if d.strong and d.made is not None and d.name not in self.asked
        }
        if len(made) > 1:
            due = self.takes.get(wanted)
            alike = {name: node for name, node in made.items() if takes(node) == due}
            made = {
                name: node
                for name, node in alike.items()
                if not any(mentions(x, name) for x in alike.values() if x is not node)
            }
        return cells, next(iter(made)) if len(made) == 1 else None

    def _checked_as(self, exercise: str) -> tuple[list[Theirs], str | None]:
        """Returns the cells and the name that `check(exercise, …)` was called with."""
        names = {
            node.args[1].id
            for cell in self.theirs
            for node in (ast.walk(cell.tree) if cell.tree else ())
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "check"
            and len(node.args) == 2
            and isinstance(node.args[0], ast.Constant)
            and node.args[0].value == exercise
            and isinstance(node.args[1], ast.Name)
        } - self.asked
        found = [c for c in self.theirs if c.defines(names)]
        return (found, names.pop()) if len(names) == 1 else ([], None)

    def _spelt_alike(self, name: str) -> tuple[list[Theirs], str | None]:
        def plain(text: str) -> str:
            return text.replace("_", "").lower()

        alike = {
            d.name
            for c in self.theirs
            for d in c.definitions
            if d.strong and plain(d.name) == plain(name)
        } - self.asked
        cells = [c for c in self.theirs if c.defines(alike)]
        return cells, alike.pop() if len(alike) == 1 else None

    # --- what is ours ---

    def _is_shown(self, cell: Theirs) -> bool:
        return normal(cell.code) in self.shown

    def _set_aside_ours(self) -> None:
        """Marks the cells whose text the release supplies, and those only shown."""
        texts = {normal(c.source) for c in self.ours.values()}
        for cell in self.theirs:
            if cell in self.taken or cell.cell.cell_type != "code":
                continue
            ours = self.ours.get(cell.id)
            if self._is_shown(cell):
                self.taken[cell] = "shown"
            elif (
                self._is_check(cell.code)
                or normal(cell.code) in texts
                or not normal(cell.without_stubs(self.starters)).strip()
            ):
                self.taken[cell] = ""
            elif ours is not None and ours.metadata.nbgrader.get("locked"):
                if cell.defines(self.asked):
                    continue
                self._repair(f"{cell.id} was edited; ours is used", cell)
                # A student's own imports in a given cell may be needed: they run
                # after it. A test of theirs is not.
                if not cell.id.startswith("given_"):
                    self.taken[cell] = ""

    @staticmethod
    def _is_check(code: str) -> bool:
        lines = [line for line in normal(code).split("\n") if line]
        return bool(lines) and all(CHECK.match(line) for line in lines)

    def _note_tampering(self) -> None:
        for cell in self.theirs:
            id = cell.id
            tags = cell.cell.metadata.get("tags")
            bad = BAD_TAGS & {str(t) for t in tags} if isinstance(tags, list) else set()
            if bad and id:
                self.result.flags.append(f"cell {cell.number}: tag {sorted(bad)[0]}")
            ours = self.ours.get(id)
            if ours is None or not id.startswith("grade_"):
                continue
            if not same_code(cell.cell.source, ours.source):
                self.result.flags.append(f"cell {cell.number}: test {id} was edited")
            points = cell.cell.metadata.nbgrader.get("points")
            if points != ours.metadata.nbgrader.get("points"):
                self.result.flags.append(f"cell {cell.number}: points were changed")

    def _manual(self) -> None:
        """Finds the answers in words: by id, else by their place."""
        for id, ours in self.ours.items():
            data = ours.metadata.nbgrader
            if not (data.get("grade") and data.get("solution")):
                continue
            by_id = [c for c in self.theirs if c.id == id]
            written = [c for c in by_id if not same_code(c.cell.source, ours.source)]
            given = {"".join(c.source.split()) for c in self.release.cells}
            beside = [
                c
                for c in self._around(id)
                if c.cell.cell_type != "code" or not c.runs
                if "".join(c.cell.source.split()) not in {*given, ""} and c not in by_id
            ]
            if not written and beside:
                self._repair(f"question {id}: its answer stood here", beside[0])
                text = "\n\n".join(c.cell.source for c in beside)
                self.result.manual[id] = text
                continue
            self.result.manual[id] = (written or by_id)[-1].cell.source if by_id else ""
            if not written or not self.result.manual[id].strip():
                self.result.unanswered.add(id)
            if not by_id:
                self._repair(f"question {id}: its answer cell is gone")

    # --- what is run, and the autograded notebook ---

    def _order(self) -> None:
        """Given cells first, then the student's code in the student's order.

        At the end, what was defined and then used as a name for something else is
        defined once more.
        """
        for cell in self.release.cells:
            id = grade_id(cell)
            if cell.cell_type == "code" and id and id.startswith("given_"):
                self.result.cells.append(Cell(id, "given", cell.source))
        for cell in self.theirs:
            mark = self.taken.get(cell)
            if mark == "" or not (mark or cell.runs):
                if cell.cell.cell_type == "code" and not cell.runs:
                    self._tell_notes(cell)
                continue
            id = mark if mark and mark != "shown" else f"cell {cell.number}"
            kind = {"shown": "shown", None: "extra"}.get(mark, "exercise")
            source = cell.without_stubs(self.starters)
            if kind == "extra" and self._is_played_with(cell):
                kind = "shown"
            if kind != "shown":
                self._tell_notes(cell)
            self.result.cells.append(Cell(id, kind, source))
            for exercise, alias in self.aliases.items():
                if self.chosen[exercise] is cell:
                    again = Cell(f"{exercise} (name)", "exercise", alias)
                    self.result.cells.append(again)
        for exercise in self.chosen:
            self._restore(exercise)

    def _tell_notes(self, cell: Theirs) -> None:
        for note in [*cell.notes, *neutralise(cell.code)[1]]:
            self._repair(note, cell)

    def _restore(self, exercise: str) -> None:
        """Defines again what a later statement overwrote with something else."""
        cell, wanted = self.chosen[exercise], self.names[exercise]
        runs = {c.id for c in self.result.cells if c.kind != "shown"}
        later = [
            c
            for c in self.theirs[self.theirs.index(cell) + 1 :]
            if self.taken.get(c, f"cell {c.number}") in runs
        ]
        for name in wanted:
            made = [d for d in cell.definitions if d.name == name and d.strong]
            if not made or made[-1].node is None:
                continue
            here = cell.overwrites(name, made[-1].node)
            thief = next(
                (c for c in later if c.overwrites(name)), cell if here else None
            )
            if thief is None:
                continue
            self._repair(f"{name} is used for something else; defined again", thief)
            source = cell.only((name,), self.starters)
            self.result.cells.append(Cell(f"{exercise} (again)", "exercise", source))

    def _is_played_with(self, cell: Theirs) -> bool:
        """Tells one of our plots that they played with from a student's own helper."""
        words = set(re.findall(r"\w+", cell.code))
        for shown in self.shown.values():
            theirs = set(re.findall(r"\w+", shown.source))
            if len(words & theirs) > 0.8 * max(len(theirs), len(words), 1):
                return True
        return False

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


def python_of(cells: list[Cell]) -> list[str]:
    """Returns the code that runs, as plain Python, in order."""
    return [as_python(cell.source) for cell in cells if cell.kind != "shown"]


@functools.lru_cache(8)
def _starters(sources: tuple[str, ...]) -> dict[str, tuple[str, list[str]]]:
    """Returns shape and arguments of what the course's own cells define, by name."""
    made = [d for source in sources for d in definitions(source) if d.made is not None]
    return {d.name: (shape_of(d.made), takes(d.made)) for d in made}
