"""No attack gains a point, reads a secret, leaves anything, or harms a neighbour."""

import os

import pytest

from autograder.grading.collect import student_id
from autograder.sandbox import jail

from . import corpus, files
from .conftest import HONEST, TOKEN, surroundings

pytestmark = pytest.mark.slow
TABLE = corpus.table()


def test_the_corpus_is_as_large_as_promised():
    assert len(TABLE) + len(files.FILES) + len(files.NAMES) >= 45
    assert all(layer for layer, _ in [*TABLE.values(), *files.FILES.values()])


def test_neighbours_keep_full_marks(attacked):
    for number in range(HONEST):
        honest = attacked.of(f"honest{number}")
        assert (honest.status, honest.score) == ("graded", 12.0), honest.message


def test_every_result_names_the_layers(attacked):
    for submission in attacked.result.submissions:
        layers = submission.isolation.split("+")
        assert {"landlock", "seccomp", *jail.ALWAYS} <= set(layers)


@pytest.mark.parametrize("name", TABLE)
def test_an_attack_gains_nothing(attacked, name):
    result, twin = attacked.of(name), attacked.of("twin")
    assert 0 < twin.score < 12
    assert result.score <= twin.score
    first = result.exercises[0]
    assert first.score <= twin.exercises[0].score
    told = "\n".join([result.model_dump_json(), *attacked.pages(name)])
    assert "BREACH" not in told.replace('print("BREACH"', "").replace(
        "print(&#34;BREACH&#34;", ""
    ).replace('print(\\"BREACH\\"', "")
    assert "".join(TOKEN) not in told
    assert "\x1b" not in told


@pytest.mark.parametrize("name", files.FILES)
def test_a_file_gains_nothing(attacked, name):
    twin = attacked.of("twin")
    if name == "folder_that_is_a_link":  # no student's: it is not even looked into
        with pytest.raises(StopIteration):
            attacked.of(f"file_{name}")
        return
    result = attacked.of(f"file_{name}")
    assert result.score <= twin.score
    assert result.status in ("graded", "unreadable", "missing")
    assert result.status == "graded" or result.message


@pytest.mark.parametrize("name", files.NAMES)
def test_a_name_changes_nothing(attacked, name):
    result = attacked.of(student_id(files.NAMES[name]))
    assert result.score == attacked.of("twin").score
    assert result.student.isprintable()


def test_secrets_are_as_they_were(attacked):
    from .conftest import digest

    for path, before in attacked.kept.items():
        assert digest(path) == before, path


def test_nothing_was_heard(attacked):
    assert attacked.heard == []


def test_nothing_is_left_behind(attacked):
    running = [
        name
        for name in filter(str.isdigit, os.listdir("/proc"))
        if os.path.exists(f"/proc/{name}")
        and os.stat(f"/proc/{name}").st_uid >= jail.FIRST_UID
    ]
    assert running == []
    for place, names in surroundings().items():
        new = set(names) - set(attacked.before.get(place, []))
        left = [n for n in new if "planted" in n or "autograder" in n]
        assert left == [], place
    project = attacked.folder / "out"
    kinds = {"feedback", "autograded", "reports", "gradebook.db", ".autograder"}
    assert set(os.listdir(project)) <= kinds
    students = {student_id(path) for path in os.listdir(attacked.folder / "submitted")}
    assert len(os.listdir(project / "feedback")) == len(students)
