"""Does the bound of the gradient carry over from the activations to the weights?

Santurkar et al. (2018, version 3), theorem 4.4, for one unit y = X w with inputs X (m, d) whose
largest singular value is at most λ. The gradient by w is Xᵀ that by y, and is at most λ times as
long. With the same upstream gradient g in both nets and its mean μ,

    max ‖∂L/∂w‖² = λ² ‖g‖²                                              of the plain net,
    max ‖∂L̂/∂w‖² = λ² (γ²/σ²) (‖g‖² - m μ² - ⟨g, ŷ⟩² / m)               with BN (derived).

That is theorem 4.1 with its 1/m, times λ² on every term. Printed is, for these two maxima, called
g_j and ĝ_j, ĝ_j ≤ (γ²/σ²) (g_j² - m μ² - λ² ⟨g, ŷ⟩²): λ² stands on one term, 1/m on none, and g_j,
defined as a maximum of squares, is squared once more. It is taken by the letter, and with g_j² as
the maximum of the square.

The maximum is attained by X = λ U with orthonormal rows, and w = Uᵀ y / λ gives any y whatever.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bnkit.layers import functional
from bnkit.rows import Row

Loss = Callable[[Tensor], Tensor]  # (T, m) outputs of BN to T losses


@dataclass(frozen=True, kw_only=True)
class WorstInputBound:
    """Random weights, inputs, losses, γ; gradients by autograd."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    batch_sizes: tuple[int, ...] = (8, 32)
    largest: tuple[float, ...] = (0.3, 1.0, 3.0)  # λ
    more_inputs: int = 4  # than examples
    num_trials: int = 2_000  # with worst inputs, and as many with others, for each of the above
    decades: float = 1.0  # γ and σ of the worst inputs: from 10**-decades to 10**decades
    slack: float = 1e-9  # relative, in favor of the printed bound

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": WorstInputBound()}


def run(spec: WorstInputBound, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each seed the smallest slack of the derived bound, and counts of the printed one.

    "derived_slack": right side less left side over λ² (γ²/σ²) ‖g‖², the smallest of all inputs;
    "attained_error", its largest size with the worst inputs, which should attain the bound;
    "other_slack", the smallest with other inputs. Of "trials" with the worst inputs,
    "printed_held" with g_j² as the maximum, and "printed_to_the_letter_held"; both also by λ, as
    "printed_held@λ" of "trials@λ".
    """
    return [
        Row(seed, 0, name, value, "1")
        for seed in seeds
        for name, value in measure(spec, np.random.default_rng(seed)).items()
    ]


def measure(spec: WorstInputBound, rng: np.random.Generator) -> dict[str, float]:
    """One seed."""
    attained, others = [], []
    counts: dict[str, float] = {}
    for m in spec.batch_sizes:
        for largest in spec.largest:
            shape = (spec.num_trials, m, m + spec.more_inputs)
            gamma, spread = torch.from_numpy(
                10.0 ** rng.uniform(-spec.decades, spec.decades, (2, spec.num_trials))
            )
            loss = random_loss(spec.num_trials, m, rng)

            x = worst_inputs(largest, torch.from_numpy(rng.standard_normal(shape)))
            y = spread[:, None] * torch.from_numpy(rng.standard_normal(shape[:2]))
            it = sides(x, weights_for(x, y, largest), gamma, loss, largest)
            attained.append(it.slack())

            other = torch.from_numpy(rng.standard_normal(shape))
            other *= largest / torch.linalg.matrix_norm(other, 2)[:, None, None]
            w = torch.from_numpy(rng.standard_normal(shape[::2]))
            others.append(sides(other, w, gamma, loss, largest).slack())

            allowed = (1.0 + spec.slack) * it.derived  # the left side is at most that
            found = {
                "trials": spec.num_trials,
                "printed_held": int((it.left <= it.printed + (allowed - it.derived)).sum()),
                "printed_to_the_letter_held": int(
                    (it.left <= it.to_the_letter + (allowed - it.derived)).sum()
                ),
            }
            for name, count in found.items():
                for key in (name, f"{name}@{largest:g}"):
                    counts[key] = counts.get(key, 0.0) + float(count)
    worst, other_slack = torch.cat(attained), float(torch.cat(others).min())
    return {
        "derived_slack": min(float(worst.min()), other_slack),
        "attained_error": float(worst.abs().max()),
        "other_slack": other_slack,
        **counts,
    }


class Sides(NamedTuple):
    """The theorem's quantities, (T,) each."""

    left: Tensor  # ‖∂L̂/∂w‖², by autograd
    derived: Tensor  # the right side, λ² on every term and 1/m on the last one
    printed: Tensor  # as printed, with λ² ‖g‖² for g_j²
    to_the_letter: Tensor  # as printed, with g_j = λ² ‖g‖², squared
    upstream: Tensor  # λ² (γ²/σ²) ‖g‖², before anything is taken out

    def slack(self) -> Tensor:
        """How far the left side is below the derived bound, relative."""
        return (self.derived - self.left) / self.upstream


def sides(x: Tensor, w: Tensor, gamma: Tensor, loss: Loss, largest: float) -> Sides:
    """For T trials: inputs (T, m, d), weights (T, d), γ (T,), β = 0, eps = 0, losses behind BN."""
    w = w.detach().requires_grad_()
    y = torch.einsum("tmd,td->tm", x, w)
    z = functional.batch_norm(y.T, gamma, None).T
    by_weights, g = torch.autograd.grad(loss(z).sum(), (w, z))  # trials do not meet
    z, m, square = z.detach(), x.shape[1], largest**2
    factor = gamma**2 / y.detach().var(dim=1, correction=0)
    total, mean = g.square().sum(1), m * g.mean(1).square()
    along = (g * z / gamma[:, None]).sum(1).square()
    return Sides(
        left=by_weights.square().sum(1),
        derived=square * factor * (total - mean - along / m),
        printed=factor * (square * total - mean - square * along),
        to_the_letter=factor * ((square * total).square() - mean - square * along),
        upstream=square * factor * total,
    )


def worst_inputs(largest: float, raw: Tensor) -> Tensor:
    """λ U: `raw` (T, m, d), d ≥ m, with its rows made orthonormal, times `largest`."""
    orthonormal, _ = torch.linalg.qr(raw.transpose(1, 2))
    inputs: Tensor = largest * orthonormal.transpose(1, 2)
    return inputs


def weights_for(x: Tensor, y: Tensor, largest: float) -> Tensor:
    """The shortest w (T, d) with x w = y, for x of `worst_inputs`."""
    return torch.einsum("tmd,tm->td", x, y) / largest**2


def random_loss(size: int, m: int, rng: np.random.Generator) -> Loss:
    """Squared error with random targets in one half of the trials, logistic loss in the other."""
    target = torch.from_numpy(rng.standard_normal((size, m)))
    squared = torch.from_numpy(rng.random(size) < 0.5)

    def loss(z: Tensor) -> Tensor:
        return torch.where(
            squared,
            0.5 * (z - target).square().sum(1),
            F.softplus(-z * target.sign()).sum(1),
        )

    return loss
