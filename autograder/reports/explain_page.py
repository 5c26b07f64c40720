"""One check explained: expected, own, difference and why, as a page and as text.

For staff alone: both show hidden questions and what is right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

import numpy as np
from rich.console import Console, Group
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from autograder.reports.explaining import Explanation, Numbers, Question, show_array
from autograder.reports.feedback import Picture
from autograder.reports.pages import points, templates
from autograder.safe import inert, one_line
from autograder.student.figures import alt_text, compare_matrices

WARNING = (
    "For course staff only. This shows hidden questions and right answers; do not "
    "pass it on to students."
)
PICTURES = 6  # on a page
COLUMNS = 6  # of a matrix in numbers, on a page
QUESTIONS = 3  # in a terminal, in full
COLORS = {"passed": "green", "failed": "red", "not judged": "yellow"}


@dataclass(frozen=True)
class Shown:
    """One array of an answer, as the page shows it."""

    name: str
    due: str
    own: str
    difference: str
    where: str
    """Which part of it, for arrays too large to show."""
    shapes: str
    picture: Picture | None


def explain_page(told: Explanation, *, course_title: str, assignment_title: str) -> str:
    """Returns an explanation as a self-contained page."""
    left = iter(range(PICTURES))
    questions = [
        (q, [_shown(n, told.check.title, left, q) for n in q.numbers], _inputs(q))
        for q in sorted(told.questions, key=lambda q: q.finding.passed)
    ]
    return (
        templates()
        .get_template("explain.html")
        .render(
            title=f"{told.exercise.id}/{told.check.id}: {one_line(told.found.student)}",
            warning=WARNING,
            course_title=course_title,
            assignment_title=assignment_title,
            told=told,
            questions=questions,
            show_float=_float,
            provenance=told.provenance.model_dump(),
        )
    )


def _shown(numbers: Numbers, title: str, left, question: Question) -> Shown:
    shapes = " · ".join(
        f"{who}: {array.dtype} {tuple(array.shape)}"
        for who, array in (("expected", numbers.due), ("own", numbers.own))
        if array is not None
    )
    picture, where, parts = None, "", [_whole(numbers.due), _whole(numbers.own), "–"]
    if numbers.alike:
        where, windows = numbers.window(COLUMNS)
        parts = [_matrix(window) for _, window in windows]
    if _drawable(numbers) and next(left, None) is not None:
        named = f"{title}: {question.probe.id}"
        png = compare_matrices(numbers.due, numbers.own, title=named)
        picture = Picture(png, alt_text(numbers.due, numbers.own))
    return Shown(_named(numbers), *parts, where, shapes, picture)


def _whole(array: np.ndarray | None) -> str:
    return "none" if array is None else show_array(array)


def _drawable(numbers: Numbers) -> bool:
    both = numbers.due is not None and numbers.own is not None
    return both and np.ndim(numbers.due) >= 1 and np.ndim(numbers.own) >= 1


def _inputs(question: Question) -> list[tuple[str, str]]:
    return [
        (f"{name}: {array.dtype} {tuple(array.shape)}", show_array(array))
        for name, array in islice(question.inputs, 40)
    ]


def _matrix(window: np.ndarray) -> str:
    """Returns a matrix as text, its columns under each other."""
    small = np.abs(window[np.isfinite(window)]).max(initial=0.0) < 100
    rounded = np.round(window, 3) + 0.0 if small else window  # no minus before zero
    cells = [[f"{v:.3f}" if small else f"{v:.3g}" for v in row] for row in rounded]
    width = max(len(cell) for row in cells for cell in row)
    return "\n".join(" ".join(cell.rjust(width) for cell in row) for row in cells)


def _named(numbers: Numbers) -> str:
    """Returns an array's name as a person says it."""
    found = re.fullmatch(r"(\d+)/(\d+)", numbers.name)
    if found is None:
        return one_line(numbers.name, 120)
    call, result = (int(part) + 1 for part in found.groups())
    return f"call {call}, result {result}"


