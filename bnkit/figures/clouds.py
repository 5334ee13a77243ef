"""What does a transformation do to a cloud of points? One scatter plot per stage."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnkit.figures.style import BLUE, INK


def side_by_side(
    clouds: Mapping[str, NDArray[np.float64]], *, x_label: str, y_label: str
) -> Figure:
    """One panel per cloud, titled by its key, with the origin marked and equal scales.

    Args:
        clouds: title -> (N, 2) points.
        x_label: the first feature.
        y_label: the second feature.
    """
    figure, axes = plt.subplots(1, len(clouds), figsize=(2.9 * len(clouds), 3.0), squeeze=False)
    for axis, (title, points) in zip(axes[0], clouds.items(), strict=True):
        axis.plot(*points.T, ".", color=BLUE, markersize=4.5, alpha=0.4, markeredgewidth=0)
        axis.plot(0, 0, "+", color=INK, markersize=10, label="origin")
        axis.set(aspect="equal", adjustable="datalim", title=title, xlabel=x_label)
    axes[0, 0].set_ylabel(y_label)
    return figure
