"""Spoiled notebooks whose code is still there: the score stays, the repair is told."""

import dataclasses
import json
import time

import nbformat
import pytest

from autograder.grading.cells import grade_id
from autograder.grading.reading import read_notebook
from tests.corruptions.conftest import MISTAKES, code_of, told
from tests.corruptions.kinds import FILES, NOTEBOOKS, with_outputs

ASSIGNMENTS = list(MISTAKES)
# Mended, and told, while it runs.
WHILE_RUNNING = [
    "input_in_the_solution",
    "raises_above_in_the_solution",
    "missing_library_in_the_solution",
    "helper_below",
    "ends_the_process",
    "crashes_the_process",
    "memory_eaten",
    "endless_cell",
    "endless_cells",
    "whole_notebook_in_one_cell",
]
# What only a run can show; the others are judged by their code.
RUN = [name for name in WHILE_RUNNING if not NOTEBOOKS[name].slow]
RUN += ["colab_without_nbgrader", "name_reused_below", "name_imported_over", "renamed"]
RUN += ["renamed_and_checked", "several_magics", "console_prompts", "all_merged"]
SLOW = [name for name, kind in NOTEBOOKS.items() if kind.slow]


def as_read(notebook):
    """Returns a notebook as it is read from its file, and the repairs."""
    return read_notebook(json.dumps(notebook).encode(), "a.ipynb")


def check_rebuilt(bench, rebuilt, kind, repairs):
    assert not rebuilt.untouched
    assert code_of(rebuilt, bench.names) == bench.due
    if not kind.silent:
        assert repairs
    ids = [grade_id(c) for c in rebuilt.notebook.cells if grade_id(c)]
    assert ids == [grade_id(c) for c in bench.release.cells if grade_id(c)]
    text = " ".join(repairs)
    assert text.isprintable() and "Traceback" not in text


def test_there_are_enough_of_them():
    assert len(NOTEBOOKS) > 60 and len(FILES) > 20


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_was_written_is_found(name, assignment, benches):
    kind, bench = NOTEBOOKS[name], benches[assignment]
    copy = bench.copy()
    kind.spoil(copy)
    notebook, repairs = as_read(copy.tree)
    rebuilt = bench.rebuilt(notebook)
    if name in WHILE_RUNNING:  # mended, and told, while it runs
        kind = dataclasses.replace(kind, silent=True)
    check_rebuilt(bench, rebuilt, kind, repairs + rebuilt.repairs)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
@pytest.mark.parametrize("name", FILES)
def test_files_are_read(name, assignment, benches):
    kind, bench = FILES[name], benches[assignment]
    data = kind.spoil(nbformat.writes(bench.filled))
    notebook, repairs = read_notebook(data, "a.ipynb")
    rebuilt = bench.rebuilt(notebook)
    check_rebuilt(bench, rebuilt, kind, repairs + rebuilt.repairs)


def test_a_hundred_megabytes_of_outputs(benches):
    bench = benches["attention_head"]
    data = with_outputs(nbformat.writes(bench.filled), 100)
    assert len(data) > 100_000_000
    start = time.monotonic()
    notebook, _ = read_notebook(data, "a.ipynb")
    rebuilt = bench.rebuilt(notebook)
    assert code_of(rebuilt, bench.names) == bench.due
    assert time.monotonic() - start < 20
    assert len(nbformat.writes(rebuilt.notebook)) < 1_000_000


def grade(name, bench, sandbox, paper):
    copy = bench.copy()
    NOTEBOOKS[name].spoil(copy)
    return bench.grade(as_read(copy.tree)[0], sandbox, paper)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_the_score_stays(name, benches, sandbox, papers, graded):
    bench, paper = benches["attention_head"], papers["attention_head"]
    result = grade(name, bench, sandbox, paper)
    assert told(result) == told(graded["attention_head"])
    assert result.repairs or NOTEBOOKS[name].silent


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_the_score_stays_where_cells_do_not_end(name, benches, sandbox, papers, graded):
    limits = dataclasses.replace(papers["attention_head"].limits, cell_seconds=1)
    paper = dataclasses.replace(papers["attention_head"], limits=limits)
    result = grade(name, benches["attention_head"], sandbox, paper)
    assert told(result) == told(graded["attention_head"])
    assert result.repairs


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN[::4])
def test_the_score_stays_in_another_assignment(name, benches, sandbox, papers, graded):
    assignment = "vit_patch_embedder"
    result = grade(name, benches[assignment], sandbox, papers[assignment])
    assert told(result) == told(graded[assignment])


def test_the_unspoiled_ones_name_their_mistakes(graded):
    for assignment, mistake in MISTAKES.items():
        named = {e.misconception for e in graded[assignment].exercises}
        assert mistake in named and graded[assignment].score > 0
        assert not graded[assignment].repairs and not graded[assignment].flags
