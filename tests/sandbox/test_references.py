"""In the jail, where the package is not to be seen, every question can be put."""

import pytest

from autograder import exercises, records
from autograder.authoring.reference import reference_cells
from autograder.course import load_course
from autograder.grading.classroom import asker
from autograder.judging import Records, judge

COURSE = load_course()
NAMES = [assignment.name for assignment in COURSE.assignments]


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_has_all_points_in_the_jail(sandbox, name):
    asked = [e for e in exercises.load(name) if not e.manual]
    path = COURSE.root / "autograder" / "public" / f"{name}.safetensors"
    known = records.read(path)
    answers = asker(sandbox)(reference_cells(COURSE, name), asked)
    for exercise in asked:
        told = judge(
            exercise, answers[exercise.id], Records.of(known, exercise.id, "cpu"), ()
        )
        lost = [v.message for v in told.verdicts if not v.passed]
        assert told.score == exercise.points, (exercise.id, lost)
