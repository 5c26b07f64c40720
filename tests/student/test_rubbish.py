"""Whatever a student types gets a short answer, and never a traceback of ours."""

import ast
import linecache
import traceback
from pathlib import Path

import numpy as np
import pytest

import autograder
from autograder.student.display import HintCard, Notice, Report

OURS = str(Path(autograder.__file__).parent)
LINES = 12


@pytest.fixture(scope="module")
def reference(course):
    from autograder.authoring.reference import reference_cells

    namespace = {"__name__": "reference"}
    for assignment in ("attention_head", "dna_tokenization"):
        for cell in reference_cells(course, assignment):
            exec(compile(cell, "<reference>", "exec"), namespace)
    return {**namespace, "check": autograder.check, "hint": autograder.hint}


@pytest.fixture
def type_in(reference):
    """Runs a cell as a notebook does; returns its last value, or what it raised."""

    def run(source):
        lines = source.strip().splitlines(keepends=True)
        linecache.cache["<cell>"] = (len(source), None, lines, "<cell>")
        namespace = dict(reference)
        try:
            tree = ast.parse("".join(lines))
            last = ast.Expression(tree.body.pop().value)
            exec(compile(tree, "<cell>", "exec"), namespace)
            return eval(compile(last, "<cell>", "eval"), namespace)
        except Exception as error:
            return error

    return run


def assert_friendly(shown):
    assert isinstance(shown, (Report, Notice, HintCard)), shown
    told = repr(shown)
    assert told and len(told.splitlines()) <= LINES, told
    assert len(told) < 6000 and "Traceback" not in told
    assert "in the checker" not in told, told
    assert shown._repr_html_() and shown._repr_latex_().startswith("\\begin{quote}")


CALLS = """
check()
check(None)
check(3)
check("x")
check("")
check("attention" * 100000)
check(["attention"], attention)
check(b"attention", attention)
check(AttentionHead)
check("attention")
check("attention", None)
check("attention", 3)
check("attention", "attention")
check("attention", [attention])
check("attention", attention, attention)
check("attention", AttentionHead)
check("attention_head", attention)
check("attention_head", AttentionHead(4))
check("causal_mask", causal_mask(3))
check("attention_head", "AttentionHead")
check("attention_head", keras.layers.Layer)
check("attention_head", keras)
check("atention", attention)
check("explain_scaling", "Because.")
check("split_kmers", "ATCG")
check("kmer_vocabulary", ["[PAD]"])
check("mask_kmers", check)
check("attention", check)
check("attention", attention, seed=3)
check(exercise="attention", layer=attention)
hint()
hint("attention", 1, 2)
hint(None)
hint("zz")
hint("attention", 99)
hint("attention", -1)
hint("attention", "zz")
hint("attention", 1.0)
hint("attention", True)
hint("explain_scaling")
hint(AttentionHead)
""".strip().splitlines()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[:40])
def test_any_call_gets_one_answer(type_in, call):
    shown = type_in(call)
    assert_friendly(shown)
    assert isinstance(shown, HintCard) or not getattr(shown, "passed", False)


FUNCTION = "def attention(query, key, value, attention_mask=None):\n    {}\n"
LAYER = """
class AttentionHead(keras.layers.Layer):
    def __init__(self, head_dim, **kwargs):
        super().__init__(**kwargs)
        self.head_dim = head_dim
        self.query = keras.layers.Dense(head_dim, use_bias=False)
    def build(self, shape, *shapes):
        {build}
    def call(self, query, value=None, key=None, **kwargs):
        {call}
    def get_config(self):
        {config}
"""


def layer(build="pass", call="return self.query(query)", config="return {}"):
    return LAYER.format(build=build, call=call, config=config)


