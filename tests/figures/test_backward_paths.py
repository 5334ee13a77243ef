"""The derivation drawn: are the paths complete, and are bars and curves those of the arrays?"""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnkit.figures import backward_paths
from bnkit.reference import batch_norm_backward, batch_norm_forward


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def paths_between(start, end, edges):
    if start == end:
        return [[]]
    return [
        [edge, *rest]
        for edge in edges
        if edge.start == start
        for rest in paths_between(edge.end, end, edges)
    ]


def test_three_paths_lead_from_the_loss_to_x_once_the_empty_edge_is_left_out():
    edges = [edge for edge in backward_paths.EDGES if edge.path != "zero"]
    found = paths_between("L", "x", edges)
    kinds = [{edge.path for edge in path} - {"all"} for path in found]
    assert sorted(kinds, key=str) == [{"direct"}, {"mean"}, {"variance"}]


def test_the_factors_along_the_three_paths_add_up_to_the_gradient():
    # The TeX on the arrows, read as numbers: multiply along a path, sum where examples meet.
    rng = np.random.default_rng(3)
    x, dy = rng.normal(2.0, 3.0, size=(7, 1)), rng.normal(size=(7, 1))
    gamma, eps = np.array([1.7]), 1e-3
    mu = x.mean(axis=0)
    r = 1 / np.sqrt(x.var(axis=0) + eps)
    value = {
        r"\mathrm{d}y": dy,
        r"\gamma": gamma,
        "r": r,
        "-r": -r,
        r"\frac{1}{N}": 1 / 7,
        r"-\frac{1}{2}(x-\mu)\,r^3": -0.5 * (x - mu) * r**3,
        r"\frac{2}{N}(x-\mu)": 2 / 7 * (x - mu),
    }
    total = np.zeros_like(x)
    edges = [edge for edge in backward_paths.EDGES if edge.path != "zero"]
    for path in paths_between("L", "x", edges):
        carried = np.ones_like(x)
        for edge in path:
            if edge.start in ("mu", "var"):  # one value for the batch: the examples meet here
                carried = carried.sum(axis=0)
            carried = carried * value[edge.factor]
        total += carried
    _, cache = batch_norm_forward(x, gamma, [0.0], eps)
    np.testing.assert_allclose(total, batch_norm_backward(dy, cache)[0], rtol=1e-12, atol=1e-14)


def test_every_node_and_every_factor_is_written_in_the_graph():
    (axes,) = backward_paths.computational_graph().axes
    written = {text.get_text() for text in axes.texts}
    assert {f"${edge.factor}$" for edge in backward_paths.EDGES} <= written
    assert {r"$\mu$", r"$\sigma^2$", r"$\hat{x}$", "$x$", "$y$", "$L$"} <= written


def test_bars_show_the_paths_and_diamonds_their_sum():
    paths = {
        "direct": np.array([1.0, -2.0]),
        "mean": np.array([0.5, 0.5]),
        "variance": np.array([0.25, 0.0]),
    }
    (axes,) = backward_paths.path_contributions(paths).axes
    heights = [[bar.get_height() for bar in container] for container in axes.containers]
    assert heights == [[1.0, -2.0], [0.5, 0.5], [0.25, 0.0]]
    diamonds = next(line for line in axes.lines if line.get_label().startswith("sum"))
    np.testing.assert_allclose(diamonds.get_ydata(), [1.75, -1.5])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2"]


def test_residual_figure_draws_the_least_squares_line():
    x_hat = np.array([-1.0, 0.0, 1.0])
    dy = np.array([0.0, 3.0, 3.0])  # mean 2, slope 1.5 by pencil
    left, right = backward_paths.gradient_as_residual(x_hat, dy, np.array([-0.5, 1.0, -0.5])).axes
    line = next(line for line in left.lines if line.get_label() == "least-squares line")
    np.testing.assert_allclose(line.get_xdata(), [-1.3, 1.3])
    np.testing.assert_allclose(line.get_ydata(), [2.0 - 1.95, 2.0 + 1.95])
    np.testing.assert_allclose(right.lines[-1].get_ydata(), [-0.5, 1.0, -0.5])


def test_gradient_check_has_one_labeled_curve_per_case_on_logarithmic_axes():
    steps = np.array([1e-3, 1e-2])
    figure = backward_paths.gradient_check(steps, {"float64": [1e-6, 1e-4], "float32": [0.1, 0.2]})
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == ["float64", "float32"]
    np.testing.assert_allclose(axes.lines[1].get_ydata(), [0.1, 0.2])
    np.testing.assert_allclose(axes.lines[0].get_xdata(), steps)
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_epsilon_figure_puts_points_on_their_ratios():
    ratios = np.array([1.0, 10.0])
    measured = {"ε = 1e-05": (np.array([2.0]), np.array([1 / 3]))}
    (axes,) = backward_paths.epsilon_correction(ratios, 1 / (1 + ratios), measured).axes
    line, points = axes.lines
    np.testing.assert_allclose(line.get_ydata(), [0.5, 1 / 11])
    np.testing.assert_allclose(points.get_xdata(), [2.0])
    np.testing.assert_allclose(points.get_ydata(), [1 / 3])
    assert points.get_label() == "ε = 1e-05"
