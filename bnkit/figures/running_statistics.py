"""Do the running statistics arrive at the truth? Traces, failures and their diagnosis."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure

from bnkit.figures.interactive import Interactive, slider
from bnkit.figures.style import AMBER, BLUE, CYCLE, FAINT, GREEN, INK, ORANGE


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
            axes.plot(batches, trace, lw=1.5, label=label)
        axes.plot(batches, panel.truth, "--", color=INK, lw=1.2, label="truth")
        axes.set(title=panel.title, xlabel="batch", ylabel=y_label)
        axes.legend(fontsize=8, loc="best")
    return figure


def running_rate_slider(
    batch_values: np.ndarray, traces: Mapping[str, np.ndarray], truth: float, *, y_title: str
) -> Interactive:
    """One running statistic for a choice of running rates.

    Args:
        batch_values: (T,) the statistic of each batch.
        traces: text at the slider to the (T,) running estimates.
        truth: the statistic of the population.
        y_title: what is estimated.
    """
    batches = np.arange(1, len(batch_values) + 1)
    points = go.Scatter(
        x=batches,
        y=batch_values,
        mode="markers",
        marker={"color": FAINT, "size": 4},
        name="each batch",
    )
    level = go.Scatter(
        x=batches[[0, -1]],
        y=[truth, truth],
        mode="lines",
        line={"color": INK, "dash": "dash", "width": 1.5},
        name="population",
    )
    steps = [
        (
            text,
            [
                points,
                level,
                go.Scatter(
                    x=batches, y=trace, mode="lines", line={"color": BLUE}, name="running estimate"
                ),
            ],
        )
        for text, trace in traces.items()
    ]
    low, high = float(np.min(batch_values)), float(np.max(batch_values))
    starts = [float(trace[0]) for trace in traces.values()]
    figure = slider(
        steps,
        label="running rate ",
        start=len(steps) // 2,
        x_title="batch",
        y_title=y_title,
        y_range=(min(low, truth, *starts) - 0.1, max(high, truth, *starts) + 0.1),
    )
    alt = (
        "Running estimate of a population value, batch after batch, with a slider for the running "
        "rate. A low rate leaves the starting value slowly and is smooth; a high rate arrives at "
        "once and then jumps with every batch."
    )
    return Interactive(figure, alt=alt, name="running-rate")


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
    axes.set(xlabel="test accuracy", xlim=(0.0, 1.03), ylim=(-0.6, len(cases) - 0.4))
    axes.legend(loc="upper center", bbox_to_anchor=(0.3, 1.2), ncols=3)
    return figure


def folding_gap(labels: Sequence[str], gaps: Sequence[float]) -> Figure:
    """Largest difference between a net and its folded copy, one bar per case, log axis."""
    figure, axes = plt.subplots(figsize=(6.0, 2.4))
    rows = np.arange(len(labels))[::-1]
    colors = [AMBER, *CYCLE][: len(labels)]
    axes.barh(rows, gaps, color=colors, height=0.6)
    axes.set_yticks(rows, labels)
    axes.set_xscale("log")
    axes.set(xlabel="largest difference of the outputs")
    axes.grid(visible=False, axis="y")
    return figure
