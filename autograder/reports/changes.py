"""A regrade in the terminal: who changes, by which check, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.reports.regrading import Change, Regraded, compare
from autograder.results import ClassResult, SubmissionResult
from autograder.safe import one_line

ByHand = Callable[[str, str], float | None]
"""The score that a person gave a student for an exercise, if one did."""


def show_changes(
    console: Console,
    before: Mapping[str, SubmissionResult],
    result: ClassResult,
    by_hand: ByHand,
    *,
    applied: bool,
) -> list[Regraded]:
    """Prints and returns what a regrade changes.

    Args:
        console: where to.
        before: the results that were written last, by student.
        result: the class's now.
        by_hand: what people gave; that stays, and stands beside the change.
        applied: whether it is written afterwards.
    """
    changed = compare(before, result.submissions)
    if changed:
        console.print(_table(changed, by_hand))
    size = len(result.submissions)
    moving = [one for one in changed if one.moves]
    lines = [
        f"{len(changed)} of {size} students change, {len(moving)} of them in points."
        if changed
        else f"Nothing changes: all {size} results are as they were written."
    ]
    causes = Counter(cause for one in changed for cause in one.causes)
    lines += [f"Other than before, {count}×: {c}" for c, count in causes.most_common()]
    lines.append(
        "Written now; scores that people gave stay."
        if applied
        else "Nothing is written yet. To write it: the same with --apply. Scores that "
        "people gave stay."
    )
    for line in lines:
        console.print(one_line(line, 400), markup=False, soft_wrap=True)
    return changed


def _table(changed: Sequence[Regraded], by_hand: ByHand) -> Table:
    table = Table("student", "points", "what", "before → now", "why", box=None)
    table.columns[1].no_wrap = True
    for one in changed:
        total = f"{_number(one.old)} → {_number(one.new)}"
        color = "yellow" if one.moves else "dim"
        told: set[str] = set()
        for number, change in enumerate(one.changes):
            first, exercise = number == 0, change.what.partition("/")[0]
            given = None if exercise in told else by_hand(one.student, exercise)
            told.add(exercise)
            table.add_row(
                escape(one_line(one.student, 32)) if first else "",
                f"[{color}]{total}[/]" if first else "",
                escape(one_line(change.what, 60)),
                escape(one_line(f"{change.before} → {change.after}{_points(change)}")),
                escape(one_line(_reason(change, given), 240)),
            )
    return table


def _points(change: Change) -> str:
    if change.old_points is None and change.new_points is None:
        return ""
    return f" ({_number(change.old_points)} → {_number(change.new_points)})"


def _number(points: float | None) -> str:
    return "–" if points is None else f"{points:g}"


def _reason(change: Change, given: float | None) -> str:
    if given is None:
        return change.reason
    stays = f"A person gave {given:g}; that stays, and formgrader asks again."
    return f"{stays} {change.reason}"
