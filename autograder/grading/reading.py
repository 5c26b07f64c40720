"""Bytes → a notebook, with what had to be mended on the way."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zlib
from html.parser import HTMLParser
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.corpus.words import generate_corpus_id as random_cell_id
from nbformat.v4 import new_code_cell, new_notebook

from autograder.grading.mending import take_side
from autograder.grading.receipts import carried
from autograder.safe import one_line

CONFLICT = re.compile(r"^\s*\"?<{7}", re.MULTILINE)
CELLS_LIMIT = 5000
SIZE_LIMIT = 200 << 20
OBJECTS_LIMIT = 5_000_000  # lists and dictionaries in a file, more or less
GZIP = b"\x1f\x8b"
FENCES = re.compile(
    r"^(```|~~~)\{?\.?(?:python|py|ipython)\b.*?\n(.*?)^\1", re.M | re.S
)
SCRIPT_CELL = re.compile(r"^# ?(?:%%|In ?\[.*?\]:|COMMAND -+|<codecell>).*$", re.M)
OTHER_KINDS = (
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0", "a Word document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"SQLite format 3", "a database"),
)


class Unreadable(Exception):
    """It is no notebook that could be graded; the message says what to do."""


def read_notebook(data: bytes, name: str) -> tuple[NotebookNode, list[str]]:
    """Reads a notebook of any format since nbformat 3, a script, or an export of one.

    Returns:
        The notebook in nbformat 4, outputs dropped, and the repairs in words.

    Raises:
        Unreadable: nothing of it can be used.
    """
    repairs: list[str] = []
    _refuse_other_kinds(data, name)
    text = _text(data, repairs)
    objects = text.count("{") + text.count("[")
    if objects > OBJECTS_LIMIT:
        raise Unreadable(
            f"It consists of {objects} parts, far more than a notebook has; clear the "
            "outputs and save again."
        )
    if not text.strip():
        raise Unreadable("The file is empty; save the notebook and hand it in again.")
    if not re.match(r"\s*([{\[\"]|<<<<<<<)", text):
        return _prose(text, name, repairs), repairs
    tree = _json(text, repairs)
    return _notebook(tree, repairs), repairs


def _refuse_other_kinds(data: bytes, name: str) -> None:
    for head, kind in OTHER_KINDS:
        if data.startswith(head):
            raise Unreadable(
                f"{one_line(name)} is {kind}, no notebook; hand in the file that ends "
                "in .ipynb (Jupyter: File, Save; Colab: File, Download .ipynb)."
            )


# --- bytes → text -----------------------------------------------------------------


def _text(data: bytes, repairs: list[str]) -> str:
    if data[:2] == GZIP:
        data = _gunzip(data)
        repairs.append("the file was compressed; unpacked")
    encoding = _wide(data)
    if encoding:
        repairs.append(f"the file was in {encoding.upper()}; converted")
        text = data.decode(encoding, "replace").lstrip("\ufeff")
    else:
        if data[:3] == codecs.BOM_UTF8:
            repairs.append("the file began with a byte-order mark; removed")
            data = data[3:]
        text = _narrow(data, repairs)
    if "\0" in text:
        repairs.append("the file had NUL bytes in it; removed")
        text = text.replace("\0", "")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _wide(data: bytes) -> str | None:
    """Returns the encoding of text in units of two or four bytes, or None."""
    if data[:4] in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        return "utf-32"
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    head = data[:400]
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(zeros) > 1 and zeros.count(0) > 0.8 * len(zeros):
            return encoding
    return None


def _narrow(data: bytes, repairs: list[str]) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        repairs.append("the file was not in UTF-8; read as Latin-1")
        return data.decode("latin-1")


def _gunzip(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return file.read(SIZE_LIMIT)
    except (OSError, EOFError, zlib.error):
        raise Unreadable(
            "The compressed file is damaged; hand in the notebook."
        ) from None


# --- text → JSON ------------------------------------------------------------------


def _json(text: str, repairs: list[str]) -> Any:
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        raise Unreadable("The file is nested too deeply to be a notebook.") from None
    except ValueError:
        pass
    tree = _both_sides(text, repairs) if CONFLICT.search(text) else None
    if tree is not None:
        return tree
    tree = _salvaged(text)
    if tree is None:
        raise Unreadable(
            "The file is damaged and no cell can be read; open it in Jupyter, save it "
            "and hand it in again."
        )
    repairs.append(f"the file is damaged; {len(tree['cells'])} cells could be read")
    return tree


def _both_sides(text: str, repairs: list[str]) -> dict | None:
    """Returns a conflicted notebook: one side, the other side's cells before it."""
    sides = []
    for side in ("theirs", "ours"):
        try:
            tree = json.loads(take_side(text, side), strict=False)
        except (ValueError, RecursionError):
            continue
        if isinstance(tree, dict) and isinstance(tree.get("cells"), list):
            sides.append(tree["cells"])
    if not sides:
        return None
    repairs.append("merge-conflict markers; both sides' cells were read, ours last")
    *others, kept = sides
    known = [cell.get("source") for cell in kept if isinstance(cell, dict)]
    extra = [
        cell
        for cells in others
        for cell in cells
        if isinstance(cell, dict)
        and cell.get("source") not in known
        and cell.get("cell_type") == "code"
    ]
    return {"cells": [*extra, *kept]}


