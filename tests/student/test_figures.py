import numpy as np
import pytest

from autograder.student.figures import WINDOW, _panels, alt_text, compare_matrices

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "shape",
    [(), (3,), (2, 3), (2, 3, 4), (2, 2, 3, 4), (2, 1, 2, 3, 2), (0, 3), (1, 1)],
)
def test_any_array_can_be_drawn(shape):
    expected = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    own = expected + 1
    assert compare_matrices(expected, own, title="t").startswith(PNG)
    assert compare_matrices(expected, np.zeros((2, 5)), title="t").startswith(PNG)
    assert "shape" in alt_text(expected, np.zeros((7, 5)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["bool", "int32", "float16", "uint8"])
def test_any_dtype_can_be_drawn(dtype):
    expected = np.eye(3).astype(dtype)
    assert compare_matrices(expected, expected[::-1], title="$t").startswith(PNG)


@pytest.mark.filterwarnings("error")
def test_nan_and_infinity_stay_visible_and_are_told():
    expected = np.zeros((2, 3, 4), "float32")
    own = expected.copy()
    own[1, 2] = np.nan, np.inf, -np.inf, 7
    (_, yours, gap), caption = _panels(expected.astype("f8"), own.astype("f8"))
    assert caption == "example 1"
    assert np.isnan(yours.values[2, 0]) and np.isinf(gap.values[2, 1:3]).all()
    told = alt_text(expected, own)
    assert "3 of your 24 values are NaN or infinite" in told
    assert "The largest difference is 7" in told and "example 1, row 2" in told
    assert compare_matrices(expected, own, title="t").startswith(PNG)
    assert compare_matrices(own * np.nan, own * np.nan, title="t").startswith(PNG)


def test_the_slice_that_deviates_most_is_shown_and_named():
    expected = np.zeros((2, 3, 4, 5))
    own = expected.copy()
    own[0, 1, 2, 3], own[1, 2, 0, 4] = 0.1, -0.5
    panels, caption = _panels(expected, own)
    assert caption == "example 1, head 2"
    assert [panel.name for panel in panels] == ["expected", "yours", "difference"]
    assert panels[2].values[0, 4] == -0.5
    assert "example 1, head 2, row 0, column 4" in alt_text(expected, own)


def test_of_a_large_matrix_the_part_around_the_worst_is_shown():
    expected = np.zeros((100, 500))
    own = expected.copy()
    own[90, 3] = 1
    (_, _, gap), _ = _panels(expected, own)
    assert gap.values.shape == WINDOW and gap.corner == (60, 0)
    assert gap.values[90 - 60, 3] == 1


def test_equal_infinities_are_no_difference():
    same = np.array([[np.inf, np.nan, 1.0]])
    (_, _, gap), _ = _panels(same, same.copy())
    assert not gap.values.any()


def test_different_shapes_are_named():
    panels, _ = _panels(np.zeros((2, 3, 4)), np.zeros((3, 5)))
    assert [panel.name for panel in panels] == ["expected (2, 3, 4)", "yours (3, 5)"]
    assert panels[0].values.shape == (3, 4)


def test_what_the_notebook_set_for_its_own_figures_does_not_matter():
    import matplotlib

    numbers = np.eye(3)
    due = compare_matrices(numbers, numbers * 2, title="t", clear=True)
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "black"}):
        assert compare_matrices(numbers, numbers * 2, title="t", clear=True) == due


def test_a_picture_that_cannot_be_drawn_is_told(monkeypatch):
    from autograder.student import figures
    from autograder.student.display import Picture

    monkeypatch.setattr(figures, "compare_matrices", None)
    shown = Picture("t", np.eye(3), np.zeros((3, 3))).html()
    assert "The largest difference is 1" in shown and "<img" not in shown
