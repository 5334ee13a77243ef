"""Internal covariate shift: what drifts and why, what injected shift costs, how gradients move.

Tables have the columns of a row: seed, step, name, value, unit.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from bnkit.figures.interactive import Interactive, slider
from bnkit.figures.style import AMBER, BLUE, COLORS, INK, LABELS, ORANGE, SINGLE, WIDE
from bnkit.figures.training import Tables, curves, steps_to

PARTS = {"": "whole", "_own": "own weights", "_earlier": "earlier layers"}
DRIFTS = {"raw": "raw", "scaled": "in units of its own spread"}
STEPS = {
    "raw": "at the run's rate",
    "matched_step": "same relative step",
    "matched_decrease": "same decrease of the loss",
}
NOT_RECORDED = "not recorded yet"


def bias_growth(tables: Tables) -> Figure:
    """Size of the bias against steps, for a gradient stopped at the mean and one through it.

    Args:
        tables: "stopped" and "through" -> rows "bias_size@t".
    """
    figure, axes = plt.subplots(figsize=SINGLE)
    looks = {"stopped": (ORANGE, "gradient stopped at"), "through": (BLUE, "gradient through")}
    for arm, (color, label) in looks.items():
        by_seed = bias_sizes(tables[arm])
        axes.plot(by_seed.index, by_seed, color=color, linewidth=1.2)
        axes.plot([], [], color=color, label=f"{label} the mean")
    axes.set(xlabel="steps", ylabel="size of the bias")
    axes.legend()
    return figure


def bias_sizes(table: pd.DataFrame) -> pd.DataFrame:
    """One row a step, one column a seed, from the rows "bias_size@t"."""
    sizes = table[table["name"].str.startswith("bias_size@")]
    at = sizes["name"].str.partition("@")[2].astype(int)
    return sizes.assign(at=at).pivot(index="at", columns="seed", values="value")


def drift_parts(tables: Tables) -> Figure:
    """Mean drift of the pre-activations and of its two parts: a dot a seed, a line the mean.

    Args:
        tables: "none" and "batch" -> rows with "preactivation_drift_raw", "..._raw_own" and so on;
            may be empty.
    """
    figure, panels = plt.subplots(1, 2, figsize=WIDE)
    for axes, (unit, title) in zip(panels, DRIFTS.items(), strict=True):
        for offset, arm in zip((-0.15, 0.15), ("none", "batch"), strict=True):
            for place, part in enumerate(PARTS):
                if arm in tables:
                    values = _named(tables[arm], f"preactivation_drift_{unit}{part}")
                    _dots(axes, place + offset, values, COLORS[arm], LABELS[arm] * (not place))
        axes.set(title=title, xlim=(-0.5, 2.5), xticks=range(3), xticklabels=PARTS.values())
        axes.grid(visible=False, axis="x")
        if not tables:
            _say(axes, NOT_RECORDED)
    if tables:
        for axes in panels:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        panels[0].legend()
    panels[0].set_ylabel("drift between two looks")
    return figure


def mean_parts(tables: Tables) -> pd.DataFrame:
    """Mean over seeds of each drift, a row each, for "none" and "batch"; NaN if not recorded."""
    rows = {
        (DRIFTS[unit], PARTS[part]): [
            _named(tables[arm], f"preactivation_drift_{unit}{part}").mean()
            if arm in tables
            else np.nan
            for arm in ("none", "batch")
        ]
        for unit in DRIFTS
        for part in PARTS
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["none", "batch"])


RESTING = {
    "": "all layers begin anew",
    "-copied": "copied layers move",
    "-copied-frozen": "copied layers rest",
    "-frozen-earlier": "layers rest where they began",
}


def resting_layers(tables: Tables, *, floor: float = 0.0) -> Figure:
    """Test accuracy of nets whose copied layers rest or move, a panel a net, every seed, medians.

    Args:
        tables: "none-copied-frozen" (they rest) and "none-copied" (they move), and those of
            "batch", as far as recorded.
        floor: lower end of the vertical axis, a fraction.
    """
    figure, panels = plt.subplots(1, 2, figsize=WIDE, sharey=True)
    for axes, norm in zip(panels, ("none", "batch"), strict=True):
        looks = {f"{norm}-copied-frozen": (INK, "rest"), f"{norm}-copied": (COLORS[norm], "move")}
        for arm, (color, word) in looks.items():
            if arm in tables:
                by_seed = curves(tables[arm], "test_accuracy")
                _seeds_and_median(axes, by_seed, color, f"layers {word}")
        axes.set(xlabel="optimizer steps", ylim=(floor, 1.0), title=LABELS[norm])
        axes.set_xscale("symlog", linthresh=20)
        axes.set(xlim=(0, None), xticks=[0, 20, 100, 1_000], xticklabels=["0", "20", "100", "1000"])
        if not set(looks) & set(tables):
            _say(axes, NOT_RECORDED)
        else:
            axes.legend(loc="lower right")
    panels[0].set_ylabel("test accuracy")
    return figure


def resting_table(tables: Tables, rates: Mapping[str, float], target: float) -> pd.DataFrame:
    """Tuned rate, median steps to the target and final accuracy of each start, of both nets.

    Args:
        tables: arm -> rows; arms are "none" and "batch" with the endings of `RESTING`.
        rates: arm -> its tuned rate.
        target: a test accuracy, a fraction.
    """
    rows = {}
    for ending, start in RESTING.items():
        for norm in ("none", "batch"):
            if (arm := norm + ending) not in tables:
                continue
            steps = steps_to(tables[arm], target).median()
            accuracy = curves(tables[arm], "test_accuracy").iloc[-1].mean()
            rows[f"{start}, {LABELS[norm]}"] = (
                f"{rates[arm]:g}",
                f"{steps:.0f}" if np.isfinite(steps) else "never",
                f"{100 * accuracy:.1f} %",
            )
    columns = ["tuned rate", "median steps", "accuracy"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def dose_slider(
    doses: Mapping[float, pd.DataFrame],
    plain: pd.DataFrame,
    *,
    drifts: Mapping[float, float],
    target: float,
) -> Interactive:
    """Test accuracy of all seeds of the noisy net, one dose at a time, over those of the plain net.

    Step 0 has no place on the logarithmic axis and is left out.

    Args:
        doses: dose -> rows of the net with BN and that noise; 0 is BN without noise.
        plain: rows of the net without BN and without noise.
        drifts: dose -> how far activations move in one step, over the plain net's.
        target: the accuracy that steps are counted to.
    """
    last = plain["step"].max()
    dotted = {"color": INK, "width": 1, "dash": "dot"}
    level = go.Scatter(x=[20, last], y=[target] * 2, name="target", mode="lines", line=dotted)
    figure = slider(
        [
            (
                f"{dose:g}, drift {drifts[dose]:.2g} × plain",
                [*_cloud(plain, "without BN", ORANGE), *_cloud(table, "with BN", BLUE), level],
            )
            for dose, table in doses.items()
        ],
        label="dose d = ",
        start=list(doses).index(0.5),
        x_title="optimizer steps",
        y_title="test accuracy",
        x_range=(np.log10(20), np.log10(last)),
        y_range=(0.55, 0.95),
    )
    figure.update_layout(xaxis_type="log", xaxis_tickvals=[20, 50, 100, 200, 500, 1_000, 2_000])
    alt = (
        "Test accuracy against the logarithm of steps, ten thin lines and a median for the net "
        "with BN and noise, over those of the plain net without noise, one dose at a time, and a "
        "dotted line at the target. With a larger dose the curves with noise rise later, scatter "
        "more and end lower."
    )
    return Interactive(figure, alt=alt, name="noisy-by-dose", height=460)


def _cloud(table: pd.DataFrame, name: str, color: str) -> list[go.Scatter]:
    """All seeds as one line with gaps, and their median."""
    by_seed = curves(table, "test_accuracy").loc[1:].round(4)
    gap = [None]
    x = [step for _ in by_seed for step in (*by_seed.index.tolist(), *gap)]
    y = [value for seed in by_seed for value in (*by_seed[seed].tolist(), *gap)]
    thin, thick = {"color": color, "width": 0.7}, {"color": color, "width": 2.5}
    median = by_seed.median(axis="columns").round(4)
    return [
        go.Scatter(x=x, y=y, mode="lines", line=thin, opacity=0.5, showlegend=False),
        go.Scatter(x=median.index.tolist(), y=median.tolist(), name=name, mode="lines", line=thick),
    ]


def dose_response(runs: pd.DataFrame, *, plain: str = "none", budget: int) -> Figure:
    """Final accuracy and steps to the target against the dose: a dot a seed, a line the medians.

    A run that never arrives is a cross above the budget.

    Args:
        runs: one row a run, columns "net" ("noisy", "none" or "absolute"), "dose",
            "test_accuracy" (fraction) and "steps" (infinite if never).
        plain: the net whose median at dose 0 is drawn as a level.
        budget: steps of a run.
    """
    figure, panels = plt.subplots(1, 2, figsize=(7.2, 3.6))
    doses = sorted(runs["dose"].unique())
    looks = {
        "noisy": (BLUE, "o", "BN, noise behind it"),
        "none": (ORANGE, "o", "plain, noise in its spreads"),
        "absolute": (AMBER, "D", "plain, absolute noise"),
    }
    for axes, column in zip(panels, ("test_accuracy", "steps"), strict=True):
        level = runs[(runs["net"] == plain) & (runs["dose"] == 0)][column].median()
        axes.axhline(level, color=ORANGE, linewidth=1.0, linestyle="--")
        for offset, (net, (color, marker, label)) in zip(
            (-0.12, 0.12, 0.3), looks.items(), strict=True
        ):
            chosen = runs[runs["net"] == net]
            places = chosen["dose"].map(doses.index) + offset
            arrived = np.isfinite(chosen[column])
            shown = {"color": color, "alpha": 0.55, "linestyle": "none", "markersize": 3.5}
            axes.plot(places[arrived], chosen[column][arrived], marker=marker, label=label, **shown)
            if not arrived.all():
                never = places[~arrived]
                axes.plot(never, np.full(len(never), 1.6 * budget), marker="x", **shown)
            median = chosen.groupby("dose")[column].median()
            axes.plot(
                [doses.index(dose) + offset for dose in median.index],
                median.where(np.isfinite(median)),
                color=color,
                linewidth=1.2,
            )
        axes.set(xlabel="dose", xticks=range(len(doses)), xticklabels=[f"{d:g}" for d in doses])
        axes.grid(visible=False, axis="x")
    panels[0].set(ylabel="final test accuracy")
    panels[1].set(ylabel="steps to the target", yscale="log")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, handletextpad=0.2)
    return figure


def gradient_shift(tables: Tables, *, layers: Sequence[int]) -> Figure:
    """Size of the gradient shift and cosine of the two gradients over training, a column a layer.

    Args:
        tables: "none" and "batch" -> rows "shift-L_l2" and "shift-L_cosine".
        layers: L, counted from 1.
    """
    figure, panels = plt.subplots(
        2, len(layers), figsize=(7.2, 4.8), sharex=True, sharey="row", squeeze=False
    )
    for column, layer in zip(panels.T, layers, strict=True):
        for arm, table in tables.items():
            for axes, measure in zip(column, ("l2", "cosine"), strict=True):
                by_seed = curves(table, f"shift-{layer}_{measure}")
                _seeds_and_median(axes, by_seed, COLORS[arm], LABELS[arm])
        column[0].set_title(f"layer {layer}")
    _gradient_axes(panels)
    return figure


def by_layer(tables: Tables, *, layers: Sequence[int]) -> Figure:
    """Mean shift and cosine of each layer: a thin line a seed, a thick one the median.

    The mean over looks is geometric for the shift.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    for arm, table in tables.items():
        shifts = {n: np.exp(np.log(curves(table, f"shift-{n}_l2")).mean()) for n in layers}
        cosines = {n: curves(table, f"shift-{n}_cosine").mean() for n in layers}
        for axes, found in ((left, shifts), (right, cosines)):
            by_seed = pd.DataFrame(found).T  # layers, seeds
            _seeds_and_median(axes, by_seed, COLORS[arm], LABELS[arm])
    left.set(yscale="log", ylabel="shift ‖G − G′‖")
    right.set(ylabel="cosine of G and G′", ylim=(-1.05, 1.05))
    for axes in (left, right):
        axes.set(xlabel="layer", xticks=list(layers))
    left.legend()
    return figure


