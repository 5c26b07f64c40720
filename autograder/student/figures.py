"""Expected numbers beside one's own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

AXES = ("example", "head")
WINDOW = (40, 60)  # rows and columns that can still be told apart
BAD = "#d1495b"
MIDDLE = "#808080"
LARGE, SMALL = 11, 9  # points, so that a phone shows them
PETALS = 6
PALETTE = ((68, 57, 131), (42, 120, 142), (53, 183, 121), (253, 231, 37))


@dataclass(frozen=True)
class Panel:
    """One heat map."""

    name: str
    values: np.ndarray
    """A matrix; it may hold NaN and infinities."""
    corner: tuple[int, int] = (0, 0)
    """Where in the whole matrix its first row and column are."""


def compare_matrices(
    expected: np.ndarray, own: np.ndarray, *, title: str, clear: bool = False
) -> bytes:
    """Draws expected, own and their difference; returns a PNG.

    With `clear` the ground is transparent and the text of a grey that can be read on
    light and on dark pages; otherwise it is black on white.

    Both arrays share one colour scale. Of an array with more than two axes the slice
    is shown that deviates most, of a large matrix the part around that place. Where
    the shapes differ there is no difference to draw. NaN and infinities are red.
    """
    from matplotlib import style

    with style.context("default", after_reset=True):  # whatever the notebook set
        return _compare(_matrices(expected), _matrices(own), title, clear)


def _compare(expected, own, title: str, clear: bool) -> bytes:
    from matplotlib.figure import Figure

    panels, caption = _panels(expected, own)
    figure = Figure(figsize=(2.1 * len(panels) + 0.6, 2.6), layout="constrained")
    axes = list(figure.subplots(1, len(panels)))
    low, high = _range(panels[:2])
    images = [
        _draw(axis, panel, "viridis", low, high)
        for axis, panel in zip(axes[:2], panels[:2], strict=True)
    ]
    bars = [(image, axes[:2]) for image in images if image][:1]
    if len(panels) == 3:
        top = max(-_range(panels[2:])[0], _range(panels[2:])[1], 1e-12)
        bars.append((_draw(axes[2], panels[2], "PuOr", -top, top), axes[2:]))
    for image, beside in bars:
        bar = figure.colorbar(image, ax=beside, shrink=0.8, aspect=16, pad=0.03)
        bar.ax.tick_params(labelsize=SMALL, length=2)
        bar.outline.set_visible(False)
    named = f"{title} ({caption})" if caption else title
    figure.suptitle(named, x=0.01, ha="left", fontsize=LARGE)
    if clear:
        _grey(figure)
    data = io.BytesIO()
    figure.savefig(data, format="png", facecolor="none" if clear else "white", dpi=130)
    return data.getvalue()


def _grey(figure) -> None:
    """Gives text and ticks a colour that stands out from white and from black."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if text.get_color() != "white":  # in a cell
            text.set_color(MIDDLE)
    for axis in figure.axes:
        axis.tick_params(color=MIDDLE, labelcolor=MIDDLE)


def rosettes(arrays: Sequence[np.ndarray], size: int = 144) -> bytes:
    """Draws one round pattern per array, side by side; returns a PNG.

    An array's last axis runs outwards, the others run around, there and back, so that
    the circle closes. Corners are transparent.
    """
    from PIL import Image

    pictures = [_rosette(array, size) for array in arrays]
    data = io.BytesIO()
    Image.fromarray(np.concatenate(pictures, axis=1)).save(data, "png")
    return data.getvalue()


def _rosette(array: np.ndarray, size: int) -> np.ndarray:
    """Returns an array's pattern as RGBA of shape `(size, size, 4)`."""
    numbers = np.asarray(array).astype("float64")
    numbers = numbers.reshape(-1, numbers.shape[-1] if numbers.ndim else 1)[:8, :8]
    low, span = numbers.min(), max(np.ptp(numbers), 1e-12)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    radius, turn = np.hypot(x, y), np.arctan2(y, x) / np.pi
    around, out = numbers.shape
    folded = 2 * np.abs((turn * PETALS / 2 + 0.25) % 1 - 0.5)
    rows = np.minimum((folded * around).astype(int), around - 1)
    columns = np.minimum((radius * out).astype(int), out - 1)
    share = (numbers[rows, columns] - low) / span
    steps = np.linspace(0, 1, len(PALETTE))
    picture = np.empty((size, size, 4), "uint8")
    for i, channel in enumerate(np.transpose(PALETTE)):
        picture[..., i] = np.interp(share, steps, channel)
    picture[..., 3] = np.clip((1 - radius) * size / 2, 0, 1) * 255
    return picture


