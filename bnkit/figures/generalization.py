"""The gap between training and test accuracy, at one training loss and along the way.

Tables have the columns of a row: seed, step, name, value, unit. Tables of runs have a row a seed
and a column a metric. The first word of an arm says which net it is.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from bnkit.figures.findings import NOT_YET
from bnkit.figures.style import BLUE, FAINT, GREEN, INK, ORANGE, WIDE
from bnkit.figures.training import curves
from bnkit.judging.estimates import Mean

Tables = Mapping[str, pd.DataFrame]  # arm -> rows
Runs = Mapping[str, pd.DataFrame]  # arm -> index seed, a column a metric

NETS = {
    "none": ("without BN", ORANGE, "-"),
    "batch": ("with BN", BLUE, "-"),
    "population": ("population statistics", GREEN, "-"),
    "dropout": ("dropout", ORANGE, "--"),
    "both": ("BN and dropout", BLUE, "--"),
}
_ALPHA = 0.025  # on either side of an interval


def gap_at(table: pd.DataFrame, levels: ArrayLike) -> pd.DataFrame:
    """The gap when the training loss first arrives at a level: a row a level, a column a seed.

    Between the two looks around the level it is interpolated in the logarithm of the loss. NaN
    where a seed begins below the level or never arrives.

    Args:
        table: curves "train_loss" (nat), "train_accuracy" and "test_accuracy".
        levels: in nat.
    """
    loss = np.log(curves(table, "train_loss"))
    gap = curves(table, "train_accuracy") - curves(table, "test_accuracy")
    found = {
        seed: [
            _arrive(loss[seed].to_numpy(), gap[seed].to_numpy(), goal) for goal in np.log(levels)
        ]
        for seed in loss
    }
    return pd.DataFrame(found, index=pd.Index(levels, name="level"))


def _arrive(loss: np.ndarray, gap: np.ndarray, goal: float) -> float:
    there = np.flatnonzero(loss <= goal)
    if len(there) == 0 or there[0] == 0:
        return float("nan")
    after = there[0]
    share = (loss[after - 1] - goal) / (loss[after - 1] - loss[after])
    return float(gap[after - 1] + share * (gap[after] - gap[after - 1]))


def change(runs: Runs, arm: str, against: str, metric: str) -> Mean | None:
    """The mean difference over paired seeds, in points; None where an arm is not recorded."""
    if arm not in runs or against not in runs:
        return None
    return Mean.of((100 * (runs[arm][metric] - runs[against][metric])).dropna())


def in_words(points: Mean | None) -> str:
    """A difference in points with its 95 % interval, as text."""
    if points is None:
        return NOT_YET
    low, high = points.lower(_ALPHA), points.upper(_ALPHA)
    return f"{points.effect:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−")


def direction(points: Mean | None) -> str:
    """On which side of zero the whole interval lies, in words that fit "is ... with it"."""
    if points is None:
        return NOT_YET
    if points.upper(_ALPHA) < 0:
        return "lower"
    return "higher" if points.lower(_ALPHA) > 0 else "not distinguishable"


def at_levels(tables: Tables, levels: Sequence[float], arm: str, against: str) -> pd.DataFrame:
    """The gaps of two nets in points at a few levels, as text: a row a level.

    Args:
        tables: arm -> rows.
        levels: of the training loss in nat.
        arm: the net in the first column.
        against: the net that is subtracted in the last one, paired by seed.
    """
    columns = [NETS[arm][0], NETS[against][0], "difference", "seeds"]
    if not {arm, against} <= set(tables):
        return pd.DataFrame([[""] * 4], index=[NOT_YET], columns=columns)
    first, second = (100 * gap_at(tables[name], levels) for name in (arm, against))
    rows = {}
    for level in levels:
        paired = (first.loc[level] - second.loc[level]).dropna()
        means = [f"{gaps.loc[level, paired.index].mean():.2f}" for gaps in (first, second)]
        told = in_words(Mean.of(paired)) if len(paired) > 1 else NOT_YET
        rows[f"{level:g}"] = [*means, told, len(paired)]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.rename_axis("training loss (nat)")


def against_loss(tables: Tables, levels: Sequence[float], level: float) -> Figure:
    """Left the gap of each net against its training loss, right that of BN less the plain net's.

    Thin lines are seeds, thick ones their mean, where all seeds have arrived; the band is a 95 %
    interval of the mean of paired seeds. Training goes from left to right.

    Args:
        tables: arm -> rows.
        levels: of the training loss in nat, falling.
        level: the one that is judged.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    gaps = {arm: 100 * gap_at(table, levels) for arm, table in tables.items()}
    for arm, of_seeds in gaps.items():
        label, color, style = NETS[arm.partition("-")[0]]
        left.plot(levels, of_seeds, color=color, alpha=0.2, linewidth=0.6, linestyle=style)
        mean = of_seeds.mean(axis=1, skipna=False)
        left.plot(levels, mean, color=color, linestyle=style, label=f"{label}{_dose(arm)}")
    if {"none", "batch"} <= set(gaps):
        _difference(right, (gaps["batch"] - gaps["none"]).dropna(axis=1, how="all"))
    left.set(ylabel="gap (points)")
    right.set(ylabel="gap with BN less without (points)")
    for axes in (left, right):
        if not axes.lines:
            axes.text(0.5, 0.5, NOT_YET, transform=axes.transAxes, ha="center", color=FAINT)
            axes.set(xticks=[], yticks=[])
            continue
        axes.axvline(level, color=INK, linestyle=":", linewidth=1.0)
        axes.set(xscale="log", xlabel="training loss (nat)", xlim=(max(levels), min(levels)))
        axes.xaxis.set_major_formatter("{x:g}")
    if left.lines:
        left.set_ylim(0, None)
        left.legend(fontsize=8)
    return figure


