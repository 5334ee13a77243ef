"""Batch normalization by the kernels: what a caller sees."""

import torch
from torch import Tensor

from bnkit.kernels import operator as _operator  # noqa: F401 - registers torch.ops.bnkit

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def batch_norm(
    x: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    *,
    training: bool = True,
    running_rate: float = 0.1,
    eps: float = 1e-5,
    residual: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    """relu(normalized(x) + residual), by few passes over memory on an NVIDIA GPU.

    Algorithms 1 (training) and 2 (not training) of Ioffe & Szegedy (2015). Statistics are computed
    in float32. With S bytes in x, training moves 3 S forward and 5 S backward, the ReLU included;
    2 S and 3 S where a channel fits into one program. A residual adds S forward, and with the ReLU
    2 S backward.

    Args:
        x: (N, C, *spatial) in float32, bfloat16 or float16, two values per channel or more.
            Contiguous and channels-last batches are taken as they are, others are copied.
        gamma: (C,) learned scale, or None for 1.
        beta: (C,) learned shift, or None for 0.
        running_mean: (C,); moved in place when training, used when not.
        running_var: (C,), unbiased; likewise.
        training: whether x is normalized by its own statistics.
        running_rate: weight of the new batch in the running statistics.
        eps: added to the variance, in units of x squared; above 0.
        residual: added before the ReLU, with shape and dtype of x.
        relu: whether max(0, .) ends it.

    Returns:
        y, with the shape, dtype and memory layout of x. It can be differentiated once.

    Raises:
        ValueError: an argument of the wrong shape, dtype or size.
        RuntimeError: Triton is missing, x is not on an NVIDIA GPU, or a second derivative is asked
            for.
    """
    _check(x, gamma, beta, running_mean, running_var, residual, eps)
    if x.numel() == 0:
        raise ValueError(f"x has shape {tuple(x.shape)}: there is nothing to normalize")
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("training=False needs running_mean and running_var: give both")
        return torch.ops.bnkit.batch_norm_inference(
            x, gamma, beta, running_mean, running_var, residual, eps, relu
        )
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var: give both or neither")
    _check_batch(x)
    y, _ = torch.ops.bnkit.batch_norm(
        x, gamma, beta, running_mean, running_var, residual, running_rate, eps, relu
    )
    return y


def batch_norm_with_statistics(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, eps: float
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Y, and (center, scale, offset, variance) of the batch, for layers that track them.

    The mean is center + scale * offset, and var_biased is scale**2 * variance, with scale 1; all
    four are (C,) in float32 and constants to autograd. Arguments and errors are those of
    `batch_norm`.
    """
    _check(x, gamma, beta, None, None, None, eps)
    _check_batch(x)
    y, statistics = torch.ops.bnkit.batch_norm(x, gamma, beta, None, None, None, 0.0, eps, False)
    center, offset, var_biased = statistics.unbind()
    return y, (center, torch.ones_like(center), offset, var_biased)


def _check(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, residual: Tensor | None, eps: float,
) -> None:  # fmt: skip
    shape = tuple(x.shape)
    if x.dim() < 2:
        raise ValueError(f"x has shape {shape}: expected (N, C) or (N, C, *spatial)")
    if x.dtype not in DTYPES:
        raise ValueError(
            f"x is {x.dtype}: the kernels take float32, bfloat16 and float16; convert it, or use "
            "backend='torch'"
        )
    if not eps > 0:
        raise ValueError(f"eps = {eps} is added to a variance: it must be above 0")
    named = {
        "gamma": gamma, "beta": beta, "running_mean": running_mean, "running_var": running_var,
    }  # fmt: skip
    for name, values in named.items():
        if values is None:
            continue
        if values.shape != (shape[1],) or values.dtype not in DTYPES:
            raise ValueError(
                f"{name} is {tuple(values.shape)} in {values.dtype}: x {shape} needs "
                f"({shape[1]},) in float32, bfloat16 or float16"
            )
        if not values.is_contiguous():
            raise ValueError(f"{name} has strides {values.stride()}: make it contiguous")
    if residual is not None and (residual.shape != x.shape or residual.dtype != x.dtype):
        raise ValueError(
            f"the residual is {tuple(residual.shape)} in {residual.dtype}: expected that of x, "
            f"{shape} in {x.dtype}"
        )


def _check_batch(x: Tensor) -> None:
    if x.numel() < 2 * x.shape[1]:
        raise ValueError(f"x has shape {tuple(x.shape)}: statistics need 2 values per channel")
