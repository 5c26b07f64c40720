import json

import nbformat
import numpy as np
import pytest

from autograder import exercises, records
from autograder.authoring.build import public_path
from autograder.authoring.release import release_text
from autograder.authoring.source import read_solution, read_variants, solution_lines
from autograder.course import load_course
from autograder.exercise import PUBLIC_SEED
from autograder.grading.cells import grade_id

COURSE = load_course()
ASSIGNMENTS = [a.name for a in COURSE.assignments]
each = pytest.mark.parametrize("assignment", ASSIGNMENTS)


@each
def test_committed_notebook_is_what_the_source_builds(assignment):
    committed = COURSE.release(assignment).read_text()
    built = release_text(COURSE, assignment)
    assert built == committed, "run `autograder build` and commit what it wrote"
    assert built == release_text(COURSE, assignment), "building twice changed a byte"


@pytest.mark.parametrize(
    "assignment",
    [pytest.param(a, id=f"@{a}-{PUBLIC_SEED}") for a in ASSIGNMENTS],
)
@pytest.mark.slow
def test_committed_records_are_what_the_source_answers(assignment, fresh_records):
    stored = records.read(public_path(COURSE, assignment))
    fresh = fresh_records(assignment, PUBLIC_SEED)
    assert stored["digest"] == fresh["digest"], "run `autograder build`"
    assert [m["name"] for m in stored["misconceptions"]] == [
        m["name"] for m in fresh["misconceptions"]
    ]
    assert [m["hint"] for m in stored["misconceptions"]] == [
        m["hint"] for m in fresh["misconceptions"]
    ]
    for exercise, answers in fresh["answers"].items():
        for probe, answer in answers.items():
            kept = stored["answers"][exercise][probe]
            assert kept["facts"] == answer["facts"]
            for name, array in answer["arrays"].items():
                np.testing.assert_allclose(
                    kept["arrays"][name].astype("f8"),
                    array.astype("f8"),
                    rtol=2e-2,
                    atol=1e-3,
                )


@each
def test_metadata_is_nbgraders_and_colabs(assignment):
    notebook = nbformat.read(COURSE.release(assignment), as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata["accelerator"] == "GPU"
    assert "colab" in notebook.metadata
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    points = {}
    for cell in notebook.cells:
        data = cell.metadata.get("nbgrader")
        if data:
            assert data["schema_version"] == 3
            if data["grade"]:
                points[data["grade_id"].removeprefix("grade_")] = data["points"]
    assert points == {e.id: e.points for e in exercises.load(assignment)}


@each
def test_stubs_name_their_exercise(assignment):
    notebook = nbformat.read(COURSE.release(assignment), as_version=4)
    for exercise in exercises.load(assignment):
        if exercise.manual:
            continue
        (cell,) = [c for c in notebook.cells if grade_id(c) == exercise.id]
        assert f'raise NotImplementedError("{exercise.id}:' in cell.source
        compile(cell.source, exercise.id, "exec")


def told_to_students(assignment):
    """All text that students get: notebook, hints, and strings in the records."""
    notebook = COURSE.release(assignment).read_text()
    cells = json.loads(notebook)["cells"]
    told = ["".join(cell["source"]) for cell in cells]
    raw = public_path(COURSE, assignment).read_bytes()
    told.append(raw.decode("latin-1"))
    return "\n".join(told)


@each
def test_no_solution_line_reaches_students(assignment):
    told = told_to_students(assignment)
    cells = read_solution(COURSE, assignment)
    given = "\n".join(
        line
        for cell in cells
        for line in cell.source.splitlines()
        if line.strip() not in solution_lines([cell])
    )
    secret = [x for x in solution_lines(cells) if len(x) > 20 and x not in given]
    assert len(secret) > 5
    for line in secret:
        assert line not in told
    for variant in read_variants(COURSE, assignment):
        for line in variant.source.splitlines():
            if len(line.strip()) > 40 and line.strip() not in given:
                assert line.strip() not in told
    assert "BEGIN SOLUTION" not in told and "END SOLUTION" not in told


@each
def test_public_records_hold_no_other_seeds_answers(assignment):
    stored = records.read(public_path(COURSE, assignment))
    public = exercises.digest(
        [e for e in exercises.load(assignment, PUBLIC_SEED) if not e.manual]
    )
    hidden = exercises.digest(
        [e for e in exercises.load(assignment, 12345) if not e.manual]
    )
    assert stored["digest"] == public != hidden
