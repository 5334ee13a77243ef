"""A normal channel after BN, by batch size: what comes out, and what becomes of a given example."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray
from scipy import special

from bnkit.figures.interactive import AXIS, Interactive, slider
from bnkit.figures.style import BLUE, INK, ORANGE

Array = NDArray[np.float64]

EDGE = 3.5
BINS = np.linspace(-EDGE, EDGE, 71)
VALUES = np.linspace(-EDGE, EDGE, 57)


class OfSize(NamedTuple):
    """Batches of one size, drawn from a standard normal population.

    Attributes:
        size: m.
        normalized: any shape, values of x_hat.
        answers: (len(VALUES),) mean of x_hat for an example x of `VALUES` among m - 1 others.
    """

    size: int
    normalized: ArrayLike
    answers: ArrayLike


def density(r: ArrayLike, size: int) -> Array:
    """Of x_hat in batches of `size` normal values, size >= 3: 0 beyond ±√(size - 1)."""
    inside = 1.0 - np.square(r) / (size - 1)
    power = np.where(inside > 0, inside, 1.0) ** ((size - 4) / 2)
    scale = np.sqrt(size - 1) * special.beta(0.5, (size - 2) / 2)
    return np.where(inside > 0, power / scale, 0.0)


def mean_of_relu(size: int) -> float:
    """The mean of max(x_hat, 0) in batches of `size` normal values; 1/√(2π) for large ones."""
    gammas = np.exp(special.gammaln((size - 1) / 2) - special.gammaln(size / 2))
    return float(np.sqrt((size - 1) / np.pi) * gammas / 2)


def normalized(sizes: Sequence[OfSize], *, start: int, name: str) -> Interactive:
    """Above what comes out of BN in training, below the mean answer for an example x.

    Args:
        sizes: a batch size each, in order.
        start: the position shown first.
        name: id of the figure on its page.
    """
    figure = slider(
        [(str(of_size.size), _curves(of_size)) for of_size in sizes],
        label="batch size m = ",
        start=start,
        x_title="normalized value",
        y_title="density",
        x_range=(-EDGE, EDGE),
        y_range=(0.0, 1.05),
    )
    figure.update_layout(
        xaxis={"anchor": "y"},
        yaxis={"domain": [0.6, 1.0]},
        xaxis2={"title": "value x of one example", "anchor": "y2", "range": [-EDGE, EDGE], **AXIS},
        yaxis2={
            "title": "mean of its x̂", "anchor": "x2", "domain": [0.0, 0.4],
            "range": [-EDGE, EDGE], **AXIS,
        },
    )  # fmt: skip
    figure.layout.sliders[0].pad.t = 64  # clear of the lower axis
    alt = (
        "Two panels for a normal channel behind BN, with a slider for the batch size. Above, the "
        "distribution of normalized values in training beside that in evaluation with exact "
        "statistics, which is normal: two spikes at minus and plus one for batches of 2, flat for "
        "batches of 4, nearly normal from 32 on. Below, the mean answer for an example of value x: "
        "a straight line in evaluation, a line that bends towards a bound in training."
    )
    return Interactive(figure, alt=alt, name=name, height=640)


def _curves(of_size: OfSize) -> list[go.Scatter]:
    middles = (BINS[1:] + BINS[:-1]) / 2
    flat = np.asarray(of_size.normalized, dtype=float).ravel()
    counts, _ = np.histogram(flat, BINS)
    shares = counts / (len(flat) * np.diff(BINS))
    normal = np.exp(-(middles**2) / 2) / np.sqrt(2 * np.pi)
    training, evaluation = {"color": BLUE, "width": 2}, {"color": INK, "dash": "dash", "width": 1.5}
    lower = {"mode": "lines", "xaxis": "x2", "yaxis": "y2", "showlegend": False}
    return [
        go.Scatter(
            x=middles, y=np.round(np.minimum(shares, 1.04), 4), name="training, batches of m",
            mode="lines", line={**training, "shape": "hvh", "width": 1.2}, fill="tozeroy",
        ),
        go.Scatter(
            x=middles, y=np.round(_formula(middles, of_size.size), 4), name="formula",
            mode="lines", line={"color": ORANGE, "width": 2},
        ),
        go.Scatter(
            x=middles, y=np.round(normal, 4), name="evaluation, exact statistics",
            mode="lines", line=evaluation,
        ),
        go.Scatter(x=VALUES, y=np.round(of_size.answers, 3), line=training, **lower),
        go.Scatter(x=VALUES, y=VALUES, line=evaluation, **lower),
    ]  # fmt: skip


def _formula(values: Array, size: int) -> Array:
    """The density, cut off at the top of the panel; for m = 2 it is two points and has none."""
    if size < 3:
        return np.full(len(values), np.nan)
    return np.minimum(density(values, size), 1.04)
