"""What a student reads when pressing “Validate”."""

import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest

from autograder.grading.cells import grade_id

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]


def validate(path):
    done = subprocess.run(
        [str(BIN / "nbgrader"), "validate", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
    )
    return done.stdout


def graded_cells_only(notebook):
    """Leaves out plots and trainings, which take their time and are not looked at."""
    kept = deepcopy(notebook)
    kept.cells = [c for c in kept.cells if grade_id(c)]
    for cell in kept.cells:
        if grade_id(cell) == "explain_scaling":
            cell.source = "Because."
    return kept


@pytest.mark.slow
@pytest.mark.parametrize("state", ["untouched", "wrong", "right"])
def test_validate_says_the_right_thing(state, tmp_path, release, filled):
    notebook = graded_cells_only(release if state == "untouched" else filled)
    if state == "wrong":
        for cell in notebook.cells:
            if grade_id(cell) == "attention_weights":
                cell.source += "\n\n_right = attention_weights\n\n\n"
                cell.source += "def attention_weights(query, key, mask=None):\n"
                cell.source += "    return 2 * _right(query, key, mask)\n"
    path = tmp_path / "attention_head.ipynb"
    nbformat.write(notebook, path)
    said = validate(path)
    if state == "right":
        assert "Success! Your notebook passes all the tests." in said
        return
    assert "VALIDATION FAILED" in said and "Success" not in said
    assert "Traceback" not in said and "checking.py" not in said
    if state == "untouched":
        assert "attention_weights: not written yet" in said
    else:
        assert 'check("attention_weights", attention_weights)' in said
        assert "checks pass. Next:" in said and "✗" in said
