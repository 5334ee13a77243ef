"""Do measured points follow the law? Dots and lines on logarithmic axes."""

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import ArrayLike

from bnkit.figures.style import BLUE, CYCLE, INK, SINGLE, WIDE

_MARKERS = "os^Dv"


def measured_and_law(
    x: ArrayLike,
    measured: Mapping[str, ArrayLike],
    laws: Mapping[str, ArrayLike],
    *,
    x_label: str,
    y_label: str,
) -> Figure:
    """Dots for every measured series, a thin line for every law, both over the same x.

    Args:
        x: (K,), positive.
        measured: label -> (K,); zeros and NaN have no place on a logarithmic axis and no dot.
        laws: label -> (K,).
        x_label: with its unit.
        y_label: with its unit.
    """
    figure, axis = plt.subplots(figsize=SINGLE)
    for (label, y), color, marker in zip(measured.items(), cycle(CYCLE), cycle(_MARKERS)):
        axis.plot(x, y, marker, color=color, markersize=5, label=label)
    for (label, y), dash in zip(laws.items(), cycle(["-", "--", ":"])):
        axis.plot(x, y, dash, color=INK, linewidth=1.0, label=label, zorder=1)
    axis.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label)
    low, high = axis.get_ylim()
    if high < 100 * low:
        _plain_ticks(axis.yaxis)
    axis.legend()
    return figure


def panels(x: ArrayLike, curves: Mapping[str, ArrayLike], *, x_label: str) -> Figure:
    """One quantity per panel over the same x, titled by its key, on logarithmic axes."""
    figure, axes = plt.subplots(1, len(curves), figsize=WIDE, squeeze=False, sharex=True)
    for axis, (title, y) in zip(axes[0], curves.items(), strict=True):
        axis.plot(x, y, "o-", color=BLUE, markersize=4)
        axis.set(xscale="log", yscale="log", title=title, xlabel=x_label)
        axis.xaxis.set_major_formatter("{x:g}")
        _plain_ticks(axis.yaxis)
    return figure


def _plain_ticks(scale: Axis) -> None:
    """Label 0.1, 0.2, 0.5, 1, ... where powers of ten alone would leave one label or none."""
    scale.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    scale.set_minor_locator(NullLocator())
    scale.set_major_formatter("{x:g}")
