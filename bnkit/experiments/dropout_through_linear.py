"""Does the variance shift of dropout survive a linear layer?

Li et al. (2019), equations 10 to 14. Of d inputs with mean c, variance v and correlation r between
any two, each is kept with probability p and divided by p; then comes a sum with weights w. With
(cos θ)² = (Σ w)² / (d Σ w²) the variance in evaluation over the one in training is

    (v + v r k) / ((c² + v) / p - c² + v r k),   k = d (cos θ)² - 1.

It tends to 1 if r and cos θ stay above 0 as d grows: what the inputs share adds up faster than what
dropout adds to each. The arm "trials" is that case. Weights drawn around 0 have (cos θ)² of about
1 / d, so that k does not grow and the shift stays: the arm "random-weights".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnkit.experiments import drawn, dropout_variance_shift
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class DropoutThroughLinear:
    """Correlated inputs, dropout, one linear unit."""

    # Scientific: what the chapter compares.
    cos_squared: float | None  # of the weights with the constant vector; None: weights N(0, 1)
    # Fixed: the verdict holds for these values only, and the chapter says so.
    correlation: float = 0.25
    kept: float = 0.5
    mean: float = 0.0
    variance: float = 1.0
    widths: tuple[int, ...] = (16, 32, 64, 128, 256, 512, 1024)
    num_samples: int = 4_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {
    "trials": DropoutThroughLinear(cos_squared=0.05),  # the paper measured 0.01 to 0.10
    "random-weights": DropoutThroughLinear(cos_squared=None),
}


def run(spec: DropoutThroughLinear, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each width "distance_from_one@d", 1 less the ratio of variances.

    Also "formula_error", the largest relative error of equation 14, and "steps_held", in how many
    of the steps from one width to the next the ratio rose.
    """
    return drawn(measure, spec, seeds)


def measure(spec: DropoutThroughLinear, rng: np.random.Generator) -> dict[str, float]:
    """One seed of the Monte Carlo: the same inputs with dropout and without."""
    ratios, errors = [], []
    for width in spec.widths:
        w = draw_weights(spec, width, rng)
        x = _inputs(spec, width, rng)
        coin = rng.random(x.shape) < spec.kept
        ratio = np.var(x @ w) / np.var((x * coin) @ w / spec.kept)
        ratios.append(float(ratio))
        errors.append(abs(ratio / shift(spec, w) - 1.0))
    found = {f"distance_from_one@{d}": 1.0 - r for d, r in zip(spec.widths, ratios, strict=True)}
    steps_held = float(np.sum(np.diff(ratios) > 0))
    return {**found, "formula_error": float(max(errors)), "steps_held": steps_held}


def shift(spec: DropoutThroughLinear, w: np.ndarray) -> float:
    """Equation 14, for the weights w (d,)."""
    k = w.sum() ** 2 / (w @ w) - 1.0
    shared = spec.variance * spec.correlation * k
    alone = dropout_variance_shift.shift(spec.kept, spec.mean, spec.variance)
    return float((spec.variance + shared) / (spec.variance / alone + shared))


def draw_weights(spec: DropoutThroughLinear, width: int, rng: np.random.Generator) -> np.ndarray:
    """(d,) weights: any direction, or one at a given angle to the constant vector."""
    w = rng.standard_normal(width)
    if spec.cos_squared is None:
        return w
    across = w - w.mean()
    across /= np.linalg.norm(across)
    return np.asarray(np.sqrt(spec.cos_squared / width) + np.sqrt(1.0 - spec.cos_squared) * across)


def _inputs(spec: DropoutThroughLinear, width: int, rng: np.random.Generator) -> np.ndarray:
    """(samples, d) normal inputs, each made of a part that all share and one of its own."""
    own = rng.standard_normal((spec.num_samples, width))
    shared = rng.standard_normal((spec.num_samples, 1))
    r = spec.correlation
    centered = np.sqrt(spec.variance) * (np.sqrt(r) * shared + np.sqrt(1.0 - r) * own)
    return np.asarray(spec.mean + centered)
