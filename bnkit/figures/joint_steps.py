"""When in training, and at which depth, does a joint step differ between two nets?

Tables have the columns of a row: seed, step, name, value, unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import ArrayLike

from bnkit.figures.findings import NOT_YET, final
from bnkit.figures.interactions import STACKED, curve
from bnkit.figures.intervals import half_width
from bnkit.figures.style import BLUE, FAINT, INK

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Ratio:
    """Geometric mean over seeds and its 95 % interval, taken by itself."""

    effect: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.effect:.2f} [{self.low:.2f}, {self.high:.2f}]"


def ratio(logs: ArrayLike) -> Ratio:
    """Of the logs (n,) of a ratio, one a seed."""
    logs = np.asarray(logs, dtype=float)
    middle, half = logs.mean(), half_width(logs)
    effect, low, high = np.exp([middle, middle - half, middle + half]).tolist()
    return Ratio(effect, low, high)


def by_depth(tables: Tables, metrics: Mapping[str, str], deep: str) -> dict[str, list[Ratio]]:
    """BN over plain in the nets of the rule, in deeper ones, and the second over the first.

    Args:
        tables: "batch", "none", and the deeper nets, whose arms end in `deep`.
        metrics: a metric of whole runs -> what it is called.
        deep: for example "-10-layers". Nets are paired by seed.

    Returns:
        Name of the metric -> three ratios; empty where an arm has no record.
    """
    if not {"batch", "none", f"batch{deep}", f"none{deep}"} <= set(tables):
        return {}
    found = {}
    for metric, name in metrics.items():
        shallower, deeper = (
            np.log(final(tables[f"batch{end}"], metric) / final(tables[f"none{end}"], metric))
            for end in ("", deep)
        )
        found[name] = [ratio(logs) for logs in (shallower, deeper, deeper - shallower)]
    return found


def growth(by_depth: Mapping[str, list[Ratio]]) -> tuple[int, int]:
    """In how many measures BN's advantage surely grows with depth, and in how many it shrinks."""
    thirds = [ratios[2] for ratios in by_depth.values()]
    return sum(third.high < 1 for third in thirds), sum(third.low > 1 for third in thirds)


def share_between(tables: Tables, what: str) -> Ratio | None:
    """BN over plain of the cross-layer share over the remainder, median over looks of each seed.

    None where one of the two has no record.

    Args:
        tables: "batch" and "none".
        what: the step that both are taken at, for example "decrease@0.1".
    """
    if not {"batch", "none"} <= set(tables):
        return None
    medians = {}
    for arm in ("batch", "none"):
        cross, missed = (curve(tables[arm], f"{what}_{m}") for m in ("cross_share", "remainder"))
        medians[arm] = (cross / missed).median()
    return ratio(np.log(medians["batch"] / medians["none"]))


def more_or_less(between: Ratio | None) -> str:
    """Does BN lower one thing "more than" another, whose ratios to plain have this ratio?"""
    if between is None:
        return NOT_YET
    if between.high < 1:
        return "more than"
    return "less than" if between.low > 1 else "neither surely more nor surely less than"


def log_ratio(tables: Tables, name: str) -> pd.DataFrame:
    """The log of BN over plain, absolute values: one row a look, one column a seed."""
    return np.log(curve(tables["batch"], name) / curve(tables["none"], name))


def late(tables: Tables, name: str, after: int) -> str:
    """BN over plain from step `after` on, as text: geometric mean over seeds and 95 % interval.

    Of each seed the median over looks of either net, as the rules have it for the whole run.
    """
    if not {"batch", "none"} <= set(tables):
        return NOT_YET
    chosen = {arm: rows[rows["step"] >= after].assign(step=after) for arm, rows in tables.items()}
    medians = {
        arm: rows.assign(value=rows["value"].abs())
        .groupby(["seed", "name", "step"], as_index=False)["value"]
        .median()
        for arm, rows in chosen.items()
    }
    return str(ratio(log_ratio(medians, name).to_numpy().ravel()))


def ratio_along_training(tables: Tables, panels: Mapping[str, str]) -> Figure:
    """BN over plain at each look: geometric mean over seeds and its 95 % interval, a panel a curve.

    Args:
        tables: "batch" and "none" -> rows with the same looks; without one of them it says so.
        panels: name of a curve -> title of its panel. Lines mark 1, no difference, and one half.
    """
    figure, every = plt.subplots(
        len(panels), 1, figsize=STACKED, squeeze=False, sharex=True, sharey=True
    )
    for axes, (name, title) in zip(every[:, 0], panels.items(), strict=True):
        axes.set_title(title, fontsize=9.5)
        axes.axhline(1.0, color=INK, linewidth=1.0)
        axes.axhline(0.5, color=FAINT, linewidth=1.0, linestyle="--")
        if not {"batch", "none"} <= set(tables):
            axes.text(0.5, 0.6, NOT_YET, transform=axes.transAxes, ha="center", color=FAINT)
            continue
        logs = log_ratio(tables, name)
        middle = logs.mean(axis="columns")
        half = logs.apply(half_width, axis="columns")
        low, high = np.exp(middle - half), np.exp(middle + half)
        axes.fill_between(logs.index, low, high, color=BLUE, alpha=0.2, linewidth=0)
        axes.plot(logs.index, np.exp(middle), "o-", color=BLUE, markersize=3)
        axes.set_xscale("symlog", linthresh=1)
        ticks = [tick for tick in (0, 1, 10, 100, 1_000, 10_000) if tick <= logs.index[-1]]
        axes.set_xticks(ticks, [f"{tick}" for tick in ticks])
        axes.set(xlim=(0, None), yscale="log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
    every[len(panels) // 2, 0].set_ylabel("BN / plain")
    every[-1, 0].set_xlabel("optimizer steps")
    return figure
