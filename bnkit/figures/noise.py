"""Less noise or more of it: population statistics with a penalty, and groups of a batch.

Tables of runs have a row a seed and a column a metric, the value at the last step.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from bnkit.figures.findings import NOT_YET
from bnkit.figures.generalization import NETS, bars
from bnkit.figures.style import AMBER, BLUE, FAINT, GREEN, ORANGE, WIDE
from bnkit.judging.estimates import Mean

Runs = Mapping[str, pd.DataFrame]  # arm -> index seed, a column a metric

ACCURACY = "test_accuracy@"  # with a level behind it


def population(runs: Runs, penalties: Sequence[float]) -> Figure:
    """Left the three nets that are judged, right test accuracy against the penalty on γ.

    Left a thin line joins the values of a seed. Right the band is that of BN, the 95 % interval of
    its mean.

    Args:
        runs: "batch", "population" and "population-penalty"; any may be missing.
        penalties: λ above 0, ascending.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE, sharey=True)
    arms = {"batch": ("BN", BLUE), "population": ("population", GREEN)}
    arms["population-penalty"] = ("population,\nbest penalty", AMBER)
    there = [arm for arm in arms if arm in runs]
    columns = [100 * runs[arm]["test_accuracy"] for arm in there]
    places = [list(arms).index(arm) for arm in there]
    if there:
        left.plot(places, np.array(columns), color=FAINT, alpha=0.4, linewidth=0.6)
    for place, arm, values in zip(places, there, columns, strict=True):
        color = arms[arm][1]
        left.plot([place] * len(values), values, ".", color=color, alpha=0.6, markersize=6)
        bars(left, [place + 0.12], [values], color, arm)
    left.set_xticks(range(len(arms)), [label for label, _ in arms.values()], fontsize=8.5)
    left.set(xlim=(-0.4, 2.5), ylabel="test accuracy (%)")
    left.grid(visible=False, axis="x")
    _strengths(right, runs, penalties)
    for axes in (left, right):
        if not axes.lines:
            _say(axes)
    return figure


def _strengths(axes: Axes, runs: Runs, penalties: Sequence[float]) -> None:
    name, color, _ = NETS["population"]
    values = []
    if "population" in runs:
        values.append((0, 100 * runs["population"]["test_accuracy"]))
    if "population-penalty" in runs:
        table = runs["population-penalty"]
        values += [(i, 100 * table[f"{ACCURACY}{p:g}"]) for i, p in enumerate(penalties, start=1)]
    for place, of_seeds in values:
        axes.plot([place] * len(of_seeds), of_seeds, ".", color=color, alpha=0.4, markersize=5)
    bars(axes, [place for place, _ in values], [v for _, v in values], color, name)
    if "batch" in runs:
        mean = Mean.of(100 * runs["batch"]["test_accuracy"])
        axes.axhspan(mean.lower(0.025), mean.upper(0.025), color=BLUE, alpha=0.15, linewidth=0)
        axes.axhline(mean.effect, color=BLUE, label="with BN")
    axes.set_xticks(range(len(penalties) + 1), ["0", *(f"{p:g}" for p in penalties)])
    axes.set_xlabel("penalty λ on γ² (nat)")
    axes.grid(visible=False, axis="x")
    if axes.lines:
        axes.legend(fontsize=8)


def by_group(
    tables: Mapping[int, pd.DataFrame], best: pd.Series | None = None, *, loss: bool = False
) -> Figure:
    """Left test accuracy against the size of the groups, all seeds; right another look at it.

    The right panel has the training loss if `loss`, and otherwise how many seeds chose which size
    on validation.

    Args:
        tables: size of a group -> a row a seed with columns "test_accuracy" and "train_loss".
        best: (seeds,) the chosen size; absent where there is no record.
        loss: what the right panel shows.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE, width_ratios=(5, 4))
    sizes = sorted(tables)
    _seeds(left, [100 * tables[size]["test_accuracy"] for size in sizes], sizes, BLUE)
    left.set_ylabel("test accuracy (%)")
    if loss:
        _seeds(right, [tables[size]["train_loss"] for size in sizes], sizes, ORANGE)
        right.set_ylabel("training loss (nat)")
        if sizes:
            right.set_yscale("log")
            right.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
            right.yaxis.set_major_formatter("{x:g}")
            right.yaxis.set_minor_formatter("{x:g}")
    elif best is not None:
        counts = best.value_counts().sort_index()
        right.bar(range(len(counts)), counts, 0.6, color=BLUE)
        right.set_xticks(range(len(counts)), [f"{size:g}" for size in counts.index])
        right.set(xlabel="chosen on validation", ylabel="seeds")
        right.yaxis.set_major_locator(MaxNLocator(integer=True))
        right.grid(visible=False, axis="x")
    for axes, empty in ((left, not sizes), (right, not sizes if loss else best is None)):
        if empty:
            _say(axes)
    return figure


def _seeds(axes: Axes, values: Sequence[pd.Series], sizes: Sequence[int], color: str) -> None:
    """A dot a seed, means with their intervals."""
    if not values:
        return
    for size, of_seeds in zip(sizes, values, strict=True):
        axes.plot([size] * len(of_seeds), of_seeds, ".", color=color, alpha=0.4, markersize=5)
    bars(axes, sizes, values, color, "mean")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [f"{size}" for size in sizes])
    axes.set_xlabel("examples normalized together")


def _say(axes: Axes) -> None:
    axes.text(0.5, 0.5, NOT_YET, transform=axes.transAxes, ha="center", color=FAINT)
    axes.set(xticks=[], yticks=[])
