"""What must batch normalization move on a GPU, and how close did a recorded run come to it?"""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnkit.figures.interactive import Interactive, slider
from bnkit.figures.style import AMBER, BLUE, COLORS, GREEN, GRID, INK, LABELS, ORANGE, PINK

NOT_YET = "not yet measured"
NO_TIMES = "no times here: not measured, or every arm failed"
ARM_COLORS = {
    "eager": ORANGE,
    "compile": GREEN,
    "compile max-autotune": AMBER,
    "kernels": BLUE,
}
METHOD_COLORS = {
    "E[x²] − E[x]²": ORANGE,
    "two passes": GREEN,
    "split and merged": PINK,
    "split and merged, centered": BLUE,
}

# Reads of the tensor -> color; each design writes it once more.
_READS = {1: BLUE, 2: ORANGE, 3: GREEN}
_LOWEST = 1e-9  # where a logarithmic axis draws a zero

Values = Mapping[str, Mapping[str, tuple[float, float, float]]]  # row -> arm -> low, middle, high


def floors(bandwidths: Sequence[float], *, megabytes: float = 300.0, start: int = 0) -> Interactive:
    """Least time of designs that read a tensor once, twice, three times, and write it once.

    Arithmetic: bytes over bandwidth, no measurement.

    Args:
        bandwidths: at the slider, in TB/s.
        megabytes: largest tensor drawn, in MB (10^6 bytes).
        start: position of the slider.
    """
    sizes = [megabytes * i / 30 for i in range(31)]
    steps = [
        (
            f"{bandwidth:g}",
            [
                go.Scatter(
                    x=sizes,
                    y=[size * (reads + 1) / bandwidth for size in sizes],  # MB / (TB/s) = µs
                    name=f"read {reads}×, write 1×",
                    line={"color": color},
                    hovertemplate="%{x:.0f} MB: %{y:.1f} µs",
                )
                for reads, color in _READS.items()
            ],
        )
        for bandwidth in bandwidths
    ]
    figure = slider(
        steps,
        label="memory bandwidth in TB/s: ",
        start=start,
        x_title="size S of the tensor, MB",
        y_title="least time by arithmetic, µs",
        x_range=(0.0, megabytes),
        y_range=(0.0, 4 * megabytes / min(bandwidths)),
    )
    return Interactive(
        figure,
        alt=(
            "Least time of a forward pass against the size of the tensor, computed as bytes over "
            "bandwidth: three straight lines through zero, for a tensor read once, twice and three "
            "times and written once, with slopes 2 to 3 to 4. A slider sets the bandwidth."
        ),
        name="gpu-floors",
    )


def variance_errors(ratios: np.ndarray, errors: Mapping[str, Sequence[float]]) -> Figure:
    """Relative error of the variance in float32, as the mean of a channel outgrows its spread.

    Args:
        ratios: (M,) mean over standard deviation.
        errors: method to M relative errors; zeros are drawn at the lower edge.
    """
    figure, axes = plt.subplots()
    for label, error in errors.items():
        color = METHOD_COLORS.get(label, INK)
        axes.loglog(ratios, np.maximum(error, _LOWEST), "o-", ms=4, color=color, label=label)
    axes.axhline(1.0, color=INK, ls=":", lw=1.2)
    axes.annotate("no correct digit", (ratios[0], 1.0), xytext=(0, 4), textcoords="offset points")
    axes.set(
        xlabel="mean / standard deviation of the channel",
        ylabel="relative error of the variance",
    )
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def dots(
    panels: Mapping[str, Values],
    *,
    origin: str,
    x_label: str,
    marks: Mapping[str, float] | None = None,
    columns: int = 2,
) -> Figure:
    """One panel a question, one row a batch, one dot an arm, a bar for the spread of the rounds.

    Args:
        panels: title -> row -> arm -> (low, middle, high). Without any row no axes are drawn.
        origin: device, date and versions, or "not yet measured".
        x_label: what is drawn, with its unit.
        marks: title of a panel -> where a dotted line stands.
        columns: panels side by side.
    """
    rows = list(dict.fromkeys(row for values in panels.values() for row in values))
    if not rows:
        return nothing(origin)
    lines = -(-len(panels) // columns)
    height = 1.1 + lines * (0.5 + 0.34 * len(rows))
    figure, grid = plt.subplots(
        lines, columns, figsize=(7.2, height), sharex=True, sharey=True, squeeze=False
    )
    for axes, (title, values) in zip(grid.flat, panels.items(), strict=True):
        _panel(axes, values, rows)
        if marks and title in marks:
            axes.axvline(marks[title], color=INK, ls=":", lw=1.2)
        axes.set_title(title, fontsize=9.5)
    grid[0, 0].set_xlim(0.0, 1.06 * _greatest(panels, marks or {}))  # of all panels: x is shared
    for axes in grid[-1]:
        axes.set_xlabel(x_label)
    handles = {
        label: handle
        for axes in grid.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles))
    return signed(figure, origin)


