"""How far is the nearest optimum, with batch normalization and without?

Santurkar et al. (2018), lemma 4.5. If W* is an optimum of the plain net, then with BN (eps = 0)
every positive multiple of it is one. From W₀ with ⟨W₀, W*⟩ > 0 the nearest of them, Ŵ*, is the foot
of the perpendicular on the ray, and

    ‖W₀ - Ŵ*‖² = ‖W₀ - W*‖² - (‖W*‖² - ⟨W*, W₀⟩)² / ‖W*‖²,

which the lemma prints as "at most". The net with BN also needs the gamma that goes with W*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnkit.experiments import drawn
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class DistanceToRay:
    """Random starts and optima, at an acute angle."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_trials: int = 1_000
    largest_dimension: int = 100
    decades: float = 2.0  # ‖W*‖ / ‖W₀‖ is drawn from 10**-decades to 10**decades

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": DistanceToRay()}


def run(spec: DistanceToRay, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """The lemma's right side against the squared distance to the ray.

    "max_error" is relative to the largest squared length in the trial; "mean_ratio" is the mean
    ratio of the distance with BN to the plain one.
    """
    return drawn(measure, spec, seeds)


def measure(spec: DistanceToRay, rng: np.random.Generator) -> dict[str, float]:
    """One seed."""
    errors, ratios = [], []
    for _ in range(spec.num_trials):
        start, optimum = rng.standard_normal((2, rng.integers(2, spec.largest_dimension)))
        optimum *= np.sign(start @ optimum) * 10.0 ** rng.uniform(-spec.decades, spec.decades)
        plain = np.sum((start - optimum) ** 2)
        to_ray = squared_distance_to_ray(start, optimum)
        errors.append(abs(to_ray - lemma(start, optimum)) / max(plain, start @ start))
        ratios.append(np.sqrt(to_ray / plain))
    return {"max_error": float(max(errors)), "mean_ratio": float(np.mean(ratios))}


def squared_distance_to_ray(start: np.ndarray, optimum: np.ndarray) -> float:
    """From `start` to the nearest of all a `optimum`, a > 0; the angle is acute."""
    foot = (start @ optimum) / (optimum @ optimum) * optimum
    return float(np.sum((start - foot) ** 2))


def lemma(start: np.ndarray, optimum: np.ndarray) -> float:
    """The right side of lemma 4.5."""
    length = optimum @ optimum
    return float(np.sum((start - optimum) ** 2) - (length - optimum @ start) ** 2 / length)
