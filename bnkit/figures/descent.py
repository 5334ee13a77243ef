"""Which way does gradient descent take? Paths over the contours of a loss of two parameters."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import contourpy
import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bnkit.figures.interactive import Interactive, slider
from bnkit.figures.style import BLUE, FAINT, INK, ORANGE, SINGLE

Array = NDArray[np.float64]


class Surface(NamedTuple):
    """A loss on a grid of its two parameters, with the levels at which contours are drawn."""

    first: Array  # (K,) values of the first parameter
    second: Array  # (L,) values of the second
    loss: Array  # (L, K)
    levels: Sequence[float]  # increasing


class Descent(NamedTuple):
    """One run of gradient descent and the surface that it runs on."""

    surface: Surface
    path: Array  # (T + 1, 2), the start first
    optimum: Array  # (2,)
    label: str = "path"  # in the legend of the slider


def side_by_side(runs: Mapping[str, Descent], *, x_label: str, y_label: str) -> Figure:
    """One panel per run, titled by its key, with the contours, the path and the minimum."""
    figure, axes = plt.subplots(1, len(runs), figsize=(2.9 * len(runs), 3.1), squeeze=False)
    for axis, (title, run) in zip(axes[0], runs.items(), strict=True):
        _draw(axis, run)
        axis.set(title=title, xlabel=x_label)
    axes[0, 0].set_ylabel(y_label)
    return figure


def _draw(axis: Axes, run: Descent) -> None:
    surface, path = run.surface, run.path
    axis.contour(
        surface.first,
        surface.second,
        surface.loss,
        levels=surface.levels,
        colors=FAINT,
        linewidths=0.7,
    )
    # Long paths are thin and without dots: a thousand dots would hide the way.
    short = len(path) <= 60
    axis.plot(
        *path.T,
        color=BLUE,
        linewidth=1.2 if short else 0.5,
        marker="o" if short else None,
        markersize=3,
        label="path",
    )
    axis.plot(*path[0], "s", color=INK, markersize=5, label="start", zorder=4)
    axis.plot(*run.optimum, "*", color=ORANGE, markersize=11, label="minimum", zorder=4)
    axis.grid(False)
    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.yaxis.set_major_locator(MaxNLocator(4))
    axis.set(
        aspect="equal",  # a stretched map would hide how stretched the loss is
        xlim=(surface.first[0], surface.first[-1]),
        ylim=(surface.second[0], surface.second[-1]),
    )


def excess_loss(steps: Array, curves: Mapping[str, Array]) -> Figure:
    """Loss above its minimum, as a share of the start, against the number of steps.

    Args:
        steps: (T,) positive step counts.
        curves: label -> (T,).
    """
    figure, axis = plt.subplots(figsize=SINGLE)
    for label, curve in curves.items():
        axis.plot(steps, curve, label=label)
    axis.set(
        xscale="log",
        yscale="log",
        ylim=(1e-4, 1.3),
        xlabel="step",
        ylabel="loss above the minimum, share of the start",
    )
    axis.legend()
    return figure


def with_slider(
    runs: Mapping[str, Descent],
    *,
    label: str,
    start: int,
    x_label: str,
    y_label: str,
    name: str,
    alt: str,
) -> Interactive:
    """The runs one at a time, chosen by a slider; all of them share one surface.

    Args:
        runs: text at the slider -> run.
        label: what the slider changes, for example "batch size m = ".
        start: the position shown first.
        x_label: the first parameter.
        y_label: the second parameter.
        name: id of the figure on its page.
        alt: its text alternative.
    """
    surface = next(iter(runs.values())).surface
    figure = slider(
        [(text, _curves(run)) for text, run in runs.items()],
        label=label,
        start=start,
        x_title=x_label,
        y_title=y_label,
        x_range=(surface.first[0], surface.first[-1]),
        y_range=(surface.second[0], surface.second[-1]),
    )
    figure.update_layout(xaxis_constrain="domain", yaxis_scaleanchor="x")  # as the panels: equal
    return Interactive(figure, alt=alt, name=name, height=520)


def _curves(run: Descent) -> list[go.Scatter]:
    path = _until_it_is_gone(run)
    thin = path[:: max(1, len(path) // 400)]  # what the eye can follow, and a light page
    contour = contour_lines(run.surface)
    start, minimum = run.path[:1], run.optimum[np.newaxis]
    return [
        _curve(contour, "loss", "lines", line={"color": FAINT, "width": 1}, hoverinfo="skip"),
        _curve(thin, run.label, "lines+markers", line={"color": BLUE, "width": 1.5}, marker_size=4),
        _curve(start, "start", "markers", marker={"color": INK, "symbol": "square", "size": 9}),
        _curve(
            minimum, "minimum", "markers", marker={"color": ORANGE, "symbol": "star", "size": 15}
        ),
    ]


def _until_it_is_gone(run: Descent) -> Array:
    """The path with at most one point after the last that lies on the map."""
    (left, right), (low, high) = ((values[0], values[-1]) for values in run.surface[:2])
    first, second = run.path.T
    inside = (left <= first) & (first <= right) & (low <= second) & (second <= high)
    return run.path[: np.flatnonzero(inside).max(initial=0) + 2]


def _curve(points: Array, name: str, mode: str, **look: object) -> go.Scatter:
    x, y = np.round(points, 3).T
    return go.Scatter(x=x, y=y, name=name, mode=mode, **look)


def contour_lines(surface: Surface) -> Array:
    """All contours as one polyline, (P, 2), with a row of NaN wherever the pen is lifted."""
    generator = contourpy.contour_generator(surface.first, surface.second, surface.loss)
    lifted = np.full((1, 2), np.nan)
    pieces = [
        part
        for level in surface.levels
        for line in generator.lines(level)
        for part in (line, lifted)
    ]
    return np.concatenate(pieces or [lifted])
