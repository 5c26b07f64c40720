"""The commands. Each ends with 0: done, 1: done, and some submissions could not be
graded, 2: could not start, with one line that says why and the mend."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from autograder import records
from autograder.course import Course, CourseError, load_course
from autograder.nbgrading import tools_on_path
from autograder.results import ClassResult, SubmissionResult
from autograder.safe import one_line

app = typer.Typer(
    help="Build assignments and grade them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()

Name = Annotated[str, typer.Argument(help="The assignment's name in course.toml.")]
Unconfined = Annotated[
    bool,
    typer.Option(help="Run student code even where it cannot be confined."),
]


@app.callback()
def options() -> None:
    """Graded Keras notebooks on Transformers."""


@app.command()
def build(
    assignments: Annotated[
        list[str] | None, typer.Argument(help="Which; all where none is named.")
    ] = None,
) -> None:
    """Make the students' notebooks and the public records from solutions/."""
    from autograder.authoring.build import build as build_one

    course = load_course()
    for name in assignments or [a.name for a in course.assignments]:
        course.assignment(name)
        with _progress() as progress:
            task = progress.add_task(name, total=None)
            step = functools.partial(_describe, progress, task)
            told = [
                f"{path.relative_to(course.root)}: "
                f"{'written' if changed else 'unchanged'}"
                for path, changed in build_one(course, name, step)
            ]
        for line in told:
            console.print(line, markup=False)


@app.command()
def grade(
    assignment: Name,
    submitted: Annotated[
        Path, typer.Option(help="The folder of submissions.", show_default=False)
    ],
    json: Annotated[
        Path | None, typer.Option(help="Where to write the results as JSON.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Submissions at once; all processors.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where pages, notebooks and gradebook go; the course."),
    ] = None,
    db: Annotated[
        str | None,
        typer.Option(
            help="The gradebook's address; course.toml's, or SQLite in `out`."
        ),
    ] = None,
    allow_unconfined: Unconfined = False,
) -> None:
    """Grade a folder of submissions."""
    if not submitted.is_dir():
        raise CourseError(f"{submitted} is no folder; name the folder of submissions.")
    course = load_course()
    result = run(
        course,
        assignment,
        submitted,
        out or course.root,
        jobs=jobs,
        db=db or (course.gradebook_url if out is None else None),
        json=json,
        minimum="none" if allow_unconfined else None,
    )
    raise typer.Exit(exit_code(result))


@app.command()
def new(
    name: Annotated[
        str, typer.Argument(help="The new assignment's name, such as layer_norm.")
    ],
) -> None:
    """Start an assignment: a small one that works, to change into your own."""
    from autograder.authoring.scaffold import scaffold

    course = load_course()
    for path in scaffold(course, name):
        console.print(f"{path.relative_to(course.root)}: written", markup=False)
    for line in (
        f"It works as it is: autograder build {name}",
        f"                   autograder demo --assignment {name}",
        "Change the three files into your exercise, build again, and run the tests.",
    ):
        console.print(line, markup=False, soft_wrap=True)


@app.command()
def bundle(
    folder: Annotated[
        Path, typer.Argument(help="The folder to write; an earlier bundle is replaced.")
    ],
) -> None:
    """Write the public course: what students get, and nothing else."""
    from autograder.authoring.bundle import bundle as write

    course = load_course()
    with _progress() as progress:
        task = progress.add_task("bundle", total=None)
        made = write(course, folder, functools.partial(_describe, progress, task))
    console.print(f"{len(made)} files in {folder}.", markup=False, soft_wrap=True)
    if not course.badge(""):
        console.print(
            "No badges: set `repository` in course.toml to the public repository's "
            "address on GitHub, and build again.",
            soft_wrap=True,
        )


@app.command(context_settings={"ignore_unknown_options": True})
def pack(
    notebook: Annotated[Path, typer.Argument(help="The notebook as it is.")],
    options: Annotated[
        list[str] | None, typer.Argument(help="--no-run, --seconds N.")
    ] = None,
) -> None:
    """Students: write the file to hand in, and say what is missing in it."""
    from autograder.student.packing import main as pack_notebook

    raise typer.Exit(pack_notebook([str(notebook), *(options or [])]))


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Argument(help="A folder of its own, made anew.")
    ] = Path("demo"),
    assignment: Annotated[
        str | None, typer.Option(help="Which; the course's first.", show_default=False)
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1)] = None,
    allow_unconfined: Unconfined = False,
) -> None:
    """Make up a class of real notebooks and grade it."""
    from autograder.demo import make_class

    course = load_course()
    name = course.assignment(assignment or course.assignments[0].name).name
    submitted = make_class(course, name, folder)
    console.print(f"A class of {len(list(submitted.iterdir()))} in {submitted}.")
    run(
        course,
        name,
        submitted,
        folder,
        jobs=jobs,
        json=folder / f"{name}.json",
        minimum="none" if allow_unconfined else None,
    )


