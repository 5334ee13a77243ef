"""Which learning rates does a net bear, and at which does it end best?

Tables of runs have a row a seed and a column a metric, the value at the last step; a quantity at
one rate is a column "metric@rate". Color is the net's, from the first word of the name of an arm:
"batch", "none"; a net that has something else besides is dashed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from bnkit.figures.findings import NOT_YET
from bnkit.figures.style import COLORS, FAINT, INK
from bnkit.figures.training import curves

Array = NDArray[np.float64]
Runs = Mapping[str, pd.DataFrame]  # arm -> index seed, a column a metric
Levels = Mapping[float, ArrayLike]  # rate -> (seeds,)

TICKS = tuple(m * 10.0**e for e in range(-3, 4) for m in (1, 2, 5))  # of a ratio
CEILING = 3.0  # of the loss that is left; what is above is drawn here


def levels_of(table: pd.DataFrame, metric: str) -> dict[float, Array]:
    """Rate -> (seeds,) of the columns "metric@rate", ascending."""
    found = {}
    for name in table:
        which, _, rate = str(name).partition("@")
        if which == metric and rate:
            found[float(rate)] = table[name].to_numpy()
    return dict(sorted(found.items()))


def at_each_rate(runs: Runs, metric: str, arms: Sequence[str]) -> dict[str, dict[float, Array]]:
    """Arm -> rate -> (seeds,) of the arms that there are."""
    return {arm: levels_of(runs[arm], metric) for arm in arms if arm in runs}


def loss_left(
    panels: Mapping[str, Mapping[str, Levels]],
    labels: Mapping[str, str],
    *,
    share: float = 0.5,
    floor: float = 1e-3,
) -> Figure:
    """The training loss after the steps over that before, against the rate: a panel a comparison.

    Args:
        panels: title -> arm -> rate -> (seeds,) shares; infinite where the loss was no number.
        labels: arm -> its name in the legend; what is behind a hyphen is dashed.
        share: dotted; a seed below it has borne the rate.
        floor: lower end of the axis, where smaller shares are drawn.
    """
    rows, columns = (len(panels) + 1) // 2, min(len(panels), 2)
    if len(panels) == 3:
        rows, columns = 1, 3
    figure, every = plt.subplots(
        rows, columns, figsize=(7.2, 0.6 + 2.5 * rows), sharex=True, sharey=True, squeeze=False
    )
    for axes, (title, arms) in zip(every.flat, panels.items(), strict=False):
        axes.axhline(share, color=INK, linestyle=":", linewidth=1.0)
        for arm, levels in arms.items():
            shown = {r: np.clip(numbers(v), floor, CEILING) for r, v in levels.items()}
            band(axes, shown, arm)
        axes.set(xscale="log", yscale="log", ylim=(floor / 1.2, CEILING * 1.15))
        axes.set_title(title, fontsize=10)
        if not arms:
            say(axes)
    for axes in every[-1]:
        axes.set_xlabel("learning rate")
    for axes in every[:, 0]:
        axes.set_ylabel("training loss,\nafter / before")
        axes.yaxis.set_major_locator(FixedLocator([10.0**e for e in range(-6, 1)]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
    legend(figure, labels, panels.values())
    return figure


def band(axes: Axes, levels: Levels, arm: str) -> None:
    """A dot a seed, the median as a line and a band that holds all seeds."""
    color, dashes = look(arm)
    rates = list(levels)
    values = [numbers(of_seeds) for of_seeds in levels.values()]
    low, middle, high = ([f(v) for v in values] for f in (np.min, np.median, np.max))
    axes.fill_between(rates, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(rates, middle, dashes, color=color, linewidth=1.4)
    at = np.repeat(rates, [len(of_seeds) for of_seeds in values])
    axes.plot(at, np.concatenate(values), ".", color=color, alpha=0.35, markersize=3)


def look(arm: str) -> tuple[str, str]:
    """Color and dashes of an arm."""
    base, _, rest = arm.partition("-")
    return COLORS[base], "--" if rest else "-"


def legend(figure: Figure, labels: Mapping[str, str], panels: Iterable[Iterable[str]]) -> None:
    """Above the panels, the arms that are in any of them."""
    there = {arm for arms in panels for arm in arms}
    lines = [
        Line2D([], [], color=look(arm)[0], ls=look(arm)[1], label=label)
        for arm, label in labels.items()
        if arm in there
    ]
    if lines:
        figure.legend(handles=lines, loc="outside upper center", ncols=len(lines), fontsize=8.5)


def borne(
    largest: Mapping[str, tuple[str, pd.Series]],
    factors: Mapping[str, tuple[str, str]],
    published: tuple[str, float],
    *,
    threshold: float,
) -> Figure:
    """Left the largest rate that each seed bore; right, pair by pair, BN over its rival.

    Args:
        largest: label -> (arm, rates by seed); without seeds it says so. A seed that bore no rate
            of the grid has 0 and is not drawn.
        factors: label -> two labels of `largest`, paired by seed: the first over the second.
        published: label and the factor that a published statement implies at least.
        threshold: dotted, of the factors.
    """
    height = 1.0 + 0.34 * max(len(largest), len(factors) + 1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, height), width_ratios=(6, 5))
    for place, (arm, rates) in enumerate(largest.values()):
        _strip(left, place, rates, COLORS[arm.partition("-")[0]])
    for place, (above, below) in enumerate(factors.values()):
        ratio = (largest[above][1] / largest[below][1]).dropna()
        _strip(right, place, ratio, COLORS["batch"])
    label, at_least = published
    right.plot([at_least], [len(factors)], marker=9, color=INK, markersize=8)  # points right
    right.axvline(threshold, color=INK, linestyle=":", linewidth=1.0)
    right.axvline(1.0, color=FAINT, linewidth=1.0)
    for axes, names in ((left, list(largest)), (right, [*factors, label])):
        axes.set_xscale("log")
        axes.set_yticks(range(len(names)), names, fontsize=8.5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
    left.set_xlabel("largest rate borne")
    right.set_xlabel("with BN / the other")
    for axis in (left.xaxis, right.xaxis):
        axis.set_major_locator(FixedLocator(TICKS))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    return figure


def _strip(axes: Axes, place: int, of_seeds: pd.Series, color: str) -> None:
    """A dot a seed around the height `place`, a bar that holds all, a line at the median."""
    values = of_seeds.to_numpy(dtype=float)
    if not len(values):
        axes.text(
            0.5, place, NOT_YET, transform=axes.get_yaxis_transform(), ha="center", va="center",
            fontsize=8, color=FAINT,
        )  # fmt: skip
        return
    there = np.isfinite(values) & (values > 0)
    shown, heights = values[there], (place + np.linspace(-0.22, 0.22, len(values)))[there]
    if len(shown):
        ends = [place - 0.3, place + 0.3]
        low, high = shown.min(), shown.max()
        axes.fill_betweenx(ends, low, high, color=color, alpha=0.18, linewidth=0)
        axes.plot([np.median(shown)] * 2, ends, color=color, linewidth=2.0)
    axes.plot(shown, heights, ".", color=color, alpha=0.6, markersize=4.5)


def windows(runs: Runs, labels: Mapping[str, str], num_seeds: int) -> pd.DataFrame:
    """Between which rates enough seeds train, as text: a row an arm.

    Args:
        runs: of the arms that there are, with columns "stable@rate" (1 or 0) and
            "largest_stable_rate".
        labels: arm -> its row.
        num_seeds: how many seeds are enough.
    """
    columns = ["from", "to", "no gap", "largest: median", "all seeds"]
    rows = {}
    for arm, label in labels.items():
        if arm not in runs:
            rows[label] = [NOT_YET, "", "", "", ""]
            continue
        train = enough(runs[arm], num_seeds)
        rates = list(levels_of(runs[arm], "stable"))
        inside = [rate for rate in rates if train and train[0] <= rate <= train[-1]]
        largest = runs[arm]["largest_stable_rate"]
        rows[label] = [
            f"{train[0]:g}" if train else "–",
            f"{train[-1]:g}" if train else "–",
            "yes" if inside == train else "no",
            f"{largest.median():g}",
            f"{largest.min():g} to {largest.max():g}",
        ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def enough(table: pd.DataFrame, num_seeds: int) -> list[float]:
    """The rates at which at least so many seeds train, ascending."""
    return [rate for rate, of in levels_of(table, "stable").items() if of.sum() >= num_seeds]


def window(runs: Runs, arm: str, num_seeds: int) -> str:
    """The lowest and the highest rate at which enough seeds train, as text."""
    if arm not in runs:
        return NOT_YET
    train = enough(runs[arm], num_seeds)
    return f"{train[0]:g} to {train[-1]:g}" if train else "at no rate of the grid"


def bears(levels: Levels, share: float = 0.5) -> float:
    """The largest rate at which the loss of every seed falls below the share; 0 if none is."""
    return max((rate for rate, of in levels.items() if np.max(of) < share), default=0.0)


def trained(table: pd.DataFrame | None, rate: float, share: float = 0.5) -> str:
    """Of how many seeds the curve "train_loss@rate" ends below a share of its beginning."""
    if table is None:
        return NOT_YET
    loss = curves(table, f"train_loss@{rate:g}")
    good = (loss.iloc[-1] < share * loss.iloc[0]).sum()
    return f"{good} of {loss.shape[1]}"


def at_an_end(runs: Runs, arm: str) -> str:
    """Of how many seeds the best rate is the first or the last of those that were tried."""
    if arm not in runs:
        return NOT_YET
    tried = list(levels_of(runs[arm], "test_accuracy"))
    chosen = runs[arm]["best_rate"]
    return f"{chosen.isin([tried[0], tried[-1]]).sum()} of {len(chosen)}"


def headroom(runs: Runs) -> dict[str, str]:
    """The largest rate borne over the best one, median over seeds, of "none" and "batch"."""
    found = {}
    for arm in ("none", "batch"):
        found[arm] = NOT_YET
        if arm in runs:
            ratio = runs[arm]["largest_stable_rate"] / runs[arm]["best_rate"]
            found[arm] = f"{ratio.median():.1f}"
    return found


def median(runs: Runs, arm: str, metric: str) -> str:
    """The median over seeds, as text."""
    return f"{runs[arm][metric].median():.3f}" if arm in runs else NOT_YET


def sides(verdicts: Mapping[str, Any], than: str) -> str:
    """Which comparisons are above a threshold, which below and which undecided, in words.

    Args:
        verdicts: what the comparison is with -> `Verdict`, or None where there is none yet.
        than: the threshold in words.
    """
    words = {"supported": f"above {than}", "refuted": f"below {than}"}
    words |= {"undecided": "on no side for certain", "": NOT_YET}
    groups: dict[str, list[str]] = {}
    for name, verdict in verdicts.items():
        groups.setdefault(verdict.verdict if verdict is not None else "", []).append(name)
    there = [word for word in words if word in groups]
    return "; ".join(f"{words[word]}: {', '.join(groups[word])}" for word in there)


def numbers(values: ArrayLike) -> Array:
    """As an array of floating-point numbers."""
    return np.asarray(values, dtype=float)


def say(axes: Axes) -> None:
    """That there is nothing to draw yet."""
    axes.text(0.5, 0.6, NOT_YET, transform=axes.transAxes, ha="center", fontsize=9, color=FAINT)
