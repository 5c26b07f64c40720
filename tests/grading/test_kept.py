"""What is kept is what was made, and nobody else's."""

import nbformat
import pytest

from autograder import exercises
from autograder.authoring.release import filled_notebook
from autograder.grading.kept import Kept
from autograder.grading.rebuild import rebuild
from autograder.results import ReceiptResult

NAME = "attention_head"
DATA = b"what was handed in"


@pytest.fixture
def made(course, solutions):
    """A rebuilt notebook with something in every field."""
    sources = {**solutions, "attention": solutions["attention"] + "\n# \ud800 é"}
    notebook = filled_notebook(course, NAME, sources)
    notebook.cells.insert(3, nbformat.v4.new_code_cell("helper = 1"))
    notebook.cells = [c for c in notebook.cells if "causal_mask(" not in c.source]
    release = nbformat.read(course.release(NAME), as_version=4)
    names = {e.id: e.names for e in exercises.load(NAME) if not e.manual}
    made = rebuild(notebook, release, names)
    made.repairs.append("a repair")
    made.flags.append("a flag")
    made.receipt = ReceiptResult(status="changed", versions={"keras": "3"})
    assert all(vars(made).values())
    return made


def test_a_rebuilt_notebook_comes_back_as_it_was(made, tmp_path):
    Kept(tmp_path, "key").keep_rebuilt("a.ipynb", DATA, made)
    assert Kept(tmp_path, "key").rebuilt("a.ipynb", DATA) == made


@pytest.mark.parametrize(
    ("key", "file", "data"),
    [("other", "a.ipynb", DATA), ("key", "b.ipynb", DATA), ("key", "a.ipynb", b"")],
)
def test_what_differs_in_anything_is_not_known(made, tmp_path, key, file, data):
    Kept(tmp_path, "key").keep_rebuilt("a.ipynb", DATA, made)
    assert Kept(tmp_path, key).rebuilt(file, data) is None
    assert Kept(tmp_path, key).result(file, data) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"cells": 3}', "\xff"])
def test_a_damaged_file_is_as_none(made, tmp_path, text):
    kept = Kept(tmp_path, "key")
    kept.keep_rebuilt("a.ipynb", DATA, made)
    (path,) = (p for p in tmp_path.rglob("*") if p.is_file())
    path.write_text(text, encoding="latin-1")
    assert kept.rebuilt("a.ipynb", DATA) is None
