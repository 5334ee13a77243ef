"""How sure are we of one number? Estimates whose bounds and p-values always agree.

Every estimate gives one-sided bounds and one-sided p-values, and `lower(alpha) > x` holds exactly
where `p_above(x) <= alpha` (`upper` and `p_below` likewise), so that a verdict may be read off
either. A 95 % interval is `lower(0.025)` to `upper(0.025)`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from bnkit.judging.rules import Array


class Estimate(Protocol):
    """An effect with its uncertainty."""

    @property
    def effect(self) -> float:
        """The point estimate."""

    @property
    def n(self) -> int:
        """How many seeds, trials or replicates it rests on."""

    def lower(self, alpha: float) -> float:
        """Bound that the true effect undershoots with probability at most alpha."""

    def upper(self, alpha: float) -> float:
        """Bound that the true effect exceeds with probability at most alpha."""

    def p_above(self, x: float) -> float:
        """One-sided p of "the effect is at most x": small where it lies above x."""

    def p_below(self, x: float) -> float:
        """One-sided p of "the effect is at least x": small where it lies below x."""


@dataclass(frozen=True)
class Mean:
    """The mean over seeds with Student's t on n - 1 degrees of freedom."""

    effect: float
    standard_error: float
    n: int

    @classmethod
    def of(cls, effects: ArrayLike) -> "Mean":
        """From one finite effect a seed, shape (n,), n >= 2."""
        values = np.asarray(effects, dtype=float)
        error = float(values.std(ddof=1) / np.sqrt(len(values)))
        # Equal values differ from their computed mean by rounding; that is not a spread.
        if np.ptp(values) == 0:
            return cls(float(values[0]), 0.0, len(values))
        return cls(float(values.mean()), error, len(values))

    def lower(self, alpha: float) -> float:
        """As in `Estimate`."""
        return self.effect - float(stats.t.isf(alpha, self.n - 1)) * self.standard_error

    def upper(self, alpha: float) -> float:
        """As in `Estimate`."""
        return self.effect + float(stats.t.isf(alpha, self.n - 1)) * self.standard_error

    def p_above(self, x: float) -> float:
        """As in `Estimate`."""
        if self.standard_error == 0:
            return 0.0 if self.effect > x else 1.0
        return float(stats.t.sf((self.effect - x) / self.standard_error, self.n - 1))

    def p_below(self, x: float) -> float:
        """As in `Estimate`."""
        if self.standard_error == 0:
            return 0.0 if self.effect < x else 1.0
        return float(stats.t.cdf((self.effect - x) / self.standard_error, self.n - 1))


@cache
def _signed_rank_tail(n: int) -> Array:
    """P(W <= w) for w = 0 .. n (n + 1) / 2, the exact null law of Wilcoxon's signed-rank sum."""
    ways = np.ones(1)
    for rank in range(1, n + 1):
        longer = np.zeros(len(ways) + rank)
        longer[: len(ways)] += ways
        longer[rank:] += ways
        ways = longer
    return np.cumsum(ways) / 2.0**n


@dataclass(frozen=True)
class Rank:
    """Hodges and Lehmann's median of pairwise means, with the interval of Wilcoxon's signed ranks.

    Free of any distribution but for the symmetry of the paired effects, and at home with infinite
    ones: a run that never arrives. An effect that is unknown (NaN: both arms infinite) counts as
    minus infinity in lower bounds and as plus infinity in upper ones. The closed interval is
    conservative under ties. Fewer than 6 seeds cannot give 95 %: the bounds are then infinite.
    """

    effect: float
    n: int
    means_low: Array
    means_high: Array

    @classmethod
    def of(cls, effects: ArrayLike) -> "Rank":
        """From one effect a seed, shape (n,), n >= 2; infinities and NaN are allowed."""
        values = np.asarray(effects, dtype=float)

        def pairwise_means(unknown: float) -> Array:
            known = np.where(np.isnan(values), unknown, values)
            first, second = np.triu_indices(len(values))
            with np.errstate(invalid="ignore"):  # minus infinity with plus infinity is unknown
                means = known[first] / 2 + known[second] / 2
            return np.sort(np.where(np.isnan(means), unknown, means))

        middle = pairwise_means(0.0)
        below, above = middle[(len(middle) - 1) // 2], middle[len(middle) // 2]
        effect = below if below == above else below / 2 + above / 2
        effect = 0.0 if np.isnan(effect) else float(effect)
        return cls(effect, len(values), pairwise_means(-np.inf), pairwise_means(np.inf))

    def lower(self, alpha: float) -> float:
        """As in `Estimate`."""
        skipped = int(np.searchsorted(_signed_rank_tail(self.n), alpha, side="right"))
        return float(self.means_low[skipped - 1]) if skipped else -np.inf

    def upper(self, alpha: float) -> float:
        """As in `Estimate`."""
        skipped = int(np.searchsorted(_signed_rank_tail(self.n), alpha, side="right"))
        return float(self.means_high[-skipped]) if skipped else np.inf

    def p_above(self, x: float) -> float:
        """As in `Estimate`."""
        return float(_signed_rank_tail(self.n)[int((self.means_low <= x).sum())])

    def p_below(self, x: float) -> float:
        """As in `Estimate`."""
        return float(_signed_rank_tail(self.n)[int((self.means_high >= x).sum())])


@dataclass(frozen=True)
class Share:
    """A share of independent trials, with the exact interval of Clopper and Pearson."""

    hits: int
    n: int

    @property
    def effect(self) -> float:
        """The observed share."""
        return self.hits / self.n

    def lower(self, alpha: float) -> float:
        """As in `Estimate`."""
        if self.hits == 0:
            return 0.0
        return float(stats.beta.ppf(alpha, self.hits, self.n - self.hits + 1))

    def upper(self, alpha: float) -> float:
        """As in `Estimate`."""
        if self.hits == self.n:
            return 1.0
        return float(stats.beta.isf(alpha, self.hits + 1, self.n - self.hits))

    def p_above(self, x: float) -> float:
        """As in `Estimate`."""
        return float(stats.binom.sf(self.hits - 1, self.n, x))

    def p_below(self, x: float) -> float:
        """As in `Estimate`."""
        return float(stats.binom.cdf(self.hits, self.n, x))


@dataclass(frozen=True)
class Replicates:
    """Bootstrap replicates of one estimate, with their percentile interval."""

    effect: float
    n: int
    values: Array

    @classmethod
    def of(
        cls, replicates: ArrayLike, effect: float | None = None, n: int | None = None
    ) -> "Replicates":
        """From the replicates, shape (B,).

        The effect is their median and n their number, unless the estimate itself and the number
        that it rests on are at hand.
        """
        values = np.sort(np.asarray(replicates, dtype=float))
        middle = float(np.median(values)) if effect is None else effect
        return cls(middle, len(values) if n is None else n, values)

    def lower(self, alpha: float) -> float:
        """As in `Estimate`."""
        skipped = int(np.floor(alpha * (len(self.values) + 1)))
        return float(self.values[skipped - 1]) if skipped else -np.inf

    def upper(self, alpha: float) -> float:
        """As in `Estimate`."""
        skipped = int(np.floor(alpha * (len(self.values) + 1)))
        return float(self.values[-skipped]) if skipped else np.inf

    def p_above(self, x: float) -> float:
        """As in `Estimate`."""
        return float((1 + (self.values <= x).sum()) / (1 + len(self.values)))

    def p_below(self, x: float) -> float:
        """As in `Estimate`."""
        return float((1 + (self.values >= x).sum()) / (1 + len(self.values)))
