"""Can gamma and beta undo the normalization?

Ioffe & Szegedy (2015), section 3: with gamma = sqrt(var_biased + eps) and beta = mean, BN is the
identity, on the batch that these two were computed from. On another batch of the same
distribution it is not. Santurkar et al. (2018), observation 4.3, is the same for a net: BN after
every layer, each with these gamma and beta, leaves all activations and the loss as they were, so
that whatever minimum the plain net has, the net with BN has it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from bnkit import reference
from bnkit.experiments import drawn
from bnkit.rows import Row

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class IdentityByAffine:
    """BN that undoes itself, on its own batch and on others; then in every layer of a net."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_trials: int = 200
    num_examples: int = 32
    widths: tuple[int, ...] = (6, 8, 8, 3)  # of the net; batches alone have the first
    eps: tuple[float, ...] = (0.0, 1e-5, 1e-3)

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": IdentityByAffine()}


def run(spec: IdentityByAffine, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Relative errors over all trials.

    "max_error" is the largest on the batch itself, in relation to its largest value,
    "error_on_other_batches" the mean on new ones, in units of their standard deviation, and
    "loss_gap" the largest relative difference in loss between the plain net and the one with BN.
    """
    return drawn(measure, spec, seeds)


def measure(spec: IdentityByAffine, rng: np.random.Generator) -> dict[str, float]:
    """One seed, in NumPy."""
    same, other, gaps = [], [], []
    for trial in range(spec.num_trials):
        eps = spec.eps[trial % len(spec.eps)]
        center, log_spread = rng.standard_normal((2, spec.widths[0]))
        x, new = (
            center + np.exp(log_spread) * rng.standard_normal((spec.num_examples, spec.widths[0]))
            for _ in range(2)
        )
        gamma, beta = undoing(x, eps)
        same.append(np.abs(_bn(x, gamma, beta, eps) - x).max() / np.abs(x).max())
        other.append(np.mean(np.abs(_bn(new, gamma, beta, eps) - new) / np.exp(log_spread)))
        gaps.append(_loss_gap(spec, x, eps, rng))
    return {
        "max_error": float(max(same)),
        "error_on_other_batches": float(np.mean(other)),
        "loss_gap": float(max(gaps)),
    }


def undoing(x: Array, eps: float) -> tuple[Array, Array]:
    """The gamma and beta, (C,) each, with which BN leaves the batch x (N, C) as it is."""
    return np.sqrt(x.var(axis=0) + eps), x.mean(axis=0)


def _loss_gap(spec: IdentityByAffine, x: Array, eps: float, rng: np.random.Generator) -> float:
    """Relative difference in squared error between a plain tanh net and its twin with BN."""
    plain = twin = x
    for fan_in, fan_out in pairwise(spec.widths):
        w = rng.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)
        gamma, beta = undoing(plain @ w, eps)
        plain, twin = np.tanh(plain @ w), np.tanh(_bn(twin @ w, gamma, beta, eps))
    target = rng.standard_normal(plain.shape)
    loss, loss_twin = (np.mean((output - target) ** 2) for output in (plain, twin))
    return float(abs(loss_twin - loss) / loss)


def _bn(x: Array, gamma: Array, beta: Array, eps: float) -> Array:
    return reference.batch_norm_forward(x, gamma, beta, eps)[0]
