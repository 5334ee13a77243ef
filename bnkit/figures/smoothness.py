"""Is the loss smoother with BN, by which measure, and at which step, depth and width?

Tables have the columns of a row: seed, step, name, value, unit. The name of an arm begins with that
of its color: "batch", "none". What is not recorded yet says so and is not drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from bnkit.figures.findings import NOT_YET
from bnkit.figures.scoreboard import short
from bnkit.figures.style import BLUE, COLORS, FAINT, GREEN, GRID, INK, LABELS, PINK, SINGLE, WIDE

Array = NDArray[np.float64]
Tables = Mapping[str, pd.DataFrame]
Looks = Mapping[str, tuple[str, str]]  # arm -> color, label

BORROWED = ", plain rate"  # of an arm with BN that runs at the plain net's rate
RATE_LOOKS = ((BLUE, "--"), (GREEN, "-."), (PINK, ":"))


def along_training(
    tables: Tables,
    panels: Mapping[str, str],
    *,
    looks: Looks | None = None,
    linear: Sequence[str] = (),
    zoomed: Sequence[str] = (),
    from_zero: bool = True,
) -> Figure:
    """Some curves over training: thin lines are seeds, the band all of them, the thick the median.

    Args:
        tables: arm -> rows.
        panels: name of a curve -> title of its panel.
        looks: arm -> color and label; of its normalizer if absent.
        linear: the curves whose axis is not logarithmic.
        zoomed: those whose axis leaves out the lowest twentieth of their values.
        from_zero: steps on a logarithmic axis with a place for step 0; else evenly spaced.
    """
    figure, every = plt.subplots(1, len(panels), figsize=WIDE, squeeze=False)
    for axes, (name, title) in zip(every[0], panels.items(), strict=True):
        shown = {arm: curve for arm, t in tables.items() if len(curve := curves(t, name))}
        for arm, curve in shown.items():
            color, label = look_of(arm, looks)
            dash = "--" if label.endswith(BORROWED) else "-"
            _band(axes, curve, color, f"{label}, n = {curve.shape[1]}", dash)
        if name not in linear:
            axes.set_yscale("log")
            few_ticks(axes.yaxis)
        if name in zoomed and shown:
            values = np.concatenate([curve.to_numpy().ravel() for curve in shown.values()])
            axes.set_ylim(bottom=float(np.nanquantile(values, 0.05)))
        axes.set_title(title, fontsize=9.5)
        _steps_axis(axes, shown, from_zero)
        if not shown:
            say(axes, NOT_YET)
    _legend_above(figure)
    return figure


def _legend_above(figure: Figure) -> None:
    """One for all panels."""
    handles = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(
            handles.values(), handles, loc="outside upper center", ncols=min(3, len(handles))
        )


def edges(tables: Tables, name: str = "hessian_1") -> Figure:
    """Sharpness over full-batch descent, a panel a normalizer; lines and ticks at 2 over the rates.

    Args:
        tables: "NORM@RATE" -> rows.
        name: the curve.
    """
    figure, panels = plt.subplots(1, 2, figsize=WIDE, sharey=True)
    rates = {float(arm.partition("@")[2]) for arm in tables}
    for axes, norm in zip(panels, ("none", "batch"), strict=True):
        mine = {arm: t for arm, t in tables.items() if arm.partition("@")[0] == norm}
        shown = {float(arm.partition("@")[2]): curves(t, name) for arm, t in mine.items()}
        for rate, (color, dash) in zip(sorted(shown), RATE_LOOKS, strict=False):
            curve = shown[rate]
            _band(axes, curve, color, f"rate {rate:g}, n = {curve.shape[1]}")
            axes.axhline(2 / rate, color=color, linestyle=dash, linewidth=1.0)
        axes.set(title=LABELS[norm], yscale="log")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_yticks([2 / rate for rate in rates], [f"{2 / rate:g}" for rate in rates])
        _steps_axis(axes, shown, from_zero=False)
        if not shown:
            say(axes, NOT_YET)
    panels[0].set_ylabel("largest eigenvalue")
    _legend_above(figure)
    return figure


def dots(
    panels: Mapping[str, Mapping[str, ArrayLike]],
    *,
    logarithmic: Sequence[str] = (),
    colors: Mapping[str, str] | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    infinite: str = "never",
) -> Figure:
    """One value a seed: a panel a quantity, a row an arm, a bar for the median.

    Args:
        panels: title -> label of the row -> (n,). Rows are those of the first panel; one that is
            empty or not there is named as not measured. Values that are not finite are counted.
        logarithmic: titles whose axis is logarithmic.
        colors: label of the row -> color.
        limits: title -> ends of its axis; a value outside is an arrow with its number.
        infinite: what has become of a seed whose value is not finite.
    """
    rows = list(dict.fromkeys(label for groups in panels.values() for label in groups))
    figure, every = plt.subplots(
        1, len(panels), figsize=(7.6, 1.1 + 0.33 * len(rows)), sharey=True, squeeze=False
    )
    for axes, (title, groups) in zip(every[0], panels.items(), strict=True):
        if title in logarithmic:
            axes.set_xscale("log")
        ends = (limits or {}).get(title, (-np.inf, np.inf))
        told = {}
        for y, label in enumerate(rows):
            axes.axhline(y, color=GRID, linewidth=0.8, zorder=0)
            values = np.asarray(groups.get(label, ()), dtype=float)
            _row_of_dots(axes, y, values, (colors or {}).get(label, BLUE), ends)
            missing = int((~np.isfinite(values)).sum())
            if missing or not len(values):
                told[y] = f"{missing} of {len(values)} {infinite}" if missing else NOT_YET
        axes.set_yticks(range(len(rows)), rows, fontsize=8.5)
        axes.set(ylim=(len(rows) - 0.5, -0.5))
        axes.set_title(title, fontsize=9.5)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="x", labelsize=8)
        if title in logarithmic:
            few_ticks(axes.xaxis)
        else:
            axes.locator_params(axis="x", nbins=5 if len(panels) < 4 else 3)
        if title in (limits or {}):
            axes.set_xlim(*ends)
        for y, text in told.items():
            _beside_the_dots(axes, y, text, groups.get(rows[y], ()))
    return figure


def _row_of_dots(axes: Axes, y: int, values: Array, color: str, ends: tuple[float, float]) -> None:
    finite = values[np.isfinite(values)]
    shown = finite[(finite >= ends[0]) & (finite <= ends[1])]
    axes.plot(shown, np.full(len(shown), y), "o", color=color, alpha=0.5, markersize=3.5)
    arrow = {"arrowstyle": "->", "color": color}
    across = axes.get_yaxis_transform()
    for side, inwards, out in (
        (0, 14, finite[finite < ends[0]]),
        (1, -14, finite[finite > ends[1]]),
    ):
        if len(out):
            text = ", ".join(short(value) for value in sorted(out))
            axes.annotate(
                text, (side, y), (inwards, 0), xycoords=across, textcoords="offset points",
                fontsize=7.5, color=color, va="center", ha="right" if side else "left",
                arrowprops=arrow,
            )  # fmt: skip
    if len(finite):
        axes.plot([np.nanmedian(values)] * 2, [y - 0.3, y + 0.3], color=INK, linewidth=1.5)


def _beside_the_dots(axes: Axes, y: int, text: str, values: ArrayLike) -> None:
    """Below, in the half that has fewer of them; the limits of the axis have to be final."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    points = axes.transData.transform(np.column_stack([finite, np.zeros(len(finite))]))
    across = axes.transAxes.inverted().transform(points)[:, 0]
    left = np.count_nonzero(across > 0.5) > len(across) / 2
    axes.text(
        0.03 if left else 0.99, y + 0.38, text, transform=axes.get_yaxis_transform(), va="center",
        ha="left" if left else "right", fontsize=6.5, color=FAINT,
    )  # fmt: skip


