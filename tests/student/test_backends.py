"""Reference and public checks agree under JAX and torch too, where they are installed.

AUTOGRADER_BACKENDS_PYTHON may name the Python of another environment that has them
beside Keras; nothing of this project need be installed there.
"""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import exercises
from autograder.authoring.reference import reference_cells

ROOT = Path(__file__).parents[2]
PYTHON = os.environ.get("AUTOGRADER_BACKENDS_PYTHON", sys.executable)
SCRIPT = Path(__file__).with_name("whole_course.py")


@functools.lru_cache
def has(module):
    code = f"import importlib.util as u, sys; sys.exit(not u.find_spec({module!r}))"
    return subprocess.run([PYTHON, "-c", code], timeout=60).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_reference_is_all_right_there(course, backend):
    if not has(backend):
        pytest.skip(f"{backend} is not installed")
    work = [
        (exercise.id, reference_cells(course, assignment), exercise.names)
        for assignment in exercises.names()
        for exercise in exercises.load(assignment)
        if not exercise.manual
    ]
    done = subprocess.run(
        [PYTHON, SCRIPT],
        input=json.dumps({"setup": "", "work": work}),
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    failed = json.loads(done.stdout.splitlines()[-1])["failed"]
    assert len(failed) == len(work)
    assert {exercise: told for exercise, told in failed.items() if told} == {}
