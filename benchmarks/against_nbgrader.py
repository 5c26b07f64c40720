"""The same notebooks through stock `nbgrader autograde` and through this grader.

Both grade the same release with the same right solution in it. nbgrader's notebooks
get test cells that put the very same public probes and assert their verdicts, so that
equal work is done; the cells that are only shown (plots, trainings) are dropped from
both. The two alternate within one run, and ratios are printed, not seconds alone.

    python benchmarks/against_nbgrader.py [--submissions 6] [--rounds 2]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook

from autograder.authoring.source import read_solution
from autograder.course import load_course
from autograder.grading.cells import grade_id
from autograder.grading.classroom import Grader, Workplace
from autograder.nbgrading import tools_on_path
from autograder.sandbox.host import Sandbox

NAME = "attention_head"
ASSERTING = """from autograder.student import check as _check
_report = _check({arguments})
assert _report.passed, repr(_report)
_report.score"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--submissions", type=int, default=6)
    options.add_argument("--rounds", type=int, default=2)
    chosen = options.parse_args()
    tools_on_path()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    course = load_course()
    with tempfile.TemporaryDirectory() as name, Sandbox(course.limits) as sandbox:
        root = Path(name)
        lay_out(root, chosen.submissions)
        ours = {1: [], 2: []}
        theirs = []
        for number in range(chosen.rounds):
            theirs.append(time_nbgrader(root) / chosen.submissions)
            assert nbgraders_scores(root) == {12.0}, nbgraders_scores(root)
            for jobs, times in ours.items():
                place = Workplace(root / f"run-{number}-{jobs}")
                place.private.mkdir(parents=True)
                grader = Grader(course, NAME, place, sandbox, jobs)
                start = time.perf_counter()
                scores = {
                    o.graded.result.score for o in grader.grade(root / "submitted")
                }
                times.append((time.perf_counter() - start) / chosen.submissions)
                assert scores == {12.0}, scores
    print(
        f"{chosen.submissions} submissions, {chosen.rounds} rounds, "
        f"{os.cpu_count()} CPUs"
    )
    print(f"stock nbgrader autograde   {told(theirs)}")
    for jobs, times in ours.items():
        ratio = statistics.median(theirs) / statistics.median(times)
        print(
            f"autograder grade --jobs {jobs}  {told(times)}   {ratio:.1f} times as fast"
        )


def told(times: list[float]) -> str:
    return (
        f"{statistics.median(times):6.2f} s a submission "
        f"({min(times):.2f} to {max(times):.2f})"
    )


def lay_out(root: Path, submissions: int) -> None:
    """Writes the same class twice: as our submissions, and as nbgrader's course."""
    course = load_course()
    release = nbformat.read(course.release(NAME), as_version=4)
    release.cells = [c for c in release.cells if c.cell_type != "code" or grade_id(c)]
    solutions = {
        c.marks["exercise"]: c.source
        for c in read_solution(course, NAME)
        if c.role == "exercise"
    }
    asserting = deepcopy(release)
    for cell in asserting.cells:
        if cell.cell_type == "code" and cell.source.startswith("check("):
            arguments = cell.source.removeprefix("check(").rstrip(")")
            cell.source = ASSERTING.format(arguments=arguments)
    write(asserting, root / "course" / "source" / NAME)
    config = "c = get_config()\nc.CourseDirectory.course_id = 'bench'\n"
    (root / "course" / "nbgrader_config.py").write_text(config)
    nbgrader(root, "generate_assignment", NAME, "--force")
    for base, notebook in (
        (root, release),
        (root / "course", read_release(root)),
    ):
        for cell in notebook.cells:
            if grade_id(cell) in solutions:
                cell.source = solutions[grade_id(cell)]
        for number in range(submissions):
            copy = deepcopy(notebook)
            copy.cells[0].source += f"\n\nSubmission {number}."
            write(copy, base / "submitted" / f"s{number:02d}" / NAME)


def read_release(root: Path):
    path = root / "course" / "release" / NAME / f"{NAME}.ipynb"
    return nbformat.read(path, as_version=4)


def write(notebook, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{NAME}.ipynb")


def time_nbgrader(root: Path) -> float:
    start = time.perf_counter()
    nbgrader(root, "autograde", NAME, "--force")
    return time.perf_counter() - start


def nbgraders_scores(root: Path) -> set[float]:
    with Gradebook(f"sqlite:///{root / 'course' / 'gradebook.db'}", "bench") as book:
        return {submission.score for submission in book.assignment_submissions(NAME)}


def nbgrader(root: Path, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=root / "course",
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stderr[-2000:])


if __name__ == "__main__":
    main()
