"""Both directions for channels that one program can hold: memory is read once, in one launch.

Forward moves 2 bytes for each byte of x instead of 3, backward 3 instead of 5.
"""

import triton
import triton.language as tl

from bnkit.kernels.backward import through_relu
from bnkit.kernels.normalize import affine
from bnkit.kernels.statistics import store_moments
from bnkit.kernels.tiling import centered, per_channel, rectified


@triton.jit
def block_of_channels(
    rows, inner_units, channels_in_all, VECTOR: tl.constexpr, CHANNELS: tl.constexpr,
    VALUES: tl.constexpr,
):  # fmt: skip
    """Places (CHANNELS, VALUES) of all values of some channels; which channels and places exist."""
    inner = inner_units * VECTOR
    channels = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    exists = channels < channels_in_all
    value = tl.arange(0, VALUES)
    place = (value // inner) * (inner * channels_in_all) + value % inner
    where = channels[:, None] * inner + place[None, :]
    seen = exists[:, None] & (value < rows * inner)[None, :]
    return channels, exists, where, seen


@triton.jit
def forward_at_once(
    x_ptr, y_ptr, residual_ptr, center_ptr, offset_ptr, var_ptr, running_mean_ptr,
    running_var_ptr, gamma_ptr, beta_ptr, running_rate, eps, rows, inner_units, channels_in_all,
    RELU: tl.constexpr, VECTOR: tl.constexpr, CHANNELS: tl.constexpr, VALUES: tl.constexpr,
):  # fmt: skip
    """Statistics in two passes over registers, then the output."""
    channels, exists, where, seen = block_of_channels(
        rows, inner_units, channels_in_all, VECTOR, CHANNELS, VALUES
    )
    inner = inner_units * VECTOR
    num_values = (rows * 1.0) * inner
    center = tl.load(x_ptr + channels * inner, mask=exists, other=0.0).to(tl.float32)
    x = tl.load(x_ptr + where, mask=seen, other=0.0).to(tl.float32)
    from_center = tl.where(seen, x - center[:, None], 0.0)
    offset = tl.sum(from_center, 1) / num_values
    distance = tl.where(seen, from_center - offset[:, None], 0.0)
    var_biased = tl.sum(distance * distance, 1) / num_values
    store_moments(
        center, offset, var_biased, center_ptr, offset_ptr, var_ptr, running_mean_ptr,
        running_var_ptr, running_rate, num_values, channels, exists,
    )  # fmt: skip

    gain = per_channel(gamma_ptr, channels, exists, 1.0) * tl.rsqrt(var_biased + eps)
    beta = per_channel(beta_ptr, channels, exists, 0.0)
    y = affine(x, center[:, None], offset[:, None], gain[:, None], beta[:, None])
    if residual_ptr is not None:
        y += tl.load(residual_ptr + where, mask=seen, other=0.0).to(tl.float32)
    if RELU:
        y = rectified(y)
    tl.store(y_ptr + where, y, mask=seen)


@triton.jit
def backward_at_once(
    dy_ptr, x_ptr, y_ptr, dz_ptr, dx_ptr, dgamma_ptr, dbeta_ptr, center_ptr, offset_ptr, var_ptr,
    gamma_ptr, beta_ptr, eps, rows, inner_units, channels_in_all, RELU: tl.constexpr,
    BY_BATCH: tl.constexpr, VECTOR: tl.constexpr, CHANNELS: tl.constexpr, VALUES: tl.constexpr,
):  # fmt: skip
    """The two sums, then the affine form, of what is in registers."""
    channels, exists, where, seen = block_of_channels(
        rows, inner_units, channels_in_all, VECTOR, CHANNELS, VALUES
    )
    inner = inner_units * VECTOR
    num_values = (rows * 1.0) * inner
    center = per_channel(center_ptr, channels, exists, 0.0)[:, None]
    offset = per_channel(offset_ptr, channels, exists, 0.0)[:, None]
    beta = per_channel(beta_ptr, channels, exists, 0.0)[:, None]
    inv_std = tl.rsqrt(per_channel(var_ptr, channels, exists, 1.0) + eps)
    a = per_channel(gamma_ptr, channels, exists, 1.0) * inv_std

    x = tl.load(x_ptr + where, mask=seen, other=0.0).to(tl.float32)
    dz = tl.load(dy_ptr + where, mask=seen, other=0.0).to(tl.float32)
    if RELU:
        dz = through_relu(
            dz, x, y_ptr, where, seen, center, offset, a[:, None], beta, x_ptr.dtype.element_ty
        )
    if dz_ptr is not None:
        tl.store(dz_ptr + where, dz, mask=seen)
    distance = tl.where(seen, centered(x, center, offset), 0.0)
    dbeta = tl.sum(dz, 1)
    dgamma = tl.sum(dz * distance, 1) * inv_std
    tl.store(dgamma_ptr + channels, dgamma, mask=exists)
    tl.store(dbeta_ptr + channels, dbeta, mask=exists)
    dx = a[:, None] * dz
    if BY_BATCH:
        b = -a * inv_std * dgamma / num_values
        c = -a * dbeta / num_values
        dx += b[:, None] * distance + c[:, None]
    tl.store(dx_ptr + where, dx, mask=seen)
