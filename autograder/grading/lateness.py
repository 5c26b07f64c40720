"""When a submission came, and what it costs that it came late."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from dateutil import parser, tz

from autograder.course import Course
from autograder.grading.collect import TIMESTAMP, Found
from autograder.grading.places import Place, read_regular
from autograder.results import SubmissionResult

DATED = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
UNKNOWN = "nobody wrote down when it came in, so lateness was not looked at"


def submitted_at(found: Found) -> datetime | None:
    """Returns when a submission was handed in, or None where that is not known."""
    if found.path is None or found.submitted is not None:
        return found.submitted
    return read_timestamp(found.path.with_name(TIMESTAMP))


def read_timestamp(path: Place) -> datetime | None:
    """Returns the moment that a file tells, in UTC; None where it tells none.

    The file came with the submission, so it may be anything at all. A time without
    an offset or a zone is in UTC, as nbgrader takes it.
    """
    try:
        text = read_regular(path)[:100].decode().strip()
        if not DATED.match(text):
            return None
        told = parser.parse(text, tzinfos=_zone)
        return told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)
    except (OSError, ValueError, OverflowError):
        return None


def _zone(name: str | None, offset: int | None):
    # Not nbgrader's own reader: it takes "+0100" for a hundred seconds.
    return tz.tzoffset(name, offset) if offset is not None else tz.gettz(name)


def note_lateness(
    course: Course, assignment: str, found: Found, result: SubmissionResult
) -> None:
    """Enters into a result when it came, how late that is, and what it costs."""
    moment = submitted_at(found)
    result.submitted = moment and moment.isoformat()
    result.flags = [*result.flags, *found.notes]
    deadline = course.deadline(assignment, found.student)
    if deadline is None or found.path is None:
        return
    if moment is None:
        if course.late.percent_per_day:
            result.flags = [*result.flags, UNKNOWN]
        return
    result.late_seconds = max(0.0, (moment - deadline).total_seconds())
    result.penalty = course.late.penalty(result.late_seconds, result.max_score)
