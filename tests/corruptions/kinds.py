"""What happens to notebooks on their way back: corruptions by name.

A corruption of a notebook changes its tree in place; one of a file turns its text into
bytes. Both keep the student's code alive, so that the score has to stay. What cannot
be graded stands in `test_lost.py`.
"""

from __future__ import annotations

import gzip
import html
import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell


@dataclass(frozen=True)
class Kind:
    """One corruption."""

    name: str
    spoil: Callable
    silent: bool = False
    """Nothing needs mending, so nothing has to be reported."""
    alone: bool = False
    """It cannot be combined with others: they would meet in the same cell."""
    slow: bool = False
    """Grading it takes seconds, for a cell that does not end."""


NOTEBOOKS: dict[str, Kind] = {}
FILES: dict[str, Kind] = {}


def notebook(**marks):
    def register(function):
        NOTEBOOKS[function.__name__] = Kind(function.__name__, function, **marks)
        return function

    return register


def file(**marks):
    def register(function):
        FILES[function.__name__] = Kind(function.__name__, function, **marks)
        return function

    return register


class Copy:
    """A filled notebook that may be spoiled, and what is known of it."""

    def __init__(self, tree, release, names):
        self.tree, self.release, self.names = tree, release, names
        self.ids = list(names)

    @property
    def cells(self):
        return self.tree.cells

    def places(self, role="exercise"):
        """Returns where the exercise, `given` or `grade` cells are."""
        return [
            i
            for i, cell in enumerate(self.cells)
            if id_of(cell)
            and (
                id_of(cell) in self.names
                if role == "exercise"
                else id_of(cell).startswith(f"{role}_")
            )
        ]

    def place(self, number=0):
        """Returns where an exercise's cell is, found by its words."""
        name = self.names[self.ids[number]][0]
        pattern = re.compile(rf"^\s*(def|class) {name}\b", re.MULTILINE)
        found = [i for i, c in enumerate(self.cells) if pattern.search(c.source)]
        written = [i for i in found if "NotImplemented" not in self.cells[i].source]
        return (written or found)[-1]

    def cell(self, number=0):
        return self.cells[self.place(number)]

    def name(self, number=0):
        return self.names[self.ids[number]][0]

    @property
    def layer(self):
        """The number of the exercise that is a class."""
        return next(i for i in range(len(self.ids)) if self.name(i)[0].isupper())

    def above(self, source, number=0):
        self.cells.insert(self.place(number), new_code_cell(source))

    def below(self, source, number=0):
        self.cells.insert(self.place(number) + 1, new_code_cell(source))

    def everywhere(self, source):
        for i in sorted({0, self.place(0), self.place(1), len(self.cells)})[::-1]:
            self.cells.insert(i, new_code_cell(source))


def id_of(cell):
    data = cell.metadata.get("nbgrader")
    return data.get("grade_id") if isinstance(data, dict) else None


def is_python(cell):
    return cell.cell_type == "code" and cell.source.strip()


# --- metadata ---------------------------------------------------------------------


@notebook()
def metadata_lost(copy):
    for cell in copy.cells:
        cell.metadata = {}


@notebook()
def metadata_of_one_lost(copy):
    copy.cell(1).metadata = {}


@notebook()
def metadata_null(copy):
    for cell in copy.cells:
        cell.metadata = {"nbgrader": None, "tags": None}


@notebook(silent=True)
def metadata_of_other_types(copy):
    for cell in copy.cells:
        cell.metadata.update(tags="a,b", collapsed="yes", slideshow=[1, 2])
    copy.tree.metadata = {"kernelspec": [], "language_info": "python"}


@notebook()
def ids_altered(copy):
    for place in copy.places():
        copy.cells[place].metadata["nbgrader"]["grade_id"] = f"cell-{place:08x}"


@notebook(alone=True)
def ids_swapped(copy):
    a, b = copy.cell(0), copy.cell(1)
    a.metadata, b.metadata = b.metadata, a.metadata


@notebook(alone=True)
def ids_all_alike(copy):
    for place in copy.places():
        copy.cells[place].metadata["nbgrader"]["grade_id"] = copy.ids[0]


@notebook(alone=True)
def ids_that_look_alike(copy):
    for place in copy.places():
        data = copy.cells[place].metadata["nbgrader"]
        data["grade_id"] = data["grade_id"].replace("a", "\u0430")  # Cyrillic


