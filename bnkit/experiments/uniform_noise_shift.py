"""By how much does uniform noise shift the variance, in place of dropout's coin?

Li et al. (2019), equation 15 ("Uout"): in training x becomes x (1 + u) with u uniform on (-b, b),
whose variance is b² / 3. For x of mean 0 the variance in evaluation over the one in training is

    1 / (1 + b² / 3) = 3 / (3 + b²).

A mean c other than 0 adds c² b² / 3 to the variance in training, and the ratio falls below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnkit.experiments import drawn
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class UniformNoiseShift:
    """Normal units under uniform noise of several widths."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    noises: tuple[float, ...] = (0.1, 0.3, 0.5, 1.0)  # b
    other_mean: float = 2.0  # c, in standard deviations, where the formula does not apply
    num_samples: int = 2_000_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": UniformNoiseShift()}


def run(spec: UniformNoiseShift, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """The "ratio@b" of variances at mean 0 and "max_error", its largest relative error.

    "error_at_other_mean" is the same error where the mean is not 0.
    """
    return drawn(measure, spec, seeds)


def measure(spec: UniformNoiseShift, rng: np.random.Generator) -> dict[str, float]:
    """One seed of the Monte Carlo."""
    ratios, errors, errors_elsewhere = {}, [], []
    for b in spec.noises:
        x = rng.standard_normal(spec.num_samples)
        factor = 1.0 + rng.uniform(-b, b, spec.num_samples)
        expected = 3.0 / (3.0 + b**2)
        ratio = float(x.var() / (x * factor).var())
        elsewhere = x.var() / ((spec.other_mean + x) * factor).var()
        ratios[f"ratio@{b:g}"] = ratio
        errors.append(abs(ratio / expected - 1.0))
        errors_elsewhere.append(abs(elsewhere / expected - 1.0))
    return {
        "max_error": max(errors),
        "error_at_other_mean": float(max(errors_elsewhere)),
        **ratios,
    }
