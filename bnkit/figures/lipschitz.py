"""What do "Lipschitz" and "smooth" look like?"""

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnkit.figures.descent import Surface
from bnkit.figures.style import AMBER, BLUE, CYCLE, FAINT, GREEN, INK, ORANGE, SINGLE, SKY, WIDE

Array = NDArray[np.float64]


def cone(x: Array, f: Array, constant: float, *, apex: int) -> Figure:
    """A function of one variable and, from one of its points, how far its values may be away.

    Args:
        x: (P,) increasing.
        f: (P,) its values.
        constant: the Lipschitz constant.
        apex: index of the point that the cone starts from.
    """
    figure, axis = plt.subplots(figsize=SINGLE)
    reach = constant * np.abs(x - x[apex])
    axis.fill_between(x, f[apex] - reach, f[apex] + reach, color=SKY, alpha=0.2, linewidth=0)
    for sign, label in ((1, "f(x₀) ± L |x − x₀|"), (-1, None)):
        axis.plot(x, f[apex] + sign * reach, color=FAINT, linewidth=1.0, label=label)
    axis.plot(x, f, color=BLUE, label="f")
    axis.plot(x[apex], f[apex], "o", color=INK, markersize=5, label="x₀")
    margin = 0.25 * np.ptp(f)
    axis.set(xlabel="x", xlim=(x[0], x[-1]), ylim=(f.min() - margin, f.max() + margin))
    axis.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def sampled_and_climbed(quotients: Array, climb: Array, constant: float) -> Figure:
    """How near to the constant one comes with random pairs, and by following the change.

    Args:
        quotients: (n,) ‖∇f(x) - ∇f(y)‖ / ‖x - y‖ of random pairs.
        climb: (T,) the quotient after 0, 1, ... turns of one pair.
        constant: β, that none of them can exceed.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    left.hist(quotients, bins=40, color=BLUE)
    left.axvline(constant, color=ORANGE)
    left.annotate("β", (constant, 0.9), xycoords=("data", "axes fraction"), ha="right", va="top",
                  xytext=(-4, 0), textcoords="offset points", color=ORANGE)  # fmt: skip
    left.set(title="random pairs", xlabel="quotient", ylabel="pairs", xlim=(0, 1.05 * constant))
    right.plot(np.arange(len(climb)), climb, "o-", color=BLUE, markersize=3)
    right.axhline(constant, color=ORANGE)
    right.set(title="one pair, turned", xlabel="turns", ylabel="quotient", ylim=(0, None))
    return figure


def guarantee(relative_rates: Array, changes: Mapping[float, Array], bound: Array) -> Figure:
    """The change of the loss in one step against the rate, and the bound of the descent lemma.

    Args:
        relative_rates: (T,) the rate times β.
        changes: curvature along the gradient as a share of β -> (T,) change of the loss, in units
            of ‖∇L‖² / β.
        bound: (T,) the largest change that the lemma allows, in the same unit.
    """
    figure, axis = plt.subplots(figsize=SINGLE)
    axis.axhline(0, color=FAINT, linewidth=1.0)
    for (share, change), color in zip(changes.items(), cycle((BLUE, GREEN, AMBER))):
        axis.plot(relative_rates, change, color=color, label=f"curvature {share:g} β")
    axis.plot(relative_rates, bound, "--", color=INK, linewidth=1.2, label="largest allowed")
    axis.set(
        xlabel="rate × β",
        ylabel="change of the loss, ‖∇L‖² / β",
        xlim=(relative_rates[0], relative_rates[-1]),
    )
    axis.legend(loc="lower left")
    return figure


def near_the_origin(surface: Surface, cuts: Mapping[float, tuple[Array, Array]]) -> Figure:
    """A loss of two weights from above, and along lines that pass the origin at some distance.

    Args:
        surface: the loss on a grid; its levels part the colors.
        cuts: distance from the origin -> (first weight, loss) along a horizontal line.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    filled = left.contourf(
        surface.first, surface.second, surface.loss, levels=surface.levels, cmap="Blues"
    )
    figure.colorbar(filled, ax=left, format="{x:.1f}")
    for (distance, (first, loss)), color in zip(cuts.items(), cycle(CYCLE)):
        left.axhline(distance, color=color, linewidth=1.0)
        right.plot(first, loss, color=color, label=f"{distance:g}")
    left.plot(0, 0, "o", color=INK, markersize=4)
    left.grid(False)
    left.set(aspect="equal", title="the loss from above", xlabel="w₁", ylabel="w₂")
    right.set(title="along these lines", xlabel="w₁", ylabel="loss")
    right.legend(title="w₂")
    return figure
