"""Sizes from layer to layer in a fresh net, and what becomes of weights at a large rate."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from bnkit.figures.interactive import AXIS, Interactive, slider
from bnkit.figures.style import COLORS, INK
from bnkit.figures.training import curves

Array = NDArray[np.float64]
LOOKS = {"none": "-", "none-scaled": "--", "batch": "-"}


def by_layer(
    columns: Mapping[str, Mapping[str, tuple[ArrayLike, ArrayLike, float]]],
    labels: Mapping[str, str],
) -> Figure:
    """Above the signal, below the gradient against the layer: a column a nonlinearity.

    Args:
        columns: title -> arm -> (signal (L,), gradient (L,), predicted factor of the squared
            gradient by one layer towards the input). The gradient is drawn over that of the
            highest layer; a dotted line has the predicted factor.
        labels: arm, a key of `LOOKS` -> its name in the legend.
    """
    figure, every = plt.subplots(
        2, len(columns), figsize=(7.2, 4.8), sharex=True, sharey="row", squeeze=False
    )
    for (above, below), (title, arms) in zip(every.T, columns.items(), strict=True):
        for arm, (signal, gradient, factor) in arms.items():
            look = {"color": COLORS[arm.partition("-")[0]], "linestyle": LOOKS[arm]}
            sizes = np.asarray(gradient) / np.asarray(gradient)[-1]
            layers = np.arange(1, len(sizes) + 1)
            above.plot(layers, signal, **look, label=labels[arm])
            below.plot(layers, sizes, **look)
            predicted = np.sqrt(factor) ** (len(sizes) - layers)
            below.plot(layers, predicted, ":", color=INK, linewidth=1.2)
        above.set(yscale="log")
        above.set_title(title, fontsize=10)
        below.set(yscale="log", xlabel="layer")
    every[0, 0].set_ylabel("signal")
    every[1, 0].set_ylabel("gradient,\nover the highest layer's")
    handles, names = every[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=len(names), fontsize=8.5)
    return figure


def growth(
    runs: Mapping[float, Mapping[str, pd.DataFrame]],
    labels: Mapping[str, str],
    *,
    start: float,
    name: str,
) -> Interactive:
    """Loss above and norm of the hidden weights below, against steps, a rate a position.

    Args:
        runs: rate -> arm -> rows "train_loss" (nat) and "size", the norm. A curve ends where its
            numbers do.
        labels: arm -> its name in the legend; the second arm of a color is dashed.
        start: the rate shown first.
        name: id of the figure on its page.
    """
    figure = slider(
        [(f"{rate:g}", _two_panels(arms, labels)) for rate, arms in runs.items()],
        label="rate of the hidden weights: ",
        start=list(runs).index(start),
        x_title="optimizer steps",
        y_title="training loss (nat)",
        y_range=(-3.3, 1.3),
    )
    figure.update_layout(
        xaxis={"anchor": "y", "title": ""},
        yaxis={"type": "log", "domain": [0.56, 1.0], "dtick": 1},
        xaxis2={"title": "optimizer steps", "anchor": "y2"},
        yaxis2={"title": "‖W‖ / at the start", "type": "log", "dtick": 1, "anchor": "x2"},
    )
    figure.layout.yaxis2.update(domain=[0.0, 0.42], range=[-0.3, 4.3])
    for axis in (figure.layout.xaxis2, figure.layout.yaxis2):
        axis.update(AXIS)
    alt = (
        "Two panels for live nets whose hidden weights alone have the learning rate of the slider. "
        "Above, the training loss against steps; below, the norm of the hidden weights relative to "
        "the start: without BN, with BN, and with BN and norms held."
    )
    return Interactive(figure, alt=alt, name=name, height=620)


def _two_panels(arms: Mapping[str, pd.DataFrame], labels: Mapping[str, str]) -> list[go.Scatter]:
    """Medians over seeds, the curves of the upper panel first."""
    above, below = [], []
    for arm, label in labels.items():
        color, _, rest = arm.partition("-")
        line = {"color": COLORS[color], "width": 2, "dash": "dash" if rest else "solid"}
        style = {"mode": "lines", "name": label, "line": line}
        loss, size = (curves(arms[arm], which) for which in ("train_loss", "size"))
        middle = loss.median(axis="columns")
        above.append(go.Scatter(x=middle.index.tolist(), y=_digits(middle), **style))
        size = (size / size.iloc[0]).median(axis="columns", skipna=False)
        where = {"xaxis": "x2", "yaxis": "y2", "showlegend": False}
        below.append(go.Scatter(x=size.index.tolist(), y=_digits(size), **where, **style))
    return [*above, *below]


def _digits(values: pd.Series) -> list[float | None]:
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]
