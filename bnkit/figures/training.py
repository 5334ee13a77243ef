"""Training with and without a normalizer: curves of every seed, and where activations lie.

Tables have the columns of a row: seed, step, name, value, unit.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnkit.figures.style import COLORS, INK, LABELS, SINGLE, WIDE

Tables = Mapping[str, pd.DataFrame]


def curves(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row a step, one column a seed, of the metric `name`.

    Raises:
        ValueError: the table has no such metric.
    """
    chosen = table[table["name"] == name]
    if chosen.empty:
        raise ValueError(f"no metric {name!r}; there are {sorted(set(table['name']))}")
    return chosen.pivot(index="step", columns="seed", values="value")


def accuracy(tables: Tables, *, floor: float = 0.0, name: str = "test_accuracy") -> Figure:
    """Accuracy against steps: a thin line a seed, a thick one for the median over seeds.

    Args:
        tables: arm -> rows; arms are named as in `style.COLORS`.
        floor: lower end of the vertical axis, a fraction.
        name: the metric.
    """
    figure, axes = plt.subplots(figsize=SINGLE)
    for arm, table in tables.items():
        by_seed = curves(table, name)
        axes.plot(by_seed.index, by_seed, color=COLORS[arm], alpha=0.25, linewidth=0.7)
        median = by_seed.median(axis="columns")
        axes.plot(median.index, median, color=COLORS[arm], label=_legend(arm, by_seed))
    axes.set(xlabel="optimizer steps", ylabel=_words(name), ylim=(floor, 1.0))
    axes.legend(loc="lower right")
    return figure


def by_rate(
    rates: Mapping[float, Tables], *, floor: float = 0.0, name: str = "test_accuracy"
) -> Figure:
    """Accuracy against steps on a logarithmic axis, a panel a learning rate, medians over seeds.

    The band of an arm holds all of its seeds. Step 0 has no place on the axis and is left out.
    """
    figure, panels = plt.subplots(1, len(rates), figsize=WIDE, sharey=True, squeeze=False)
    for axes, (rate, tables) in zip(panels[0], rates.items(), strict=True):
        for arm, table in tables.items():
            by_seed = curves(table, name).loc[1:]
            low, high = by_seed.min(axis="columns"), by_seed.max(axis="columns")
            axes.fill_between(low.index, low, high, color=COLORS[arm], alpha=0.2, linewidth=0)
            median = by_seed.median(axis="columns")
            axes.plot(median.index, median, color=COLORS[arm], label=LABELS[arm])
        axes.set(title=f"rate {rate:g}", xlabel="steps", xscale="log", ylim=(floor, 1.0))
    panels[0][0].set_ylabel(_words(name))
    panels[0][-1].legend(loc="lower right")
    return figure


def percentiles(tables: Tables) -> Figure:
    """The 15th, 50th and 85th percentiles of a layer's inputs over training, a panel an arm.

    Each band holds the middle 80 % of the units, its line is the median unit; both are means over
    seeds. The dotted lines are the first unit of the first seed, which is what the figure of
    Ioffe & Szegedy (2015) shows.
    """
    figure, panels = plt.subplots(1, len(tables), figsize=WIDE, sharey=True, squeeze=False)
    for axes, (arm, table) in zip(panels[0], tables.items(), strict=True):
        for percentile in (15, 50, 85):
            _band(axes, table, percentile, COLORS[arm])
            one = curves(table, f"unit0_p{percentile}").iloc[:, 0]
            axes.plot(one.index, one, color=INK, linestyle=":", linewidth=1.0)
        axes.set(title=LABELS[arm], xlabel="optimizer steps")
    panels[0][0].set_ylabel("input of the sigmoid")
    return figure


def _band(axes: Axes, table: pd.DataFrame, percentile: int, color: str) -> None:
    low, middle, high = (
        curves(table, f"p{percentile}_q{q}").mean(axis="columns") for q in (10, 50, 90)
    )
    axes.fill_between(low.index, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(middle.index, middle, color=color)
    axes.annotate(
        f"{percentile} %",
        (middle.index[-1], middle.iloc[-1]),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
    )


def drift(tables: Tables) -> Figure:
    """How far the activations move between two looks: raw, and in units of their own spread."""
    figure, panels = plt.subplots(1, 2, figsize=WIDE)
    titles = {"drift_raw": "raw", "drift_scaled": "in units of its own spread"}
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        for arm, table in tables.items():
            by_seed = curves(table, name)
            axes.plot(by_seed.index, by_seed, color=COLORS[arm], alpha=0.2, linewidth=0.6)
            median = by_seed.median(axis="columns")
            axes.plot(median.index, median, color=COLORS[arm], label=LABELS[arm])
        axes.set(title=title, xlabel="optimizer steps", yscale="log")
    panels[0].set_ylabel("drift between two looks")
    panels[0].legend()
    return figure


def steps_to(table: pd.DataFrame, target: float, name: str = "test_accuracy") -> pd.Series:
    """Per seed the first measured step at which `name` is at least `target`; infinite if never."""
    by_seed = curves(table, name)
    reached = by_seed >= target
    first = reached.idxmax().astype(float)
    return first.where(reached.any(), np.inf).rename("steps")


def _legend(arm: str, by_seed: pd.DataFrame) -> str:
    seeds = by_seed.shape[1]
    return f"{LABELS[arm]} ({seeds} seeds)" if seeds > 1 else LABELS[arm]


def _words(name: str) -> str:
    return name.replace("_", " ")
