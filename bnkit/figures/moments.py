"""What a scale and a shift do to a distribution, and what becomes of a net that cannot learn them.

Tables have the columns of a row: seed, step, name, value, unit.
"""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnkit.figures.findings import NOT_YET
from bnkit.figures.interactions import STACKED
from bnkit.figures.style import BLUE, COLORS, FAINT, GRID, INK, LABELS, WIDE

Array = NDArray[np.float64]
Tables = Mapping[str, pd.DataFrame]

STATISTICS = ("skewness", "kurtosis", "correlation")


def summary(values: Array) -> dict[str, float]:
    """Mean, standard deviation, skewness and excess kurtosis of (N,) numbers, biased."""
    mean, std = values.mean(), values.std()
    z = (values - mean) / std
    return {
        "mean": float(mean),
        "std": float(std),
        "skewness": float((z**3).mean()),
        "excess kurtosis": float((z**4).mean() - 3.0),
    }


def histograms(samples: Mapping[str, Array]) -> Figure:
    """One panel a sample, titled by its key, with its first four moments written into it.

    Bins are as many parts of each sample's own range, so that panels can be compared by shape.
    """
    figure, panels = plt.subplots(1, len(samples), figsize=WIDE, squeeze=False)
    for axes, (title, values) in zip(panels[0], samples.items(), strict=True):
        axes.hist(values, bins=np.linspace(values.min(), values.max(), 31), color=BLUE)
        text = "\n".join(f"{name} {value:.3f}" for name, value in summary(values).items())
        axes.text(
            0.97, 0.95, text.replace("-", "−"), transform=axes.transAxes, ha="right", va="top",
            fontsize=9, linespacing=1.5,
        )  # fmt: skip
        axes.set(title=title, xlabel="value")
    panels[0][0].set_ylabel("examples")
    return figure


def drift(tables: Tables, layer: int) -> Figure:
    """Drift of skewness, excess kurtosis and correlation between two looks, a panel each.

    Args:
        tables: arm -> rows; thin lines are seeds, thick ones their median. An arm "batch@none",
            BN at the rate of the plain net, is dashed.
        layer: hidden layer, from 1.
    """
    figure, panels = plt.subplots(len(STATISTICS), 1, figsize=STACKED, sharex=True)
    for axes, statistic in zip(panels, STATISTICS, strict=True):
        for arm, table in tables.items():
            chosen = table[table["name"] == f"layer-{layer}_{statistic}_drift"]
            curve = chosen.pivot(index="step", columns="seed", values="value")
            norm, _, borrowed = arm.partition("@")
            axes.plot(curve.index, curve, color=COLORS[norm], alpha=0.2, linewidth=0.6)
            label = LABELS[norm] + (", plain rate" if borrowed else "")
            style = "--" if borrowed else "-"
            axes.plot(curve.median(axis="columns"), style, color=COLORS[norm], label=label)
        axes.set(title=statistic, yscale="log")
        if not tables:
            axes.text(0.5, 0.5, NOT_YET, transform=axes.transAxes, ha="center", color=FAINT)
    panels[1].set_ylabel("drift between two looks")
    panels[-1].set_xlabel("optimizer steps")
    if tables:
        panels[0].legend(fontsize=8)
    return figure


def points(verdict: Any) -> str:
    """A difference of two accuracies and its interval, in points.

    Args:
        verdict: a `Verdict`, or None where there is none yet.
    """
    if verdict is None:
        return NOT_YET
    effect, low, high = (100 * x for x in (verdict.effect, verdict.low, verdict.high))
    return f"{effect:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")


def harm(verdict: Any) -> str:
    """What leaving out does, given the difference of with less without."""
    if verdict is None:
        return NOT_YET
    if verdict.low > 0:
        return "does harm"
    return "does good" if verdict.high < 0 else "does no harm that the seeds can show"


def accuracies(
    groups: Mapping[str, Mapping[str, Array]], floor: float, plain: str = "no BN"
) -> Figure:
    """Final accuracies: a panel a group, a row an arm, a dot a seed, a bar for their mean.

    Args:
        groups: title of the panel -> name of the row -> (n,) fractions.
        floor: lower end of the axis; seeds below it are counted at the edge, not drawn.
        plain: name of the row without BN, which has that color.
    """
    heights = [len(rows) for rows in groups.values()]
    figure, panels = plt.subplots(
        len(groups), 1, figsize=(WIDE[0], 0.9 + 0.34 * sum(heights)), sharex=True, squeeze=False,
        gridspec_kw={"height_ratios": heights},
    )  # fmt: skip
    for axes, (title, rows) in zip(panels[:, 0], groups.items(), strict=True):
        for y, (name, values) in enumerate(rows.items()):
            color = COLORS["none" if name == plain else "batch"]
            _row(axes, y, np.asarray(values), floor, color)
        axes.set_yticks(range(len(rows)), rows)
        axes.set(title=title, ylim=(len(rows) - 0.5, -0.5))
        axes.grid(visible=False, axis="y")
    best = max(np.max(values) for rows in groups.values() for values in rows.values())
    panels[-1, 0].set_xlim(floor, best + 0.03 * (best - floor))
    panels[-1, 0].set_xlabel("final test accuracy")
    return figure


def _row(axes: Axes, y: int, values: Array, floor: float, color: str) -> None:
    shown = values[values >= floor]
    axes.axhline(y, color=GRID, linewidth=0.8, zorder=1)
    axes.plot(shown, np.full(len(shown), y), "o", color=color, alpha=0.5, markersize=4)
    if len(shown) == len(values):
        axes.plot([values.mean()] * 2, [y - 0.3, y + 0.3], color=INK, linewidth=2.0)
        return
    low = values[values < floor]
    text = f"← {len(low)} of {len(values)} seeds at {low.min():.2f} to {low.max():.2f}"
    axes.annotate(
        text, (floor, y), xytext=(4, 0), textcoords="offset points", va="center", color=INK,
        fontsize=8,
    )  # fmt: skip
