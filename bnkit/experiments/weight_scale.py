"""What does batch normalization let through of the scale of the weights in front of it?

Ioffe & Szegedy (2015), section 3.3, for a > 0: BN((aW)u) = BN(Wu), the Jacobian with respect to u
is the same, and the gradient with respect to the weights is divided by a. All of it holds at
eps = 0. With eps > 0 the output shrinks by sqrt(var / (var + eps)), so that it is the ratio
of a² var to eps that counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, jacrev

from bnkit.experiments import drawn
from bnkit.layers import functional
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class WeightScale:
    """One layer and BN, its weights scaled up and down."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_trials: int = 20
    num_examples: int = 8
    num_inputs: int = 5
    num_channels: int = 3
    scales: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0, 100.0)
    eps: tuple[float, ...] = (1e-5, 1e-3)

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": WeightScale()}


def run(spec: WeightScale, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Largest relative errors of all trials at eps = 0: "max_error" and its three parts.

    "violation-eps-E@a" is the largest relative change of the output when eps = E and the weights,
    whose activations have variance 1, are scaled by a.
    """
    return drawn(measure, spec, seeds)


def measure(spec: WeightScale, rng: np.random.Generator) -> dict[str, float]:
    """One seed: outputs, Jacobians and gradients by autograd."""
    found = dict.fromkeys(("max_error", "output_error", "jacobian_error", "gradient_error"), 0.0)
    for _ in range(spec.num_trials):
        u = torch.from_numpy(rng.standard_normal((spec.num_examples, spec.num_inputs)))  # (N, D)
        w = torch.from_numpy(rng.standard_normal((spec.num_channels, spec.num_inputs)))  # (C, D)
        w = w / (u @ w.T).std(dim=0, correction=0)[:, None]  # activations of variance 1
        target = torch.from_numpy(rng.standard_normal((spec.num_examples, spec.num_channels)))

        def loss(w: Tensor, u: Tensor = u, target: Tensor = target) -> Tensor:
            return (torch.tanh(_layer(w, u)) - target).square().mean()

        output, jacobian, gradient = _layer(w, u), jacrev(_layer, 1)(w, u), grad(loss)(w)
        for a in spec.scales:
            errors = {
                "output_error": _relative(_layer(a * w, u), output),
                "jacobian_error": _relative(jacrev(_layer, 1)(a * w, u), jacobian),
                "gradient_error": _relative(a * grad(loss)(a * w), gradient),
            }
            errors["max_error"] = max(errors.values())
            for eps in spec.eps:
                errors[f"violation-eps-{eps:g}@{a:g}"] = _relative(
                    _layer(a * w, u, eps), _layer(w, u, eps)
                )
            found |= {name: max(found.get(name, 0.0), error) for name, error in errors.items()}
    return found


def _layer(w: Tensor, u: Tensor, eps: float = 0.0) -> Tensor:
    """(C, D) weights and (N, D) inputs to (N, C) normalized activations."""
    return functional.batch_norm(u @ w.T, None, None, eps)


def _relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())
