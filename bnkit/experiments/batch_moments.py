"""Which mean and which variance does each feature have when it leaves batch normalization?

Ioffe & Szegedy (2015), algorithm 1: x_hat = (x - mean) / sqrt(var_biased + eps) and
y = gamma x_hat + beta. The mean of x_hat is 0, but its variance is var_biased / (var_biased + eps),
a little short of 1. So y has mean beta and variance gamma² var_biased / (var_biased + eps).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from bnkit.experiments import drawn
from bnkit.layers import functional
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class BatchMoments:
    """Random batches of random spread, sent through BN in float64."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_trials: int = 1_000
    num_channels: int = 4
    largest_batch: int = 64  # sizes are drawn from 2 to this
    decades: float = 3.0  # spreads are drawn from 10**-decades to 10**decades
    eps: tuple[float, ...] = (0.0, 1e-5, 1e-3)

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": BatchMoments()}


def run(spec: BatchMoments, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Largest absolute error of both moments, and of a variance that forgets eps."""
    return drawn(measure, spec, seeds)


def measure(spec: BatchMoments, rng: np.random.Generator) -> dict[str, float]:
    """One seed: BN by torch operations, its moments by NumPy."""
    largest = {"max_error": 0.0, "error_without_eps": 0.0}
    for trial in range(spec.num_trials):
        eps = spec.eps[trial % len(spec.eps)]
        x = _batch(spec, rng)
        gamma, beta = rng.standard_normal((2, spec.num_channels))
        tensors = torch.from_numpy(x), torch.from_numpy(gamma), torch.from_numpy(beta)
        y = functional.batch_norm(*tensors, eps).numpy()
        var_biased = x.var(axis=0)
        of_mean = np.abs(y.mean(axis=0) - beta).max()
        of_var = np.abs(y.var(axis=0) - gamma**2 * var_biased / (var_biased + eps)).max()
        naive = np.abs(y.var(axis=0) - gamma**2).max()
        largest["max_error"] = max(largest["max_error"], float(of_mean), float(of_var))
        largest["error_without_eps"] = max(largest["error_without_eps"], float(naive))
    return largest


def _batch(spec: BatchMoments, rng: np.random.Generator) -> np.ndarray:
    num_examples = rng.integers(2, spec.largest_batch, endpoint=True)
    spread = 10.0 ** rng.uniform(-spec.decades, spec.decades, spec.num_channels)
    center = rng.standard_normal(spec.num_channels) * spread
    return center + spread * rng.standard_normal((num_examples, spec.num_channels))  # (N, C)
