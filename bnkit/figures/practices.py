"""Practices recommended with batch normalization: what each does when it alone is changed.

Tables of runs have a row a seed and a column a metric, the value at the last step. Tables of rows
have the columns of a row: seed, step, name, value, unit. Color is the net's, from the first word of
the name of an arm: "batch", "none".
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from bnkit.figures.findings import NOT_YET
from bnkit.figures.intervals import half_width
from bnkit.figures.style import AMBER, COLORS, CYCLE, FAINT, GREEN, INK, LABELS, WIDE
from bnkit.figures.training import curves

Array = NDArray[np.float64]
Runs = Mapping[str, pd.DataFrame]  # arm -> index seed, a column a metric
Tables = Mapping[str, pd.DataFrame]  # arm -> rows

SHUFFLES = {"single-shuffle": ("made once", AMBER), "reshuffled": ("made in each epoch", GREEN)}
WHOLE = "full-batch"


def companions(new: Mapping[str, Array], own: Mapping[str, Array], names: Sequence[str]) -> Figure:
    """The mean loss of the same examples in other company, a dot a division into batches.

    Args:
        new: arm -> (P, K) mean losses in nat, of P divisions and K seeds.
        own: arm -> (K,) those of one division, a diamond.
        names: what to write at each arm, in order.
    """
    figure, axes = plt.subplots(figsize=(7.2, 1.1 + 0.6 * len(new)))
    for place, (arm, losses) in enumerate(new.items()):
        color = COLORS[arm.partition("-")[0]]
        heights = place + np.linspace(-0.18, 0.18, losses.shape[1])  # a line a seed
        for height, of_seed, alone in zip(heights, losses.T, own[arm], strict=True):
            first = place == 0 and height == heights[0]
            axes.plot(of_seed, [height] * len(of_seed), "|", color=color, alpha=0.6, markersize=9)
            label = "the batches of the first epoch" if first else ""
            axes.plot([alone], [height], "D", color=INK, markersize=5, label=label)
    axes.set_yticks(range(len(names)), list(names))
    axes.set(xlabel="mean loss of all batches (nat)", ylim=(len(new) - 0.5, -0.5), xlim=(0, None))
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper right")
    return figure


def gains(
    runs: Runs,
    pairs: Mapping[str, tuple[str, str]],
    published: tuple[str, float],
    *,
    metric: str = "test_accuracy",
) -> Figure:
    """What a practice adds, in points: a dot a seed, the bar a mean with its 95 % interval.

    Args:
        runs: of all arms that `pairs` names; a pair without runs says so.
        pairs: label -> (arm with the practice, arm without it), paired by seed.
        published: label and points of the column at the right.
        metric: a fraction.
    """
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    axes.axhline(0.0, color=FAINT, linewidth=1.0)
    for place, (arm, against) in enumerate(pairs.values()):
        if arm not in runs or against not in runs:
            axes.text(place, 0.1, NOT_YET, ha="center", fontsize=8, color=FAINT)
            continue
        points = (100 * (runs[arm][metric] - runs[against][metric])).dropna()
        color = COLORS[arm.partition("-")[0]]
        aside = place + np.linspace(-0.16, 0.16, len(points))
        axes.plot(aside, points, "o", color=color, alpha=0.5, markersize=4)
        half = half_width(points.to_numpy())
        axes.errorbar([place], [points.mean()], [half], fmt="_", color=INK, ms=22, capsize=4)
    label, value = published
    axes.plot([len(pairs)], [value], "D", color=INK, markerfacecolor="white", markersize=7)
    axes.set_xticks(range(len(pairs) + 1), [*pairs, label], fontsize=8.5)
    axes.set(ylabel="gain (points of accuracy)", xlim=(-0.5, len(pairs) + 0.5))
    axes.grid(visible=False, axis="x")
    return figure


def gain(runs: Runs, arm: str, against: str, *, metric: str = "test_accuracy") -> str:
    """The mean gain in points with its 95 % interval over paired seeds, as text."""
    if arm not in runs or against not in runs:
        return NOT_YET
    points = (100 * (runs[arm][metric] - runs[against][metric])).dropna().to_numpy()
    middle, half = float(points.mean()), half_width(points)
    text = f"{middle:+.2f} [{middle - half:+.2f}, {middle + half:+.2f}]"
    return text.replace("-", "−")


def distortion(
    tables: Tables, finals: Mapping[str, Mapping[int, Array]], shrinkage: Mapping[int, float]
) -> Figure:
    """Left the distance to the minimum over epochs, right where it ends, against the batch size.

    Args:
        tables: "single-shuffle", "reshuffled" and "full-batch" -> rows "distance".
        finals: "single-shuffle" and "reshuffled" -> batch size -> (seeds,) final distances.
        shrinkage: batch size -> the distance that a formula says, dashed.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE, sharey=True)
    looks = {**SHUFFLES, WHOLE: ("the whole set", FAINT)}
    for arm, (label, color) in looks.items():
        if arm not in tables:
            continue
        by_seed = curves(tables[arm], "distance").loc[1:]
        left.plot(by_seed.index, by_seed, color=color, alpha=0.3, linewidth=0.7)
        middle = by_seed.median(axis="columns")
        left.plot(middle.index, middle, color=color, label=label)
    for arm, (_, color) in SHUFFLES.items():
        of_sizes = finals.get(arm, {})
        for size, values in of_sizes.items():
            right.plot([size] * len(values), values, ".", color=color, alpha=0.4, markersize=6)
        middles = [float(np.median(values)) for values in of_sizes.values()]
        right.plot(list(of_sizes), middles, color=color)
    formula = {"color": INK, "linestyle": "--", "linewidth": 1.2, "label": "1 − c(N)"}
    right.plot(list(shrinkage), list(shrinkage.values()), **formula)
    left.set(xlabel="epochs", ylabel="distance, relative", xscale="log", yscale="log")
    left.set_ylim(0.01, 1.3)
    right.set(xlabel="batch size N")
    right.set_xscale("log", base=2)
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        axis.set_major_formatter("{x:g}")
    left.legend(fontsize=8) if left.lines else _say(left)
    right.legend(fontsize=8)
    if not any(finals.values()):
        _say(right)
    return figure


