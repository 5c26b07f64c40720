"""`pack`: what it runs, what it says, what it writes. Never run on a live Colab."""

import json
import subprocess
import sys
import time
import types
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest

from autograder.grading.cells import grade_id
from autograder.grading.reading import read_notebook
from autograder.grading.receipts import read_receipt
from autograder.student import packing
from autograder.student.fresh_run import PACKING, FreshRun, run_fresh

ROOT = Path(__file__).parents[2]
NAME = "attention_head"


def fresh(cells, folder, seconds=120):
    seen = []
    ran = run_fresh(cells, NAME, folder, seconds, lambda *told: seen.append(told))
    return ran, seen


@pytest.fixture
def notebook(filled, tmp_path):
    """A right notebook's file, without what only takes time."""
    filled.cells = [
        cell
        for cell in filled.cells
        if cell.cell_type == "markdown"
        or grade_id(cell)
        or cell.id in ("setup", "pack")
    ]
    answer = next(c for c in filled.cells if c.source == packing.EMPTY)
    answer.source = "Because."
    path = tmp_path / f"{NAME}.ipynb"
    nbformat.write(filled, path)
    return path


@pytest.fixture
def quick(monkeypatch):
    """Takes every notebook for one that ran."""
    ran = FreshRun(outcome="complete", versions={"keras": "3"})
    monkeypatch.setattr(packing, "run_fresh", lambda *_: ran)
    return ran


