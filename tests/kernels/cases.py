"""Batches, and the ways in which the kernels can divide them."""

import numpy as np
import torch

from bnkit.kernels import launch, tiles
from bnkit.reference import batch_norm_backward, batch_norm_forward, channel_sum

EPS = 1e-5

# (N, C), one channel, one example, odd places, one place, more axes.
SHAPES = [
    (2, 1),
    (33, 5),
    (1, 3, 7),
    (4, 3, 5),
    (6, 2, 1, 1),
    (8, 3, 7, 7),
    (9, 1, 5, 3),
    (3, 2, 9, 16),
    (2, 2, 3, 3, 3),
]
# Values of relative size that each dtype can tell apart, with room for a few roundings.
TOLERANCE = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}

SMALL_TILE = tiles.Tile(bytes=256, columns=16, programs=6, column_bytes=16)
NEVER_WHOLE = tiles.Resident(values=0, values_per_thread=1)


def divide(monkeypatch, way):
    """Batches of a test's size are held "whole", or "split" over many programs as large ones."""
    if way == "whole":
        return
    for name in ("MOMENTS", "NORMALIZE", "SUMS", "GRADIENT"):
        monkeypatch.setattr(tiles, name, SMALL_TILE)
    monkeypatch.setattr(tiles, "RESIDENT_FORWARD", NEVER_WHOLE)
    monkeypatch.setattr(tiles, "RESIDENT_BACKWARD", NEVER_WHOLE)
    monkeypatch.setattr(tiles, "MERGE", tiles.Merge(values=8, channels=2, warps=1))


def batch(shape, seed=0, dtype=torch.float32, mean=3.0, std=2.0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    return (x * std + mean).to(dtype)


def channels_last(x):
    return x.movedim(1, -1).contiguous().movedim(-1, 1)


def parameters(num_channels, dtype=torch.float32):
    gamma = torch.linspace(-1.5, 2.0, num_channels, dtype=torch.float64)
    beta = torch.linspace(0.5, -1.0, num_channels, dtype=torch.float64)
    return gamma.to(dtype), beta.to(dtype)


def exact(x, gamma, beta, dy, residual=None, relu=False, eps=EPS):
    """[(value, size)] of y, dx, dgamma, dbeta and dresidual, by NumPy in float64.

    The size is that of the terms which a value is summed from: what rounding errors relate to.
    """
    x, gamma, beta, dy = (np.asarray(t.detach().double()) for t in (x, gamma, beta, dy))
    y, cache = batch_norm_forward(x, gamma, beta, eps)
    if residual is not None:
        y = y + np.asarray(residual.detach().double())
    if relu:
        dy = dy * (y > 0)
        y = np.maximum(y, 0.0)
    dx, dgamma, dbeta = batch_norm_backward(dy, cache)
    gain = (gamma * cache.inv_std).reshape(1, -1, *[1] * (x.ndim - 2))
    return [
        (y, np.abs(y).max()),
        (dx, np.abs(gain * dy).max()),
        (dgamma, channel_sum(np.abs(dy * cache.x_hat)).max()),
        (dbeta, channel_sum(np.abs(dy)).max()),
        (dy, np.abs(dy).max()),
    ]


def assert_near(value, expected, size, tolerance):
    """Equal to `tolerance` times a size, which NaN never is."""
    value = np.asarray(value.detach().double())
    np.testing.assert_allclose(value, expected, rtol=0, atol=tolerance * size)


def is_split(x):
    """Whether the forward pass divides the rows of x among programs."""
    shape = launch.plan.runs(x)
    return launch.plan.whole(shape, x.element_size(), tiles.RESIDENT_FORWARD) is None
