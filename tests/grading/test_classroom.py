"""From a folder of notebooks to results: the right get all, the forgers nothing."""

import dataclasses
import json

import nbformat
import pytest

from autograder.authoring.release import filled_notebook
from autograder.authoring.source import read_variants
from autograder.demo import complete
from autograder.grading.classroom import Grader, Workplace
from autograder.results import ClassResult

NAME = "attention_head"
pytestmark = pytest.mark.slow

FUNCTIONS = "def {0}(*args, **kwargs):\n    return {1}\n"
ALWAYS = """
class Always:
    shape, dtype, ndim = (2, 3), "float32", 2
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __array__(self, *a, **k):
        import numpy as np
        return np.ones((2, 3))
    def __float__(self): return 1.0
    __hash__ = object.__hash__
"""
LAYER = """
class AttentionHead(keras.layers.Layer):
    def __init__(self, head_dim, **kwargs):
        super().__init__(**kwargs)
        self.head_dim = head_dim
        for name in ("query", "key", "value"):
            setattr(self, name, keras.layers.Dense(head_dim, use_bias=False))
    def call(self, *args, **kwargs):
        return Always()
"""
FORGED = {
    "attention_weights": ALWAYS + FUNCTIONS.format("attention_weights", "Always()"),
    "attention": FUNCTIONS.format("attention", "Always()"),
    "causal_mask": FUNCTIONS.format("causal_mask", "Always()"),
    "attention_head": LAYER,
}
PATCHED = """
import numpy as np, keras, json, builtins, sys
np.testing.assert_allclose = np.allclose = np.array_equal = lambda *a, **k: True
keras.ops.convert_to_numpy = lambda x: np.ones((2, 2))
json.dumps = lambda *a, **k: '{"passed": true}'
for module in list(sys.modules.values()):
    for name in ("judge", "examine", "answer", "send"):
        if hasattr(module, name):
            setattr(module, name, lambda *a, **k: True)
print('{"score": 12}')
"""
EXIT = "import os\nprint(12.0)\nos._exit(0)\n"
QUOTER = """
seen = []
def attention_weights(query, key, attention_mask=None):
    seen.append(np.asarray(query).ravel()[:20])
    raise ValueError(" ".join(f"{x:.4f}" for array in seen for x in array)[:1900])
"""
NOISE = """
import sys, warnings, logging
warnings.warn("a warning")
print("I0000 00:00 tensorflow log line", file=sys.stderr)
print("100%|##########| 3/3 [00:00<00:00]", file=sys.stderr)
logging.getLogger().error("noise")
"""


def notebooks(course, solutions):
    """Submissions by student, with what each must score."""
    first = next(iter(solutions))
    text = {
        "right": (solutions, 12),
        "noisy": ({**solutions, first: NOISE + solutions[first]}, 12),
        "untouched": ({}, 0),
        "forger": (FORGED, 0),
        "patcher": (
            {first: PATCHED + solutions[first].replace("softmax(", "relu(")},
            0,
        ),
        # The others keep their credit, but for those that need what is gone.
        "quitter": ({**solutions, first: EXIT + solutions[first]}, 1),
        "quoter": ({first: QUOTER}, 0),
        "loop": ({first: f"def {first}(*a, **k):\n    while True: pass"}, 0),
    }
    made = {
        student: (nbformat.writes(filled_notebook(course, NAME, sources)), points)
        for student, (sources, points) in text.items()
    }
    made["edited"] = (_edited(course), 0)
    made["truncated"] = (made["right"][0][:2500], 0)
    made["helper_below"] = (_helper(course, solutions), 12)
    return made


def _edited(course):
    """The starter code, with tests that would pass by themselves."""
    notebook = filled_notebook(course, NAME, {})
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id", "").startswith("grade_"):
            cell.source = "3.0"
            cell.metadata["tags"] = ["skip-execution"]
    return nbformat.writes(notebook)


def _helper(course, solutions):
    """A right solution that needs a helper from a cell that is only shown."""
    code = solutions["causal_mask"].replace("ops.arange", "my_range")
    notebook = filled_notebook(course, NAME, {**solutions, "causal_mask": code})
    shown = next(
        c for c in notebook.cells if c.cell_type == "code" and "keep**steps" in c.source
    )
    shown.source += "\n\n\ndef my_range(n):\n    return ops.arange(n)\n"
    return nbformat.writes(notebook)


@pytest.fixture(scope="module")
def small(course):
    limits = dataclasses.replace(course.limits, cell_seconds=8)
    return dataclasses.replace(course, limits=limits)


