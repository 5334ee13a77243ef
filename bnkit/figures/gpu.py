"""What must batch normalization move on a GPU, and how close did a recorded run come to it?"""

import math
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
NO_RECORD = """
<div class="admonition note"><p class="admonition-title">No record yet</p>
<p>Nothing has been measured: this bench has not yet run on a machine with an NVIDIA GPU. There,
<code>python -m bnkit bench gpu</code> makes the record. Until then this section says what is
measured, and its figures and tables are left out.</p></div>
"""
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

# Reads and writes of the tensor -> the designs that have as many, and a color.
_DESIGNS = {
    5: ("backward, two passes", GREEN),
    3: ("forward, two passes, or backward, held", ORANGE),
    2: ("forward, held", BLUE),
}
_LOWEST = 1e-9  # where a logarithmic axis draws a zero

Values = Mapping[str, Mapping[str, tuple[float, float, float]]]  # row -> arm -> low, middle, high


def floors(
    bandwidths: Sequence[float], batches: Mapping[str, float], *, start: int = 0
) -> Interactive:
    """Least times of two passes over a tensor and of a tensor held on the chip, both directions.

    Arithmetic: bytes over bandwidth, no measurement.

    Args:
        bandwidths: at the slider, in TB/s.
        batches: what to call a batch -> its size in MB (10^6 bytes), a dot on each line.
        start: position of the slider.
    """
    names, sizes = zip(*sorted(batches.items(), key=lambda pair: pair[1]), strict=True)
    steps = [
        (
            f"{bandwidth:g}",
            [
                go.Scatter(
                    x=sizes,
                    y=[number * size / bandwidth for size in sizes],  # MB / (TB/s) = µs
                    name=f"{number}S: {words}",
                    text=names,
                    mode="lines+markers",
                    line={"color": color},
                    hovertemplate="%{text}, %{x:.0f} MB: %{y:.0f} µs",
                )
                for number, (words, color) in _DESIGNS.items()
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
    )
    slowest, fastest = min(bandwidths), max(bandwidths)
    for axis, low, high in (
        ("xaxis", sizes[0], sizes[-1]),
        ("yaxis", min(_DESIGNS) * sizes[0] / fastest, max(_DESIGNS) * sizes[-1] / slowest),
    ):
        ends = [math.log10(low / 1.3), math.log10(high * 1.3)]
        figure.layout[axis].update(type="log", range=ends, dtick=1)
    figure.update_layout(legend_yanchor="bottom")
    return Interactive(
        figure,
        alt=(
            "Least time against the size of the tensor, both logarithmic, computed as bytes over "
            "bandwidth: three parallel lines with a dot for each batch, at two, three and five "
            "times the size. A slider sets the bandwidth and moves all three together."
        ),
        name="gpu-floors",
        height=520,
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
) -> Figure | None:
    """One panel a question, one row a batch, one dot an arm, a bar for the spread of the rounds.

    Args:
        panels: title -> row -> arm -> (low, middle, high). Without any row see `nothing`.
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


def stacks(
    curves: Mapping[tuple[str, str], Sequence[tuple[int, float]]], *, origin: str
) -> Figure | None:
    """Training steps per second of networks that train together, against how many they are.

    Args:
        curves: (norm, arm) -> points (seeds, seed-steps per second). Without any see `nothing`.
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


def nothing(origin: str) -> Figure | None:
    """What stands in place of a figure that has no times: a few words; without a record nothing."""
    if origin == NOT_YET:
        return None
    figure, axes = plt.subplots(figsize=(6.0, 0.9))
    axes.text(0.5, 0.5, NO_TIMES, ha="center", va="center", fontsize=12, color=INK)
    axes.set_axis_off()
    return signed(figure, origin)


def table(rows: Sequence[Mapping[str, object]], float_format: str = "{:.1e}") -> str:
    """Rows as an HTML table; nothing without any."""
    if not rows:
        return ""
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
