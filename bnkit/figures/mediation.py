"""Does speed follow when smoothness is moved on purpose?

A manipulation is a kind, such as sharpness-aware steps, at several doses; its arms and its base arm
("none" or "batch") share a net. Tables of runs have a row a seed and a column a metric; tables of
rows have the columns of a row: seed, step, name, value, unit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter

from bnkit.figures.findings import NOT_YET
from bnkit.figures.style import (
    AMBER,
    BLUE,
    COLORS,
    FAINT,
    GREEN,
    GRID,
    INK,
    LABELS,
    ORANGE,
    PINK,
    SKY,
    WIDE,
)
from bnkit.figures.training import Tables, curves

Runs = Mapping[str, pd.DataFrame]  # arm -> index seed, a column a metric
Kinds = Mapping[str, Mapping[str, Any]]  # kind -> arm -> spec, in ascending dose

TITLES = {
    "sam": "SAM",
    "clip": "clipping",
    "init": "initialization",
    "seek": "SAM reversed",
    "head": "scaled head",
    "skip": "skipped steps",
}
LOOKS = {
    "sam": (GREEN, "o"),
    "clip": (PINK, "s"),
    "init": (AMBER, "^"),
    "seek": (SKY, "o"),
    "head": (INK, "s"),
    "skip": (FAINT, "^"),
}
SHORT = {"sam": "SAM", "clip": "clip", "seek": "SAM", "head": "head", "skip": "skip"}
START = {"clip": "∞", "init": "Glorot", "head": "1"}  # what no dose is called; elsewhere 0
MISS = {"marker": "x", "alpha": 1.0, "markersize": 6.0, "markeredgewidth": 1.8, "zorder": 4}
BETA = "effective smoothness β"
STEPS = "steps_to_target"


def diagram() -> Figure:
    """The paths from BN to speed, and what a dose adds to them where BN is held."""
    figure, panels = plt.subplots(1, 2, figsize=(7.2, 2.7))
    places = {"BN": (0.4, 1.6), "smoothness": (2.0, 2.5), "effective\nrate": (2.0, 0.7)}
    places |= {"speed": (3.6, 1.6)}
    dose = (0.4, 3.1)
    for axes, title in zip(
        panels, ("two nets are compared", "a dose pushes smoothness"), strict=True
    ):
        axes.set_title(title)
        axes.set(xlim=(-0.1, 4.1), ylim=(0.2, 3.5))
        axes.axis("off")
        for name, place in places.items():
            _box(axes, place, name, INK if name in ("BN", "speed") else FAINT)
        _arrow(axes, places["BN"], places["effective\nrate"], INK)
        _arrow(axes, places["effective\nrate"], places["speed"], INK)
        _arrow(axes, places["effective\nrate"], places["smoothness"], INK)
        _arrow(axes, places["smoothness"], places["speed"], BLUE, "b")
    left, right = panels
    _arrow(left, places["BN"], places["smoothness"], BLUE, "a")
    _arrow(right, places["BN"], places["smoothness"], FAINT)
    _box(right, dose, "dose", GREEN)
    right.text(0.4, 1.12, "held", ha="center", fontsize=8, color=INK, style="italic")
    _arrow(right, dose, places["smoothness"], GREEN)
    _arrow(right, dose, places["speed"], ORANGE, style=":", bend=-0.32)
    right.text(2.75, 3.12, "?", color=ORANGE)
    return figure


def _box(axes: Axes, place: tuple[float, float], name: str, edge: str) -> None:
    box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": edge}
    axes.text(*place, name, ha="center", va="center", fontsize=9, bbox=box)


def _arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    letter: str = "",
    *,
    style: str = "-",
    bend: float = 0.0,
) -> None:
    look = {"arrowstyle": "-|>", "color": color, "linestyle": style, "linewidth": 1.4}
    look |= {"shrinkA": 24, "shrinkB": 26, "connectionstyle": f"arc3,rad={bend}"}
    axes.annotate("", end, start, arrowprops=look)
    if letter:
        x, y = ((s + e) / 2 for s, e in zip(start, end, strict=True))
        axes.text(x, y + 0.2, letter, color=color, style="italic", ha="center")


def by_dose(
    runs: Runs, kinds: Kinds, metrics: Mapping[str, str], *, factor: float, names: Sequence[str]
) -> Figure:
    """Metrics in units of the base arm of the same seed, a row a metric, a column a kind.

    A dot is a seed, the line joins medians. A cross at the upper end stands for a value that is
    infinite, and a cross elsewhere for a run that did not reach its target. Shaded is the side on
    which a smoothed net lies below 1 / factor and a roughened one above factor.

    Args:
        runs: of all arms and of "none" and "batch"; an arm without runs is left out.
        kinds: kind -> arm -> spec.
        metrics: column -> label of its row.
        factor: 1 or more.
        names: the kinds to show.
    """
    shape = len(metrics), len(names)
    size = 7.2, 0.9 + 1.9 * len(metrics)
    figure, every = plt.subplots(*shape, figsize=size, sharey="row", sharex="col", squeeze=False)
    for panels, (metric, label) in zip(every, metrics.items(), strict=True):
        limits = [1 / factor, factor]
        for axes, name in zip(panels, names, strict=True):
            limits += _responses(axes, runs, kinds[name], metric, LOOKS[name])
        low, high = 0.8 * min(limits), 1.25 * max(limits)
        for axes, name in zip(panels, names, strict=True):
            smoothed = base_of(kinds[name]) == "none"
            shaded = (low, 1 / factor) if smoothed else (factor, high)
            axes.axhspan(*shaded, color=GRID, alpha=0.6, zorder=0)
            axes.axhline(1.0, color=COLORS[base_of(kinds[name])], linewidth=1.0, linestyle="--")
            _ratio_axis(axes, low, high)
        panels[0].set_ylabel(label, fontsize=9)
    for axes, name in zip(every[0], names, strict=True):
        axes.set_title(TITLES[name], fontsize=9.5)
    for axes, name in zip(every[-1], names, strict=True):
        marks = [dose_of(spec) for spec in kinds[name].values()]
        rotation = 30 if name == "init" else 0
        axes.set_xticks(
            range(len(marks) + 1), [START.get(name, "0"), *marks], fontsize=8, rotation=rotation
        )
        axes.set_xlabel("" if name == "init" else "dose", fontsize=9)
    return figure


def _responses(
    axes: Axes, runs: Runs, arms: Mapping[str, Any], metric: str, look: tuple[str, str]
) -> list[float]:
    """Draw one panel; its finite values."""
    color, marker = look
    axes.set(xlim=(-0.4, len(arms) + 0.4))
    axes.grid(visible=False, axis="x")
    medians, drawn = {0: 1.0}, []
    for place, arm in enumerate(arms, 1):
        ratio = over_base(runs, arm, base_of(arms), metric)
        if ratio.empty:
            continue
        missed = _missed(runs[arm], metric).reindex(ratio.index)
        finite = np.isfinite(ratio)
        style = {"color": color, "alpha": 0.55, "linestyle": "none", "markersize": 3.5}
        for chosen, look in ((finite & ~missed, {"marker": marker}), (finite & missed, MISS)):
            axes.plot([place] * chosen.sum(), ratio[chosen], **style | look)
        if not finite.all():
            top = {"transform": axes.get_xaxis_transform(), "clip_on": False}
            axes.plot([place] * (~finite).sum(), [1.0] * (~finite).sum(), **style | MISS | top)
        medians[place] = ratio.median()
        drawn += ratio[finite].tolist()
    if not drawn:
        _say(axes)
        return []
    shown = {place: value for place, value in medians.items() if np.isfinite(value)}
    axes.plot(list(shown), list(shown.values()), color=color, linewidth=1.2)
    return drawn


def _ratio_axis(axes: Axes, low: float, high: float) -> None:
    ticks = [m * 10.0**e for e in range(-3, 4) for m in (1, 2, 5)]
    axes.set(yscale="log", ylim=(low, high))
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.tick_params(axis="y", labelsize=8)


def speed_and_smoothness(
    runs: Runs, kinds: Kinds, *, smoothness: str = "effective_smoothness"
) -> Figure:
    """Steps to the target against smoothness, all runs, a panel a net.

    The dotted line goes through the medians of the two base arms, and it is the same in both
    panels: where all doses would lie if the difference between these two nets were one of
    smoothness alone. A run that did not reach its target is a cross. A run whose smoothness is
    infinite stands at the right edge, and one that diverged, whose steps are infinite, at the top.

    Args:
        runs: of all arms and of "none" and "batch".
        kinds: kind -> arm -> spec.
        smoothness: the column on the horizontal axis.
    """
    figure, panels = plt.subplots(1, 2, figsize=(7.2, 3.8), sharex=True, sharey=True)
    bases = {base: runs[base] for base in ("none", "batch") if base in runs}
    for axes, base in zip(panels, ("none", "batch"), strict=True):
        for kind, arms in kinds.items():
            if base_of(arms) != base:
                continue
            color, marker = LOOKS[kind]
            there = [runs[arm] for arm in arms if arm in runs]
            if there:
                _cloud(axes, pd.concat(there), smoothness, (color, marker, 3.0), TITLES[kind])
        if base in bases:
            _cloud(axes, bases[base], smoothness, (COLORS[base], "D", 4.5), "no dose")
        axes.set(xlabel=f"{BETA} at equal loss", title=LABELS[base])
        if base not in bases:
            _say(axes)
    panels[0].set_ylabel("steps to the target")
    if bases:
        for axes in panels:
            axes.set(xscale="log", yscale="log")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(
                    FixedLocator([m * 10**e for e in range(4) for m in (1, 2, 5)])
                )
                axis.set_major_formatter("{x:g}")
                axis.set_minor_formatter(NullFormatter())
            axes.legend(fontsize=8, handletextpad=0.2)
    _through_both(panels, bases, smoothness)
    return figure


def _cloud(
    axes: Axes, table: pd.DataFrame, smoothness: str, look: tuple[str, str, float], label: str
) -> None:
    color, marker, size = look
    x, y, missed = table[smoothness], table[STEPS], _missed(table, STEPS)
    style = {"color": color, "alpha": 0.6, "linestyle": "none", "markersize": size}
    places = {  # is smoothness infinite, are the steps -> where that stands
        (False, False): axes.transData,
        (True, False): axes.get_yaxis_transform(),
        (False, True): axes.get_xaxis_transform(),
        (True, True): axes.transAxes,
    }
    for (right, top), transform in places.items():
        here = (np.isinf(x) == right) & (np.isinf(y) == top)
        for there, look in ((here & ~missed, {"marker": marker}), (here & missed, MISS)):
            if there.any():
                at = np.where(right, 1.0, x[there]), np.where(top, 1.0, y[there])
                axes.plot(*at, **style | look, transform=transform, clip_on=not (right or top))
    axes.plot([], [], marker=marker, label=label, **style)


def _through_both(panels: Sequence[Axes], bases: Runs, smoothness: str) -> None:
    points = [(bases[base][smoothness].median(), bases[base][STEPS].median()) for base in bases]
    if len(points) < 2 or not np.isfinite(points).all() or points[0][0] == points[1][0]:
        return
    (x0, y0), (x1, y1) = np.log(points)
    ends = np.array([-2.0, 3.0])  # in units of the way from one to the other
    line = np.exp(x0 + ends * (x1 - x0)), np.exp(y0 + ends * (y1 - y0))
    for axes in panels:
        limits = axes.get_xlim(), axes.get_ylim()
        axes.plot(*line, color=FAINT, linestyle=":", linewidth=1.4, zorder=0)
        axes.set(xlim=limits[0], ylim=limits[1])


def two_ways(tables: Tables, labels: Mapping[str, str]) -> Figure:
    """Loss against steps, and smoothness against loss: every seed, a color an arm.

    Args:
        tables: arm -> rows "look_loss" and "downhill_beta".
        labels: arm -> its name in the legend.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    for arm, label in labels.items():
        loss, beta = (curves(tables[arm], name) for name in ("look_loss", "downhill_beta"))
        style = _live_style(arm)
        for position, seed in enumerate(loss):
            left.plot(loss.index, loss[seed], label="" if position else label, **style)
            right.plot(loss[seed], beta[seed], **style)
    left.set(xlabel="optimizer steps", ylabel="loss of one batch (nat)", yscale="log")
    right.set(xlabel="loss of one batch (nat)", ylabel=BETA, xscale="log", yscale="log")
    right.invert_xaxis()
    for axis in (left.yaxis, right.xaxis, right.yaxis):
        axis.set_major_locator(FixedLocator([m * 10.0**e for e in range(-4, 4) for m in (1, 3)]))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    left.legend(fontsize=8)
    return figure


