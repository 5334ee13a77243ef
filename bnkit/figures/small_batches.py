"""What a net loses when batches get small, and which of its parts is to blame.

Runs have a row a seed and a column a metric, the value at the last step; arms are named by
normalizer and batch size, as "batch-2". Dots are seeds, lines join means; where single runs may
diverge, medians.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bnkit.figures.findings import NOT_YET
from bnkit.figures.intervals import half_width
from bnkit.figures.style import (
    AMBER,
    BLUE,
    COLORS,
    FAINT,
    INK,
    LABELS,
    ORANGE,
    PINK,
    SKY,
    WIDE,
)

Array = NDArray[np.float64]
Runs = Mapping[str, pd.DataFrame]  # arm -> index seed, a column a metric
Tables = Mapping[str, pd.DataFrame]  # arm -> rows

# Statistics that a trained BN net can be evaluated with: metric -> what they are, and their color.
KINDS = {
    "moving@0.5": ("moving, rate 0.5", AMBER),
    "moving@0.1": ("moving, rate 0.1", ORANGE),
    "moving@0.01": ("moving, rate 0.01", PINK),
    "averaged": ("one more pass,\nsame batches", SKY),
    "precise": ("whole training set", BLUE),
}


def sizes_of(
    runs: Runs, norm: str, metric: str = "test_accuracy", suffix: str = ""
) -> dict[int, pd.Series]:
    """Batch size -> (seeds,) percent, ascending, of the arms NORM-SIZE and the suffix."""
    found = {}
    for arm, table in runs.items():
        match = re.fullmatch(rf"{norm}-(\d+){suffix}", arm)
        if match and metric in table:
            found[int(match[1])] = 100 * table[metric]
    return dict(sorted(found.items()))


def by_size(runs: Runs, published: tuple[str, int, float]) -> Figure:
    """Left test accuracy against the batch size; right GroupNorm less BN, paired by seed.

    Args:
        runs: "batch-2", "group-2", "none-2", ...: those that there are.
        published: label, batch size and points of the diamond at the right.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    for norm in ("batch", "group", "layer", "none"):
        _draw(left, sizes_of(runs, norm), COLORS[norm], LABELS[norm])
    batch, group = sizes_of(runs, "batch"), sizes_of(runs, "group")
    gaps = {m: (group[m] - batch[m]).dropna() for m in batch if m in group}
    right.axhline(0.0, color=FAINT, linewidth=1.0)
    for size, points in gaps.items():
        right.plot([size] * len(points), points, "o", color=PINK, alpha=0.4, markersize=4)
        half = half_width(points.to_numpy())
        right.errorbar([size], [points.mean()], [half], fmt="_", color=INK, ms=14, capsize=3)
    label, size, value = published
    right.plot([size], [value], "D", color=INK, markerfacecolor="white", markersize=7, label=label)
    left.set(xlabel="batch size m", ylabel="test accuracy (%)")
    right.set(xlabel="batch size m", ylabel="GroupNorm less BN (points)")
    right.legend(fontsize=8)
    _on_sizes((left, right), [2, 4, 8, 32, 128, 512])
    left.legend(fontsize=8) if left.lines else _say(left)
    if not gaps:
        _say(right)
    return figure


