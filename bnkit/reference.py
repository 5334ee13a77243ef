"""Batch normalization in NumPy: the forward pass and both backward passes, no autograd.

Notation follows Ioffe & Szegedy (2015): Algorithm 1 and the gradients of section 3. Everything
is computed in float64: this file is the oracle that the layers of the book are compared with.

Shapes: N examples, C channels, any spatial axes after them. A channel is averaged over the
num_values = N * H * W values that share its gamma and beta (section 3.2), and per-channel
quantities have shape (C,).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class ForwardCache(NamedTuple):
    """What the backward passes need from the forward pass."""

    x_centered: Array  # (N, C, *spatial), x - mean
    x_hat: Array  # (N, C, *spatial), normalized x
    inv_std: Array  # (C,), 1 / sqrt(var_biased + eps)
    gamma: Array  # (C,)


def batch_norm_forward(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, eps: float = 1e-5
) -> tuple[Array, ForwardCache]:
    """Normalize each channel over the batch, then scale and shift (Algorithm 1).

    Args:
        x: (N, C, *spatial) activations, at least two values per channel.
        gamma: (C,) learned scale.
        beta: (C,) learned shift.
        eps: added to the variance, in units of x squared, >= 0. With eps = 0 a constant channel
            is 0 / 0.

    Returns:
        y: (N, C, *spatial), and the cache for the backward passes.

    Raises:
        ValueError: x is not floating point, has fewer than two axes or fewer than two values per
            channel; gamma or beta is not (C,); eps is negative.
    """
    x, gamma, beta = _checked(x, gamma, beta, eps)
    mean = channel_mean(x)
    x_centered = x - _like(x, mean)
    var_biased = channel_mean(x_centered**2)  # divides by the number of values, not by one less
    inv_std = 1.0 / np.sqrt(var_biased + eps)
    x_hat = x_centered * _like(x, inv_std)
    y = _like(x, gamma) * x_hat + _like(x, beta)
    return y, ForwardCache(x_centered, x_hat, inv_std, gamma)


def batch_norm_backward(dy: ArrayLike, cache: ForwardCache) -> tuple[Array, Array, Array]:
    """Gradients (dx, dgamma, dbeta) in closed form, for a loss whose gradient at y is `dy`.

    The six equations of section 3 of the paper, solved for dx. The two subtracted means are the
    paths through the batch mean and the batch variance: the gradient of each example depends on
    every other example of the batch. What is left has no component along 1 and, but for eps,
    none along x_hat.
    """
    dy = _checked_gradient(dy, cache)
    _, x_hat, inv_std, gamma = cache
    dgamma = channel_sum(dy * x_hat)
    dbeta = channel_sum(dy)
    through_mean = _like(dy, channel_mean(dy))
    through_var = x_hat * _like(dy, channel_mean(dy * x_hat))
    dx = _like(dy, gamma * inv_std) * (dy - through_mean - through_var)
    return dx, dgamma, dbeta


def batch_norm_backward_graph(dy: ArrayLike, cache: ForwardCache) -> tuple[Array, Array, Array]:
    """The same gradients by the computational graph: one forward node, one backward step.

    Read upwards, the comments are the forward pass. A quantity that was used twice gets the sum
    of two gradients: x_centered feeds x_hat and the variance, x feeds x_centered and the mean.
    """
    dy = _checked_gradient(dy, cache)
    x_centered, x_hat, inv_std, gamma = cache
    num_values = dy.size // gamma.size

    # y = gamma * x_hat + beta
    dbeta = channel_sum(dy)
    dgamma = channel_sum(dy * x_hat)
    dx_hat = dy * _like(dy, gamma)  # first equation of section 3

    # x_hat = x_centered * inv_std
    dinv_std = channel_sum(dx_hat * x_centered)
    dx_centered = dx_hat * _like(dy, inv_std)

    # inv_std = (var_biased + eps) ** (-1/2)
    dvar = -0.5 * inv_std**3 * dinv_std  # second equation

    # var_biased = mean of x_centered ** 2
    dx_centered += 2.0 * x_centered * _like(dy, dvar / num_values)

    # x_centered = x - mean
    dmean = -channel_sum(dx_centered)  # third equation
    dx = dx_centered.copy()

    # mean = sum of x / num_values
    dx += _like(dy, dmean / num_values)  # fourth equation: the three paths to x, added up
    return dx, dgamma, dbeta


def running_update(running: ArrayLike, batch: ArrayLike, running_rate: float) -> Array:
    """One step of a running statistic: an exponential average of batch statistics.

    `running_rate` is the weight of the *new* batch, torch's `momentum`. Keras, Flax and ONNX call
    the weight of the *old* value momentum, which is 1 - running_rate.
    """
    running, batch = np.asarray(running, np.float64), np.asarray(batch, np.float64)
    return (1.0 - running_rate) * running + running_rate * batch


def var_unbiased(var_biased: ArrayLike, num_values: int) -> Array:
    """The variance that inference uses: n / (n - 1) times that of the batch (Algorithm 2, 10).

    Raises:
        ValueError: fewer than two values, of which no variance can be estimated.
    """
    if num_values < 2:
        raise ValueError(f"an unbiased variance needs num_values >= 2, got {num_values}")
    return np.asarray(var_biased, np.float64) * (num_values / (num_values - 1))


def channel_sum(values: Array) -> Array:
    """Sum over every axis but the channel: (N, C, *spatial) -> (C,)."""
    total: Array = values.sum(axis=_all_but_channel(values))
    return total


def channel_mean(values: Array) -> Array:
    """Mean over every axis but the channel: (N, C, *spatial) -> (C,)."""
    mean: Array = values.mean(axis=_all_but_channel(values))
    return mean


def _all_but_channel(values: Array) -> tuple[int, ...]:
    return (0, *range(2, values.ndim))


def _like(x: Array, per_channel: Array) -> Array:
    """A view (1, C, 1, ...) of a (C,) array, so that it meets the channels of x."""
    return per_channel.reshape(1, -1, *[1] * (x.ndim - 2))


def _checked(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, eps: float
) -> tuple[Array, Array, Array]:
    x, gamma, beta = np.asarray(x), np.asarray(gamma, np.float64), np.asarray(beta, np.float64)
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"x has dtype {x.dtype}: batch statistics need floating point values")
    if x.ndim < 2:
        raise ValueError(f"x has shape {x.shape}: expected (N, C) or (N, C, *spatial)")
    num_channels = x.shape[1]
    if x.size < 2 * max(num_channels, 1):
        raise ValueError(f"x has shape {x.shape}: batch statistics need 2 values per channel")
    for name, values in (("gamma", gamma), ("beta", beta)):
        if values.shape != (num_channels,):
            raise ValueError(
                f"{name} has shape {values.shape}: x {x.shape} needs ({num_channels},)"
            )
    if not eps >= 0:
        raise ValueError(f"eps = {eps} is added to a variance: it must be >= 0")
    return x.astype(np.float64), gamma, beta


def _checked_gradient(dy: ArrayLike, cache: ForwardCache) -> Array:
    dy = np.asarray(dy, np.float64)
    if dy.shape != cache.x_hat.shape:
        raise ValueError(f"dy has shape {dy.shape}: the forward pass gave {cache.x_hat.shape}")
    return dy
