"""Singular values of the Jacobians between neighboring layers: how far from 1, and how spread.

Tables have the columns of a row: seed, step, name, value, unit. Color is the net's, from the first
word of the name of an arm; a net with other initial weights is dashed.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnkit.figures.findings import NOT_YET
from bnkit.figures.scoreboard import short
from bnkit.figures.style import COLORS, FAINT, WIDE
from bnkit.figures.training import curves

Tables = Mapping[str, pd.DataFrame]  # arm -> rows
Groups = Mapping[str, Sequence[str]]  # title -> arms

_ZERO = 1e-10  # smaller singular values are rounding errors
_SIZES = {"max": "largest", "median": "median", "min": "smallest", "rank": "share not 0"}


def distances(
    tables: Tables, groups: Groups, expected: Mapping[str, float], labels: Mapping[str, str]
) -> Figure:
    """The distance from an isometry over training, mean over the pairs of layers: all seeds.

    A thin line a seed, a thick one for the median, a band that holds all; distances that are not
    finite, of a dead layer or a net that has diverged, are left out.

    Args:
        tables: of the arms that there are, with the curve "log_distance".
        groups: title of a panel -> its arms.
        expected: arm -> the distance of independent Gaussian weights, a diamond at step 0.
        labels: arm -> its name in the legend.
    """
    figure, panels = plt.subplots(1, len(groups), figsize=WIDE, squeeze=False)
    for axes, (title, arms) in zip(panels[0], groups.items(), strict=True):
        for arm in arms:
            color, dashes = _look(arm)
            if arm in tables:
                by_seed = _finite(curves(tables[arm], "log_distance"))
                low, high = by_seed.min(axis="columns"), by_seed.max(axis="columns")
                axes.fill_between(low.index, low, high, color=color, alpha=0.15, linewidth=0)
                axes.plot(by_seed.index, by_seed, dashes, color=color, alpha=0.3, linewidth=0.6)
                middle = by_seed.median(axis="columns")
                axes.plot(middle.index, middle, dashes, color=color, label=labels[arm])
            if arm in expected:
                axes.plot([0], [expected[arm]], "D", color=color, markerfacecolor="white", ms=6)
        _along_steps(axes, tables, arms)
        axes.set_title(title, fontsize=10)
        axes.set_ylim(bottom=0)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8, loc="lower left")
        else:
            _say(axes)
    panels[0][0].set_ylabel("distance from 1\n(root mean square of ln s)")
    return figure


def by_pair(tables: Tables, groups: Groups, num_pairs: int) -> Figure:
    """Distance and spread over training of each pair of neighboring layers: a row a group.

    Solid or dashed, as the arm: "jacobian-l_log_rms", the root mean square of ln s, of every seed
    with their median. Dotted: "jacobian-l_log_std", the standard deviation of ln s, its median; a
    factor that all singular values share shows in the first and not in the second.

    Args:
        tables: of the arms that there are.
        groups: title -> arms.
        num_pairs: of neighboring layers, numbered from 1.
    """
    figure, every = plt.subplots(
        len(groups), num_pairs, figsize=(7.2, 2.3 * len(groups)), sharex=True, sharey="row",
        squeeze=False,
    )  # fmt: skip
    for panels, (title, arms) in zip(every, groups.items(), strict=True):
        for pair, axes in enumerate(panels, start=1):
            for arm in arms:
                if arm in tables:
                    _pair(axes, tables[arm], pair, arm)
            _along_steps(axes, tables, arms)
            axes.set_ylim(bottom=0)
            if not axes.lines:
                _say(axes)
        panels[0].set_ylabel(f"{title}\n(ln s)", fontsize=9)
    for pair, axes in enumerate(every[0], start=1):
        axes.set_title(f"{pair} → {pair + 1}", fontsize=10)
    for axes in every[:-1].flat:
        axes.set_xlabel("")
    return figure


def _pair(axes: Axes, table: pd.DataFrame, pair: int, arm: str) -> None:
    color, dashes = _look(arm)
    distance = _finite(curves(table, f"jacobian-{pair}_log_rms"))
    low, high = distance.min(axis="columns"), distance.max(axis="columns")
    axes.fill_between(low.index, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(distance.index, distance, dashes, color=color, alpha=0.3, linewidth=0.5)
    axes.plot(distance.index, distance.median(axis="columns"), dashes, color=color, linewidth=1.5)
    spread = _finite(curves(table, f"jacobian-{pair}_log_std")).median(axis="columns")
    axes.plot(spread.index, spread, ":", color=color, linewidth=1.5)


def _along_steps(axes: Axes, tables: Tables, arms: Sequence[str]) -> None:
    """Steps on a logarithmic axis with a place for step 0."""
    axes.set_xscale("symlog", linthresh=10)
    end = max((int(tables[arm]["step"].max()) for arm in arms if arm in tables), default=1_000)
    ticks = [tick for tick in (0, 10, 100, 1_000, 10_000) if tick <= end]
    axes.set_xticks(ticks, [f"{tick}" for tick in ticks], fontsize=8)
    axes.set_xlim(-1, end * 1.15)
    axes.set_xlabel("optimizer steps", fontsize=9)


def sizes(tables: Tables, labels: Mapping[str, str], num_pairs: int) -> pd.DataFrame:
    """Singular values before training and after, as text: medians over seeds and pairs.

    A net that has diverged has none and is left out.

    Args:
        tables: of the arms that there are.
        labels: arm -> its row.
        num_pairs: of neighboring layers.
    """
    rows = {}
    for arm, label in labels.items():
        if arm not in tables:
            rows[label] = [NOT_YET] + [""] * (2 * len(_SIZES) - 1)
            continue
        cells = []
        for look in (0, -1):
            for measure in _SIZES:
                of_pairs = [
                    curves(tables[arm], f"jacobian-{pair}_{measure}").iloc[look]
                    for pair in range(1, num_pairs + 1)
                ]
                known = np.concatenate(of_pairs)
                known = known[np.isfinite(known)]
                middle = float(np.median(known)) if len(known) else np.nan
                cells.append(short(middle if middle > _ZERO else 0.0) if len(known) else "–")
        rows[label] = cells
    columns = pd.MultiIndex.from_product([["before", "after"], _SIZES.values()])
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def infinite(tables: Tables) -> str:
    """Of how many looks the distance is not finite: a layer is dead, or the net has diverged."""
    values = [curves(table, "log_distance").to_numpy().ravel() for table in tables.values()]
    if not values:
        return NOT_YET
    every = np.concatenate(values)
    return f"{int((~np.isfinite(every)).sum())} of {len(every)}"


def _look(arm: str) -> tuple[str, str]:
    return COLORS[arm.partition("-")[0]], "--" if arm.count("-") > 1 else "-"


def _finite(by_seed: pd.DataFrame) -> pd.DataFrame:
    return by_seed.replace([np.inf, -np.inf], np.nan)


def _say(axes: Axes) -> None:
    axes.text(
        0.5, 0.5, NOT_YET, transform=axes.transAxes, ha="center", fontsize=8, color=FAINT,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 2.0},
    )  # fmt: skip