@notebook(alone=True)
def id_on_another_cell(copy):
    """The exercise's id sits on a plot, the code in a cell without one."""
    cell = copy.cell(0)
    stray = new_code_cell("print('a plot')", metadata=cell.metadata)
    cell.metadata = {}
    copy.cells.append(stray)


@notebook(silent=True)
def cell_ids_missing_or_twice(copy):
    for cell in copy.cells[::2]:
        cell.pop("id", None)
    for cell in copy.cells[1::2]:
        cell["id"] = "same"


@notebook(silent=True)
def kernelspec_missing(copy):
    copy.tree.metadata = {}


@notebook(silent=True)
def kernel_of_another_language(copy):
    copy.tree.metadata["kernelspec"] = {"name": "ir", "language": "R"}
    copy.tree.metadata["language_info"] = {"name": "R"}


# --- other editors ----------------------------------------------------------------


@notebook(silent=True)
def colab(copy):
    """Colab: cell ids move into the metadata, outputs get ids, the minor becomes 0."""
    copy.tree.nbformat_minor = 0
    copy.tree.metadata["colab"] = {"provenance": [{"file_id": "1aB"}], "gpuType": "T4"}
    for number, cell in enumerate(copy.cells):
        cell.pop("id", None)
        cell.metadata["id"] = f"Qx{number:010d}"
        if cell.cell_type == "code":
            cell.metadata["colab"] = {"base_uri": "https://localhost:8080/"}
            cell.metadata["outputId"] = "9f3c2f5e"
            cell.metadata["executionInfo"] = {
                "status": "ok",
                "timestamp": 1700000000000,
                "user": {"displayName": "A. Student", "userId": "1"},
            }
            cell.outputs = [{"output_type": "stream", "name": "stdout", "text": ["x"]}]


@notebook()
def colab_without_nbgrader(copy):
    colab(copy)
    for cell in copy.cells:
        cell.metadata.pop("nbgrader", None)


@notebook(silent=True)
def kaggle(copy):
    copy.tree.metadata["kaggle"] = {"accelerator": "gpu", "dataSources": []}
    for cell in copy.cells:
        cell.metadata.update(_uuid="8f2839f2", _cell_guid="b1076dfc", trusted=True)


@notebook()
def deepnote(copy):
    copy.tree.metadata["deepnote_notebook_id"] = "4f"
    for number, cell in enumerate(copy.cells):
        cell.metadata = {"cell_id": f"{number:04d}", "deepnote_cell_type": "code"}


@notebook()
def vs_code(copy):
    copy.tree.metadata = {"orig_nbformat": 4}
    for cell in copy.cells:
        cell.metadata = {"vscode": {"languageId": "python"}}


@notebook(silent=True)
def widgets_and_attachments(copy):
    copy.tree.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"state": {"a": {}}}
    }
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell["attachments"] = {"image.png": {"image/png": "iVBORw0KGgo="}}


@notebook(silent=True)
def outputs_with_errors(copy):
    for number, cell in enumerate(copy.cells):
        if cell.cell_type == "code":
            cell.execution_count = 100 - number
            cell.outputs = [
                {
                    "output_type": "error",
                    "ename": "NameError",
                    "evalue": "name 'x' is not defined",
                    "traceback": ["\x1b[31mNameError\x1b[0m"],
                }
            ]


# --- cells moved, deleted, doubled ------------------------------------------------


@notebook(silent=True)
def cells_reversed(copy):
    copy.cells.reverse()


@notebook(silent=True)
def solutions_at_the_end(copy):
    for number in range(len(copy.ids)):
        copy.cells.append(copy.cells.pop(copy.place(number)))


@notebook(silent=True)
def solutions_at_the_top(copy):
    for number in range(len(copy.ids))[::-1]:
        copy.cells.insert(0, copy.cells.pop(copy.place(number)))


@notebook(silent=True)
def tests_deleted(copy):
    for place in copy.places("grade")[::-1]:
        del copy.cells[place]


@notebook(silent=True)
def given_deleted(copy):
    for place in copy.places("given")[::-1]:
        del copy.cells[place]


@notebook()
def text_deleted(copy):
    copy.tree.cells = [c for c in copy.cells if c.cell_type != "markdown"]


@notebook()
def only_solutions_left(copy):
    copy.tree.cells = [copy.cell(i) for i in range(len(copy.ids))]


