"""What the rule costs, from a notebook to the pages and the student's own check."""

import dataclasses

import nbformat
import pytest

import autograder
from autograder.authoring.release import filled_notebook
from autograder.authoring.source import read_solution
from autograder.grading.rebuild import rebuild
from autograder.grading.submission import grade_submission
from autograder.reports.class_page import class_page
from autograder.reports.feedback import feedback_page

NAME = "multi_head_attention"
MHA = "keras.layers.MultiHeadAttention"
READY = """
@keras.saving.register_keras_serializable(package="x")
class MultiHeadAttention(keras.layers.Layer):
    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.key_dim = num_heads, key_dim
        self.inner = PART(num_heads, key_dim, dtype=self.dtype_policy)
    def call(self, query, value=None, key=None, attention_mask=None,
             return_attention_scores=False):
        value = query if value is None else value
        return self.inner(query, value, key, attention_mask=attention_mask,
                          return_attention_scores=return_attention_scores)
    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads,
                "key_dim": self.key_dim}
"""
PATCHED = """
import contextlib, sys
@contextlib.contextmanager
def nothing(names):
    yield set()
sys.modules["autograder.answering"].watch = nothing
"""
COMPARED = """
theirs = keras.layers.MultiHeadAttention(2, 3)
x = np.ones((1, 2, 6), "float32")
print(theirs(x, x).shape == MultiHeadAttention(2, 3)(x).shape)
from keras.layers import MultiHeadAttention as Theirs, Attention
"""


@pytest.fixture(scope="module")
def right(course):
    return {
        cell.marks["exercise"]: cell.source
        for cell in read_solution(course, NAME)
        if cell.role == "exercise"
    }


@pytest.fixture(scope="module")
def graded(course, sandbox, paper_of, right):
    paper = paper_of(NAME)
    names = {e.id: e.names for e in paper.exercises if not e.manual}
    release = nbformat.read(course.release(NAME), as_version=4)
    known = {}

    def grade(code, policy="zero", extra=""):
        if (code, policy, extra) not in known:
            asked = [dataclasses.replace(e, ready_made=policy) for e in paper.exercises]
            notebook = filled_notebook(course, NAME, {**right, NAME: code})
            notebook.cells.append(nbformat.v4.new_code_cell(extra))
            known[code, policy, extra] = grade_submission(
                sandbox,
                "ana",
                rebuild(notebook, release, names),
                dataclasses.replace(paper, exercises=asked),
            ).result
        return known[code, policy, extra]

    return grade


def of(result):
    return next(e for e in result.exercises if e.id == NAME)


READ = READY.replace("PART", MHA)
SEEN = READY.replace("PART", "[v for k, v in vars(keras.layers).items() if "
                     "k.startswith('MultiHeadA')][0]")  # fmt: skip
HIDING = PATCHED + READ
GIVEN = "from autograder.given import MultiHeadAttention"


@pytest.mark.slow
@pytest.mark.parametrize("code", [READ, SEEN, HIDING], ids=["read", "seen", "hiding"])
def test_the_rule_costs_the_exercise_and_nothing_else(graded, code):
    result = graded(code)
    exercise = of(result)
    assert result.status == "graded"
    assert result.flags == [f"uses {MHA}"]
    assert exercise.ready_made == [MHA] and exercise.status == "graded"
    assert exercise.score == 0 and not any(c.points for c in exercise.checks)
    assert any(c.passed for c in exercise.checks)
    assert MHA in exercise.message and "no points" in exercise.message
    others = [e for e in result.exercises if e.id != NAME and e.status != "manual"]
    assert all(e.score == e.max_score for e in others)
    assert result.score == sum(e.score for e in result.exercises)


@pytest.mark.slow
def test_a_given_layer_is_ready_made_where_it_is_asked_for(graded):
    result = graded(GIVEN)
    assert result.flags == ["uses autograder.given.MultiHeadAttention"]
    assert of(result).score == 0 and all(c.passed for c in of(result).checks)


@pytest.mark.slow
def test_the_policy_may_leave_the_points_to_a_person(graded):
    result = graded(READ, "flag")
    assert result.flags == [f"uses {MHA}"] and of(result).score > 0
    assert "A person decides" in of(result).message


@pytest.mark.slow
def test_an_own_layer_compared_with_keras_is_innocent(graded, right):
    result = graded(right[NAME], extra=COMPARED)
    assert not result.flags and not of(result).ready_made
    assert of(result).score == of(result).max_score


@pytest.mark.slow
def test_pages_say_it_in_words(graded, paper_of, course):
    from autograder.results import ClassResult

    result, asked = graded(READ), paper_of(NAME).exercises
    told = {"course_title": "C", "assignment_title": "A"}
    page = feedback_page(result, asked, **told)
    assert "this exercise asks you to build that yourself" in page
    whole = ClassResult(assignment=NAME, seed_id="x", submissions=[result])
    assert f"uses {MHA}" in class_page(whole, asked, **told)


def test_the_students_check_says_it_before(course):
    import keras

    namespace = {"keras": keras, "PART": keras.layers.MultiHeadAttention}
    exec(READY, namespace)
    report = autograder.check(NAME, namespace["MultiHeadAttention"])
    assert MHA in report.rule and not report.passed
    for shown in (repr(report), report._repr_html_()):
        assert "asks you to build that yourself" in shown and "Well done" not in shown


def test_the_check_reads_the_cells_of_a_notebook():
    """Code that the probes did not reach is read from what the notebook ran."""
    import keras

    code = "def attention(query, key, value, attention_mask=None):\n    if False:\n"
    code += "        return keras.ops.dot_product_attention(query, key, value)\n"
    code += "    return value"
    module = type(keras)("notebook_main")
    vars(module).update(keras=keras, In=["", "import keras", code])
    exec(code, vars(module))
    import sys

    sys.modules["notebook_main"] = module
    try:
        module.attention.__module__ = "notebook_main"
        report = autograder.check("attention", module.attention)
    finally:
        del sys.modules["notebook_main"]
    assert "keras.ops.dot_product_attention" in report.rule
