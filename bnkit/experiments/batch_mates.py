"""How much does the output for one example depend on the others in its batch?

Ioffe & Szegedy (2015), section 3.4: in training a net no longer gives a fixed value for an
example, because mean and variance are those of the batch. For an example x among m - 1 mates drawn
from N(0, 1), the mean fluctuates with variance 1/m and the standard deviation with 1/(2m), so that

    Var[BN(x)] ≈ (1 + x² / 2) / m.

With x large and m small this fails, since x is then a sizable part of its own variance.
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
class BatchMates:
    """One example, fixed, in company that is drawn anew."""

    # Scientific: what the chapter compares.
    x: float  # the example, in standard deviations of its mates
    # Fixed: the verdict holds for these values only, and the chapter says so.
    batch_sizes: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    num_draws: int = 4_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": BatchMates(x=0.5)} | {f"x-{x:g}": BatchMates(x=x) for x in (0.0, 1.0, 2.0, 3.0)}


def run(spec: BatchMates, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """The variance of the output over draws of its mates, "output_variance@m"."""
    return drawn(measure, spec, seeds)


def measure(spec: BatchMates, rng: np.random.Generator) -> dict[str, float]:
    """One seed: each channel of one large batch is a draw."""
    found = {}
    for size in spec.batch_sizes:
        batch = rng.standard_normal((size, spec.num_draws))  # (m, draws)
        batch[0] = spec.x
        y = functional.batch_norm(torch.from_numpy(batch), None, None)
        found[f"output_variance@{size}"] = float(y[0].var())
    return found
