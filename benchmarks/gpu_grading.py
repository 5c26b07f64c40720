"""The same class graded with `--device gpu` and without, in turn, on this machine.

The class is the assignment's right variants and every tenth wrong one. Scores must be
equal; seconds per submission and their ratio are printed. Above 1, the GPU is faster.

    python benchmarks/gpu_grading.py [--assignment multi_head_attention] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import nbformat

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

from autograder.authoring.release import filled_notebook
from autograder.authoring.source import read_solution, read_variants
from autograder.course import Course, load_course
from autograder.demo import complete
from autograder.grading.classroom import Grader, Workplace, default_jobs
from autograder.sandbox.host import Sandbox


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--assignment", default="multi_head_attention")
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    course, name = load_course(), chosen.assignment
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(course.limits) as cpu,
        Sandbox(course.limits, device="gpu") as gpu,
    ):
        if gpu.device != "gpu":
            sys.exit(f"There is no GPU to measure: {gpu.no_gpu}.")
        root = Path(folder)
        count = lay_out(course, name, root / "submitted")
        times: dict[str, list[float]] = {"cpu": [], "gpu": []}
        for number in range(chosen.rounds):
            scores = {}
            for sandbox in (cpu, gpu):
                place = Workplace(root / f"{sandbox.device}-{number}")
                seconds, scores[sandbox.device] = graded(
                    course, name, place, sandbox, root / "submitted"
                )
                times[sandbox.device].append(seconds / count)
                print(f"round {number + 1}, {sandbox.device}: {seconds:.1f} s")
            assert scores["cpu"] == scores["gpu"], scores
        median = {device: statistics.median(told) for device, told in times.items()}
        print(
            f"{count} submissions, {gpu.places} places on the GPU: "
            f"{median['cpu']:.3f} s a submission on the CPU, {median['gpu']:.3f} s on "
            f"the GPU, ratio {median['cpu'] / median['gpu']:.2f}"
        )


def lay_out(course: Course, name: str, folder: Path) -> int:
    """Writes the class; returns how many there are."""
    folder.mkdir()
    right = {
        cell.marks["exercise"]: cell.source
        for cell in read_solution(course, name)
        if cell.role == "exercise"
    }
    variants = read_variants(course, name)
    wrong = [v for v in variants if not v.right][::10]
    handed_in = [v for v in variants if v.right] + wrong
    for number, variant in enumerate(handed_in):
        sources = {**right, variant.exercise: complete(variant, right)}
        notebook = filled_notebook(course, name, sources)
        nbformat.write(notebook, folder / f"s{number:03d}_{name}.ipynb")
    return len(handed_in)


def graded(course, name: str, place: Workplace, sandbox: Sandbox, submitted: Path):
    """Returns the seconds that the class takes, and its scores; records not counted."""
    grader = Grader(course, name, place, sandbox, default_jobs())
    start = time.perf_counter()
    outcomes = list(grader.grade(submitted))
    seconds = time.perf_counter() - start
    return seconds, {o.found.student: o.graded.result.score for o in outcomes}


if __name__ == "__main__":
    main()
