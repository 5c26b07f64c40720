"""Earlier work is found, used where it is right, and replaced where it is not."""

import json
import shutil

import keras
import numpy as np
import pytest

from autograder import earlier, needs
from autograder.authoring.reference import reference_cells
from autograder.course import load_course
from autograder.student import reuse
from autograder.student.reuse import Unfinished

COURSE = load_course()
NAME = "multi_head_attention"


def notebook(path, cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    marks = {"nbgrader": {"grade": False, "solution": True}}
    made = [{"cell_type": "code", "metadata": marks, "source": cell} for cell in cells]
    made.append({"cell_type": "code", "metadata": {}, "source": "raise SystemExit"})
    path.write_text(json.dumps({"cells": made}))


@pytest.mark.parametrize("place", ["{}.ipynb", "{0}/{0}.ipynb", "../{0}/{0}.ipynb"])
def test_a_right_one_is_used(tmp_path, capsys, place):
    here = tmp_path / "vit_patch_embedder"
    here.mkdir()
    notebook(here / place.format(NAME), reference_cells(COURSE, NAME))
    found = earlier("MultiHeadAttention", keras.layers.MultiHeadAttention, here)
    assert found is not keras.layers.MultiHeadAttention
    assert found(2, 3).num_heads == 2
    assert capsys.readouterr().out == f"MultiHeadAttention: yours, from {NAME}.ipynb.\n"


@pytest.mark.parametrize(
    "cells, reason",
    [
        (None, "does not lie beside this notebook"),
        (["raise RuntimeError"], "does not run (RuntimeError)"),
        (["class MultiHeadAttention: pass"], "does not pass its checks yet"),
    ],
)
def test_otherwise_the_fallback_is_used(tmp_path, capsys, cells, reason):
    if cells is not None:
        notebook(tmp_path / f"{NAME}.ipynb", cells)
    fallback = keras.layers.MultiHeadAttention
    assert earlier("MultiHeadAttention", fallback, tmp_path) is fallback
    told = capsys.readouterr().out
    assert told.startswith("MultiHeadAttention: Keras' own, for ") and reason in told


def test_an_untouched_notebook_gives_the_fallback(tmp_path, capsys):
    shutil.copy(COURSE.release(NAME), tmp_path)
    assert earlier("MultiHeadAttention", None, tmp_path) is None
    assert "does not pass its checks yet" in capsys.readouterr().out


def test_what_nobody_asks_for_is_not_searched(tmp_path, capsys):
    assert earlier("Perceptron", len, tmp_path) is len
    assert "no assignment asks for it" in capsys.readouterr().out


# --- what this notebook is built from ---------------------------------------------


@pytest.fixture
def split():
    """`split_heads` and `merge_heads` as the reference has them."""
    namespace = {}
    for cell in reference_cells(COURSE, NAME):
        exec(cell, namespace)
    reuse._right.clear()
    return namespace["split_heads"], namespace["merge_heads"]


def test_what_is_right_passes_and_is_asked_once(split, monkeypatch):
    np.random.seed(3)
    due = np.random.RandomState(3).normal()
    needs(*split)
    assert np.random.normal() == due  # checks leave the random numbers alone
    monkeypatch.setattr(reuse, "ask", None)
    needs(*split)


def test_what_is_wrong_or_unwritten_ends_the_cell_in_a_line(split):
    def split_heads(x, num_heads):
        return x

    def merge_heads(x):
        raise NotImplementedError

    for wrong in (split_heads, merge_heads):
        with pytest.raises(Unfinished) as raised:
            needs(*split, wrong)
        (line,) = raised.value._render_traceback_()
        assert line.startswith(f"{wrong.__name__}: not right yet") and "\n" not in line
        assert f'check("{wrong.__name__}", …)' in line
    assert isinstance(raised.value, NotImplementedError)  # packing tells it by this


def test_what_no_exercise_asks_for_is_not_asked(split):
    needs(len, 7, None)
    needs()
