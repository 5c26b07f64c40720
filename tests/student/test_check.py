import sys

import numpy as np
import pytest

import autograder
from autograder.student.checking import public_records
from autograder.student.display import HintCard, Notice, Report


@pytest.fixture(scope="module")
def reference(course):
    from autograder.authoring.reference import reference_cells

    namespace = {"__name__": "reference"}
    for cell in reference_cells(course, "attention_head"):
        exec(compile(cell, "<reference>", "exec"), namespace)
    return namespace


OBJECTS = {
    "attention_weights": "attention_weights",
    "attention": "attention",
    "causal_mask": "causal_mask",
    "attention_head": "AttentionHead",
}


@pytest.mark.parametrize("exercise", OBJECTS)
def test_the_reference_is_all_right(reference, exercise):
    report = autograder.check(exercise, reference[OBJECTS[exercise]])
    assert isinstance(report, Report) and report.passed
    assert "all" in repr(report).splitlines()[0]
    assert "✓" in report._repr_html_() and "✗" not in report._repr_html_()


def starter(*args, **kwargs):
    raise NotImplementedError("attention: write this part.")


def test_starter_code_is_told_apart_from_wrong_code():
    report = autograder.check("attention", starter)
    assert repr(report).splitlines()[0].startswith("attention: not written yet")
    assert report.score == 0 and not report.passed


def test_a_wrong_value_is_shown_beside_the_right_one(reference):
    def attention(query, key, value, attention_mask=None):
        return 2 * reference["attention"](query, key, value, attention_mask)

    report = autograder.check("attention", attention)
    html = report._repr_html_()
    assert 'src="data:image/png;base64,' in html and "alt=" in html
    assert "Next: weighted sum of the values" in repr(report)


def test_a_known_mistake_is_named(reference):
    from keras import ops

    def weights(query, key, attention_mask=None):
        scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
        if attention_mask is not None:
            scores = ops.where(attention_mask, scores, ops.cast(-6e4, scores.dtype))
        return ops.softmax(scores)

    report = autograder.check("attention_weights", weights)
    assert report.judgement.misconception.name == "no_scaling"
    assert "√d_k" in repr(report)


def test_a_mistake_carried_over_is_named_by_its_origin(reference):
    from keras import ops

    def weights(query, key, attention_mask=None):
        scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
        if attention_mask is not None:
            scores = ops.where(attention_mask, scores, ops.cast(-6e4, scores.dtype))
        return ops.softmax(scores)

    def attention(query, key, value, attention_mask=None):
        return ops.matmul(weights(query, key, attention_mask), value)

    autograder.check("attention_weights", weights)
    carried = autograder.check("attention", attention)
    assert carried.judgement.misconception.exercise == "attention_weights"
    assert "mend that first" in repr(carried)
    autograder.check("attention_weights", reference["attention_weights"])
    alone = autograder.check("attention", attention)
    assert alone.judgement.misconception.exercise == "attention"


def test_starter_code_shows_no_machinery():
    assert "expected True" not in repr(autograder.check("attention", starter))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("attention",),
        ("attention", None, None),
        ("nonsense", starter),
        ("explain_scaling", starter),
        (None, starter),
        (3,),
    ],
)
def test_a_wrong_call_gets_one_friendly_sentence(arguments):
    told = autograder.check(*arguments)
    assert isinstance(told, Notice) and len(repr(told).splitlines()) == 1
    assert "Traceback" not in repr(told)


@pytest.mark.parametrize(
    "thing", [None, 3, "text", np.ones(3), object(), [], print, dict]
)
@pytest.mark.parametrize("exercise", OBJECTS)
def test_whatever_is_checked_gets_a_report(exercise, thing):
    report = autograder.check(exercise, thing)
    assert not report.passed
    assert report._repr_html_() and len(repr(report).splitlines()) <= 16


class Stubborn(type):
    def __call__(cls, *args, **kwargs):
        raise RuntimeError("not today")

    def __getattribute__(cls, name):
        raise RuntimeError(f"no {name}")

    def __repr__(cls):
        raise RuntimeError("nor a name")


class Mute:
    """Answers everything with an error, and to every call with itself."""

    def __getattribute__(self, name):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")

    def __call__(self, *args, **kwargs):
        return self

    __str__ = __repr__
    __eq__ = __bool__ = __len__ = __iter__ = __hash__ = __call__


class Nameless(BaseException):
    __module__ = 3

    def __str__(self):
        raise SystemExit


def raises(*args, **kwargs):
    raise Nameless


def talks(*args, **kwargs):
    for _ in range(20000):
        print("very much")
    return args[0]


ODD = {
    "metaclass": lambda: Stubborn("AttentionHead", (), {}),
    "mute": Mute,
    "raises": lambda: raises,
    "talks": lambda: talks,
    "returns mute": lambda: lambda *args, **kwargs: Mute(),
    "objects": lambda: lambda *args, **kwargs: np.array([object(), "text"]),
    "complex": lambda: lambda *args, **kwargs: np.ones(3, complex),
    "generator": lambda: lambda *args, **kwargs: (x for x in [1]),
    "exits": lambda: lambda *args, **kwargs: sys.exit(0),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("exercise", OBJECTS)
def test_the_oddest_things_get_a_report(exercise, kind, capsys):
    report = autograder.check(exercise, ODD[kind]())
    assert not report.passed
    assert report._repr_html_() and len(repr(report)) < 6000
    assert len(capsys.readouterr().out) < 100


def test_an_interrupted_check_stops_at_once():
    calls = []

    def attention(*args, **kwargs):
        calls.append(args)
        raise KeyboardInterrupt

    told = autograder.check("attention", attention)
    assert isinstance(told, Notice) and "never end" in repr(told) and len(calls) == 1


def test_hostile_messages_are_inert():
    def attention(*args, **kwargs):
        raise ValueError("<script>alert(1)</script>")

    html = autograder.check("attention", attention)._repr_html_()
    assert "<script>" not in html


def test_hints_come_one_at_a_time():
    from autograder.student import checking

    checking._hints_shown.clear()
    first, second = autograder.hint("attention"), autograder.hint("attention")
    assert isinstance(first, HintCard) and (first.number, second.number) == (1, 2)
    assert autograder.hint("attention", 1).text == first.text
    for wrong in (0, 99, "two", 1.5):
        assert isinstance(autograder.hint("attention", wrong), Notice)
    assert isinstance(autograder.hint("nonsense"), Notice)


def test_public_records_fit_the_questions():
    assert public_records("attention_head")["misconceptions"]


def test_the_face_brings_in_only_what_colab_has():
    import subprocess
    import sys

    code = (
        "import sys, autograder; autograder.check; "
        "bad = {'pydantic', 'nbgrader', 'nbformat', 'jupytext', 'typer', 'rich', "
        "'jinja2', 'sklearn', 'keras', 'tensorflow'} & set(sys.modules); "
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_under_nbgraders_validate_an_open_check_raises_one_short_error(monkeypatch):
    from autograder.student.checking import CheckFailed

    def stub(query, key, attention_mask=None):
        raise NotImplementedError

    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(CheckFailed, match="attention_weights: not written yet") as told:
        autograder.check("attention_weights", stub)
    assert isinstance(told.value, AssertionError)
    assert told.value._render_traceback_() == [str(told.value)]
    with pytest.raises(CheckFailed, match="No exercise"):
        autograder.check("nonsense", stub)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert "not written yet" in repr(autograder.check("attention_weights", stub))
