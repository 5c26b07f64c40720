"""Expected numbers beside one's own."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

AXES = ("example", "head")
WINDOW = (40, 60)  # rows and columns that can still be told apart
BAD = "#d1495b"
MIDDLE = "#808080"
LARGE, SMALL = 11, 9  # points, so that a phone shows them
# Inches: where panels begin, their sides, the space below, that of a scale's numbers.
LEFTS, SIDE, FOOT, SCALE, HEIGHT = (0.4, 2.35, 5.0), 1.55, 0.45, 0.8, 2.6
DPI = 130
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
    panels, caption = _panels(_matrices(expected), _matrices(own))
    draw = _Drawing(LEFTS[len(panels) - 1] + SIDE + SCALE, clear)
    low, high = _range(panels[:2])
    scales = [("viridis", low, high)] * 2
    if len(panels) == 3:
        top = max(-_range(panels[2:])[0], _range(panels[2:])[1], 1e-12)
        scales.append(("PuOr", -top, top))
    for left, panel, scale in zip(LEFTS, panels, scales, strict=False):
        draw.panel(left, panel, *scale)
    for number in range(1, len(panels)):
        if any(panel.values.size for panel in panels):
            draw.scale(LEFTS[number] + SIDE + 0.1, *scales[number])
    named = f"{title} ({caption})" if caption else title
    draw.text(0.06, HEIGHT - 0.06, named, LARGE, "la")
    return draw.png()


@functools.cache
def _font(points: float):
    """Returns matplotlib's own font."""
    import matplotlib
    from PIL import ImageFont

    path = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(path, points * DPI / 72)


class _Drawing:
    """Draws in inches, from the lower left.

    By Pillow: of a figure of matplotlib's each word takes a millisecond, and a class
    has hundreds of pictures.
    """

    def __init__(self, wide: float, clear: bool):
        from PIL import Image, ImageColor, ImageDraw

        size = round(wide * DPI), round(HEIGHT * DPI)
        if clear:
            # Transparent, but of the text's colour, or its edges would be dark.
            ground = (*ImageColor.getrgb(MIDDLE), 0)
            self.color, self.image = MIDDLE, Image.new("RGBA", size, ground)
        else:
            self.color, self.image = "black", Image.new("RGB", size, "white")
        self.pen = ImageDraw.Draw(self.image)

    def png(self) -> bytes:
        data = io.BytesIO()
        self.image.save(data, "png", compress_level=3)
        return data.getvalue()

    def text(self, x, y, text: str, size: float, anchor="mm", color=None) -> None:
        """Writes at a place; `anchor` is Pillow's, which letter by which side."""
        place = x * DPI, (HEIGHT - y) * DPI
        self.pen.text(place, text, color or self.color, _font(size), anchor)

    def colors(self, values, name: str, low, high, x, y, width, height) -> None:
        """Fills a rectangle with a matrix; what is no finite number is red."""
        import matplotlib
        from PIL import Image

        span = high - low if high > low else 1.0
        shares = np.ma.masked_invalid((values - low) / span)
        colormap = matplotlib.colormaps[name].with_extremes(bad=BAD)
        picture = Image.fromarray(colormap(shares, bytes=True)[..., :3])
        left, right = round(x * DPI), round((x + width) * DPI)
        top, foot = (round((HEIGHT - edge) * DPI) for edge in (y + height, y))
        size = max(right - left, 1), max(foot - top, 1)
        picture = picture.resize(size, Image.Resampling.NEAREST)
        self.image.paste(picture, (left, top))

    def panel(self, left: float, panel: Panel, colors: str, low, high) -> None:
        """Draws one heat map with its name, rows and columns."""
        middle, name = left + SIDE / 2, panel.name
        if not panel.values.size:
            self.text(middle, FOOT + SIDE + 0.14, name, LARGE)
            self.text(middle, FOOT + SIDE / 2, "no values", SMALL)
            return
        rows, columns = panel.values.shape
        ratio = rows / columns if 0.25 <= rows / columns <= 4 else 1.0
        width, height = SIDE * min(1 / ratio, 1), SIDE * min(ratio, 1)
        x, y = middle - width / 2, FOOT + (SIDE - height) / 2
        self.colors(panel.values, colors, low, high, x, y, width, height)
        self.text(middle, y + height + 0.14, name, LARGE)
        top, first = panel.corner
        for number in _numbers(first, columns):
            place = x + (number - first + 0.5) * width / columns
            self.text(place, y - 0.06, str(number), SMALL, "mt")
        for number in _numbers(top, rows):
            place = y + height - (number - top + 0.5) * height / rows
            self.text(x - 0.06, place, str(number), SMALL, "rm")
        self.bad(panel, x, y + height, width / columns, height / rows)

    def bad(self, panel: Panel, x: float, y: float, wide: float, high: float) -> None:
        """Writes NaN and infinities into their cells, where there is room."""
        bad = np.argwhere(~np.isfinite(panel.values))
        if not len(bad):
            return
        rows, columns = panel.values.shape
        middle, below = x + wide * columns / 2, y - high * rows - 0.34
        self.text(middle, below, "red: NaN or infinite", 7)
        if max(rows, columns) > 10:
            return
        for row, column in bad:
            value = panel.values[row, column]
            text = "NaN" if np.isnan(value) else "∞" if value > 0 else "−∞"
            place = x + (column + 0.5) * wide, y - (row + 0.5) * high
            self.text(*place, text, 6, color="white")

    def scale(self, left: float, colors: str, low: float, high: float) -> None:
        """Draws what the colours mean."""
        from matplotlib.ticker import MaxNLocator

        high = high if high > low else low + 1e-12
        steps = np.linspace(high, low, 256)[:, None]
        self.colors(steps, colors, low, high, left, FOOT, 0.09, SIDE)
        for number in MaxNLocator(5).tick_values(low, high):
            share = (number - low) / (high - low)
            if -1e-6 <= share <= 1 + 1e-6:
                number = 0.0 if abs(number) < 1e-9 * (high - low) else number
                told = f"{number:.5g}".replace("-", "−")
                self.text(left + 0.14, FOOT + share * SIDE, told, SMALL, "lm")


def _numbers(first: int, count: int) -> list[int]:
    """Returns the rows or columns to number: at most six, at equal distances."""
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(5, integer=True, min_n_ticks=1)
    return [
        int(n)
        for n in ticks.tick_values(first, first + count - 1)
        if first <= n < first + count
    ]


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


def _range(panels: list[Panel]) -> tuple[float, float]:
    values = np.concatenate([panel.values.ravel() for panel in panels])
    values = values[np.isfinite(values)]
    return (values.min(), values.max()) if values.size else (0.0, 1.0)
