"""By how much does dropout in front of batch normalization shift the variance?

Li et al. (2019), equation 8. A unit x of mean c and variance v is kept with probability p and then
divided by p, so that its mean stays c in training; its second moment becomes (c² + v) / p. In
evaluation nothing is dropped. The ratio of the variance that BN meets in evaluation to the one that
it has learned in training is

    v / ((c² + v) / p - c²),   which is p for c = 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnkit.experiments import drawn
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class DropoutVarianceShift:
    """Normal units of several means under dropout of several strengths."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    kept: tuple[float, ...] = (0.3, 0.5, 0.7, 0.9)  # p, the probability to keep a unit
    means: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)  # c, in units of sqrt(v)
    variance: float = 1.0
    num_samples: int = 4_000_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": DropoutVarianceShift()}


def run(spec: DropoutVarianceShift, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """The "ratio-c@p" of variances, and "max_error", its largest relative error over the grid."""
    return drawn(measure, spec, seeds)


def shift(p: float, c: float, v: float) -> float:
    """Equation 8: variance in evaluation over variance in training."""
    return v / ((c**2 + v) / p - c**2)


def measure(spec: DropoutVarianceShift, rng: np.random.Generator) -> dict[str, float]:
    """One seed of the Monte Carlo."""
    found, worst = {}, 0.0
    for p in spec.kept:
        centered = np.sqrt(spec.variance) * rng.standard_normal(spec.num_samples)
        coin = rng.random(spec.num_samples) < p
        for c in spec.means:
            x = c + centered
            ratio = float(x.var() / (x * coin / p).var())
            found[f"ratio-{c:g}@{p:g}"] = ratio
            worst = max(worst, abs(ratio / shift(p, c, spec.variance) - 1.0))
    return {"max_error": worst, **found}
