"""Normalization of each channel by another measure of spread than the standard deviation.

Hoffer et al. (2018): the mean is subtracted, and the distances from it are divided by their mean
absolute value or by the largest, times a constant that makes both agree with the standard deviation
for normal x. Santurkar et al. (2018), section 3.3, take the norm of the activations *before* the
mean is subtracted: `before_shift`.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from bnkit.layers import functional


def mean_absolute(x: Tensor) -> Tensor:
    """√(π/2) times the mean absolute value of each channel, (C,)."""
    return math.sqrt(math.pi / 2) * functional.channel_mean(x.abs())


def largest_absolute(x: Tensor) -> Tensor:
    """The largest absolute value of the n in each channel over what it is for normal x, (C,).

    Hoffer et al. multiply by a closed form between two bounds, which is 1.2 to 1.5 times too large
    for a maximum, and in their code take the mean of the ten largest values.
    """
    largest = x.abs().amax(functional.all_but_channel(x))
    return largest / expected_largest(functional.num_values(x))


@lru_cache
def expected_largest(n: int) -> float:
    """E max |x| of n independent standard normal x, the integral of P(max |x| > t) over t > 0."""
    step = 0.01  # by trapezoids, beyond 12 standard deviations nothing is left
    above = [1.0 - math.erf(i * step / math.sqrt(2.0)) ** n for i in range(1, 1200)]
    return step * (0.5 + sum(above))


SPREADS: dict[str, Callable[[Tensor], Tensor]] = {"l1": mean_absolute, "linf": largest_absolute}


class LpNorm(nn.Module):
    """Normalize each channel by its mean and its spread, over the batch and its positions.

    y = γ (x - mean) / √(spread² + eps) + β: spread² stands where BN has the variance. In evaluation
    mode mean and spread² are the running ones, to which each training step moves them; spread² is
    not corrected for the size of the batch. As in torch's layers the buffer of spread² is called
    `running_var`.

    Args:
        num_features: C, the number of channels.
        spread: "l1", the mean absolute value, or "linf", the largest.
        before_shift: measure the spread of x itself, and not of x - mean.
        eps: added to spread², in units of x squared.
        momentum: weight of the new batch in the running statistics.
        affine: whether gamma (`weight`) and beta (`bias`) are learned.

    Raises:
        ValueError: for an unknown spread, and in `forward` in training mode for a single value per
            channel.
    """

    def __init__(
        self,
        num_features: int,
        spread: str,
        *,
        before_shift: bool = False,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
    ) -> None:
        super().__init__()
        if spread not in SPREADS:
            raise ValueError(f"spread {spread!r}: choose one of {', '.join(SPREADS)}")
        self.num_features, self.spread, self.before_shift = num_features, spread, before_shift
        self.eps, self.momentum = eps, momentum
        self.register_parameter(
            "weight", nn.Parameter(torch.ones(num_features)) if affine else None
        )
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *spatial) -> (N, C, *spatial)."""
        if not self.training:
            mean, var = self.running_mean, self.running_var
            return functional.normalize_with(x, mean, var, self.weight, self.bias, self.eps)
        if functional.num_values(x) < 2:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got input size "
                f"{tuple(x.shape)}: drop the last batch, or call eval()"
            )
        mean = functional.channel_mean(x)
        centered = x - functional.like(x, mean)
        square = SPREADS[self.spread](x if self.before_shift else centered).square()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(square, self.momentum)
        x_hat = centered * functional.like(x, torch.rsqrt(square + self.eps))
        return functional.scale_and_shift(x_hat, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The arguments."""
        before = ", before_shift=True" if self.before_shift else ""
        affine = self.weight is not None
        return (
            f"{self.num_features}, {self.spread!r}{before}, eps={self.eps}, "
            f"momentum={self.momentum}, affine={affine}"
        )
