"""What every room's tests share: the course, one sandbox, and quiet TensorFlow."""

import functools
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "agg")

import nbformat
import pytest

from autograder.authoring.reference import make_records
from autograder.authoring.source import read_solution
from autograder.course import Limits, load_course
from autograder.sandbox.host import Sandbox

ROOT = Path(__file__).parents[1]
LIMITS = Limits(
    wall_seconds=60, cell_seconds=5, exercise_seconds=10, cpu_seconds=60, memory_mb=800
)


@pytest.fixture(scope="session")
def course():
    return load_course(ROOT)


@pytest.fixture(scope="session")
def fresh_records(course):
    """A function of assignment and seed: records made now, once per process."""

    @functools.lru_cache
    def made(assignment, seed):
        return make_records(course, assignment, seed)

    return made


@pytest.fixture(scope="session")
def sandbox():
    with Sandbox(LIMITS) as made:
        yield made


@pytest.fixture(scope="session")
def prepare(course, sandbox):
    """A function that gives a workplace a seed and its records, which takes no time.

    The seed is the public one, whose records are in the repository.
    """
    from autograder import records
    from autograder.exercise import PUBLIC_SEED
    from autograder.grading.classroom import Workplace, _records_key

    def prepare(folder, assignment):
        private = Workplace(folder).private
        private.mkdir(parents=True, exist_ok=True)
        (private / "seed").write_text(f"{PUBLIC_SEED}\n")
        made = ROOT / "autograder" / "public" / f"{assignment}.safetensors"
        key = _records_key(course, assignment, PUBLIC_SEED, sandbox)
        records.write(private / f"{assignment}-{key}", records.read(made))

    return prepare


@pytest.fixture(scope="session")
def release(course):
    return nbformat.read(course.release("attention_head"), as_version=4)


@pytest.fixture(scope="session")
def solutions(course):
    """The reference's exercise cells of `attention_head`, by exercise."""
    return {
        cell.marks["exercise"]: cell.source
        for cell in read_solution(course, "attention_head")
        if cell.role == "exercise"
    }


@pytest.fixture(scope="session")
def paper_of(course):
    """Returns what a class is asked, hidden questions replaced by the public ones.

    Making hidden records takes half a minute; what is tested here is not the seed.
    """
    from dataclasses import replace

    from autograder import records
    from autograder.exercise import PUBLIC_SEED
    from autograder.grading.classroom import paper_for

    def make(assignment):
        path = ROOT / "autograder" / "public" / f"{assignment}.safetensors"
        tree = records.read(path)
        paper = paper_for(course, assignment, PUBLIC_SEED, tree, "cpu")
        return replace(paper, limits=LIMITS)

    return make


@pytest.fixture
def filled(release, solutions):
    """A right submission as a notebook."""
    from copy import deepcopy

    from autograder.grading.cells import grade_id

    notebook = deepcopy(release)
    for cell in notebook.cells:
        if grade_id(cell) in solutions:
            cell.source = solutions[grade_id(cell)]
    return notebook


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With several workers, keeps together what shares something slow to make.

    That is a file, or the tests whose ids end in the same word after an `@`.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Sharing(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return nodeid.partition("@")[2] or nodeid.partition("::")[0]

    return Sharing(config, log)