def by_level(
    table_of: Mapping[str, tuple[pd.DataFrame, str]],
    panels: Mapping[str, str],
    *,
    x_label: str,
    looks: Looks | None = None,
) -> Figure:
    """Metrics with a level, "METRIC@LEVEL", against it: dots are seeds, lines their medians.

    Args:
        table_of: arm -> its rows, and what to put behind the metric's name to find it there.
        panels: metric -> title of the panel.
        x_label: what a level is.
        looks: arm -> color and label; of its normalizer if absent.
    """
    figure, every = plt.subplots(1, len(panels), figsize=WIDE, squeeze=False)
    for axes, (metric, title) in zip(every[0], panels.items(), strict=True):
        ticks: list[float] = []
        for arm, (table, suffix) in table_of.items():
            values = levels(table, metric + suffix)
            color, label = look_of(arm, looks)
            for seed in values:
                axes.plot(values.index, values[seed].replace(np.inf, np.nan), ".", color=color,
                          alpha=0.4, markersize=5)  # fmt: skip
            middle = values.median(axis="columns").replace(np.inf, np.nan)
            axes.plot(middle, color=color, label=f"{label}, n = {values.shape[1]}")
            ticks = values.index.to_list()
        axes.set(xscale="log", yscale="log", xlabel=x_label)
        axes.set_title(title, fontsize=9.5)
        axes.set_xticks(ticks, [f"{level:g}" for level in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        few_ticks(axes.yaxis)
        if not table_of:
            axes.set_xlim(0.1, 10)
            say(axes, NOT_YET)
    if table_of:
        every[0][0].legend(fontsize=8)
    return figure


def spectra(tables: Tables, *, num_weights: int, looks: Looks | None = None) -> Figure:
    """How many of a Hessian's eigenvalues are larger than λ, at the last look of each seed.

    A share below that of one eigenvalue is the weight of a node of the quadrature and no share.

    Args:
        tables: arm -> rows "density_node_<i>" and "density_weight_<i>"; the weights of a seed sum
            to 1.
        num_weights: of the net, and so of the eigenvalues; the axis ends at one of them.
        looks: arm -> color and label; of its normalizer if absent.
    """
    figure, axes = plt.subplots(figsize=SINGLE)
    for arm, table in tables.items():
        nodes, weights = (spectrum(table, part) for part in ("node", "weight"))
        color, label = look_of(arm, looks)
        for number, seed in enumerate(nodes):
            order = np.argsort(nodes[seed].to_numpy())[::-1]
            larger = np.cumsum(weights[seed].to_numpy()[order])
            text = f"{label}, n = {nodes.shape[1]}" if number == 0 else None
            at = nodes[seed].to_numpy()[order]
            keep = at > 1e-3
            axes.step(
                at[keep], larger[keep], where="post", color=color, alpha=0.5, lw=0.8, label=text
            )
    axes.set(xscale="log", yscale="log", xlabel="λ", ylabel="share of eigenvalues above λ")
    axes.set_ylim(bottom=1 / num_weights)
    if tables:
        axes.legend()
    else:
        say(axes, NOT_YET)
    return figure


def spectrum(table: pd.DataFrame, part: str) -> pd.DataFrame:
    """The nodes or weights of the quadrature at the last step: a row an index, a column a seed."""
    chosen = table[table["name"].str.startswith(f"density_{part}_")]
    chosen = chosen[chosen["step"] == chosen["step"].max()]
    index = chosen["name"].str.rpartition("_")[2].astype(int)
    return chosen.assign(index=index).pivot(index="index", columns="seed", values="value")


def curves(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """One row a step, one column a seed; empty where there is no such curve."""
    chosen = table[table["name"] == name]
    return chosen.pivot(index="step", columns="seed", values="value")


def levels(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row a level, one column a seed, of the rows "metric@level" with a number for a level."""
    chosen = table[table["name"].str.fullmatch(rf"{metric}@[\d.]+")]
    level = chosen["name"].str.rpartition("@")[2].astype(float)
    return chosen.assign(level=level).pivot(index="level", columns="seed", values="value")


def look_of(arm: str, looks: Looks | None) -> tuple[str, str]:
    """Color and label of an arm; a rate that it has borrowed is named."""
    if looks is not None:
        return looks[arm]
    norm, _, rate = arm.partition("@")
    norm = norm.partition("-")[0]
    return COLORS[norm], LABELS[norm] + (BORROWED if rate == "none" else "")


def say(axes: Axes, text: str) -> None:
    """A word in the middle of an empty panel."""
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT,
        backgroundcolor="white",
    )  # fmt: skip
    axes.tick_params(axis="x", which="both", bottom=False, labelbottom=False)
    if not axes.get_shared_y_axes().get_siblings(axes)[1:]:  # labels that panels share are of use
        axes.tick_params(axis="y", which="both", left=False, labelleft=False)


def _band(axes: Axes, curve: pd.DataFrame, color: str, label: str, dash: str = "-") -> None:
    finite = curve.replace([np.inf, -np.inf], np.nan)
    low, high = finite.min(axis="columns"), finite.max(axis="columns")
    axes.fill_between(curve.index, low, high, color=color, alpha=0.12, linewidth=0)
    axes.plot(curve.index, finite, color=color, alpha=0.25, linewidth=0.5)
    axes.plot(finite.median(axis="columns"), dash, color=color, label=label)


def _steps_axis(axes: Axes, shown: Mapping[Any, pd.DataFrame], from_zero: bool) -> None:
    end = max((int(curve.index.max()) for curve in shown.values()), default=0)
    axes.set_xlabel(f"steps, of {end:,}" if end else "steps")
    if not end:
        return
    if from_zero:
        axes.set_xscale("symlog", linthresh=1)
        ticks = [tick for tick in (0, 1, 10, 100, 1_000, 10_000) if tick <= end]
        names = {1_000: "10³", 10_000: "10⁴"}  # short, lest the last two touch
        axes.set_xticks(ticks, [names.get(tick, f"{tick}") for tick in ticks], fontsize=8)
    else:  # the ends point inwards, lest they touch those of the next panel
        axes.set_xticks([0, end / 2, end], [f"{value:,}" for value in (0, end // 2, end)])
        first, _, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
    axes.set_xlim(0, end)


def few_ticks(axis: Axis) -> None:
    """Labels also where a logarithmic axis spans less than a decade, and no crowd on a long one."""
    low, high = axis.get_view_interval()
    axis.set_tick_params(which="both", labelsize=8)
    axis.set_minor_formatter(NullFormatter())
    if high <= 100 * low:
        subs = (1.0, 2.0, 5.0) if high > 8 * low else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter("{x:g}")
