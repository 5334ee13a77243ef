"""What the figures on smoothness hand to matplotlib."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnkit.figures import lipschitz
from bnkit.figures.descent import Surface


def lines(axis):
    return {line.get_label(): line.get_xydata() for line in axis.lines}


def test_the_cone_starts_at_its_apex_with_the_slope_of_the_constant():
    x = np.linspace(0.0, 4.0, 9)
    axis = lipschitz.cone(x, np.sin(x), 1.0, apex=2).axes[0]
    upper, lower, f, apex = axis.lines
    np.testing.assert_allclose(upper.get_ydata(), np.sin(1.0) + np.abs(x - 1.0))
    np.testing.assert_allclose(lower.get_ydata(), np.sin(1.0) - np.abs(x - 1.0))
    np.testing.assert_allclose(f.get_xydata(), np.column_stack([x, np.sin(x)]))
    np.testing.assert_allclose(apex.get_xydata(), [[1.0, np.sin(1.0)]])


def test_the_shaded_part_holds_the_graph():
    x = np.linspace(0.0, 4.0, 9)
    figure = lipschitz.cone(x, np.sin(x), 1.0, apex=2)
    (shaded,) = figure.axes[0].collections
    path = shaded.get_paths()[0]
    inside = path.contains_points(np.column_stack([x, np.sin(x)])[[0, 1, 4, 8]])
    assert inside.all()
    assert not path.contains_point((1.0, np.sin(1.0) + 0.5))


def test_random_pairs_are_counted_and_the_constant_is_marked_in_both_panels():
    quotients = np.array([0.1, 0.1, 0.4, 0.7])
    figure = lipschitz.sampled_and_climbed(quotients, np.array([0.5, 1.5, 2.0]), constant=2.0)
    left, right = figure.axes
    assert sum(bar.get_height() for bar in left.patches) == 4
    assert left.lines[0].get_xdata()[0] == 2.0
    assert left.get_xlim()[1] > 2.0
    np.testing.assert_array_equal(right.lines[0].get_xydata(), [[0, 0.5], [1, 1.5], [2, 2.0]])
    assert right.lines[1].get_ydata()[0] == 2.0
    assert right.get_ylim()[0] == 0


def test_the_bound_is_dashed_and_each_curvature_has_its_curve():
    rates = np.array([0.0, 1.0, 2.0])
    changes = {1.0: -rates * (1 - rates / 2), 0.5: -rates * (1 - rates / 4)}
    axis = lipschitz.guarantee(rates, changes, bound=changes[1.0]).axes[0]
    shown = lines(axis)
    np.testing.assert_allclose(shown["curvature 0.5 β"][:, 1], [0.0, -0.75, -1.0])
    np.testing.assert_allclose(shown["largest allowed"][:, 1], [0.0, -0.5, 0.0])
    dashes = {line.get_label(): line.get_linestyle() for line in axis.lines}
    assert (dashes["largest allowed"], dashes["curvature 1 β"]) == ("--", "-")
    assert axis.get_xlim() == (0.0, 2.0)


def angular(heights=(1.0, 0.1)):
    """The loss w₁ / ‖w‖, which is constant along rays."""
    axis = np.linspace(-1.0, 1.0, 40)
    first, second = np.meshgrid(axis, axis)
    surface = Surface(axis, axis, first / np.hypot(first, second), (-1.1, -0.5, 0.0, 0.5, 1.1))
    return surface, {h: (axis, axis / np.hypot(axis, h)) for h in heights}


def test_each_cut_is_a_line_from_above_and_a_curve_of_the_same_color():
    surface, cuts = angular()
    left, right, *_ = lipschitz.near_the_origin(surface, cuts).axes
    for place, (height, (first, loss)) in enumerate(cuts.items()):
        above, along = left.lines[place], right.lines[place]
        assert above.get_ydata()[0] == height
        assert above.get_color() == along.get_color()
        np.testing.assert_allclose(along.get_xydata(), np.column_stack([first, loss]))
        assert along.get_label() == f"{height:g}"
    assert right.get_legend().get_title().get_text() == "w₂"


def test_from_above_the_map_is_not_stretched_and_the_origin_is_marked():
    surface, cuts = angular()
    left = lipschitz.near_the_origin(surface, cuts).axes[0]
    assert left.get_aspect() == 1.0
    np.testing.assert_array_equal(left.lines[-1].get_xydata(), [[0.0, 0.0]])
    assert len(left.collections[0].get_paths()) == 4  # a color between any two levels


@pytest.mark.parametrize("name", ["cone", "sampled_and_climbed", "guarantee", "near_the_origin"])
def test_no_figure_draws_on_the_one_before(name):
    x = np.linspace(0.0, 1.0, 5)
    arguments = {
        "cone": (x, x, 1.0),
        "sampled_and_climbed": (x, x, 1.0),
        "guarantee": (x, {1.0: x}, x),
        "near_the_origin": angular(),
    }[name]
    more = {"apex": 1} if name == "cone" else {}
    first, second = (getattr(lipschitz, name)(*arguments, **more) for _ in "ab")
    assert first is not second
    assert set(plt.get_fignums()) == {first.number, second.number}
