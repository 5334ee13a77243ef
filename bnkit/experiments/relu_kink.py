"""Is the loss of a ReLU net smooth?

Where a unit's input is 0 for one example, the gradient of the loss in that unit's weights jumps: on
one side the example takes part in it, on the other it does not. The jump does not get smaller with
the step across it, so that ‖∇L(w) - ∇L(w')‖ / ‖w - w'‖ grows as 1 / distance and no β bounds it.
What can be said of smoothness is local, or holds for steps of some length (Santurkar et al. 2018,
footnote 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bnkit.experiments import drawn
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class ReluKink:
    """A net of one hidden layer, its weights moved across a kink."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    distances: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
    num_examples: int = 8
    num_inputs: int = 4
    num_hidden: int = 8

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": ReluKink()}


def run(spec: ReluKink, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each distance across the kink "gradient_change_over_distance@distance".

    "smooth_side@distance" is the same for two points on one side of it.
    """
    return drawn(measure, spec, seeds)


def measure(spec: ReluKink, rng: np.random.Generator) -> dict[str, float]:
    """One seed: the first unit is put at the kink of the first example; gradients by autograd."""
    x = torch.from_numpy(rng.standard_normal((spec.num_examples, spec.num_inputs)))  # (N, D)
    target = torch.from_numpy(rng.standard_normal(spec.num_examples))
    head = torch.from_numpy(rng.standard_normal(spec.num_hidden))
    at_kink = torch.from_numpy(rng.standard_normal((spec.num_hidden, spec.num_inputs)))  # (H, D)
    normal = x[0] / x[0].norm()
    at_kink[0] -= normal * (normal @ at_kink[0])
    across = torch.zeros_like(at_kink)
    across[0] = normal

    def gradient(w: Tensor) -> Tensor:
        w = w.clone().requires_grad_()
        loss = 0.5 * (torch.relu(x @ w.T) @ head - target).square().sum()
        return torch.autograd.grad(loss, w)[0]

    found = {}
    for distance in spec.distances:
        here, there, beyond = (gradient(at_kink + s * distance * across) for s in (-0.5, 0.5, 1.5))
        jump, change = (there - here).norm(), (beyond - there).norm()
        found[f"gradient_change_over_distance@{distance:g}"] = float(jump / distance)
        found[f"smooth_side@{distance:g}"] = float(change / distance)
    return found
