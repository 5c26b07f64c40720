"""What a person decided stays decided, until what they judged changes.

nbgrader asks for every manual score again after each autograding. Here the gradebook
remembers, in a table of its own beside nbgrader's, what a score was given for: the
answer in words, or the automatic score that was overruled. A person is asked again
only where that is another now.
"""

from __future__ import annotations

import hashlib
import json

from nbgrader.api import Grade, Gradebook
from sqlalchemy import Column, MetaData, String, Table, delete, insert, select

_TABLE = Table(
    "autograder_judged",
    MetaData(),
    Column("grade", String(32), primary_key=True),
    Column("digest", String(64), nullable=False),
)


def settle(gradebook: Gradebook, grade: Grade, auto: float | None, answer: str) -> None:
    """Enters an automatic score, and whether a person must look.

    Args:
        gradebook: an open one; the caller commits.
        grade: the cell's grade, as it stood before this run.
        auto: the new automatic score; None where a person gives it.
        answer: the student's answer in words; empty for a check.
    """
    digest = hashlib.sha256(json.dumps([auto, answer]).encode()).hexdigest()
    same = _swap(gradebook, grade.id, digest) == digest
    if grade.manual_score is None:
        grade.needs_manual_grade = auto is None
    else:
        grade.needs_manual_grade = bool(grade.needs_manual_grade) or not same
    grade.auto_score = auto


def _swap(gradebook: Gradebook, grade: str, digest: str) -> str | None:
    """Remembers a digest; returns the one remembered before."""
    _TABLE.create(gradebook.db.connection(), checkfirst=True)
    mine = _TABLE.c.grade == grade
    before = gradebook.db.execute(select(_TABLE.c.digest).where(mine)).scalar()
    if before != digest:
        gradebook.db.execute(delete(_TABLE).where(mine))
        gradebook.db.execute(insert(_TABLE).values(grade=grade, digest=digest))
    return before
