"""Do measured points follow the law? Dots and lines on logarithmic axes."""

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
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
    figure, axis = plt.subplots(figsize=SINGLE, layout="constrained")
    for (label, y), color, marker in zip(measured.items(), cycle(CYCLE), cycle(_MARKERS)):  # noqa: B905 - cycles never end
        axis.plot(x, y, marker, color=color, markersize=5, label=label)
    for (label, y), dash in zip(laws.items(), cycle(["-", "--", ":"])):  # noqa: B905
        axis.plot(x, y, dash, color=INK, linewidth=1.0, label=label, zorder=1)
    axis.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label)
    axis.legend()
    return figure


def panels(x: ArrayLike, curves: Mapping[str, ArrayLike], *, x_label: str) -> Figure:
    """One quantity per panel over the same x, titled by its key, on logarithmic axes."""
    figure, axes = plt.subplots(
        1, len(curves), figsize=WIDE, squeeze=False, layout="constrained", sharex=True
    )
    for axis, (title, y) in zip(axes[0], curves.items(), strict=True):
        axis.plot(x, y, "o-", color=BLUE, markersize=4)
        axis.set(xscale="log", yscale="log", title=title, xlabel=x_label)
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.yaxis.set_minor_locator(NullLocator())
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_formatter("{x:g}")
    return figure
