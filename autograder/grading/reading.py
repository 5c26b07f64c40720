"""Bytes → a notebook, with what had to be mended on the way."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from autograder.safe import one_line

CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})", re.MULTILINE)
CELLS_LIMIT = 5000


class Unreadable(Exception):
    """It is no notebook that could be graded; the message says what to do."""


def read_notebook(data: bytes, name: str) -> tuple[NotebookNode, list[str]]:
    """Reads a notebook of any format since nbformat 3, or a script.

    Returns:
        The notebook in nbformat 4, outputs dropped, and the repairs in words.

    Raises:
        Unreadable: nothing of it can be used.
    """
    repairs: list[str] = []
    text = _text(data, repairs)
    if not text.strip():
        raise Unreadable("The file is empty; save the notebook and hand it in again.")
    if not text.lstrip().startswith(("{", "[", "<<<<<<<")):
        return _script(text, name, repairs), repairs
    tree = _json(text, repairs)
    return _notebook(tree, repairs), repairs


def _text(data: bytes, repairs: list[str]) -> str:
    if data[:2] == b"\x1f\x8b":
        data = _gunzip(data)
        repairs.append("the file was compressed; unpacked")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        repairs.append("the file was in UTF-16; converted")
        return data.decode("utf-16", "replace")
    if data[:3] == b"\xef\xbb\xbf":
        repairs.append("the file began with a byte-order mark; removed")
        data = data[3:]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        repairs.append("the file was not in UTF-8; read as Latin-1")
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _gunzip(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=__import__("io").BytesIO(data)) as file:
            return file.read(200 << 20)
    except (OSError, EOFError):
        raise Unreadable(
            "The compressed file is damaged; hand in the notebook."
        ) from None


def _json(text: str, repairs: list[str]) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise Unreadable("The file is nested too deeply to be a notebook.") from None
    except ValueError:
        pass
    for side in ("ours", "theirs"):
        if CONFLICT.search(text):
            try:
                tree = json.loads(_one_side(text, side))
            except (ValueError, RecursionError):
                continue
            repairs.append("merge-conflict markers; one side of each was taken")
            return tree
    tree = _salvaged(text)
    if tree is None:
        raise Unreadable(
            "The file is damaged and no cell can be read; open it in Jupyter, save it "
            "and hand it in again."
        )
    repairs.append(f"the file is damaged; {len(tree['cells'])} cells could be read")
    return tree


def _one_side(text: str, side: str) -> str:
    kept, state = [], None
    for line in text.split("\n"):
        if line.startswith("<<<<<<<"):
            state = "ours"
        elif line.startswith("|||||||") and state:
            state = "base"
        elif line.startswith("=======") and state:
            state = "theirs"
        elif line.startswith(">>>>>>>") and state:
            state = None
        elif state in (None, side):
            kept.append(line)
    return "\n".join(kept)


def _salvaged(text: str) -> dict | None:
    """Returns the cells of a damaged notebook that are whole."""
    start = re.search(r'"(cells|worksheets)"\s*:\s*\[', text)
    decoder = json.JSONDecoder()
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


def _next_cell(text: str, position: int) -> int:
    """Returns where the next cell could begin, or -1."""
    found = re.compile(r'\{\s*"(cell_type|id|metadata|source)"').search(text, position)
    return found.start() if found else -1


def _notebook(tree: Any, repairs: list[str]) -> NotebookNode:
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
        raise Unreadable("The file has no cells; hand in the notebook itself.")
    notebook = new_notebook()
    for number, cell in enumerate(cells[:CELLS_LIMIT], start=1):
        made = _cell(cell)
        if made is None:
            repairs.append(f"cell {number}: not readable, left out")
        else:
            notebook.cells.append(made)
    return notebook


def _cell(cell: Any) -> NotebookNode | None:
    if not isinstance(cell, dict):
        return None
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(str(line) for line in source)
    if not isinstance(source, str):
        return None
    kind = cell.get("cell_type")
    make = {"markdown": new_markdown_cell, "raw": new_raw_cell}.get(kind, new_code_cell)
    if kind in ("heading", "html"):
        make = new_markdown_cell
    made = make(source.replace("\r\n", "\n"))
    metadata = cell.get("metadata")
    if isinstance(metadata, dict):
        made.metadata = nbformat.from_dict(metadata)
    return made


def _script(text: str, name: str, repairs: list[str]) -> NotebookNode:
    """Reads a Python script, py:percent or plain, as a notebook."""
    if re.match(r"\s*<(!doctype|html)", text, re.IGNORECASE):
        raise Unreadable("This is a web page; hand in the notebook (.ipynb) itself.")
    if not re.search(r"^(def|class|import|from)\s", text, re.MULTILINE):
        raise Unreadable(
            f"{one_line(name)} is no notebook; hand in the file that ends in .ipynb."
        )
    repairs.append("a Python script instead of a notebook; read as cells")
    notebook = new_notebook()
    for block in re.split(r"^# (?:%%|In\[.*?\]:).*$", text, flags=re.MULTILINE):
        if block.strip():
            notebook.cells.append(new_code_cell(block.strip("\n")))
    return notebook
