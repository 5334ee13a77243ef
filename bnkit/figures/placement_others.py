"""Beside the grid of placements: another net, more nonlinearities, gamma and beta on their own.

Runs have a row a seed and a column a metric, the value at the last step.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from bnkit.figures import table_html
from bnkit.figures.findings import NOT_YET
from bnkit.figures.placement import Runs, paired, strips
from bnkit.figures.style import AMBER, BLUE, COLORS, CYCLE, FAINT, GREEN, INK, LABELS, PINK, WIDE

CELLS = {
    "none-relu": ("no BN", COLORS["none"]),
    "before-affine-relu": ("front\nγ, β", BLUE),
    "before-bare-relu": ("front\nbare", BLUE),
    "after-affine-relu": ("behind\nγ, β", GREEN),
    "after-bare-relu": ("behind\nbare", GREEN),
}
NAMES = {
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "prelu": "PReLU",
    "elu": "ELU",
    "tanh": "tanh",
}
PARTS = {
    "all": ("all", INK),
    "affine-only": ("γ and β", BLUE),
    "random-weights-only": ("as many\nweights", AMBER),
    "head-only": ("head", PINK),
}


def other_nets(
    nets: Mapping[str, Runs], published: Mapping[str, Sequence[float]], *, source: str
) -> Figure:
    """Test errors of the placements with ReLU, a panel a net, the last one of published runs.

    Args:
        nets: title -> runs, with a column "test_error" (fraction).
        published: label -> accuracies (fraction), single runs; the first is without BN.
        source: title of the last panel.
    """
    ratios = [len(CELLS)] * len(nets) + [len(published)]
    figure, panels = plt.subplots(1, len(nets) + 1, figsize=(7.2, 3.2), width_ratios=ratios)
    for axes, (title, runs) in zip(panels, nets.items(), strict=False):
        strips(
            axes,
            [
                (label, 100 * runs[arm]["test_error"] if arm in runs else [], color)
                for arm, (label, color) in CELLS.items()
            ],
        )
        axes.tick_params(axis="x", labelsize=7)
        axes.set_title(title, fontsize=10)
    colors = (COLORS["none"], BLUE, GREEN)
    errors = {label: 100 * (1 - np.array(values)) for label, values in published.items()}
    strips(
        panels[-1],
        [(label, e, color) for (label, e), color in zip(errors.items(), colors, strict=True)],
    )
    panels[-1].set_title(source, fontsize=10)
    panels[-1].tick_params(axis="x", labelsize=7)
    panels[0].set_ylabel("test error (%)")
    return figure


def depends_on_the_net(first: Runs, second: Runs) -> str:
    """Whether the better place is the same in two nets with γ and β, as a sentence."""
    pair = {"after-affine-relu": 1.0, "before-affine-relu": -1.0}
    found = [paired(runs, pair, "test_error") for runs in (first, second)]
    if None in found:
        return "That the better place is the same in both nets is not yet measured."
    signs = [
        1 if mean.lower(0.025) > 0 else -1 if mean.upper(0.025) < 0 else 0
        for mean in found
        if mean is not None
    ]
    if 0 in signs:
        return "In one of our two nets at least, the interval of the difference holds zero."
    same = "the same" if signs[0] == signs[1] else "not the same"
    return f"The better place is {same} in our two nets."


def nonlinearities(runs: Runs, published: Mapping[str, tuple[float, float]]) -> Figure:
    """Accuracy without BN and with it, a line a nonlinearity; left ours, right published.

    Args:
        runs: "none" and "batch" -> columns "test_accuracy@NAME" (fraction).
        published: name -> (without BN, with BN behind), single runs.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    ours = {
        label: [
            100 * runs[arm][f"test_accuracy@{name}"].to_numpy() if arm in runs else np.array([])
            for arm in ("none", "batch")
        ]
        for name, label in NAMES.items()
    }
    _slopes(left, ours if runs else {}, "here: 1,000 images of MNIST")
    theirs = {name: [100 * np.array([value]) for value in pair] for name, pair in published.items()}
    _slopes(right, theirs, "caffenet, single runs")
    left.set_ylabel("test accuracy (%)")
    return figure


