"""The autograded notebook: the student's cells, with a verdict under each check."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.grading.cells import grade_id
from autograder.grading.classroom import Grader, Outcome
from autograder.reports.feedback import Picture, pictures_of
from autograder.reports.pages import points, templates
from autograder.results import CheckResult, ExerciseResult, SubmissionResult
from autograder.safe import inert
from autograder.student.display import GREEN, GREY, RED

MARKS = {True: "✓", False: "✗"}


def pictures_for(outcome: Outcome, grader: Grader) -> dict[tuple[str, str], Picture]:
    """Returns the wrong numbers of a submission, drawn; see `pictures_of`."""
    paper = grader.paper
    return pictures_of(paper.public, outcome.graded.answers, paper.public_records)


def autograded_notebook(
    outcome: Outcome, grader: Grader, pictures: Mapping[tuple[str, str], Picture]
) -> NotebookNode:
    """Returns what nbgrader shows of a submission; the bare release if unreadable.

    Args:
        outcome: the submission's.
        grader: who graded.
        pictures: what `pictures_for` returned.
    """
    return autograded(
        outcome.rebuilt.notebook if outcome.rebuilt else grader.release,
        outcome.graded.result,
        outcome.graded.cells,
        pictures,
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
            cell.source = shown(cell)
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


def shown(cell: NotebookNode) -> str:
    """Returns a cell's source in which no Markdown of a student's is HTML.

    It reads as before. A formgrader without this course's nbgrader_config.py shows it
    with whatever tags it has, in a page that can give points.
    """
    written = cell.metadata.get("nbgrader", {}).get("solution")
    if cell.cell_type == "code" or not written:
        return cell.source
    return re.sub(r"<(?=[A-Za-z/!?])", "<\u200b", cell.source)


def _score(exercise: ExerciseResult, number: int) -> NotebookNode:
    data = {"text/plain": str(exercise.score)}
    return new_output("execute_result", data=data, execution_count=number)


def _drawn(picture: Picture) -> NotebookNode:
    data = {"image/png": base64.b64encode(picture.png).decode()}
    # Half the pixels: sharp on a screen, and no wider than nbgrader's column.
    width = int.from_bytes(picture.png[16:20], "big") // 2
    about = {"image/png": {"alt": picture.alt, "width": width}}
    return new_output("display_data", data=data, metadata=about)


def _display(exercise: ExerciseResult) -> NotebookNode:
    """Says what each check found, in the words and colours of the student's `check`."""
    listed = [c for c in exercise.checks if c.max_points or not c.passed]
    if all(check.skipped for check in listed):
        listed = []  # nothing was judged: the reason is told once
    lines = [_line(check) for check in listed] or [inert(exercise.message)]
    if exercise.hint:
        lines.append(inert(exercise.hint))
    data = {"text/plain": "\n".join(lines), "text/html": _card(exercise, listed)}
    return new_output("display_data", data=data)


def _line(check: CheckResult) -> str:
    message = "" if check.passed else inert(check.message)
    share = f"{points(check.points)} of {points(check.max_points)}"
    return f"{_mark(check)} {check.title} ({share}) {message}".strip()


def _mark(check: CheckResult) -> str:
    return "–" if check.skipped else MARKS[check.passed]


CARD = """\
<div style="border-left:4px solid {{ color }};padding:.3em 0 .3em .9em;\
max-width:46em">
<p style="margin:.2em 0"><b>{{ e.score|points }} of \
{{ e.max_score|plural("point") }}</b></p>
{% for check, mark, shade in checks %}
<div style="margin:.3em 0 .3em 1.4em;text-indent:-1.4em">\
<b style="display:inline-block;width:1.4em;text-indent:0;color:{{ shade }}">\
{{ mark }}</b>{{ check.title|prose }}
{% if check.max_points %}
<small>({{ check.points|points }} of {{ check.max_points|points }})</small>
{% endif %}
{% if not check.passed and check.message %}
<div style="text-indent:0;opacity:.85">{{ check.message|prose }}</div>
{% endif %}
</div>
{% else %}
<p style="margin:.2em 0">{{ e.message|prose }}</p>
{% endfor %}
{% if e.hint %}<p style="margin:.4em 0"><b>Hint.</b> {{ e.hint|prose }}</p>{% endif %}
</div>"""


@functools.lru_cache
def _template():
    return templates().from_string(CARD)


def _card(exercise: ExerciseResult, listed: list[CheckResult]) -> str:
    full = exercise.score >= exercise.max_score
    tried = any(not check.skipped for check in listed)
    color = GREEN if full else RED if tried else GREY
    checks = [(check, _mark(check), _shade(check)) for check in listed]
    return _template().render(color=color, e=exercise, checks=checks)


def _shade(check: CheckResult) -> str:
    return GREY if check.skipped else GREEN if check.passed else RED
