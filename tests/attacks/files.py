"""What a hostile file tries: the notebook, its cells and its name, not its code."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import nbformat

Make = Callable[[nbformat.NotebookNode, Path, dict], None]
FILES: dict[str, tuple[str, Make]] = {}
NAME = "attention_head"


def attack(layer: str):
    """Registers `make(wrong notebook, folder, facts)`, which lays out a submission."""

    def register(make: Make) -> Make:
        FILES[make.__name__] = layer, make
        return make

    return register


def cells(notebook, prefix=""):
    for cell in notebook.cells:
        data = cell.metadata.get("nbgrader", {})
        if data and data.get("grade_id", "").startswith(prefix):
            yield cell, data


def write(notebook, folder: Path, name: str = f"{NAME}.ipynb") -> None:
    (folder / name).write_bytes(
        json.dumps(notebook, ensure_ascii=True).encode("utf-8", "backslashreplace")
    )


REBUILD = "rebuilding from the release"
READING = "reading, with limits"
COLLECT = "collecting: no link is followed, no pipe opened"


@attack(REBUILD)
def skipped_tests(notebook, folder, facts):
    for cell, _ in cells(notebook, "grade_"):
        cell.metadata["tags"] = ["skip-execution", "raises-exception", "hide-input"]
        cell.source = "12.0"
    write(notebook, folder)


@attack(REBUILD)
def more_points(notebook, folder, facts):
    for _, data in cells(notebook):
        data["points"] = 1000
        data["locked"] = False
        data["schema_version"] = 99
    write(notebook, folder)


@attack(REBUILD)
def edited_given_cells(notebook, folder, facts):
    for cell in notebook.cells:
        if cell.cell_type == "code" and "import keras" in cell.source:
            cell.source += "\ncheck = lambda *a: print('12 of 12'); ops.softmax = None"
    write(notebook, folder)


@attack(REBUILD)
def duplicated_ids(notebook, folder, facts):
    notebook.cells += [deepcopy(cell) for cell, _ in cells(notebook)]
    write(notebook, folder)


@attack(REBUILD)
def look_alike_ids(notebook, folder, facts):
    for _, data in cells(notebook, "grade_"):
        data["grade_id"] = data["grade_id"].replace("a", "\u0430")  # Cyrillic
    write(notebook, folder)


@attack(REBUILD)
def ids_of_other_types(notebook, folder, facts):
    for i, (_, data) in enumerate(cells(notebook)):
        data["grade_id"] = [None, 7, ["x"], {"a": 1}, "../../x", "\ud800"][i % 6]
    write(notebook, folder)


@attack(REBUILD)
def printed_scores(notebook, folder, facts):
    for cell, _ in cells(notebook, "grade_"):
        cell.outputs = [
            {
                "output_type": "execute_result",
                "execution_count": 1,
                "data": {"text/plain": "12.0"},
                "metadata": {},
            }
        ]
    write(notebook, folder)


@attack("escaping")
def html_everywhere(notebook, folder, facts):
    mark = "<script>document.title='HACKED'</script><iframe src=//e.invalid>"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = mark + "<img src=x onerror=\"document.title='HACKED'\">"
        cell.metadata["name"] = mark
    notebook.metadata["title"] = mark
    write(notebook, folder)


@attack(READING)
def surrogates_in_source(notebook, folder, facts):
    for cell, _ in cells(notebook, "attention"):
        cell.source = f"# \ud800 \udfff \u202e\n{cell.source}"
    write(notebook, folder)


@attack(COLLECT)
def link_to_the_solution(notebook, folder, facts):
    os.symlink(facts["SOLUTION"], folder / f"{NAME}.ipynb")


@attack(COLLECT)
def link_to_a_neighbour(notebook, folder, facts):
    os.symlink(facts["NEIGHBOUR"], folder / f"{NAME}.ipynb")


@attack(COLLECT)
def link_to_an_endless_file(notebook, folder, facts):
    os.symlink("/dev/zero", folder / f"{NAME}.ipynb")


@attack(COLLECT)
def folder_that_is_a_link(notebook, folder, facts):
    folder.rmdir()
    os.symlink(Path(facts["NEIGHBOUR"]).parent, folder)


@attack(COLLECT)
def pipe(notebook, folder, facts):
    os.mkfifo(folder / f"{NAME}.ipynb")


@attack(COLLECT)
def folder_named_as_the_file(notebook, folder, facts):
    (folder / f"{NAME}.ipynb").mkdir()


@attack(COLLECT)
def deep_folders(notebook, folder, facts):
    place = folder / "/".join(["d"] * 300)
    place.mkdir(parents=True)
    write(notebook, place)


@attack(READING)
def zip_that_climbs(notebook, folder, facts):
    with zipfile.ZipFile(folder / f"{NAME}.zip", "w") as archive:
        archive.writestr("../../../planted-by-a-student.ipynb", json.dumps(notebook))
        archive.writestr("/tmp/planted-by-a-student", "x")


@attack(READING)
def zip_bomb(notebook, folder, facts):
    with zipfile.ZipFile(folder / f"{NAME}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}.ipynb", bytes(300 << 20))


@attack(READING)
def deep_json(notebook, folder, facts):
    (folder / f"{NAME}.ipynb").write_text('{"cells": ' + "[" * 100_000)


@attack(READING)
def many_objects(notebook, folder, facts):
    text = '{"cells": [' + "{}," * 6_000_000 + "{}]}"
    (folder / f"{NAME}.ipynb").write_text(text)


@attack(READING)
def numbers_in_json(notebook, folder, facts):
    text = json.dumps(notebook)
    text = '{"x": ' + "9" * 5000 + ', "y": NaN, "z": 1e999, ' + text[1:]
    (folder / f"{NAME}.ipynb").write_text(text)


@attack(READING)
def deep_metadata(notebook, folder, facts):
    text = json.dumps(notebook)
    deep = '{"a":' * 900 + "1" + "}" * 900
    (folder / f"{NAME}.ipynb").write_text('{"m": ' + deep + ", " + text[1:])


@attack(READING)
def binary_rubbish(notebook, folder, facts):
    (folder / f"{NAME}.ipynb").write_bytes(bytes(range(256)) * 64)


# The folder's own name, which becomes the student's.
NAMES = {
    "name_with_html": "<img src=x onerror=document.title='HACKED'>",
    "name_with_escapes": "a\x1b[2J\x1b]0;HACKED\x07",
    "name_with_newlines": "a\nb\rc",
    "name_with_a_formula": "=HYPERLINK(1)",
    "name_that_turns": "a\u202eb\u2066",
    "name_that_climbs": "x\\..\\..\\y",
    "name_of_bytes": os.fsdecode(b"a\xff\xfe"),
    "name_of_a_template": "{{ 7*7 }}{% raise %}",
    "name_of_markup": "[bold red]x[bold] `code`",
    "name_too_long": "n" * 250,
}
