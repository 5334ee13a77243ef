"""When in training does a joint step differ between two nets?

Tables have the columns of a row: seed, step, name, value, unit.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from bnkit.figures.findings import NOT_YET
from bnkit.figures.intervals import half_width
from bnkit.figures.style import BLUE, FAINT, INK, WIDE

Tables = Mapping[str, pd.DataFrame]


def log_ratio(tables: Tables, name: str) -> pd.DataFrame:
    """The log of BN over plain, absolute values: one row a look, one column a seed."""
    with_bn, plain = (
        table[table["name"] == name].pivot(index="step", columns="seed", values="value").abs()
        for table in (tables["batch"], tables["none"])
    )
    return np.log(with_bn / plain)


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
    values = log_ratio(medians, name).to_numpy().ravel()
    middle, half = values.mean(), half_width(values)
    effect, low, high = np.exp([middle, middle - half, middle + half])
    return f"{effect:.2f} [{low:.2f}, {high:.2f}]"


def ratio_along_training(tables: Tables, panels: Mapping[str, str]) -> Figure:
    """BN over plain at each look: geometric mean over seeds and its 95 % interval, a panel a curve.

    Args:
        tables: "batch" and "none" -> rows with the same looks; without one of them it says so.
        panels: name of a curve -> title of its panel. Lines mark 1, no difference, and one half.
    """
    figure, every = plt.subplots(1, len(panels), figsize=WIDE, squeeze=False, sharey=True)
    for axes, (name, title) in zip(every[0], panels.items(), strict=True):
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
        axes.set_xticks(ticks, [f"{tick}" for tick in ticks], fontsize=8)
        axes.set(xlabel="optimizer steps", xlim=(0, None), yscale="log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
    every[0, 0].set_ylabel("BN / plain")
    return figure
