import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnkit.figures import descent


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def bowl(levels=(0.5, 2.0)) -> descent.Surface:
    """(u² + v²) / 2: its contour at level c is the circle of radius √(2c)."""
    first, second = np.linspace(-3, 3, 61), np.linspace(-2.5, 2.5, 51)
    u, v = np.meshgrid(first, second)
    return descent.Surface(first, second, (u**2 + v**2) / 2, levels)


def run(num_steps: int = 2) -> descent.Descent:
    path = np.array([2.0, 1.0]) * 0.5 ** np.arange(num_steps + 1)[:, None]
    return descent.Descent(bowl(), path, np.zeros(2))


def lines(axis) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in axis.lines}


def test_a_panel_shows_the_whole_path_its_start_and_the_minimum():
    figure = descent.side_by_side({"m = 1": run(3)}, x_label="u", y_label="v")
    shown = lines(figure.axes[0])
    np.testing.assert_array_equal(shown["path"], [[2, 1], [1, 0.5], [0.5, 0.25], [0.25, 0.125]])
    np.testing.assert_array_equal(shown["start"], [[2, 1]])
    np.testing.assert_array_equal(shown["minimum"], [[0, 0]])


def test_there_is_one_titled_panel_per_run_and_the_map_is_not_stretched():
    figure = descent.side_by_side({"raw": run(), "scaled": run()}, x_label="u", y_label="v")
    assert [axis.get_title() for axis in figure.axes] == ["raw", "scaled"]
    assert [axis.get_xlabel() for axis in figure.axes] == ["u", "u"]
    assert figure.axes[0].get_ylabel() == "v"
    assert all(axis.get_aspect() == 1.0 for axis in figure.axes)
    assert figure.axes[0].get_xlim() == (-3.0, 3.0)
    assert figure.axes[0].get_ylim() == (-2.5, 2.5)


def test_contours_of_a_round_bowl_are_circles_of_the_known_radii():
    points = descent.contour_lines(bowl())
    pen_down = points[np.isfinite(points).all(axis=1)]
    radii = np.linalg.norm(pen_down, axis=1)
    near = np.minimum(np.abs(radii - 1.0), np.abs(radii - 2.0))
    assert near.max() < 2e-3  # linear interpolation on a grid of step 0.1
    assert (radii < 1.5).any()
    assert (radii > 1.5).any()
    assert np.isnan(points).all(axis=1).sum() == 2


def test_a_level_that_the_surface_does_not_reach_draws_nothing():
    assert np.isnan(descent.contour_lines(bowl(levels=(100.0,)))).all()


def test_each_slider_position_has_its_own_path_and_the_same_minimum():
    shown = descent.with_slider(
        {"1": run(1), "8": run(5)},
        label="m = ", start=1, x_label="u", y_label="v", name="paths", alt="Two paths.",
    )  # fmt: skip
    frames = {
        frame.name: {curve.name: curve for curve in frame.data} for frame in shown.figure.frames
    }
    assert {name: len(curves["path"].x) for name, curves in frames.items()} == {"1": 2, "8": 6}
    np.testing.assert_array_equal(frames["8"]["path"].x, [2, 1, 0.5, 0.25, 0.125, 0.062])
    assert all((curves["minimum"].x, curves["minimum"].y) == (0, 0) for curves in frames.values())
    at_first = {curve.name: curve for curve in shown.figure.data}
    assert len(at_first["path"].x) == 6
    assert shown.figure.layout.sliders[0].active == 1


def test_a_long_path_is_thinned_for_the_page_but_not_for_print():
    long = run(5000)
    shown = descent.with_slider(
        {"1": long}, label="m = ", start=0, x_label="u", y_label="v", name="long", alt="One path."
    )
    path = next(curve for curve in shown.figure.data if curve.name == "path")
    assert 300 < len(path.x) < 900
    printed = lines(descent.side_by_side({"1": long}, x_label="u", y_label="v").axes[0])
    assert len(printed["path"]) == 5001


def test_a_path_that_leaves_the_map_stops_there_and_one_that_comes_back_does_not():
    out, back = (np.array([[0.0, 1], [0, 9], [0, 2], last]) for last in ([0, 9], [0, 1]))
    gone = np.concatenate([out, [[0.0, 20], [0.0, 30]]])
    shown = descent.with_slider(
        {text: descent.Descent(bowl(), path, np.zeros(2), text)
         for text, path in (("gone", gone), ("back", back))},
        label="m = ", start=0, x_label="u", y_label="v", name="leaving", alt="Two paths.",
    )  # fmt: skip
    gone_frame, back_frame = (
        {curve.name: curve for curve in frame.data} for frame in shown.figure.frames
    )
    np.testing.assert_array_equal(gone_frame["gone"].y, [1, 9, 2, 9])
    np.testing.assert_array_equal(back_frame["back"].y, [1, 9, 2, 1])


def test_excess_loss_draws_every_curve_on_logarithmic_axes():
    steps = np.array([1.0, 10.0, 100.0])
    axis = descent.excess_loss(steps, {"raw": steps**-0.5, "scaled": steps**-1.0}).axes[0]
    np.testing.assert_allclose(lines(axis)["scaled"], [[1, 1], [10, 0.1], [100, 0.01]])
    assert set(lines(axis)) == {"raw", "scaled"}
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