def alt_text(expected: np.ndarray, own: np.ndarray) -> str:
    """Says in words what `compare_matrices` draws."""
    if np.shape(expected) != np.shape(own):
        return f"Expected shape {np.shape(expected)}, yours has shape {np.shape(own)}."
    due, mine = _matrices(expected), _matrices(own)
    if not due.size:
        return "Both arrays are empty."
    error, worst = _deviation(due, mine), _worst(due, mine)
    finite = error[np.isfinite(error)]
    told = f"The largest difference is {finite.max(initial=0.0):.3g}"
    bad = int((~np.isfinite(mine)).sum())
    if bad:
        told += f", and {bad} of your {mine.size} values are NaN or infinite"
    place = f"row {worst[-2]}, column {worst[-1]}"
    inside = f"{_caption(worst[:-2])}, {place}" if len(worst) > 2 else place
    return f"Expected values beside yours. {told}. Most is off at {inside}."


def _matrices(array: np.ndarray) -> np.ndarray:
    """Returns an array as float64 with at least two axes."""
    return np.atleast_2d(np.asarray(array).astype("float64"))


def _panels(expected, own) -> tuple[list[Panel], str]:
    """Returns what to draw, and the name of the slice that is drawn."""
    if expected.shape != own.shape or not expected.size:
        pair = [("expected", expected), ("yours", own)]
        return [Panel(f"{n} {a.shape}", _first(a)) for n, a in pair], ""
    worst = _worst(expected, own)
    corner, window = _window(expected.shape[-2:], worst[-2:])
    due, mine = (array[worst[:-2]][window] for array in (expected, own))
    with np.errstate(invalid="ignore"):
        gap = np.where((due == mine) | (np.isnan(due) & np.isnan(mine)), 0, mine - due)
    named = {"expected": due, "yours": mine, "difference": gap}
    return [Panel(n, a, corner) for n, a in named.items()], _caption(worst[:-2])


def _deviation(expected, own) -> np.ndarray:
    """Returns how far each number is off: infinitely, where only one is a number."""
    with np.errstate(invalid="ignore"):
        error = np.abs(own - expected)
    error[(own == expected) | (np.isnan(own) & np.isnan(expected))] = 0.0
    return np.nan_to_num(error, nan=np.inf, posinf=np.inf)


def _worst(expected, own) -> tuple[int, ...]:
    error = _deviation(expected, own)
    return tuple(int(i) for i in np.unravel_index(int(error.argmax()), error.shape))


def _caption(where: tuple[int, ...]) -> str:
    names = [*AXES[: len(where)], *(f"axis {i}" for i in range(2, len(where)))]
    return ", ".join(f"{name} {i}" for name, i in zip(names, where, strict=True))


def _window(shape, around) -> tuple[tuple[int, int], tuple[slice, slice]]:
    """Returns the part of a large matrix around a place, and its corner."""
    starts = [
        min(max(place - most // 2, 0), max(size - most, 0))
        for size, place, most in zip(shape, around, WINDOW, strict=True)
    ]
    row, column = (
        slice(start, start + most) for start, most in zip(starts, WINDOW, strict=True)
    )
    return (starts[0], starts[1]), (row, column)


def _first(array: np.ndarray) -> np.ndarray:
    """Returns the first matrix of an array, cut to what can be looked at."""
    while array.ndim > 2:
        array = array[0] if len(array) else np.zeros(array.shape[1:])
    return array[: WINDOW[0], : WINDOW[1]]


def _draw(axis, panel: Panel, colors: str, low: float, high: float):
    """Draws one heat map; returns its image, or None where there is nothing in it."""
    import matplotlib
    from matplotlib.ticker import MaxNLocator

    axis.set_title(panel.name, fontsize=LARGE)
    axis.spines[:].set_visible(False)
    if not panel.values.size:
        axis.set(xticks=[], yticks=[], xlabel="no values")
        return None
    shades = matplotlib.colormaps[colors].with_extremes(bad=BAD)
    values, (top, left) = panel.values, panel.corner
    rows, columns = values.shape
    image = axis.imshow(
        np.where(np.isfinite(values), values, np.nan),
        cmap=shades,
        vmin=low,
        vmax=high,
        extent=(left - 0.5, left + columns - 0.5, top + rows - 0.5, top - 0.5),
        aspect="equal" if 0.25 <= rows / columns <= 4 else "auto",
    )
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axis.tick_params(labelsize=SMALL, length=2)
    _name_bad(axis, panel)
    return image


def _name_bad(axis, panel: Panel) -> None:
    """Writes NaN and infinities into their cells, where there is room."""
    bad = np.argwhere(~np.isfinite(panel.values))
    if not len(bad):
        return
    axis.set_xlabel("red: NaN or infinite", fontsize=7)
    if max(panel.values.shape) > 10:
        return
    for row, column in bad:
        value = panel.values[row, column]
        text = "NaN" if np.isnan(value) else "∞" if value > 0 else "−∞"
        place = (column + panel.corner[1], row + panel.corner[0])
        axis.annotate(text, place, color="white", fontsize=6, ha="center", va="center")


def _range(panels: list[Panel]) -> tuple[float, float]:
    values = np.concatenate([panel.values.ravel() for panel in panels])
    values = values[np.isfinite(values)]
    return (values.min(), values.max()) if values.size else (0.0, 1.0)