def stacks(curves: Mapping[tuple[str, str], Sequence[tuple[int, float]]], *, origin: str) -> Figure:
    """Training steps per second of networks that train together, against how many they are.

    Args:
        curves: (norm, arm) -> points (seeds, seed-steps per second). Without any no axes are drawn.
        origin: device, date and versions, or "not yet measured".
    """
    if not curves:
        return nothing(origin)
    figure, axes = plt.subplots()
    for (norm, arm), points in curves.items():
        axes.loglog(
            *zip(*points, strict=True),
            "o-" if arm == "graph" else "o--",
            ms=4,
            color=COLORS[norm],
            label=f"{LABELS[norm]}, {arm}",
        )
    axes.set(xlabel="networks stacked", ylabel="seed-steps per second")
    axes.legend(handlelength=3.5)
    return signed(figure, origin)


def nothing(origin: str) -> Figure:
    """What stands in place of a figure that has no times: a few words, no number."""
    figure, axes = plt.subplots(figsize=(6.0, 0.9))
    words = NOT_YET if origin == NOT_YET else NO_TIMES
    axes.text(0.5, 0.5, words, ha="center", va="center", fontsize=12, color=INK)
    axes.set_axis_off()
    return figure if origin == NOT_YET else signed(figure, origin)


def table(rows: Sequence[Mapping[str, object]], float_format: str = "{:.1e}") -> str:
    """Rows as an HTML table; without any, what a figure says then."""
    if not rows:
        return f"<p>{NOT_YET}</p>"
    html = pd.DataFrame(rows).to_html(index=False, float_format=float_format.format, na_rep="")
    return html.replace(" × ", "\u00a0×\u00a0")  # a shape stands on one line


def signed(figure: Figure, origin: str) -> Figure:
    """The figure with device, date and versions under it."""
    figure.supxlabel(textwrap.fill(origin, 110), fontsize=7.5, color=INK)
    return figure


def _greatest(panels: Mapping[str, Values], marks: Mapping[str, float]) -> float:
    highs = [
        high
        for values in panels.values()
        for arms in values.values()
        for _, _, high in arms.values()
    ]
    return max([*highs, *marks.values()])


def _panel(axes: Axes, values: Values, rows: Sequence[str]) -> None:
    arms = [arm for arm in ARM_COLORS if any(arm in values.get(row, {}) for row in rows)]
    for place, arm in enumerate(arms):
        shift = 0.22 * ((len(arms) - 1) / 2 - place)
        for number, row in enumerate(rows):
            if arm not in values.get(row, {}):
                continue
            low, middle, high = values[row][arm]
            y = len(rows) - 1 - number + shift
            axes.plot([low, high], [y, y], color=ARM_COLORS[arm], lw=3, alpha=0.4)
            axes.plot([middle], [y], "o", color=ARM_COLORS[arm], ms=5, label=arm)
    for number in range(1, len(rows)):
        axes.axhline(number - 0.5, color=GRID, lw=0.8, zorder=0)
    axes.set_yticks(range(len(rows)), rows[::-1])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(visible=False, axis="y")