SPECIAL = """
class Odd(Exception):
    def __str__(self):
        raise RuntimeError("no words")
def attention(query, key, value, attention_mask=None):
    raise Odd  # here
"""
IN_GRAPHS_ALONE = """
Base = AttentionHead
class AttentionHead(Base):
    def call(self, query, value=None, key=None, attention_mask=None, **kwargs):
        if ops.max(query) > 500: return query  # here
        return super().call(query, value, key, attention_mask, **kwargs)
"""
RAISING = {  # what it types, and the words of the line that must be shown
    "raises": (FUNCTION.format("raise ValueError('so')  # here"), "# here"),
    "exits": (FUNCTION.format("raise SystemExit  # here"), "# here"),
    "recursion": (FUNCTION.format("return attention(query, key, value)"), "return att"),
    "enormous": (FUNCTION.format("raise ValueError('x' * 10**7)  # here"), "# here"),
    "regex": (
        FUNCTION.format("raise ValueError('a Error ' * 10**6)  # here"),
        "# here",
    ),
    "no words": (SPECIAL, "# here"),
    "wrong name": (FUNCTION.format("return quer @ key  # here"), "# here"),
    "shapes": (FUNCTION.format("return ops.matmul(query, key)  # here"), "# here"),
    "too few": ("def attention(query):\n    return query", "def attention"),
    "lambda": ("attention = lambda query, key: query", "attention = lambda"),
    "build": (layer(build="raise ValueError(3)  # here"), "# here"),
    "call": (layer(call="raise ValueError(3)  # here"), "# here"),
    "in graphs alone": (IN_GRAPHS_ALONE, "# here"),
    "python if": (layer(call="if query: return query  # here"), "# here"),
    "nothing": (
        "class AttentionHead(keras.layers.Layer):\n"
        "    def __init__(self):\n        super().__init__()",
        "def __init__",
    ),
}


@pytest.mark.parametrize("kind", RAISING)
def test_an_error_shows_the_students_own_line(type_in, kind):
    source, line = RAISING[kind]
    name = "AttentionHead" if "class AttentionHead" in source else "attention"
    exercise = "attention_head" if name == "AttentionHead" else "attention"
    shown = type_in(f"{source}\ncheck({exercise!r}, {name})")
    assert_friendly(shown)
    assert line in repr(shown)
    assert "in user code" not in repr(shown) and "site-packages" not in repr(shown)
    assert "Next: mend line" in repr(shown).splitlines()[0]
    assert 'aria-label="could not be checked:"' in shown._repr_html_()


RETURNING = {
    "None": "return None",
    "text": "return 'numbers'",
    "ragged": "return [[1.0], [1.0, 2.0]]",
    "dictionary": "return {'output': query}",
    "ragged tensor": "return tf.ragged.constant([[1], [1, 2]])",
    "sparse": "return tf.sparse.from_dense([[1.0]])",
    "strings": "return tf.constant('numbers')",
    "objects": "return np.array([None, 'x'], dtype=object)",
    "generator": "return (query for _ in iter(int, 1))",
    "yields": "while True: yield query",
    "many": "return [query] * 100000",
    "function": "return attention",
    "class": "return int",
    "itself": "a = []; a.append(a); return a",
    "huge": "return ops.ones((1000, 1000))",
    "nan": "return query * float('nan')",
    "symbolic": "return keras.Input((3,))",
    "interrupt": "raise KeyboardInterrupt",
    "patches": "keras.ops.matmul = None; return query",
}


@pytest.mark.parametrize("kind", RETURNING)
def test_any_result_gets_a_report(type_in, kind, monkeypatch):
    import keras

    monkeypatch.setattr(keras.ops, "matmul", keras.ops.matmul)
    source = "import tensorflow as tf\n" + FUNCTION.format(RETURNING[kind])
    shown = type_in(f"{source}\ncheck('attention', attention)")
    assert_friendly(shown)
    assert not getattr(shown, "passed", False)


