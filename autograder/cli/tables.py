"""A graded class in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from autograder.cli.terminal import console, plural
from autograder.grading.timing import Span
from autograder.results import ClassResult, SubmissionResult
from autograder.safe import one_line

LISTED = 20  # lines of a list that are printed


def print_class(result: ClassResult) -> None:
    table = Table("student", "score", "status", "what to look at", box=None)
    for submission in result.submissions:
        notes = [submission.message] if submission.message else _notes(submission)
        notes += submission.flags[:1]
        color = "green" if submission.status == "graded" else "red"
        table.add_row(
            escape(_who(submission)),
            f"{submission.score:g}",
            f"[{color}]{submission.status}[/]",
            escape(one_line(", ".join(notes), 72)),
        )
    console.print(table)
    manual = sum(
        e.max_score
        for s in result.submissions[:1]
        for e in s.exercises
        if e.status == "manual"
    )
    if result.submissions:
        top = result.submissions[0].max_score
        layers = result.submissions[0].isolation.split("+")
        console.print(
            f"{plural(len(result.submissions), 'submission')}, {top:g} points, "
            f"{manual:g} of them given by a person; isolated in "
            f"{plural(len(layers), 'layer')}: {', '.join(layers[:3])} …",
            soft_wrap=True,
        )


def _who(submission: SubmissionResult) -> str:
    name = f" ({submission.name})" if submission.name else ""
    return one_line(submission.student + name, 32)


def _notes(submission: SubmissionResult) -> list[str]:
    """Returns the mistakes named, and what could not be judged."""
    asked = [e for e in submission.exercises if e.status != "manual"]
    if all(e.status == "not_attempted" for e in asked):
        return ["nothing written"]
    named = [e.misconception for e in asked if e.misconception]
    stopped = [f"{e.id}: {e.status}" for e in asked if e.status in ("error", "timeout")]
    return [*dict.fromkeys(named), *stopped]


def print_lists(result: ClassResult) -> None:
    """Prints who is not matched, what was left out, and who handed in more."""
    many = [s for s in result.submissions if s.earlier]
    layout = f"read as {result.layout}"
    for title, lines in {
        f"Not on the roster ({layout})": result.unmatched,
        "Left out of the zip": result.refused,
        "Other files of theirs, kept": [
            f"{s.student}: {', '.join(s.earlier)}" for s in many
        ],
    }.items():
        if lines:
            console.print(f"{title}: {len(lines)}", markup=False)
        for line in lines[:LISTED]:
            console.print(f"  {one_line(line, 160)}", markup=False, soft_wrap=True)
        if len(lines) > LISTED:
            console.print("  … and the others in --json FILE", markup=False)


def print_profile(result: SubmissionResult, spans: Sequence[Span]) -> None:
    """Prints where one submission's time went, the longest first."""
    console.print(f"{result.student}: {result.status}, {result.score:g} points")
    phases = ", ".join(f"{name} {spent:.2f} s" for name, spent in result.phases.items())
    console.print(f"{result.seconds:.2f} s: {phases}")
    table = Table("seconds", "phase", "what", box=None)
    for span in sorted(spans, key=lambda span: -span.seconds)[:LISTED]:
        table.add_row(
            f"{span.seconds:.3f}", span.phase, escape(one_line(span.what, 60))
        )
    console.print(table)