@notebook()
def given_edited(copy):
    for place in copy.places("given"):
        copy.cells[place].source += "\nimport math"


@notebook(silent=True)
def empty_cells(copy):
    copy.everywhere("")
    copy.everywhere("   \n\n")


@notebook(alone=True)
def solution_in_the_test_cell(copy):
    place = copy.place(0)
    source = copy.cells[place].source
    del copy.cells[place]
    copy.cells[copy.places("grade")[0]].source = source


@notebook(alone=True)
def solution_in_a_given_cell(copy):
    place = copy.place(0)
    source = copy.cells[place].source
    del copy.cells[place]
    copy.cells[copy.places("given")[0]].source += f"\n\n\n{source}"


@notebook()
def solution_pasted_elsewhere(copy):
    """The exercise's cell keeps the starter code."""
    place = copy.place(1)
    source = copy.cells[place].source
    starter = next(c for c in copy.release.cells if id_of(c) == copy.ids[1])
    copy.cells[place].source = starter.source
    copy.cells.append(new_code_cell(source))


@notebook(silent=True)
def starter_above(copy):
    starter = next(c for c in copy.release.cells if id_of(c) == copy.ids[0])
    copy.above(starter.source)


@notebook(silent=True)
def starter_below(copy):
    starter = next(c for c in copy.release.cells if id_of(c) == copy.ids[0])
    copy.below(starter.source.replace("#", "# so:"))


@notebook(alone=True, silent=True)
def starter_below_in_the_same_cell(copy):
    starter = next(c for c in copy.release.cells if id_of(c) == copy.ids[0])
    copy.cell(0).source += "\n\n\n" + starter.source


@notebook(alone=True, silent=True)
def starter_below_without_its_docstring(copy):
    name = copy.name(0)
    signature = re.search(rf"def {name}\(.*?\):", copy.cell(0).source, re.DOTALL)
    copy.below(f"{signature.group()}\n    # TODO\n    raise NotImplementedError()")


@notebook()
def release_appended(copy):
    copy.cells.extend(deepcopy(copy.release.cells))


@notebook()
def release_before(copy):
    copy.cells[:0] = deepcopy(copy.release.cells)


@notebook()
def notebook_twice(copy):
    copy.cells.extend(deepcopy(copy.cells))


@notebook(alone=True)
def old_attempt_above(copy):
    """Alone: where cells change places, the older attempt may be the last one."""
    copy.above(f"def {copy.name(0)}(*args, **kwargs):\n    return None")


# --- cells split, merged, retyped -------------------------------------------------


@notebook(alone=True)
def two_merged(copy):
    a, b = copy.place(0), copy.place(1)
    copy.cells[a].source += "\n\n\n" + copy.cells[b].source
    del copy.cells[b]


@notebook(alone=True)
def all_merged(copy):
    sources = [copy.cell(i).source for i in range(len(copy.ids))]
    given = [copy.cells[i].source for i in copy.places("given")]
    copy.tree.cells = [new_code_cell("\n\n\n".join([*given, *sources]))]


@notebook(alone=True, slow=True)
def whole_notebook_in_one_cell(copy):
    """With the plots and trainings, which take longer than a cell may."""
    sources = [c.source for c in copy.cells if is_python(c)]
    sources.insert(2, "import time\nwhile True:\n    time.sleep(0.1)")
    copy.tree.cells = [new_code_cell("\n\n\n".join(sources))]


@notebook(alone=True, silent=True)
def merged_with_its_check(copy):
    place = copy.place(0)
    copy.cells[place].source += "\n\n" + copy.cells[place + 1].source
    del copy.cells[place + 1]


def halves(copy, number, wanted):
    """Cuts an exercise's cell before the lines that `wanted` picks."""
    place = copy.place(number)
    cell = copy.cells[place]
    lines, parts = cell.source.split("\n"), [[]]
    for i, line in enumerate(lines):
        if i and wanted(line, i):
            parts.append([])
        parts[-1].append(line)
    assert len(parts) > 1
    made = [new_code_cell("\n".join(part)) for part in parts]
    made[0].metadata = cell.metadata
    copy.cells[place : place + 1] = made


@notebook(alone=True)
def class_split_at_its_methods(copy):
    halves(copy, copy.layer, lambda line, i: line.startswith("    def "))


