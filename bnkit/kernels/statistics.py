"""Mean and variance of each channel: in parts, by Welford's update, then merged as by Chan.

Every value is first measured from its channel's first one, the `center`. That removes a large
mean, and a constant channel has variance 0 exactly. Welford's update (1962) never subtracts two
large sums, so that a first value far from all others does no harm either.
"""

import triton
import triton.language as tl

from bnkit.kernels.tiling import block_of_columns, place, row_width


@triton.jit
def pooled(count, mean, m2, AXIS: tl.constexpr):
    """Mean and sum of squares of parts taken together: Chan, Golub & LeVeque (1983), k parts.

    Returns count, mean and m2, the sum of squared distances from the mean, reduced along AXIS.
    """
    total = tl.sum(count, AXIS)
    together = tl.sum(count * mean, AXIS) / tl.maximum(total, 1.0)
    between = mean - tl.expand_dims(together, AXIS)
    return total, together, tl.sum(m2 + count * between * between, AXIS)


@triton.jit
def partial_moments(
    x_ptr, mean_ptr, m2_ptr, rows, rows_per_split, column_blocks, span_units, channels_in_all,
    inner, ACROSS: tl.constexpr, VECTOR: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    WIDE: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """Mean (from the center) and m2 of one block of columns in one split of the rows."""
    program = tl.program_id(0)
    split, block = program // column_blocks, program % column_blocks
    columns, channels, exists = block_of_columns(
        block, span_units, inner, ACROSS, VECTOR, COLUMNS, WIDE
    )
    width = row_width(span_units, channels_in_all, ACROSS, VECTOR, WIDE)
    first, last = place(split, rows, rows_per_split, WIDE)
    center = tl.load(x_ptr + channels * inner, mask=exists, other=0.0).to(tl.float32)[None, :]

    lane = tl.arange(0, ROWS)
    mean = tl.zeros((ROWS, COLUMNS), tl.float32)
    m2 = tl.zeros((ROWS, COLUMNS), tl.float32)
    step = 0.0
    for start in tl.range(first, last, ROWS, num_stages=STAGES):
        row = start + lane
        seen = (row < last)[:, None] & exists[None, :]
        x = tl.load(x_ptr + (row[:, None] * width + columns[None, :]), mask=seen, other=0.0)
        x = x.to(tl.float32) - center
        step += 1.0  # a lane that sees this row has seen all before: one count serves all lanes
        distance = tl.where(seen, x - mean, 0.0)
        mean += distance * (1.0 / step)
        m2 += distance * (x - mean)

    count = tl.maximum((last - first - lane + ROWS - 1) // ROWS, 0).to(tl.float32)
    count = tl.where(exists[None, :], count[:, None], 0.0)
    count, mean, m2 = pooled(count, mean, m2, 0)
    if ACROSS:
        entry = split * width + columns
        tl.store(mean_ptr + entry, mean, mask=exists)
        tl.store(m2_ptr + entry, m2, mask=exists)
    else:
        count, mean, m2 = pooled(count, mean, m2, 0)
        entry = split * column_blocks + block
        tl.store(mean_ptr + entry, mean)
        tl.store(m2_ptr + entry, m2)


@triton.jit
def merged_moments(
    x_ptr, mean_ptr, m2_ptr, center_ptr, offset_ptr, var_ptr, running_mean_ptr, running_var_ptr,
    running_rate, rows, rows_per_split, inner, channels_in_all, splits, entries, entry_columns,
    VALUES: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Statistics of each channel from its partial moments, and a step of the running ones.

    Partial moments are splits x channels x entries; `entry_columns` is how many columns an entry
    stands for. Twice through them: first for the mean, then for the distances from it.
    """
    channels = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    exists = channels < channels_in_all
    num_values = (rows * 1.0) * inner

    total = tl.zeros((VALUES, CHANNELS), tl.float32)
    for start in range(0, splits * entries, VALUES):
        part = start + tl.arange(0, VALUES)
        count = _count(part, splits, entries, rows, rows_per_split, inner, entry_columns)
        place, seen = _entry(part, channels, exists, splits, entries, channels_in_all)
        mean = tl.load(mean_ptr + place, mask=seen, other=0.0)
        total += count[:, None] * mean
    offset = tl.sum(total, 0) / num_values

    total = tl.zeros((VALUES, CHANNELS), tl.float32)
    for start in range(0, splits * entries, VALUES):
        part = start + tl.arange(0, VALUES)
        count = _count(part, splits, entries, rows, rows_per_split, inner, entry_columns)
        place, seen = _entry(part, channels, exists, splits, entries, channels_in_all)
        between = tl.load(mean_ptr + place, mask=seen, other=0.0) - offset[None, :]
        within = tl.load(m2_ptr + place, mask=seen, other=0.0)
        total += within + count[:, None] * between * between
    var_biased = tl.sum(total, 0) / num_values

    first = channels.to(tl.int64) * inner
    center = tl.load(x_ptr + first, mask=exists, other=0.0).to(tl.float32)
    store_moments(
        center, offset, var_biased, center_ptr, offset_ptr, var_ptr, running_mean_ptr,
        running_var_ptr, running_rate, num_values, channels, exists,
    )  # fmt: skip


@triton.jit
def store_moments(
    center, offset, var_biased, center_ptr, offset_ptr, var_ptr, running_mean_ptr,
    running_var_ptr, running_rate, num_values, channels, exists,
):  # fmt: skip
    """Write the statistics of a batch and move the running ones; running_rate weighs the batch."""
    tl.store(center_ptr + channels, center, mask=exists)
    tl.store(offset_ptr + channels, offset, mask=exists)
    tl.store(var_ptr + channels, var_biased, mask=exists)
    if running_mean_ptr is not None:
        var_unbiased = var_biased * (num_values / (num_values - 1.0))
        _move(running_mean_ptr + channels, center + offset, running_rate, exists)
        # A variance that the buffer cannot hold becomes the largest finite number.
        largest = 3.4028234663852886e38
        if running_var_ptr.dtype.element_ty == tl.bfloat16:
            largest = 3.3895313892515355e38
        elif running_var_ptr.dtype.element_ty == tl.float16:
            largest = 65504.0
        held = tl.minimum(var_unbiased, largest, propagate_nan=tl.PropagateNan.ALL)
        _move(running_var_ptr + channels, held, running_rate, exists)


@triton.jit
def _move(pointer, batch, running_rate, exists):
    old = tl.load(pointer, mask=exists, other=0.0).to(tl.float32)
    tl.store(pointer, (1.0 - running_rate) * old + running_rate * batch, mask=exists)


@triton.jit
def _entry(part, channels, exists, splits, entries, channels_in_all):
    """Where partial results lie for (parts, channels), and which of them exist."""
    split, entry = part // entries, part % entries
    row = split[:, None] * (channels_in_all * entries) + entry[:, None]
    return row + channels[None, :] * entries, (part < splits * entries)[:, None] & exists[None, :]


@triton.jit
def _count(part, splits, entries, rows, rows_per_split, inner, entry_columns):
    """How many values of a channel each part has seen; a channel alone can have 2^31."""
    split, entry = (part // entries).to(tl.int64), (part % entries).to(tl.int64)
    num_rows = tl.minimum(rows_per_split, rows - split * rows_per_split)
    num_columns = tl.minimum(entry_columns, inner - entry * entry_columns)
    return tl.where(part < splits * entries, num_rows.to(tl.float32) * num_columns, 0.0)
