"""Instructor, student and TA walk through JupyterLab in a real browser.

AUTOGRADER_SCREENSHOTS=FOLDER runs it and keeps the pictures of the way. Without, it is
skipped: it trains what the notebook trains, in minutes that a busy machine doubles.
"""

import shutil
from pathlib import Path

import nbformat
import pytest

from autograder.grading.cells import grade_id

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NAME, EXERCISE = "attention_head", "attention_weights"


@pytest.fixture
def folder(tmp_path):
    """A course of one assignment, not yet generated."""
    for file in ("course.toml", "nbgrader_config.py"):
        shutil.copy(ROOT / file, tmp_path)
    shutil.copytree(ROOT / "solutions" / NAME, tmp_path / "solutions" / NAME)
    return tmp_path


def open_formgrader(page):
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.get_by_role("menuitem", name="Formgrader").click()
    return page.frame_locator("iframe").last


def press(frame, cell):
    """Presses an icon of formgrader's table; waits until it says that all is well."""
    frame.locator(f"{cell} a").first.click()
    done = frame.locator(".modal.in, .modal.show").first
    done.wait_for()
    title = done.locator(".modal-title").inner_text()
    assert title == "Success", done.inner_text()
    # Bootstrap's fading dialogs sometimes ignore a click that comes too soon.
    frame.locator(".modal .close").first.click(delay=300)
    frame.locator(".modal, .modal-backdrop").first.wait_for(state="detached")


def write(page, cell, text):
    """Replaces a notebook cell's text, as one does by select all and paste."""
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)


def test_a_course_from_generating_to_feedback(page, shoot, folder, lab, solutions):
    release = folder / "assignments" / NAME / f"{NAME}.ipynb"

    # The instructor generates.
    form = open_formgrader(page)
    form.locator("td.name", has_text=NAME).wait_for()
    shoot("instructor_assignments")
    press(form, "td.assign")
    assert (
        release.read_bytes()
        == (ROOT / "assignments" / NAME / release.name).read_bytes()
    )

    # A student opens the release, writes one exercise, and checks it.
    home = folder / "students" / "ana"
    home.mkdir(parents=True)
    mine = shutil.copy(release, home / release.name)
    address, _ = lab
    page.goto(f"{address}/lab/tree/students/ana/{release.name}?reset")
    cells = page.locator(".jp-Notebook .jp-Cell")
    page.get_by_text("Kernel status: Idle").wait_for(state="attached")
    shoot("student_opens")
    stub = cells.filter(has_text=f'NotImplementedError("{EXERCISE}').first
    lines = solutions[EXERCISE].splitlines()
    write(page, stub, "\n".join(line for line in lines if "SOLUTION" not in line))
    check = cells.filter(has_text=f'check("{EXERCISE}"').first
    check.locator(".cm-content").click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Above Selected Cell", exact=True).click()
    check.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    card = check.locator(".ag")
    card.wait_for()
    assert "Well done" in card.inner_text()
    color = card.evaluate("card => getComputedStyle(card).borderLeftColor")
    assert color == "rgb(27, 138, 90)", "green"
    card.scroll_into_view_if_needed()
    shoot("student_check")

    # Validates, which saves by itself; of two saves at once JupyterLab asks about one.
    page.get_by_role("button", name="Validate").click()
    dialog = page.locator(".jp-Dialog")
    dialog.wait_for()
    told = dialog.inner_text()
    assert "Validation Results" in told, told
    assert f'check("{EXERCISE}"' not in told, "what is right is not complained of"
    assert 'check("attention"' in told and "not written yet" in told
    assert "Traceback" not in told
    shoot("student_validates")
    dialog.get_by_role("button", name="OK").click()

    # Handed in: with an answer in words.
    notebook = nbformat.read(mine, as_version=4)
    for cell in notebook.cells:
        if grade_id(cell) == "explain_scaling":
            cell.source = "Dividing by the root keeps the softmax from saturating."
    place = folder / "submitted" / "ana" / NAME
    place.mkdir(parents=True)
    nbformat.write(notebook, place / release.name)

    # The TA grades it, reads the answer, and gives points.
    page.goto(f"{address}/lab?reset")
    form = open_formgrader(page)
    row = form.locator("tr", has=form.locator("td.name", has_text=NAME))
    row.locator("td.num-submissions a").click()
    form.locator("td.student-id", has_text="ana").wait_for()
    press(form, "td.autograde")
    form.locator("td.status", has_text="needs manual grading").wait_for()
    shoot("ta_autograded")
    form.get_by_role("link", name="Manual Grading").click()
    form.get_by_role("link", name=NAME).first.click()
    form.get_by_role("link", name=NAME).first.click()
    with page.expect_response(lambda answer: "/api/grades?" in answer.url):
        form.get_by_role("link", name="Submission #1").click()
    form.locator("#explain_scaling_extra_credit[placeholder]").wait_for()
    points = form.locator("#explain_scaling")
    points.fill("1.5")
    with page.expect_response(lambda answer: "/api/grade/" in answer.url):
        points.press("Tab")
    shoot("ta_grades_the_answer")

    # Feedback.
    page.goto(f"{address}/lab?reset")
    form = open_formgrader(page)
    row = form.locator("tr", has=form.locator("td.name", has_text=NAME))
    row.locator("td.num-submissions a").click()
    form.locator("td.status", has_text="graded").wait_for()
    total = form.locator("td.score").first.inner_text()
    press(form, "td.generate-feedback")
    shoot("ta_feedback")
    page.goto(f"{address}/lab/tree/feedback/ana/{NAME}/{NAME}.html?reset")
    feedback = page.frame_locator(".jp-HTMLViewer iframe").first
    head = feedback.locator(".panel-heading h4").first.inner_text()
    assert f"Score: {float(total.split('/')[0])}" in head
    shoot("feedback")
    mark = feedback.locator(f"a[name=grade_{EXERCISE}]")
    mark.evaluate("mark => mark.scrollIntoView()")
    assert "3 of 3 points" in feedback.locator("body").inner_text()
    shoot("feedback_exercise")
