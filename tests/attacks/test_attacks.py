"""No attack gains a point, reads a secret, leaves anything, or harms a neighbour."""

import os
import time
from pathlib import Path

import pytest

from autograder.grading.collect import student_id
from autograder.sandbox import jail

from . import corpus, files
from .conftest import HONEST, PLANS, STRONGEST, TOKEN, classes, digest, surroundings

pytestmark = pytest.mark.slow
TABLE = corpus.table()
every_way, strongest = classes(*PLANS), classes(STRONGEST)


def test_the_corpus_is_as_large_as_promised():
    assert len(TABLE) + len(files.FILES) + len(files.NAMES) >= 45
    assert all(layer for layer, _ in [*TABLE.values(), *files.FILES.values()])


@every_way
def test_neighbours_keep_full_marks(attacked):
    for number in range(HONEST):
        honest = attacked.of(f"honest{number}")
        assert (honest.status, honest.score) == ("graded", 12.0), honest.message


@every_way
def test_every_result_names_the_layers(attacked):
    for submission in attacked.result.submissions:
        layers = submission.isolation.split("+")
        assert {"landlock", "seccomp", *jail.ALWAYS} <= set(layers)


@strongest
@pytest.mark.parametrize("name", TABLE)
def test_an_attack_gains_nothing(attacked, name):
    gains_nothing(attacked, name)


@classes(*(plan for plan in PLANS if plan != STRONGEST))
@pytest.mark.parametrize("name", sorted(corpus.WALLED))
def test_an_attack_gains_nothing_behind_fewer_walls(attacked, name):
    gains_nothing(attacked, name)


def gains_nothing(attacked, name):
    result, twin = attacked.of(name), attacked.of("twin")
    assert 0 < twin.score < 12
    assert result.score <= twin.score
    assert result.exercises[0].score <= twin.exercises[0].score
    told = "\n".join([result.model_dump_json(), *attacked.pages(name)])
    # Its own source is on the pages too, and holds the word in a call of print.
    for quoted in ('print("BREACH"', "print(&#34;BREACH&#34;", 'print(\\"BREACH\\"'):
        told = told.replace(quoted, "")
    assert "BREACH" not in told
    assert "".join(TOKEN) not in told
    assert "\x1b" not in told


@strongest
@pytest.mark.parametrize("name", files.FILES)
def test_a_file_gains_nothing(attacked, name):
    twin = attacked.of("twin")
    result = attacked.of(f"file_{name}")
    assert result.score <= twin.score
    assert result.status in ("graded", "unreadable", "missing")
    assert result.status == "graded" or result.message


@strongest
@pytest.mark.parametrize("name", files.NAMES)
def test_a_name_changes_nothing(attacked, name):
    result = attacked.of(student_id(files.NAMES[name]))
    assert result.score == attacked.of("twin").score
    assert result.student.isprintable()


@every_way
def test_secrets_are_as_they_were(attacked):
    for path, before in attacked.kept.items():
        assert digest(path) == before, path


@every_way
def test_nothing_was_heard(attacked):
    assert attacked.heard == []


@every_way
def test_nothing_is_left_behind(attacked):
    assert lasting_strays() == []
    for place, names in surroundings().items():
        new = set(names) - set(attacked.before.get(place, []))
        assert [name for name in new if "planted" in name] == [], place
    kinds = {"feedback", "autograded", "reports", "gradebook.db", ".autograder"}
    assert set(os.listdir(attacked.folder / "out")) <= kinds
    written = os.listdir(attacked.folder / "out" / "feedback")
    assert len(written) == len(attacked.result.submissions)


def lasting_strays(seconds=20):
    """Returns strays that stay; one that is ending is seen for a moment."""
    found, deadline = set(strays()), time.monotonic() + seconds
    while found and time.monotonic() < deadline:
        time.sleep(0.1)
        found &= set(strays())
    return sorted(found)


def strays():
    """Returns processes of unused users that no monitor stands over."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            place = Path("/proc", name)
            if place.stat().st_uid < jail.FIRST_UID:
                continue
            parent = place.joinpath("stat").read_text().rsplit(")", 1)[1].split()[1]
            line = Path("/proc", parent, "cmdline").read_bytes()
        except OSError:
            continue
        if b"autograder.sandbox.zygote" not in line:
            found.append(name)
    return found
