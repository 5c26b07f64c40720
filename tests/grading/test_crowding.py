"""Nobody runs out of time for what else the machine does."""

import os

import pytest

from autograder.course import Limits
from autograder.grading.running import crowding


@pytest.mark.parametrize(
    "load, factor", [(0.0, 1), (2.0, 1), (4.0, 1), (6.0, 2), (10.0, 4), (80.0, 4)]
)
def test_a_busy_machine_gives_more_time(monkeypatch, load, factor):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    assert crowding() == factor


def test_only_the_clock_is_stretched():
    plain, long = Limits(), Limits().stretched(3)
    assert long.exercise_seconds == 3 * plain.exercise_seconds
    assert long.cell_seconds == 3 * plain.cell_seconds
    assert long.wall_seconds == 3 * plain.wall_seconds
    assert (long.cpu_seconds, long.memory_mb) == (plain.cpu_seconds, plain.memory_mb)
