"""What the zygote looks up beforehand, in a process of its own like the zygote."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.sandbox import foresight

ROOT = Path(__file__).parents[2]
LOOKS = """
import abc, os
from autograder.sandbox import foresight, zygote
zygote.preload()
from tensorflow.python.eager import context
from tensorflow.python.framework.composite_tensor import CompositeTensor

print(len(os.listdir("/proc/self/task")), context._context)
asked = []
CompositeTensor.__class__.__subclasscheck__ = lambda _, kind: asked.append(kind)
isinstance(1.0, CompositeTensor), isinstance(1j, CompositeTensor)
print(asked)
if os.fork() == 0:
    import tensorflow as tf
    print(int(tf.function(lambda x: x + 1)(tf.constant(2))), flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.parametrize("path", [*foresight.ASKED, *foresight.VALUES])
def test_whatever_is_looked_up_is_there(path):
    assert foresight._found([path])


def test_looking_up_starts_nothing_and_a_fork_computes():
    quiet = {"OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", LOOKS],
        cwd=ROOT,
        env={**os.environ, **quiet, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    told = ["1 None", "[<class 'complex'>]", "3"]
    assert done.stdout.splitlines() == told, done.stderr
