"""The place of batch normalization, its scale and shift, and the nonlinearity: all of the grid.

Runs have a row a seed and a column a metric, the value at the last step. Arms are named
"none-NONLINEARITY" or "PLACE-AFFINE-NONLINEARITY", for example "before-bare-tanh".
"""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from bnkit.figures.findings import NOT_YET
from bnkit.figures.scoreboard import short
from bnkit.figures.style import BLUE, COLORS, FAINT, GREEN, LABELS, PINK, WIDE
from bnkit.judging.estimates import Mean

Runs = Mapping[str, pd.DataFrame]  # arm -> index seed, a column a metric

PLACES = {"before": "in front", "after": "behind"}
SCALES = {"affine": "γ and β", "bare": "bare"}
LOOKS = {"affine": (BLUE, "o", "-"), "bare": (GREEN, "s", "--")}
KINDS = {"place": "behind less in front", "affine": "bare less γ and β"}


def grid(
    runs: Runs,
    nonlinearities: Mapping[str, str],
    published: Mapping[str, float],
    *,
    source: str,
    metric: str = "test_accuracy",
) -> Figure:
    """A panel a nonlinearity: the place on the axis, a line with and one without γ and β.

    A dot is a seed, lines join means; the band holds all seeds of the plain net. Each panel has an
    axis of its own; the last one has published single runs.

    Args:
        runs: of the arms that there are.
        nonlinearities: name -> title of its panel.
        published: "none" and "PLACE-AFFINE" -> a fraction.
        source: title of the last panel.
        metric: a fraction, shown in percent.
    """
    count = len(nonlinearities)
    figure, panels = plt.subplots(1, count + 1, figsize=(7.2, 3.4))
    for axes, (name, title) in zip(panels, nonlinearities.items(), strict=False):
        plain = runs.get(f"none-{name}")
        cells = {
            cell: 100 * runs[f"{cell}-{name}"][metric].to_numpy()
            for cell in _cells()
            if f"{cell}-{name}" in runs
        }
        _panel(axes, title, None if plain is None else 100 * plain[metric].to_numpy(), cells)
    percent = {cell: np.array([100 * value]) for cell, value in published.items()}
    _panel(panels[-1], source, percent.pop("none", None), percent)
    panels[0].set_ylabel(f"{metric.replace('_', ' ')} (%)")
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _cells() -> list[str]:
    return [f"{place}-{scale}" for place in PLACES for scale in SCALES]


def _panel(axes: Axes, title: str, plain: ArrayLike | None, cells: Mapping[str, ArrayLike]) -> None:
    """Values in percent: of the plain net, and of each cell that there is."""
    if plain is not None:
        values = np.asarray(plain)
        axes.axhspan(values.min(), values.max(), color=COLORS["none"], alpha=0.15, linewidth=0)
        axes.axhline(values.mean(), color=COLORS["none"], linewidth=1.4, label=LABELS["none"])
    for (scale, (color, marker, dashes)), beside in zip(LOOKS.items(), (-0.08, 0.08), strict=True):
        middle = {}
        for place, key in enumerate(PLACES):
            if f"{key}-{scale}" in cells:
                values = np.asarray(cells[f"{key}-{scale}"])
                at = np.full(len(values), place + beside)
                axes.plot(at, values, marker, color=color, alpha=0.35, markersize=3)
                middle[place + beside] = values.mean()
        label = f"BN, {SCALES[scale]}"
        means = list(middle.values())
        axes.plot(list(middle), means, f"{marker}{dashes}", color=color, label=label, markersize=5)
    axes.set_xticks(range(len(PLACES)), list(PLACES.values()))
    axes.set(xlim=(-0.5, len(PLACES) - 0.5))
    axes.set_title(title, fontsize=10)
    axes.grid(visible=False, axis="x")
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    if not cells:
        _say(axes)


def paired(runs: Runs, weights: Mapping[str, float], metric: str = "test_accuracy") -> Mean | None:
    """A contrast of arms in points, paired by seed, or None where an arm has no runs.

    Args:
        runs: of the arms that there are.
        weights: arm -> its weight in the sum.
        metric: a fraction.
    """
    if not set(weights) <= set(runs):
        return None
    columns = pd.DataFrame({arm: weight * runs[arm][metric] for arm, weight in weights.items()})
    sums = columns.dropna().sum(axis="columns")
    return Mean.of(100 * sums) if len(sums) > 1 else None


