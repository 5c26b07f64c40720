"""The three families of the assignment `transformer`: seconds, and what they reach.

    python benchmarks/families.py notebook
    python benchmarks/families.py pretraining [--seeds 5]

The first runs the solution notebook's cells in order, in this process, without drawing:
each cell's own output, and the seconds of the processor and of the clock for each that
takes longer than one. The second takes the notebook's own functions and judges
promoters from scratch beside pre-trained, everything else equal, once per seed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("MPLBACKEND", "agg")

import numpy as np

import autograder
from autograder.authoring.source import read_solution
from autograder.course import load_course
from autograder.student.reuse import Unfinished

LABELS = (300, 1000, 10_000)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("part", choices=("notebook", "pretraining"))
    options.add_argument("--seeds", type=int, default=5)
    chosen = options.parse_args()
    if chosen.part == "notebook":
        run_notebook()
        print(f"All cells: {time.process_time():.0f} s of the processor, with imports.")
    else:
        # A cell's trainings stand behind what they need, its functions before it.
        autograder.needs = stop
        compare(run_notebook(), chosen.seeds)


def stop(*written) -> None:
    raise Unfinished


def run_notebook() -> dict:
    """Runs all cells but the checks; returns the names they made."""
    namespace: dict = {"__name__": "notebook"}
    for cell in read_solution(load_course(), "transformer"):
        if cell.cell_type != "code" or cell.role == "check":
            continue
        clock, processor = time.perf_counter(), time.process_time()
        with contextlib.suppress(Unfinished):
            exec(compile(cell.source, "<cell>", "exec"), namespace)
        namespace["plt"].close("all")
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        if processor > 1:
            first = cell.source.splitlines()[0]
            print(f"[{processor:.0f} s of the processor, {clock:.0f} s: {first}]")
    return namespace


def compare(notebook: dict, seeds: int) -> None:
    """Prints what pre-training adds, per number of labels, and its spread."""
    gains: dict[int, list[tuple[float, float]]] = {labels: [] for labels in LABELS}
    for seed in range(seeds):
        body, guessed = notebook["pretrained"](seed)
        for labels in LABELS:
            twin = notebook["copy_of"](body)
            after = notebook["judge"](twin, labels, seed)
            fresh = notebook["judge"](notebook["read"](seed), labels, seed)
            gains[labels].append((fresh, after))
            print(f"seed {seed}, {labels:6,} labels: {fresh:.3f}, {after:.3f}")
    for labels, pairs in gains.items():
        fresh, after = np.array(pairs).T
        gain = after - fresh
        print(
            f"{labels:6,} labels: {fresh.mean():.3f} from scratch, {after.mean():.3f} "
            f"pre-trained; gain {gain.mean():+.3f}, from {gain.min():+.3f} to "
            f"{gain.max():+.3f} over {seeds} seeds"
        )


if __name__ == "__main__":
    main()
