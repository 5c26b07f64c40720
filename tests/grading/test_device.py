"""With a GPU or without one the verdicts are the same, whatever the GPU does.

There is none here: a stand-in has the CPU answer, and fails in the ways of one.
"""

import nbformat
import pytest
from typer.testing import CliRunner

from autograder.authoring.release import filled_notebook
from autograder.cli import app
from autograder.grading.classroom import Grader, Workplace
from autograder.sandbox.host import SessionLost

NAME = "attention_head"
WRONG = "def causal_mask(length):\n    return ops.ones((length, length), dtype='bool')"


class Failing:
    """A session on a GPU; its answers pass through `spoil`."""

    device = "gpu"

    def __init__(self, session, spoil):
        self.session, self.spoil = session, spoil

    def run(self, cells):
        return self.session.run(cells)

    def ask(self, probe, seconds):
        return self.spoil(self.session.ask(probe, seconds))

    def close(self):
        self.session.close()

    let_go = close
    __enter__ = lambda self: self  # noqa: E731
    __exit__ = lambda self, *exception: self.close()  # noqa: E731


class Gpu:
    """A sandbox with one place on a GPU."""

    device, places = "gpu", 1

    def __init__(self, cpu, spoil):
        self.cpu, self.spoil, self.opened = cpu, spoil, 0
        self.isolation = cpu.isolation
        self.environment = {**cpu.environment, "device": "gpu"}

    def on_cpu(self):
        return self.cpu

    def session(self, limits):
        self.opened += 1
        if self.spoil is None:
            raise SessionLost("crashed", "The process ended itself (exit code 1).")
        return Failing(self.cpu.session(limits), self.spoil)


def fine(answer):
    return answer


def full(answer):
    error = {"type": "ResourceExhaustedError", "message": "OOM", "lines": []}
    return {"error": error, "facts": {}, "arrays": {}}


@pytest.fixture(scope="module")
def submissions(course, solutions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("submitted")
    for student, code in (("right", solutions["causal_mask"]), ("wrong", WRONG)):
        notebook = filled_notebook(course, NAME, {"causal_mask": code})
        nbformat.write(notebook, folder / f"{student}_{NAME}.ipynb")
    return folder


@pytest.fixture
def grade(course, sandbox, prepare, submissions, tmp_path):
    def grade(on):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))  # nothing kept of before
        prepare(folder, NAME)
        grader = Grader(course, NAME, Workplace(folder), on, jobs=4)
        outcomes = sorted(grader.grade(submissions), key=lambda o: o.found.student)
        assert grader.jobs == getattr(on, "places", None) or 4
        results = {o.found.student: o.graded.result for o in outcomes}
        devices = {
            name: {c.provenance.device for e in r.exercises for c in e.checks}
            for name, r in results.items()
        }
        return results, devices

    return grade


def verdicts(results):
    return [
        (name, e.id, e.status, e.score, e.misconception, e.message)
        + tuple((c.id, c.passed, c.points, c.message, c.evidence) for c in e.checks)
        for name, result in results.items()
        for e in result.exercises
    ]


@pytest.mark.slow
def test_the_verdict_is_that_of_a_cpu(grade, sandbox):
    due, devices = grade(sandbox)
    assert set.union(*devices.values()) == {"cpu"}
    assert due["right"].score > due["wrong"].score
    for spoil in (full, None):
        found, devices = grade(Gpu(sandbox, spoil))
        assert verdicts(found) == verdicts(due)
        assert set.union(*devices.values()) == {"cpu"}
    gpu = Gpu(sandbox, fine)
    found, devices = grade(gpu)
    assert devices == {"right": {"gpu"}, "wrong": {"cpu"}} and gpu.opened >= 2
    assert {name: r.score for name, r in found.items()} == {
        name: r.score for name, r in due.items()
    }


def test_a_cluster_has_no_gpu_of_ours():
    command = ["grade", NAME, "--submitted", ".", "--device", "gpu", "--scheduler", "x"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code and "--scheduler" in str(done.exception)
