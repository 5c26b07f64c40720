"""What a submission costs in classes of 10, 100 and 1,000, and graded again unchanged.

The classes are the demo's honest ones, right and wrong in turn, with other texts in
their notebooks, so that no result is kept from another. In one more class three in a
hundred are the demo's others: unreadable, an attempt at forgery, one that never ends,
which takes the time that it may. Every run is the command itself in a process of its
own, pages and gradebook included. The reference's answers are made once, before, for
all, and what a run of two takes is taken off: start, first picture, first page. The
median of several runs stands for two, and for ten: what the start varies by is a fifth
of what ten submissions take.

    python benchmarks/scale.py [--assignment attention_head] [--sizes 10 100 1000]
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from throughput import measured

from autograder.course import load_course
from autograder.demo import make_class

FEW = 2  # a right and a wrong one: what a run takes whatever its size
SMALL = 10  # a class whose time the start's makes uncertain
ROUGH = 34  # of so many submissions one is hostile or broken


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--assignment", default="attention_head")
    options.add_argument("--sizes", type=int, nargs="*", default=[10, 100, 1000])
    options.add_argument(
        "--rough", type=int, default=1000, help="size of the rough one"
    )
    options.add_argument("--times", type=int, default=15, help="runs of a small one")
    chosen = options.parse_args()
    name, times = chosen.assignment, chosen.times
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        honest, rough = sorted_out(make_class(load_course(), name, root / "demo"), name)
        lay_out(root / "first", name, honest, [], 1)
        grade(root, name, "first")  # the reference's answers, for all
        lay_out(root / "few", name, honest, [], FEW)
        start, _ = several(root, name, "few", times)
        print(f"a run of {FEW}, which is taken off the others: {start:.1f} s\n")
        print("| submissions | s each | peak MB | again | peak MB | complete |")
        print("|---|---|---|---|---|---|", flush=True)
        costs = [
            one_class(
                root, name, size, honest, [], start, times if size <= SMALL else 1
            )
            for size in chosen.sizes
        ]
        if chosen.rough:
            one_class(root, name, chosen.rough, honest, rough, start)
        if costs:
            print(
                f"\nthe last honest one's / the first one's: {costs[-1] / costs[0]:.2f}"
            )


def one_class(
    root: Path,
    name: str,
    size: int,
    honest: list[str],
    rough: list[str],
    start: float,
    times: int = 1,
) -> float:
    """Grades one class twice and tells of it; returns the seconds of a submission."""
    kind = f"{size}{', 3 % of them rough' if rough else ''}"
    which = f"class{size}{'rough' if rough else ''}"
    lay_out(root / which, name, honest, rough, size)
    seconds, peak = several(root, name, which, times)
    again, after = grade(root, name, which)
    each = (seconds - start) / (size - FEW)
    said = complete(root / f"out-{which}", name, size)
    print(
        f"| {kind} | {each:.3f} | {peak:.0f} | {again:.1f} s | {after:.0f} | {said} |",
        flush=True,
    )
    return each


def several(root: Path, name: str, which: str, times: int) -> tuple[float, float]:
    """Grades a class as new; returns the median of the seconds, and the peak memory."""
    runs = []
    for _ in range(times):
        shutil.rmtree(root / f"out-{which}", ignore_errors=True)
        shutil.copytree(root / "out-first", root / f"out-{which}")
        runs.append(grade(root, name, which))
    return statistics.median(s for s, _ in runs), max(peak for _, peak in runs)


def sorted_out(submitted: Path, name: str) -> tuple[list[str], list[str]]:
    """Returns the demo's notebooks: honest ones, and those that make trouble."""
    honest, rough = [], []
    for path in sorted(submitted.glob(f"*/{name}/{name}.ipynb")):
        text = path.read_text()
        trouble = "while True" in text or "AlwaysEqual" in text or not whole(text)
        (rough if trouble else honest).append(text)
    return honest, rough


def whole(text: str) -> bool:
    try:
        return bool(json.loads(text))
    except ValueError:
        return False


def lay_out(
    folder: Path, name: str, honest: list[str], rough: list[str], size: int
) -> None:
    """Writes a class; every notebook is another one by a cell of text."""
    good, bad = itertools.cycle(honest), itertools.cycle(rough or honest)
    for number in range(size):
        text = next(bad if number % ROUGH == ROUGH // 2 else good)
        if whole(text):
            notebook = json.loads(text)
            note = {"cell_type": "markdown", "id": f"note-{number}", "metadata": {}}
            notebook["cells"].append({**note, "source": f"{folder.name}, {number}"})
            text = json.dumps(notebook)
        path = folder / f"s{number:04d}" / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(text)


def grade(root: Path, name: str, which: str) -> tuple[float, float]:
    """Returns the command's seconds, and the peak memory of its processes in MB."""
    command = [sys.executable, "-m", "autograder", "grade", name]
    where = ["--submitted", str(root / which), "--out", str(root / f"out-{which}")]
    told = measured(
        lambda: subprocess.run([*command, *where], capture_output=True, text=True)
    )
    if told["result"].returncode > 1:
        sys.exit(told["result"].stderr)
    return told["seconds"], told["peak_mb"]


def complete(out: Path, name: str, size: int) -> str:
    """Says whether everybody has a result, and how many were not graded."""
    told = json.loads((out / "reports" / f"{name}.json").read_text())
    found = told["submissions"]
    rest = sum(s["status"] != "graded" for s in found)
    return f"{'yes' if len(found) == size else 'NO'}, {rest} not graded"


if __name__ == "__main__":
    main()