def _slopes(axes: Axes, lines: Mapping[str, Sequence[ArrayLike]], title: str) -> None:
    ends = []
    for number, (name, pair) in enumerate(lines.items()):
        color = (*CYCLE, INK)[number % (len(CYCLE) + 1)]
        means = {}
        for place, values in enumerate(map(np.asarray, pair)):
            axes.plot(np.full(len(values), place), values, ".", color=color, alpha=0.3, ms=4)
            if len(values):
                means[place] = values.mean()
        axes.plot(list(means), list(means.values()), "o-", color=color, markersize=4)
        if 1 in means:
            ends.append((means[1], name, color))
    _label_ends(axes, ends)
    axes.set_xticks([0, 1], [LABELS["none"], LABELS["batch"]])
    axes.set(xlim=(-0.25, 1.75))
    axes.set_title(title, fontsize=10)
    axes.grid(visible=False, axis="x")
    if not lines:
        axes.set_yticks([])
        axes.text(0.5, 0.5, NOT_YET, transform=axes.transAxes, ha="center", color=FAINT)


def _label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Names at the right ends, moved apart until they do not overlap."""
    low, high = axes.get_ylim()
    gap, last = 0.068 * (high - low), -np.inf
    for value, name, color in sorted(ends):
        last = max(value, last + gap)
        axes.annotate(
            name, (1.0, value), xytext=(1.12, last), va="center", fontsize=8, color=color,
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.5, "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip
    axes.set_ylim(low, max(high, last + gap))


def spreads(runs: Runs, published: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """The largest less the smallest accuracy in points, as text, ours over seeds and published.

    Args:
        runs: "none" and "batch" -> columns "accuracy_spread" and "accuracy_spread_all" (fraction).
        published: name -> (without BN, with BN); the family is that of ReLU.
    """
    family = [pair for name, pair in published.items() if name.endswith("LU")]
    some = [pair for name, pair in published.items() if name.endswith("LU") or name == "tanh"]
    rows = {}
    for label, metric, pairs in (
        ("family of ReLU", "accuracy_spread", family),
        ("and tanh", "accuracy_spread_all", some),
    ):
        row = {
            f"here, {LABELS[arm]}": f"{100 * runs[arm][metric].mean():.2f}"
            if arm in runs
            else NOT_YET
            for arm in ("none", "batch")
        }
        for arm, values in zip(("none", "batch"), zip(*pairs, strict=True), strict=True):
            row[f"caffenet, {LABELS[arm]}"] = f"{100 * (max(values) - min(values)):.1f}"
        rows[label] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def trained_alone(runs: Runs, live: Runs) -> Figure:
    """Test accuracy by what is trained, live and recorded, and how large gammas become.

    Args:
        runs: arm of `PARTS` -> columns "test_accuracy" and "gamma_size@q"; may be empty.
        live: the same of a small net.
    """
    figure, panels = plt.subplots(1, 3, figsize=(7.2, 3.1), width_ratios=(4, 4, 3))
    for axes, some, title in zip(panels, (live, runs), ("live: digits", "recorded"), strict=False):
        strips(
            axes,
            [
                (label, 100 * some[arm]["test_accuracy"] if arm in some else [], color)
                for arm, (label, color) in PARTS.items()
            ],
        )
        axes.set_title(title, fontsize=10)
    panels[0].set_ylabel("test accuracy (%)")
    _sizes(panels[2], runs or live, "|γ|, recorded" if runs else "|γ|, live")
    return figure


def _sizes(axes: Axes, runs: Runs, title: str) -> None:
    """Quantiles of the sizes of gamma, mean over seeds."""
    for arm in ("all", "affine-only"):
        if arm in runs:
            table = runs[arm].filter(like="gamma_size@").mean()
            quantiles = [float(str(name).rpartition("@")[2]) for name in table.index]
            order = np.argsort(quantiles)
            label, color = PARTS[arm]
            axes.plot(np.array(quantiles)[order], table.to_numpy()[order], color=color, label=label)
    axes.set(xlabel="share of units", ylim=(0, None), xlim=(0, 1))
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8)


class Rulings:
    """Claims that no run of ours could decide, each with its ruling, as an HTML table.

    Args:
        claims: of the register, editorial ones.
    """

    def __init__(self, claims: Iterable[Any]) -> None:
        self.claims = list(claims)

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """(id, claim, what was published, ruling, why) of each."""
        return [(c.id, c.claim, c.published or "", c.ruling, c.because) for c in self.claims]

    def __repr__(self) -> str:
        return "\n".join(" | ".join(row) for row in self.rows())

    def _repr_html_(self) -> str:
        names = ("id", "claim", "published", "ruling", "why")
        return table_html.table("Rulings", names, table_html.rows(self.rows()))