def over_levels(
    runs: Runs, level: str, label: str, published: tuple[str, float], *, log: bool = True
) -> Figure:
    """A grid of one setting for nets without BN and with it.

    Left test accuracy against the setting, each at its best rate: a dot a seed, lines join means.
    Middle: how many seeds chose which value on validation. Right: the chosen value with BN over
    that without, a dot a seed, beside a published ratio.

    Args:
        runs: "none" and "batch" -> columns "test_accuracy@v" and `level`; either may be missing.
        level: the column of the chosen value.
        label: of the setting.
        published: label and ratio.
        log: a logarithmic axis for the setting.
    """
    ratios = (5, 4, 3)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.2, 3.0), width_ratios=ratios)
    for number, norm in enumerate(n for n in ("none", "batch") if n in runs):
        levels = levels_of(runs[norm])
        for value, accuracy in levels.items():
            left.plot([value] * len(accuracy), accuracy, ".", color=COLORS[norm], alpha=0.4, ms=4)
        means = [values.mean() for values in levels.values()]
        left.plot(list(levels), means, color=COLORS[norm], label=LABELS[norm])
        counts = [int((runs[norm][level] == value).sum()) for value in levels]
        middle.bar(np.arange(len(levels)) + 0.4 * number, counts, 0.4, color=COLORS[norm])
        middle.set_xticks(np.arange(len(levels)) + 0.2, [f"{v:g}" for v in levels])
    _ratios(right, runs, level, published)
    left.set(xlabel=label, ylabel="test accuracy (%)", xscale="log" if log else "linear")
    middle.set(xlabel=label, ylabel="seeds that chose it")
    middle.tick_params(axis="x", labelsize=7.5, rotation=45)
    middle.yaxis.set_major_locator(MaxNLocator(integer=True))
    middle.grid(visible=False, axis="x")
    if left.lines:
        left.legend(fontsize=8)
    else:
        left.set(xscale="linear")
        for axes in (left, middle):
            axes.set(xticks=[], yticks=[])
            _say(axes)
    return figure


