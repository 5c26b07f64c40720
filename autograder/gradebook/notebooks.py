"""The autograded notebook: the student's cells, with a verdict under each check."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.grading.classroom import Grader, Outcome
from autograder.grading.rebuild import grade_id
from autograder.reports.feedback import Picture, pictures_of
from autograder.reports.pages import prose
from autograder.results import ExerciseResult, SubmissionResult
from autograder.safe import inert

MARKS = {True: "✓", False: "✗"}


def autograded_notebook(outcome: Outcome, grader: Grader) -> NotebookNode:
    """Returns what nbgrader shows of a submission; the bare release if unreadable."""
    paper, graded = grader.paper, outcome.graded
    return autograded(
        outcome.rebuilt.notebook if outcome.rebuilt else grader.release,
        graded.result,
        graded.cells,
        pictures_of(paper.public, graded.answers, paper.public_records),
    )


def autograded(
    notebook: NotebookNode,
    result: SubmissionResult,
    cells: list[dict[str, Any]],
    pictures: Mapping[tuple[str, str], Picture] | None = None,
) -> NotebookNode:
    """Returns the rebuilt notebook, verdicts and printed output in place.

    A check's verdict is a display (the hints), a picture, and a number (its score),
    which is what nbgrader reads partial credit from.
    """
    notebook = deepcopy(notebook)
    exercises = {exercise.id: exercise for exercise in result.exercises}
    printed = {cell["id"]: cell for cell in cells}
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        cell.outputs, cell.execution_count = [], None
        id = grade_id(cell) or ""
        if id.startswith("grade_"):
            exercise = exercises[id.removeprefix("grade_")]
            cell.execution_count = number
            drawn = [
                _drawn(picture)
                for (name, _), picture in (pictures or {}).items()
                if name == exercise.id
            ]
            cell.outputs = [_display(exercise), *drawn, _score(exercise, number)]
        elif id in printed and printed[id]["stdout"]:
            text = inert(printed[id]["stdout"], 20_000)
            cell.outputs = [new_output("stream", name="stdout", text=text)]
    return notebook


def _score(exercise: ExerciseResult, number: int) -> NotebookNode:
    data = {"text/plain": str(exercise.score)}
    return new_output("execute_result", data=data, execution_count=number)


def _drawn(picture: Picture) -> NotebookNode:
    data = {"image/png": base64.b64encode(picture.png).decode()}
    about = {"image/png": {"alt": picture.alt}}
    return new_output("display_data", data=data, metadata=about)


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
