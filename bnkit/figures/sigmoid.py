"""How much of the sigmoid does a normalized input see?"""

from collections.abc import Mapping
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnkit.figures.interactive import Interactive, slider
from bnkit.figures.style import BLUE, FAINT, INK, ORANGE, SINGLE, SKY

Array = NDArray[np.float64]


class Fit(NamedTuple):
    """The sigmoid's input, a normal density, and the straight line that fits best under it."""

    z: Array  # (K,) inputs of the sigmoid
    sigmoid: Array  # (K,)
    line: Array  # (K,)
    density: Array  # (K,) of the input, largest value 1
    r_squared: float


def linear_fit(gamma: Array, r_squared: Array, share_inside: Array) -> Figure:
    """R² of the straight line, and the share of inputs with |z| < 1, against γ; all (K,)."""
    figure, axis = plt.subplots(figsize=SINGLE)
    axis.plot(gamma, r_squared, color=BLUE, label="R² of the best straight line")
    axis.plot(gamma, share_inside, "--", color=ORANGE, label="share of inputs with |z| < 1")
    axis.axvline(1.0, color=FAINT, linewidth=1, zorder=1)
    axis.annotate("γ = 1", (1.0, 0.02), xytext=(4, 0), textcoords="offset points", color=INK)
    axis.set(xscale="log", xlabel="γ", ylabel="fraction", ylim=(0, 1.03))
    ticks = [0.25, 0.5, 1, 2, 4, 8, 16]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axis.set_xticks([], minor=True)
    axis.legend()
    return figure


def with_slider(fits: Mapping[str, Fit], *, start: int, name: str, alt: str) -> Interactive:
    """The sigmoid, its input's density and its best line, one γ at a time.

    Args:
        fits: γ as text -> the fit at that γ; all over the same z.
        start: the position shown first.
        name: id of the figure on its page.
        alt: its text alternative.
    """
    z = next(iter(fits.values())).z
    figure = slider(
        [(text, _curves(fit)) for text, fit in fits.items()],
        label="γ = ",
        start=start,
        x_title="z, the input of the sigmoid",
        y_title="output, and density of z (largest value 1)",
        x_range=(float(z[0]), float(z[-1])),
        y_range=(-0.25, 1.25),
    )
    return Interactive(figure, alt=alt, name=name, height=480)


def _curves(fit: Fit) -> list[go.Scatter]:
    filled = {"fill": "tozeroy", "fillcolor": "rgba(86,180,233,0.25)"}
    return [
        _curve(fit.z, fit.density, "density of z", {"color": SKY, "width": 1}, **filled),
        _curve(fit.z, fit.sigmoid, "sigmoid", {"color": BLUE, "width": 3}),
        _curve(
            fit.z,
            fit.line,
            f"best line, R² = {fit.r_squared:.3f}",
            {"color": ORANGE, "width": 2, "dash": "dash"},
        ),
    ]


def _curve(x: Array, y: Array, name: str, line: dict[str, object], **look: object) -> go.Scatter:
    return go.Scatter(
        x=np.round(x, 3), y=np.round(y, 4), name=name, mode="lines", line=line, **look
    )