def _salvaged(text: str) -> dict | None:
    """Returns the cells of a damaged notebook that are whole."""
    start = re.search(r'"(cells|worksheets)"\s*:\s*\[', text)
    decoder = json.JSONDecoder(strict=False)
    try:
        whole, _ = decoder.raw_decode(text.lstrip())
        if isinstance(whole, dict) and "cells" in whole:
            return whole
    except (ValueError, RecursionError):
        pass
    if start is None:
        return None
    cells, position = [], start.end()
    while len(cells) < CELLS_LIMIT:
        brace = text.find("{", position)
        if brace < 0:
            break
        try:
            cell, position = decoder.raw_decode(text, brace)
        except (ValueError, RecursionError):
            position = _next_cell(text, brace + 1)
            if position < 0:
                break
            continue
        if isinstance(cell, dict) and ("source" in cell or "input" in cell):
            cells.append(cell)
    return {"cells": cells} if cells else None


NEXT_CELL = re.compile(r'\{\s*"(cell_type|id|metadata|source|attachments|outputs)"')


def _next_cell(text: str, position: int) -> int:
    """Returns where the next cell could begin, or -1."""
    found = NEXT_CELL.search(text, position)
    return found.start() if found else -1


# --- JSON → notebook --------------------------------------------------------------


def _notebook(tree: Any, repairs: list[str]) -> NotebookNode:
    tree = _unwrapped(tree, repairs)
    if isinstance(tree, list):
        tree = {"cells": tree}
    if not isinstance(tree, dict):
        raise Unreadable("The file is JSON, and no notebook; hand in the .ipynb file.")
    cells = tree.get("cells")
    if cells is None and isinstance(tree.get("worksheets"), list):
        repairs.append("an old notebook format; converted")
        cells = [c for s in tree["worksheets"] if isinstance(s, dict)
                 for c in s.get("cells") or []]  # fmt: skip
    if not isinstance(cells, list):
        raise Unreadable(
            "The file has no cells; hand in the notebook itself (Colab: File, "
            "Download .ipynb), not a link to it."
        )
    notebook = new_notebook()
    for number, cell in enumerate(cells[:CELLS_LIMIT], start=1):
        made = _cell(cell)
        if made is None:
            repairs.append(f"cell {number}: not readable, left out")
        else:
            notebook.cells.append(made)
    notebook.metadata.update(carried(tree.get("metadata")))
    return notebook


def _unwrapped(tree: Any, repairs: list[str]) -> Any:
    """Takes a notebook out of a JSON string, or of the envelope of a server."""
    for _ in range(4):
        if isinstance(tree, str):
            try:
                tree = json.loads(tree, strict=False)
            except (ValueError, RecursionError):
                break
        elif (
            isinstance(tree, dict) and "cells" not in tree and "worksheets" not in tree
        ):
            inner = [tree[k] for k in ("content", "notebook", "data") if k in tree]
            if not inner or not isinstance(inner[0], (dict, str)):
                break
            tree = inner[0]
        else:
            break
        if "the notebook was wrapped in other JSON; taken out" not in repairs:
            repairs.append("the notebook was wrapped in other JSON; taken out")
    return tree


def _cell(cell: Any) -> NotebookNode | None:
    if not isinstance(cell, dict):
        return None
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(str(line) for line in source)
    if not isinstance(source, str):
        return None
    kind = cell.get("cell_type")
    kind = {"heading": "markdown", "html": "markdown"}.get(kind, kind)
    kind = kind if kind in ("markdown", "raw") else "code"
    metadata = cell.get("metadata")
    # `new_code_cell` would look whether it has made a cell, which takes its time.
    return NotebookNode(
        id=random_cell_id(),
        cell_type=kind,
        metadata=nbformat.from_dict(metadata if isinstance(metadata, dict) else {}),
        source=source.replace("\r\n", "\n").replace("\r", "\n"),
        **({"outputs": [], "execution_count": None} if kind == "code" else {}),
    )


# --- what is no JSON --------------------------------------------------------------


def _prose(text: str, name: str, repairs: list[str]) -> NotebookNode:
    """Reads an exported web page, a Markdown file or a Python script as a notebook."""
    if re.match(r"\s*<(\?xml|!doctype|html|!--)", text, re.IGNORECASE):
        cells = _page_cells(text)
        if not cells:
            raise Unreadable(
                "This is a web page; hand in the notebook (.ipynb) itself (Colab: "
                "File, Download .ipynb)."
            )
        repairs.append("a web page instead of a notebook; its code cells were read")
    elif FENCES.search(text):
        cells = [found.group(2) for found in FENCES.finditer(text)]
        repairs.append("a Markdown file instead of a notebook; its code was read")
    elif re.search(r"^(def|class|import|from)\s", text, re.MULTILINE):
        cells = SCRIPT_CELL.split(text)
        repairs.append("a Python script instead of a notebook; read as cells")
    else:
        raise Unreadable(
            f"{one_line(name)} is no notebook; hand in the file that ends in .ipynb."
        )
    notebook = new_notebook()
    for block in cells[:CELLS_LIMIT]:
        if block.strip():
            notebook.cells.append(new_code_cell(block.strip("\n")))
    return notebook


class _CodeOfPage(HTMLParser):
    """Collects the code cells of a page that nbconvert made: `pre` in `highlight`."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.cells: list[str] = []
        self._highlight = self._inside = False

    def handle_starttag(self, tag, attrs):
        classes = (dict(attrs).get("class") or "").split()
        if tag == "div":
            self._highlight = "highlight" in classes
        elif tag == "pre" and self._highlight:
            self._inside = True
            self.cells.append("")

    def handle_endtag(self, tag):
        if tag == "pre":
            self._inside = self._highlight = False

    def handle_data(self, data):
        if self._inside:
            self.cells[-1] += data


def _page_cells(text: str) -> list[str]:
    page = _CodeOfPage()
    try:
        page.feed(text)
    except (AssertionError, RecursionError, ValueError):
        return []
    return [cell for cell in page.cells if cell.strip()]
