"""Batch normalization with its gradient in closed form: one node, few passes over memory.

The computational graph of `functional.batch_norm` keeps every intermediate result and walks back
through each. Solved on paper (Ioffe & Szegedy 2015, section 3), the gradient is one affine form
per channel,

    dx = a * dy + b * x_centered + c,

so nothing is kept but x itself and four numbers per channel. Fresh memory is what costs time on
a CPU: the forward pass fills one new tensor and the backward pass two, the rest is in place.
"""

from typing import Any

import torch
from torch import Tensor

from bnkit.layers import functional
from bnkit.layers.functional import (
    Statistics,
    all_but_channel,
    center_and_scale,
    channel_mean,
    like,
    num_values,
)


def batch_norm(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, eps: float
) -> tuple[Tensor, Statistics]:
    """Normalize x (N, C, *spatial) by its own statistics, which are returned with it.

    Output and statistics can be differentiated in reverse and forward mode, any number of times,
    and mapped by `torch.func.vmap`. A compiler gets the plain operations: it derives and fuses
    the backward pass itself, and cannot trace a function with its own forward-mode derivative.
    """
    if torch.compiler.is_compiling():
        return functional.batch_norm_with_statistics(x, gamma, beta, eps)
    y, *statistics = _ClosedForm.apply(x, gamma, beta, eps)
    return y, Statistics(*statistics)


class _ClosedForm(torch.autograd.Function):
    """(x, gamma, beta, eps) -> (y, center, scale, offset, variance).

    The mean (`offset`) and the variance are outputs in their own right. That is why second
    derivatives need no case of their own: `backward` reads them as functions of x, and what a
    second derivative sends back to them arrives as `doffset` and `dvariance`.
    """

    @staticmethod
    def forward(x: Tensor, gamma: Tensor | None, beta: Tensor | None, eps: float) -> Any:
        center, scale = center_and_scale(x, eps)
        measured = (x - like(x, center)).div_(like(x, scale))
        offset = channel_mean(measured)
        centered = measured.sub_(like(x, offset))
        variance = _channel_dot(centered, centered) / num_values(x)
        statistics = Statistics(center, scale, offset, variance)

        y = centered.mul_(like(x, _gain(gamma, statistics, eps)))
        if beta is not None:
            y.add_(like(y, beta.to(y.dtype)))
        return y.to(x.dtype), *statistics

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, gamma, _, ctx.eps = inputs
        _, center, scale, offset, variance = output
        ctx.mark_non_differentiable(center, scale)
        ctx.save_for_backward(x, gamma, center, scale, offset, variance)
        ctx.save_for_forward(x, gamma, center, scale, offset, variance)

    @staticmethod
    def backward(
        ctx: Any, dy: Tensor, _dcenter: Tensor, _dscale: Tensor, doffset: Tensor, dvariance: Tensor
    ) -> Any:
        x, gamma, *saved = ctx.saved_tensors
        statistics = Statistics(*saved)
        centered = _centered(x, statistics)
        dy = dy.to(centered.dtype)
        inv_std, gain = statistics.inv_std(ctx.eps), _gain(gamma, statistics, ctx.eps)
        dbeta = dy.sum(all_but_channel(dy))
        dgamma = _channel_dot(dy, centered) * inv_std

        dx = None
        if ctx.needs_input_grad[0]:
            # y = gain * centered + beta: the paths through the mean and through the variance.
            doffset = doffset - gain * dbeta
            dvariance = dvariance - 0.5 * gain * inv_std * dgamma
            per_value = num_values(x) * statistics.scale
            dx = dy * like(x, gain / statistics.scale)
            dx.addcmul_(centered, like(x, 2.0 * dvariance / per_value))
            dx.add_(like(x, doffset / per_value))
            dx = dx.to(x.dtype)
        return (
            dx,
            dgamma if ctx.needs_input_grad[1] else None,
            dbeta if ctx.needs_input_grad[2] else None,
            None,
        )

    @staticmethod
    def jvp(
        ctx: Any, x_dot: Tensor, gamma_dot: Tensor | None, beta_dot: Tensor | None, _: None
    ) -> Any:
        x, gamma, *saved = ctx.saved_tensors
        statistics = Statistics(*saved)
        centered = _centered(x, statistics)
        inv_std, gain = statistics.inv_std(ctx.eps), _gain(gamma, statistics, ctx.eps)

        x_dot = x_dot.to(centered.dtype) / like(x, statistics.scale)
        offset_dot = channel_mean(x_dot)
        variance_dot = 2.0 * _channel_dot(centered, x_dot) / num_values(x)
        gain_dot = -0.5 * gain * inv_std.square() * variance_dot
        if gamma_dot is not None:
            gain_dot = gain_dot + gamma_dot.to(gain.dtype) * inv_std

        y_dot = (x_dot - like(x, offset_dot)) * like(x, gain) + centered * like(x, gain_dot)
        if beta_dot is not None:
            y_dot = y_dot + like(x, beta_dot.to(gain.dtype))
        return y_dot.to(x.dtype), None, None, offset_dot, variance_dot

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        x: Tensor,
        gamma: Tensor | None,
        beta: Tensor | None,
        eps: float,
    ) -> Any:
        """Channels know nothing of each other: B batches of C channels are one of B * C."""
        num_batches = info.batch_size

        def folded(tensor: Tensor | None, dim: int | None, channel_axis: int) -> Tensor | None:
            if tensor is None:
                return None
            if dim is None:
                tensor, dim = tensor.expand(num_batches, *tensor.shape), 0
            return tensor.movedim(dim, channel_axis).flatten(channel_axis, channel_axis + 1)

        x = folded(x, in_dims[0], 1)
        gamma, beta = folded(gamma, in_dims[1], 0), folded(beta, in_dims[2], 0)
        y, *statistics = _ClosedForm.apply(x, gamma, beta, eps)
        split = (num_batches, x.shape[1] // num_batches)
        return (y.unflatten(1, split), *(s.unflatten(0, split) for s in statistics)), (1, 0, 0, 0, 0)


def _centered(x: Tensor, statistics: Statistics) -> Tensor:
    """(x - mean) / scale in a new tensor."""
    measured = (x - like(x, statistics.center)).div_(like(x, statistics.scale))
    return measured.sub_(like(x, statistics.offset))


def _gain(gamma: Tensor | None, statistics: Statistics, eps: float) -> Tensor:
    """(C,) dy / dx_centered at constant statistics, in units of 1 / scale."""
    inv_std = statistics.inv_std(eps)
    return inv_std if gamma is None else gamma.to(inv_std.dtype) * inv_std


def _channel_dot(a: Tensor, b: Tensor) -> Tensor:
    """Sum of a * b over every axis but the channel: (N, C, *spatial) twice -> (C,).

    Rows that are contiguous need no memory for the products. Only on a CPU and outside autocast:
    elsewhere a matrix product may round its factors to TF32 or to half precision.
    """
    rows = a.dim() > 2 and a.is_cpu and a.is_contiguous() and b.is_contiguous()
    if not rows or torch.is_autocast_enabled("cpu"):
        return (a * b).sum(all_but_channel(a))
    n, c = a.shape[:2]
    products = torch.bmm(a.reshape(n * c, 1, -1), b.reshape(n * c, -1, 1))
    return products.view(n, c).sum(0)
