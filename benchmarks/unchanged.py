"""A class graded, and graded again with nothing changed: what the second run costs.

The class is the demo's, repeated under other names. Both runs are the command itself,
start, pages, gradebook and all.

    python benchmarks/unchanged.py [--submissions 300]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autograder.course import load_course
from autograder.demo import make_class

NAME = "attention_head"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--submissions", type=int, default=300)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        made = sorted(make_class(load_course(), NAME, root / "demo").iterdir())
        for number in range(chosen.submissions):
            source = made[number % len(made)]
            shutil.copytree(source, root / "submitted" / f"s{number:03d}")
        first, second = grade(root), grade(root)
    print(f"{chosen.submissions} submissions, the first time {first:7.1f} s")
    print(f"again, unchanged {second:7.1f} s   {first / second:.1f} times as fast")


def grade(root: Path) -> float:
    start = time.perf_counter()
    command = [sys.executable, "-m", "autograder", "grade", NAME]
    where = ["--submitted", str(root / "submitted"), "--out", str(root / "out")]
    done = subprocess.run([*command, *where], capture_output=True, text=True)
    if done.returncode > 1:
        sys.exit(done.stderr)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
