"""Is the gradient in front of batch normalization smaller than the plain one?

Santurkar et al. (2018, version 3), theorem 4.1, for one unit with activations y (m,), standard
deviation σ, normalized ŷ, and upstream gradient g = ∂L̂/∂z at BN's output z = γ ŷ + β:

    ‖∂L̂/∂y‖² ≤ (γ² / σ²) (‖g‖² - ⟨1, g⟩² / m - ⟨g, ŷ⟩² / √m)      as printed.

BN's backward pass takes from g its components along the two orthogonal vectors 1 and ŷ, of squared
length m both (eps = 0), and divides by σ / γ. By Pythagoras the two sides are *equal* with 1/m on
the last term as well, so with the larger 1/√m the bound must fail unless ⟨g, ŷ⟩ = 0.

The theorem compares nets with the same upstream gradient. Read without any assumption, "the same
weights, each net's gradient at its own point", nothing makes the factor γ / σ smaller than 1. This
second comparison is one of gradients at random points, not of suprema over all of them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bnkit.experiments import drawn
from bnkit.layers import functional
from bnkit.rows import Row

Loss = Callable[[Tensor], Tensor]
BINS = {"below-0.5": (0.0, 0.5), "0.5-to-1": (0.5, 1.0), "above-1": (1.0, np.inf)}  # of σ


@dataclass(frozen=True, kw_only=True)
class GradientBound:
    """Random activations, losses, γ; gradients by autograd."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    batch_sizes: tuple[int, ...] = (8, 64, 512)
    num_trials: int = 200  # at each batch size
    decades: float = 1.0  # σ is drawn from 10**-decades to 10**decades
    slack: float = 1e-9  # relative, in favor of the printed bound

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": GradientBound()}


def run(spec: GradientBound, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Counts of trials, and the largest error of the identity with 1/m, "projection_error".

    It is relative to (γ² / σ²) ‖g‖²: next to nothing may be left of g, and rounding is of its size.
    "printed_held" of "trials" obey the bound as printed. At γ = 1 and the same y,
    "larger_at_small_sigma" of "trials_at_small_sigma" have the larger gradient with BN; also by σ,
    "larger-below-0.5", "trials-below-0.5" and so on.
    """
    return drawn(measure, spec, seeds)


def measure(spec: GradientBound, rng: np.random.Generator) -> dict[str, float]:
    """One seed."""
    counts = Counter({f"{what}-{name}": 0 for name in BINS for what in ("larger", "trials")})
    held, worst = 0, 0.0
    for size in np.repeat(spec.batch_sizes, spec.num_trials):
        sigma = 10.0 ** rng.uniform(-spec.decades, spec.decades)
        y = torch.from_numpy(sigma * (rng.standard_normal() + rng.standard_normal(size)))
        loss, gamma = _random_loss(size, rng), float(np.exp(rng.standard_normal()))
        it = sides(y, gamma, loss)
        held += it.left <= it.printed + spec.slack * it.left
        worst = max(worst, abs(it.left - it.exact) / it.upstream)

        sigma = float(y.std(correction=0))
        name = next(name for name, (low, high) in BINS.items() if low <= sigma < high)
        counts[f"trials-{name}"] += 1
        counts[f"larger-{name}"] += is_larger(y, loss)
    return {
        "trials": float(len(spec.batch_sizes) * spec.num_trials),
        "printed_held": float(held),
        "projection_error": worst,
        "trials_at_small_sigma": float(counts["trials-below-0.5"]),
        "larger_at_small_sigma": float(counts["larger-below-0.5"]),
        **{name: float(count) for name, count in counts.items()},
    }


class Sides(NamedTuple):
    """The theorem's quantities at one point."""

    left: float  # ‖∂L̂/∂y‖², by autograd
    printed: float  # the right side with 1/√m
    exact: float  # the right side with 1/m
    upstream: float  # (γ² / σ²) ‖g‖², before anything is taken out


def sides(y: Tensor, gamma: float, loss: Loss) -> Sides:
    """For activations y (m,), BN with γ and β = 0, and the loss behind it."""
    z = _bn(y, gamma).requires_grad_()
    g, y_hat, m = _gradient(loss, z), z.detach() / gamma, len(y)
    left = _gradient(lambda y: loss(_bn(y, gamma)), y).square().sum()
    factor = gamma**2 / y.var(correction=0)
    rest, along = g.square().sum() - g.sum() ** 2 / m, (g @ y_hat) ** 2
    terms = (left, factor * (rest - along / m**0.5), factor * (rest - along / m))
    return Sides(*map(float, (*terms, factor * g.square().sum())))


def is_larger(y: Tensor, loss: Loss) -> bool:
    """Whether γ = 1 and the same y give the larger gradient with BN, each at its own point."""
    with_bn = _gradient(lambda y: loss(_bn(y, 1.0)), y)
    return bool(with_bn.norm() > _gradient(loss, y).norm())


def _bn(y: Tensor, gamma: float) -> Tensor:
    return gamma * functional.batch_norm(y[:, None], None, None)[:, 0]


def _gradient(loss: Loss, at: Tensor) -> Tensor:
    at = at.detach().requires_grad_()
    return torch.autograd.grad(loss(at), at)[0]


def _random_loss(size: int, rng: np.random.Generator) -> Loss:
    """Squared error with random targets, or cross-entropy with random labels."""
    target = torch.from_numpy(rng.standard_normal(size))
    if rng.random() < 0.5:
        return lambda z: 0.5 * (z - target).square().sum()
    return lambda z: torch.nn.functional.softplus(-z * target.sign()).sum()
