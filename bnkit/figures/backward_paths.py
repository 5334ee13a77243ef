"""How does a gradient get from the loss to x through batch normalization? Three paths."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnkit.figures.style import BLUE, FAINT, GREEN, INK, ORANGE, WIDE

PATH_COLORS = {"direct": BLUE, "mean": ORANGE, "variance": GREEN}
PATH_LABELS = {
    "direct": "direct",
    "mean": "through the mean",
    "variance": "through the variance",
}


class Edge(NamedTuple):
    """One step of the gradient, against the direction of the computation.

    Attributes:
        start: the node whose gradient is known.
        end: the node whose gradient it feeds.
        factor: the local derivative, TeX without dollar signs.
        path: "direct", "mean" or "variance"; "all" where the paths still share the edge,
            "parameter" where it ends at gamma or beta, "zero" where nothing gets through.
    """

    start: str
    end: str
    factor: str
    path: str


EDGES = (
    Edge("L", "y", r"\mathrm{d}y", "all"),
    Edge("y", "gamma", r"\hat{x}", "parameter"),
    Edge("y", "beta", "1", "parameter"),
    Edge("y", "x_hat", r"\gamma", "all"),
    Edge("x_hat", "x", "r", "direct"),
    Edge("x_hat", "mu", "-r", "mean"),
    Edge("mu", "x", r"\frac{1}{N}", "mean"),
    Edge("x_hat", "var", r"-\frac{1}{2}(x-\mu)\,r^3", "variance"),
    Edge("var", "x", r"\frac{2}{N}(x-\mu)", "variance"),
    Edge("var", "mu", "0", "zero"),
)

_NODES = {  # (x, y) on the page, TeX
    "x": ((0.0, 0.0), "x"),
    "mu": ((2.1, 1.3), r"\mu"),
    "var": ((2.1, -1.3), r"\sigma^2"),
    "x_hat": ((4.4, 0.0), r"\hat{x}"),
    "y": ((6.0, 0.0), "y"),
    "gamma": ((6.0, 1.3), r"\gamma"),
    "beta": ((6.0, -1.3), r"\beta"),
    "L": ((7.5, 0.0), "L"),
}
_NODE_SIZE = 30  # points across
# Where a factor is written, as an offset from the middle of its edge.
_OFFSETS = {
    ("L", "y"): (0.0, 0.27),
    ("y", "gamma"): (0.22, 0.0),
    ("y", "beta"): (0.18, 0.0),
    ("y", "x_hat"): (0.0, 0.27),
    ("x_hat", "x"): (-0.55, 0.25),
    ("x_hat", "mu"): (0.25, 0.25),
    ("mu", "x"): (-0.3, 0.22),
    ("x_hat", "var"): (0.62, -0.42),
    ("var", "x"): (-0.55, -0.35),
    ("var", "mu"): (0.2, 0.42),
}


def computational_graph() -> Figure:
    """The graph of batch normalization with its backward edges, colored by path.

    The computation runs from left to right; the arrows are the gradient, which runs back.
    """
    figure, axes = plt.subplots(figsize=(7.2, 3.3))
    for edge in EDGES:
        _draw_edge(axes, edge)
    for place, symbol in _NODES.values():
        axes.plot(*place, "o", ms=_NODE_SIZE, mfc="white", mec=INK, mew=1.2, zorder=3)
        axes.text(*place, f"${symbol}$", ha="center", va="center", fontsize=14, zorder=4)
    for path, color in PATH_COLORS.items():
        axes.plot([], [], color=color, lw=2.4, label=PATH_LABELS[path])
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, 1.08))
    axes.set(xlim=(-0.5, 8.0), ylim=(-1.9, 2.0))
    axes.set_axis_off()
    return figure


def _draw_edge(axes: Axes, edge: Edge) -> None:
    start, end = _NODES[edge.start][0], _NODES[edge.end][0]
    color = PATH_COLORS.get(edge.path, INK if edge.path == "all" else FAINT)
    style = {
        "arrowstyle": "-|>",
        "color": color,
        "lw": 1.2 if edge.path in ("zero", "parameter") else 2.4,
        "ls": "--" if edge.path == "zero" else "-",
        "mutation_scale": 14,
        "shrinkA": _NODE_SIZE / 2 + 1,
        "shrinkB": _NODE_SIZE / 2 + 1,
    }
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
    shift = _OFFSETS[edge.start, edge.end]
    place = [(a + b) / 2 + d for a, b, d in zip(start, end, shift, strict=True)]
    axes.text(*place, f"${edge.factor}$", color=color, ha="center", va="center", fontsize=12)


def path_contributions(paths: Mapping[str, np.ndarray]) -> Figure:
    """What each path carries to each example of one channel, and the sum.

    Args:
        paths: "direct", "mean" and "variance" to arrays of shape (N,).
    """
    figure, axes = plt.subplots(figsize=(7.2, 3.2))
    num_examples = len(paths["direct"])
    places = np.arange(num_examples)
    for shift, (path, color) in zip((-0.26, 0.0, 0.26), PATH_COLORS.items(), strict=True):
        axes.bar(places + shift, paths[path], 0.24, color=color, label=PATH_LABELS[path])
    total = sum(paths[path] for path in PATH_COLORS)
    axes.plot(places, total, "D", color=INK, ms=6, label="sum: gradient at x")
    axes.axhline(0.0, color=INK, lw=0.8)
    axes.grid(visible=False, axis="x")
    axes.set(xlabel="example in the batch", ylabel="gradient", xticks=places)
    axes.set_xticklabels([str(place + 1) for place in places])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=4)
    return figure


def gradient_as_residual(x_hat: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> Figure:
    """Left: the gradient that arrives, with its least-squares line; right: what is left of it.

    Args:
        x_hat: (N,) normalized values of one channel.
        dy: (N,) gradient at the output.
        dx: (N,) gradient at the input, divided by gamma / sigma.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE, sharey=True)
    slope, intercept = np.polyfit(x_hat, dy, 1)
    ends = np.array([x_hat.min() - 0.3, x_hat.max() + 0.3])
    left.plot(ends, intercept + slope * ends, color=ORANGE, label="least-squares line")
    left.vlines(x_hat, intercept + slope * x_hat, dy, color=FAINT, lw=1.2)
    left.plot(x_hat, dy, "o", color=BLUE, ms=5)
    left.set(xlabel=r"$\hat{x}$", ylabel="gradient", title=r"$\mathrm{d}y$: what arrives")
    left.legend(loc="best")
    right.axhline(0.0, color=ORANGE)
    right.vlines(x_hat, 0.0, dx, color=FAINT, lw=1.2)
    right.plot(x_hat, dx, "o", color=BLUE, ms=5)
    right.set(xlabel=r"$\hat{x}$", title=r"$\mathrm{d}x\cdot\sigma/\gamma$: what passes")
    return figure


