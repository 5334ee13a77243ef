"""Batch normalization as torch operations, whose gradient is left to the computational graph.

The statistics are the careful part. Mean and variance of float32 data can be lost in three ways:
by cancellation (a mean of 1e6 leaves a constant channel at anything but beta), by overflow (1e30
squared is infinite) and by underflow. So each channel is first measured from a `center` and in
units of a `scale`, both constants as far as derivatives are concerned: y does not depend on them.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Statistics(NamedTuple):
    """Mean and variance of each channel, measured from `center` in units of `scale`.

    All four are (C,), in float32 or float64. `center` and `scale` are constants; `offset` and
    `variance` carry the derivatives.
    """

    center: Tensor  # near the mean, and exactly the value of a constant channel
    scale: Tensor  # the largest distance from the center, at least sqrt(eps)
    offset: Tensor  # (mean - center) / scale: what rounding left in the center
    variance: Tensor  # var_biased / scale**2, between 0 and 1

    @property
    def mean(self) -> Tensor:
        """(C,) mean of the batch."""
        return self.center + self.scale * self.offset

    @property
    def var_biased(self) -> Tensor:
        """(C,) variance of the batch, divided by n. Infinite where the dtype cannot hold it."""
        return self.scale * self.variance * self.scale

    def measure(self, x: Tensor) -> Tensor:
        """(x - mean) / scale, at least in float32; x is (N, C, *spatial)."""
        return (x - like(x, self.center)) / like(x, self.scale) - like(x, self.offset)

    def inv_std(self, eps: float) -> Tensor:
        """(C,) 1 / sqrt(var_biased + eps), in units of 1 / scale."""
        return torch.rsqrt(self.variance + (eps**0.5 / self.scale).square())


def batch_norm(x: Tensor, gamma: Tensor | None, beta: Tensor | None, eps: float = 0.0) -> Tensor:
    """Normalize each channel over the batch, then scale and shift.

    Algorithm 1 of Ioffe & Szegedy (2015), for the exact claims of the book: unlike the layers,
    it takes eps = 0, where a constant channel is 0 / 0 and becomes NaN.

    Args:
        x: (N, C, *spatial), floating point, at least two values per channel. Half precision is
            computed in float32.
        gamma: (C,) learned scale, or None for 1.
        beta: (C,) learned shift, or None for 0.
        eps: added to the variance, in units of x squared, >= 0.

    Returns:
        y, with the shape and dtype of x. It can be differentiated any number of times.

    Raises:
        ValueError: x has fewer than two axes or one value per channel, or eps is negative.
    """
    if x.dim() < 2:
        raise ValueError(f"x has shape {tuple(x.shape)}: expected (N, C) or (N, C, *spatial)")
    if x.numel() < 2 * x.shape[1]:
        raise ValueError(f"x has shape {tuple(x.shape)}: statistics need 2 values per channel")
    if not eps >= 0:
        raise ValueError(f"eps = {eps} is added to a variance: it must be >= 0")
    y, _ = batch_norm_with_statistics(x, gamma, beta, eps)
    return y


def batch_norm_with_statistics(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, eps: float
) -> tuple[Tensor, Statistics]:
    """`batch_norm` without its checks, and the statistics that the running averages need."""
    center, scale = center_and_scale(x, eps)
    measured = (x - like(x, center)) / like(x, scale)
    offset = channel_mean(measured)
    centered = measured - like(x, offset)
    statistics = Statistics(center, scale, offset, channel_mean(centered.square()))
    y = centered * like(x, statistics.inv_std(eps))
    return scale_and_shift(y, gamma, beta).to(x.dtype), statistics


def normalize_with(
    x: Tensor,
    mean: Tensor,
    var: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    eps: float,
) -> Tensor:
    """Normalize with given statistics, (C,) each: what a layer does in evaluation mode.

    Algorithm 2 of Ioffe & Szegedy (2015), line 11. The mean is subtracted first: folded into one
    product and one sum, as inference engines do it, a large mean would cancel.
    """
    dtype = computing_dtype(x)
    inv_std = torch.rsqrt(var.to(dtype) + eps)
    gain = inv_std if gamma is None else gamma.to(dtype) * inv_std
    shift = torch.zeros_like(inv_std) if beta is None else beta.to(dtype)
    centered = x - like(x, mean.to(dtype))
    return torch.addcmul(like(x, shift), centered, like(x, gain)).to(x.dtype)


def center_and_scale(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """A center (C,) near the mean of each channel, and its largest distance from it (C,).

    The center is the rounded mean, held between the least and the greatest value: subtracting it
    rounds next to nothing where the mean is large, and a constant channel has its own value as
    center. The scale is at least sqrt(eps), which keeps eps / scale**2 below 1.
    """
    x = x.detach()
    axes, dtype = all_but_channel(x), computing_dtype(x)
    least, greatest = x.amin(axes).to(dtype), x.amax(axes).to(dtype)
    center = x.sum(axes, dtype=dtype) / num_values(x)
    center = center.clamp(least, greatest)
    distance = torch.maximum(greatest - center, center - least)
    return center, distance.clamp(min=max(eps**0.5, torch.finfo(dtype).tiny))


def scale_and_shift(x_hat: Tensor, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
    """Gamma * x_hat + beta, where None stands for 1 and for 0."""
    y = x_hat if gamma is None else x_hat * like(x_hat, gamma.to(x_hat.dtype))
    return y if beta is None else y + like(y, beta.to(y.dtype))


def channel_mean(values: Tensor) -> Tensor:
    """Mean over every axis but the channel: (N, C, *spatial) -> (C,)."""
    return values.sum(all_but_channel(values)) / num_values(values)


def all_but_channel(x: Tensor) -> tuple[int, ...]:
    """The axes that a channel is averaged over."""
    return (0, *range(2, x.dim()))


def num_values(x: Tensor) -> int:
    """How many values a channel is averaged over: N * H * W (section 3.2)."""
    return x.numel() // max(x.shape[1], 1)


def like(x: Tensor, per_channel: Tensor) -> Tensor:
    """A view (1, C, 1, ...) of a (C,) tensor, so that it meets the channels of x."""
    return per_channel.reshape(1, -1, *[1] * (x.dim() - 2))


def computing_dtype(x: Tensor) -> torch.dtype:
    """float32 for half precision, else the dtype of x."""
    return torch.promote_types(x.dtype, torch.float32)
