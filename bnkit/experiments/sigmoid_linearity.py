"""Does a normalized input hold a sigmoid in its linear range?

Ioffe & Szegedy (2015), section 3, give it as the reason for gamma and beta. The share of the
sigmoid's variance that a straight line explains is R² = corr(z, sigmoid(z))². Here z ~ N(0, gamma²)
is what BN hands to the sigmoid if its input is normal and beta is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from bnkit.experiments import drawn
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class SigmoidLinearity:
    """Normal inputs of several spreads through a sigmoid."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    gammas: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
    num_samples: int = 100_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": SigmoidLinearity()}


def run(spec: SigmoidLinearity, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each gamma "linear_r2@gamma", and "share_within_one@gamma", that of |z| < 1."""
    return drawn(measure, spec, seeds)


def measure(spec: SigmoidLinearity, rng: np.random.Generator) -> dict[str, float]:
    """One seed: the same normal sample at every gamma."""
    sample = rng.standard_normal(spec.num_samples)
    found = {}
    for gamma in spec.gammas:
        z = gamma * sample
        found[f"linear_r2@{gamma:g}"] = float(np.corrcoef(z, expit(z))[0, 1] ** 2)
        found[f"share_within_one@{gamma:g}"] = float(np.mean(np.abs(z) < 1.0))
    return found
