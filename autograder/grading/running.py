"""Runs a submission's cells, so that one bad cell costs what is in it and no more."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from autograder.course import Limits
from autograder.grading.cells import defined_names
from autograder.grading.mending import pieces
from autograder.grading.rebuild import Cell
from autograder.safe import one_line
from autograder.sandbox.host import Session, SessionLost

EXTRAS_SHARE = 0.25  # of a submission's time, for cells that are the student's own
LEAST_SECONDS = 1.0
MOST_CROWDED = 4.0


class CellLost(Exception):
    """The worker was lost while it ran a cell."""

    def __init__(self, cell: Cell, ending: SessionLost):
        super().__init__(ending.message)
        self.cell, self.ending = cell, ending

    def told(self) -> str:
        """Says that the notebook is run without the cell, if it can be.

        What stands in an exercise's own cell is the student's answer and is not left
        out.
        """
        if self.cell.kind not in ("extra", "shown"):
            return ""
        return one_line(f"{self.cell.id}: left out. {self.ending.message}")


def crowding() -> float:
    """Returns how many times longer things take while this machine is busy: 1 to 4.

    Time is limited by the clock, for a sleeping notebook uses no processor. Nobody
    shall run out of it for what else the machine does. A grading run itself loads
    every processor about twice, with threads of Keras, which counts as idle here.
    """
    try:
        load = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    except (OSError, AttributeError):
        return 1.0
    return min(max(load - 1.0, 1.0), MOST_CROWDED)


def run_cells(
    session: Session, cells: Sequence[Cell], limits: Limits
) -> list[dict[str, Any]]:
    """Runs cells in order; returns what became of each.

    The student's own cells share a part of the time. A cell that missed a name which a
    later one defined is run again, and of an exercise's cell that raised, the
    definitions are run by themselves.

    Raises:
        CellLost: a limit was hit, or the process ended itself.
    """
    told: list[dict[str, Any]] = []
    spare = EXTRAS_SHARE * limits.wall_seconds
    for cell in cells:
        seconds = limits.cell_seconds
        if cell.kind in ("extra", "shown"):
            seconds = max(LEAST_SECONDS, min(seconds, spare))
        start = time.monotonic()
        told.append(_run(session, cell, cell.source, seconds))
        if cell.kind in ("extra", "shown"):
            spare -= time.monotonic() - start
    _run_late_ones(session, cells, told, limits)
    _run_pieces(session, cells, told, limits)
    return told


def notes_of(told: Sequence[dict[str, Any]]) -> list[str]:
    """Returns what had to be done while cells ran, in words."""
    notes = [note for cell in told for note in cell.get("mended", ())]
    notes += [
        f"{cell['id']}: did not end and was stopped"
        for cell in told
        if _kind(cell) == "CellTimeout"
    ]
    return [one_line(note) for note in notes]


def _run(session: Session, cell: Cell, source: str, seconds: float) -> dict[str, Any]:
    request = {"id": cell.id, "source": source, "seconds": seconds}
    try:
        (told,) = session.run([request])
    except SessionLost as lost:
        raise CellLost(cell, lost) from None
    return told


def _kind(told: dict[str, Any]) -> str:
    return told["error"]["type"] if told.get("error") else ""


def _settled(cells: Sequence[Cell], told: Sequence[dict]) -> list[set[str]]:
    """Returns, per cell, the names that it made without an error."""
    return [
        set() if said.get("error") else defined_names(cell.source)
        for cell, said in zip(cells, told, strict=True)
    ]


def _run_late_ones(session, cells, told, limits: Limits) -> None:
    """Runs cells again that missed a name, now that all have run.

    Not those whose names a later cell made: the last definition counts.
    """
    made = _settled(cells, told)
    for number, cell in enumerate(cells):
        names = defined_names(cell.source)
        later = set().union(*made[number + 1 :])
        if _kind(told[number]) != "NameError" or not names or names & later:
            continue
        again = _run(session, cell, cell.source, limits.cell_seconds)
        if not again.get("error"):
            note = f"{_title(cell)} needs what stands below it; run once more"
            told[number] = {**again, "mended": [note]}


def _run_pieces(session, cells, told, limits: Limits) -> None:
    """Runs the definitions of an exercise's cell that raised, one by one."""
    made = _settled(cells, told)
    for number, cell in enumerate(cells):
        names = defined_names(cell.source)
        others = set().union(*made[:number], *made[number + 1 :])
        if cell.kind != "exercise" or not told[number].get("error"):
            continue
        parts = pieces(cell.source)
        if names <= others or len(parts) < 1 or parts == [cell.source]:
            continue
        said = [_run(session, cell, part, limits.cell_seconds) for part in parts]
        if any(not s.get("error") for s in said):
            note = f"{_title(cell)} raised {_kind(told[number])}; its definitions count"
            told[number] = {**told[number], "mended": [note]}


def _title(cell: Cell) -> str:
    return cell.id if cell.id.startswith("cell ") else f"the cell of {cell.id}"
