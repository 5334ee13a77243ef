"""One manipulation at a time: what a dose did to the loss, to smoothness and to speed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bnkit.figures.findings import NOT_YET
from bnkit.figures.interactive import AXIS, Interactive, slider
from bnkit.figures.mediation import (
    BETA,
    STEPS,
    TITLES,
    Kinds,
    Runs,
    base_of,
    dose_of,
    label_of,
    over_base,
)
from bnkit.figures.style import COLORS, FAINT, INK, LABELS
from bnkit.figures.training import Tables, curves

_ALT = (
    "Two panels, one manipulation at a time: the loss of one batch against steps, and the "
    "effective smoothness against that loss, for the net with the dose over the same net without "
    "it: seeds thin, medians bold. Above them both ratios of the dose, of smoothness and of steps."
)


def by_manipulation(
    tables: Tables, kinds: Kinds, runs: Runs, levels: Sequence[float]
) -> Interactive:
    """Loss against steps above, smoothness against loss below, one manipulation at a time.

    Args:
        tables: arm -> rows "look_loss" and "downhill_beta", with the base arms "none" and "batch";
            an arm is left out if it or its base arm is not there.
        kinds: kind -> arm -> spec, a position of the slider for each arm.
        runs: of the same arms, for the ratios that stand above the panels.
        levels: the losses at which nets are compared, marked in the lower panel.
    """
    shown = {
        arm: (kind, spec)
        for kind, arms in kinds.items()
        for arm, spec in arms.items()
        if arm in tables and base_of(arms) in tables
    }
    if not shown:
        figure = go.Figure()
        figure.add_annotation(text=NOT_YET, showarrow=False, font={"size": 16})
        return Interactive(figure, alt=f"Loss and smoothness: {NOT_YET}.", name="by-manipulation")
    without = {base: _net(tables[base], "without a dose", FAINT) for base in _bases(shown)}
    figure = slider(
        [
            (arm, [*without[_base(arm)], *_net(tables[arm], "with the dose", COLORS[_base(arm)])])
            for arm in shown
        ],
        label="",
        x_title="optimizer steps",
        y_title="loss (nat)",
        x_range=(0, max(int(table["step"].max()) for table in tables.values())),
        y_range=(-1.6, 0.8),
    )
    titles = {arm: _title(arm, *given, runs) for arm, given in shown.items()}
    _lay_out(figure, levels, next(iter(titles.values())))
    for frame in figure.frames:
        frame.layout = {"title": {"text": titles[frame.name]}}
    for step, (kind, spec) in zip(figure.layout.sliders[0].steps, shown.values(), strict=True):
        step.label = label_of(kind, spec)
    drawn = Interactive(figure, alt=_ALT, name="by-manipulation", height=680)
    figure.update_layout(margin={"t": 88})  # two lines of title and the legend
    return drawn


def _lay_out(figure: go.Figure, levels: Sequence[float], title: str) -> None:
    ticks = {"tickmode": "array", "tickvals": [m * 10.0**e for e in range(-2, 3) for m in (1, 3)]}
    figure.update_layout(
        title={"text": title, "font": {"size": 14}, "x": 0.02, "y": 0.98, "yanchor": "top"},
        yaxis={"type": "log", "domain": [0.6, 1.0], **ticks},
        xaxis2={"title": "loss (nat), falling", "type": "log", "range": [0.5, -1.6], **ticks},
        yaxis2={"title": BETA, "type": "log", "domain": [0.0, 0.4], "range": [0.2, 2.6], **ticks},
        xaxis={"anchor": "y"},
    )
    for axis in (figure.layout.xaxis2, figure.layout.yaxis2):
        axis.update(AXIS)
    figure.layout.xaxis2.anchor, figure.layout.yaxis2.anchor = "y2", "x2"
    for level in levels:
        figure.add_shape(
            type="line",
            x0=level,
            x1=level,
            y0=0,
            y1=1,
            xref="x2",
            yref="y2 domain",
            line={"color": INK, "width": 1, "dash": "dot"},
        )
    figure.layout.sliders[0].currentvalue.visible = False  # the title has it, with the ratios
    figure.layout.sliders[0].font.size = 11


def _base(arm: str) -> str:
    return arm.partition("-")[0]


def _bases(arms: Any) -> set[str]:
    return {_base(arm) for arm in arms}


def _title(arm: str, kind: str, spec: Any, runs: Runs) -> str:
    """The net, its dose and, where there are runs, both ratios to the net without it."""
    base = _base(arm)
    beta, steps = (
        over_base(runs, arm, base, metric).median() for metric in ("effective_smoothness", STEPS)
    )
    title = f"{LABELS[base]}: {TITLES[kind]}, {dose_of(spec)}"
    return f"{title}<br>β × {beta:.2f}, steps × {steps:.2f}" if beta > 0 else title


def _net(table: pd.DataFrame, name: str, color: str) -> list[go.Scatter]:
    """All seeds as one faint line with gaps and their median as a bold one, in both panels."""
    loss, beta = (curves(table, which) for which in ("look_loss", "downhill_beta"))
    loss = loss.loc[beta.index]
    drawn = []
    for x, y, bold in (
        (loss, beta, False),
        (loss.median(axis=1).to_frame(), beta.median(axis=1).to_frame(), True),
    ):
        width, opacity = (3.5, 1.0) if bold else (0.8, 0.3)
        look = {"mode": "lines", "line": {"color": color, "width": width}, "opacity": opacity}
        look |= {"name": name, "legendgroup": name}
        steps = [step for _ in x for step in (*x.index.tolist(), None)]
        lower = {"xaxis": "x2", "yaxis": "y2", "showlegend": False}
        drawn += [
            go.Scatter(x=steps, y=_with_gaps(x), showlegend=bold, **look),
            go.Scatter(x=_with_gaps(x), y=_with_gaps(y), **look | lower),
        ]
    return drawn


def _with_gaps(by_seed: pd.DataFrame) -> list[float | None]:
    return [
        float(f"{value:.4g}") if value is not None and np.isfinite(value) else None
        for seed in by_seed
        for value in (*by_seed[seed], None)
    ]
