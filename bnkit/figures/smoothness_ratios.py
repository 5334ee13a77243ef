"""Plain net over net with BN, by every measure and every ruler: do the answers agree?

Tables have the columns of a row: seed, step, name, value, unit; arms are paired by seed.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from bnkit.figures.findings import NOT_YET, final
from bnkit.figures.scoreboard import short
from bnkit.figures.smoothness import Tables, say
from bnkit.figures.style import BLUE, FAINT, GREEN, GRID, INK, ORANGE, PINK
from bnkit.judging.estimates import Mean

Array = NDArray[np.float64]

WORDS = {
    "above": (BLUE, "smoother with BN"),
    "below": (ORANGE, "rougher with BN"),
    "either": (FAINT, "not distinguishable"),
}


class Ratio(NamedTuple):
    """Of two arms paired by seed: one value a seed, and their geometric mean with its interval."""

    values: Array  # (n,)
    effect: float
    low: float
    high: float

    @property
    def word(self) -> str:
        """On which side of 1 the whole interval lies."""
        if self.low > 1:
            return "above"
        return "below" if self.high < 1 else "either"


def ratio(tables: Tables, over: str, under: str, metric: str) -> Ratio | None:
    """The metric of the arm `over` in relation to that of `under`; 95 % intervals of one ratio.

    None where one of the arms is not recorded or has no such metric, or too few seeds in common. A
    seed whose ratio is not a positive number makes the interval infinite.
    """
    if over not in tables or under not in tables:
        return None
    pair = [final(tables[arm], metric) for arm in (over, under)]
    both = pd.concat(pair, axis=1, join="inner").to_numpy()
    if len(both) < 2:
        return None
    values = both[:, 0] / both[:, 1]
    if not (np.isfinite(values).all() and (values > 0).all()):
        return Ratio(values, np.nan, 0.0, np.inf)
    mean = Mean.of(np.log(values))
    low, high = mean.lower(0.025), mean.upper(0.025)
    return Ratio(values, *(float(np.exp(v)) for v in (mean.effect, low, high)))


Pairs = Mapping[str, Mapping[str, tuple[str, str]]]  # panel -> comparison -> arms over, under
COLORS = (INK, GREEN, PINK)  # of the comparisons


def ratios(
    tables: Tables, pairs: Pairs, metrics: Mapping[str, str], *, thresholds: Sequence[float] = ()
) -> Figure:
    """Plain over BN by every measure: a dot a seed, a bar for the mean and its 95 % interval.

    Args:
        tables: arm -> rows.
        pairs: title of the panel -> label of the comparison -> the two arms.
        metrics: metric -> label of its row, from the top.
        thresholds: other vertical lines than that at 1.
    """
    figure, every = plt.subplots(
        1, len(pairs), figsize=(7.6, 1.5 + 0.34 * len(metrics)), sharey=True, squeeze=False
    )
    colors = dict(
        zip(dict.fromkeys(label for of in pairs.values() for label in of), COLORS, strict=False)
    )
    seen = set()
    for axes, (title, comparisons) in zip(every[0], pairs.items(), strict=True):
        axes.axvline(1, color=INK, linewidth=1.0)
        for threshold in thresholds:
            axes.axvline(threshold, color=FAINT, linestyle="--", linewidth=1.0)
        offsets = np.linspace(-0.16, 0.16, len(comparisons)) if len(comparisons) > 1 else [0.0]
        drawn = 0
        for (label, arms), offset in zip(comparisons.items(), offsets, strict=True):
            for row, metric in enumerate(metrics):
                found = ratio(tables, *arms, metric)
                if found is not None:
                    _one_ratio(axes, row + float(offset), found, colors[label])
                    seen.add(label)
                    drawn += 1
        axes.set(xscale="log", title=title, ylim=(len(metrics) - 0.5, -0.5))
        axes.set_yticks(range(len(metrics)), list(metrics.values()), fontsize=8.5)
        axes.xaxis.set_major_locator(LogLocator(numticks=5))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.grid(visible=False, axis="y")
        for row in range(len(metrics)):
            axes.axhline(row, color=GRID, linewidth=0.8, zorder=0)
        if not drawn:
            axes.set_xlim(0.1, 10)
            say(axes, NOT_YET)
    figure.supxlabel("plain over BN: to the right of 1, smoother with BN", fontsize=10)
    if seen:
        bars = [
            Line2D([], [], color=colors[label], label=label) for label in colors if label in seen
        ]
        figure.legend(handles=bars, loc="outside upper center", ncols=len(bars))
    return figure


def _one_ratio(axes: Axes, y: float, found: Ratio, color: str) -> None:
    finite = found.values[np.isfinite(found.values) & (found.values > 0)]
    axes.plot(finite, np.full(len(finite), y), "o", color=color, alpha=0.3, markersize=3)
    if len(finite) < len(found.values):
        text = f"{len(found.values) - len(finite)} of {len(found.values)} not finite"
        axes.text(0.98, y, text, transform=axes.get_yaxis_transform(), ha="right", va="center",
                  fontsize=7.5, color=color)  # fmt: skip
        return
    axes.plot([found.low, found.high], [y, y], color=color, linewidth=1.8)
    axes.plot(found.effect, y, "|", color=color, markersize=9, markeredgewidth=2)


def matrix(
    tables: Tables,
    pairs: Pairs,
    metrics: Mapping[str, str],
    *,
    judged: Collection[tuple[str, frozenset[str]]] = (),
) -> Figure:
    """Every ruler on every net at both kinds of rates: which net its interval calls the smoother.

    A field has the ratio of the plain net to BN, and its color says on which side of 1 the 95 %
    interval lies. It says so where an arm is not recorded, and is empty where the net is not
    measured with that ruler. A ratio that repeats one above is gray on white.

    Args:
        tables: arm -> rows.
        pairs: net -> label of the comparison -> the two arms, a column each.
        metrics: metric -> label of its row, from the top.
        judged: metric and arms of the ratios that a rule decides, which are in bold type.
    """
    columns = {(net, label): arms for net, of in pairs.items() for label, arms in of.items()}
    names = {arm: set(table["name"]) for arm, table in tables.items()}
    figure, axes = plt.subplots(figsize=(7.6, 1.3 + 0.29 * len(metrics)))
    for x, ((net, _), arms) in enumerate(columns.items()):
        of_net = [names[arm] for pair in pairs[net].values() for arm in pair if arm in names]
        for y, (metric, found, again) in enumerate(each(tables, arms, metrics)):
            color = (WORDS[found.word][0], 0.35) if found and not again else "white"
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=color, edgecolor="white", linewidth=2))
            due = not of_net or any(metric in of_arm for of_arm in of_net)
            absent = "" if set(arms) <= set(tables) or not due else NOT_YET
            written = short(found.effect) if found else absent
            weight = "bold" if (metric, frozenset(arms)) in judged else "normal"
            axes.text(x + 0.5, y + 0.5, written, ha="center", va="center", weight=weight,
                      fontsize=8.5 if found else 7,
                      color=INK if found and not again else FAINT)  # fmt: skip
    axes.set(xlim=(0, len(columns)), ylim=(len(metrics), 0))
    axes.set_xticks(np.arange(len(columns)) + 0.5, [f"{net}\n{of}" for net, of in columns])
    axes.set_yticks(np.arange(len(metrics)) + 0.5, list(metrics.values()))
    axes.tick_params(length=0, labelsize=8.5, top=True, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    looks = [Patch(color=(color, 0.35), label=word) for color, word in WORDS.values()]
    figure.legend(handles=looks, loc="outside lower center", ncols=len(looks))
    return figure


def each(
    tables: Tables, arms: tuple[str, str], metrics: Iterable[str]
) -> Iterator[tuple[str, Ratio | None, bool]]:
    """Metric, ratio of the two arms, and whether an earlier metric has had the very same values.

    Two rulers are one where their lengths are the same.
    """
    had: set[bytes] = set()
    for metric in metrics:
        found = ratio(tables, *arms, metric)
        values = found.values.tobytes() if found else b""
        yield metric, found, bool(values) and values in had
        had.add(values)


def tally(tables: Tables, pairs: Pairs, metrics: Iterable[str]) -> str:
    """How many of these ratios, plain over BN, lie wholly on either side of 1, in words.

    A ratio that repeats one of the same arms does not count.
    """
    metrics = list(metrics)
    arms = [pair for comparisons in pairs.values() for pair in comparisons.values()]
    found = [r for pair in arms for _, r, again in each(tables, pair, metrics) if r and not again]
    if not found:
        return NOT_YET
    counts = Counter(r.word for r in found)
    words = ", ".join(f"{counts[word]} {label}" for word, (_, label) in WORDS.items())
    return f"of {len(found)} ratios {words}"


def text(found: Ratio | None) -> str:
    """A ratio with its interval; a word where there is none."""
    if found is None:
        return NOT_YET
    return f"{short(found.effect)} [{short(found.low)}, {short(found.high)}]"
