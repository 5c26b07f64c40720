"""Notebooks as they come back: what a student wrote survives."""

import json
from copy import deepcopy

import nbformat
import pytest

from autograder import exercises
from autograder.grading.cells import defined_names, grade_id
from autograder.grading.reading import Unreadable, read_notebook
from autograder.grading.rebuild import rebuild

NAMES = {e.id: e.names for e in exercises.load("attention_head") if not e.manual}


def find(notebook, id):
    return next(i for i, c in enumerate(notebook.cells) if grade_id(c) == id)


def drop_metadata(nb):
    for cell in nb.cells:
        cell.metadata = {}


def drop_one(nb):
    nb.cells[find(nb, "attention")].metadata = {}


def alter_ids(nb):
    for cell in nb.cells:
        if grade_id(cell):
            cell.metadata["nbgrader"]["grade_id"] = "cell-" + grade_id(cell)[:5]


def swap_ids(nb):
    a, b = find(nb, "attention"), find(nb, "causal_mask")
    first, second = nb.cells[a].metadata, nb.cells[b].metadata
    nb.cells[a].metadata, nb.cells[b].metadata = second, first


def reverse_cells(nb):
    nb.cells.reverse()


def duplicate_starter(nb, release):
    index = find(nb, "attention")
    starter = deepcopy(release.cells[find(release, "attention")])
    nb.cells.insert(index + 1, starter)


def into_markdown(nb):
    cell = nb.cells[find(nb, "causal_mask")]
    nb.cells[find(nb, "causal_mask")] = nbformat.v4.new_markdown_cell(
        f"```python\n{cell.source}\n```", metadata=cell.metadata
    )


def into_raw(nb):
    cell = nb.cells[find(nb, "causal_mask")]
    nb.cells[find(nb, "causal_mask")] = nbformat.v4.new_raw_cell(cell.source)


def merge_cells(nb):
    a, b = find(nb, "attention_weights"), find(nb, "attention")
    nb.cells[a].source += "\n\n\n" + nb.cells[b].source
    del nb.cells[b]


def into_test_cell(nb):
    index = find(nb, "causal_mask")
    source = nb.cells[index].source
    del nb.cells[index]
    nb.cells[find(nb, "grade_causal_mask")].source = source


def edit_given(nb):
    cell = nb.cells[find(nb, "given_002")]
    cell.source += "\nimport math"


def delete_given(nb):
    del nb.cells[find(nb, "given_002")]


def add_noise(nb):
    for _cell in list(nb.cells):
        nb.cells.insert(0, nbformat.v4.new_code_cell("!pip install keras"))
    nb.cells.append(nbformat.v4.new_code_cell("x = 1 +"))


def null_metadata(nb):
    for cell in nb.cells:
        cell.metadata = nbformat.from_dict({"nbgrader": None, "id": "abc"})


def helper_cell(nb):
    index = find(nb, "attention")
    nb.cells.insert(index, nbformat.v4.new_code_cell("def helper(x):\n    return x"))


ALIKE = [
    drop_metadata,
    drop_one,
    alter_ids,
    swap_ids,
    reverse_cells,
    duplicate_starter,
    into_markdown,
    into_raw,
    merge_cells,
    into_test_cell,
    edit_given,
    delete_given,
    add_noise,
    null_metadata,
    helper_cell,
]


@pytest.mark.parametrize("corrupt", ALIKE, ids=lambda f: f.__name__)
def test_what_was_written_is_found(corrupt, filled, release, solutions):
    extra = (release,) if corrupt is duplicate_starter else ()
    corrupt(filled, *extra)
    rebuilt = rebuild(filled, release, NAMES)
    assert not rebuilt.untouched
    run = "\n".join(cell.source for cell in rebuilt.cells)
    for exercise, source in solutions.items():
        body = source.split('"""')[-1].strip()
        assert body in rebuilt.sources[exercise]
        assert body in run
    kept = [grade_id(cell) for cell in rebuilt.notebook.cells if grade_id(cell)]
    assert kept == [grade_id(cell) for cell in release.cells if grade_id(cell)]


def nothing(text):
    return text.encode()


def crlf(text):
    return text.replace("\n", "\r\n").encode()


def byte_order_mark(text):
    return b"\xef\xbb\xbf" + text.encode()


def utf16(text):
    return text.encode("utf-16")


def compressed(text):
    import gzip

    return gzip.compress(text.encode())


def trailing_garbage(text):
    return text.encode() + b"\n}}garbage"


def truncated_at_the_end(text):
    return text.encode()[:-400]


def conflict(text):
    lines = text.split("\n")
    return "\n".join(
        [*lines[:3], "<<<<<<< HEAD", *lines[3:4], "=======", *lines[3:4], ">>>>>>> b"]
        + lines[4:]
    ).encode()


def version_3(text):
    tree = json.loads(text)
    for cell in tree["cells"]:
        if cell["cell_type"] == "code":
            cell["input"] = cell.pop("source")
    tree["worksheets"] = [{"cells": tree.pop("cells")}]
    return json.dumps({**tree, "nbformat": 3, "nbformat_minor": 0}).encode()