def _dose(arm: str) -> str:
    dose = arm.partition("-")[2]
    return f" {dose}" if dose else ""


def _difference(axes: Axes, paired: pd.DataFrame) -> None:
    axes.axhline(0.0, color=FAINT, linewidth=1.0)
    axes.plot(paired.index, paired, color=BLUE, alpha=0.25, linewidth=0.6)
    whole = paired.dropna()
    means = [Mean.of(values) for values in whole.to_numpy()]
    low, high = ([side(m) for m in means] for side in (_low, _high))
    axes.fill_between(whole.index, low, high, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(whole.index, [m.effect for m in means], color=BLUE)


def _low(mean: Mean) -> float:
    return mean.lower(_ALPHA)


def _high(mean: Mean) -> float:
    return mean.upper(_ALPHA)


def by_dropout(runs: Runs, doses: Sequence[float], panels: Mapping[str, str]) -> Figure:
    """Each net without BN and with it against the dropout rate: a dot a seed, bars 95 % intervals.

    Args:
        runs: "none" and "batch" without dropout, "dropout-RATE" and "both-RATE" with it.
        doses: the rates above 0.
        panels: metric (a fraction) -> label of its axis in points.
    """
    figure, every = plt.subplots(1, len(panels), figsize=WIDE, squeeze=False)
    rows = {"none": ["none", *(f"dropout-{p:g}" for p in doses)]}
    rows["batch"] = ["batch", *(f"both-{p:g}" for p in doses)]
    for axes, (metric, label) in zip(every[0], panels.items(), strict=True):
        for net, shift in (("none", -0.12), ("batch", 0.12)):
            name, color, _ = NETS[net]
            there = [(place + shift, arm) for place, arm in enumerate(rows[net]) if arm in runs]
            for place, arm in there:
                points = 100 * runs[arm][metric].dropna()
                aside = place + np.linspace(-0.07, 0.07, len(points))
                axes.plot(aside, points, ".", color=color, alpha=0.4, markersize=5)
            spots = [place for place, _ in there]
            bars(axes, spots, [100 * runs[arm][metric] for _, arm in there], color, name)
        axes.set_xticks(range(len(doses) + 1), ["0", *(f"{p:g}" for p in doses)])
        axes.set(xlabel="dropout rate", ylabel=label)
        axes.grid(visible=False, axis="x")
        if axes.containers:
            continue
        axes.text(0.5, 0.5, NOT_YET, transform=axes.transAxes, ha="center", color=FAINT)
    if every[0][0].containers:
        every[0][0].legend(fontsize=8)
    return figure


def bars(
    axes: Axes, places: Sequence[float], values: Sequence[pd.Series], color: str, label: str
) -> None:
    """Means joined by a line, each with the 95 % interval of its mean over seeds."""
    if not values:
        return
    means = [Mean.of(of_seeds.dropna()) for of_seeds in values]
    half = [mean.effect - _low(mean) for mean in means]
    look = {"color": color, "capsize": 3, "linewidth": 1.4, "markersize": 4, "label": label}
    axes.errorbar(places, [mean.effect for mean in means], half, fmt="o-", **look)


def adding(
    runs: Runs, pairs: Mapping[str, tuple[str, str]], metrics: Mapping[str, str]
) -> pd.DataFrame:
    """What a change of the net does, in points with 95 % intervals: a row a pair of arms.

    Args:
        runs: of all arms; a pair without runs says so.
        pairs: name -> (arm with the change, arm without it).
        metrics: metric (a fraction) -> name of its column.
    """
    rows = {
        name: [in_words(change(runs, *pair, metric)) for metric in metrics]
        for name, pair in pairs.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(metrics.values()))
