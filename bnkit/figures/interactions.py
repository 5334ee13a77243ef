"""What does a step on all layers at once do that the gradient does not show?

Tables have the columns of a row: seed, step, name, value, unit. The name of an arm begins with
that of its color: "batch", "none".
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import ArrayLike, NDArray

from bnkit.figures.findings import NOT_YET
from bnkit.figures.interactive import Interactive, slider
from bnkit.figures.style import AMBER, BLUE, COLORS, FAINT, GREEN, INK, LABELS, ORANGE, SINGLE, WIDE

Array = NDArray[np.float64]
Tables = Mapping[str, pd.DataFrame]

STACKED = (5.4, 5.6)  # inches: three panels one above the other, wide enough for a phone
ORDERS = {"order 1": BLUE, "2": ORANGE, "3": GREEN, "4 and up": AMBER}


def between_layers(tables: Tables, what: str, arm: str) -> str:
    """Cross-layer share over remainder at the step WHAT, in percent as text, median over looks."""
    if arm not in tables:
        return NOT_YET
    cross, missed = (curve(tables[arm], f"{what}_{m}") for m in ("cross_share", "remainder"))
    return f"{100 * np.nanmedian(cross / missed):.0f}"


def by_order(
    rates: Array, sizes: Mapping[int, ArrayLike], *, start: int, name: str, alt: str
) -> Interactive:
    """The share of each order in the sum of absolute terms, a depth at each slider position.

    Args:
        rates: (K,) step sizes ε.
        sizes: depth l -> (K, l), how large the terms of order 1, 2, ..., l are.
        start: the position shown first.
        name: id of the figure on its page.
        alt: its text alternative.
    """
    steps = [
        (f"{depth}", _shares(rates, np.asarray(of_orders))) for depth, of_orders in sizes.items()
    ]
    exponents = np.log10(rates)
    figure = slider(
        steps,
        label="layers: ",
        start=start,
        x_title="step size ε",
        y_title="share in the sum of |terms|",
        x_range=(float(exponents[0]), float(exponents[-1])),
        y_range=(0.0, 1.02),
    )
    figure.update_layout(xaxis_type="log", xaxis_dtick=1)
    return Interactive(figure, alt=alt, name=name, height=480)


def _shares(rates: Array, sizes: Array) -> list[go.Scatter]:
    shares = sizes / sizes.sum(axis=1, keepdims=True)  # (K, l)
    grouped = [shares[:, :1], shares[:, 1:2], shares[:, 2:3], shares[:, 3:]]
    return [
        go.Scatter(
            x=np.round(rates, 5),
            y=np.round(group.sum(axis=1), 4),
            name=order,
            mode="lines",
            line={"color": color, "width": 3 if order == "order 1" else 2},
        )
        for (order, color), group in zip(ORDERS.items(), grouped, strict=True)
    ]


def levels(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row a level, one column a seed, of the rows "metric@level".

    Raises:
        ValueError: the table has no such rows.
    """
    chosen = table[table["name"].str.startswith(f"{metric}@")]
    if chosen.empty:
        raise ValueError(f"no metric {metric + '@'!r} with a level")
    level = chosen["name"].str.rpartition("@")[2].astype(float)
    return chosen.assign(level=level).pivot(index="level", columns="seed", values="value")