@notebook(alone=True)
def function_split_at_its_end(copy):
    last = max(
        i for i, x in enumerate(copy.cell(0).source.split("\n")) if "return" in x
    )
    halves(copy, 0, lambda line, i: i == last)


@notebook(alone=True)
def split_in_the_docstring(copy):
    halves(copy, 1, lambda line, i: line.strip().startswith("Returns:"))


@notebook(alone=True)
def decorator_in_a_cell_of_its_own(copy):
    halves(copy, copy.layer, lambda line, i: line.startswith("class "))


@notebook(alone=True)
def split_with_text_between(copy):
    class_split_at_its_methods(copy)
    for place in range(copy.place(copy.layer) + 1, copy.place(copy.layer) + 4, 2):
        copy.cells.insert(place, new_markdown_cell("and then"))


@notebook(alone=True)
def code_in_text(copy):
    place = copy.place(0)
    text = f"My solution:\n\n```python\n{copy.cells[place].source}\n```\n"
    copy.cells[place] = new_markdown_cell(text, metadata=copy.cells[place].metadata)


@notebook(alone=True)
def code_in_text_without_a_fence(copy):
    place = copy.place(0)
    cell = copy.cells[place]
    copy.cells[place] = new_markdown_cell(cell.source, metadata=cell.metadata)


@notebook(alone=True)
def code_in_a_raw_cell(copy):
    place = copy.place(0)
    copy.cells[place] = new_raw_cell(copy.cells[place].source)


@notebook(silent=True)
def text_in_code_cells(copy):
    for place, cell in enumerate(copy.cells):
        if cell.cell_type == "markdown" and not id_of(cell):
            copy.cells[place] = new_code_cell(cell.source)


# --- what students add ------------------------------------------------------------


@notebook()
def pip_installs(copy):
    copy.everywhere("!pip install -q keras\n%pip install keras-hub\n!nvidia-smi")


@notebook()
def pip_in_the_solution(copy):
    copy.cell(0).source = f"!pip install -q einops\n{copy.cell(0).source}"


@notebook()
def drive_mounted(copy):
    copy.above(
        "from google.colab import drive, files\ndrive.mount('/content/drive')\n"
        "%cd /content/drive/MyDrive\nup = files.upload()"
    )


@notebook(silent=True)
def colab_import_in_the_solution(copy):
    cell = copy.cell(0)
    cell.source = f"from google.colab import drive\n{cell.source}"


@notebook()
def missing_library_in_the_solution(copy):
    copy.cell(0).source = f"import no_such_library_here\n{copy.cell(0).source}"


@notebook(silent=True)
def missing_library_elsewhere(copy):
    copy.above("import no_such_library_here\nfrom nowhere import *")


@notebook()
def timed(copy):
    copy.cell(0).source = f"%%time\n{copy.cell(0).source}"


@notebook()
def captured(copy):
    copy.cell(1).source = f"%%capture out --no-stderr\n{copy.cell(1).source}"


@notebook(alone=True)
def several_magics(copy):
    copy.cell(0).source = f"# mine\n\n%%time\n%%capture\n{copy.cell(0).source}"


@notebook(alone=True)
def written_to_a_file(copy):
    copy.cell(0).source = f"%%writefile mine.py\n{copy.cell(0).source}"
    copy.below("from mine import *")


@notebook()
def unknown_magic(copy):
    copy.cell(0).source = f"%%wandb\n{copy.cell(0).source}"


@notebook()
def other_languages(copy):
    copy.everywhere("%%bash\nrm -rf x && echo done")
    copy.everywhere("%%html\n<b>x</b>")
    copy.everywhere("%%R\nx <- 1")
    copy.everywhere("%%latex\n$x$")


@notebook(silent=True)
def line_magics(copy):
    copy.everywhere(
        "%load_ext tensorboard\n%matplotlib widget\n%config InlineBackend.x = 1\n"
        "%run other.ipynb\n%timeit 1\n%debug\n%env X=1\nprint?\n?print\n%who"
    )


@notebook(silent=True)
def magic_in_the_solution(copy):
    copy.cell(0).source = f"%matplotlib inline\n{copy.cell(0).source}\n%timeit 1 + 1"


@notebook(silent=True)
def prints(copy):
    copy.cell(0).source += "\nprint('done')\nimport sys\nprint('x', file=sys.stderr)"
    copy.above("print('x' * 100)\n1 + 1")


