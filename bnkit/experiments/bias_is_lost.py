"""What becomes of a bias in front of batch normalization?

Ioffe & Szegedy (2015), section 3.2: BN(Wu + b) = BN(Wu), since b is part of the mean that is
subtracted. Nothing depends on b, so its gradient is 0: it is the sum over the batch of BN's input
gradient, which has no component along the constant vector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from bnkit import reference
from bnkit.experiments import drawn
from bnkit.layers import functional
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class BiasIsLost:
    """Two layers with BN between them; a random bias in front of it."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_trials: int = 100
    num_examples: int = 16
    num_inputs: int = 5
    num_channels: int = 4
    largest_bias: float = 10.0  # in units of the activations' spread, about
    eps: tuple[float, ...] = (0.0, 1e-5, 1e-3)

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": BiasIsLost()}


def run(spec: BiasIsLost, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Largest absolute "output_change" and "bias_gradient" of all trials."""
    return drawn(measure, spec, seeds)


def measure(spec: BiasIsLost, rng: np.random.Generator) -> dict[str, float]:
    """One seed: the bias gradient by autograd and by the closed form, the larger of the two."""
    change, gradient = 0.0, 0.0
    for trial in range(spec.num_trials):
        eps = spec.eps[trial % len(spec.eps)]
        u = rng.standard_normal((spec.num_examples, spec.num_inputs))  # (N, D)
        w = rng.standard_normal((spec.num_channels, spec.num_inputs))  # (C, D)
        bias = rng.uniform(-spec.largest_bias, spec.largest_bias, spec.num_channels)
        gamma, beta, head = rng.standard_normal((3, spec.num_channels))

        b = torch.tensor(bias, requires_grad=True)
        x = torch.from_numpy(u @ w.T) + b
        y = functional.batch_norm(x, torch.from_numpy(gamma), torch.from_numpy(beta), eps)
        loss = (torch.tanh(y) @ torch.from_numpy(head)).square().mean()
        dy, db = torch.autograd.grad(loss, (y, b))

        without_bias, cache = reference.batch_norm_forward(u @ w.T, gamma, beta, eps)
        dx, _, _ = reference.batch_norm_backward(dy.numpy(), cache)
        change = max(change, np.abs(y.detach().numpy() - without_bias).max())
        gradient = max(gradient, db.abs().max().item(), np.abs(dx.sum(axis=0)).max())
    return {"output_change": float(change), "bias_gradient": float(gradient)}
