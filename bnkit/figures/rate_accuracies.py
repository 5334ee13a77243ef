"""At which learning rate does a net end best? Test accuracy against the rate, every seed shown.

Levels are rate -> (seeds,) accuracies, fractions. Colors are as in `bnkit.figures.rates`.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from bnkit.figures.rates import TICKS, Levels, Runs, band, legend, look, numbers, say
from bnkit.figures.style import COLORS, FAINT, INK, LABELS, WIDE


def accuracies(
    panels: Mapping[str, Mapping[str, Levels]],
    labels: Mapping[str, str],
    published: tuple[str, Mapping[str, float]],
    *,
    lines: Sequence[float],
) -> Figure:
    """Test accuracy against the rate, a panel a depth, and published numbers at the right.

    Args:
        panels: title -> arm -> rate -> (seeds,) fractions.
        labels: arm -> its name in the legend.
        published: title, and arm -> percent.
        lines: percentages that the rule names, dotted.
    """
    figure, every = plt.subplots(
        1, len(panels) + 1, figsize=WIDE, sharey=True, width_ratios=[3] * len(panels) + [1.5]
    )
    for axes, (title, arms) in zip(every, panels.items(), strict=False):
        for arm, levels in arms.items():
            band(axes, {rate: 100 * numbers(of) for rate, of in levels.items()}, arm)
        axes.set(xscale="log", xlabel="learning rate")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_title(title, fontsize=10)
        if not arms:
            say(axes)
    title, percents = published
    for place, (arm, percent) in enumerate(percents.items()):
        mark = {"color": COLORS[arm.partition("-")[0]], "markerfacecolor": "white"}
        every[-1].plot([place], [percent], "D", markersize=7, clip_on=False, zorder=3, **mark)
        every[-1].annotate(
            f"{percent:g}", (place, percent), (0, 9), textcoords="offset points", ha="center",
            fontsize=8,
        )  # fmt: skip
    names = [LABELS[arm.partition("-")[0]].replace(" ", "\n") for arm in percents]
    every[-1].set_xticks(range(len(percents)), names, fontsize=8)
    every[-1].set_xlim(-0.6, len(percents) - 0.4)
    every[-1].set_title(title, fontsize=10)
    for axes in every[:-1]:
        for line in lines:
            axes.axhline(line, color=INK, linestyle=":", linewidth=1.0, zorder=1)
    every[0].set(ylabel="test accuracy (%)", ylim=(0, 103))
    legend(figure, labels, panels.values())
    return figure


def best(
    levels: Mapping[str, Levels],
    chosen: Runs,
    published: Mapping[str, float],
    labels: Mapping[str, str],
) -> Figure:
    """Left test accuracy against the rate; right the best rate with BN over that without.

    Args:
        levels: arm -> rate -> (seeds,) test accuracies, fractions.
        chosen: arm -> column "best_rate"; a tick a seed under the curves.
        published: label -> factor, beside ours at the right.
        labels: arm -> its name in the legend.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.4), width_ratios=(5, 3))
    for number, (arm, of_rates) in enumerate(levels.items()):
        band(left, {rate: 100 * numbers(of) for rate, of in of_rates.items()}, arm)
        rates = chosen[arm]["best_rate"].to_numpy()
        aside = rates * np.geomspace(0.9, 1.1, max(len(rates), 2))[: len(rates)]
        left.plot(aside, [3.0 + 4 * number] * len(rates), "|", color=look(arm)[0], markersize=8)
    left.set(xscale="log", xlabel="learning rate", ylabel="test accuracy (%)", ylim=(0, 100))
    left.xaxis.set_major_formatter("{x:g}")
    right.axhline(1.0, color=FAINT, linewidth=1.0)
    for place, factor in enumerate(published.values(), start=1):
        right.plot([place], [factor], "D", color=INK, markerfacecolor="white", markersize=7)
    if {"none", "batch"} <= set(chosen):
        ratio = (chosen["batch"]["best_rate"] / chosen["none"]["best_rate"]).dropna().to_numpy()
        aside = np.linspace(-0.22, 0.22, max(len(ratio), 2))[: len(ratio)]
        right.fill_between([-0.3, 0.3], ratio.min(), ratio.max(), color=COLORS["batch"], alpha=0.15)
        right.plot(aside, ratio, "o", color=COLORS["batch"], alpha=0.55, markersize=4)
        right.plot([0], [np.median(ratio)], "_", color=INK, markersize=20)
    else:
        say(right)
    right.set(yscale="log", xlim=(-0.6, len(published) + 0.6))
    right.set_ylabel("best rate, with BN / without")
    right.yaxis.set_major_locator(FixedLocator(TICKS))
    right.yaxis.set_major_formatter("{x:g}")
    right.yaxis.set_minor_locator(NullLocator())
    right.set_xticks(range(len(published) + 1), ["here", *published], fontsize=8)
    right.grid(visible=False, axis="x")
    if not levels:
        say(left)
    legend(figure, labels, [levels])
    return figure