@notebook(silent=True)
def input_asked(copy):
    copy.above("n = int(input('How many? '))")


@notebook()
def input_in_the_solution(copy):
    copy.cell(0).source = f"n = int(input('How many? '))\n{copy.cell(0).source}"


@notebook(silent=True)
def exits(copy):
    copy.above("exit()")
    copy.above("import sys\nsys.exit(1)", 1)
    copy.above("quit()", 1)


@notebook(alone=True)
def ends_the_process(copy):
    copy.above("import os\nos._exit(0)")


@notebook(alone=True)
def crashes_the_process(copy):
    copy.below("import ctypes\nctypes.string_at(0)")


@notebook(silent=True)
def raises_elsewhere(copy):
    copy.above("raise ValueError('stop')")
    copy.above("assert False, 'TODO'", 1)
    copy.below("1 / 0")


@notebook()
def raises_above_in_the_solution(copy):
    copy.cell(0).source = f"print(undefined_name)\n{copy.cell(0).source}"


@notebook(silent=True)
def raises_below_in_the_solution(copy):
    copy.cell(0).source += "\n\nassert 1 == 2"


@notebook(silent=True)
def syntax_error_elsewhere(copy):
    copy.everywhere("x = 1 +\nfor")
    copy.everywhere("def broken(:\n    pass")


@notebook(alone=True)
def syntax_error_below_in_the_solution(copy):
    copy.cell(0).source += "\n\nx = 1 +\n\nthis is no python"


@notebook(slow=True)
def endless_cell(copy):
    copy.above("import time\nwhile True:\n    time.sleep(0.01)")


@notebook(slow=True)
def endless_cells(copy):
    copy.everywhere("while True:\n    pass")


@notebook(alone=True)
def memory_eaten(copy):
    copy.above("hog = []\nwhile True:\n    hog.append(bytearray(50_000_000))")


@notebook(silent=True)
def awaited(copy):
    copy.above("import asyncio\nawait asyncio.sleep(0)\nasync def f():\n    return 1")
    copy.above("x = await f()", 1)


@notebook(silent=True)
def threads_and_warnings(copy):
    copy.above(
        "import threading, warnings, logging\nwarnings.warn('careful')\n"
        "logging.error('oh')\nthreading.Thread(target=print).start()"
    )


@notebook()
def name_reused_below(copy):
    copy.below(f"{copy.name(0)} = {copy.name(0)}.__name__\nprint({copy.name(0)})")


@notebook()
def name_reused_in_a_loop(copy):
    copy.cells.append(new_code_cell(f"for {copy.name(1)} in range(3):\n    pass"))


@notebook(alone=True)
def name_reused_in_the_solution(copy):
    copy.cell(0).source += f"\n\n{copy.name(0)} = 3"


@notebook()
def name_imported_over(copy):
    copy.cells.append(new_code_cell(f"from math import sqrt as {copy.name(0)}"))


@notebook(alone=True)
def renamed(copy):
    name, cell = copy.name(0), copy.cell(0)
    cell.source = re.sub(rf"\b{name}\b", "my_own_version", cell.source)


@notebook(alone=True)
def renamed_and_metadata_lost(copy):
    renamed(copy)
    for cell in copy.cells:
        cell.metadata = {}


@notebook(alone=True)
def renamed_and_checked(copy):
    name, place = copy.name(copy.layer), copy.place(copy.layer)
    cell = copy.cells[place]
    cell.source = cell.source.replace(f"class {name}(", "class Mine(")
    cell.metadata = {}
    copy.cells.pop(place)
    copy.cells.append(cell)
    copy.cells.append(new_code_cell(f"check('{copy.ids[copy.layer]}', Mine)"))


@notebook(alone=True)
def spelt_in_other_case(copy):
    cell = copy.cell(0)
    name = copy.name(0)
    camel = "".join(word.capitalize() for word in name.split("_"))
    cell.source = re.sub(rf"\bdef {name}\b", f"def {camel}", cell.source)
    cell.metadata = {}
    copy.cells.append(copy.cells.pop(copy.cells.index(cell)))


@notebook(alone=True)
def helper_below(copy):
    """A decorator that the solution needs stands in the last cell."""
    copy.cell(0).source = f"@plainly\n{copy.cell(0).source}"
    copy.cells.append(new_code_cell("def plainly(function):\n    return function"))


