"""Is weight decay under batch normalization a learning rate that grows exponentially?

Li & Arora (2020). Two ways to train weights w that only matter by their direction:

    decay:   w ← (1 - ηλ) w - η ∇L(w)
    growth:  v ← v - η_t ∇L(v),    η_t = η (1 - ηλ)^-(2t + 1), no decay.

If w = (1 - ηλ)^t v, then ∇L(w) = (1 - ηλ)^-t ∇L(v), and one step of each keeps it so for t + 1: the
two nets are the same function at every step. This needs eps = 0 and every trained weight in front
of a BN, hence the fixed head here.
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
class ExponentialRate:
    """Two layers with BN and tanh under a fixed head, on random targets in mini-batches."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    rate: float = 0.1
    decay: float = 0.05  # λ
    num_steps: int = 200
    widths: tuple[int, ...] = (8, 16, 16)
    num_examples: int = 64
    batch_size: int = 32

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": ExponentialRate()}


def run(spec: ExponentialRate, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Largest relative difference of outputs over all steps.

    "max_error" between decay and growth; "error_at_fixed_rate" between decay and neither, as a
    contrast. "rate_growth" is the last rate over the first.
    """
    return drawn(measure, spec, seeds, step=spec.num_steps)


def measure(spec: ExponentialRate, rng: np.random.Generator) -> dict[str, float]:
    """One seed: three nets from the same start, on the same batches."""
    x = torch.from_numpy(rng.standard_normal((spec.num_examples, spec.widths[0])))
    target = torch.from_numpy(rng.standard_normal(spec.num_examples))
    head = torch.from_numpy(rng.standard_normal(spec.widths[-1])) / spec.widths[-1] ** 0.5
    start = [
        torch.from_numpy(rng.standard_normal(shape))
        for shape in zip(spec.widths[:-1], spec.widths[1:], strict=True)
    ]
    nets = {name: [w.clone() for w in start] for name in ("decay", "growth", "fixed")}
    shrink = 1.0 - spec.rate * spec.decay
    errors = {"growth": 0.0, "fixed": 0.0}
    for step in range(spec.num_steps):
        batch = torch.from_numpy(rng.choice(spec.num_examples, spec.batch_size, replace=False))
        rates = {
            "decay": spec.rate,
            "growth": spec.rate * shrink ** -(2 * step + 1),
            "fixed": spec.rate,
        }
        for name, weights in nets.items():
            gradients = _gradients(weights, head, x[batch], target[batch])
            kept = shrink if name == "decay" else 1.0
            nets[name] = [
                kept * w - rates[name] * dw for w, dw in zip(weights, gradients, strict=True)
            ]
        expected = _output(nets["decay"], head, x)
        for name in errors:
            gap = (_output(nets[name], head, x) - expected).norm() / expected.norm()
            errors[name] = max(errors[name], float(gap))
    return {
        "max_error": errors["growth"],
        "error_at_fixed_rate": errors["fixed"],
        "rate_growth": shrink ** (-2 * (spec.num_steps - 1)),
    }


def _output(weights: Sequence[Tensor], head: Tensor, x: Tensor) -> Tensor:
    for w in weights:
        x = torch.tanh(functional.batch_norm(x @ w, None, None))
    return x @ head


def _gradients(
    weights: Sequence[Tensor], head: Tensor, x: Tensor, target: Tensor
) -> tuple[Tensor, ...]:
    leaves = [w.clone().requires_grad_() for w in weights]
    loss = (_output(leaves, head, x) - target).square().mean()
    return torch.autograd.grad(loss, leaves)
