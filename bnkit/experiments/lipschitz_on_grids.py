"""Is the Lipschitz constant the largest size of the gradient?

f is L-Lipschitz if |f(x) - f(y)| ≤ L ‖x - y‖ for all x and y. For a differentiable f on a convex
set the smallest such L is sup ‖∇f‖: the mean value theorem along the segment from x to y gives one
direction, two points close together along the gradient the other.

Here f is a random trigonometric polynomial of one variable, Σ a_k sin(kx + φ_k) on an interval,
where all pairs of a grid can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnkit.experiments import drawn
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class LipschitzOnGrids:
    """Difference quotients over all pairs of a grid, against the derivative."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_trials: int = 20
    num_terms: int = 5
    num_points: int = 1_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": LipschitzOnGrids()}


def run(spec: LipschitzOnGrids, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Largest relative gap between the largest quotient and the largest derivative."""
    return drawn(measure, spec, seeds)


def measure(spec: LipschitzOnGrids, rng: np.random.Generator) -> dict[str, float]:
    """One seed."""
    worst = 0.0
    x = np.linspace(0.0, 2.0 * np.pi, spec.num_points)
    k = np.arange(1, spec.num_terms + 1)[:, None]
    for _ in range(spec.num_trials):
        amplitude, phase = rng.standard_normal((2, spec.num_terms, 1))
        f = (amplitude * np.sin(k * x + phase)).sum(axis=0)
        slope = (amplitude * k * np.cos(k * x + phase)).sum(axis=0)
        worst = max(worst, abs(largest_quotient(x, f) / np.abs(slope).max() - 1.0))
    return {"max_error": float(worst)}


def largest_quotient(x: np.ndarray, f: np.ndarray) -> float:
    """|f(x) - f(y)| / |x - y|, the largest over all pairs of points; x and f are (points,)."""
    i, j = np.triu_indices(len(x), 1)
    return float((np.abs(f[i] - f[j]) / np.abs(x[i] - x[j])).max())
