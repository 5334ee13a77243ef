"""Dropout in front of batch normalization in a net that is trained on the page.

Arrays of variances have one entry a unit; BNs are numbered from the input, the first is 1.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from bnkit.figures.dropout import RATIO, STATISTICS
from bnkit.figures.interactive import AXIS, Interactive, slider
from bnkit.figures.style import BLUE, CYCLE, FAINT, GREEN, INK, ORANGE, WIDE

Array = NDArray[np.float64]


def formula_and_measured(
    expected: Mapping[int, ArrayLike], found: Mapping[int, ArrayLike]
) -> Figure:
    """The ratio of variances of every unit, measured against the formula, a color a BN.

    Args:
        expected: number of the BN -> (units,), by the formula.
        found: the same, measured.
    """
    figure, axes = plt.subplots(figsize=(4.6, 4.2))
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.0)
    for (layer, ratios), color in zip(expected.items(), CYCLE, strict=False):
        axes.plot(ratios, found[layer], ".", color=color, alpha=0.5, ms=5, label=f"BN {layer}")
    values = np.concatenate([np.ravel(v) for side in (expected, found) for v in side.values()])
    low, high = max(0.0, float(values.min()) - 0.05), min(1.05, float(values.max()) + 0.05)
    axes.set(xlabel="by the formula", ylabel="measured", xlim=(low, high), ylim=(low, high))
    axes.set_title(RATIO, fontsize=10)
    axes.legend(handletextpad=0.1)
    return figure


def along_training(table: pd.DataFrame, reference: pd.DataFrame) -> Figure:
    """Left test accuracy under several statistics, right the ratios, against steps of training.

    Args:
        table: rows of the net with dropout in front of BN, measured at the end of several runs.
        reference: the same of the net without dropout.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    plain = _by_step(reference, "test_accuracy")
    left.plot(plain, color=BLUE, linestyle="--", label="trained without dropout")
    for metric, (name, color) in STATISTICS.items():
        if metric != "test_accuracy_new_variance":
            left.plot(
                _by_step(table, metric), "o-", color=color, ms=3, label=name.replace("\n", " ")
            )
    names = sorted(n for n in set(table["name"]) if n.startswith("variance_ratio@"))
    for name, color in zip(names[1:], CYCLE, strict=False):  # nothing is dropped before the first
        curve = _by_step(table, name)
        right.plot(curve, "o-", color=color, ms=3, label=f"BN {name.rpartition('@')[2]}")
    left.set(ylabel="test accuracy", ylim=(0, 1.02))
    right.set(ylabel=RATIO, ylim=(0, 1.05))
    ticks = sorted(set(table["step"]))
    for axes in (left, right):
        axes.set(xlabel="steps of training", xscale="log")
        axes.set_xticks(ticks, [f"{tick}" for tick in ticks])
        axes.minorticks_off()
        axes.legend(fontsize=8)
    return figure


def _by_step(table: pd.DataFrame, name: str) -> pd.Series:
    """Mean over seeds."""
    return table[table["name"] == name].groupby("step")["value"].mean()


def by_rate(
    expected: Mapping[float, Sequence[float]],
    found: Mapping[float, Sequence[float]],
    accuracy: Mapping[float, float],
    *,
    start: float,
    name: str,
    alt: str,
) -> Interactive:
    """Above the ratio of variances of each BN, below the accuracy, at the slider's dropout rate.

    Args:
        expected: dropout rate -> ratio of each BN, by the formula.
        found: the same, measured.
        accuracy: dropout rate -> test accuracy with statistics that were taken at that rate.
        start: the rate shown first.
        name: id of the figure on its page.
        alt: its text alternative.
    """
    rates = list(expected)
    numbers = list(range(1, len(expected[start]) + 1))
    curve = {"x": rates, "y": np.round([accuracy[rate] for rate in rates], 3)}
    below = {"xaxis": "x2", "yaxis": "y2"}
    steps = [
        (
            f"{rate:g}",
            [
                go.Scatter(
                    x=numbers, y=np.round(expected[rate], 3), name="formula", line_color=INK,
                ),
                go.Scatter(
                    x=numbers, y=np.round(found[rate], 3), name="measured",
                    mode="markers", marker={"color": ORANGE, "size": 11},
                ),
                go.Scatter(**curve, **below, mode="lines", line_color=GREEN, showlegend=False),
                go.Scatter(
                    x=[rate], y=[round(accuracy[rate], 3)], **below, mode="markers",
                    marker={"color": GREEN, "size": 13}, showlegend=False,
                ),
            ],
        )
        for rate in rates
    ]  # fmt: skip
    figure = slider(
        steps,
        label="dropout rate ",
        start=rates.index(start),
        x_title="BN, from the input",
        y_title="ratio of variances",
        x_range=(0.7, numbers[-1] + 0.3),
        y_range=(0.0, 1.08),
    )
    figure.update_layout(
        xaxis={"anchor": "y", "dtick": 1},
        yaxis={"domain": [0.58, 1.0]},
        xaxis2={"title": "dropout rate", "anchor": "y2", **AXIS},
        yaxis2={
            "title": "test accuracy", "anchor": "x2", "domain": [0.0, 0.4],
            "range": [0.0, 1.08], **AXIS,
        },
    )  # fmt: skip
    figure.layout.sliders[0].pad.t = 64  # clear of the lower axis
    return Interactive(figure, alt=alt, name=name, height=620)
