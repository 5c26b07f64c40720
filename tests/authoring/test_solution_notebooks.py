"""Each solution notebook runs from top to bottom, figures, trainings and all."""

import re
import time

import pytest
from nbclient import NotebookClient

from autograder import exercises
from autograder.authoring.release import source_notebook
from autograder.course import load_course

COURSE = load_course()
# Trainings of minutes, shortened here; `make colab` runs them whole.
SHORTER = {
    "transformer": {
        "epochs=6": "epochs=1",
        "LENGTH, 24_000": "LENGTH, 1_600",
        "def pretrained(seed, epochs=3)": "def pretrained(seed, epochs=1)",
        "(32, 6000 // labels)": "(32, 1)",
        "(128, 3)": "(500, 1)",
    }
}


@pytest.mark.slow
@pytest.mark.parametrize("assignment", [a.name for a in COURSE.assignments])
def test_it_runs_and_every_check_is_green(assignment, tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # figures stand in the notebook
    asked = exercises.load(assignment)
    notebook = source_notebook(COURSE, assignment)
    for whole, part in SHORTER.get(assignment, {}).items():
        (cell,) = (c for c in notebook.cells if whole in c.source)
        cell.source = cell.source.replace(whole, part)
    start = time.monotonic()
    # A cell that raises ends it, with the cell and the traceback as the message.
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": tmp_path}},
    ).execute()
    print(f"{assignment}: {time.monotonic() - start:.0f} s from top to bottom")
    green = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output.output_type != "error"
            told = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            assert "Traceback" not in told
            found = re.match(r"(\w+): all \d+ checks pass", told)
            if found:
                green[found[1]] = True
    assert list(green) == [e.id for e in asked if not e.manual]
    figures = [c for c in notebook.cells if "plt.show()" in c.source]
    assert figures
    for cell in figures:
        assert any("image/png" in o.get("data", {}) for o in cell.outputs), cell.source
