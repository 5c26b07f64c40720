"""The same class on a cluster: the same results, whatever becomes of a worker."""

import json
import shutil

import pytest

from autograder.cli import run
from autograder.course import CourseError
from autograder.demo import make_class

pytestmark = pytest.mark.slow
distributed = pytest.importorskip("distributed")
NAME = "attention_head"
FEW = ("alma", "ben", "chidi", "dora", "fatma", "hana", "jana", "omar")


@pytest.fixture(scope="module")
def lecture(course, prepare, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lecture")
    everyone = make_class(course, NAME, folder / "all")
    for student in FEW:
        shutil.copytree(everyone / student, folder / "submitted" / student)
    for name in ("here", "there", "again"):
        prepare(folder / name, NAME)
    return folder


def told(result):
    """Returns a class's result without what differs from run to run."""
    text = result.model_dump(
        exclude={"submissions": {"__all__": {"seconds", "phases"}}}
    )
    return json.loads(json.dumps(text, default=str))


@pytest.fixture(scope="module")
def address(workers):
    workers.worker(1)
    workers.worker(2)
    address = json.loads(workers.file.read_text())["address"]
    with distributed.Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    return address


@pytest.fixture(scope="module")
def here(course, lecture):
    return told(run(course, NAME, lecture / "submitted", lecture / "here", jobs=2))


def test_a_cluster_gives_the_same_results(course, lecture, address, here):
    submitted = lecture / "submitted"
    there = run(course, NAME, submitted, lecture / "there", scheduler=address)
    assert told(there) == here


def test_a_lost_workers_submissions_are_graded_elsewhere(
    course, lecture, address, workers, here, monkeypatch
):
    from autograder.cluster import pool

    steps = []
    plain = pool.Elsewhere._step

    def counting(self, patience, /, **request):
        steps.append(request["verb"])
        if len(steps) == 60:
            workers.running[-1].kill()
        return plain(self, patience, **request)

    monkeypatch.setattr(pool.Elsewhere, "_step", counting)
    submitted = lecture / "submitted"
    again = run(course, NAME, submitted, lecture / "again", scheduler=address)
    assert workers.running[-1].wait(10) and len(steps) > 60
    assert told(again) == here


def test_no_scheduler_is_one_sentence(course, lecture):
    with pytest.raises(CourseError, match="No Dask scheduler answers"):
        run(
            course,
            NAME,
            lecture / "submitted",
            lecture / "here",
            scheduler="tcp://127.0.0.1:9",
        )
