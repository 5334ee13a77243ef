import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnkit.figures import depth
from bnkit.figures.style import COLORS, LABELS


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_layers_count_from_one_and_arms_have_the_colors_of_the_book():
    figure = depth.by_layer({"offset": {"none": [0.1, 0.5, 0.9], "batch": [0.0, 0.0, 0.0]}})
    axis = figure.axes[0]
    none, batch = axis.lines
    np.testing.assert_array_equal(none.get_xydata(), [[1, 0.1], [2, 0.5], [3, 0.9]])
    np.testing.assert_array_equal(batch.get_ydata(), [0, 0, 0])
    assert [line.get_color() for line in axis.lines] == [COLORS["none"], COLORS["batch"]]
    assert [line.get_label() for line in axis.lines] == [LABELS["none"], LABELS["batch"]]
    assert axis.get_ylim()[0] == 0.0


def test_there_is_one_panel_per_quantity_and_one_legend():
    figure = depth.by_layer({"offset": {"none": [1.0]}, "ratio": {"none": [2.0]}})
    assert [axis.get_title() for axis in figure.axes] == ["offset", "ratio"]
    assert [axis.get_legend() is not None for axis in figure.axes] == [True, False]


def test_an_unknown_arm_is_refused():
    with pytest.raises(KeyError, match="instance"):
        depth.by_layer({"offset": {"instance": [1.0]}})
