"""Passes over a batch that read it from memory once and compute in blocks that stay in cache.

On a CPU the time of batch normalization is the time of its memory traffic, and a fresh tensor of
some megabytes has to be mapped page by page besides. So each sweep takes a block of examples at a
time, through one small scratch tensor or straight into the result. These functions write in place
and know nothing of derivatives: `closed_form` gives them theirs.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from bnkit.layers.functional import Statistics, all_but_channel, computing_dtype, like, num_values

BLOCK = 2**18  # values: 1 MB in float32, so that scratch and operand share a cache of 2 MB


def moments(x: Tensor, center: Tensor, scale: Tensor) -> Statistics:
    """Mean and variance of each channel of x (N, C, *spatial); center and scale are (C,).

    In two sweeps: the squares are those of centered values, so that nothing cancels.
    """
    axes, n = all_but_channel(x), num_values(x)
    measured = Statistics(center, scale, torch.zeros_like(center), torch.zeros_like(center))
    offset = sum(block.sum(axes) for block, _ in _blocks(x, measured)) / n
    centered = measured._replace(offset=offset)
    variance = sum(block.square_().sum(axes) for block, _ in _blocks(x, centered)) / n
    return centered._replace(variance=variance)


def normalize(x: Tensor, statistics: Statistics, gain: Tensor, beta: Tensor) -> Tensor:
    """Gain * x_centered + beta, in the dtype and the memory layout of x."""
    y = torch.empty_like(x, dtype=computing_dtype(x))
    gain, beta = like(x, gain), like(x, beta)
    for block, _ in _blocks(x, statistics, into=y):
        block.mul_(gain).add_(beta)
    return y.to(x.dtype)


def channel_sums(dy: Tensor, x: Tensor, statistics: Statistics) -> tuple[Tensor, Tensor]:
    """(C,) sums of dy and of dy * x_centered."""
    axes, dtype = all_but_channel(x), computing_dtype(x)
    sum_dy = sum_dy_centered = torch.zeros_like(statistics.center)
    for block, examples in _blocks(x, statistics):
        sum_dy = sum_dy + dy[examples].sum(axes, dtype=dtype)
        sum_dy_centered = sum_dy_centered + block.mul_(dy[examples]).sum(axes)
    return sum_dy, sum_dy_centered


def affine_form(
    dy: Tensor, x: Tensor, statistics: Statistics, a: Tensor, b: Tensor, c: Tensor
) -> Tensor:
    """A * dy + b * x_centered + c, in the dtype and the memory layout of x; a, b, c are (C,)."""
    dx = torch.empty_like(x, dtype=computing_dtype(x))
    a, b, c = like(x, a), like(x, b), like(x, c)
    for block, examples in _blocks(x, statistics, into=dx):
        block.mul_(b).add_(c).addcmul_(dy[examples].to(block.dtype), a)
    return dx.to(x.dtype)


def _blocks(
    x: Tensor, statistics: Statistics, into: Tensor | None = None
) -> Iterator[tuple[Tensor, slice]]:
    """Blocks of (x - mean) / scale, in `into` or one after the other in a scratch tensor."""
    num_examples = max(1, BLOCK // x[0].numel()) if x.is_cpu else len(x)
    scratch = torch.empty_like(x[:num_examples], dtype=computing_dtype(x)) if into is None else None
    center, scale, offset = (like(x, values) for values in statistics[:3])
    for start in range(0, len(x), num_examples):
        examples = slice(start, start + num_examples)
        block = x[examples]
        out = into[examples] if scratch is None else scratch[: len(block)]
        yield torch.sub(block, center, out=out).div_(scale).sub_(offset), examples
