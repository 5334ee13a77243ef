import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnkit.figures import sigmoid


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def fit(gamma: float) -> sigmoid.Fit:
    z = np.linspace(-4, 4, 9)
    return sigmoid.Fit(
        z, 1 / (1 + np.exp(-z)), 0.5 + z / (4 * gamma), np.exp(-((z / gamma) ** 2) / 2), 1 / gamma
    )


def test_the_fit_and_the_share_are_drawn_against_gamma_and_one_is_marked():
    gamma, r_squared, share = np.array([0.5, 1, 2]), np.array([0.99, 0.98, 0.9]), [0.95, 0.68, 0.4]
    axis = sigmoid.linear_fit(gamma, r_squared, share).axes[0]
    shown = [line.get_xydata() for line in axis.lines]
    np.testing.assert_array_equal(shown[0], np.column_stack([gamma, r_squared]))
    np.testing.assert_array_equal(shown[1], np.column_stack([gamma, share]))
    np.testing.assert_array_equal(shown[2][:, 0], [1, 1])
    assert [text.get_text() for text in axis.texts] == ["γ = 1"]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [
        "R² of the best straight line",
        "share of inputs with |z| < 1",
    ]


def test_each_gamma_has_its_own_line_and_density_and_the_same_sigmoid():
    shown = sigmoid.with_slider({"1": fit(1), "2": fit(2)}, start=1, name="by-gamma", alt="Two.")
    one, two = ([curve.y for curve in frame.data] for frame in shown.figure.frames)
    density, curve, line = 0, 1, 2
    np.testing.assert_array_equal(one[curve], two[curve])
    np.testing.assert_allclose(one[line][-1], 1.5)
    np.testing.assert_allclose(two[line][-1], 1.0)
    np.testing.assert_allclose(one[density][6], np.exp(-2), atol=1e-4)  # z = 2
    np.testing.assert_allclose(two[density][6], np.exp(-0.5), atol=1e-4)


def test_the_slider_starts_where_it_is_told_and_says_how_good_the_line_is():
    shown = sigmoid.with_slider({"1": fit(1), "2": fit(2)}, start=1, name="by-gamma", alt="Two.")
    assert [curve.name for curve in shown.figure.data][2] == "best line, R² = 0.500"
    assert shown.figure.layout.sliders[0].active == 1
    assert [step.label for step in shown.figure.layout.sliders[0].steps] == ["1", "2"]
