"""A student's way through `attention_head`, from the bundle, in a real browser.

AUTOGRADER_SCREENSHOTS=FOLDER runs it and keeps the pictures of the way. Cells that only
train and draw are left out of the notebook: the solution notebooks' own test runs them.
"""

import json

import nbformat
import pytest

from autograder.authoring import bundle as bundling
from autograder.course import load_course
from autograder.grading.cells import grade_id
from autograder.grading.reading import read_notebook
from autograder.grading.receipts import read_receipt

pytestmark = pytest.mark.slow

NAME = "attention_head"
WRONG = """
def attention_weights(query, key, attention_mask=None):
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
    if attention_mask is not None:
        scores = ops.where(attention_mask, scores, -1e9)
    return ops.softmax(scores)
"""
IDLE = "Python 3 (ipykernel) | Idle"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The bundle; its notebook without what only takes time."""
    course = load_course()
    committed = {a.name: course.release(a.name).read_text() for a in course.assignments}
    monkeypatch.setattr(bundling, "release_text", lambda _, name: committed[name])
    bundling.bundle(course, tmp_path / "course")
    path = tmp_path / "course" / "assignments" / NAME / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    kept = ("setup", "pack", "hand-in")
    notebook.cells = [c for c in notebook.cells if grade_id(c) or c.id in kept]
    nbformat.write(notebook, path)
    return tmp_path / "course"


def run(page, cell):
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")


def write(page, cell, text):
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text.strip())
    page.keyboard.press("Shift+Enter")


def theme(page, name):
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator('.lm-Menu-item[data-type="submenu"]', has_text="Theme").first.click()
    page.locator(".lm-Menu-item", has_text=name).first.click()
    page.wait_for_timeout(800)


def test_wrong_answer_hint_right_answer_pack(page, shoot, folder, lab, solutions):
    address, _ = lab
    page.set_default_timeout(90_000)
    path = folder / "assignments" / NAME / f"{NAME}.ipynb"
    page.goto(f"{address}/lab/tree/assignments/{NAME}/{NAME}.ipynb?reset")
    page.get_by_text(IDLE).first.wait_for()
    cells = page.locator(".jp-Notebook .jp-Cell")
    cells.first.locator(".jp-Placeholder").wait_for()  # its code is hidden
    shoot("opens")

    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run Selected Cell", exact=True).first.click()
    output = cells.first.locator(".jp-OutputArea")
    output.get_by_text("Ready: course package").wait_for()
    assert "T4 GPU" in output.inner_text()
    shoot("set_up")
    run(page, cells.filter(has_text="import matplotlib").last)

    stub = cells.filter(has_text="def attention_weights").first
    check = cells.filter(has_text='check("attention_weights"').first
    write(page, stub, WRONG)
    run(page, check)
    card = check.locator(".ag").first
    card.wait_for()
    assert "Well done" not in card.inner_text()
    card.scroll_into_view_if_needed()
    shoot("wrong")
    theme(page, "JupyterLab Dark")
    shoot("wrong_dark")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+B")  # puts the list of files away
    page.set_viewport_size({"width": 390, "height": 844})
    card.scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    card.scroll_into_view_if_needed()
    shoot("wrong_phone")
    page.keyboard.press("Control+B")
    page.set_viewport_size({"width": 1400, "height": 1000})
    theme(page, "JupyterLab Light")

    check.locator(".cm-content").click()
    for key in ("Escape", "b", "Enter"):  # a cell of their own below
        page.keyboard.press(key)
    page.keyboard.insert_text('hint("attention_weights")')
    page.keyboard.press("Shift+Enter")
    hint = page.locator(".jp-OutputArea").get_by_text("Hint 1 of").first
    hint.wait_for()
    hint.scroll_into_view_if_needed()
    shoot("hint")
    for exercise, source in solutions.items():
        lines = [x for x in source.splitlines() if "SOLUTION" not in x]
        made = "class AttentionHead" if exercise == NAME else f"def {exercise}("
        cell = cells.filter(has_text=made).first
        write(page, cell, "\n".join(lines))
        check = cells.filter(has_text=f'check("{exercise}"').first
        run(page, check)
        check.get_by_text("Well done").wait_for()
    check.scroll_into_view_if_needed()
    shoot("right")

    saved_before = path.read_text()
    pack = cells.filter(has_text=f'pack("{NAME}")').last
    run(page, pack)
    told = pack.get_by_text("Packed: hand in")
    told.wait_for()
    told.scroll_into_view_if_needed()
    shoot("packed")
    assert path.read_text() != saved_before, "the browser did not save when asked to"
    assert "4 of 4 exercises pass" in pack.inner_text()
    assert "not in the saved file" not in pack.inner_text()
    assert "explain_scaling: the answer in words" in pack.inner_text()
    packed = (path.parent / "handin" / path.name).read_bytes()
    receipt = read_receipt(read_notebook(packed, path.name)[0], NAME)
    assert (receipt.status, receipt.passed) == ("matches", 4)
    assert json.loads(packed)["cells"][0]["metadata"]["cellView"] == "form"
    theme(page, "JupyterLab Dark")
    told.scroll_into_view_if_needed()
    shoot("packed_dark")
