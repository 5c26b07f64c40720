"""What a submission costs in classes of 10, 100 and 1,000, and graded again unchanged.

The class is the demo's (right, wrong, unreadable, an attempt at forgery, one that never
ends) with other texts in its notebooks, so that no result is kept from another; its
hostile and broken ones are thinned out to three in a hundred. Every run is the command
itself in a process of its own, start, pages and gradebook included; the reference's
answers are made once, before, for all sizes.

    python benchmarks/scale.py [--assignment attention_head] [--sizes 10 100 1000]
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from throughput import memory_of_children

from autograder.course import load_course
from autograder.demo import make_class

ROUGH = 34  # of so many submissions one is hostile or broken


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--assignment", default="attention_head")
    options.add_argument("--sizes", type=int, nargs="*", default=[10, 100, 1000])
    chosen = options.parse_args()
    name = chosen.assignment
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        honest, rough = sorted_out(make_class(load_course(), name, root / "demo"), name)
        lay_out(root / "first", name, honest[:1], [])
        start, _ = grade(root, name, "first")
        start, _ = grade(root, name, "first")
        print(f"start, pages and gradebook of one, unchanged: {start:.1f} s")
        print(
            "| submissions | s a submission | peak MB | again, unchanged | complete |"
        )
        print("|---|---|---|---|---|", flush=True)
        costs = []
        for size in chosen.sizes:
            lay_out(root / f"class{size}", name, honest, rough, size)
            seconds, peak = grade(root, name, f"class{size}")
            again, _ = grade(root, name, f"class{size}")
            costs.append((seconds - start) / size)
            print(
                f"| {size} | {costs[-1]:.3f} | {peak:.0f} | {again:.1f} s | "
                f"{complete(root, name, size)} |",
                flush=True,
            )
        print(f"the last one's cost / the first one's: {costs[-1] / costs[0]:.2f}")


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
    folder: Path, name: str, honest: list[str], rough: list[str], size: int = 1
) -> None:
    """Writes a class; every notebook is another one by a cell of text."""
    good, bad = itertools.cycle(honest), itertools.cycle(rough or honest)
    for number in range(size):
        text = next(bad if number % ROUGH == ROUGH // 2 else good)
        if whole(text):
            notebook = json.loads(text)
            note = {"cell_type": "markdown", "id": f"note-{number}", "metadata": {}}
            notebook["cells"].append({**note, "source": f"Submission {number}."})
            text = json.dumps(notebook)
        path = folder / f"s{number:04d}" / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(text)


def grade(root: Path, name: str, which: str) -> tuple[float, float]:
    """Returns the command's seconds, and the peak memory of its processes in MB."""
    ended, peaks = threading.Event(), [0.0]

    def watch() -> None:
        while not ended.wait(1.0):
            peaks.append(memory_of_children())

    threading.Thread(target=watch, daemon=True).start()
    begin = time.perf_counter()
    command = [sys.executable, "-m", "autograder", "grade", name]
    where = ["--submitted", str(root / which), "--out", str(root / "out")]
    done = subprocess.run([*command, *where], capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    ended.set()
    if done.returncode > 1:
        sys.exit(done.stderr)
    return seconds, max(peaks)


def complete(root: Path, name: str, size: int) -> str:
    """Says whether everybody has a result, and how many were not graded."""
    told = json.loads((root / "out" / "reports" / f"{name}.json").read_text())
    found = told["submissions"]
    rest = sum(s["status"] != "graded" for s in found)
    return f"{'yes' if len(found) == size else 'NO'}, {rest} not graded"


if __name__ == "__main__":
    main()
