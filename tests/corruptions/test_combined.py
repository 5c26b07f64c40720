"""Several corruptions at once, drawn at random but the same ones at every run."""

import json

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.grading.reading import Unreadable, read_notebook
from autograder.grading.rebuild import rebuild
from tests.corruptions.conftest import MISTAKES, code_of, told
from tests.corruptions.kinds import FILES, NOTEBOOKS

TOGETHER = [name for name, kind in NOTEBOOKS.items() if not kind.alone]
QUICK = [name for name in TOGETHER if not NOTEBOOKS[name].slow]
RANDOM = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# What takes a cell's words away may not come before what looks for them.
LAST = ("only_solutions_left", "text_in_code_cells", "carriage_returns_in_cells")


def spoiled(bench, names, file="as_it_was"):
    copy = bench.copy()
    for name in sorted(names, key=lambda n: n in LAST):
        NOTEBOOKS[name].spoil(copy)
    text = json.dumps(copy.tree, indent=1, sort_keys=True) + "\n"
    return read_notebook(FILES[file].spoil(text), "a.ipynb")


@RANDOM
@given(
    assignment=st.sampled_from(list(MISTAKES)),
    names=st.lists(st.sampled_from(TOGETHER), min_size=2, max_size=6, unique=True),
    file=st.sampled_from(list(FILES)),
)
def test_any_combination_keeps_the_code(benches, assignment, names, file):
    bench = benches[assignment]
    notebook, _ = spoiled(bench, names, file)
    rebuilt = bench.rebuilt(notebook)
    assert not rebuilt.untouched
    assert code_of(rebuilt, bench.names) == bench.due


@RANDOM
@given(
    alone=st.sampled_from([n for n, k in NOTEBOOKS.items() if k.alone]),
    file=st.sampled_from(list(FILES)),
)
def test_a_lone_one_survives_any_file(benches, alone, file):
    bench = benches["attention_head"]
    notebook, _ = spoiled(bench, [alone], file)
    rebuilt = bench.rebuilt(notebook)
    if file in ("web_page", "markdown_export") or file.startswith("script"):
        return  # exports lose text cells and metadata; what is left must be read
    assert code_of(rebuilt, bench.names) == bench.due


@RANDOM
@given(data=st.data())
def test_noise_in_the_file_never_ends_in_another_error(benches, data):
    """Bytes are cut, doubled and overwritten: a notebook comes out, or a sentence."""
    bench = benches["attention_head"]
    raw = bytearray(nbformat.writes(bench.filled).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        piece = data.draw(st.binary(max_size=8))
        raw[place : place + data.draw(st.integers(0, 300))] = piece
    try:
        notebook, repairs = read_notebook(bytes(raw), "a.ipynb")
        rebuilt = rebuild(notebook, bench.release, bench.names)
    except Unreadable as error:
        assert str(error).endswith(".") and "\n" not in str(error)
        return
    assert rebuilt.notebook.cells and all(r.isprintable() for r in rebuilt.repairs)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["cells", "source", "metadata", "nbgrader", "cell_type", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@RANDOM
@given(tree=JSON)
def test_any_json_is_read_or_refused(benches, tree):
    bench = benches["attention_head"]
    try:
        notebook, _ = read_notebook(json.dumps(tree).encode(), "a.ipynb")
        rebuild(notebook, bench.release, bench.names)
    except Unreadable as error:
        assert str(error).endswith(".")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(3))
def test_many_at_once_keep_the_score(part, benches, sandbox, papers, graded):
    bench = benches["attention_head"]
    names = [n for n in QUICK[part::3] if n not in ("ids_altered", *LAST)]
    notebook, _ = spoiled(bench, names)
    result = bench.grade(notebook, sandbox, papers["attention_head"])
    assert told(result) == told(graded["attention_head"])
    assert result.repairs
