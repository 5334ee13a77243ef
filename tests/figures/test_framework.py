"""Figures of the comparison with torch: do they show the differences, errors and times given?"""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnkit.figures import framework


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_training_gap_leaves_exact_agreement_out_of_the_logarithmic_axis():
    (axes,) = framework.training_gap([1, 2, 3], {"float32": np.array([0.0, 1e-8, 2e-8])}).axes
    (line,) = axes.lines
    assert np.isnan(line.get_ydata()[0])
    np.testing.assert_allclose(line.get_ydata()[1:], [1e-8, 2e-8])
    assert axes.get_yscale() == "log"


def test_large_means_has_a_curve_per_layer_and_the_resolution():
    errors = {"torch.nn": [1e-6, 1e-3], "from scratch": [1e-7, 2e-7]}
    (axes,) = framework.large_means(np.array([1.0, 1e4]), errors, 1.2e-7).axes
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(lines["torch.nn"].get_ydata(), [1e-6, 1e-3])
    np.testing.assert_allclose(lines["from scratch"].get_xdata(), [1.0, 1e4])
    np.testing.assert_allclose(lines["spacing of float32 at 1"].get_ydata(), [1.2e-7] * 2)
    colors = {lines[label].get_color() for label in errors}
    assert colors == {framework.LAYER_COLORS[label] for label in errors}


def test_constant_channels_draw_an_exact_result_at_the_lower_edge():
    distances = {"from scratch": [0.0, 0.0], "torch.nn": [1e-3, 5.0]}
    (axes,) = framework.constant_channels(np.array([1.0, 1e6]), distances).axes
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    np.testing.assert_allclose(lines["from scratch"], [1e-9, 1e-9])
    np.testing.assert_allclose(lines["torch.nn"], [1e-3, 5.0])


def test_speed_shows_median_and_spread_in_milliseconds_for_each_shape():
    seconds = {
        "torch.nn": np.array([[0.001, 0.002, 0.009], [0.1, 0.1, 0.1]]),
        "from scratch": np.array([[0.003, 0.003, 0.003], [0.2, 0.3, 0.4]]),
    }
    first, second = framework.speed(["(2, 3)", "(4, 5)"], seconds).axes
    assert (first.get_title(), second.get_title()) == ("(2, 3)", "(4, 5)")
    bar, dot = first.lines[0], first.lines[1]  # torch.nn comes first
    np.testing.assert_allclose(dot.get_xdata(), [2.0])
    np.testing.assert_allclose(bar.get_xdata(), [1.2, 7.6])  # quantiles .1 and .9 of 1, 2, 9
    np.testing.assert_allclose(second.lines[3].get_xdata(), [300.0])
    assert [label.get_text() for label in first.get_yticklabels()] == ["torch.nn", "from scratch"]
