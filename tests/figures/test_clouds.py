import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnkit.figures import clouds


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_each_panel_has_its_own_points_the_origin_and_equal_scales():
    raw = np.array([[5.0, 1.0], [6.0, 3.0], [7.0, 2.0]])
    figure = clouds.side_by_side(
        {"raw": raw, "centered": raw - raw.mean(axis=0)}, x_label="a", y_label="b"
    )
    assert [axis.get_title() for axis in figure.axes] == ["raw", "centered"]
    for axis, points in zip(figure.axes, (raw, raw - [6.0, 2.0]), strict=True):
        np.testing.assert_allclose(axis.lines[0].get_xydata(), points)
        np.testing.assert_array_equal(axis.lines[1].get_xydata(), [[0, 0]])
        assert axis.get_aspect() == 1.0
        assert axis.get_xlabel() == "a"
    assert figure.axes[0].get_ylabel() == "b"
