"""A class's result as plain CSV, one row a student, and as JSON Lines."""

from __future__ import annotations

import csv
import io
import json

from autograder.results import ClassResult, SubmissionResult
from autograder.safe import csv_cell

HEAD = "student status total max_score score penalty waiting submitted".split()


def to_csv(result: ClassResult) -> str:
    """Returns a table: who, what became of it, points in all and per exercise.

    `total` is what counts: `score`, people's points in it, less the late `penalty`.
    `waiting` are points that a person has yet to give. No cell is a formula to a
    spreadsheet. Numbers have four decimals at most.
    """
    exercises = _exercises(result)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*HEAD, *exercises, "message", "flags"])
    for submission in result.submissions:
        points = {e.id: e.score for e in submission.exercises}
        row = [
            submission.student,
            submission.status,
            number(submission.total),
            number(submission.max_score),
            number(submission.score),
            number(submission.penalty),
            number(sum(e.max_score for e in submission.exercises if e.waits)),
            submission.submitted or "",
            *(number(points[e]) if e in points else "" for e in exercises),
            submission.message,
            "; ".join(submission.flags),
        ]
        writer.writerow([csv_cell(cell) for cell in row])
    return text.getvalue()


def to_json_lines(result: ClassResult) -> str:
    """Returns a JSON object a line: a submission with what the class shares."""
    shared = {
        "schema_version": result.schema_version,
        "assignment": result.assignment,
        "seed_id": result.seed_id,
        "environment": result.environment.model_dump(),
    }
    lines = [_line(shared, submission) for submission in result.submissions]
    return "".join(f"{line}\n" for line in lines)


def _line(shared: dict, submission: SubmissionResult) -> str:
    return json.dumps({**shared, **submission.model_dump(mode="json")})


def _exercises(result: ClassResult) -> list[str]:
    seen = {e.id: None for s in result.submissions for e in s.exercises}
    return list(seen)


def number(value: float) -> str:
    """Returns points as every export writes them: `4.5`, `12`, `0.3333`."""
    return f"{round(value, 4):.4f}".rstrip("0").rstrip(".")
