"""What does a walk across a kink report? Its length is chosen by a slider."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from bnkit.figures.interactive import AXIS, Interactive, slider
from bnkit.figures.style import BLUE, FAINT, INK, ORANGE

Array = NDArray[np.float64]

_RIGHT = {"xaxis": "x2", "yaxis": "y2"}
_ONE_ABOVE_THE_OTHER = {
    "height": 760,
    "xaxis.domain": [0, 1],
    "yaxis.domain": [0.6, 1],
    "xaxis2.domain": [0, 1],
    "yaxis2.domain": [0, 0.42],
}


def walk(
    graph: Array, lengths: Array, points: Array, *, start: int, name: str, alt: str
) -> Interactive:
    """The gradient with the secant of one walk, and what walks of all lengths report.

    Args:
        graph: (P, 2) weights and the gradient there; a row of NaN lifts the pen where it jumps.
        lengths: (T,) of the walks, in units of the gradient at their start, increasing.
        points: (T + 1, 2) weight and gradient where the walks start, and where each of them ends.
        start: position of the slider shown first.
        name: id of the figure on its page.
        alt: its text alternative.
    """
    change = np.abs(points[1:] - points[0])
    reports = change[:, 1] / change[:, 0]  # (T,)
    beyond = points[1:, 0] < 0
    ceiling = np.column_stack([lengths, 2 / lengths])
    moves = [
        (
            f"{length:g}",
            [
                _line(graph, "gradient L′", {"color": BLUE, "width": 3}, connectgaps=False),
                _line(points[[0, now]], f"this walk: {report:.3g}", {"color": ORANGE, "width": 3}),
                _line(ceiling, "ceiling 2 / length", {"color": FAINT, "dash": "dash"}, **_RIGHT),
                _dots(lengths[~beyond], reports[~beyond], "ends before the kink", BLUE),
                _dots(lengths[beyond], reports[beyond], "ends beyond it", INK),
                _dots([length], [report], "its report", ORANGE, 14),
            ],
        )
        for now, (length, report) in enumerate(zip(lengths, reports, strict=True), start=1)
    ]
    (left, lowest), (right, highest) = np.nanmin(graph, axis=0), np.nanmax(graph, axis=0)
    margin = 0.08 * (highest - lowest)
    figure = slider(
        moves,
        label="length = ",
        start=start,
        x_title="weight w",
        y_title="gradient L′(w)",
        x_range=(left, right),
        y_range=(lowest - margin, highest + margin),
    )
    figure.layout.sliders[0].pad.t = 72  # clear of the axes' titles
    figure.update_layout(
        xaxis_domain=[0, 0.44],
        xaxis2={**AXIS, "anchor": "y2", "domain": [0.58, 1], "title": "length of the walk"},
        yaxis2={**AXIS, "anchor": "x2", "title": "reported β"},
    )
    for axis, values, ticks in (
        ("xaxis2", lengths, (0.02, 0.05, 0.1, 0.2, 0.5)),
        ("yaxis2", np.append(ceiling[:, 1], reports), (1, 3, 10, 30, 100)),
    ):
        ends = np.log10([0.85 * values.min(), values.max() / 0.85])
        labels = [f"{tick:g}" for tick in ticks]
        figure.layout[axis].update(type="log", range=ends, tickvals=ticks, ticktext=labels)
    figure.update_layout(legend_yanchor="bottom")
    return Interactive(figure, alt=alt, name=name, height=500, narrow=_ONE_ABOVE_THE_OTHER)


def _line(points: Array, name: str, look: Mapping[str, object], **more: object) -> go.Scatter:
    x, y = np.round(points, 4).T
    return go.Scatter(x=x, y=y, name=name, mode="lines", line=look, **more)


def _dots(x: ArrayLike, y: ArrayLike, name: str, color: str, size: int = 7) -> go.Scatter:
    marker = {"color": color, "size": size}
    x, y = np.round(np.asarray(x), 4), np.round(np.asarray(y), 4)
    return go.Scatter(x=x, y=y, name=name, mode="markers", marker=marker, **_RIGHT)
