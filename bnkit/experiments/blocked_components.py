"""Which terms of the loss does batch normalization block?

Zhou et al. (2024). BN's backward pass takes from the gradient dy at its output, channel by channel,
the components along the constant vector 1 and along x_hat (eps = 0). Write the loss behind BN as a
Taylor series in y that is the same for every example i of the batch and its channels c, d:

    Σ_i Σ_c g_c y_ic           has a gradient along 1: blocked.
    Σ_i Σ_c ½ h_c y_ic²        has one along γ x_hat + β 1: blocked.
    Σ_i Σ_{c < d} h_cd y_ic y_id     is not: the gradient in one channel is along another.

So the first order never reaches the layers below, nor does the diagonal of the second. What is not
the same for all examples, as the part of a loss that depends on their labels, gets through.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from bnkit.experiments import drawn
from bnkit.layers import functional
from bnkit.rows import Row

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class BlockedComponents:
    """BN under a random loss, and under each of the terms alone."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_trials: int = 50
    batch_sizes: tuple[int, ...] = (4, 16, 64)
    num_channels: int = 3

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": BlockedComponents()}


def run(spec: BlockedComponents, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """How much of a gradient gets through, by autograd.

    "max_error" is the largest component along 1 or x_hat of any channel's gradient at BN's input,
    in relation to that gradient. For each term alone the largest share of dy's norm that is left
    below BN, in units of γ / σ: "first_order_left", "diagonal_left", and for contrast the mean,
    "off_diagonal_left".
    """
    return drawn(measure, spec, seeds)


def measure(spec: BlockedComponents, rng: np.random.Generator) -> dict[str, float]:
    """One seed."""
    found: dict[str, list[float]] = {}
    for size in np.repeat(spec.batch_sizes, spec.num_trials):
        x, target = torch.from_numpy(rng.standard_normal((2, size, spec.num_channels)))
        gamma, beta, spread, center = torch.from_numpy(rng.standard_normal((4, spec.num_channels)))
        x = spread.exp() * x + center
        for name, term in _terms(spec, rng).items():
            found.setdefault(name, []).append(share_left(term, x, gamma, beta))
        error = component(_labeled(target), x, gamma, beta)
        found.setdefault("max_error", []).append(error)
    off_diagonal = found.pop("off_diagonal_left")
    largest = {name: max(values) for name, values in found.items()}
    return largest | {"off_diagonal_left": float(np.mean(off_diagonal))}


def _terms(spec: BlockedComponents, rng: np.random.Generator) -> dict[str, Loss]:
    """Random terms of a Taylor series that is the same for all examples."""
    g, h = torch.from_numpy(rng.standard_normal((2, spec.num_channels)))
    pairs = torch.from_numpy(rng.standard_normal((spec.num_channels,) * 2)).triu(1)
    return {
        "first_order_left": lambda y: (g * y).sum(),
        "diagonal_left": lambda y: (0.5 * h * y.square()).sum(),
        "off_diagonal_left": lambda y: (y @ pairs * y).sum(),
    }


def _labeled(target: Tensor) -> Loss:
    """A loss with terms of every order, which differ from example to example."""
    return lambda y: torch.cosh(y - target).mean()


def share_left(loss: Loss, x: Tensor, gamma: Tensor, beta: Tensor) -> float:
    """‖dx σ / γ‖ / ‖dy‖: 1 if nothing is blocked, 0 if all is."""
    dx, dy = _gradients(loss, x, gamma, beta)
    return float((dx * x.std(dim=0, correction=0) / gamma).norm() / dy.norm())


def component(loss: Loss, x: Tensor, gamma: Tensor, beta: Tensor) -> float:
    """The largest |cos| between a channel's gradient and 1 or x_hat."""
    dx, _ = _gradients(loss, x, gamma, beta)
    x_hat = functional.batch_norm(x, None, None)
    directions = torch.stack([torch.ones_like(x), x_hat]) / len(x) ** 0.5  # (2, m, C), length 1
    return float(((directions * dx).sum(dim=1).abs() / dx.norm(dim=0)).max())


def _gradients(loss: Loss, x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """(m, C) gradients at the input and at the output of BN."""
    x = x.clone().requires_grad_()
    y = functional.batch_norm(x, gamma, beta)
    dx, dy = torch.autograd.grad(loss(y), (x, y))
    return dx, dy
