"""What becomes of a bias if gradient descent does not know about the normalization behind it?

Ioffe & Szegedy (2015), section 2: a layer adds a bias b to its input u, and the mean over the
examples is subtracted, x_hat = u + b - mean(u + b). A gradient that takes the mean for a constant
moves b by a step that is not 0, yet x_hat and the loss stay as they were: the next gradient is the
same, and b grows for ever. The gradient through the mean is 0.

Here x_hat is compared with targets by squared error. Both arms differentiate automatically; one
stops the gradient at the mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class StopGradientBias:
    """One layer whose bias alone is trained, in float64."""

    # Scientific: what the chapter compares.
    gradient: Literal["stopped", "through"]  # at the mean
    # Fixed: the verdict holds for these values only, and the chapter says so.
    rate: float = 0.1
    looks: tuple[int, ...] = (10, 100, 1_000, 10_000)  # steps; the last one ends the run
    num_examples: int = 60
    num_units: int = 10

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {gradient: StopGradientBias(gradient=gradient) for gradient in ("stopped", "through")}


def run(spec: StopGradientBias, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one layer per seed, with a bias that begins at 0.

    Returns:
        At the last step "bias_size@t", ‖b‖ after t steps; "bias_change", the last of them; and
        "loss_change", the largest distance of a loss from the first one, in relation to it.
    """
    return [row for seed in seeds for row in _train(spec, seed)]


def _train(spec: StopGradientBias, seed: int) -> list[Row]:
    generator = torch.Generator().manual_seed(seed)
    u, targets = torch.randn(
        2, spec.num_examples, spec.num_units, generator=generator, dtype=torch.float64
    )
    bias = torch.zeros(spec.num_units, dtype=torch.float64, requires_grad=True)
    losses, sizes = [], {}
    for step in range(spec.looks[-1] + 1):
        if step in spec.looks:
            sizes[step] = float(bias.detach().norm())
        loss = (centered(u + bias, spec.gradient) - targets).square().mean()
        losses.append(float(loss.detach()))
        (gradient,) = torch.autograd.grad(loss, bias)
        with torch.no_grad():
            bias -= spec.rate * gradient
    changes = [abs(loss / losses[0] - 1.0) for loss in losses]
    found = {f"bias_size@{step:g}": size for step, size in sizes.items()}
    found |= {"bias_change": sizes[spec.looks[-1]], "loss_change": max(changes)}
    return [Row(seed, spec.looks[-1], name, value, "1") for name, value in found.items()]


def centered(x: Tensor, gradient: Literal["stopped", "through"]) -> Tensor:
    """(N, C) less the mean over examples, which counts as a constant where it is "stopped"."""
    mean = x.mean(dim=0)
    return x - (mean.detach() if gradient == "stopped" else mean)
