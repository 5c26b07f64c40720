"""One page for the class: scores, pass rates, misconceptions, what needs an eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autograder.exercise import Exercise
from autograder.reports.figures import score_figure
from autograder.reports.pages import templates
from autograder.reports.statistics import class_statistics
from autograder.results import ClassResult

STATES = {
    "passed": "passed",
    "failed": "failed",
    "skipped": "not judged, an earlier check failed",
    "open": "not attempted or not run",
}
LEVELS = {
    "full": "complete",
    "partial": "in part",
    "none": "without points",
    "open": "not attempted or not run",
}
FEW = 8  # names that stand in a row; the rest is folded


def class_page(
    result: ClassResult,
    exercises: Sequence[Exercise],
    *,
    course_title: str,
    assignment_title: str,
    links: Mapping[str, str] | None = None,
) -> str:
    """Returns the class's page as HTML.

    Args:
        result: the whole class's.
        exercises: what was asked.
        course_title: for the page's head.
        assignment_title: for the page's head.
        links: where each student's feedback page is, relative to this page.
    """
    found = class_statistics(result, exercises)
    drawn = score_figure(found.bars, found.median) if found.scores else b""
    return (
        templates()
        .get_template("class.html")
        .render(
            title=f"{assignment_title}: the class",
            course_title=course_title,
            assignment_title=assignment_title,
            result=result,
            statistics=found,
            scores=drawn,
            titles={e.id: e.title for e in exercises},
            links=links or {},
            states=STATES,
            levels=LEVELS,
            few=FEW,
            totals=any(s.total != s.automatic for s in result.submissions),
        )
    )
