"""Expected numbers beside one's own."""

from __future__ import annotations

import io

import numpy as np


def compare_matrices(expected: np.ndarray, own: np.ndarray, *, title: str) -> bytes:
    """Draws expected, own and their difference; returns a PNG.

    Arrays of more than two axes are shown by the slice that deviates most. Where the
    shapes differ, there is no difference to draw.
    """
    from matplotlib.figure import Figure

    panels, caption = _panels(expected, own)
    figure = Figure(figsize=(2.7 * len(panels), 2.5), layout="constrained", dpi=110)
    axes = np.atleast_1d(figure.subplots(1, len(panels)))
    low, high = _range([matrix for _, matrix in panels[:2]])
    for axis, (name, matrix) in zip(axes, panels, strict=True):
        if name == "difference":
            top = np.nanmax(np.abs(matrix), initial=1e-12)
            image = axis.imshow(matrix, cmap=_map("PuOr"), vmin=-top, vmax=top)
        else:
            image = axis.imshow(matrix, cmap=_map("viridis"), vmin=low, vmax=high)
        axis.set_title(name, fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
        figure.colorbar(image, ax=axis, shrink=0.8).ax.tick_params(labelsize=7)
    figure.suptitle(f"{title} ({caption})" if caption else title, fontsize=9)
    data = io.BytesIO()
    figure.savefig(data, format="png", facecolor="white")
    return data.getvalue()


def _map(name: str):
    """Returns a colour map in which NaN and infinities are red."""
    import matplotlib

    colors = matplotlib.colormaps[name].copy()  # set_bad works on Colab's 3.10 too
    colors.set_bad("#d1495b")
    return colors


def alt_text(expected: np.ndarray, own: np.ndarray) -> str:
    """Says in words what `compare_matrices` draws."""
    if expected.shape != own.shape:
        return f"Expected shape {expected.shape}, yours has shape {own.shape}."
    error = np.abs(expected.astype("f8") - own.astype("f8"))
    finite = error[np.isfinite(error)]
    largest = finite.max(initial=0.0)
    return f"Expected values beside yours; the largest difference is {largest:.3g}."


def _panels(expected, own) -> tuple[list[tuple[str, np.ndarray]], str]:
    expected, own = expected.astype("f8"), own.astype("f8")
    expected[~np.isfinite(expected)] = np.nan
    own[~np.isfinite(own)] = np.nan
    if expected.shape != own.shape:
        first, second = _matrix(expected), _matrix(own)
        names = f"expected {expected.shape}", f"yours {own.shape}"
        return [(names[0], first), (names[1], second)], ""
    where = _worst_slice(expected, own)
    one, two = _matrix(expected[where]), _matrix(own[where])
    caption = ", ".join(
        f"{name} {i + 1}" for name, i in zip(_axes(len(where)), where, strict=True)
    )
    return [("expected", one), ("yours", two), ("difference", two - one)], caption


def _axes(count: int) -> list[str]:
    return ["example", "head"][:count] + [f"axis {i}" for i in range(2, count)]


def _worst_slice(expected, own) -> tuple[int, ...]:
    if expected.ndim <= 2 or expected.size == 0:
        return ()
    error = np.nan_to_num(np.abs(expected - own), nan=np.inf)
    position = np.unravel_index(int(error.argmax()), error.shape)
    return tuple(int(i) for i in position[:-2])


def _matrix(array: np.ndarray) -> np.ndarray:
    """Returns an array as a matrix that is not too large to be looked at."""
    while array.ndim > 2:
        array = array[0] if len(array) else np.zeros(array.shape[1:])
    if array.ndim < 2:
        array = array.reshape(1, -1)
    return array[:40, :60] if array.size else np.full((1, 1), np.nan)


def _range(matrices) -> tuple[float, float]:
    values = np.concatenate([matrix.ravel() for matrix in matrices])
    values = values[np.isfinite(values)]
    return (values.min(), values.max()) if values.size else (0.0, 1.0)