@notebook(silent=True)
def helper_above(copy):
    copy.above("def helper(x):\n    return x\n\nTWO = 2")


@notebook(silent=True)
def comments_added(copy):
    copy.cell(0).source = f"# mine\n\n{copy.cell(0).source}\n\n# end"


@notebook(silent=True)
def given_names_overwritten(copy):
    """After the last use: what was written is called later."""
    copy.above("x = query = key = value = images = 3")


# --- the writing itself -----------------------------------------------------------


@notebook(alone=True)
def tabs_and_spaces(copy):
    lines = copy.cell(0).source.split("\n")
    inside = [i for i, x in enumerate(lines) if x.startswith("    ")]
    for i in inside[::2]:
        lines[i] = lines[i].replace("    ", "\t", 1)
    copy.cell(0).source = "\n".join(lines)


@notebook(silent=True)
def tabs_alone(copy):
    lines = copy.cell(1).source.split("\n")
    lines = [re.sub(r"^( {4})+", lambda m: "\t" * (len(m[0]) // 4), x) for x in lines]
    copy.cell(1).source = "\n".join(lines)


@notebook(alone=True)
def typographic_quotes(copy):
    cell = copy.cell(1)
    cell.source = cell.source.replace('"""', "“““", 1).replace('"""', "”””", 1)


@notebook(alone=True)
def non_breaking_spaces(copy):
    cell = copy.cell(0)
    cell.source = cell.source.replace("    ", "\u00a0\u00a0\u00a0\u00a0")


@notebook(alone=True)
def zero_width_characters(copy):
    cell = copy.cell(0)
    cell.source = "\ufeff" + cell.source.replace(" = ", " =\u200b ").replace(
        "return ", "\u200breturn ", 1
    )


@notebook(alone=True)
def fence_in_a_code_cell(copy):
    copy.cell(0).source = f"```python\n{copy.cell(0).source}\n```"


@notebook(alone=True, silent=True)
def console_prompts(copy):
    lines = copy.cell(0).source.split("\n")
    marked = [f">>> {x}" if x[:1].strip() else f"... {x}" for x in lines]
    copy.cell(0).source = "\n".join(marked)


@notebook(alone=True, silent=True)
def whole_cell_indented(copy):
    lines = copy.cell(0).source.split("\n")
    copy.cell(0).source = "\n".join(f"    {x}" if x else x for x in lines)


@notebook(alone=True)
def conflict_in_a_cell(copy):
    source = copy.cell(0).source
    copy.cell(
        0
    ).source = f"<<<<<<< HEAD\n{source}\n=======\nwork in progress here\n>>>>>>> theirs"


@notebook(silent=True)
def carriage_returns_in_cells(copy):
    for cell in copy.cells:
        cell.source = cell.source.replace("\n", "\r\n")


# --- files ------------------------------------------------------------------------


@file(silent=True)
def as_it_was(text):
    return text.encode()


@file()
def byte_order_mark(text):
    return b"\xef\xbb\xbf" + text.encode()


@file(silent=True)
def crlf(text):
    return text.replace("\n", "\r\n").encode()


@file(silent=True)
def old_mac_line_ends(text):
    return text.replace("\n", "\r").encode()


@file()
def utf16(text):
    return text.encode("utf-16")


@file()
def utf16_without_a_mark(text):
    return text.encode("utf-16-be")


@file()
def utf32(text):
    return text.encode("utf-32")


@file()
def nul_bytes(text):
    return text.encode().replace(b"\n", b"\n\0")


@file()
def not_utf8(text):
    text = text.replace('"nbformat"', '"author": "Ren\u00e9e", "nbformat"')
    return text.encode("cp1252", "replace")


@file()
def compressed(text):
    return gzip.compress(text.encode())


@file()
def in_a_json_string(text):
    return json.dumps(text).encode()


@file()
def in_a_servers_envelope(text):
    content = json.loads(text)
    return json.dumps({"type": "notebook", "path": "x", "content": content}).encode()


@file(silent=True)
def on_one_line(text):
    return json.dumps(json.loads(text), separators=(",", ":")).encode()


@file(silent=True)
def sources_as_strings(text):
    tree = json.loads(text)
    for cell in tree["cells"]:
        cell["source"] = "".join(cell["source"])
    return json.dumps(tree).encode()


@file(silent=True)
def raw_line_ends_in_strings(text):
    tree = json.loads(text)
    for cell in tree["cells"]:
        cell["source"] = "".join(cell["source"]).replace("\n", "\0")
    return json.dumps(tree).replace("\\u0000", "\n").encode()


@file(silent=True)
def format_4_0(text):
    tree = json.loads(text)
    tree.update(nbformat=4, nbformat_minor=0)
    for cell in tree["cells"]:
        cell.pop("id", None)
    return json.dumps(tree).encode()


@file()
def format_3(text):
    tree = json.loads(text)
    for cell in tree["cells"]:
        cell.pop("id", None)
        if cell["cell_type"] == "code":
            cell["input"] = cell.pop("source")
            cell["prompt_number"] = cell.pop("execution_count", None)
            cell["language"] = "python"
    tree["worksheets"] = [{"cells": tree.pop("cells"), "metadata": {}}]
    return json.dumps({**tree, "nbformat": 3, "nbformat_minor": 0}).encode()


@file()
def garbage_at_the_end(text):
    return text.encode() + b"\n}}garbage"


@file()
def cut_at_the_end(text):
    return text.encode()[:-200]


@file()
def odd_cells(text):
    tree = json.loads(text)
    tree["cells"][:0] = [None, 3, "x", [], {"source": 7}, {"cell_type": "code"}]
    return json.dumps(tree).encode()


@file()
def a_comma_too_many(text):
    return text.replace('"nbformat":', ', "nbformat":').encode()


@file()
def conflict_in_the_metadata(text):
    marks = (
        '<<<<<<< HEAD\n "nbformat_minor": 5\n=======\n "nbformat_minor": 4\n'
        ">>>>>>> theirs\n"
    )
    assert '"nbformat_minor": 5\n' in text
    return text.replace('"nbformat_minor": 5\n', marks).encode()


@file()
def conflict_in_the_cells(text):
    """Ours has the first half of the cells, theirs the other."""
    tree = json.loads(text)
    cells = [json.dumps(cell, indent=1) for cell in tree["cells"]]
    middle = len(cells) // 2
    ours, theirs = ",\n".join(cells[:middle]), ",\n".join(cells[middle:])
    return (
        f'{{"cells": [\n<<<<<<< HEAD\n{ours}\n=======\n{theirs}\n>>>>>>> 1a2b\n],\n'
        '"metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    ).encode()


def _sources(text):
    return [
        "".join(cell["source"])
        for cell in json.loads(text)["cells"]
        if cell["cell_type"] == "code"
    ]


@file()
def script_with_cells(text):
    return "\n\n".join(f"# %%\n{s}" for s in _sources(text)).encode()


@file()
def script_of_nbconvert(text):
    parts = [f"# In[{i}]:\n\n\n{s}\n" for i, s in enumerate(_sources(text))]
    return ("#!/usr/bin/env python\n# coding: utf-8\n\n" + "\n".join(parts)).encode()


@file()
def script_of_databricks(text):
    parts = "\n\n# COMMAND ----------\n\n".join(_sources(text))
    return f"# Databricks notebook source\n{parts}".encode()


@file()
def web_page(text):
    def cell(source):
        code = re.sub(
            r"\b(def|class|return)\b", r"<span>\1</span>", html.escape(source)
        )
        return (
            '<div class="jp-InputArea"><div class="highlight hl-ipython3"><pre>'
            f"<span></span>{code}\n</pre></div></div>"
            '<div class="jp-OutputArea"><pre>output</pre></div>'
        )

    cells = "".join(map(cell, _sources(text)))
    return f"<!DOCTYPE html>\n<html><body><p>def</p>{cells}</body></html>".encode()


@file()
def markdown_export(text):
    parts = [f"Text.\n\n```python\n{s}\n```\n\n    output\n" for s in _sources(text)]
    return "\n".join(["# Title", *parts]).encode()


def with_outputs(text, megabytes):
    """Returns a notebook whose outputs fill that many megabytes."""
    tree = json.loads(text)
    code = [c for c in tree["cells"] if c["cell_type"] == "code"]
    share = int(megabytes * 1_000_000 / len(code))
    for cell in code:
        image = {"image/png": "A" * share}
        cell["outputs"] = [
            {"output_type": "display_data", "data": image, "metadata": {}}
        ]
    return json.dumps(tree).encode()


@file(silent=True)
def large_outputs(text):
    return with_outputs(text, 5)