@pytest.fixture(scope="module")
def graded(small, sandbox, solutions, tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    submitted = folder / "submitted"
    due = {}
    for student, (text, points) in notebooks(small, solutions).items():
        place = submitted / student / NAME
        place.mkdir(parents=True)
        (place / f"{NAME}.ipynb").write_text(text)
        due[student] = points
    for variant in read_variants(small, NAME)[::5]:
        sources = {**solutions, variant.exercise: complete(variant, solutions)}
        place = submitted / student_of(variant) / NAME
        place.mkdir(parents=True)
        text = nbformat.writes(filled_notebook(small, NAME, sources))
        (place / f"{NAME}.ipynb").write_text(text)
    grader = Grader(small, NAME, Workplace(folder), sandbox, jobs=2)
    outcomes = list(grader.grade(submitted))
    return grader, submitted, outcomes, grader.summary(outcomes), due


def student_of(variant):
    return f"v_{variant.name.replace('/', '_')}"


def by_student(result: ClassResult):
    return {submission.student: submission for submission in result.submissions}


def test_everybody_gets_the_points_they_earned(graded):
    *_, result, due = graded
    scores = {s: r.score for s, r in by_student(result).items() if s in due}
    assert scores == due


def test_statuses_say_what_happened(graded):
    *_, result, _ = graded
    got = by_student(result)
    assert got["right"].status == got["untouched"].status == "graded"
    assert got["truncated"].status == "unreadable" and got["truncated"].message
    assert "exit code 0" in got["quitter"].exercises[0].message
    assert got["quitter"].exercises[0].status == "error"
    assert got["loop"].exercises[0].status == "timeout"
    assert {e.status for e in got["untouched"].exercises} == {"not_attempted", "manual"}
    assert got["edited"].flags
    assert all(s.isolation == got["right"].isolation != "" for s in got.values())


def test_catalogued_mistakes_are_named(graded, small):
    *_, result, _ = graded
    got = by_student(result)
    for variant in read_variants(small, NAME)[::5]:
        exercises = {e.id: e for e in got[student_of(variant)].exercises}
        exercise = exercises[variant.exercise]
        if variant.right:
            assert got[student_of(variant)].score == 12
        else:
            assert exercise.misconception == variant.mistake
            assert exercise.hint.endswith(variant.hint)
            failed = [c.id for c in exercise.checks if not c.passed]
            assert variant.check in failed


def test_numeric_verdicts_carry_error_tolerance_and_margin(graded):
    *_, result, _ = graded
    checks = by_student(result)["right"].exercises[0].checks
    evidence = next(c for c in checks if c.id == "values").evidence
    assert evidence
    for item in evidence:
        assert item.error <= item.tolerance
        assert item.margin is None or item.margin >= 1


def test_the_json_follows_the_schema(graded):
    *_, result, _ = graded
    tree = json.loads(result.model_dump_json())
    assert tree["schema_version"] == 1 and tree["assignment"] == NAME
    assert str(graded[0].seed) not in result.model_dump_json()
    again = ClassResult.model_validate(tree)
    assert again == result
    for submission in tree["submissions"]:
        total = sum(e["score"] for e in submission["exercises"])
        assert submission["score"] == pytest.approx(total)
        for exercise in submission["exercises"]:
            earned = sum(c["points"] for c in exercise["checks"])
            assert exercise["score"] == pytest.approx(earned)


def test_no_hidden_number_reaches_a_message(graded):
    grader, *_, result, _ = graded
    arrays = [
        array.ravel()
        for exercise in grader.paper.exercises
        for probe in exercise.probes
        for call in probe.spec.get("calls", [])
        for array in call.get("args", [])
        if hasattr(array, "ravel") and array.size >= 3
    ]
    # One number of four decimals may be a public one by chance; three in a row are not.
    hidden = {
        " ".join(f"{value:.4f}" for value in array[start : start + 3])
        for array in arrays
        for start in range(min(array.size - 2, 20))
    }
    told = result.model_dump_json(
        exclude={"submissions": {"__all__": {"seconds", "phases"}}}
    )
    messages = " ".join(
        c.message for s in result.submissions for e in s.exercises for c in e.checks
    )
    assert hidden and told
    assert not [value for value in hidden if value in messages]


def test_grading_again_reads_what_is_there(graded, small, sandbox, monkeypatch):
    grader, submitted, outcomes, result, _ = graded
    again = Grader(small, NAME, grader.workplace, sandbox, jobs=2)
    opened = []
    monkeypatch.setattr(sandbox, "_open", opened.append)
    repeated = list(again.grade(submitted))
    assert again.summary(repeated) == result
    # Only what could not be kept is run again: nothing here.
    assert not opened


def test_a_changed_notebook_is_graded_again(graded, small, sandbox, solutions):
    grader, submitted, *_ = graded
    path = submitted / "untouched" / NAME / f"{NAME}.ipynb"
    before = path.read_text()
    path.write_text(nbformat.writes(filled_notebook(small, NAME, solutions)))
    try:
        results = {o.found.student: o.graded.result for o in grader.grade(submitted)}
        assert results["untouched"].score == 12
    finally:
        path.write_text(before)


def test_public_and_hidden_questions_differ(graded):
    paper = graded[0].paper
    hidden, public = paper.exercises[0].probes[1], paper.public[0].probes[1]
    first = hidden.spec["calls"][0]["args"][0]
    second = public.spec["calls"][0]["args"][0]
    assert first.shape != second.shape or not (first == second).all()
