"""The commands. Each ends with 0: done, 1: done, and some submissions could not be
graded, 2: could not start, with one line that says why and the mend."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from autograder import records
from autograder.cli import export
from autograder.cli.grading import exit_code, explained, profiled, run
from autograder.cli.tables import print_profile
from autograder.cli.terminal import (
    Db,
    Layout,
    Name,
    Out,
    Roster,
    Unconfined,
    console,
    describe,
    progress_bar,
    short,
)
from autograder.course import CourseError, load_course

app = typer.Typer(
    help="Build assignments and grade them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(export.app, name="export")


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
    from autograder.authoring.build import build_map

    course = load_course()

    def tell(made: Iterable[tuple[Path, bool]]) -> list[str]:
        return [
            f"{path.relative_to(course.root)}: {'written' if changed else 'unchanged'}"
            for path, changed in made
        ]

    for name in assignments or [a.name for a in course.assignments]:
        course.assignment(name)
        with progress_bar() as progress:
            task = progress.add_task(name, total=None)
            step = functools.partial(describe, progress, task)
            told = tell(build_one(course, name, step))
        for line in told:
            console.print(line, markup=False)
    for line in tell(build_map(course)):
        console.print(line, markup=False)


@app.command()
def grade(
    assignment: Name,
    submitted: Annotated[
        Path,
        typer.Option(
            help="The submissions: a folder, or the zip that Canvas, Moodle or "
            "Gradescope gave out.",
            show_default=False,
        ),
    ],
    roster: Roster = None,
    layout: Layout = "auto",
    regrade: Annotated[
        bool,
        typer.Option("--regrade", help="Show who would change and why; write nothing."),
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="With --regrade: write what is shown.")
    ] = False,
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
    scheduler: Annotated[
        str | None,
        typer.Option(help="A Dask scheduler, whose workers run student code."),
    ] = None,
    device: Annotated[
        Literal["cpu", "gpu"],
        typer.Option(help="Where student code computes; verdicts are the same."),
    ] = "cpu",
    profile: Annotated[
        str | None,
        typer.Option(help="Grade this student alone, and tell where the time goes."),
    ] = None,
    allow_unconfined: Unconfined = False,
) -> None:
    """Grade a class's submissions."""
    if apply and not regrade:
        raise CourseError("--apply writes what --regrade shows; give both.")
    if device == "gpu" and scheduler is not None:
        raise CourseError("--device gpu is for this machine; leave out --scheduler.")
    course = load_course()
    minimum = "none" if allow_unconfined else None
    if profile is not None:
        taken, how = (submitted, roster, layout), (minimum, device)
        place = out or course.root
        print_profile(*profiled(course, assignment, profile, taken, place, *how))
        return
    result = run(
        course,
        assignment,
        submitted,
        out or course.root,
        jobs=jobs,
        db=db or (course.gradebook_url if out is None else None),
        json=json,
        minimum=minimum,
        roster=roster,
        layout=layout,
        regrade="apply" if apply else "show" if regrade else None,
        scheduler=scheduler,
        device=device,
    )
    raise typer.Exit(exit_code(result))


@app.command()
def report(assignment: Name, out: Out = None, db: Db = None) -> None:
    """Make the class page anew, with what people have given since."""
    from autograder.exercises import load
    from autograder.gradebook.hand_back import write_class_page

    course = load_course()
    place, result = export.graded(assignment, out, db)
    page = write_class_page(course, place, result, load(assignment))
    console.print(f"Class page  {short(page)}", soft_wrap=True, markup=False)


@app.command(hidden=True)
def gradescope(
    assignment: Name,
    root: Annotated[Path, typer.Option()] = Path("/autograder"),
    prepare: bool = False,
) -> None:
    """Grade inside Gradescope's folders; its run_autograder calls this."""
    from autograder.cli import inside_gradescope as inside

    step = inside.prepare if prepare else inside.grade_one
    step(load_course(), assignment, root.resolve(), run)


@app.command()
def explain(
    student: Annotated[str, typer.Argument(help="The student's id, as in the table.")],
    exercise: Annotated[str, typer.Argument(help="The exercise's id.")],
    check: Annotated[
        str | None, typer.Option(help="Which check; the first that fails.")
    ] = None,
    submitted: Annotated[
        Path | None,
        typer.Option(help="The submissions; those that were graded last."),
    ] = None,
    roster: Roster = None,
    layout: Layout = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Where it was graded; the course.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="Where to write the page; below reports/.")
    ] = None,
    allow_unconfined: Unconfined = False,
) -> None:
    """Ask one check again: expected, own, difference and why. For staff only."""
    from autograder import exercises

    course = load_course()
    try:
        assignment = course.assignment(exercises.assignment_of(exercise)).name
    except KeyError as error:
        raise CourseError(str(error.args[0])) from None
    told, place = explained(
        course,
        assignment,
        (student, exercise, check),
        (submitted, roster, layout),
        out or course.root,
        "none" if allow_unconfined else None,
    )
    from autograder.gradebook.database import gradebook_id
    from autograder.reports.explain_page import explain_page, explain_text

    explain_text(console, told)
    name = f"explain-{gradebook_id(student)}-{exercise}-{told.check.id}.html"
    page = page or place.page(assignment).with_name(name)
    title = course.assignment(assignment).title
    text = explain_page(told, course_title=course.title, assignment_title=title)
    records.write_text(page, text)
    console.print(f"Page  {short(page)}", soft_wrap=True, markup=False)


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
    with progress_bar() as progress:
        task = progress.add_task("bundle", total=None)
        made = write(course, folder, functools.partial(describe, progress, task))
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
