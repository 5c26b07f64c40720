"""A class is held without what its end does not need."""

from copy import deepcopy

from autograder.gradebook.database import differing
from autograder.grading.cells import grade_id
from autograder.results import CheckResult, Provenance


def test_only_what_was_written_is_kept(release, filled):
    kept = differing(filled, release)
    written = {grade_id(c): c.source for c in kept.cells}
    given = {grade_id(c): c.source for c in release.cells if grade_id(c)}
    own = {grade_id(c): c.source for c in filled.cells if grade_id(c)}
    assert written and written == {
        name: text for name, text in own.items() if text != given[name]
    }
    assert not differing(deepcopy(release), release).cells


def test_checks_share_where_they_were_made():
    told = CheckResult(
        id="a",
        passed=True,
        points=1,
        max_points=1,
        provenance=Provenance(seed_id="s", keras="3"),
    ).model_dump_json()
    one, other = (CheckResult.model_validate_json(told) for _ in range(2))
    assert one == other and one.provenance is other.provenance
    assert one.model_dump_json() == told
    changed = one.model_copy(update={"points": 0.5})
    assert (one.points, changed.points) == (1, 0.5)
    changed.message = "late"
    assert changed.model_dump()["message"] == "late" and not one.message
