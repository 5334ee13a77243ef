"""The gradient, in two passes: two sums per channel, then one affine form of dy and x.

Solved for dx, the six equations of Ioffe & Szegedy (2015), section 3, are

    dx = a * dy + b * (x - mean) + c,

with a = gamma * inv_std, b = -a * inv_std * dgamma / n and c = -a * dbeta / n per channel, where
n is the number of values of a channel. Nothing is kept but x and three numbers per channel. Where
a ReLU follows, dy is masked first: by the sign of y, which is computed again from x, or, where a
residual was added, read.
"""

import triton
import triton.language as tl

from bnkit.kernels.normalize import affine
from bnkit.kernels.tiling import block_of_columns, centered, per_channel, place, row_width


@triton.jit
def through_relu(dy, x, y_ptr, where, seen, center, offset, gain, beta, DTYPE: tl.constexpr):
    """Dy where the ReLU let its input pass, else 0; the sign is that of the rounded output."""
    if y_ptr is None:
        y = affine(x, center, offset, gain, beta).to(DTYPE)
    else:
        y = tl.load(y_ptr + where, mask=seen, other=0.0)
    return tl.where(y <= 0.0, 0.0, dy)


@triton.jit
def partial_sums(
    dy_ptr, x_ptr, y_ptr, dz_ptr, sum_ptr, dot_ptr, center_ptr, offset_ptr, var_ptr, gamma_ptr,
    beta_ptr, eps, rows, rows_per_split, column_blocks, span_units, channels_in_all, inner,
    RELU: tl.constexpr, ACROSS: tl.constexpr, VECTOR: tl.constexpr, ROWS: tl.constexpr,
    COLUMNS: tl.constexpr, WIDE: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """Sums of dz and of dz * (x - mean), where dz is dy behind the ReLU, written if asked for."""
    program = tl.program_id(0)
    split, block = program // column_blocks, program % column_blocks
    columns, channels, exists = block_of_columns(
        block, span_units, inner, ACROSS, VECTOR, COLUMNS, WIDE
    )
    width = row_width(span_units, channels_in_all, ACROSS, VECTOR, WIDE)
    first, last = place(split, rows, rows_per_split, WIDE)

    center = per_channel(center_ptr, channels, exists, 0.0)[None, :]
    offset = per_channel(offset_ptr, channels, exists, 0.0)[None, :]
    beta = per_channel(beta_ptr, channels, exists, 0.0)[None, :]
    var = per_channel(var_ptr, channels, exists, 1.0)
    gain = (per_channel(gamma_ptr, channels, exists, 1.0) * tl.rsqrt(var + eps))[None, :]

    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    dot = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in tl.range(first, last, ROWS, num_stages=STAGES):
        row = start + tl.arange(0, ROWS)
        seen = (row < last)[:, None] & exists[None, :]
        where = row[:, None] * width + columns[None, :]
        x = tl.load(x_ptr + where, mask=seen, other=0.0).to(tl.float32)
        dz = tl.load(dy_ptr + where, mask=seen, other=0.0).to(tl.float32)
        if RELU:
            dz = through_relu(
                dz, x, y_ptr, where, seen, center, offset, gain, beta, x_ptr.dtype.element_ty
            )
        if dz_ptr is not None:
            tl.store(dz_ptr + where, dz, mask=seen)
        total += dz
        dot += dz * tl.where(seen, centered(x, center, offset), 0.0)

    total, dot = tl.sum(total, 0), tl.sum(dot, 0)
    if ACROSS:
        entry = split * width + columns
        tl.store(sum_ptr + entry, total, mask=exists)
        tl.store(dot_ptr + entry, dot, mask=exists)
    else:
        entry = split * column_blocks + block
        tl.store(sum_ptr + entry, tl.sum(total, 0))
        tl.store(dot_ptr + entry, tl.sum(dot, 0))


@triton.jit
def merged_sums(
    sum_ptr, dot_ptr, var_ptr, dgamma_ptr, dbeta_ptr, eps, channels_in_all, splits, entries,
    VALUES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Dgamma and dbeta of each channel from its partial sums (splits x channels x entries)."""
    channels = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    exists = channels < channels_in_all
    total = tl.zeros((VALUES, CHANNELS), tl.float32)
    dot = tl.zeros((VALUES, CHANNELS), tl.float32)
    for start in range(0, splits * entries, VALUES):
        part = start + tl.arange(0, VALUES)
        split, entry = part // entries, part % entries
        row = split[:, None] * (channels_in_all * entries) + entry[:, None]
        where = row + channels[None, :] * entries
        seen = (part < splits * entries)[:, None] & exists[None, :]
        total += tl.load(sum_ptr + where, mask=seen, other=0.0)
        dot += tl.load(dot_ptr + where, mask=seen, other=0.0)
    inv_std = tl.rsqrt(per_channel(var_ptr, channels, exists, 1.0) + eps)
    tl.store(dgamma_ptr + channels, tl.sum(dot, 0) * inv_std, mask=exists)
    tl.store(dbeta_ptr + channels, tl.sum(total, 0), mask=exists)


@triton.jit
def input_gradient(
    dz_ptr, x_ptr, dx_ptr, center_ptr, offset_ptr, var_ptr, gamma_ptr, beta_ptr, dgamma_ptr,
    dbeta_ptr, eps, rows, rows_per_split, column_blocks, span_units, channels_in_all, inner,
    RELU: tl.constexpr, BY_BATCH: tl.constexpr, ACROSS: tl.constexpr, VECTOR: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, WIDE: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """The affine form, backwards through memory as in `normalize`.

    RELU: dz is still dy, to be masked. BY_BATCH: mean and variance depend on x; running
    statistics do not, and b = c = 0 then.
    """
    program = tl.num_programs(0) - 1 - tl.program_id(0)
    split, block = program // column_blocks, program % column_blocks
    columns, channels, exists = block_of_columns(
        block, span_units, inner, ACROSS, VECTOR, COLUMNS, WIDE
    )
    width = row_width(span_units, channels_in_all, ACROSS, VECTOR, WIDE)
    first, last = place(split, rows, rows_per_split, WIDE)

    center = per_channel(center_ptr, channels, exists, 0.0)[None, :]
    offset = per_channel(offset_ptr, channels, exists, 0.0)[None, :]
    beta = per_channel(beta_ptr, channels, exists, 0.0)[None, :]
    inv_std = tl.rsqrt(per_channel(var_ptr, channels, exists, 1.0) + eps)
    a = per_channel(gamma_ptr, channels, exists, 1.0) * inv_std
    gain = a[None, :]
    if BY_BATCH:
        num_values = (rows * 1.0) * inner
        b = -a * inv_std * per_channel(dgamma_ptr, channels, exists, 0.0) / num_values
        c = -a * per_channel(dbeta_ptr, channels, exists, 0.0) / num_values

    num_tiles = tl.cdiv(last - first, ROWS)
    for done in tl.range(0, num_tiles, num_stages=STAGES):
        row = first + (num_tiles - 1 - done) * ROWS + tl.arange(0, ROWS)
        seen = (row < last)[:, None] & exists[None, :]
        where = row[:, None] * width + columns[None, :]
        dz = tl.load(dz_ptr + where, mask=seen, other=0.0, eviction_policy="evict_first")
        dz = dz.to(tl.float32)
        x = tl.load(x_ptr + where, mask=seen, other=0.0, eviction_policy="evict_first")
        x = x.to(tl.float32)
        if RELU:
            dz = through_relu(
                dz, x, None, where, seen, center, offset, gain, beta, x_ptr.dtype.element_ty
            )
        dx = gain * dz
        if BY_BATCH:
            dx += b[None, :] * centered(x, center, offset) + c[None, :]
        tl.store(dx_ptr + where, dx, mask=seen, eviction_policy="evict_first")
