"""Is a loss that ignores the scale of its weights Lipschitz?

From L(aw) = L(w) for all a > 0 follow, by differentiating once and twice, ∇L(aw) = ∇L(w) / a and
∇²L(aw) = ∇²L(w) / a². Towards w = 0 both grow without bound: no L and no β hold for all weights,
whatever BN does for smoothness elsewhere. With eps > 0 the growth ends where the variance of the
activations falls below eps.
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
class NearTheOrigin:
    """One unit with BN on squared error, its weights along a ray to the origin."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    norms: tuple[float, ...] = (0.001, 0.01, 0.1, 1.0)
    num_examples: int = 16
    num_inputs: int = 5
    eps: float = 1e-5  # of the contrast; the claim has eps = 0

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": NearTheOrigin()}


def run(spec: NearTheOrigin, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each norm of the weights "gradient_norm@norm" and "hessian_norm@norm".

    The Hessian's is its largest eigenvalue in size. "gradient_norm_with_eps@norm" has eps > 0.
    """
    return drawn(measure, spec, seeds)


def measure(spec: NearTheOrigin, rng: np.random.Generator) -> dict[str, float]:
    """One seed: derivatives by autograd at every norm."""
    u = torch.from_numpy(rng.standard_normal((spec.num_examples, spec.num_inputs)))
    target = torch.from_numpy(rng.standard_normal(spec.num_examples))
    direction = torch.from_numpy(rng.standard_normal(spec.num_inputs))
    direction /= direction.norm()

    def loss(w: Tensor, eps: float = 0.0) -> Tensor:
        y = functional.batch_norm((u @ w)[:, None], None, None, eps)[:, 0]
        return 0.5 * (y - target).square().mean()

    found = {}
    for norm in spec.norms:
        w = norm * direction
        hessian = torch.autograd.functional.hessian(loss, w)  # type: ignore[no-untyped-call]
        found[f"gradient_norm@{norm:g}"] = float(torch.func.grad(loss)(w).norm())
        found[f"hessian_norm@{norm:g}"] = float(torch.linalg.matrix_norm(hessian, 2))
        with_eps = torch.func.grad(loss)(w, spec.eps)
        found[f"gradient_norm_with_eps@{norm:g}"] = float(with_eps.norm())
    return found
