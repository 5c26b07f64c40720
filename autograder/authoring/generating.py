"""The students' notebook by nbgrader's generator: `autograder build` and formgrader.

nbgrader clears the solutions, locks cells and enters them into the gradebook. What is
ours stands in its list of preprocessors and its writer, so that whoever presses the
button, and wherever, the same bytes come out.
"""

from __future__ import annotations

import json

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets.config import Config

from autograder import exercises

STUB = "raise NotImplementedError()"
NBGRADERS = "nbgrader.preprocessors"
HERE = "autograder.authoring.generating"


def configure(config: Config) -> None:
    """Sets nbgrader's generator up for this course."""
    config.ClearSolutions.code_stub = {"python": STUB}
    config.GenerateAssignment.exporter_class = f"{HERE}.ReleaseExporter"
    config.GenerateAssignment.preprocessors = [
        f"{NBGRADERS}.LockCells",
        f"{NBGRADERS}.ClearSolutions",
        f"{NBGRADERS}.ClearOutput",
        f"{HERE}.NameStubs",
        f"{NBGRADERS}.CheckCellMetadata",
        f"{NBGRADERS}.ComputeChecksums",
        f"{NBGRADERS}.SaveCells",
        f"{NBGRADERS}.CheckCellMetadata",
    ]


class NameStubs(NbGraderPreprocessor):
    """Names each stub after its exercise; drops what varies between machines."""

    def preprocess(self, nb, resources):
        asked = exercises.load(resources["nbgrader"]["assignment"])
        names = {exercise.id for exercise in asked if not exercise.manual}
        for cell in nb.cells:
            id = cell.metadata.get("nbgrader", {}).get("grade_id")
            if cell.cell_type == "code" and id in names:
                stub = f'raise NotImplementedError("{id}: write this part.")'
                cell.source = cell.source.replace(STUB, stub)
        nb.metadata["language_info"] = {"name": "python"}
        nb.nbformat, nb.nbformat_minor = 4, 5
        return nb, resources


class ReleaseExporter(NotebookExporter):
    """Writes a release notebook so that equal ones have equal bytes."""

    def from_notebook_node(self, nb, resources=None, **kwargs):
        text, resources = super().from_notebook_node(nb, resources, **kwargs)
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
        return as_text(notebook), resources


def as_text(notebook) -> str:
    """Returns a notebook as the text of its file."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
