"""By how much is a first-order prediction wrong, by the length of the step?

The article's image: who knows position and velocity, and not acceleration, must take short steps.
On L(w) = k w² / 2 a gradient step of rate ε promises a decrease of ε L'(w)²; it is wrong by

    L(w - ε L') - L(w) + ε L'² = ε² k L'² / 2,

half the curvature times the square of the step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnkit.experiments import drawn
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class QuadraticRemainder:
    """A parabola of random curvature, left at a random point."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    rates: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": QuadraticRemainder()}


def run(spec: QuadraticRemainder, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each rate "first_order_error@rate", in the unit of the loss."""
    return drawn(measure, spec, seeds)


def measure(spec: QuadraticRemainder, rng: np.random.Generator) -> dict[str, float]:
    """One seed: the error is measured on the loss, not computed from its formula."""
    curvature, w = np.exp(rng.standard_normal(2)).tolist()
    slope = curvature * w

    def loss(w: float) -> float:
        return float(0.5 * curvature * w**2)

    return {
        f"first_order_error@{rate:g}": float(
            abs(loss(w - rate * slope) - loss(w) + rate * slope**2)
        )
        for rate in spec.rates
    }