def matched(table: pd.DataFrame, *, layers: Sequence[int]) -> Figure:
    """Shift and cosine over training under three kinds of steps, averaged over layers.

    Args:
        table: rows "NORM-STEP-L_l2" and "NORM-STEP-L_cosine" of both nets.
        layers: L; means over them are geometric for the shift.
    """
    figure, panels = plt.subplots(2, 3, figsize=(7.2, 4.8), sharex=True, sharey="row")
    for column, (kind, title) in zip(panels.T, STEPS.items(), strict=True):
        for norm in ("none", "batch"):
            shifts, cosines = (
                [curves(table, f"{norm}-{kind}-{layer}_{measure}") for layer in layers]
                for measure in ("l2", "cosine")
            )
            shift = np.exp(sum(np.log(each) for each in shifts) / len(layers))
            _seeds_and_median(column[0], shift, COLORS[norm], LABELS[norm])
            cosine = sum(cosines) / len(layers)
            _seeds_and_median(column[1], cosine, COLORS[norm], LABELS[norm])
        column[0].set_title(title, fontsize=9)
    _gradient_axes(panels)
    return figure


def _gradient_axes(panels: np.ndarray) -> None:
    for axes in panels[0]:
        axes.set_yscale("log")
    for axes in panels[1]:
        axes.set(xlabel="optimizer steps", ylim=(-1.05, 1.05))
        axes.set_xscale("symlog", linthresh=1)  # initialization, step 0, belongs to the question
        axes.set(xlim=(0, None), xticks=[0, 1, 100, 10_000])
    panels[0][0].set_ylabel("shift ‖G − G′‖")
    panels[1][0].set_ylabel("cosine of G and G′")
    panels[0][0].legend()


def _seeds_and_median(axes: Axes, by_seed: pd.DataFrame, color: str, label: str) -> None:
    axes.plot(by_seed.index, by_seed, color=color, alpha=0.3, linewidth=0.6)
    axes.plot(by_seed.index, by_seed.median(axis="columns"), color=color, label=label)


def _dots(axes: Axes, place: float, values: pd.Series, color: str, label: str) -> None:
    axes.plot(np.full(len(values), place), values, "o", color=color, alpha=0.5, markersize=3.5)
    axes.plot(
        [place - 0.1, place + 0.1], [values.mean()] * 2, color=color, label=label or "_nolegend_"
    )


def _named(table: pd.DataFrame, name: str) -> pd.Series:
    return table[table["name"] == name]["value"]


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center")
