"""The ladder on machines that offer less, run for real under a filter like theirs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.sandbox import landlock, seccomp

ROOT = Path(__file__).parents[2]
LIKE = Path(__file__).with_name("docker_like.py")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not seccomp.available(), reason="no libseccomp"),
]


def doctor(*options):
    command = [sys.executable, str(LIKE), *options, sys.executable, "-m", "autograder"]
    return subprocess.run(
        [*command, "doctor"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def layers(done):
    lines = done.stdout.splitlines()
    return {line.split()[1].rstrip(":") for line in lines if line.startswith("yes")}


@pytest.mark.skipif(not landlock.version(), reason="no Landlock")
def test_a_container_lands_on_landlock_and_seccomp():
    done = doctor()
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"landlock", "seccomp"} <= layers(done)
    assert "namespaces" not in layers(done)
    assert "names, sizes and times of files" in done.stdout
    (missing,) = [x for x in done.stdout.splitlines() if x.startswith("no  namespaces")]
    assert "stops sight of any file" in missing and "To get it: " in missing


def test_an_old_container_is_refused():
    done = doctor("--no-landlock")
    assert done.returncode == 2
    assert "landlock" not in layers(done)
    assert "--allow-unconfined" in done.stdout
