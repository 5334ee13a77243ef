"""What a walk can report, and what the theorems on one layer say: pictures of live trials."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnkit.figures.style import BLUE, COLORS, FAINT, GRID, INK, LABELS, SINGLE

Array = NDArray[np.float64]


def by_length(lengths: Array, quotients: Mapping[str, Array], tops: Mapping[str, float]) -> Figure:
    """Change of the gradient over distance, by the length of the step, and what bounds it.

    Args:
        lengths: (T,) multiples of the gradient.
        quotients: arm -> (T,).
        tops: arm -> the largest eigenvalue of the Hessian where the walk begins.
    """
    figure, axes = plt.subplots(figsize=SINGLE)
    for arm, values in quotients.items():
        axes.plot(lengths, values, "o-", color=COLORS[arm], markersize=4, label=LABELS[arm])
        axes.axhline(tops[arm], color=COLORS[arm], linestyle=":", linewidth=1.2)
    axes.plot([], [], ":", color=INK, linewidth=1.2, label="largest eigenvalue at the start")
    bottom, top = axes.get_ylim()
    axes.plot(lengths, 1 / lengths, "--", color=INK, linewidth=1.0, label="1 / length")
    axes.axvspan(0.05, 0.4, color=GRID, alpha=0.6, zorder=0, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="length of the step, in gradients",
             ylabel="change of gradient / distance")  # fmt: skip
    axes.set_ylim(
        0.5 * min(min(map(np.min, quotients.values())), 1 / lengths[-1]), 2 * max(top, bottom)
    )
    axes.legend(fontsize=8)
    return figure


def bound_sides(left: Array, sides: Mapping[str, Array]) -> Figure:
    """The left side of an inequality against readings of its right side; the diagonal is equality.

    Args:
        left: (T,).
        sides: label -> (T,) right sides; the claim is that no dot lies above the diagonal.
    """
    figure, axes = plt.subplots(figsize=SINGLE)
    ends = np.array([min(0.0, *map(np.min, sides.values())), 1.0])
    axes.fill_between(ends, ends, 1.05, color=COLORS["none"], alpha=0.08, linewidth=0)
    axes.plot(ends, ends, color=INK, linewidth=1.0, label="equal")
    for (label, right), color, marker in zip(
        sides.items(), (COLORS["none"], BLUE), ("x", "o"), strict=False
    ):
        axes.plot(right, left, marker, color=color, alpha=0.5, markersize=4, label=label)
    axes.set(xlabel="right side", ylabel="left side", ylim=(-0.05, 1.05))
    axes.legend(loc="upper left", fontsize=8)
    return figure


def lengths_by_spread(spread: Array, relative: Array) -> Figure:
    """Length of the gradient in front of BN over that behind it, by σ / γ, and the bound.

    Args:
        spread: (T,) σ / γ.
        relative: (T,) ‖v‖ / ‖g‖.
    """
    figure, axes = plt.subplots(figsize=SINGLE)
    larger = relative > 1
    for chosen, color, label in (
        (larger, COLORS["none"], "longer in front of BN"),
        (~larger, BLUE, "shorter"),
    ):
        axes.plot(spread[chosen], relative[chosen], ".", color=color, alpha=0.5, ms=4, label=label)
    x = np.sort(spread)
    axes.plot(x, 1 / x, color=INK, linewidth=1.2, label="γ / σ")
    axes.axhline(1, color=FAINT, linewidth=1.0)
    axes.set(xscale="log", yscale="log", xlabel="σ / γ", ylabel="gradient in front / behind")
    axes.set_ylim(bottom=0.5 * np.quantile(relative, 0.01))
    axes.legend(fontsize=8)
    return figure
