"""Is the smoothness constant the largest norm of the Hessian?

f is β-smooth if ‖∇f(x) - ∇f(y)‖ ≤ β ‖x - y‖: its gradient is β-Lipschitz. If f is twice
differentiable, the smallest such β is sup ‖∇²f‖. On a quadratic the Hessian A is the same
everywhere, and β is the largest of its eigenvalues in size. Here β is found from gradients alone:
put y - x along the change of gradient, and again (the power method), until the quotient is steady.
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
class SmoothnessOfQuadratics:
    """Quadratics of known eigenvalues, positive and negative."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_trials: int = 20
    largest_dimension: int = 20
    gap: float = 0.9  # second largest eigenvalue over the largest, in size, at most
    num_iterations: int = 200
    num_pairs: int = 50  # random pairs, none of which may exceed the constant

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": SmoothnessOfQuadratics()}


def run(
    spec: SmoothnessOfQuadratics, seeds: Sequence[int], progress: str | None = None
) -> list[Row]:
    """Largest relative gap between the quotient found and the eigenvalue: "max_error".

    "largest_random" is the largest quotient of random pairs over the constant, at most 1.
    """
    return drawn(measure, spec, seeds)


def measure(spec: SmoothnessOfQuadratics, rng: np.random.Generator) -> dict[str, float]:
    """One seed: gradients by autograd."""
    errors, largest_random = [], 0.0
    for _ in range(spec.num_trials):
        dimension = rng.integers(2, spec.largest_dimension, endpoint=True)
        axes, _ = np.linalg.qr(rng.standard_normal((dimension, dimension)))
        values = np.append(rng.uniform(-spec.gap, spec.gap, dimension - 1), rng.choice([-1, 1]))
        values *= np.exp(rng.standard_normal())
        a = torch.from_numpy(axes * values @ axes.T)
        x, b, move = torch.from_numpy(rng.standard_normal((3, dimension)))
        constant = np.abs(values).max()
        errors.append(abs(climb(a, b, x, move, spec.num_iterations) / constant - 1.0))
        for other in torch.from_numpy(rng.standard_normal((spec.num_pairs, dimension))):
            change = _gradient(a, b, x) - _gradient(a, b, other)
            quotient = float(change.norm() / (x - other).norm())
            largest_random = max(largest_random, float(quotient / constant))
    return {"max_error": float(max(errors)), "largest_random": largest_random}


def climb(a: Tensor, b: Tensor, x: Tensor, move: Tensor, num_iterations: int) -> float:
    """The quotient of x and x + move, with `move` turned towards the steepest change."""
    quotient = 0.0
    for _ in range(num_iterations):
        move = move / move.norm()
        change = _gradient(a, b, x + move) - _gradient(a, b, x)
        quotient, move = float(change.norm()), change
    return quotient


def _gradient(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """Of ½ xᵀAx + bᵀx."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(0.5 * x @ a @ x + b @ x, x)[0]
