"""Five changes that came with batch normalization: which of them made the net so much faster?

Steps to a target are arrays (K,), a number a seed, infinite where the run ended before it; K is the
same in all arms, and seeds are paired. A combination is the set of changes that an arm has made.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from bnkit.figures.interactive import Interactive, slider
from bnkit.figures.intervals import half_width
from bnkit.figures.style import COLORS, FAINT, GRID, INK, LABELS
from bnkit.figures.training import Tables, curves

Array = NDArray[np.float64]
Steps = Mapping[frozenset[str], Array]  # combination, of the net with BN -> (K,)


def ladder(
    plain: Array, steps: Steps, changes: Mapping[str, str], *, last: int, published: float
) -> Figure:
    """A row an arm, the slowest on top: which changes it made, and when each seed arrived.

    Args:
        plain: (K,) steps of the plain net, in a row of its own.
        steps: of the net with BN, by combination.
        changes: name of a change -> what to write above its column.
        last: the length of the runs; a seed that did not arrive is a cross there.
        published: by what factor fewer steps are claimed, a dashed line.
    """
    rows = sorted(steps.items(), key=lambda row: float(np.median(row[1])), reverse=True)
    figure, (made, arrived) = plt.subplots(
        1, 2, figsize=(7.2, 1.3 + 0.25 * len(rows)), sharey=True, width_ratios=[1.1, 2.6]
    )
    _dots(arrived, 0, plain, COLORS["none"], last)
    for place, (combination, values) in enumerate(rows, 1):
        _dots(arrived, place, values, COLORS["batch"], last)
        on = [column for column, name in enumerate(changes) if name in combination]
        off = [column for column, name in enumerate(changes) if name not in combination]
        made.plot(off, [place] * len(off), "o", color=GRID, markersize=6)
        made.plot(on, [place] * len(on), "o", color=INK, markersize=6)
    made.text(len(changes) / 2 - 0.5, 0, "without BN", ha="center", va="center", fontsize=9)
    made.set_xticks(range(len(changes)), list(changes.values()), rotation=40, ha="left")
    made.xaxis.tick_top()
    made.set(yticks=[], ylim=(len(rows) + 0.6, -0.6), xlim=(-0.6, len(changes) - 0.4))
    for spine in made.spines.values():
        spine.set_visible(False)
    made.grid(visible=False)
    made.tick_params(length=0)
    goal = float(np.median(plain)) / published
    arrived.axvline(goal, color=INK, linestyle="--", linewidth=1.0)
    arrived.annotate(
        f"plain / {published:g}, published", (goal, len(rows) + 0.4), xytext=(4, 0),
        textcoords="offset points", fontsize=8,
    )  # fmt: skip
    arrived.set(xscale="log", xlabel="steps to the target", xlim=(goal / 1.3, 1.15 * last))
    return figure


def _dots(axes: Axes, place: int, values: Array, color: str, last: int) -> None:
    """A dot a seed and a bar at the median."""
    there = np.isfinite(values)
    aside = place + np.linspace(-0.22, 0.22, len(values))
    axes.plot(values[there], aside[there], "o", color=color, alpha=0.5, markersize=3.5)
    axes.plot(np.full((~there).sum(), last), aside[~there], "x", color=color, markersize=4)
    median = min(float(np.median(values)), last)
    axes.plot([median] * 2, [place - 0.35, place + 0.35], color=color, linewidth=2.2)


def main_effect(steps: Steps, change: str, *, last: int) -> Array:
    """(K,) factor on the steps when `change` is made, averaged over what else is changed.

    The geometric mean of the steps of all combinations with it, over that of those without. A seed
    that did not arrive counts as if it had at `last`, so that a large factor comes out too small.
    """
    logs = {made: np.log(np.minimum(values, last)) for made, values in steps.items()}
    on = [values for made, values in logs.items() if change in made]
    off = [values for made, values in logs.items() if change not in made]
    return np.asarray(np.exp(np.mean(on, axis=0) - np.mean(off, axis=0)))


def interval(factors: Array) -> tuple[float, float, float]:
    """Geometric mean of factors (K,), and its 95 % interval by Student's t on the logarithms."""
    logs = np.log(factors)
    mean, reach = float(logs.mean()), half_width(logs)
    return float(np.exp(mean)), float(np.exp(mean - reach)), float(np.exp(mean + reach))


def effects(factors: Mapping[str, Array]) -> Figure:
    """A row a change: its factor on the steps, a dot a seed, the bar a mean with its interval."""
    figure, axes = plt.subplots(figsize=(6.4, 0.9 + 0.5 * len(factors)))
    axes.axvline(1.0, color=FAINT, linewidth=1.0)
    for place, values in enumerate(factors.values()):
        aside = place + np.linspace(-0.2, 0.2, len(values))
        axes.plot(values, aside, "o", color=COLORS["batch"], alpha=0.45, markersize=4)
        mean, low, high = interval(values)
        axes.plot([low, high], [place, place], color=INK, linewidth=2.2)
        axes.plot([mean], [place], "|", color=INK, markersize=13, markeredgewidth=2.2)
    axes.set_yticks(range(len(factors)), list(factors))
    axes.set(xscale="log", xlabel="steps to the target, times", ylim=(len(factors) - 0.5, -0.5))
    ticks = [tick for tick in (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10) if _inside(tick, axes)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=False, axis="y")
    return figure


def _inside(tick: float, axes: Axes) -> bool:
    low, high = axes.get_xlim()
    return low <= tick <= high


def race(
    tables: Tables, rates: Sequence[float], *, start: float, name: str, alt: str
) -> Interactive:
    """Test accuracy against steps with both nets, one learning rate at a time.

    Args:
        tables: "none" and "batch" -> rows with curves "test_accuracy@RATE", the rate as by `:g`.
        rates: the positions of the slider.
        start: the one shown first.
        name: id of the figure on its page.
        alt: its text alternative.
    """
    positions = [
        (f"{rate:g}", [c for arm in tables for c in _seeds_and_median(tables, arm, rate)])
        for rate in rates
    ]
    figure = slider(
        positions,
        label="learning rate = ",
        start=list(rates).index(start),
        x_title="optimizer steps",
        y_title="test accuracy (%)",
        y_range=(0, 100),
    )
    figure.update_xaxes(type="log")
    return Interactive(figure, alt=alt, name=name, height=460)


def _seeds_and_median(tables: Tables, arm: str, rate: float) -> list[go.Scatter]:
    by_seed = 100 * curves(tables[arm], f"test_accuracy@{rate:g}").loc[1:]  # log axis
    at, color = by_seed.index.to_numpy(), COLORS[arm]
    gap = by_seed.T.assign(gap=np.nan)  # a break in the line behind each seed
    thin = go.Scatter(
        x=np.tile([*at, None], by_seed.shape[1]), y=np.round(gap.to_numpy(float).ravel(), 2),
        mode="lines", line={"color": color, "width": 0.8}, opacity=0.35, showlegend=False,
        hoverinfo="skip",
    )  # fmt: skip
    median = np.round(by_seed.median(axis="columns").to_numpy(), 2)
    look = {"mode": "lines+markers", "line": {"color": color, "width": 2.5}, "name": LABELS[arm]}
    return [thin, go.Scatter(x=at, y=median, **look)]