def by_statistics(runs: Runs) -> Figure:
    """BN nets evaluated with several statistics: accuracy, and how much is lost against m = 32.

    Left test accuracy against the batch size, right the mean excess error of `excess_errors`.

    Args:
        runs: "batch-2", ... with columns "test_accuracy_KIND"; "group-..." as a dotted line.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE, width_ratios=(4, 3))
    for kind, (label, color) in KINDS.items():
        _draw(left, sizes_of(runs, "batch", f"test_accuracy_{kind}"), color, label)
    group = sizes_of(runs, "group")
    if group:
        means = [values.mean() for values in group.values()]
        left.plot(list(group), means, ":", color=INK, linewidth=1.3, label="GroupNorm")
    excess = excess_errors(runs)
    places = np.arange(len(excess.columns))
    for number, (kind, (_, color)) in enumerate(KINDS.items()):
        if kind in excess.index:
            right.bar(places + 0.16 * (number - 2), excess.loc[kind], 0.15, color=color)
    right.axhline(0.0, color=FAINT, linewidth=1.0)
    right.set_xticks(places, [str(size) for size in excess.columns])
    left.set(xlabel="batch size m in training", ylabel="test accuracy (%)")
    right.set(xlabel="batch size m in training", ylabel="excess error (points)")
    right.grid(visible=False, axis="x")
    _on_sizes((left,), [2, 4, 8, 32, 128, 512])
    if excess.empty:
        _say(left)
        _say(right)
        return figure
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8
    )
    return figure


def excess_errors(runs: Runs, reference: int = 32) -> pd.DataFrame:
    """Mean error in points beyond that of the usual evaluation at the reference batch size.

    A row a kind of statistics, a column a batch size below the reference; empty without records.
    """
    usual = sizes_of(runs, "batch").get(reference)
    if usual is None:
        return pd.DataFrame()
    found = {}
    for kind in KINDS:
        of_sizes = sizes_of(runs, "batch", f"test_accuracy_{kind}")
        found[kind] = {m: float((usual - a).mean()) for m, a in of_sizes.items() if m < reference}
    return pd.DataFrame(found).T.dropna(how="all")


def along_training(tables: Tables, sizes: Sequence[int]) -> Figure:
    """Test accuracy with each kind of statistics along training, a panel a batch size.

    Args:
        tables: "batch-2", ... -> rows with the curves "test_accuracy_KIND".
        sizes: of the panels.
    """
    figure, panels = plt.subplots(1, len(sizes), figsize=WIDE, squeeze=False)
    for axes, size in zip(panels[0], sizes, strict=True):
        axes.set(title=f"batches of {size}", xlabel="share of training")
        table = tables.get(f"batch-{size}")
        if table is None:
            _say(axes)
            continue
        for kind, (label, color) in KINDS.items():
            rows = table[table["name"] == f"test_accuracy_{kind}"]
            by_seed = 100 * rows.pivot(index="step", columns="seed", values="value")
            share = by_seed.index / by_seed.index.max()
            axes.plot(share, by_seed, ".", color=color, alpha=0.3, markersize=4)
            axes.plot(share, by_seed.mean(axis="columns"), color=color, label=label)
    panels[0][0].set_ylabel("test accuracy (%)")
    drawn = [axes for axes in panels[0] if axes.lines]
    if drawn:
        labels = drawn[0].get_legend_handles_labels()
        figure.legend(*labels, loc="outside upper center", ncols=5, fontsize=7.5)
    return figure


def by_mode(runs: Runs) -> Figure:
    """Accuracy against the number of examples that are evaluated together, in two modes.

    Args:
        runs: "batch" -> columns "test_accuracy_batch@m" and "test_accuracy_running@m".
    """
    figure, axes = plt.subplots(figsize=(6.0, 3.2))
    for mode, color, label in (
        ("running", BLUE, "evaluation mode: running statistics"),
        ("batch", ORANGE, "training mode: statistics of the group"),
    ):
        table = runs.get("batch", pd.DataFrame())
        levels = {
            int(name.rpartition("@")[2]): 100 * table[name]
            for name in table
            if name.startswith(f"test_accuracy_{mode}@")
        }
        _draw(axes, dict(sorted(levels.items())), color, label)
    axes.set(xlabel="examples evaluated together", ylabel="test accuracy (%)")
    _on_sizes((axes,), [2, 4, 8, 16, 32, 64, 128, 256, 512])
    axes.legend(fontsize=8) if axes.lines else _say(axes)
    return figure


def scaled(runs: Runs) -> Figure:
    """Accuracy against the batch size with the rate scaled along (full) and left as it is (dashed).

    Args:
        runs: "none-64", "none-256", "none-256-unscaled", ... and the same with "batch".
    """
    figure, panels = plt.subplots(1, 2, figsize=WIDE, sharey=True)
    for axes, norm in zip(panels, ("none", "batch"), strict=True):
        along, fixed = sizes_of(runs, norm), sizes_of(runs, norm, suffix="-unscaled")
        if 64 in along and fixed:
            fixed = dict(sorted((fixed | {64: along[64]}).items()))
        _draw(axes, along, COLORS[norm], "rate in proportion to m", middle=np.median)
        _draw(axes, fixed, FAINT, "rate of m = 64 at every m", "--", middle=np.median)
        axes.set(title=LABELS[norm], xlabel="batch size m")
        axes.legend(fontsize=8, loc="lower center") if axes.lines else _say(axes)
    panels[0].set_ylabel("test accuracy (%)")
    _on_sizes(panels, [4, 16, 64, 256])
    return figure


def failures(runs: Runs, below: float = 50.0) -> pd.DataFrame:
    """How many seeds ended below an accuracy in percent: a row a way to choose the rate, as text.

    Args:
        runs: as for `scaled`.
        below: a net that diverged has the accuracy of guessing, or little more.
    """
    rows = {}
    for norm in ("none", "batch"):
        for suffix, words in (("", "in proportion"), ("-unscaled", "unchanged")):
            of_sizes = sizes_of(runs, norm, suffix=suffix)
            rows[f"{LABELS[norm]}, rate {words}"] = {
                size: f"{(values < below).sum()}" for size, values in of_sizes.items()
            }
    table = pd.DataFrame.from_dict(rows, orient="index").sort_index(axis="columns").fillna("")
    return table if len(table.columns) else pd.DataFrame({NOT_YET: dict.fromkeys(rows, "")})


def spread(runs: Runs, norm: str, below: float = 50.0) -> str:
    """Largest less smallest median accuracy over the sizes at which no seed failed, as text.

    In points, with the rate in proportion to the size.
    """
    middles = [a.median() for a in sizes_of(runs, norm).values() if (a >= below).all()]
    return f"{max(middles) - min(middles):.1f}" if middles else NOT_YET


def shared(runs: Runs, arms: Mapping[str, str]) -> pd.DataFrame:
    """Synchronized BN beside BN on the joined batch, largest errors over seeds, as text.

    Args:
        runs: of the experiment `synchronized`; an arm without runs says so.
        arms: arm -> how the batch is divided.
    """
    columns = {
        "outputs": "output_error@64",
        "dx": "dx_error@64",
        "dγ, summed": "dgamma_error@64",
        "running variance": "running_var_error@64",
        "outputs, float32": "output_error@32",
        "outputs if each had its own BN": "output_error_alone",
    }
    rows = {}
    for arm, words in arms.items():
        table = runs.get(arm)
        none = [NOT_YET] * len(columns)
        rows[words] = none if table is None else [f"{table[n].max():.2g}" for n in columns.values()]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(columns))


def process_ids(runs: Runs, arms: Mapping[str, str]) -> pd.DataFrame:
    """What the system called the processes that took part, those of the first seed, as text.

    Args:
        runs: as for `shared`.
        arms: arm -> how the batch is divided.
    """
    rows = {}
    for arm, words in arms.items():
        table = runs.get(arm)
        if table is None:
            rows[words] = (NOT_YET, "")
            continue
        names = sorted(name for name in table if name.startswith("process_id_"))
        ids = ", ".join(f"{table[name].iloc[0]:.0f}" for name in names)
        rows[words] = (ids, f"{table['distinct_processes'].min():.0f}")
    return pd.DataFrame.from_dict(rows, orient="index", columns=["process ids", "different ones"])


def _draw(
    axes: Axes,
    of_sizes: Mapping[int, pd.Series],
    color: str,
    label: str,
    dashes: str = "-",
    middle: Callable[[pd.Series], float] = np.mean,
) -> None:
    """A dot a seed, and a line through the middles; nothing without values."""
    for size, values in of_sizes.items():
        axes.plot([size] * len(values), values, ".", color=color, alpha=0.35, markersize=5)
    if of_sizes:
        middles = [middle(values) for values in of_sizes.values()]
        axes.plot(list(of_sizes), middles, dashes, color=color, label=label)


def _on_sizes(panels: Sequence[Axes], ticks: Sequence[int]) -> None:
    for axes in panels:
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()


def _say(axes: Axes) -> None:
    axes.text(0.5, 0.5, NOT_YET, transform=axes.transAxes, ha="center", fontsize=8, color=FAINT)
