"""The commands. Each ends with 0: done, 1: done, and some submissions could not be
graded, 2: could not start, with one line that says why and the mend."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

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
from autograder.cli import export
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
Roster = Annotated[
    Path | None,
    typer.Option(help="A CSV of the class: id, and canvas, moodle, gradescope, email."),
]
Layout = Annotated[
    str,
    typer.Option(help="plain, canvas, moodle or gradescope; found out by default."),
]
LISTED = 20  # lines of a list that are printed
Unconfined = Annotated[
    bool,
    typer.Option(help="Run student code even where it cannot be confined."),
]


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
    allow_unconfined: Unconfined = False,
) -> None:
    """Grade a class's submissions."""
    if apply and not regrade:
        raise CourseError("--apply writes what --regrade shows; give both.")
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
        roster=roster,
        layout=layout,
        regrade="apply" if apply else "show" if regrade else None,
    )
    raise typer.Exit(exit_code(result))


@app.command()
def report(
    assignment: Name,
    out: Annotated[
        Path | None, typer.Option(help="The folder that was graded into; the course.")
    ] = None,
    db: Annotated[
        str | None, typer.Option(help="The gradebook's address, as for `grade`.")
    ] = None,
) -> None:
    """Make the class page anew, with what people have given since."""
    from autograder.exercises import load
    from autograder.gradebook.hand_back import write_class_page

    course = load_course()
    place, result = export.graded(assignment, out, db)
    page = write_class_page(course, place, result, load(assignment))
    console.print(f"Class page  {_short(page)}", soft_wrap=True, markup=False)


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
    console.print(f"Page  {_short(page)}", soft_wrap=True, markup=False)


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


def plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


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
    roster: Path | None = None,
    layout: str = "auto",
    regrade: Literal["show", "apply"] | None = None,
) -> ClassResult:
    """Grades a class's submissions and writes everything that comes of it.

    With `regrade` it first shows what changes, and writes only where that is `apply`.
    """
    from autograder.gradebook.database import register, try_writing
    from autograder.gradebook.given import read_given
    from autograder.gradebook.hand_back import hand_back_class, hand_back_one
    from autograder.grading import written
    from autograder.grading.classroom import Grader, Workplace, default_jobs
    from autograder.grading.submission import Graded
    from autograder.reports.changes import show_changes
    from autograder.sandbox.host import Sandbox

    course.assignment(assignment)
    collected = _collected(course, assignment, submitted, roster, layout)
    place = Workplace(out.resolve())
    db_url = db or f"sqlite:///{place.gradebook}"
    if regrade and not written.last(place, assignment):
        raise CourseError(
            f"Nothing of {assignment} was graded in {place.root} yet, so there is "
            "nothing to compare with; grade it without --regrade first."
        )
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
        if regrade != "show":
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
        if not regrade:  # it is there, before all
            register(db_url, course, assignment, grader.release)
        total = len(collected.found)
        progress.update(task, description="grading", total=total, completed=0)
        given = read_given(db_url, course, assignment)
        outcomes = []
        for outcome in grader.grade(collected.found):
            if not regrade:
                pages[outcome.found.student] = hand_back_one(
                    course, grader, outcome, given
                )
            # What it answered may be large, and is on its page now.
            outcomes.append(replace(outcome, graded=Graded(outcome.graded.result)))
            progress.advance(task)
        summary = grader.summary(outcomes, collected)
        if regrade:
            before = written.last(place, assignment)
            by_hand = _by_hand(given)
            show_changes(console, before, summary, by_hand, applied=regrade == "apply")
            if regrade == "show":
                return summary
            register(db_url, course, assignment, grader.release)
            for outcome in outcomes:
                # As it was shown: what was graded is kept, and is not run again.
                whole = grader.grade_one(outcome.found) if outcome.key else outcome
                pages[outcome.found.student] = hand_back_one(
                    course, grader, whole, given
                )
        result, page = hand_back_class(course, grader, outcomes, db_url, collected)
        if json is not None:
            records.write_text(json, result.model_dump_json(indent=1) + "\n")
        source = written.Source(
            str(submitted.resolve()), roster and str(roster.resolve()), layout
        )
        written.keep(place, assignment, summary.submissions, source)
    _table(result)
    _listed(result)
    console.print(f"Class page  {_short(page)}", soft_wrap=True, markup=False)
    for student in sorted(pages)[:1]:
        console.print(f"Feedback    {_short(pages[student])} …", soft_wrap=True)
    ours = db_url == f"sqlite:///{place.gradebook}"
    shown = f"{_short(place.gradebook)} (SQLite)" if ours else "the given database"
    console.print(f"Gradebook   {shown}", soft_wrap=True, markup=False)
    return result


def explained(course, assignment: str, asked: tuple, taken: tuple, out, minimum):
    """Asks one check of one student again; returns the explanation and where.

    Args:
        course: the course.
        assignment: the assignment's name.
        asked: student, exercise and check.
        taken: submissions, roster and layout; where the last run took them, if None.
        out: where the assignment was graded.
        minimum: the isolation that is asked for.
    """
    from autograder.grading import written
    from autograder.grading.classroom import Grader, Workplace, default_jobs
    from autograder.reports.explaining import explain as explain_check
    from autograder.sandbox.host import Sandbox

    place, (student, exercise, check) = Workplace(Path(out).resolve()), asked
    submitted, roster, layout = taken
    if submitted is None:
        last = written.source(place, assignment)
        if last is None:
            raise CourseError(
                f"Nothing of {assignment} was graded in {place.root}; name the "
                "submissions with --submitted, or the place with --out."
            )
        submitted, layout = Path(last.submitted), last.layout
        roster = last.roster and Path(last.roster)
    collected = _collected(course, assignment, submitted, roster, layout)
    found = {f.student: f for f in collected.found}
    if student not in found:
        some = ", ".join(one_line(name, 40) for name in list(found)[:8])
        raise CourseError(
            f"No submission of {one_line(student, 80)!r}; there are {len(found)}, such "
            f"as {some or 'nobody'}."
        )
    secrets = [course.root, place.root, submitted.resolve()]
    with (
        place.lock(lambda: console.print("Another run is grading here; waiting.")),
        Sandbox(course.limits, minimum=minimum, secrets=secrets) as sandbox,
        _progress() as progress,
    ):
        task = progress.add_task("the reference answers", total=None)
        step = functools.partial(_describe, progress, task)
        grader = Grader(course, assignment, place, sandbox, default_jobs(), step)
        progress.update(task, description=f"asking {exercise} again")
        stored = written.last(place, assignment).get(student)
        return explain_check(grader, found[student], exercise, check, stored), place


def exit_code(result: ClassResult) -> int:
    """Returns 1 where a submission could not be graded, or nobody knows whose it is."""
    open_ends = result.unmatched or result.refused
    return int(bool(open_ends) or any(s.status != "graded" for s in result.submissions))


def _collected(course, assignment: str, submitted: Path, roster, layout: str):
    from autograder.grading.collect import collect
    from autograder.grading.roster import read_roster

    return collect(
        submitted,
        assignment,
        layout=layout,
        roster=None if roster is None else read_roster(roster),
        others=[a.name for a in course.assignments],
    )


def _by_hand(given):
    from autograder.gradebook.database import gradebook_id
    from autograder.gradebook.given import Given

    def points(student: str, exercise: str) -> float | None:
        return given.get(gradebook_id(student), Given()).points.get(exercise)

    return points


def _listed(result: ClassResult) -> None:
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
