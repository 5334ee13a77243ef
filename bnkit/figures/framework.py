"""Where do the layer from scratch and the framework's agree, and where do they part?"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from bnkit.figures.style import AMBER, BLUE, GREEN, INK, ORANGE, WIDE

_LOWEST = 1e-9  # where a logarithmic axis draws a zero

LAYER_COLORS = {
    "torch.nn": ORANGE,
    "from scratch": BLUE,
    "from scratch, graph": GREEN,
    "mean of squares": AMBER,
}


def training_gap(steps: Sequence[int], gaps: Mapping[str, np.ndarray]) -> Figure:
    """Largest difference between two trained nets against the training step.

    Args:
        steps: (T,) optimizer steps taken.
        gaps: label to (T,) largest absolute differences; zeros are left out of the log axis.
    """
    figure, axes = plt.subplots()
    for label, gap in gaps.items():
        axes.plot(steps, np.where(np.asarray(gap) > 0, gap, np.nan), "o-", ms=3, label=label)
    axes.set_yscale("log")
    axes.set(xlabel="training step", ylabel="largest difference")
    axes.legend()
    return figure


def large_means(
    ratios: np.ndarray, errors: Mapping[str, Sequence[float]], resolution: float
) -> Figure:
    """Error of the output against float64, as the mean of a channel outgrows its spread.

    Args:
        ratios: (M,) mean over standard deviation of the input.
        errors: layer to M largest absolute errors.
        resolution: relative spacing of float32.
    """
    figure, axes = plt.subplots()
    for label, error in errors.items():
        color = LAYER_COLORS.get(label, INK)
        axes.loglog(ratios, error, "o-", ms=4, color=color, label=label)
    axes.axhline(resolution, color=INK, ls=":", lw=1.2, label="spacing of float32 at 1")
    axes.set(
        xlabel="mean / standard deviation of the channel", ylabel="largest error of the output"
    )
    axes.legend(loc="upper left")
    return figure


def constant_channels(values: np.ndarray, distances: Mapping[str, Sequence[float]]) -> Figure:
    """How far a constant channel lands from beta, which is where it belongs.

    Args:
        values: (V,) the constant.
        distances: layer to V largest distances from beta; zeros are drawn at the lower edge.
    """
    figure, axes = plt.subplots()
    for label, distance in distances.items():
        color = LAYER_COLORS.get(label, INK)
        axes.loglog(values, np.maximum(distance, _LOWEST), "o-", ms=4, color=color, label=label)
    axes.set(xlabel="value of the constant channel", ylabel=r"$|y-\beta|$, at least $10^{-9}$")
    axes.legend(loc="upper left")
    return figure


def speed(shapes: Sequence[str], seconds: Mapping[str, np.ndarray]) -> Figure:
    """Time of one forward and backward pass, one panel a shape, one mark a layer.

    Args:
        shapes: (S,) names of the shapes.
        seconds: layer to (S, R), R repetitions.
    """
    figure, panels = plt.subplots(1, len(shapes), figsize=WIDE, sharey=True)
    rows = np.arange(len(seconds))[::-1]
    for number, (axes, shape) in enumerate(zip(np.atleast_1d(panels), shapes, strict=True)):
        for row, (label, times) in zip(rows, seconds.items(), strict=True):
            low, middle, high = np.quantile(1e3 * times[number], [0.1, 0.5, 0.9])
            color = LAYER_COLORS.get(label, INK)
            axes.plot([low, high], [row, row], color=color, lw=3, alpha=0.4)
            axes.plot(middle, row, "o", color=color, ms=8)
        axes.set(title=shape, xlabel="milliseconds", ylim=(-0.6, len(seconds) - 0.4))
        axes.set_xlim(left=0.0)
        axes.set_yticks(rows, list(seconds))
        axes.grid(visible=False, axis="y")
    return figure