def gradient_check(steps: np.ndarray, errors: Mapping[str, Sequence[float]]) -> Figure:
    """Relative error of central differences against the step size, one curve per case.

    Args:
        steps: (S,) step sizes h.
        errors: label to S relative errors.
    """
    figure, axes = plt.subplots()
    for label, curve in errors.items():
        axes.loglog(steps, curve, "o-", ms=3.5, label=label)
    axes.set(xlabel="step h", ylabel="relative error of the gradient")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=len(errors))
    return figure


def epsilon_correction(
    ratios: np.ndarray, predicted: np.ndarray, measured: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> Figure:
    """How far the weight gradient is from orthogonal to the weights, as epsilon matters less.

    Args:
        ratios: (P,) variance over epsilon, where the prediction is drawn.
        predicted: (P,) epsilon / (variance + epsilon).
        measured: label to (ratios, values), both (A,).
    """
    figure, axes = plt.subplots()
    axes.loglog(ratios, predicted, color=FAINT, label=r"$\varepsilon\,/\,(\sigma^2+\varepsilon)$")
    for marker, (label, (x, y)) in zip("osD", measured.items(), strict=False):
        axes.loglog(x, y, marker, ms=6, mfc="none", mew=1.6, label=label)
    axes.set(
        xlabel=r"$\sigma^2/\varepsilon$",
        ylabel=r"$\langle w,\mathrm{d}w\rangle\,/\,\gamma\,\mathrm{d}\gamma$",
    )
    axes.legend()
    return figure
