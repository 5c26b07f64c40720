"""Receipts as they come: matching, changed, none, forged, rubbish."""

import json
from copy import deepcopy

import nbformat
import pytest

from autograder import exercises
from autograder.grading.reading import read_notebook
from autograder.grading.rebuild import rebuild
from autograder.grading.receipts import read_receipt
from autograder.grading.submission import grade_submission
from autograder.receipt import KEY, fingerprint
from autograder.reports.class_page import class_page
from autograder.reports.feedback import feedback_page, receipt_told
from autograder.results import ClassResult

NAME = "attention_head"


def receipt_of(notebook, **more):
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    return {
        "schema_version": 1,
        "assignment": NAME,
        "sha256": fingerprint(cells),
        "packed_at": "2026-11-26 01:00 UTC",
        "run": "complete",
        "versions": {"keras": "3.13.2"},
        "results": [
            {"id": "attention", "passed": True, "score": 2.0, "max_score": 2.0},
            {"id": "causal_mask", "passed": False, "score": 0.0, "max_score": 1.0},
        ],
        **more,
    }


def with_receipt(notebook, receipt):
    notebook = deepcopy(notebook)
    notebook.metadata[KEY] = {"receipt": receipt}
    return notebook


def verdict(notebook):
    """Reads a notebook as the grader does, from its bytes."""
    data = notebook if isinstance(notebook, bytes) else nbformat.writes(notebook)
    data = data if isinstance(data, bytes) else data.encode()
    read, _ = read_notebook(data, f"{NAME}.ipynb")
    return read_receipt(read, NAME)


def test_it_matches_whatever_an_editor_does_to_the_file(filled):
    packed = with_receipt(filled, receipt_of(filled))
    told = verdict(packed)
    assert (told.status, told.passed, told.exercises) == ("matches", 1, 2)
    assert told.versions == {"keras": "3.13.2"}
    tree = json.loads(nbformat.writes(packed))
    tree["nbformat_minor"] = 0
    for cell in tree["cells"]:  # as Colab writes them
        cell.pop("id", None)
        cell["metadata"]["id"] = "x"
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "1"}]
    tree["cells"].append({"cell_type": "code", "source": [], "metadata": {}})
    assert verdict(json.dumps(tree, indent=4).encode()).status == "matches"


@pytest.mark.parametrize("change", ["edit", "drop", "swap", "kind"])
def test_any_change_of_the_cells_is_told(filled, change):
    packed = with_receipt(filled, receipt_of(filled))
    cells = packed.cells
    if change == "edit":
        cells[5].source += "#"
    elif change == "drop":
        del cells[5]
    elif change == "swap":
        cells[3], cells[5] = cells[5], cells[3]
    else:
        cells[5] = nbformat.v4.new_raw_cell(cells[5].source)
    told = verdict(packed)
    assert told.status == "changed" and told.packed_at
    assert "changed after you packed it" in receipt_told(told)


def test_none_is_none(filled):
    assert verdict(filled).status == "none"
    assert "none" in receipt_told(verdict(filled))
    filled.metadata[KEY] = "theirs"
    assert verdict(filled).status == "none"


RUBBISH = {
    "nothing": None,
    "a number": 7,
    "a list": [[[[]]]],
    "empty": {},
    "long": "x" * 2_000_000,
    "no hash": {"sha256": "x"},
    "hash of a wrong kind": {"sha256": 1},
    "many results": {"results": [{"id": "a", "passed": True}] * 100_000},
    "a long name": {"results": [{"id": "a" * 1000, "passed": True}]},
    "passed in words": {"results": [{"id": "a", "passed": "yes"}]},
    "versions as a list": {"versions": [1]},
    "many versions": {"versions": {str(n): "1" for n in range(1000)}},
    "a long version": {"versions": {"keras": "3" * 1000}},
    "time as a list": {"packed_at": [2026]},
    "another assignment": {"assignment": "dna_tokenization"},
    "another schema": {"schema_version": 2},
    "a half surrogate": {"packed_at": "\ud800"},
}


@pytest.mark.parametrize("rubbish", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_is_unreadable_and_harms_nothing(filled, rubbish):
    given = {**receipt_of(filled), **rubbish} if isinstance(rubbish, dict) else rubbish
    given = {} if rubbish == {} else given
    packed = with_receipt(filled, given)
    told = verdict(json.dumps(packed).encode())
    assert told.status == "unreadable" and told.versions == {}
    assert "cannot be read" in receipt_told(told)


def test_depth_harms_nothing(filled):
    text = json.dumps(with_receipt(filled, "HERE"))
    for depth in (100, 400):
        deep = "[" * depth + "]" * depth
        assert verdict(text.replace('"HERE"', deep).encode()).status == "unreadable"


def test_what_it_says_is_inert(filled):
    evil = {"packed_at": "\x1b[31m<script>\u202e", "versions": {"<b>": "\x07=1+1"}}
    told = verdict(with_receipt(filled, receipt_of(filled, **evil)))
    assert told.status == "matches"
    said = told.model_dump_json() + receipt_told(told)
    assert not set("\x1b\x07\u202e") & set(said) and "\\u001b" not in said


def test_no_receipt_changes_a_score(sandbox, paper_of, release, filled):
    paper = paper_of(NAME)
    names = {e.id: e.names for e in exercises.load(NAME) if not e.manual}
    wrong = deepcopy(filled)
    cell = next(c for c in wrong.cells if "def causal_mask" in c.source)
    cell.source = cell.source.replace("return", "return 1 -")
    forged = receipt_of(wrong)
    for line in forged["results"]:
        line["passed"], line["score"] = True, 999.0
    scores = []
    for receipt in (None, forged, {"sha256": "x"}):
        handed_in = with_receipt(wrong, receipt) if receipt else wrong
        read, _ = read_notebook(nbformat.writes(handed_in).encode(), "a.ipynb")
        rebuilt = rebuild(read, release, names)
        scores.append(grade_submission(sandbox, "s", rebuilt, paper).result)
    assert len({result.score for result in scores}) == 1
    statuses = [result.receipt.status for result in scores]
    assert statuses == ["none", "matches", "unreadable"]
    assert scores[0].score < scores[0].max_score - 2
    told = ("Receipt: none", "Receipt: matches what you packed", "cannot be read")
    for result, words in zip(scores, told, strict=True):
        titles = {"course_title": "c", "assignment_title": "a"}
        assert words in feedback_page(result, paper.exercises, **titles)
    scores[1].receipt.status = "changed"
    made = ClassResult(assignment=NAME, seed_id="x", submissions=scores)
    page = class_page(made, paper.exercises, links={}, **titles)
    assert "changed after packing" in page and ">unreadable<" in page