@pytest.mark.slow
def test_the_command_runs_it_and_writes_a_receipt_that_matches(notebook):
    command = [sys.executable, "-m", "autograder", "pack", notebook.name]
    done = subprocess.run(
        command, cwd=notebook.parent, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    packed = Path("handin", notebook.name)
    assert f"Packed: hand in {packed}" in done.stdout
    assert "4 of 4 exercises pass" in done.stdout
    data = (notebook.parent / packed).read_bytes()
    told = read_receipt(read_notebook(data, "a.ipynb")[0], NAME)
    assert (told.status, told.run, told.passed) == ("matches", "complete", 4)
    assert told.versions["keras"] and told.versions["python"]
    assert sorted(p.name for p in notebook.parent.iterdir()) == [
        notebook.name,
        "handin",
    ]
    kept = json.loads(data)
    assert kept["metadata"].pop("autograder")
    assert kept == json.loads(notebook.read_text())


@pytest.mark.slow
def test_a_starter_notebook_is_packed_and_told_what_is_missing(release, tmp_path):
    release = deepcopy(release)
    release.cells = [c for c in release.cells if grade_id(c) or c.id == "pack"]
    path = tmp_path / "renamed by me.ipynb"
    release.nbformat_minor = 4
    for cell in release.cells:
        cell.pop("id", None)  # as Colab writes them
    path.write_text(json.dumps(release))
    packed = packing.pack_file(path)
    assert packed.path.name == f"{NAME}.ipynb" and packed.path.is_file()
    told = repr(packed)
    for id in ("attention_weights", "attention", "causal_mask", "attention_head"):
        assert f"{id}: not written yet." in told
    assert "explain_scaling: the answer in words" in told
    assert len(told.splitlines()) <= 12


def test_cells_that_raise_are_told_and_the_rest_runs(tmp_path):
    cells = ["1/0", "%matplotlib inline\nopen('made', 'w').close()", "input()"]
    ran, _ = fresh([*cells, "import os; os._exit(3)"], tmp_path)
    assert (ran.outcome, ran.last_cell) == ("ended", 4)
    assert [number for number, *_ in ran.failed] == [1, 3]
    assert (tmp_path / "made").exists()
    told = " ".join(ran.warnings())
    assert (
        "ended at code cell 4" in told and "cell 1 of the fresh run raised Zero" in told
    )


def test_an_unwritten_exercise_is_no_error_and_what_waits_for_it_neither(tmp_path):
    cells = ["raise NotImplementedError('f')", "f(1)", "import os; os._exit(0)"]
    ran, _ = fresh(cells, tmp_path)
    assert [unwritten for *_, unwritten in ran.failed] == [True, True]


def test_an_endless_cell_is_ended_with_all_that_it_started(tmp_path):
    code = "import subprocess, sys, os, time\n"
    code += (
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    )
    code += "\nopen('pid', 'w').write(str(p.pid))\nwhile True: time.sleep(0.1)"
    start = time.monotonic()
    ran, seen = fresh(["2", code], tmp_path, seconds=6)
    assert ran.outcome == "timeout" and time.monotonic() - start < 60
    assert "still at code cell 2" in " ".join(ran.warnings())
    assert seen[:2] == [(0, 2), (1, 2)]
    pid = int((tmp_path / "pid").read_text())
    for _ in range(50):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or ") Z" in state.read_text():
            return
        time.sleep(0.1)
    pytest.fail("what the cell started is still there")


def test_an_interrupted_run_is_packed_all_the_same(notebook, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, "_show_progress", interrupt)
    packed = packing.pack_file(notebook)
    assert packed.path.is_file() and "interrupted" in packed.warnings[0]


# --- in the notebook --------------------------------------------------------------


def test_it_finds_the_notebook_that_calls(notebook, quick, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(notebook.parent)
    assert packing.pack(NAME).path == Path("handin", notebook.name)
    assert packing.pack().path == Path("handin", notebook.name)
    other = notebook.rename(notebook.with_name("mine (1).ipynb"))
    monkeypatch.setenv("JPY_SESSION_NAME", str(other))
    assert packing.pack(NAME).path == Path("handin", f"{NAME}.ipynb")


def test_what_cannot_be_packed_is_told_in_a_sentence(tmp_path, quick, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "was not found" in repr(packing.pack(NAME))
    for name, text in (
        ("a", "{"),
        ("b", "[]"),
        ("c", '{"cells": 1}'),
        ("d", "[" * 9999),
    ):
        path = tmp_path / f"{name}.ipynb"
        path.write_text(text)
        with pytest.raises(packing.PackError, match="no notebook that can be read"):
            packing.pack_file(path)
    path.write_text('{"cells": [1, {"source": 3}, {"metadata": 1, "source": ["x"]}]}')
    with pytest.raises(packing.PackError, match="None of the course's exercises"):
        packing.pack_file(path)
    assert packing.main([str(path)]) == 2 and packing.main([str(tmp_path / "no")]) == 2
    assert not (tmp_path / "handin").exists()


@pytest.mark.parametrize("name", [PACKING, "NBGRADER_EXECUTION"])
def test_it_does_nothing_while_a_program_runs_the_notebook(notebook, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    monkeypatch.chdir(notebook.parent)
    assert "Not packed" in repr(packing.pack(NAME))
    assert not (notebook.parent / "handin").exists()


def test_what_ran_and_is_not_saved_is_told(notebook, quick, monkeypatch):
    shell = types.SimpleNamespace(
        user_ns={"In": ["", "def causal_mask(n):\n  return 1"]}
    )
    monkeypatch.setattr(packing, "_shell", lambda: shell)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(notebook.parent)
    assert "causal_mask as you ran it last" in packing.pack(NAME).warnings[0]
    saved = nbformat.read(notebook, as_version=4)
    saved.cells.append(nbformat.v4.new_code_cell(shell.user_ns["In"][1]))
    nbformat.write(saved, notebook)
    assert packing.pack(NAME).warnings == []


def test_the_card_is_inert():
    card = packing.Packed(
        Path("<b>.ipynb"), [], ["<script>alert(1)</script>"], "0" * 64
    )
    html = card._repr_html_()
    assert "<script" not in html and "<b>.ipynb" not in html and "role=" in html


# --- Colab, by stand-ins for its two calls ------------------------------------------


@pytest.fixture
def colab(notebook, monkeypatch, tmp_path):
    """Stands in for google.colab; the tests' own list of what was downloaded."""
    tree, downloaded = json.loads(notebook.read_text()), []
    notebook.unlink()
    message = types.ModuleType("google.colab._message")
    message.blocking_request = lambda *_, **__: {"ipynb": tree}
    files = types.ModuleType("google.colab.files")
    files.download = downloaded.append
    package = types.ModuleType("google.colab")
    package._message, package.files = message, files
    for module in (types.ModuleType("google"), package, message, files):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    return types.SimpleNamespace(message=message, files=files, got=downloaded)


def test_on_colab_the_page_gives_the_notebook_and_gets_the_file(colab, quick):
    packed = packing.pack(NAME)
    assert packed.path.is_file() and colab.got == [str(packed.path)]


def test_where_colab_refuses_it_says_what_to_do(colab, quick, capsys):
    def refuse(*_, **__):
        raise RuntimeError("no page")

    colab.files.download = refuse
    assert packing.pack(NAME).path.is_file()
    assert "open Files on the left" in capsys.readouterr().out
    for reply in (refuse, lambda *_, **__: None, lambda *_, **__: {"ipynb": {}}):
        colab.message.blocking_request = reply
        assert "Colab did not hand over" in repr(packing.pack(NAME))