@app.command()
def doctor() -> None:
    """Say how well this machine can confine student code."""
    from autograder.sandbox.host import Sandbox, refuse_elsewhere

    refuse_elsewhere()
    from autograder.sandbox.ladder import HOLES, strong

    course = load_course()
    with Sandbox(course.limits, minimum="none") as sandbox:
        for layer in sandbox.ladder():
            mark = "[green]yes[/]" if layer.active else "[red]no [/]"
            mend = "" if layer.active else f" To get it: {layer.mend}."
            text = f"{mark} {layer.name}: stops {layer.stops}.{escape(mend)}"
            console.print(text, soft_wrap=True)
        console.print(f"Submissions run under: {sandbox.isolation}", soft_wrap=True)
        if sandbox.holes:
            still = ", ".join(HOLES.get(name, name) for name in sandbox.holes)
            console.print(f"Not stopped here: {still}", soft_wrap=True)
        if not strong(sandbox.plan):
            console.print(
                "`grade` wants namespaces, or Landlock and seccomp: it refuses here, "
                "unless --allow-unconfined is given.",
                soft_wrap=True,
            )
            raise typer.Exit(2)
        console.print("That is enough for `grade`.")


# --- what the commands share ------------------------------------------------------


def run(
    course: Course,
    assignment: str,
    submitted: Path,
    out: Path,
    *,
    jobs: int | None = None,
    db: str | None = None,
    json: Path | None = None,
    minimum: str | None = None,
) -> ClassResult:
    """Grades a folder of submissions and writes everything that comes of it."""
    from autograder.gradebook.database import register, try_writing
    from autograder.gradebook.hand_back import hand_back_class, hand_back_one
    from autograder.grading.classroom import Grader, Workplace, default_jobs
    from autograder.grading.collect import find_submissions
    from autograder.grading.submission import Graded
    from autograder.sandbox.host import Sandbox

    course.assignment(assignment)
    place = Workplace(out.resolve())
    db_url = db or f"sqlite:///{place.gradebook}"
    pages = {}
    with (
        place.lock(lambda: console.print("Another run is grading here; waiting.")),
        Sandbox(
            course.limits,
            minimum=minimum,
            secrets=[course.root, place.root, submitted.resolve()],
        ) as sandbox,
        _progress() as progress,
    ):
        try_writing(db_url)
        task = progress.add_task("the reference answers", total=None)
        grader = Grader(
            course,
            assignment,
            place,
            sandbox,
            jobs or default_jobs(),
            lambda name: _describe(progress, task, f"records: {name}"),
        )
        register(db_url, course, assignment, grader.release)  # it is there, before all
        total = len(find_submissions(submitted, assignment))
        progress.update(task, description="grading", total=total, completed=0)
        outcomes = []
        for outcome in grader.grade(submitted):
            pages[outcome.found.student] = hand_back_one(course, grader, outcome)
            # What it answered may be large, and is on its page now.
            outcomes.append(replace(outcome, graded=Graded(outcome.graded.result)))
            progress.advance(task)
        if json is not None:
            summary = grader.summary(outcomes).model_dump_json(indent=1)
            records.write_text(json, summary + "\n")
        result, page = hand_back_class(course, grader, outcomes, db_url)
    _table(result)
    console.print(f"Class page  {_short(page)}", soft_wrap=True, markup=False)
    for student in sorted(pages)[:1]:
        console.print(f"Feedback    {_short(pages[student])} …", soft_wrap=True)
    ours = db_url == f"sqlite:///{place.gradebook}"
    shown = f"{_short(place.gradebook)} (SQLite)" if ours else "the given database"
    console.print(f"Gradebook   {shown}", soft_wrap=True, markup=False)
    return result


def exit_code(result: ClassResult) -> int:
    """Returns 1 where a submission could not be graded."""
    return int(any(s.status != "graded" for s in result.submissions))


def _describe(progress: Progress, task, text: str) -> None:
    progress.update(task, description=text)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _table(result: ClassResult) -> None:
    table = Table("student", "score", "status", "what to look at", box=None)
    for submission in result.submissions:
        notes = [submission.message] if submission.message else _notes(submission)
        notes += submission.flags[:1]
        color = "green" if submission.status == "graded" else "red"
        table.add_row(
            escape(one_line(submission.student, 32)),
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
        console.print(
            f"{len(result.submissions)} submissions, {top:g} points, {manual:g} of "
            f"them given by a person; isolation: {result.submissions[0].isolation}"
        )


def _notes(submission: SubmissionResult) -> list[str]:
    """Returns the mistakes named, and what could not be judged."""
    asked = [e for e in submission.exercises if e.status != "manual"]
    if all(e.status == "not_attempted" for e in asked):
        return ["nothing written"]
    named = [e.misconception for e in asked if e.misconception]
    stopped = [f"{e.id}: {e.status}" for e in asked if e.status in ("error", "timeout")]
    return [*dict.fromkeys(named), *stopped]


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def main() -> None:
    """Runs the command line; an error is one sentence and exit code 2."""
    from autograder.sandbox.host import ConfinementError

    tools_on_path()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    try:
        app()
    except (CourseError, ConfinementError) as error:
        print(f"autograder: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"autograder: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
