"""A loss landscape to walk through: the plane of a path, look by look, two nets side by side."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from bnkit.figures.interactive import Interactive, slider
from bnkit.figures.style import COLORS, GRID, INK, LABELS

Array = NDArray[np.float64]


_ONE_ABOVE_THE_OTHER = {
    "height": 700,
    "xaxis.domain": [0, 1],
    "xaxis.title.text": "",
    "yaxis.domain": [0.53, 1],
    "xaxis2.domain": [0, 1],
    "yaxis2.domain": [0, 0.47],
    "yaxis2.title.text": "second direction",
    "yaxis2.showticklabels": True,
}


class Map(NamedTuple):
    """One net on the plane of its path."""

    steps: Array  # (T,) of all looks
    path: Array  # (T, 2)
    first: Array  # (K,) coordinates of the grid
    second: Array  # (L,)
    losses: Mapping[int, Array]  # step -> (L, K) on the plane through that look, in nats
    here: Mapping[int, float]  # step -> the loss at the look itself


def explorer(
    maps: Mapping[str, Map], levels: Sequence[float], *, start: int, name: str, alt: str
) -> Interactive:
    """The loss around the look of the slider, and the path up to it, a panel a net.

    Args:
        maps: "none" and "batch", or other arms of `style.COLORS`, two of them, with the same steps
            and the same grid.
        levels: of the contours, in nats, evenly spaced on a logarithmic scale; the colors end at
            the first and the last.
        start: position of the slider shown first.
        name: id of the figure on its page.
        alt: its text alternative.
    """
    one = next(iter(maps.values()))
    exponents = np.log10(levels)
    moves = [
        (
            f"{step}",
            [
                trace
                for number, (arm, found) in enumerate(maps.items(), start=1)
                for trace in _panel(arm, found, step, exponents, number)
            ],
        )
        for step in one.losses
    ]
    ends = (
        (float(one.first[0]), float(one.first[-1])),
        (float(one.second[0]), float(one.second[-1])),
    )
    figure = slider(
        moves, label="steps of training: ", start=start, x_title="first direction",
        y_title="second direction", x_range=ends[0], y_range=ends[1],
    )  # fmt: skip
    figure.layout.sliders[0].pad.t = 72  # clear of the axes' titles
    axis = {"gridcolor": GRID, "zeroline": False}
    ticks = [level for level in (0.001, 0.01, 0.1, 1, 10, 100) if levels[0] <= level <= levels[-1]]
    figure.update_layout(
        xaxis={"domain": [0, 0.47], "constrain": "domain"},
        yaxis={"scaleanchor": "x", "constrain": "domain"},
        xaxis2={
            "anchor": "y2",
            "constrain": "domain",
            "domain": [0.53, 1],
            "range": ends[0],
            "title": "first direction",
            **axis,
        },
        yaxis2={
            "anchor": "x2",
            "range": ends[1],
            "scaleanchor": "x2",
            "constrain": "domain",
            "showticklabels": False,  # those of the other map, which has the same axis
            **axis,
        },
        coloraxis={
            "colorscale": "Blues",
            "cmin": float(exponents[0]),
            "cmax": float(exponents[-1]),
            "colorbar": {
                "title": "loss",
                "tickvals": np.log10(ticks).round(3).tolist(),
                "ticktext": [f"{tick:g}" for tick in ticks],
                "thickness": 12,
            },
        },
    )
    return Interactive(figure, alt=alt, name=name, height=480, narrow=_ONE_ABOVE_THE_OTHER)


def _panel(arm: str, found: Map, step: int, exponents: Array, number: int) -> list[object]:
    """Contours, the path to come, the path so far with a white edge, and where the net stands."""
    axes = {"xaxis": f"x{number}", "yaxis": f"y{number}"} if number > 1 else {}
    now = int(np.flatnonzero(found.steps == step)[0])
    seen = np.clip(np.log10(found.losses[step]), exponents[0], exponents[-1]).round(2)
    contour = go.Contour(
        x=found.first.round(3),
        y=found.second.round(3),
        z=seen,
        coloraxis="coloraxis",
        contours={
            "start": float(exponents[0]),
            "end": float(exponents[-1]),
            "size": float(exponents[1] - exponents[0]),
        },
        line={"width": 0.5, "color": "white"},
        hoverinfo="skip",
        showlegend=False,
        **axes,
    )
    color, path = COLORS[arm], found.path.round(3)
    way = {"mode": "lines", "showlegend": False, "hoverinfo": "skip", **axes}
    return [
        contour,
        go.Scatter(
            x=path[:, 0], y=path[:, 1], line={"color": INK, "width": 1, "dash": "dot"}, **way
        ),
        *(
            go.Scatter(x=path[: now + 1, 0], y=path[: now + 1, 1], line=line, **way)
            for line in ({"color": "white", "width": 6}, {"color": color, "width": 3})
        ),
        go.Scatter(
            x=path[now : now + 1, 0],
            y=path[now : now + 1, 1],
            mode="markers",
            marker={"color": color, "size": 12, "line": {"color": "white", "width": 2}},
            name=f"{LABELS[arm]}, loss {found.here[step]:.3g}",
            **axes,
        ),
    ]
