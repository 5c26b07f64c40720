"""What the commands share: the terminal, and options that several of them take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

console = Console()

Name = Annotated[str, typer.Argument(help="The assignment's name in course.toml.")]
Roster = Annotated[
    Path | None,
    typer.Option(help="A CSV of the class: id, and canvas, moodle, gradescope, email."),
]
Layout = Annotated[
    str,
    typer.Option(help="plain, canvas, moodle or gradescope; found out by default."),
]
Out = Annotated[
    Path | None, typer.Option(help="The folder that was graded into; the course.")
]
Db = Annotated[
    str | None,
    typer.Option(help="The gradebook's address, as it was given to `grade`."),
]
Unconfined = Annotated[
    bool,
    typer.Option(help="Run student code even where it cannot be confined."),
]


def plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def describe(progress: Progress, task, text: str) -> None:
    progress.update(task, description=text)


def progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
