import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.ticker import NullLocator

from bnkit.figures import laws

M = np.array([1.0, 10.0, 100.0])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_measured_series_are_dots_and_laws_are_lines():
    figure = laws.measured_and_law(
        M, {"measured": [0.9, 0.12, 0.01]}, {"1/m": 1 / M}, x_label="m", y_label="variance"
    )
    axis = figure.axes[0]
    shown = {line.get_label(): line for line in axis.lines}
    np.testing.assert_array_equal(shown["measured"].get_xydata()[:, 1], [0.9, 0.12, 0.01])
    assert (shown["measured"].get_linestyle(), shown["measured"].get_marker()) == ("None", "o")
    np.testing.assert_allclose(shown["1/m"].get_xydata(), [[1, 1], [10, 0.1], [100, 0.01]])
    assert (shown["1/m"].get_linestyle(), shown["1/m"].get_marker()) == ("-", "None")
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("m", "variance")


def test_two_series_differ_in_color_and_in_shape():
    figure = laws.measured_and_law(M, {"a": M, "b": 2 * M}, {}, x_label="m", y_label="y")
    first, second = figure.axes[0].lines
    assert first.get_color() != second.get_color()
    assert first.get_marker() != second.get_marker()


def test_more_laws_than_dashes_are_all_drawn():
    many = {f"{k}/m": k / M for k in range(1, 6)}
    figure = laws.measured_and_law(M, {}, many, x_label="m", y_label="y")
    assert [line.get_label() for line in figure.axes[0].lines] == list(many)


@pytest.mark.parametrize(("y", "expected"), [([0.2, 0.3, 1.0], True), ([1e-4, 1.0, 10.0], False)])
def test_an_axis_of_less_than_two_decades_has_plain_labels(y, expected):
    axis = laws.measured_and_law(M, {"a": y}, {}, x_label="m", y_label="y").axes[0]
    axis.figure.draw_without_rendering()
    labels = [tick.get_text() for tick in axis.get_yticklabels()]
    assert ("0.2" in labels) is expected
    assert isinstance(axis.yaxis.get_minor_locator(), NullLocator) is expected


def test_panels_show_one_quantity_each_over_the_same_sizes():
    figure = laws.panels(M, {"examples": M**2, "time": 3 / M}, x_label="batch size m")
    assert [axis.get_title() for axis in figure.axes] == ["examples", "time"]
    assert [axis.get_xlabel() for axis in figure.axes] == ["batch size m"] * 2
    for axis, y in zip(figure.axes, (M**2, 3 / M), strict=True):
        np.testing.assert_allclose(axis.lines[0].get_xydata(), np.column_stack([M, y]))
