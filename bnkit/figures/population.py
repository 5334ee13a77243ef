"""A population of runs: loss against shift, and the parts of the noise that moves both."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bnkit.figures.scoreboard import short
from bnkit.figures.style import COLORS, INK, LABELS, WIDE

NORMS = ("none", "batch")


def scatter(runs: pd.DataFrame, *, x_label: str) -> Figure:
    """Final loss against shift, one panel a normalizer: a dot a run, a line the runs of one rate.

    Args:
        runs: columns norm, dose, rate, seed, shift, loss; may be empty.
        x_label: what the shift is, and its unit.
    """
    figure, panels = plt.subplots(1, 2, figsize=WIDE, sharex=True, sharey=True)
    for axes, norm in zip(panels, NORMS, strict=True):
        mine = runs[runs["norm"] == norm]
        axes.plot(mine["shift"], mine["loss"], "o", color=COLORS[norm], alpha=0.25, markersize=2)
        for rate, of_rate in mine.groupby("rate"):
            middle = of_rate.groupby("dose")[["shift", "loss"]].median()
            axes.plot(middle["shift"], middle["loss"], color=COLORS[norm], linewidth=1.0)
            start = middle.iloc[0]  # there the lines are apart
            axes.annotate(
                f"{rate:g}",
                (start["shift"], start["loss"]),
                xytext=(-10, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=7,
                color=INK,
            )
        axes.set(title=LABELS[norm], xscale="log", yscale="log", xlabel=x_label)
    if len(runs):
        panels[0].set_xlim(left=runs["shift"].min() / 4)  # room for the rates
    panels[0].set_ylabel("final training loss, nat")
    return figure


def partial_correlations(parts: Sequence[Any], names: Sequence[str]) -> pd.DataFrame:
    """One row a part of the rule, as text: the correlation, its interval, the verdict.

    Args:
        parts: verdicts, or None where there is none yet.
        names: what each is about.
    """
    rows = {
        name: ("not yet measured", "", "untested")
        if part is None
        else (short(part.effect), f"{short(part.low)} to {short(part.high)}", part.verdict)
        for name, part in zip(names, parts, strict=True)
    }
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["given the rate", "interval", "verdict"]
    )


def by_part(losses: Mapping[str, Mapping[str, np.ndarray]], labels: Mapping[str, str]) -> Figure:
    """Final loss of each part of the noise: a dot a seed, a line the mean.

    Args:
        losses: normalizer -> part -> (seeds,) losses in nat; may be empty.
        labels: part -> what the axis says, in the order that is drawn.
    """
    figure, panels = plt.subplots(1, 2, figsize=WIDE)
    for axes, norm in zip(panels, NORMS, strict=True):
        for place, part in enumerate(labels):
            values = np.asarray(losses.get(norm, {}).get(part, []))
            axes.plot(
                np.full(len(values), place),
                values,
                "o",
                color=COLORS[norm],
                alpha=0.5,
                markersize=3,
            )
            if len(values):
                ends = [place - 0.25, place + 0.25]
                axes.plot(ends, [values.mean()] * 2, color=COLORS[norm])
        axes.set_xticks(range(len(labels)), list(labels.values()))
        axes.set(title=LABELS[norm], xlim=(-0.5, len(labels) - 0.5), ylim=(0, None))
    panels[0].set_ylabel("final training loss, nat")
    return figure
