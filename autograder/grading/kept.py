"""Finished work, by content: a killed run resumes, an unchanged class is quick."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nbformat import from_dict

from autograder import records
from autograder.grading.rebuild import Cell, Rebuilt
from autograder.grading.submission import Graded
from autograder.results import ReceiptResult, SubmissionResult

DAMAGED = (OSError, ValueError, KeyError, TypeError)  # then it is made anew


def key_of(parts: Iterable[str]) -> str:
    """Returns a short name for texts, other ones' another."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Kept:
    """What was made of files that were handed in, each under a name of its content.

    Args:
        folder: where it lies; the staff's alone.
        key: names all that it depends on besides: grader, release, seed, machine.
    """

    folder: Path
    key: str

    def name(self, of: str, data: bytes) -> str:
        """Names what was made of a student's data, or of a file's."""
        return key_of([self.key, of, hashlib.sha256(data).hexdigest()])

    def result(self, student: str, data: bytes) -> Graded | None:
        """Returns what was graded, if it was."""
        try:
            tree = records.read(self._path("results", self.name(student, data)))
            result = SubmissionResult.model_validate_json(tree["result"])
            return Graded(result, tree["answers"], tree["cells"])
        except DAMAGED:
            return None

    def keep_result(self, student: str, data: bytes, graded: Graded) -> None:
        tree = {
            "result": graded.result.model_dump_json(),
            "answers": graded.answers,
            "cells": graded.cells,
        }
        records.write(self._path("results", self.name(student, data)), tree)

    def rebuilt(self, file: str, data: bytes) -> Rebuilt | None:
        """Returns a file's content in the release's frame, if it was put there."""
        try:
            told = json.loads(self._path("rebuilt", self.name(file, data)).read_text())
            return Rebuilt(
                cells=[Cell(*cell) for cell in told.pop("cells")],
                untouched=set(told.pop("untouched")),
                gone=set(told.pop("gone")),
                unanswered=set(told.pop("unanswered")),
                receipt=ReceiptResult(**told.pop("receipt")),
                notebook=from_dict(told.pop("notebook")),
                **told,
            )
        except DAMAGED:
            return None

    def keep_rebuilt(self, file: str, data: bytes, rebuilt: Rebuilt) -> None:
        told = vars(rebuilt) | {
            "cells": [dataclasses.astuple(cell) for cell in rebuilt.cells],
            "untouched": sorted(rebuilt.untouched),
            "gone": sorted(rebuilt.gone),
            "unanswered": sorted(rebuilt.unanswered),
            "receipt": rebuilt.receipt.model_dump(),
        }
        path = self._path("rebuilt", self.name(file, data))
        records.write_text(path, json.dumps(told))

    def _path(self, kind: str, name: str) -> Path:
        return self.folder / kind / name[:2] / name
