"""Dropout beside batch normalization: what the records of its experiments show.

Tables of runs have a row a seed and a column a metric, the value at the last step. Dropout rates
are the probability to drop a unit, and shares kept are 1 less that.
"""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from bnkit.figures.findings import NOT_YET
from bnkit.figures.scoreboard import short
from bnkit.figures.style import AMBER, BLUE, COLORS, CYCLE, FAINT, GREEN, INK, LABELS, PINK, WIDE

Array = NDArray[np.float64]
Runs = Mapping[str, pd.DataFrame]  # arm -> index seed, a column a metric

RATIO = "variance, evaluation over training"
PLACES = {"": "nowhere", "-dropout-before": "before BN", "-dropout-head": "at the head"}
# What the BNs of a net that was trained with dropout are given, in the order of the figure.
STATISTICS = {
    "test_accuracy": ("as trained", INK),
    "test_accuracy_reestimated_on": ("new,\ndropout on", PINK),
    "test_accuracy_new_variance": ("new variance,\noff", AMBER),
    "test_accuracy_reestimated": ("new,\ndropout off", GREEN),
}


def against_kept(
    runs: pd.DataFrame | None,
    shift: Callable[[Array, float, float], Array],
    means: Sequence[float],
) -> Figure:
    """The ratio of variances of one unit against the share kept, a color a mean.

    Args:
        runs: columns "ratio-c@p", or None if there are none yet.
        shift: the formula, (p, c, v) -> ratio; v is 1 here.
        means: c, in units of the standard deviation.
    """
    figure, axes = plt.subplots()
    kept = np.linspace(0.02, 1.0, 99)
    for c, color in zip(means, CYCLE, strict=False):
        axes.plot(kept, shift(kept, c, 1.0), color=color, linewidth=1.2, label=f"c = {c:g}")
        if runs is not None:
            metrics = [name for name in runs if name.startswith(f"ratio-{c:g}@")]
            for metric in metrics:
                p = float(metric.rpartition("@")[2])
                axes.plot([p] * len(runs), runs[metric], ".", color=color, markersize=7)
    axes.set(xlabel="share of units kept, p", ylabel=RATIO, xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend(title="mean / deviation")
    if runs is None:
        _say(axes)
    return figure


def through_a_layer(
    runs: Runs, names: Mapping[str, str], expected: Mapping[str, tuple[ArrayLike, ArrayLike]]
) -> Figure:
    """The ratio of variances behind a linear unit against its width: a thin line a seed.

    Args:
        runs: arm -> columns "distance_from_one@d"; an arm without runs is left out.
        names: arm -> what its weights are.
        expected: arm -> (widths, ratios) of the formula, dashed.
    """
    figure, axes = plt.subplots()
    for (arm, name), color in zip(names.items(), (BLUE, AMBER), strict=False):
        if arm in runs:
            levels = _levels(runs[arm], "distance_from_one")
            widths, ratios = list(levels), 1.0 - np.array(list(levels.values()))  # (W, seeds)
            axes.plot(widths, ratios, color=color, alpha=0.3, linewidth=0.8)
            axes.plot(widths, np.median(ratios, axis=1), color=color, label=name)
        if arm in expected:
            axes.plot(*expected[arm], "--", color=INK, linewidth=1.0, label="formula")
    axes.axhline(1.0, color=FAINT, linewidth=1.0)
    axes.set(xlabel="number of inputs, d", ylabel=RATIO, ylim=(0, 1.05))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    if runs:
        axes.legend(loc="lower right")
    else:
        _say(axes)
    return figure


def placements(runs: Runs) -> Figure:
    """Test accuracy by the place of dropout, without BN and with it: a dot a seed, a bar the mean.

    Args:
        runs: of "none", "batch" and both with the endings of `PLACES`.
    """
    figure, panels = plt.subplots(1, 2, figsize=WIDE, sharey=True)
    for axes, norm in zip(panels, ("none", "batch"), strict=True):
        for place, ending in enumerate(PLACES):
            if f"{norm}{ending}" in runs:
                values = 100 * runs[f"{norm}{ending}"]["test_accuracy"]
                _strip(axes, place, values, COLORS[norm])
        axes.set_xticks(range(len(PLACES)), list(PLACES.values()))
        axes.set(title=LABELS[norm], xlim=(-0.5, len(PLACES) - 0.5))
        axes.grid(visible=False, axis="x")
        if not axes.lines:
            _say(axes)
    panels[0].set_ylabel("test accuracy (%)")
    return figure


def new_statistics(
    runs: Runs, arm: str = "batch-dropout-before", reference: str = "batch"
) -> Figure:
    """Test accuracy of the same weights under other statistics: a thin line joins a seed.

    The band is the net that was trained without dropout, from its smallest to its largest seed.

    Args:
        runs: of both arms.
        arm: trained with dropout in front of BN.
        reference: trained without.
    """
    figure, axes = plt.subplots()
    if reference in runs:
        values = 100 * runs[reference]["test_accuracy"]
        axes.axhspan(values.min(), values.max(), color=COLORS["batch"], alpha=0.15, linewidth=0)
        axes.axhline(values.mean(), color=COLORS["batch"], label="trained without dropout")
    if arm in runs:
        table = 100 * runs[arm][list(STATISTICS)]
        axes.plot(range(len(STATISTICS)), table.T, color=FAINT, alpha=0.5, linewidth=0.7)
        for place, (metric, (_, color)) in enumerate(STATISTICS.items()):
            _strip(axes, place, table[metric], color)
    axes.set_xticks(range(len(STATISTICS)), [name for name, _ in STATISTICS.values()])
    axes.set(ylabel="test accuracy (%)", xlim=(-0.5, len(STATISTICS) - 0.5))
    axes.grid(visible=False, axis="x")
    if reference in runs:
        axes.legend(loc="best")
    if arm not in runs:
        _say(axes)
    return figure


def by_dose(runs: Runs, doses: Mapping[float, str]) -> Figure:
    """Left the ratio of variances of each BN, a line a dose; right test accuracy against the dose.

    Medians over seeds on the left; on the right a dot a seed, lines join means.

    Args:
        runs: of "batch" and of the arms that `doses` names.
        doses: dropout rate -> arm, all at one learning rate.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    there = {dose: runs[arm] for dose, arm in doses.items() if arm in runs}
    shades = plt.get_cmap("viridis")(np.linspace(0.05, 0.85, max(len(there), 1)))
    for (dose, table), color in zip(there.items(), shades, strict=False):
        levels = _levels(table, "variance_ratio")
        medians = [np.median(values) for values in levels.values()]
        left.plot(list(levels), medians, "o-", color=color, markersize=4, label=f"{dose:g}")
    left.set(xlabel="BN, from the input", ylabel=RATIO, ylim=(0, 1.05))
    left.xaxis.set_major_locator(MultipleLocator(1))
    with_none = ({0.0: runs["batch"]} if "batch" in runs else {}) | there
    for metric, (name, color) in STATISTICS.items():
        if metric == "test_accuracy_new_variance":
            continue
        means = [100 * table[metric].mean() for table in with_none.values()]
        right.plot(list(with_none), means, color=color, label=name.replace("\n", " "))
        for dose, table in with_none.items():
            right.plot([dose] * len(table), 100 * table[metric], ".", color=color, alpha=0.4, ms=4)
    right.set(xlabel="dropout rate", ylabel="test accuracy (%)")
    if there:
        left.legend(title="dropout", ncols=2, fontsize=8, title_fontsize=8)
        right.legend(fontsize=8)
    for axes in (left, right):
        if not there:
            _say(axes)
    return figure


def at_the_head(runs: Runs, published: Mapping[float, float], source: str) -> Figure:
    """Test accuracy against the dropout rate in front of the head, and what others published.

    Left: a dot a seed, lines join means. Middle: how many seeds chose which rate on validation.

    Args:
        runs: arm of `style.COLORS` -> columns "test_accuracy@d" and "best_dropout".
        published: dropout rate -> accuracy, a fraction.
        source: the title of the published panel.
    """
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.2, 2.9), width_ratios=(5, 4, 3))
    for number, (arm, table) in enumerate(runs.items()):
        levels = {d: 100 * values for d, values in _levels(table, "test_accuracy").items()}
        for rate, values in levels.items():
            left.plot([rate] * len(values), values, ".", color=COLORS[arm], alpha=0.4, ms=4)
        means = [values.mean() for values in levels.values()]
        left.plot(list(levels), means, color=COLORS[arm], label=LABELS[arm])
        chosen = [int((table["best_dropout"] == rate).sum()) for rate in levels]
        places = np.arange(len(levels)) + 0.4 * (number - 0.5)
        middle.bar(places, chosen, width=0.4, color=COLORS[arm])
        middle.set_xticks(range(len(levels)), [f"{rate:g}" for rate in levels], fontsize=8)
    left.set(xlabel="dropout rate", ylabel="test accuracy (%)")
    middle.set(xlabel="best on validation", ylabel="seeds")
    middle.yaxis.get_major_locator().set_params(integer=True)
    middle.grid(visible=False, axis="x")
    rates = sorted(published)
    right.plot(rates, [100 * published[rate] for rate in rates], "D-", color=COLORS["batch"])
    right.set(xlabel="dropout rate", xlim=(-0.05, max(rates) + 0.05))
    right.set_title(source, fontsize=9)
    for axes in (left, middle) if not runs else ():
        _say(axes)
    if runs:
        left.legend(fontsize=8)
    return figure


def share_won_back(raw: ArrayLike, new: ArrayLike, reference: ArrayLike) -> Array:
    """Of the accuracy that was lost, which share is back? A ratio of means with its interval.

    The 95 % interval is that of Fieller (1954): all shares s at which the mean over seeds of
    (new - raw) - s (reference - raw) is not distinguishable from 0. The rule of D4 asks just that
    at s = 0.3. It is not bounded where the loss is not distinguishable from 0.

    Args:
        raw: (n,) accuracies after the loss, n >= 2 seeds.
        new: (n,) those with new statistics.
        reference: (n,) those of the nets without dropout.

    Returns:
        (3,): share, low, high.
    """
    gain, loss = np.subtract(new, raw), np.subtract(reference, raw)
    n = len(gain)
    if n < 2:
        raise ValueError(f"{n} seed: a share with its interval needs 2 or more")
    spread = np.cov(gain, loss) * stats.t.isf(0.025, n - 1) ** 2 / n
    # (g - s l)^2 <= t^2 var(g - s l) / n, a quadratic in s
    a = loss.mean() ** 2 - spread[1, 1]
    half_b = gain.mean() * loss.mean() - spread[0, 1]
    c = gain.mean() ** 2 - spread[0, 0]
    if a <= 0:
        return np.array([gain.mean() / loss.mean() if loss.mean() else np.nan, -np.inf, np.inf])
    root = np.sqrt(max(half_b**2 - a * c, 0.0))
    return np.array([gain.mean() / loss.mean(), (half_b - root) / a, (half_b + root) / a])


def won_back(runs: Runs, arms: Mapping[str, str], reference: str = "batch") -> pd.DataFrame:
    """Points lost by dropout in front of BN, and points won back by new statistics, as text.

    Args:
        runs: of all arms and of the reference; an arm without runs is left out.
        arms: arm -> what its row is called.
        reference: the arm trained without dropout.
    """
    columns = ["lost", "dropout on", "variance alone, off", "dropout off", "share back, off"]
    rows = {}
    for arm, name in arms.items():
        if not {arm, reference} <= set(runs):
            continue
        seeds = runs[arm].index.intersection(runs[reference].index)
        table, whole = runs[arm].loc[seeds], runs[reference].loc[seeds, "test_accuracy"]
        raw = table["test_accuracy"]
        gains = [
            100 * (table[f"test_accuracy_{new}"] - raw).mean()
            for new in ("reestimated_on", "new_variance", "reestimated")
        ]
        points = [short(float(v)) for v in (100 * (whole - raw).mean(), *gains)]
        rows[name] = [*points, share_text(raw, table["test_accuracy_reestimated"], whole)]
    rows = rows or {NOT_YET: [""] * len(columns)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def share_text(raw: ArrayLike, new: ArrayLike, reference: ArrayLike) -> str:
    """The share won back as text, or why there is none."""
    if len(np.asarray(raw)) < 2:
        return NOT_YET
    effect, low, high = share_won_back(raw, new, reference)
    if not np.isfinite([low, high]).all() or np.mean(reference) <= np.mean(raw):
        return "no clear loss"
    return f"{short(effect)} [{short(low)}, {short(high)}]"


def _levels(table: pd.DataFrame, metric: str) -> dict[float, Array]:
    """Level -> (seeds,) of the columns "metric@level", in ascending order."""
    matched = {
        float(str(name).rpartition("@")[2]): table[name].to_numpy()
        for name in table
        if str(name).startswith(f"{metric}@")
    }
    return dict(sorted(matched.items()))


def _strip(axes: Axes, place: float, values: pd.Series, color: str) -> None:
    """A dot a seed, side by side, and a bar at their mean."""
    beside = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else np.zeros(1)
    axes.plot(place + beside, values, ".", color=color, alpha=0.6, markersize=6)
    axes.plot([place - 0.25, place + 0.25], [values.mean()] * 2, color=color, linewidth=2.2)


def _say(axes: Axes) -> None:
    axes.text(0.5, 0.5, NOT_YET, transform=axes.transAxes, ha="center", fontsize=9, color=FAINT)
