"""The autograded notebook: the student's cells, with a verdict under each check."""

from __future__ import annotations

import re
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.grading.cells import grade_id
from autograder.reports.pages import prose
from autograder.results import ExerciseResult, SubmissionResult
from autograder.safe import inert

MARKS = {True: "✓", False: "✗"}


def autograded(
    notebook: NotebookNode, result: SubmissionResult, cells: list[dict[str, Any]]
) -> str:
    """Returns the rebuilt notebook as text, verdicts and printed output in place.

    A check's verdict is a display (the hints) and a number (its score), which is what
    nbgrader reads partial credit from.
    """
    notebook = nbformat.from_dict(notebook)
    exercises = {exercise.id: exercise for exercise in result.exercises}
    printed = {cell["id"]: cell for cell in cells}
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            if cell.metadata.get("nbgrader", {}).get("solution"):
                cell.source = _no_tags(cell.source)
            continue
        cell.outputs, cell.execution_count = [], None
        id = grade_id(cell) or ""
        if id.startswith("grade_"):
            exercise = exercises[id.removeprefix("grade_")]
            cell.execution_count = number
            cell.outputs = [_display(exercise), _score(exercise, number)]
        elif id in printed and printed[id]["stdout"]:
            text = inert(printed[id]["stdout"], 20_000)
            cell.outputs = [new_output("stream", name="stdout", text=text)]
    return nbformat.writes(notebook)


def _no_tags(text: str) -> str:
    """Returns a student's Markdown in which nothing is HTML; it reads as before.

    The formgrader shows it with whatever tags it has, in a page that can give points.
    """
    return re.sub(r"<(?=[A-Za-z/!?])", "<\u200b", text)


def _score(exercise: ExerciseResult, number: int) -> NotebookNode:
    data = {"text/plain": str(exercise.score)}
    return new_output("execute_result", data=data, execution_count=number)


def _display(exercise: ExerciseResult) -> NotebookNode:
    lines, items = [], []
    for check in exercise.checks:
        if check.max_points == 0 and check.passed:
            continue
        mark = "–" if check.skipped else MARKS[check.passed]
        message = "" if check.passed else inert(check.message)
        points = f"{check.points:g} of {check.max_points:g}"
        lines.append(f"{mark} {check.title} ({points}) {message}".strip())
        items.append(
            f"<li>{mark} {prose(check.title)} ({points})<br>{prose(message)}</li>"
        )
    if exercise.hint:
        lines.append(inert(exercise.hint))
        items.append(f"<li>{prose(exercise.hint)}</li>")
    html = f"<ul style='list-style:none;padding:0'>{''.join(items)}</ul>"
    data = {"text/plain": "\n".join(lines) or exercise.message, "text/html": html}
    return new_output("display_data", data=data)
