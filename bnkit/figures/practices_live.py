"""A net under a penalty on its matrices: how large they stay, and what it does to accuracy."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bnkit.figures.interactive import AXIS, Interactive, slider
from bnkit.figures.style import COLORS, INK, LABELS
from bnkit.figures.training import curves


def by_penalty(
    live: Mapping[float, Mapping[str, pd.DataFrame]], rate: float, *, start: float, name: str
) -> Interactive:
    """Squared norm of the hidden matrices above, test accuracy below, a penalty a position.

    Args:
        live: penalty λ -> "none" and "batch" -> rows "size" (squared norm) and "test_accuracy".
        rate: η of all runs; the dashed line is exp(-2 η λ t), what the penalty does alone.
        start: the penalty shown first.
        name: id of the figure on its page.
    """
    steps = [(f"{penalty:g}", _curves(nets, rate * penalty)) for penalty, nets in live.items()]
    figure = slider(
        steps,
        label="λ = ",
        start=list(live).index(start),
        x_title="optimizer steps",
        y_title="‖W‖² / at the start",
        y_range=(-2.2, 1.0),
    )
    figure.update_layout(
        xaxis={"anchor": "y", "title": ""},
        yaxis={"type": "log", "domain": [0.56, 1.0], "dtick": 1},
        xaxis2={"title": "optimizer steps", "anchor": "y2"},
        yaxis2={"title": "test accuracy (%)", "domain": [0.0, 0.42], "anchor": "x2"},
    )
    figure.layout.yaxis2.range = [0, 102]
    for axis in (figure.layout.xaxis2, figure.layout.yaxis2):
        axis.update(AXIS)
    alt = (
        "Two panels for live nets with BN and without, under the L2 penalty of the slider. Above, "
        "the squared norm of the hidden matrices against steps, relative to the start, with the "
        "decay that the penalty alone would bring. Below, test accuracy against steps."
    )
    return Interactive(figure, alt=alt, name=name, height=620)


def _curves(nets: Mapping[str, pd.DataFrame], decay: float) -> list[go.Scatter]:
    """Both panels of one position; `decay` is η λ."""
    above, below, at = [], [], np.zeros(1)
    for norm, table in nets.items():
        size, accuracy = (curves(table, which) for which in ("size", "test_accuracy"))
        relative = (size / size.iloc[0]).mean(axis="columns")
        mean = 100 * accuracy.mean(axis="columns")
        look = {"mode": "lines", "name": LABELS[norm], "line": {"color": COLORS[norm], "width": 2}}
        at = relative.index.to_numpy()
        above.append(go.Scatter(x=at, y=np.round(relative, 5), **look))
        where = {"xaxis": "x2", "yaxis": "y2", "showlegend": False}
        below.append(go.Scatter(x=mean.index.to_numpy(), y=np.round(mean, 2), **where, **look))
    alone = go.Scatter(
        x=at,
        y=np.round(np.exp(-2 * decay * at), 5),
        mode="lines",
        name="penalty alone",
        line={"color": INK, "width": 1.5, "dash": "dash"},
    )
    return [*above, alone, *below]
