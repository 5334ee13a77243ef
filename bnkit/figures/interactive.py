"""Figures that the reader can move without a kernel: a plotly figure with a slider.

The page carries only the figure's data. plotly.js comes once from the site itself (the builder
adds it to pages that need it), so the figure works offline, and in JupyterLab through plotly's
own MIME type.
"""

import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.utils import PlotlyJSONEncoder

from bnkit.figures.style import FAINT, GRID, INK

MIME = "application/vnd.plotly.v1+json"
# The look of an axis; further panels ask for it, the first one has it.
AXIS = {"gridcolor": GRID, "linecolor": FAINT, "zeroline": False, "automargin": True}
_NARROW = 560  # pixels, below which two panels side by side are too small to read


class Interactive:
    """A plotly figure that a page, a file and a notebook can show, with a text alternative.

    Args:
        figure: the plotly figure.
        alt: what a reader who cannot see it should know, one or two sentences.
        name: an id that is unique on its page, lower-case with hyphens.
        height: in pixels.
        narrow: what of the layout is different on a phone, in plotly's dotted form, with a
            "height" of its own: panels that stand side by side go one above the other.
    """

    def __init__(
        self,
        figure: go.Figure,
        *,
        alt: str,
        name: str,
        height: int = 420,
        narrow: Mapping[str, Any] | None = None,
    ) -> None:
        if not alt.strip():
            raise ValueError(f"figure {name!r} needs alt text: say what it shows in a sentence")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise ValueError(f"figure name {name!r}: lower-case letters, digits and hyphens only")
        self.figure, self.alt, self.name, self.height = figure, alt, name, height
        self.narrow = dict(narrow or {})
        figure.update_layout(**_layout(height))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        spec = json.loads(json.dumps(self.figure.to_plotly_json(), cls=PlotlyJSONEncoder))
        return {MIME: spec, "text/html": self._html(spec), "text/plain": self.alt}

    def _html(self, spec: dict[str, Any]) -> str:
        data = json.dumps(spec, separators=(",", ":")).replace("<", "\\u003c")
        return (
            f'<div class="bn-plot" role="img" aria-label="{escape(self.alt, quote=True)}">'
            f'<div id="{self.name}" style="height:{self.height}px"></div></div>'
            f"<script>window.addEventListener('load',function(){{"
            f"var s={data};"
            f"Plotly.newPlot('{self.name}',s.data,s.layout,"
            f"{{responsive:true,displayModeBar:false}})"
            f".then(function(p){{Plotly.addFrames(p,s.frames||[]);{self._relayout()}}})"
            f"}});</script>"
        )

    def _relayout(self) -> str:
        """JavaScript that changes the plot `p` where it is narrow."""
        if not self.narrow:
            return ""
        changes = json.dumps(self.narrow, separators=(",", ":")).replace("<", "\\u003c")
        return (
            f"if(p.clientWidth<{_NARROW}){{var n={changes};"
            "if(n.height)p.style.height=n.height+'px';Plotly.relayout(p,n)}"
        )


def slider(
    steps: Sequence[tuple[str, Sequence[go.Scatter]]],
    *,
    label: str,
    start: int = 0,
    x_title: str,
    y_title: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> go.Figure:
    """One set of curves per slider position; the same number of curves at each.

    Args:
        steps: (text at the slider, curves) per position.
        label: what the slider changes, for example "γ = ".
        start: the position shown first.
        x_title: label of the horizontal axis, with its unit.
        y_title: label of the vertical axis, with its unit.
        x_range: fixed limits, so that the eye can compare positions.
        y_range: fixed limits.
    """
    counts = {len(curves) for _, curves in steps}
    if len(counts) != 1:
        raise ValueError(f"every slider position needs as many curves, got {sorted(counts)}")
    figure = go.Figure(
        data=list(steps[start][1]),
        frames=[go.Frame(name=text, data=list(curves)) for text, curves in steps],
    )
    moves = [
        {
            "label": text,
            "method": "animate",
            "args": [[text], {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}],
        }
        for text, _ in steps
    ]
    figure.update_layout(
        sliders=[
            {"active": start, "pad": {"t": 76}, "currentvalue": {"prefix": label}, "steps": moves}
        ],
        xaxis={"title": x_title, "range": x_range},
        yaxis={"title": y_title, "range": y_range},
    )
    return figure


def _layout(height: int) -> dict[str, Any]:
    return {
        "height": height,
        "template": "none",
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"color": INK, "size": 13},
        "margin": {"l": 60, "r": 16, "t": 24, "b": 50},
        "xaxis": AXIS,
        "yaxis": AXIS,
        # Above the plot, which makes room for as many lines as a narrow page needs.
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    }
