"""On a GPU the verdicts are those of a CPU, and layers lie where they should.

No GPU was at hand when these were written: see docs/measurements.md.
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
SCRIPT = Path(__file__).with_name("whole_course.py")
TF32 = (
    "import tensorflow as tf\ntf.config.experimental.enable_tensor_float_32_execution"
)
POLICY = "import keras\nkeras.config.set_dtype_policy"
SESSIONS = {
    "float32": f"{TF32}(False)",
    "TF32": f"{TF32}(True)",
    "mixed_float16": f"{POLICY}('mixed_float16')",
    "mixed_bfloat16": f"{POLICY}('mixed_bfloat16')",
    "bfloat16": f"{POLICY}('bfloat16')",
}


def run(code, told=None, **env):
    """Runs code in a process that sees the GPU, unlike this one."""
    seen = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    done = subprocess.run(
        [sys.executable, *code],
        input=json.dumps(told),
        env={**seen, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@functools.lru_cache
def capability():
    """Returns the GPU's compute capability, or None where there is no GPU."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return None
    code = (
        "import json, tensorflow as tf; g = tf.config.list_physical_devices('GPU'); "
        "d = tf.config.experimental.get_device_details(g[0]) if g else {}; "
        "print(json.dumps(d.get('compute_capability')))"
    )
    return run(["-c", code])


@pytest.fixture
def gpu():
    if capability() is None:
        pytest.skip("no GPU here")
    return tuple(capability())


@pytest.fixture(scope="module")
def work(course):
    return [
        (exercise.id, reference_cells(course, assignment), exercise.names)
        for assignment in exercises.names()
        for exercise in exercises.load(assignment)
        if not exercise.manual
    ]


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.parametrize("session", SESSIONS)
def test_the_reference_is_all_right_on_a_gpu(gpu, work, session):
    if "bfloat16" in session and gpu < (8, 0):
        pytest.skip("this GPU has no bfloat16")
    told = run([SCRIPT], {"setup": SESSIONS[session], "work": work})
    assert {exercise: why for exercise, why in told["failed"].items() if why} == {}
    assert told["devices"] and all("GPU" in place for place in told["devices"])


@pytest.mark.gpu
@pytest.mark.slow
def test_mistakes_are_named_on_a_gpu_as_on_a_cpu(gpu, course):
    from autograder.authoring.source import read_variants

    work = []
    for assignment in exercises.names():
        asked = {e.id: e.names for e in exercises.load(assignment)}
        for variant in read_variants(course, assignment):
            cells = [*reference_cells(course, assignment), variant.source]
            work.append((variant.exercise, cells, asked[variant.exercise]))
    for one in work[::5]:  # a process each would be hours; a fifth of them is enough
        there = run([SCRIPT], {"setup": "", "work": [one]})
        here = run([SCRIPT], {"setup": "", "work": [one]}, CUDA_VISIBLE_DEVICES="-1")
        assert set(there["failed"][one[0]]) == set(here["failed"][one[0]])


@pytest.mark.gpu
def test_memory_grows(gpu):
    code = (
        "import json, tensorflow as tf; from autograder import check; "
        "check('causal_mask', lambda n: tf.ones((n, n))); "
        "g = tf.config.list_physical_devices('GPU')[0]; "
        "print(json.dumps(tf.config.experimental.get_memory_growth(g)))"
    )
    assert run(["-c", code]) is True


def test_importing_the_students_face_starts_nothing():
    """Keras alone would bring TensorFlow; neither is loaded before a check asks."""
    code = (
        "import json, sys; from autograder import check, hint; hint('attention'); "
        "before = sorted({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)); "
        "import keras, autograder.answering; "
        "from tensorflow.python.eager import context; "
        "print(json.dumps([before, context.context()._initialized]))"
    )
    assert run(["-c", code], CUDA_VISIBLE_DEVICES="-1") == [[], False]