def _live_style(arm: str) -> dict[str, Any]:
    base, _, rest = arm.partition("-")
    return {"color": COLORS[base], "linestyle": "--" if rest else "-", "linewidth": 1.2}


def slopes(chains: Mapping[str, Any], limit: float = 3.0) -> Figure:
    """How steps follow smoothness in each kind of manipulation, on logarithms, with intervals.

    Args:
        chains: kind or another name -> `judging.mediation.Mediation`; may be empty.
        limit: an interval that goes on beyond it, to either side, ends there in an arrow.
    """
    figure, axes = plt.subplots(figsize=(6.0, 0.9 + 0.42 * max(len(chains), 3)))
    axes.axvline(0.0, color=FAINT, linewidth=1.0)
    for place, (name, chain) in enumerate(chains.items()):
        b = chain.mediator_on_outcome
        color, marker = LOOKS.get(name, (BLUE, "D"))
        ends = b.lower(0.025), b.upper(0.025)
        axes.plot(np.clip(ends, -limit, limit), [place, place], color=color)
        axes.plot([b.effect], [place], marker=marker, color=color, markersize=5)
        for side, arrow, beyond in ((-limit, "<", ends[0] < -limit), (limit, ">", ends[1] > limit)):
            if beyond:
                axes.plot([side], [place], marker=arrow, color=color, clip_on=False)
    axes.set_xlim(-limit, limit)
    axes.set_yticks(range(len(chains)), [TITLES.get(name, name) for name in chains])
    axes.grid(visible=False, axis="y")
    axes.invert_yaxis()
    axes.set_xlabel("slope b: log steps per log smoothness")
    if not chains:
        _say(axes)
    return figure


