"""Does least squares with batch normalization bear any learning rate?

Cai, Li & Shen (2019): J(a, w) = ½ E[(y - a BN(xᵀw))²] with BN(xᵀw) = xᵀw / σ, σ² = wᵀHw and
H = E[xxᵀ]. Descent on the scale a at a rate of at most 1 and on w at *any* rate η converges. The
gradient of w is orthogonal to w: too large a step makes w long, and the rate that acts, η / ‖w‖²,
small. Plain least squares diverges above 2 / λ_max(H).

What is counted is divergence. A large rate η needs a number of steps in proportion to η, so that
the largest ones are still on their way at the end; how far, is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from bnkit.experiments import drawn
from bnkit.rows import Row

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class AnyLearningRate:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    # Fixed: the verdict holds for these values only, and the chapter says so.
    rates: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6)  # of w
    scale_rate: float = 1.0  # of a
    condition: float = 100.0  # λ_max / λ_min of the population's H
    num_steps: int = 20_000
    num_examples: int = 200
    num_inputs: int = 10

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {norm: AnyLearningRate(norm=norm) for norm in ("none", "batch")}


def run(spec: AnyLearningRate, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Counts of rates, and how far each is from the minimum.

    A rate diverges if its last loss is infinite or unknown, or not below that of predicting 0.
    "num_diverged" of "num_rates"; "share_diverged_above_limit", of the rates above 2 / λ_max, and
    "num_diverged_below_limit". "excess_loss@rate" is the last loss above the minimum, in relation
    to the loss of predicting 0, and infinite if it diverged; "num_converged" have at most 1e-6.
    """
    return drawn(measure, spec, seeds, step=spec.num_steps)


def measure(spec: AnyLearningRate, rng: np.random.Generator) -> dict[str, float]:
    """One seed: all rates at once, from the same start."""
    spread = np.sqrt(np.geomspace(1.0, spec.condition, spec.num_inputs))
    x = rng.standard_normal((spec.num_examples, spec.num_inputs)) * spread
    y = x @ rng.standard_normal(spec.num_inputs) + rng.standard_normal(spec.num_examples)
    hessian, cross = x.T @ x / len(x), x.T @ y / len(x)
    of_zero = 0.5 * y @ y / len(y)  # the loss of predicting 0
    smallest = of_zero - 0.5 * cross @ np.linalg.solve(hessian, cross)
    limit = 2.0 / np.linalg.eigvalsh(hessian)[-1]

    start = rng.standard_normal(spec.num_inputs)
    losses = of_zero + descend(spec, hessian, cross, start)
    diverged = ~(losses < of_zero)
    excess = np.where(diverged, np.inf, (losses - smallest) / of_zero)
    above = np.array(spec.rates) > limit
    return {
        "num_rates": float(len(spec.rates)),
        "num_diverged": float(diverged.sum()),
        "num_converged": float((excess < 1e-6).sum()),
        "share_diverged_above_limit": float(diverged[above].mean()),
        "num_diverged_below_limit": float(diverged[~above].sum()),
        **{f"excess_loss@{r:g}": float(e) for r, e in zip(spec.rates, excess, strict=True)},
    }


def descend(spec: AnyLearningRate, hessian: Array, cross: Array, start: Array) -> Array:
    """The last loss of each rate, (rates,), less that of predicting 0."""
    rates = np.array(spec.rates)[:, None]
    a, w = np.ones_like(rates), np.tile(start, (len(rates), 1))  # (rates, 1), (rates, D)
    gradient = with_batch_norm if spec.norm == "batch" else plain
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(spec.num_steps):
            _, da, dw = gradient(a, w, hessian, cross)
            a, w = a - spec.scale_rate * da, w - rates * dw
        return gradient(a, w, hessian, cross)[0]


def with_batch_norm(a: Array, w: Array, hessian: Array, cross: Array) -> tuple[Array, Array, Array]:
    """J less the loss of predicting 0, (rates,), and its gradients in a and w."""
    by_hessian = w @ hessian
    sigma = np.sqrt((w * by_hessian).sum(axis=1, keepdims=True))
    along = (w @ cross)[:, None] / sigma  # E[y BN(xᵀw)], the best a for this w
    dw = -(a / sigma) * (cross - along / sigma * by_hessian)
    return (0.5 * a**2 - a * along)[:, 0], a - along, dw


def plain(a: Array, w: Array, hessian: Array, cross: Array) -> tuple[Array, Array, Array]:
    """The same without BN, ½ E[(y - xᵀw)²]; there is no a."""
    by_hessian = w @ hessian
    return (w * (0.5 * by_hessian - cross)).sum(axis=1), np.zeros_like(a), by_hessian - cross
