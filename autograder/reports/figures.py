"""The class page's figure: how the scores are spread."""

from __future__ import annotations

import io
from collections.abc import Sequence

from autograder.reports.pages import points
from autograder.reports.statistics import Bar

INK = "#808a9a"  # to be read on white and on near black
BARS = "#3f7fc6"
SIZE = (8.2, 2.5)  # inches; 7 of them are 56 rem on a page, so text is 9 to 11 px


def score_figure(bars: Sequence[Bar], median: float) -> bytes:
    """Draws students by points, with the median; returns a PNG without background."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=SIZE, layout="constrained")
    axis = figure.subplots()
    width = bars[0].high - bars[0].low
    drawn = axis.bar(
        [bar.low for bar in bars],
        [bar.count for bar in bars],
        width=0.92 * width,
        align="edge",
        color=BARS,
    )
    counts = [str(bar.count) if bar.count else "" for bar in bars]
    axis.bar_label(drawn, counts, color=INK, fontsize=10, padding=2)
    axis.axvline(median, color=INK, linestyle="--", linewidth=1)
    axis.annotate(
        f"median {points(median)}",
        (median, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right" if median > bars[-1].high / 2 else "left",
        color=INK,
        fontsize=10,
    )
    axis.set_xlim(0, bars[-1].high)
    axis.set_xticks([*(bar.low for bar in bars), bars[-1].high])
    axis.xaxis.set_major_formatter(lambda value, place: points(value))
    axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.set_xlabel("points", color=INK, fontsize=10)
    axis.set_ylabel("students", color=INK, fontsize=10)
    axis.tick_params(colors=INK, labelsize=10, length=0)
    axis.margins(y=0.15)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(INK)
    data = io.BytesIO()
    figure.savefig(data, format="png", transparent=True, dpi=200)
    return data.getvalue()