def _ratios(axes: Axes, runs: Runs, level: str, published: tuple[str, float]) -> None:
    label, value = published
    axes.axhline(1.0, color=FAINT, linewidth=1.0)
    axes.plot([1], [value], "D", color=INK, markerfacecolor="white", markersize=7)
    there = "none" in runs and "batch" in runs
    drawn = [value, 1.0]
    if there:
        ratio = (runs["batch"][level] / runs["none"][level]).dropna()
        drawn += ratio.tolist()
        aside = np.linspace(-0.22, 0.22, max(len(ratio), 2))[: len(ratio)]
        axes.plot(aside, ratio, "o", color=COLORS["batch"], alpha=0.5, markersize=4)
        axes.plot([0], [ratio.median()], "_", color=INK, markersize=20)
    else:
        _say(axes)
    axes.set(yscale="log", xlim=(-0.6, 1.6), ylim=(min(drawn) / 1.6, max(drawn) * 1.6))
    ticks = [m * 10.0**e for e in range(-5, 6) for m in (1, 2, 5)]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xticks([0, 1], ["here", label], fontsize=8)
    axes.set_ylabel("with BN / without")
    axes.grid(visible=False, axis="x")


def levels_of(table: pd.DataFrame) -> dict[float, Array]:
    """Level -> (seeds,) test accuracy in percent at its best rate, ascending.

    Columns "test_accuracy@level-rate", of single cells of the grid, are left out; an exponent such
    as 1e-05 has a minus sign, too.
    """
    found = {}
    for name in table:
        metric, _, level = str(name).partition("@")
        if metric == "test_accuracy" and _is_number(level):
            found[float(level)] = 100 * table[name].to_numpy()
    return dict(sorted(found.items()))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def chosen(runs: Runs, level: str) -> dict[str, str]:
    """The median over seeds of the chosen value, as text, of "none" and "batch"."""
    return {
        norm: f"{runs[norm][level].median():g}" if norm in runs else NOT_YET
        for norm in ("none", "batch")
    }


def at_the_end(runs: Runs) -> dict[str, str]:
    """Accuracy at the largest level less the best of all levels, means, in points as text."""
    found = {}
    for norm in ("none", "batch"):
        found[norm] = NOT_YET
        if norm in runs:
            means = [values.mean() for values in levels_of(runs[norm]).values()]
            found[norm] = f"{means[-1] - max(means):+.1f}".replace("-", "−")
    return found


def by_total_rate(cells: pd.DataFrame, floor: float = 65.0) -> Figure:
    """Accuracy against the sum of all learning rates of a run, a panel a net, a color a decay.

    Args:
        cells: columns norm, length (of the decay, steps), total (rate times steps), accuracy (%).
        floor: what lies below is a cross at this height.
    """
    figure, panels = plt.subplots(1, 2, figsize=WIDE, sharey=True)
    for axes, norm in zip(panels, ("none", "batch"), strict=True):
        of_net = cells[cells["norm"] == norm]
        for (length, some), color in zip(of_net.groupby("length"), CYCLE, strict=False):
            some = some.sort_values("total")
            low = some["accuracy"] < floor
            there, lost = some[~low], some[low]
            axes.plot(there["total"], there["accuracy"], "o-", color=color, label=f"{length:g}")
            axes.plot(lost["total"], [floor] * len(lost), "x", color=color)
        axes.set(xscale="log", xlabel="sum of all rates, R", title=LABELS[norm])
        axes.xaxis.set_major_formatter("{x:g}")
    panels[0].set_ylabel("test accuracy (%)")
    if panels[1].lines:
        panels[1].legend(title="τ (steps)", fontsize=8, title_fontsize=8)
    return figure


def _say(axes: Axes) -> None:
    axes.text(0.5, 0.75, NOT_YET, transform=axes.transAxes, ha="center", fontsize=8, color=FAINT)
