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


def remembered(gradebook: Gradebook, grade: str | None = None) -> dict[str, str]:
    """Returns what every score, or one, was given for, by the grade's id."""
    _TABLE.create(gradebook.db.connection(), checkfirst=True)
    asked = select(_TABLE.c.grade, _TABLE.c.digest)
    if grade is not None:
        asked = asked.where(_TABLE.c.grade == grade)
    return {id: digest for id, digest in gradebook.db.execute(asked)}


def settle(
    gradebook: Gradebook,
    grade: Grade,
    auto: float | None,
    answer: str,
    judged: dict[str, str] | None = None,
) -> None:
    """Enters an automatic score, and whether a person must look.

    Args:
        gradebook: an open one; the caller commits.
        grade: the cell's grade, as it stood before this run.
        auto: the new automatic score; None where a person gives it.
        answer: the student's answer in words; empty for a check.
        judged: what `remembered` returned, where many are settled; kept up to date.
    """
    judged = remembered(gradebook, grade.id) if judged is None else judged
    digest = hashlib.sha256(json.dumps([auto, answer]).encode()).hexdigest()
    same = judged.get(grade.id) == digest
    if not same:
        mine = _TABLE.c.grade == grade.id
        gradebook.db.execute(delete(_TABLE).where(mine))
        gradebook.db.execute(insert(_TABLE).values(grade=grade.id, digest=digest))
        judged[grade.id] = digest
    if grade.manual_score is None:
        grade.needs_manual_grade = auto is None
    else:
        grade.needs_manual_grade = bool(grade.needs_manual_grade) or not same
    grade.auto_score = auto
