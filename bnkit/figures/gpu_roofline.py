"""The roofline: does memory or arithmetic bound a kernel, and how near to the bound is it?"""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bnkit.figures.gpu import ARM_COLORS, nothing, signed
from bnkit.figures.style import FAINT, INK

MARKERS = {"forward": "o", "backward": "s"}
_INTENSITIES = (0.2, 200.0)  # operations per byte, from edge to edge


def roofline(
    points: Mapping[tuple[str, str], Sequence[tuple[float, float]]],
    *,
    copy_rate: float | None,
    teraflops: float | None,
    origin: str,
) -> Figure | None:
    """Operations per second against operations per byte, under what memory and arithmetic allow.

    Args:
        points: (arm, direction) -> (operations per byte, operations per second) of each batch.
            Without any see `nothing`.
        copy_rate: bytes per second of a copy, the slanted roof.
        teraflops: 10^12 operations per second of the card's arithmetic, the flat roof.
        origin: device, date and versions, or "not yet measured".
    """
    if not points:
        return nothing(origin)
    figure, axes = plt.subplots(figsize=(6.4, 4.0))
    _roofs(axes, copy_rate, teraflops)
    for arm, color in ARM_COLORS.items():
        for direction, marker in MARKERS.items():
            if (arm, direction) in points:
                intensities, rates = np.array(points[arm, direction]).T
                axes.plot(intensities, rates / 1e12, marker, ms=4.5, mfc="none", color=color)
    axes.set(
        xscale="log", yscale="log", xlim=_INTENSITIES,
        xlabel="operations per byte", ylabel="10¹² operations per second",
    )  # fmt: skip
    figure.legend(handles=_legend(points), loc="outside upper center", ncols=4)
    return signed(figure, origin)


def _legend(points: Iterable[tuple[str, str]]) -> list[Line2D]:
    """A color for each arm, a marker for each direction."""
    arms = {arm for arm, _ in points}
    return [
        *(
            Line2D([], [], ls="", marker="o", ms=5, color=color, label=arm)
            for arm, color in ARM_COLORS.items()
            if arm in arms
        ),
        *(
            Line2D([], [], ls="", marker=marker, ms=5, mfc="none", color=INK, label=direction)
            for direction, marker in MARKERS.items()
        ),
    ]


def _roofs(axes: Axes, copy_rate: float | None, teraflops: float | None) -> None:
    """Along memory up to the ridge, then along arithmetic; what is not known is not drawn."""
    ridge = 1e12 * teraflops / copy_rate if copy_rate and teraflops else _INTENSITIES[1]
    if copy_rate:
        along = np.array([_INTENSITIES[0], ridge])
        axes.plot(along, copy_rate / 1e12 * along, color=INK, lw=1.2)
        axes.annotate(
            f"copy, measured:\n{copy_rate / 1e12:.2f} TB/s", (2.2, copy_rate / 1e12 * 2.2),
            xytext=(8, -8), textcoords="offset points", color=INK, fontsize=8.5, va="top",
        )  # fmt: skip
    if teraflops:
        axes.plot([ridge, _INTENSITIES[1]], [teraflops] * 2, color=INK, lw=1.2)
        axes.annotate(
            f"arithmetic, data sheet: {teraflops:g} TFLOP/s", (_INTENSITIES[1], teraflops),
            xytext=(0, 4), textcoords="offset points", color=INK, fontsize=8.5, ha="right",
        )  # fmt: skip
    if copy_rate and teraflops:
        axes.axvline(ridge, color=FAINT, ls=":", lw=1.2)
        axes.annotate(
            f"ridge: {ridge:.1f}", (ridge, 0.0), xycoords=("data", "axes fraction"),
            xytext=(4, 6), textcoords="offset points", color=INK, fontsize=8.5,
        )  # fmt: skip
