"""Do the running statistics arrive at the truth? Traces, failures and their diagnosis."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure

from bnkit.figures.interactive import Interactive, slider
from bnkit.figures.style import BLUE, GREEN, INK, ORANGE


class Panel(NamedTuple):
    """One case: the truth and the estimates that should follow it.

    Attributes:
        title: the case in a few words.
        truth: (T,) the value to arrive at, after each batch.
        traces: label to the (T,) running estimates.
    """

    title: str
    truth: np.ndarray
    traces: Mapping[str, np.ndarray]


def not_converged(panels: Sequence[Panel], *, y_label: str) -> Figure:
    """Four ways of not arriving, one panel each."""
    figure, grid = plt.subplots(2, 2, figsize=(7.2, 5.6))
    for axes, panel in zip(grid.flat, panels, strict=True):
        batches = np.arange(1, len(panel.truth) + 1)
        for label, trace in panel.traces.items():
            axes.plot(batches, trace, lw=1.2, label=label)
        axes.plot(batches, panel.truth, "--", color=INK, lw=1.2, label="truth")
        axes.set(xlabel="batch", ylabel=y_label)
        axes.set_title(panel.title, pad=20)  # room for the legend below it
        axes.legend(
            fontsize=8,
            loc="lower left",
            bbox_to_anchor=(-0.03, 0.98),
            ncols=4,
            handlelength=1.2,
            columnspacing=1.0,
        )
    return figure


def running_rate_slider(
    batches: Mapping[str, np.ndarray],
    truths: Mapping[str, float],
    traces: Mapping[str, Mapping[str, np.ndarray]],
) -> Interactive:
    """Running statistics for a choice of running rates.

    Args:
        batches: statistic ("mean", "variance") to its (T,) values, batch by batch.
        truths: statistic to its value in the population.
        traces: text at the slider to (statistic to its (T,) running estimates).
    """
    steps = [(text, _curves(batches, truths, estimates)) for text, estimates in traces.items()]
    shown = [*batches.values(), *(trace for e in traces.values() for trace in e.values())]
    low, high = min(np.min(values) for values in shown), max(np.max(values) for values in shown)
    figure = slider(
        steps,
        label="running rate: ",
        start=len(steps) // 2,
        x_title="batch",
        y_title="statistic of one channel",
        y_range=(float(low) - 0.3, float(high) + 0.3),
    )
    figure.layout.sliders[0].pad = {"t": 40}  # below the label of the axis
    alt = (
        "Running mean and running variance of one channel, batch after batch, with a slider for "
        "the running rate. A low rate leaves the starting values slowly and is smooth; a high rate "
        "arrives at once and then jumps with every batch."
    )
    return Interactive(figure, alt=alt, name="running-rate", height=480)


def _curves(
    batches: Mapping[str, np.ndarray],
    truths: Mapping[str, float],
    estimates: Mapping[str, np.ndarray],
) -> list[go.Scatter]:
    curves = []
    for color, (name, values) in zip((BLUE, ORANGE), batches.items(), strict=False):
        number = np.arange(1, len(values) + 1)
        dots, line = {"color": color, "size": 4, "opacity": 0.35}, {"color": color, "width": 2.5}
        level = {"color": color, "dash": "dash", "width": 1.2}
        end, truth = number[[0, -1]], [truths[name]] * 2
        values, trace = np.round(values, 4), np.round(estimates[name], 4)  # a lighter page
        curves += [
            go.Scatter(x=number, y=values, mode="markers", marker=dots, name=f"{name}: each batch"),
            go.Scatter(x=end, y=truth, mode="lines", line=level, name=f"{name}: population"),
            go.Scatter(x=number, y=trace, mode="lines", line=line, name=f"{name}: running"),
        ]
    return curves


def mode_by_batch_size(
    sizes: Sequence[int], batch_accuracy: np.ndarray, running_accuracy: float
) -> Figure:
    """Test accuracy with the statistics of the test batch, against its size.

    Args:
        sizes: (S,) examples per test batch.
        batch_accuracy: (S, R) accuracy in training mode, R random partitions of the test set.
        running_accuracy: accuracy in evaluation mode, where the size is of no account.
    """
    figure, axes = plt.subplots()
    axes.axhline(running_accuracy, color=ORANGE, label="evaluation mode: running statistics")
    axes.plot(
        sizes,
        batch_accuracy.mean(axis=1),
        "o-",
        color=BLUE,
        label="training mode: batch statistics",
    )
    axes.fill_between(
        sizes, batch_accuracy.min(axis=1), batch_accuracy.max(axis=1), color=BLUE, alpha=0.2, lw=0
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set(xlabel="examples in a test batch", ylabel="test accuracy")
    axes.legend(loc="lower right")
    return figure


def diagnosis(cases: Sequence[str], accuracies: Mapping[str, Sequence[float]]) -> Figure:
    """One row per case, one mark per way of evaluating the same trained net.

    Args:
        cases: what was done in training, top to bottom.
        accuracies: way of evaluating to one test accuracy per case.
    """
    figure, axes = plt.subplots(figsize=(7.2, 3.4))
    rows = np.arange(len(cases))[::-1]
    looks = zip(("o", "X", "D"), (BLUE, ORANGE, GREEN), accuracies.items(), strict=False)
    for number, (marker, color, (label, values)) in enumerate(looks):
        axes.plot(
            values, rows + 0.16 * (1 - number), marker, color=color, ms=8, ls="none", label=label
        )
    axes.set_yticks(rows, cases)
    axes.set(xlabel="test accuracy", ylim=(-0.6, len(cases) - 0.4))
    axes.legend(loc="upper center", bbox_to_anchor=(0.3, 1.2), ncols=3)
    return figure
