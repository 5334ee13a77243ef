"""What does a gradient step change in weights whose length does not count?

Hoffer et al. (2018): with BN only the direction ŵ = w / ‖w‖ matters, and a step of rate η moves it
by

    Δŵ = -(η / ‖w‖²) (I - ŵ ŵᵀ) ∇L(ŵ) + O(η²),

so that the rate that acts is η / ‖w‖². The prediction is of first order; its relative error is
therefore of order η, a slope of 1 on logarithms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bnkit.experiments import drawn
from bnkit.layers import functional
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class DirectionUpdate:
    """One unit with BN on squared error, stepped once at several rates."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    rates: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1)
    num_examples: int = 32
    num_inputs: int = 8

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": DirectionUpdate()}


def run(spec: DirectionUpdate, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each rate "relative_error@rate" of the predicted change of direction."""
    return drawn(measure, spec, seeds)


def measure(spec: DirectionUpdate, rng: np.random.Generator) -> dict[str, float]:
    """One seed: gradients by autograd, at w for the step and at ŵ for the prediction."""
    u = torch.from_numpy(rng.standard_normal((spec.num_examples, spec.num_inputs)))
    target = torch.from_numpy(rng.standard_normal(spec.num_examples))
    w = torch.from_numpy(rng.standard_normal(spec.num_inputs))

    def gradient(w: Tensor) -> Tensor:
        w = w.clone().requires_grad_()
        y = functional.batch_norm((u @ w)[:, None], None, None)[:, 0]
        return torch.autograd.grad(0.5 * (y - target).square().mean(), w)[0]

    direction = w / w.norm()
    at_direction = gradient(direction)
    across = at_direction - direction * (direction @ at_direction)
    found = {}
    for rate in spec.rates:
        stepped = w - rate * gradient(w)
        moved = stepped / stepped.norm() - direction
        predicted = -rate / w.norm() ** 2 * across
        found[f"relative_error@{rate:g}"] = float((moved - predicted).norm() / predicted.norm())
    return found
