"""A real browser opens what the attackers' pages became, and nothing executes."""

import json
import re
import shutil

import nbformat
import pytest

from autograder.gradebook.database import gradebook_id
from autograder.grading.collect import student_id

from . import corpus, files
from .conftest import STRONGEST, classes

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="no chromium here"),
]
strongest = classes(STRONGEST)
# In the given page the policy would stop scripts too; here escaping stands alone.
LIVE = "<p>1</p><script>document.title='HACKED'</script>"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield opened
        opened.close()


@pytest.fixture
def visit(browser):
    context = browser.new_context(bypass_csp=True, java_script_enabled=True)
    page = context.new_page()
    events = []
    page.on("dialog", lambda dialog: (events.append("dialog"), dialog.dismiss()))
    page.on("request", lambda request: events.append(request.url))

    def open_page(path):
        events.clear()
        page.goto(path.as_uri())
        page.wait_for_timeout(20)
        strangers = [e for e in events if not e.startswith((path.as_uri(), "data:"))]
        return page.title(), strangers

    yield open_page
    context.close()


def test_the_browser_would_show_it(visit, tmp_path):
    path = tmp_path / "live.html"
    path.write_text(LIVE)
    assert visit(path) == ("HACKED", [])


@strongest
def test_no_feedback_page_executes(attacked, visit):
    place = attacked.folder / "out" / "feedback"
    told = [*corpus.TEXTS, "file_html_everywhere"]
    told += [gradebook_id(student_id(name)) for name in files.NAMES.values()]
    hostile = [page for name in told for page in (place / name).rglob("*.html")]
    assert len(hostile) == len(told)
    reached = [p for p in hostile if "HACKED" in p.read_text(errors="replace")]
    assert len(reached) >= 3, "what was written does reach the pages"
    for path in hostile:
        title, strangers = visit(path)
        assert "HACKED" not in title and not strangers, path


@strongest
def test_the_class_page_does_not_execute(attacked, visit):
    (path,) = (attacked.folder / "out" / "reports").glob("*.html")
    title, strangers = visit(path)
    assert "HACKED" not in title and not strangers


@strongest
def test_no_autograded_notebook_executes(attacked, visit, tmp_path):
    """As nbgrader's formgrader shows them: through nbconvert, unsanitized."""
    from nbconvert import HTMLExporter

    place = attacked.folder / "out" / "autograded"
    # The frame's own files are not here; only what a student wrote is in question.
    exporter = HTMLExporter(template_name="basic")
    hostile = ["escapes_printed", "escapes_raised", "file_html_everywhere"]
    for student in hostile:
        (source,) = (place / student).rglob("*.ipynb")
        notebook = nbformat.read(source, as_version=4)
        path = tmp_path / f"{student}.html"
        path.write_text(exporter.from_notebook_node(notebook)[0])
        title, _ = visit(path)
        assert "HACKED" not in title, student


@strongest
def test_a_students_markdown_holds_no_tags(attacked):
    (path,) = (attacked.folder / "out" / "autograded" / "file_html_everywhere").rglob(
        f"{files.NAME}.ipynb"
    )
    for cell in json.loads(path.read_text())["cells"]:
        text = "".join(cell["source"])
        assert cell["cell_type"] == "code" or not re.search("<(script|iframe)", text)