def source_as_strings(text):
    tree = json.loads(text)
    for cell in tree["cells"]:
        cell["source"] = "".join(cell["source"])
        cell.pop("id", None)
    return json.dumps(tree).encode()


def huge_outputs(text):
    tree = json.loads(text)
    for cell in tree["cells"]:
        if cell["cell_type"] == "code":
            data = {"name": "stdout", "output_type": "stream", "text": "x" * 500_000}
            cell["outputs"] = [data]
    return json.dumps(tree).encode()


FILES = [
    nothing,
    crlf,
    byte_order_mark,
    utf16,
    compressed,
    trailing_garbage,
    truncated_at_the_end,
    conflict,
    version_3,
    source_as_strings,
    huge_outputs,
]


@pytest.mark.parametrize("spoil", FILES, ids=lambda f: f.__name__)
def test_damaged_files_are_read(spoil, filled, release, solutions):
    data = spoil(nbformat.writes(filled))
    notebook, repairs = read_notebook(data, "a.ipynb")
    rebuilt = rebuild(notebook, release, NAMES)
    assert set(rebuilt.sources) == set(solutions)
    if spoil not in (nothing, crlf, source_as_strings, huge_outputs):
        assert repairs


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "empty"),
        (b"   \n", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"Dear professor,", "no notebook"),
        (b"{" * 5000, "damaged"),
        (b"[" * 100_000, "nested"),
        (b"\x00\xff\xfe\x01" * 10, "no notebook"),
        (b'{"a": 1}', "no cells"),
        (b'"text"', "no notebook"),
        (b"\x1f\x8b\x08rubbish", "damaged"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(data, words):
    with pytest.raises(Unreadable, match=words):
        notebook, _ = read_notebook(data, "a.ipynb")
        raise AssertionError(notebook)


def test_another_assignment_is_told(release):
    other = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")])
    with pytest.raises(Unreadable, match="None of this assignment"):
        rebuild(other, release, NAMES)


def test_the_release_itself_is_untouched(release):
    rebuilt = rebuild(deepcopy(release), release, NAMES)
    assert rebuilt.untouched == set(NAMES) and not rebuilt.sources
    assert not rebuilt.repairs and not rebuilt.flags
    assert all(cell.kind in ("given", "shown") for cell in rebuilt.cells)


def test_comments_alone_are_no_attempt(release):
    notebook = deepcopy(release)
    notebook.cells[find(notebook, "attention")].source += "\n# I do not know\n\n"
    assert "attention" in rebuild(notebook, release, NAMES).untouched


def test_tampering_is_flagged_and_has_no_effect(filled, release):
    test = filled.cells[find(filled, "grade_attention")]
    test.source = "1.0"
    test.metadata["nbgrader"]["points"] = 100
    test.metadata["tags"] = ["skip-execution"]
    rebuilt = rebuild(filled, release, NAMES)
    told = " ".join(rebuilt.flags)
    assert "skip-execution" in told and "edited" in told and "points" in told
    kept = rebuilt.notebook.cells[find(rebuilt.notebook, "grade_attention")]
    assert kept == release.cells[find(release, "grade_attention")]


def test_the_last_definition_counts(filled, release):
    filled.cells.append(nbformat.v4.new_code_cell("def causal_mask(length): return 1"))
    rebuilt = rebuild(filled, release, NAMES)
    assert rebuilt.sources["causal_mask"] == "def causal_mask(length): return 1"
    assert any("2 cells" in repair for repair in rebuilt.repairs)


def test_only_what_follows_a_definition_takes_its_name(filled, release):
    cell = filled.cells[find(filled, "attention")]
    before = f"attention = None\n\n{cell.source}"
    for source, taken in ((before, False), (f"{before}\n\nattention = 7", True)):
        cell.source = source
        repairs = rebuild(filled, release, NAMES).repairs
        assert any("defined again" in told for told in repairs) == taken


@pytest.mark.parametrize(
    "code, names",
    [
        ("def f(): pass\nclass G: pass", {"f", "G"}),
        ("f = lambda: 1\ng: int = 2", {"f", "g"}),
        ("%%time\ndef f(): pass", {"f"}),
        ("if True:\n    def f(): pass", {"f"}),
        ("def f(:\n  pass", {"f"}),
        ("from a import b as c", {"c"}),
        ("class A:\n    def inner(self): pass", {"A"}),
    ],
)
def test_defined_names(code, names):
    assert defined_names(code) == names


def test_notebooks_are_read_by_many_threads_at_once():
    """CPython 3.11 parses wrongly where another thread gets in between."""
    import gc
    import time
    from concurrent.futures import ThreadPoolExecutor

    from autograder.grading.mending import parse
    from autograder.ready_made import read_uses

    lines = "def f{0}(a, b):\n    return [((a + {0}) * b[{0}]) for x in c if a and b]\n"
    source = "".join(lines.format(i) for i in range(30))

    def let_others(phase, info):
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(let_others)
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(4) as pool:
            trees = list(pool.map(parse, [source] * 60))
            uses = list(pool.map(lambda _: read_uses([source], ["f1"], []), range(8)))
    finally:
        gc.callbacks.remove(let_others)
        gc.set_threshold(*before)
    assert all(len(tree.body) == 30 for tree in trees) and uses == [[]] * 8