LAYERS = {
    "no call": "class AttentionHead(keras.layers.Layer): pass",
    "not a layer": "class AttentionHead:\n    def __init__(self, head_dim): pass",
    "constructor": (
        "class AttentionHead(keras.layers.Layer):\n"
        "    def __init__(self, head_dim, **kwargs):\n        1 / 0"
    ),
    "no super": (
        "class AttentionHead(keras.layers.Layer):\n"
        "    def __init__(self, head_dim, **kwargs):\n        self.a = head_dim\n"
        "    def call(self, query, **kwargs): return query"
    ),
    "returns None": layer(call="return None"),
    "config": layer(config="raise SystemExit"),
    "config None": layer(config="return None"),
    "config text": layer(config="return 'head_dim'"),
    "exits": layer(call="raise SystemExit"),
    "decorated": "@property\ndef AttentionHead(self): pass",
    "partial": "import functools\nAttentionHead = functools.partial(AttentionHead, 4)",
    "metaclass": (
        "class Meta(type(keras.layers.Layer)):\n"
        "    def __getattribute__(cls, name): raise RuntimeError\n"
        "AttentionHead = Meta('AttentionHead', (keras.layers.Layer,), {})"
    ),
    "enum": "import enum\nclass AttentionHead(enum.Enum): A = 1",
}


@pytest.mark.parametrize("kind", LAYERS)
def test_any_layer_gets_a_report(type_in, kind):
    shown = type_in(f"{LAYERS[kind]}\ncheck('attention_head', AttentionHead)")
    assert_friendly(shown)
    assert not getattr(shown, "passed", False)


WORDS = {
    "generator": "def split_kmers(sequence, k):\n    while True: yield sequence",
    "endless": "def split_kmers(sequence, k):\n    return iter(int, 1)",
    "nested": (
        "def split_kmers(sequence, k):\n    a = []\n    for _ in range(5000): a = [a]\n"
        "    return a"
    ),
    "itself": "def split_kmers(sequence, k):\n    a = []; a.append(a); return a",
    "long": "def split_kmers(sequence, k):\n    return ['x'] * 10**6",
    "a subclass": "class S(str): pass\ndef split_kmers(s, k): return [S(s)]",
}


@pytest.mark.parametrize("kind", WORDS)
def test_any_python_value_gets_a_report(type_in, kind):
    shown = type_in(f"{WORDS[kind]}\ncheck('split_kmers', split_kmers)")
    assert_friendly(shown)
    assert not shown.passed


SHADOWS = {
    "check = 3": TypeError,
    "del check": NameError,
    "keras = ops = np = None": NameError,  # their own code misses them, not ours
    "attention = None": None,
    "list = dict = str = print = len = None": None,
    "import sys; sys.setrecursionlimit(150)": None,
}


@pytest.mark.parametrize("source", SHADOWS)
def test_shadowed_names_are_the_students_own_matter(type_in, source):
    import sys

    limit = sys.getrecursionlimit()
    try:
        shown = type_in(f"{source}\ncheck('attention', attention)")
    finally:
        sys.setrecursionlimit(limit)
    if isinstance(shown, Exception):
        frames = traceback.extract_tb(shown.__traceback__)
        assert isinstance(shown, SHADOWS[source])
        assert not any(frame.filename.startswith(OURS) for frame in frames)
    else:
        assert repr(shown)


def test_a_broken_checker_says_so_without_a_traceback(monkeypatch, reference):
    from autograder.student import checking

    def broken(*args):
        raise RecursionError

    monkeypatch.setattr(checking, "judge", broken)
    shown = autograder.check("attention", reference["attention"])
    assert isinstance(shown, Notice) and "RecursionError in the checker" in repr(shown)


@pytest.mark.parametrize(
    "policy, floatx",
    [("mixed_float16", "float64"), ("mixed_bfloat16", "float32"), ("bfloat16",) * 2],
)
def test_the_notebooks_settings_neither_matter_nor_change(reference, policy, floatx):
    import keras

    try:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
        keras.config.set_image_data_format("channels_first")
        for exercise in ("attention_weights", "attention_head", "causal_mask"):
            name = "AttentionHead" if exercise == "attention_head" else exercise
            report = autograder.check(exercise, reference[name])
            assert report.passed, repr(report)
        assert keras.config.dtype_policy().name == policy
        assert keras.config.floatx() == floatx
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        keras.config.set_image_data_format("channels_last")


def test_a_check_leaves_the_notebooks_random_numbers_as_they_were(reference):
    import random

    random.seed(3), np.random.seed(3)
    due = random.random(), np.random.random()
    random.seed(3), np.random.seed(3)
    autograder.check("attention_head", reference["AttentionHead"])
    assert (random.random(), np.random.random()) == due
