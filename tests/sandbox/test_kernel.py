"""System calls by ctypes, in a process of its own."""

import subprocess
import sys
from pathlib import Path

from autograder.sandbox.kernel import LARGE_PAGE

ROOT = Path(__file__).parents[2]
MOVES = f"""
import mmap
from autograder.sandbox import kernel

def large():
    with open("/proc/self/smaps_rollup") as file:
        told = dict(line.split(":") for line in file if line.startswith("AnonHuge"))
    return int(told["AnonHugePages"].split()[0])

area = mmap.mmap(-1, 4 * {LARGE_PAGE}, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area[:] = bytes(range(256)) * (len(area) // 256)
before = large()
kernel.into_large_pages()
assert area[:] == bytes(range(256)) * (len(area) // 256)
print(large() >= before)
"""


def test_memory_in_large_pages_holds_what_it_held():
    done = subprocess.run(
        [sys.executable, "-c", MOVES], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "True\n", done.stderr
