"""Grading a class from the terminal: what `grade`, `demo` and `explain` do."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from autograder import records
from autograder.cli.pace import Pace
from autograder.cli.tables import print_class, print_lists
from autograder.cli.terminal import console, describe, progress_bar, short
from autograder.course import Course, CourseError
from autograder.results import ClassResult
from autograder.safe import one_line


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
    scheduler: str | None = None,
    device: str = "cpu",
) -> ClassResult:
    """Grades a class's submissions and writes everything that comes of it.

    With `regrade` it first shows what changes, and writes only where that is `apply`.
    """
    from autograder.gradebook.database import register, try_writing
    from autograder.gradebook.given import read_given
    from autograder.gradebook.hand_back import hand_back_class, hand_back_one
    from autograder.grading import written
    from autograder.grading.classroom import Workplace
    from autograder.reports.changes import show_changes

    course.assignment(assignment)
    collected = _collected(course, assignment, submitted, roster, layout)
    place = Workplace(out.resolve())
    db_url = db or place.gradebook_url
    before = written.last(place, assignment) if regrade else {}
    if regrade and not before:
        raise CourseError(
            f"Nothing of {assignment} was graded in {place.root} yet, so there is "
            "nothing to compare with; grade it without --regrade first."
        )
    pages: dict[str, Path] = {}
    how = (jobs, minimum, scheduler, device)
    with _working(course, assignment, place, submitted, *how) as (grader, graded, _):
        if regrade != "show":
            try_writing(db_url)
        if not regrade:  # it is there, before all
            register(db_url, course, assignment, grader.release)
        given = read_given(db_url, course, assignment)

        def hand_back(outcome) -> None:
            student = outcome.found.student
            pages[student] = hand_back_one(course, grader, outcome, given)

        outcomes = graded(collected.found, hand_back if not regrade else None)
        summary = grader.summary(outcomes, collected)
        if regrade:
            by_hand = _by_hand(given)
            show_changes(console, before, summary, by_hand, applied=regrade == "apply")
        if regrade == "show":
            return summary
        if regrade:
            register(db_url, course, assignment, grader.release)
            for outcome in outcomes:
                # As it was shown: what was graded is kept, and is not run again.
                hand_back(grader.grade_one(outcome.found) if outcome.key else outcome)
        result, page = hand_back_class(course, grader, outcomes, db_url, collected)
        if json is not None:
            records.write_text(json, result.model_dump_json(indent=1) + "\n")
        source = written.Source(
            str(submitted.resolve()), roster and str(roster.resolve()), layout
        )
        written.keep(place, assignment, summary.submissions, source)
    print_class(result)
    print_lists(result)
    ours = db_url == place.gradebook_url
    _print_places(page, pages, place.gradebook if ours else None)
    return result


@contextlib.contextmanager
def _working(
    course,
    assignment: str,
    place,
    submitted: Path,
    jobs=None,
    minimum=None,
    scheduler=None,
    device: str = "cpu",
):
    """Holds a workplace and a sandbox; gives a grader, and two ways to use it.

    The first takes submissions, and what to do with each outcome while it is whole;
    it shows how far it is, and returns the outcomes without their answers. The second
    says what is being done instead.
    """
    from autograder.gradebook.hand_back import lightened
    from autograder.grading.classroom import Grader, default_jobs
    from autograder.sandbox.host import Sandbox

    secrets = [course.root, place.root, submitted.resolve()]
    with (
        place.lock(lambda: console.print("Another run is grading here; waiting.")),
        Sandbox(
            course.limits, minimum=minimum, device=device, secrets=secrets
        ) as sandbox,
        _cluster(course, scheduler, minimum) as cluster,
        progress_bar() as progress,
    ):
        if sandbox.device != device:
            told = f"On the CPU, for there is no GPU to use: {sandbox.no_gpu}."
            console.print(told, markup=False, soft_wrap=True)
        task = progress.add_task("the reference answers", total=None)
        say = functools.partial(describe, progress, task)
        grader = Grader(
            course,
            assignment,
            place,
            sandbox,
            jobs or (cluster.jobs if cluster else default_jobs()),
            lambda name: say(f"records: {name}"),
            cluster,
        )

        def graded(found, finish: Callable | None) -> list:
            progress.update(task, total=len(found), completed=0)
            pace, outcomes = Pace(len(found)), []
            for outcome in grader.grade(found):
                if finish is not None:
                    finish(outcome)
                outcomes.append(lightened(outcome, grader))
                pace.note(outcome.graded.result)
                progress.update(task, advance=1, description=pace.short)
                if not console.is_terminal and pace.due():
                    console.print(pace.line, markup=False, soft_wrap=True)
            return outcomes

        yield grader, graded, say


def _cluster(course: Course, scheduler: str | None, minimum: str | None):
    if scheduler is None:
        return contextlib.nullcontext()
    try:
        from autograder.cluster.pool import Cluster
    except ImportError as error:
        raise CourseError(
            "For a cluster install transformer-courseware[cluster], here and on the "
            "workers."
        ) from error
    return Cluster(scheduler, course.limits, minimum=minimum)


def _print_places(page: Path, pages: dict[str, Path], gradebook: Path | None) -> None:
    console.print(f"Class page  {short(page)}", soft_wrap=True, markup=False)
    for student in sorted(pages)[:1]:
        console.print(f"Feedback    {short(pages[student])} …", soft_wrap=True)
    shown = f"{short(gradebook)} (SQLite)" if gradebook else "the given database"
    console.print(f"Gradebook   {shown}", soft_wrap=True, markup=False)


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
    from autograder.grading.classroom import Workplace
    from autograder.reports.explaining import explain as explain_check

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
    found = _one(collected, student)
    working = _working(course, assignment, place, submitted, minimum=minimum)
    with working as (grader, _, say):
        say(f"asking {exercise} again")
        stored = written.last(place, assignment).get(student)
        return explain_check(grader, found, exercise, check, stored), place


def profiled(
    course, assignment: str, student: str, taken: tuple, out, minimum, device="cpu"
):
    """Grades one student's work with a clock beside it; writes nothing of it.

    Args:
        course: the course.
        assignment: its name.
        student: whose.
        taken: submissions, roster and layout.
        out: where the assignment is graded: its seed and records are used.
        minimum: the isolation that is asked for.
        device: where the work computes.

    Returns:
        the result, and what took how long.
    """
    from autograder.grading.classroom import Workplace

    submitted, roster, layout = taken
    collected = _collected(course, assignment, submitted, roster, layout)
    found = _one(collected, student)
    place = Workplace(out.resolve())
    how = {"minimum": minimum, "device": device}
    working = _working(course, assignment, place, submitted, **how)
    with working as (grader, _, say):
        say(f"measuring {one_line(student, 40)}")
        graded = grader.measured(found)
    return graded.result, graded.spans


def _one(collected, student: str):
    found = {f.student: f for f in collected.found}
    if student in found:
        return found[student]
    some = ", ".join(one_line(name, 40) for name in list(found)[:8])
    raise CourseError(
        f"No submission of {one_line(student, 80)!r}; there are {len(found)}, such as "
        f"{some or 'nobody'}."
    )


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
