"""One page for the class: scores, pass rates, misconceptions, what needs an eye."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from autograder.exercise import Exercise
from autograder.reports.pages import templates
from autograder.reports.statistics import STATES, ClassStatistics, class_statistics
from autograder.results import ClassResult

# Distinguishable in every common colour blindness (Okabe & Ito, 2008).
COLORS = {
    "passed": "#009e73",
    "failed": "#d55e00",
    "skipped": "#f0c97a",
    "open": "#ccd2da",
}
LABELS = {
    "passed": "passed",
    "failed": "failed",
    "skipped": "not judged (an earlier check failed)",
    "open": "not attempted or not gradable",
}


def class_page(
    result: ClassResult,
    exercises: Sequence[Exercise],
    *,
    course_title: str,
    assignment_title: str,
    links: Mapping[str, str],
) -> str:
    """Returns the class's page as HTML; `links` lead to the feedback pages."""
    statistics = class_statistics(result, exercises)
    figures = []
    if statistics.scores:
        figures.append(_figure("Scores", "Histogram of scores", scores(statistics)))
    if result.submissions:
        text = "; ".join(
            f"{r.exercise}, {r.title}: {r.passed} passed, {r.failed} failed"
            for r in statistics.rates
        )
        figures.append(_figure("Check by check", text, pass_rates(statistics)))
    return (
        templates()
        .get_template("class.html")
        .render(
            title=f"{assignment_title}: the class",
            course_title=course_title,
            assignment_title=assignment_title,
            result=result,
            statistics=statistics,
            figures=figures,
            links=links,
        )
    )


def _figure(title: str, alt: str, png: bytes) -> dict[str, str]:
    return {"title": title, "alt": alt, "data": base64.b64encode(png).decode()}


def scores(statistics: ClassStatistics) -> bytes:
    """Draws the distribution of scores; returns a PNG."""
    figure = Figure(figsize=(7, 2.4), layout="constrained", dpi=120)
    axis = figure.subplots()
    top = max(statistics.automatic, 1.0)
    bins = np.linspace(0, top, min(25, max(5, int(top * 2))) + 1)
    axis.hist(statistics.scores, bins=bins, color="#2b6cb0", rwidth=0.92)
    axis.set(xlabel="points", ylabel="students", xlim=(0, top))
    axis.yaxis.get_major_locator().set_params(integer=True)
    axis.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def pass_rates(statistics: ClassStatistics) -> bytes:
    """Draws how many passed, failed and were not judged, per check; returns a PNG."""
    rates = statistics.rates
    figure = Figure(
        figsize=(7.6, 0.6 + 0.27 * len(rates)), layout="constrained", dpi=120
    )
    axis = figure.subplots()
    rows = _rows([rate.exercise for rate in rates])
    left = np.zeros(len(rates))
    for state in STATES:
        widths = np.array([getattr(rate, state) for rate in rates], float)
        axis.barh(rows, widths, 0.78, left, color=COLORS[state], label=LABELS[state])
        left += widths
    axis.set_yticks(rows, [rate.title for rate in rates], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("students")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    for exercise in dict.fromkeys(rate.exercise for rate in rates):
        first = [rate.exercise for rate in rates].index(exercise)
        axis.text(0, rows[first] - 0.62, exercise, fontsize=8, weight="bold")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return _png(figure)


def _rows(exercises: list[str]) -> list[float]:
    """Returns a bar's place per check, with a gap before each exercise."""
    rows, place, before = [], 0.0, None
    for exercise in exercises:
        place += 1.0 if exercise == before else 2.0
        rows.append(place)
        before = exercise
    return rows


def _png(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", facecolor="white")
    return data.getvalue()
