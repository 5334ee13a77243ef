"""Which way do the weights in front of batch normalization move?

With eps = 0 the loss ignores the length of each unit's weights w, L(aw) = L(w) for a > 0. Its
derivative in a at a = 1 is then ⟨w, ∇L⟩ = 0 (van Laarhoven 2017; Hoffer et al. 2018; Arora et al.
2019): every gradient step is orthogonal to w, and lengthens it. With eps > 0 a component is left
whose size is about eps / var.
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
class OrthogonalGradient:
    """Two layers with BN between them; the angle between weights and gradient, unit by unit."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_trials: int = 100
    num_examples: int = 16
    num_inputs: int = 6
    num_channels: int = 4
    eps_over_var: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": OrthogonalGradient()}


def run(spec: OrthogonalGradient, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Largest absolute "cosine" of all units at eps = 0, the median at each eps / var."""
    return drawn(measure, spec, seeds)


def measure(spec: OrthogonalGradient, rng: np.random.Generator) -> dict[str, float]:
    """One seed: gradients by autograd."""
    cosines: dict[float, list[float]] = {eps: [] for eps in (0.0, *spec.eps_over_var)}
    for _ in range(spec.num_trials):
        u = torch.from_numpy(rng.standard_normal((spec.num_examples, spec.num_inputs)))  # (N, D)
        w = torch.from_numpy(rng.standard_normal((spec.num_channels, spec.num_inputs)))  # (C, D)
        w = w / (u @ w.T).std(dim=0, correction=0)[:, None]  # var = 1, so that eps is eps / var
        head = torch.from_numpy(rng.standard_normal(spec.num_channels))
        target = torch.from_numpy(rng.standard_normal(spec.num_examples))
        for eps, found in cosines.items():
            found += _cosines(w, u, head, target, eps)
    medians = {f"cosine@{eps:g}": float(np.median(cosines[eps])) for eps in spec.eps_over_var}
    return {"cosine": max(cosines[0.0]), **medians}


def _cosines(w: Tensor, u: Tensor, head: Tensor, target: Tensor, eps: float) -> list[float]:
    """|cos| between each unit's weights and their gradient."""
    w = w.clone().requires_grad_()
    hidden = torch.tanh(functional.batch_norm(u @ w.T, None, None, eps))
    (dw,) = torch.autograd.grad((hidden @ head - target).square().mean(), w)
    return torch.cosine_similarity(w.detach(), dw, dim=1).abs().tolist()
