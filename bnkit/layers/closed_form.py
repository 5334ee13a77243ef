"""Batch normalization with its gradient in closed form: one node, few passes over memory.

The computational graph of `functional.batch_norm` keeps every intermediate result and walks back
through each. Solved on paper (Ioffe & Szegedy 2015, section 3), the gradient is one affine form
per channel,

    dx = a * dy + b * x_centered + c,

so nothing is kept but x itself and four numbers per channel.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from bnkit.layers import functional, sweeps
from bnkit.layers.functional import Statistics, all_but_channel, like, num_values

SMALL = 2**15  # values: fewer are in cache anyway, and sweeps cost more than they save


def batch_norm(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, eps: float
) -> tuple[Tensor, Statistics]:
    """Normalize x (N, C, *spatial) by its own statistics, which are returned with it.

    Output and statistics can be differentiated any number of times. The closed form serves the
    reverse mode; the plain operations serve whatever transforms operations one by one: a
    compiler, which fuses them itself, `torch.func`, and forward-mode differentiation. Only
    `torch.autograd.grad(..., is_grads_batched=True)` cannot be told apart in time: it raises
    RuntimeError for a batch of `SMALL` values or more, where `functional` serves.
    """
    if torch.compiler.is_compiling() or _is_transformed(x, gamma, beta):
        return functional.batch_norm_with_statistics(x, gamma, beta, eps)
    dtype = functional.computing_dtype(x)
    gamma = x.new_ones(x.shape[1], dtype=dtype) if gamma is None else gamma.to(dtype)
    beta = x.new_zeros(x.shape[1], dtype=dtype) if beta is None else beta.to(dtype)
    y, *statistics = _ClosedForm.apply(x, gamma, beta, eps)
    return y, Statistics(*statistics)


class _ClosedForm(torch.autograd.Function):
    """(x, gamma, beta, eps) -> (y, center, scale, offset, variance).

    The mean (`offset`) and the variance are outputs in their own right. That is why second
    derivatives need no case of their own: the gradient reads them as functions of x, and what a
    second derivative sends back to them arrives as `doffset` and `dvariance`.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Any:
        if x.numel() < SMALL:
            y, statistics = functional.batch_norm_with_statistics(x, gamma, beta, eps)
        else:
            statistics = sweeps.moments(x, *functional.center_and_scale(x, eps))
            y = sweeps.normalize(x, statistics, gamma * statistics.inv_std(eps), beta)
        ctx.eps = eps
        ctx.mark_non_differentiable(statistics.center, statistics.scale)
        ctx.save_for_backward(x, gamma, *statistics)
        return y, *statistics

    @staticmethod
    def backward(
        ctx: Any, dy: Tensor, _dcenter: Tensor, _dscale: Tensor, doffset: Tensor, dvariance: Tensor
    ) -> Any:
        x, gamma, *saved = ctx.saved_tensors
        statistics = Statistics(*saved)
        inv_std = statistics.inv_std(ctx.eps)
        gain = gamma * inv_std

        # Sweeps write in place, which a pass that is itself differentiated or mapped cannot do.
        watched = torch.is_grad_enabled() or _is_transformed(dy, x)
        by = _Plain if watched or x.numel() < SMALL else sweeps
        dbeta, sum_dy_centered = by.channel_sums(dy, x, statistics)
        dgamma = sum_dy_centered * inv_std

        # y = gain * x_centered + beta, so a is the path through y alone. The path through the
        # variance runs along x_centered and the path through the mean is constant; the mean does
        # not reach the variance, since the centered values add up to zero.
        dvariance = dvariance - 0.5 * gain * inv_std * dgamma
        doffset = doffset - gain * dbeta
        per_value = num_values(x) * statistics.scale
        a, b, c = gain / statistics.scale, 2.0 * dvariance / per_value, doffset / per_value
        dx = by.affine_form(dy, x, statistics, a, b, c) if ctx.needs_input_grad[0] else None
        return dx, dgamma, dbeta, None


class _Plain:
    """The two passes of the gradient as operations that leave their inputs alone."""

    @staticmethod
    def channel_sums(dy: Tensor, x: Tensor, statistics: Statistics) -> tuple[Tensor, Tensor]:
        axes, centered = all_but_channel(x), statistics.measure(x)
        return dy.sum(axes, dtype=centered.dtype), (dy * centered).sum(axes)

    @staticmethod
    def affine_form(
        dy: Tensor, x: Tensor, statistics: Statistics, a: Tensor, b: Tensor, c: Tensor
    ) -> Tensor:
        dx = like(x, a) * dy + like(x, b) * statistics.measure(x) + like(x, c)
        return dx.to(x.dtype)


def _is_transformed(*tensors: Tensor | None) -> bool:
    """Whether `torch.func` or forward-mode differentiation are at work.

    An autograd function could have rules for them, but torch's nested forward mode does not
    differentiate such a rule again, in silence.
    """
    return torch._C._are_functorch_transforms_active() or any(
        tensor is not None and forward_ad.unpack_dual(tensor).tangent is not None
        for tensor in tensors
    )
