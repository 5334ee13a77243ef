"""Placements on a small net: accuracy against the rate, and what each part of a layer sees."""

from collections.abc import Mapping
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from bnkit.figures.interactive import AXIS, Interactive, slider
from bnkit.figures.placement import LOOKS, PLACES, SCALES, in_words
from bnkit.figures.style import BLUE, COLORS, GREEN, INK, LABELS

Array = NDArray[np.float64]

PLACE_COLORS = {"before": BLUE, "after": GREEN}
EDGE = 4.0  # of the histograms; what lies beyond is counted at the ends
ERRORS = (1, 2, 3, 5, 10, 20, 30, 50, 90)  # in percent, that have a tick
BINS = np.linspace(-EDGE, EDGE, 65)


class Seen(NamedTuple):
    """What happens in one hidden layer, over all units and examples.

    Attributes:
        inputs: of the nonlinearity, any shape.
        outputs: what the next layer gets.
        curve: the nonlinearity at the middles of `BINS`.
    """

    inputs: ArrayLike
    outputs: ArrayLike
    curve: ArrayLike


def middles() -> Array:
    """(64,) where `Seen.curve` is to be computed."""
    return (BINS[1:] + BINS[:-1]) / 2


def by_rate(
    accuracy: Mapping[str, Mapping[float, float]], nonlinearities: Mapping[str, str]
) -> Figure:
    """Test error against the learning rate, both on logarithms: a panel a nonlinearity.

    Args:
        accuracy: arm -> rate -> a fraction.
        nonlinearities: name -> title of its panel.
    """
    figure, panels = plt.subplots(
        1, len(nonlinearities), figsize=(7.2, 3.2), sharey=True, squeeze=False
    )
    looks = {"none": (COLORS["none"], "-")} | {
        f"{place}-{scale}": (PLACE_COLORS[place], LOOKS[scale][2])
        for place in PLACES
        for scale in SCALES
    }
    for axes, (name, title) in zip(panels[0], nonlinearities.items(), strict=True):
        for cell, (color, dashes) in looks.items():
            points = accuracy[f"{cell}-{name}"]
            errors = [100 * (1 - value) for value in points.values()]
            axes.plot(list(points), errors, dashes, color=color, marker=".", markersize=5)
        axes.set(xscale="log", yscale="log", xlabel="learning rate")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_locator(FixedLocator(ERRORS))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_title(title, fontsize=10)
    panels[0][0].set_ylabel("test error (%)")
    names = {"none": LABELS["none"]} | {
        f"{place}-{scale}": f"{PLACES[place]}, {SCALES[scale]}"
        for place in PLACES
        for scale in SCALES
    }
    labels = [names[cell] for cell in looks]
    lines = panels[0][0].lines
    figure.legend(lines, labels, loc="outside upper center", ncols=len(labels), fontsize=8)
    return figure


def winners(accuracy: Mapping[str, Mapping[float, float]], nonlinearity: str) -> dict[float, str]:
    """Rate -> the cell with the largest accuracy at it, in words; the first one of equals."""
    cells = {
        arm.rpartition("-")[0]: of_rates
        for arm, of_rates in accuracy.items()
        if arm.endswith(f"-{nonlinearity}")
    }
    rates = next(iter(cells.values()))
    return {rate: in_words(max(cells, key=lambda cell: cells[cell][rate])) for rate in rates}


def seen(layers: Mapping[str, Seen], *, start: int, name: str, alt: str) -> Interactive:
    """Above the inputs of the nonlinearity, below what the next layer gets, one net at a time.

    Args:
        layers: text at the slider -> a layer.
        start: the position shown first.
        name: id of the figure on its page.
        alt: its text alternative.
    """
    figure = slider(
        [(text, _curves(layer)) for text, layer in layers.items()],
        label="",
        start=start,
        x_title="input of the nonlinearity",
        y_title="share per bin",
        x_range=(-EDGE, EDGE),
        y_range=(-0.08, 0.26),
    )
    figure.update_layout(
        xaxis={"anchor": "y"},
        yaxis={"domain": [0.6, 1.0]},
        xaxis2={
            "title": "what the next layer gets", "anchor": "y2", "range": [-EDGE, EDGE], **AXIS
        },
        yaxis2={
            "title": "share per bin", "anchor": "x2", "domain": [0.0, 0.38],
            "range": [0.0, 0.7], **AXIS,
        },
    )  # fmt: skip
    figure.layout.sliders[0].pad.t = 64  # clear of the lower axis
    # The names of the positions would overlap each other; the current one stands above them.
    figure.layout.sliders[0].font = {"color": "rgba(0,0,0,0)", "size": 1}
    figure.layout.sliders[0].currentvalue.font = {"color": INK, "size": 14}
    return Interactive(figure, alt=alt, name=name, height=620)


def _curves(layer: Seen) -> list[go.Scatter]:
    """The inputs, the nonlinearity on the same axes at a twentieth of its size, the outputs."""
    x = np.round(middles(), 4)
    look = {"shape": "hvh", "width": 1.5}
    dashed = {"color": INK, "dash": "dash", "width": 1.5}
    small = np.round(np.asarray(layer.curve) / 20, 4)
    return [
        go.Scatter(
            x=x, y=shares(layer.inputs), name=f"above: {_moments(layer.inputs)}", mode="lines",
            line={"color": BLUE, **look}, fill="tozeroy",
        ),
        go.Scatter(x=x, y=small, mode="lines", line=dashed, showlegend=False),
        go.Scatter(
            x=x, y=shares(layer.outputs), name=f"below: {_moments(layer.outputs)}", mode="lines",
            line={"color": GREEN, **look}, fill="tozeroy", xaxis="x2", yaxis="y2",
        ),
    ]  # fmt: skip


def shares(values: ArrayLike) -> Array:
    """(64,) the share of the values in each bin, those beyond the edges in the outermost."""
    flat = np.clip(np.asarray(values, dtype=float).ravel(), -EDGE, EDGE)
    found, _ = np.histogram(flat, BINS)
    return np.round(found / len(flat), 4)


def _moments(values: ArrayLike) -> str:
    flat = np.asarray(values, dtype=float)
    return f"mean {flat.mean():.2f}, deviation {flat.std():.2f}".replace("-", "−")
