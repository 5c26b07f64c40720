"""The results that were written last, so that a regrade can say what changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ValidationError

from autograder import records
from autograder.grading.classroom import Workplace
from autograder.results import SubmissionResult

SOURCE = "source.json"


@dataclass(frozen=True)
class Source:
    """Where a run took its submissions from."""

    submitted: str
    roster: str | None = None
    layout: str = "auto"


def keep(
    place: Workplace,
    assignment: str,
    results: Iterable[SubmissionResult],
    source: Source | None = None,
) -> None:
    """Remembers what was written into gradebook and pages; of others, what was."""
    folder = _folder(place, assignment)
    for result in results:
        name = hashlib.sha256(result.student.encode()).hexdigest()[:24]
        text = result.model_dump_json(indent=1)
        records.write_text(folder / f"{name}.json", text + "\n")
    if source is not None:
        records.write_text(folder / SOURCE, json.dumps(asdict(source)) + "\n")


def last(place: Workplace, assignment: str) -> dict[str, SubmissionResult]:
    """Returns the results that were written last, by student; a damaged one is none."""
    found = {}
    for path in sorted(_folder(place, assignment).glob("*.json")):
        if path.name == SOURCE:
            continue
        try:
            result = SubmissionResult.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        found[result.student] = result
    return found


def source(place: Workplace, assignment: str) -> Source | None:
    """Returns where the last run took its submissions from, if there was one."""
    try:
        return Source(**json.loads((_folder(place, assignment) / SOURCE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _folder(place: Workplace, assignment: str) -> Path:
    return place.private / "written" / assignment