def differences(runs: Runs, nonlinearities: Iterable[str]) -> pd.DataFrame:
    """The simple effects, in points with 95 % intervals: what one change does, all else held.

    Columns: kind ("place" for behind less in front, "affine" for bare less γ and β), nonlinearity,
    held (the level of the other factor), effect, low, high. Missing ones are left out.
    """
    rows = []
    for name in nonlinearities:
        steps = [
            *(("place", s, f"after-{s}-{name}", f"before-{s}-{name}") for s in SCALES),
            *(("affine", p, f"{p}-bare-{name}", f"{p}-affine-{name}") for p in PLACES),
        ]
        for kind, held, arm, against in steps:
            found = paired(runs, {arm: 1.0, against: -1.0})
            if found is not None:
                ends = found.lower(0.025), found.upper(0.025)
                rows.append((kind, name, held, found.effect, *ends))
    columns = ["kind", "nonlinearity", "held", "effect", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def counted(of_kind: pd.DataFrame) -> str:
    """Of some differences, how many have their whole interval on which side of 0, in words."""
    if of_kind.empty:
        return NOT_YET
    above, below = (of_kind["low"] > 0).sum(), (of_kind["high"] < 0).sum()
    rest = len(of_kind) - above - below
    return f"{above} of {len(of_kind)} above zero, {below} below, {rest} on neither side"


def simple_effects(
    found: pd.DataFrame, nonlinearities: Mapping[str, str], published: Mapping[str, float]
) -> Figure:
    """Both kinds of differences with their intervals, a row a cell; diamonds are published runs.

    Args:
        found: of `differences`.
        nonlinearities: name -> what its rows are called.
        published: "none" and "PLACE-AFFINE" -> a fraction, single runs with ReLU.
    """
    figure, panels = plt.subplots(1, 2, figsize=WIDE, sharey=False)
    others = {"place": SCALES, "affine": PLACES}
    for axes, (kind, title) in zip(panels, KINDS.items(), strict=True):
        rows = [(name, held) for name in nonlinearities for held in others[kind]]
        axes.axvline(0.0, color=FAINT, linewidth=1.0)
        mine = found[found["kind"] == kind].set_index(["nonlinearity", "held"])
        for height, row in enumerate(rows):
            if row in mine.index:
                effect, low, high = mine.loc[row, ["effect", "low", "high"]]
                axes.plot([low, high], [height, height], color=BLUE)
                axes.plot([effect], [height], "o", color=BLUE)
        single = _published(kind, published)
        heights = [rows.index(("relu", held)) + 0.28 for held in single if ("relu", held) in rows]
        axes.plot(list(single.values()), heights, "D", color=PINK, markersize=4.5)
        names = [f"{nonlinearities[name]}, {others[kind][held]}" for name, held in rows]
        axes.set_yticks(range(len(rows)), names, fontsize=8.5)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set(xlabel="points of test accuracy")
        axes.set_title(title, fontsize=10)
        if mine.empty:
            _say(axes)
    return figure


def _published(kind: str, cells: Mapping[str, float]) -> dict[str, float]:
    """Held level -> difference in points."""
    if kind == "place":
        return {s: 100 * (cells[f"after-{s}"] - cells[f"before-{s}"]) for s in SCALES}
    return {p: 100 * (cells[f"{p}-bare"] - cells[f"{p}-affine"]) for p in PLACES}


# Weights of the cells: mean effects of a factor, and how far one factor's effect depends on the
# other's level.
FACTORS = {
    "place (behind less in front)": {
        "after-affine": 0.5, "after-bare": 0.5, "before-affine": -0.5, "before-bare": -0.5
    },
    "scale and shift (bare less γ and β)": {
        "after-bare": 0.5, "before-bare": 0.5, "after-affine": -0.5, "before-affine": -0.5
    },
    "place × scale and shift": {
        "after-bare": 1.0, "after-affine": -1.0, "before-bare": -1.0, "before-affine": 1.0
    },
}  # fmt: skip


def contrasts(
    runs: Runs, nonlinearities: Mapping[str, str], published: Mapping[str, float]
) -> pd.DataFrame:
    """Main effects and interactions in points, as text: a row a contrast.

    A column a nonlinearity, one for how far each other one differs from the first, and one for
    published single runs.

    Args:
        runs: of the arms that there are.
        nonlinearities: name -> its column; the first is the one that the others are compared with.
        published: "none" and "PLACE-AFFINE" -> a fraction.
    """
    first = next(iter(nonlinearities))
    rows = {}
    for label, weights in FACTORS.items():
        row = {
            title: _interval(paired(runs, _of(weights, name)))
            for name, title in nonlinearities.items()
        }
        for name, title in list(nonlinearities.items())[1:]:
            changed = paired(runs, _change(weights, name, first))
            row[f"{title} less {nonlinearities[first]}"] = _interval(changed)
        single = 100 * sum(weight * published[cell] for cell, weight in weights.items())
        rows[label] = row | {"caffenet, ReLU": short(round(single, 6))}
    return pd.DataFrame.from_dict(rows, orient="index")


def by_nonlinearity(runs: Runs, nonlinearities: Iterable[str]) -> str:
    """How many of the contrasts surely differ from those of the first nonlinearity, in words."""
    first, *others = nonlinearities
    changes = [
        paired(runs, _change(weights, name, first))
        for weights in FACTORS.values()
        for name in others
    ]
    found = [change for change in changes if change is not None]
    if not found:
        return NOT_YET
    differ = sum(change.lower(0.025) > 0 or change.upper(0.025) < 0 for change in found)
    return f"{differ} of {len(found)}"


def _change(weights: Mapping[str, float], name: str, first: str) -> dict[str, float]:
    """How far a contrast differs between two nonlinearities."""
    return _of(weights, name) | {arm: -weight for arm, weight in _of(weights, first).items()}


def _of(weights: Mapping[str, float], nonlinearity: str) -> dict[str, float]:
    return {f"{cell}-{nonlinearity}": weight for cell, weight in weights.items()}


def _interval(found: Mean | None) -> str:
    if found is None:
        return NOT_YET
    low, high = (short(round(value, 2)) for value in (found.lower(0.025), found.upper(0.025)))
    return f"{short(round(found.effect, 2))} [{low}, {high}]"


def gains(
    runs: Runs, nonlinearities: Mapping[str, str], rates: Mapping[str, float]
) -> pd.DataFrame:
    """Mean test accuracy in percent and the tuned rate, as text: a row a cell.

    Args:
        runs: of the arms that there are.
        nonlinearities: name -> its column.
        rates: arm -> learning rate.
    """
    labels = {"none": "without BN"}
    for place, where in PLACES.items():
        labels |= {f"{place}-{scale}": f"{where}, {what}" for scale, what in SCALES.items()}
    return pd.DataFrame(
        {
            title: {
                label: _mean_and_rate(runs, rates, f"{cell}-{name}")
                for cell, label in labels.items()
            }
            for name, title in nonlinearities.items()
        }
    )


def _mean_and_rate(runs: Runs, rates: Mapping[str, float], arm: str) -> str:
    if arm not in runs:
        return NOT_YET
    return f"{100 * runs[arm]['test_accuracy'].mean():.2f} at {rates[arm]:g}"


def best_cells(runs: Runs, nonlinearities: Mapping[str, str]) -> str:
    """For each nonlinearity the cell with the largest mean test accuracy, in words."""
    words = []
    for name, title in nonlinearities.items():
        means = {
            cell: runs[f"{cell}-{name}"]["test_accuracy"].mean()
            for cell in ("none", *_cells())
            if f"{cell}-{name}" in runs
        }
        if means:
            words.append(f"{title}: {in_words(max(means, key=means.__getitem__))}")
    return "; ".join(words) or NOT_YET


def in_words(cell: str) -> str:
    """What a cell is called in a sentence: "none", or "PLACE-AFFINE"."""
    if cell == "none":
        return LABELS["none"]
    place, scale = cell.split("-")
    return f"{PLACES[place]} with γ and β" if scale == "affine" else f"{PLACES[place]}, bare"


def strips(axes: Axes, values: Sequence[tuple[str, ArrayLike, str]]) -> None:
    """A dot a seed, side by side, and a bar at their mean, for (label, values, color)."""
    for place, (_, of_seeds, color) in enumerate(values):
        found: NDArray[np.float64] = np.asarray(of_seeds, dtype=float)
        if not len(found):
            continue
        beside = np.linspace(-0.15, 0.15, len(found)) if len(found) > 1 else np.zeros(1)
        axes.plot(place + beside, found, ".", color=color, alpha=0.6, markersize=6)
        axes.plot([place - 0.27, place + 0.27], [found.mean()] * 2, color=color, linewidth=2.2)
    axes.set_xticks(range(len(values)), [label for label, _, _ in values], fontsize=8)
    axes.set_xlim(-0.6, len(values) - 0.4)
    axes.grid(visible=False, axis="x")
    if not any(len(np.asarray(of_seeds)) for _, of_seeds, _ in values):
        _say(axes)


def _say(axes: Axes) -> None:
    axes.set_yticks([])
    axes.text(
        0.5, 0.5, NOT_YET, transform=axes.transAxes, ha="center", fontsize=9, color=FAINT,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 2.0},
    )  # fmt: skip
