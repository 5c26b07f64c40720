"""How long a student waits for a check, beside one forward pass of what is checked.

Every exercise is checked in a fresh process that has imported Keras and run nothing:
the first call, card drawn, then a second one. The baseline is what the reference needs
in the same process afterwards to be made, built and called once, so that ratios can
be compared between machines. Seconds are the processor's: a busy machine does not
change them much.

    python benchmarks/check_latency.py [--exercise attention_head]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from autograder import exercises
from autograder.authoring.reference import reference_cells
from autograder.course import load_course

PREPARE = """
import json, os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"], os.environ["TF_ENABLE_ONEDNN_OPTS"] = "3", "0"
os.environ.setdefault("MPLBACKEND", "agg")
clock = time.process_time
start = clock()
import keras
keras_seconds = clock() - start
start = clock()
from autograder import check
face_seconds = clock() - start
"""
IMPORTS = PREPARE + "print(json.dumps([keras_seconds, face_seconds]))"
CHECK = (
    PREPARE
    + """
told = json.load(sys.stdin)
namespace = {"__name__": "reference"}
for cell in told["cells"]:
    exec(compile(cell, "<reference>", "exec"), namespace)
objects = [namespace[name] for name in told["names"]]
times = []
for _ in range(2):
    start = clock()
    report = check(told["exercise"], *objects)
    report._repr_html_()
    times.append(clock() - start)

from autograder import exercises
from autograder.answering import ACTIONS, arguments, construct
asked = exercises.load(told["assignment"])
probes = next(e for e in asked if e.id == told["exercise"]).probes
kinds = "call", "plain", "decode"
asking = next(p for p in probes if p.action in kinds and p.spec["calls"])
spec = asking.spec
def once():
    if asking.action == "decode":
        return ACTIONS["decode"]({**spec, "calls": spec["calls"][:1]}, namespace)
    target = namespace[spec["target"]]
    made = construct(target, spec) if "construct" in spec else target
    args, named = arguments(spec["calls"][0])
    made(*args, **named)
baseline = []
for _ in range(20):
    start = clock()
    once()
    baseline.append(clock() - start)
print(json.dumps([*times, sorted(baseline)[10], report.passed]))
"""
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--exercise", help="only this one")
    chosen = options.parse_args()
    keras, face = map(min, zip(*(run(IMPORTS) for _ in range(3)), strict=True))
    print(f"import keras {keras:.2f} s, then the students' face {face:.3f} s")
    print(f"{'exercise':24} {'first':>7} {'second':>7} {'baseline':>9} {'ratio':>6}")
    for name, exercise in asked(chosen.exercise):
        told = {
            "assignment": name,
            "exercise": exercise.id,
            "names": exercise.names,
            "cells": reference_cells(load_course(), name),
        }
        first, second, base, passed = run(CHECK, told)
        mark = "" if passed else "  (not right)"
        print(
            f"{exercise.id:24} {first:6.2f}s {second:6.2f}s {1e3 * base:7.1f}ms "
            f"{second / base:6.0f}{mark}",
            flush=True,
        )


def asked(only: str | None):
    """Yields the assignments' exercises that code answers."""
    for name in exercises.names():
        for exercise in exercises.load(name):
            if not exercise.manual and only in (None, exercise.id):
                yield name, exercise


def run(code: str, told: dict | None = None) -> list:
    """Runs code in a fresh process; returns what it prints last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        sys.exit(f"It failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    main()
