"""What does a gradient step on all layers at once do that the gradient does not show?

Goodfellow et al. (2016), section 8.7.1: a chain of layers of one unit each, ŷ = x w₁ w₂ … w_l, and
a gradient of 1 on ŷ. The step w ← w - ε g, g_i = ŷ / w_i, changes ŷ by

    x ∏ (w_i - ε g_i) - x ∏ w_i = Σ_k (-ε)^k x Σ_{|S| = k} ∏_{i in S} g_i ∏_{i not in S} w_i,

one term for each set S of layers that move together. Order 1 is -ε ‖g‖², all that the gradient
promises; there are orders up to l.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import ClassVar

import numpy as np

from bnkit.experiments import drawn
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class LinearChain:
    """Chains of random positive weights, stepped by their gradient."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    depths: tuple[int, ...] = (2, 5, 10, 20)
    rates: tuple[float, ...] = (0.001, 0.01, 0.1)
    log_spread: float = 0.2  # standard deviation of log w
    num_trials: int = 20
    x: float = 1.0

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": LinearChain()}


def run(spec: LinearChain, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """The sum of all orders against the change itself, and the share of orders two and above.

    "max_error" is relative to the change and the largest of all trials; "higher_share-E@l", at rate
    E and depth l, is the mean of the sizes of orders two and above over those of all orders.
    """
    return drawn(measure, spec, seeds)


def orders(w: np.ndarray, rate: float, x: float = 1.0) -> np.ndarray:
    """(l + 1,) terms of the new output by order in the rate; the first is the old output."""
    g = x * np.prod(w) / w
    terms = np.array([x])
    for w_i, g_i in zip(w, g, strict=True):  # times (w_i - rate g_i): each term keeps or gains one
        terms = np.append(terms * w_i, 0.0) - np.append(0.0, terms * rate * g_i)
    return terms


def change(w: np.ndarray, rate: float, x: float = 1.0) -> float:
    """Of the output by the step, in exact rational arithmetic."""
    chain = [Fraction(float(w_i)) for w_i in w]
    y = Fraction(x) * prod(chain)
    return float(Fraction(x) * prod(w_i - Fraction(rate) * y / w_i for w_i in chain) - y)


def measure(spec: LinearChain, rng: np.random.Generator) -> dict[str, float]:
    """One seed."""
    worst, shares = 0.0, {}
    for depth in spec.depths:
        chains = np.exp(spec.log_spread * rng.standard_normal((spec.num_trials, depth)))
        for rate in spec.rates:
            higher = []
            for w in chains:
                moved = orders(w, rate, spec.x)[1:]
                exact = change(w, rate, spec.x)
                worst = max(worst, abs(moved.sum() - exact) / abs(exact))
                higher.append(np.abs(moved[1:]).sum() / np.abs(moved).sum())
            shares[f"higher_share-{rate:g}@{depth}"] = float(np.mean(higher))
    return {"max_error": float(worst), **shares}