def over_base(runs: Runs, arm: str, base: str, metric: str) -> pd.Series:
    """A metric in units of an arm without a dose, of the seeds that both have; may be empty."""
    if arm not in runs or base not in runs:
        return pd.Series(dtype=float)
    both = runs[arm].index.intersection(runs[base].index)
    return runs[arm].loc[both, metric] / runs[base].loc[both, metric]


def _missed(table: pd.DataFrame, metric: str) -> pd.Series:
    name = f"{metric}_not_reached"
    return table[name] > 0 if name in table else pd.Series(False, index=table.index)


def base_of(arms: Mapping[str, Any]) -> str:
    """The arm without a dose, "none" or "batch", of the doses of one kind."""
    return next(iter(arms)).partition("-")[0]


def dose_of(spec: Any) -> str:
    """A dose as text."""
    return f"{abs(spec.dose):g}" if spec.dose else {"he": "He"}.get(spec.init, spec.init)


def label_of(kind: str, spec: Any) -> str:
    """A kind and its dose in few letters, for a table: "SAM −0.2", "head 16", "He"."""
    sign = "−" if spec.dose < 0 else ""
    return f"{SHORT.get(kind, '')} {sign}{dose_of(spec)}".strip()


def _say(axes: Axes) -> None:
    axes.text(0.5, 0.7, NOT_YET, transform=axes.transAxes, ha="center", fontsize=8, color=FAINT)
