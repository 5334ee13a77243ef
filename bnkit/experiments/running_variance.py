"""Which variance does a framework keep for inference: the biased or the unbiased one?

Ioffe & Szegedy (2015), algorithm 2, line 10: Var[x] = m / (m - 1) E[var_biased], the mean over
training batches of m examples. With a running rate of None, PyTorch's running variance is a plain
mean over batches, so both conventions can be computed beside it and compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from bnkit.experiments import drawn
from bnkit.layers import BatchNorm1d
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class RunningVariance:
    """A framework's layer that has seen a few batches, against both conventions."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    batch_sizes: tuple[int, ...] = (2, 3, 5, 16, 128, 1024)
    num_batches: int = 7
    num_channels: int = 3

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": RunningVariance()}


def run(spec: RunningVariance, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Relative errors: "error_unbiased" the largest, "error_biased" the smallest of all trials.

    The same of our own layer have the prefix "own_".
    """
    return drawn(measure, spec, seeds)


def measure(spec: RunningVariance, rng: np.random.Generator) -> dict[str, float]:
    """One seed: a channel of a layer is a trial."""
    found = {}
    for prefix, layer in (("", nn.BatchNorm1d), ("own_", BatchNorm1d)):
        errors = np.array([_errors(spec, layer, size, rng) for size in spec.batch_sizes])
        found[f"{prefix}error_unbiased"] = float(errors[:, 0].max())
        found[f"{prefix}error_biased"] = float(errors[:, 1].min())
    return found


def _errors(
    spec: RunningVariance, layer: Callable[..., nn.Module], size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(C,) relative distance of the running variance from either convention."""
    bn = layer(spec.num_channels, momentum=None, dtype=torch.float64)
    batches = rng.standard_normal((spec.num_batches, size, spec.num_channels))
    for batch in batches:
        bn(torch.from_numpy(batch))
    biased = batches.var(axis=1).mean(axis=0)
    unbiased = size / (size - 1) * biased
    kept = bn.get_buffer("running_var").numpy()
    return np.abs(kept / unbiased - 1.0), np.abs(kept / biased - 1.0)
