"""The receipt in a submission: read as any stranger's words, and compared."""

from __future__ import annotations

from typing import Annotated, Any

from nbformat import NotebookNode
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from autograder.receipt import KEY, SCHEMA_VERSION, fingerprint
from autograder.results import ReceiptResult
from autograder.safe import one_line

Word = Annotated[str, StringConstraints(max_length=60)]
MOST = 50  # exercises, versions


class _Line(BaseModel):
    """What the receipt says of one exercise."""

    model_config = ConfigDict(strict=True)
    id: Word
    passed: bool


class _Receipt(BaseModel):
    model_config = ConfigDict(strict=True)
    schema_version: int
    assignment: Word
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    packed_at: Word = ""
    run: Word = ""
    versions: dict[Word, Word] = Field(default_factory=dict, max_length=MOST)
    results: list[_Line] = Field(default_factory=list, max_length=MOST)


def carried(metadata: Any) -> dict[str, Any]:
    """Returns of a notebook's own metadata the receipt alone; None where it is none."""
    own = metadata.get(KEY) if isinstance(metadata, dict) else None
    if not isinstance(own, dict) or "receipt" not in own:
        return {}
    try:
        clean = _Receipt.model_validate(own["receipt"]).model_dump()
    except (ValidationError, RecursionError):
        clean = None
    return {KEY: {"receipt": clean}}


def read_receipt(notebook: NotebookNode, assignment: str) -> ReceiptResult:
    """Returns what a notebook's receipt says, and whether its cells are those packed.

    Nothing in it raises, and nothing of it counts.
    """
    found = carried(notebook.metadata)
    if not found:
        return ReceiptResult()
    if found[KEY]["receipt"] is None:
        return ReceiptResult(status="unreadable")
    receipt = _Receipt(**found[KEY]["receipt"])
    if receipt.schema_version != SCHEMA_VERSION or receipt.assignment != assignment:
        return ReceiptResult(status="unreadable")
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells]
    same = receipt.sha256 == fingerprint(cells)
    return ReceiptResult(
        status="matches" if same else "changed",
        packed_at=one_line(receipt.packed_at),
        run=one_line(receipt.run),
        passed=sum(line.passed for line in receipt.results),
        exercises=len(receipt.results),
        versions={one_line(k): one_line(v) for k, v in receipt.versions.items()},
    )