def _float(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


# --- in a terminal ----------------------------------------------------------------


def explain_text(console: Console, told: Explanation) -> None:
    """Prints an explanation; whatever a student wrote is printed as plain text."""
    color = COLORS[told.verdict]
    name = f" ({one_line(told.found.name, 80)})" if told.found.name else ""
    console.print(Text(WARNING, style="bold yellow"))
    console.print(
        Text.assemble(
            f"{one_line(told.found.student, 80)}{name} · ",
            f"{told.exercise.id}/{told.check.id}: {told.check.title} · ",
            (told.verdict, f"bold {color}"),
            f", {points(told.result.points)} of {points(told.result.max_points)}",
        )
    )
    if told.differs:
        console.print(Text(differs(told), style="bold yellow"))
    for number, reason in enumerate(told.reasons, start=1):
        console.print(Text(f"{number}. {one_line(reason, 800)}"))
    wrong = [q for q in told.questions if not q.finding.passed]
    shown = (wrong or told.questions)[:QUESTIONS]
    for question in shown:
        console.print(_panel(question, columns=max(2, (console.width - 16) // 27)))
    left = len(wrong or told.questions) - len(shown)
    if left > 0:
        console.print(Text(f"{left} more such questions are on the page."))
    if told.source:
        console.print(Text("What was handed in:"))
        code = inert(told.source, 6000)
        console.print(Syntax(code, "python", line_numbers=True, word_wrap=True))
    versions = [f"{k} {v}" for k, v in told.provenance.model_dump().items() if v]
    console.print(Text(", ".join(versions), style="dim"))


def differs(told: Explanation) -> str:
    """Says that the replay and what was written last are not the same."""
    then = "passed" if told.stored.passed else "not passed"
    return (
        f"When it was graded last, this check was {then}; now it is {told.verdict}. "
        "The submission, the course or the libraries changed since, or the code does "
        "not always do alike: run `autograder grade --regrade`."
    )


def _panel(question: Question, columns: int) -> Panel:
    finding = question.finding
    lines: list = [Text(f"{question.rule} Asked: {inert(question.asked, 500)}")]
    if finding.error is not None:
        lines.append(
            Text(
                f"deviation {_float(finding.error)}, allowed "
                f"{_float(finding.tolerance)}"
            )
        )
    if question.due_error or question.own_error:
        lines.append(Text(f"expected: {question.due_error or 'no error'}"))
        lines.append(Text(f"own:      {inert(question.own_error or 'no error')}"))
        lines += [Text(f"          {inert(line)}") for line in question.traceback]
    if question.free and question.numbers:
        lines.append(Text("Shapes count here, the values are free."))
    lines += [_table(numbers, columns) for numbers in question.numbers[:4]]
    for name, due, own, counts in question.facts[:12]:
        mark = "" if counts else " (does not count)"
        lines.append(
            Text(
                f"{inert(name, 200)}{mark}: expected {inert(due, 300)}, "
                f"own {inert(own, 300)}"
            )
        )
    color = "green" if finding.passed else "red"
    state = "right" if finding.passed else "wrong"
    title = Text(f"{question.probe.id}: {state}")
    return Panel(Group(*lines), title=title, title_align="left", border_style=color)


def _table(numbers: Numbers, columns: int) -> Group:
    if not numbers.alike:
        told = f"expected {_whole(numbers.due)}\nown {_whole(numbers.own)}"
        shapes = [None if a is None else a.shape for a in (numbers.due, numbers.own)]
        return Group(Text(f"{_named(numbers)}, shapes {shapes}"), Text(told))
    where, windows = numbers.window(columns)
    table = Table(*(name for name, _ in windows), box=None)
    table.add_row(*(Text(_matrix(window), no_wrap=True) for _, window in windows))
    about = f"{_named(numbers)} {where} of shape {numbers.due.shape}"
    return Group(Text(about, style="bold"), table)
