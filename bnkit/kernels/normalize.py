"""The second pass of the forward direction: y = gain * (x - mean) + beta, and what follows it.

It runs through memory backwards: what the statistics read last is still in the cache then, and is
read from there. What it reads and writes itself is marked as the first to be evicted.
"""

import triton
import triton.language as tl

from bnkit.kernels.tiling import (
    block_of_columns,
    centered,
    per_channel,
    place,
    rectified,
    row_width,
)


@triton.jit
def affine(x, center, offset, gain, beta):
    """Gain * (x - mean) + beta, the same to the last bit in both directions."""
    return centered(x, center, offset) * gain + beta


@triton.jit
def normalized(
    x_ptr, y_ptr, residual_ptr, center_ptr, offset_ptr, var_ptr, gamma_ptr, beta_ptr, eps, rows,
    rows_per_split, column_blocks, span_units, channels_in_all, inner, RELU: tl.constexpr,
    ACROSS: tl.constexpr, VECTOR: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    WIDE: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """One block of columns in one split of the rows, from the last row to the first."""
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
    var = per_channel(var_ptr, channels, exists, 1.0)
    gain = (per_channel(gamma_ptr, channels, exists, 1.0) * tl.rsqrt(var + eps))[None, :]

    num_tiles = tl.cdiv(last - first, ROWS)
    for done in tl.range(0, num_tiles, num_stages=STAGES):
        row = first + (num_tiles - 1 - done) * ROWS + tl.arange(0, ROWS)
        seen = (row < last)[:, None] & exists[None, :]
        where = row[:, None] * width + columns[None, :]
        x = tl.load(x_ptr + where, mask=seen, other=0.0, eviction_policy="evict_first")
        y = affine(x.to(tl.float32), center, offset, gain, beta)
        if residual_ptr is not None:
            residual = tl.load(
                residual_ptr + where, mask=seen, other=0.0, eviction_policy="evict_first"
            )
            y += residual.to(tl.float32)
        if RELU:
            y = rectified(y)
        tl.store(y_ptr + where, y, mask=seen, eviction_policy="evict_first")