def curve(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Absolute values: one row a look, one column a seed.

    Raises:
        ValueError: the table has no such curve.
    """
    chosen = table[table["name"] == name]
    if chosen.empty:
        raise ValueError(f"no curve {name!r}; there are {sorted(set(table['name']))}")
    return chosen.pivot(index="step", columns="seed", values="value").abs()


def power_law(by_level: pd.DataFrame, slope: float, *, x_label: str, y_label: str) -> Figure:
    """All seeds against the level on logarithmic axes, with a line of the slope to compare with.

    Args:
        by_level: index level, one column a seed.
        slope: of the dashed line, which meets the median seed at the smallest level.
        x_label: the level's name.
        y_label: the metric's name.
    """
    figure, axes = plt.subplots(figsize=SINGLE)
    x = by_level.index.to_numpy()
    for position, seed in enumerate(by_level):
        label = f"measured, {by_level.shape[1]} seeds" if position == 0 else None
        axes.plot(x, by_level[seed], "o-", color=BLUE, alpha=0.5, lw=0.8, ms=3, label=label)
    guide = by_level.iloc[0].median() * (x / x[0]) ** slope
    axes.plot(x, guide, "--", color=INK, linewidth=1.2, label=f"slope {slope:g}")
    axes.set(xscale="log", yscale="log", xlabel=x_label, ylabel=y_label)
    axes.legend()
    return figure


def along_training(tables: Tables, panels: Mapping[str, str]) -> Figure:
    """Absolute values of some curves at each look: thin lines are seeds, thick ones their median.

    A look where a curve is NaN is left out of its seed's line and counts as infinite in the median.

    Args:
        tables: arm -> rows.
        panels: name of a curve -> title of its panel. Steps are on a logarithmic axis with a place
            for step 0.
    """
    figure, every = plt.subplots(len(panels), 1, figsize=STACKED, squeeze=False, sharex=True)
    for axes, (name, title) in zip(every[:, 0], panels.items(), strict=True):
        for arm, table in tables.items():
            values = curve(table, name)
            axes.plot(values.index, values, color=_color(arm), alpha=0.25, linewidth=0.6)
            median = values.fillna(np.inf).median(axis="columns")
            axes.plot(median.index, median, color=_color(arm), label=_label(arm))
        axes.set(xlim=(0, None))
        axes.set_xscale("symlog", linthresh=1)
        end = max((table["step"].max() for table in tables.values()), default=1)
        ticks = [tick for tick in (0, 1, 10, 100, 1_000, 10_000) if tick <= end]
        axes.set_xticks(ticks, [f"{tick}" for tick in ticks])
        _decorate(axes, title)
    every[-1, 0].set_xlabel("optimizer steps")
    _finish(list(every[:, 0]), tables)
    return figure


def by_size(tables: Tables, panels: Mapping[tuple[str, str], str]) -> Figure:
    """The same against the size of the step: dots are seeds, their median over looks.

    The band of an arm goes from the smallest to the largest look of its median seed; a look that
    is NaN, where no step reached the size, counts as infinite.

    Args:
        tables: arm -> rows, of curves "WHAT@SIZE_MEASURE".
        panels: (WHAT, MEASURE) -> title of the panel.
    """
    figure, every = plt.subplots(1, len(panels), figsize=WIDE, squeeze=False)
    for axes, ((what, measure), title) in zip(every[0], panels.items(), strict=True):
        for arm, table in tables.items():
            sizes = _sizes(table, what, measure)
            looks = [curve(table, f"{what}@{s:g}_{measure}").fillna(np.inf) for s in sizes]
            of_seeds = [look.median() for look in looks]  # over looks
            over_looks = [look.median(axis="columns") for look in looks]  # of the median seed
            _band(axes, sizes, over_looks, _color(arm))
            for size, values in zip(sizes, of_seeds, strict=True):
                axes.plot([size] * len(values), values, ".", color=_color(arm), alpha=0.5, ms=5)
            axes.plot(sizes, [v.median() for v in of_seeds], color=_color(arm), label=_label(arm))
        axes.set(xlabel="size of the step", xscale="log")
        axes.xaxis.set_major_formatter("{x:g}")
        _decorate(axes, title)
    _finish(every[0], tables)
    return figure


def _band(axes: Axes, sizes: Sequence[float], looks: Sequence[pd.Series], color: str) -> None:
    low, high = [v.min() for v in looks], [v.max() for v in looks]
    top = max((v for v in (*low, *high) if np.isfinite(v)), default=1.0)
    high = [v if np.isfinite(v) else 10 * top for v in high]  # off the page
    axes.fill_between(sizes, low, high, color=color, alpha=0.15, linewidth=0)


def _sizes(table: pd.DataFrame, what: str, measure: str) -> list[float]:
    matched = table["name"].str.extract(rf"^{what}@([\d.e-]+)_{measure}$")[0]
    return sorted(map(float, matched.dropna().unique()))


def _decorate(axes: Axes, title: str) -> None:
    """A logarithmic axis that is labelled also where it spans less than a decade."""
    axes.set_yscale("log")
    axes.set_title(title, fontsize=9.5)
    axes.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.tick_params(axis="y", which="both", labelsize=8)


def _finish(panels: Sequence[Axes], tables: Tables) -> None:
    """A legend, or a word where there is nothing to draw."""
    if tables:
        panels[0].legend(fontsize=8)
        return
    for axes in panels:
        axes.text(0.5, 0.5, NOT_YET, transform=axes.transAxes, ha="center", color=FAINT)


def _color(arm: str) -> str:
    return COLORS[arm.partition("-")[0].partition("@")[0]]


def _label(arm: str) -> str:
    return LABELS[arm.partition("-")[0].partition("@")[0]]
