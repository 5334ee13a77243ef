"""One example in random company: the law of its normalized value, and what a net makes of it."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from bnkit.figures.findings import NOT_YET
from bnkit.figures.interactive import Interactive, slider
from bnkit.figures.style import BLUE, CYCLE, FAINT, INK, ORANGE, SINGLE, WIDE

Array = NDArray[np.float64]

VARIANCE = "output_variance@"  # metric of the records, with the batch size behind it


def density(y: ArrayLike, x: float, size: int) -> Array:
    """Density of the normalized value of x, whose mates are independent standard normal numbers.

    With mean m' and standard deviation s of the size - 1 mates, and t = (x - m') / s, it is
    √(size - 1) t / √(size + t²). Given s, t is normal; √(size - 1) s has a chi distribution.

    Args:
        y: (P,) within ±√(size - 1), which bounds every normalized value.
        x: in standard deviations of its mates.
        size: m, the batch with x in it, at least 4.
    """
    u = np.asarray(y) / np.sqrt(size - 1)
    t = np.sqrt(size) * u / np.sqrt(1 - u**2)
    s, weight = _spreads(size)
    away = (t[:, None] * s - x) * np.sqrt(size - 1)  # (P, S), standard normal given s
    of_t = np.exp(-(away**2) / 2) @ (s * weight) * np.sqrt((size - 1) / (2 * np.pi))
    return of_t * np.sqrt(size) / (1 - u**2) ** 1.5 / np.sqrt(size - 1)


def moments(x: float, size: int) -> tuple[float, float]:
    """Mean and variance of the normalized value of x over its mates, at least 3 of them."""
    s, of_s = _spreads(size)
    z, of_z = np.polynomial.hermite_e.hermegauss(60)  # of the mates' mean
    t = (x - z / np.sqrt(size - 1)) / s[:, None]  # (S, Z)
    y = np.sqrt(size - 1) * t / np.sqrt(size + t**2)
    weight = of_s[:, None] * of_z / of_z.sum()
    mean = float((weight * y).sum())
    return mean, float((weight * (y - mean) ** 2).sum())


def _spreads(size: int) -> tuple[Array, Array]:
    """Standard deviations (`var_biased`) of size - 1 normal numbers, and the weight of each."""
    if size < 4:
        raise ValueError(f"a batch of {size}: give 4 or more, the density of fewer has poles")
    spread = stats.chi(size - 2, scale=1 / np.sqrt(size - 1))
    s = np.linspace(spread.ppf(1e-13), spread.ppf(1 - 1e-13), 1_000)
    weight = spread.pdf(s)
    return s, weight / weight.sum()


def by_batch_size(
    sizes: Sequence[int], examples: Sequence[float], *, start: int, name: str
) -> Interactive:
    """The law of a few examples' normalized values, a batch size at each position of the slider.

    Args:
        sizes: of the batch, each at least 4.
        examples: x, in standard deviations of the mates.
        start: the size shown first.
        name: id of the figure on its page.
    """
    figure = slider(
        [(f"{size}", _laws(size, examples)) for size in sizes],
        label="m = ",
        start=list(sizes).index(start),
        x_title="normalized value",
        y_title="density / its maximum",
        x_range=(min(examples) - 2.2, max(examples) + 1.2),
        y_range=(0.0, 1.05),
    )
    alt = (
        "The density of the normalized value of an example among random mates, for the batch size "
        f"of the slider and for {len(examples)} examples, each at its own place, with the normal "
        "approximation dashed. From wide and skewed humps at small batches to narrow peaks at "
        "large ones; the hump of the example that lies farthest out is cut off on the right."
    )
    return Interactive(figure, alt=alt, name=name, height=460)


def _laws(size: int, examples: Sequence[float]) -> list[go.Scatter]:
    edge = np.sqrt(size - 1)
    low, high = max(-edge, min(examples) - 2.2), min(edge, max(examples) + 1.2)
    y = np.linspace(low, high, 203)[1:-1]
    found = []
    for x, color in zip(examples, CYCLE, strict=False):
        exact = density(y, x, size)
        normal = stats.norm.pdf(y, x, np.sqrt((1 + x**2 / 2) / size))
        for values, label, width, dash in (
            (exact, f"x = {x:g}", 2.5, "solid"),
            (normal, "normal, variance (1 + x²/2) / m", 1.2, "dash"),
        ):
            found.append(
                go.Scatter(
                    x=np.round(y, 3),
                    y=np.round(values / values.max(), 3),
                    name=label,
                    mode="lines",
                    line={"color": color, "width": width, "dash": dash},
                    showlegend=dash == "solid" or x == examples[-1],
                )
            )
    return found


def variances(runs: Mapping[float, pd.DataFrame]) -> Figure:
    """Variance over mates against the batch size: dots are seeds, lines the exact law.

    Args:
        runs: x -> a row a seed with columns "output_variance@m".
    """
    figure, axes = plt.subplots(figsize=SINGLE)
    for (x, table), color in zip(sorted(runs.items()), CYCLE, strict=False):
        sizes = _sizes(table)
        for size in sizes:
            values = table[f"{VARIANCE}{size}"]
            axes.plot([size] * len(values), values, ".", color=color, alpha=0.4, markersize=5)
        exact = [moments(x, size)[1] for size in sizes]
        axes.plot(sizes, exact, color=color, linewidth=1.2, label=f"x = {x:g}")
        guide = [(1 + x**2 / 2) / size for size in sizes]
        axes.plot(sizes, guide, ":", color=color, linewidth=1.2)
    axes.set(xlabel="examples in the batch, m", ylabel="variance of the normalized value")
    if not runs:
        axes.text(0.5, 0.5, NOT_YET, transform=axes.transAxes, ha="center", color=FAINT)
        return figure
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sizes, [f"{size}" for size in sizes])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend()
    return figure


def slopes(runs: Mapping[float, pd.DataFrame]) -> pd.DataFrame:
    """The log-log slope of the variance against the batch size: a row an example.

    Args:
        runs: as for `variances`.
    """
    rows = {}
    for x, table in sorted(runs.items()):
        logs = np.log(_sizes(table))
        measured = np.log(table[[f"{VARIANCE}{size}" for size in _sizes(table)]].to_numpy())
        exact = np.log([moments(x, size)[1] for size in _sizes(table)])
        of_seeds = np.polyfit(logs, measured.T, 1)[0]  # (seeds,)
        rows[f"{x:g}"] = (of_seeds.mean(), of_seeds.min(), of_seeds.max(), _slope(logs, exact))
    columns = ["mean", "smallest", "largest", "exact law"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("x")


def _slope(x: Array, y: Array) -> float:
    return float(np.polyfit(x, y, 1)[0])


def _sizes(table: pd.DataFrame) -> list[int]:
    return sorted(int(str(c).removeprefix(VARIANCE)) for c in table if VARIANCE in str(c))


def in_a_net(variance: Mapping[int, ArrayLike], changed: Mapping[int, ArrayLike]) -> Figure:
    """Left the variance of logits over mates, right the share of decisions that mates change.

    Args:
        variance: batch size -> (examples,) of each example's logits.
        changed: batch size -> (examples,) share of draws with another decision than with running
            statistics.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=WIDE)
    sizes = list(variance)
    spread = np.array([np.asarray(variance[size]) for size in sizes])  # (sizes, examples)
    left.plot(sizes, spread, color=BLUE, alpha=0.3, linewidth=0.7)
    middle = np.median(spread, axis=1)
    left.plot(sizes, middle, "o-", color=BLUE, markersize=4, label="median example")
    guide = middle[-1] * sizes[-1] / np.array(sizes)
    left.plot(sizes, guide, "--", color=INK, linewidth=1.2, label="slope −1")
    left.set(ylabel="variance of the logits (nat²)", yscale="log")
    left.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
    left.yaxis.set_major_formatter("{x:g}")
    left.yaxis.set_minor_formatter("{x:g}")
    left.legend()
    shares = 100 * np.array([np.asarray(changed[size]) for size in sizes])
    right.plot(sizes, shares, color=ORANGE, alpha=0.3, linewidth=0.7)
    right.plot(sizes, shares.mean(axis=1), "o-", color=ORANGE, markersize=4, label="mean")
    right.set(ylabel="decisions changed by mates (%)", ylim=(0, None))
    right.legend()
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [f"{size}" for size in sizes])
        axes.set_xlabel("examples in the batch, m")
    return figure
