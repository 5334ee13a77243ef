"""Which program computes which part of a tensor? Plain arithmetic, decided before any launch.

Every dense batch that batch normalization meets is the same thing in memory: `rows` rows, each
with `channels` runs of `inner` neighboring values. NCHW has N rows and runs of H * W;
channels-last and (N, C) have N * H * W rows and runs of one value.
"""

from math import gcd, prod
from typing import NamedTuple

import torch
from torch import Tensor

from bnkit.kernels.tiles import Resident, Tile

WIDE = 2**31  # offsets from here on need 64 bits


class Runs(NamedTuple):
    """A batch as it lies in memory: rows x channels x inner."""

    rows: int
    channels: int
    inner: int

    @property
    def num_values(self) -> int:
        """Values of one channel."""
        return self.rows * self.inner

    @property
    def width(self) -> int:
        """Values of one row."""
        return self.channels * self.inner

    @property
    def is_wide(self) -> bool:
        """Whether offsets into the tensor need 64 bits."""
        return self.rows * self.width >= WIDE


class Split(NamedTuple):
    """A grid of (blocks of columns) x (splits of rows); each program walks down its rows.

    Attributes:
        across: whether a block of columns runs on across channels. Then partial results are one
            for each column, else one for each block.
        span: columns that the blocks divide: those of a row if across, else of a channel.
        block_columns: columns of a tile, a power of two.
        block_rows: rows of a tile, a power of two.
        column_blocks: blocks of columns in a row.
        splits: of the rows.
        rows_per_split: rows of each but the last, which may have fewer.
        entries: partial results of each channel in each split.
        vector: 16 or less, a power of two that divides the span, so that loads can be wide.
        warps: per program.
        stages: tiles on their way at a time.
    """

    across: bool
    span: int
    block_columns: int
    block_rows: int
    column_blocks: int
    splits: int
    rows_per_split: int
    entries: int
    vector: int
    warps: int
    stages: int

    @property
    def num_programs(self) -> int:
        """Programs of one launch."""
        return self.column_blocks * self.splits


class Whole(NamedTuple):
    """A grid of blocks of channels, each held whole by one program."""

    block_channels: int
    block_values: int
    num_programs: int
    vector: int
    warps: int


def runs(x: Tensor) -> Runs | None:
    """How x (N, C, *spatial) lies in memory, or None if not as rows of runs."""
    num_spatial = prod(x.shape[2:])
    if x.is_contiguous():
        if x.shape[1] == 1:
            return Runs(1, 1, x.numel())
        return Runs(x.shape[0], x.shape[1], num_spatial)
    if is_channels_last(x):
        return Runs(x.shape[0] * num_spatial, x.shape[1], 1)
    return None


def is_channels_last(x: Tensor) -> bool:
    """Whether neighbors in memory are neighboring channels."""
    return x.movedim(1, -1).is_contiguous()


def output_like(x: Tensor) -> Tensor:
    """An empty tensor for results, as x lies in memory where that is one of the two layouts."""
    if x.is_contiguous() or is_channels_last(x):
        return torch.empty_like(x)
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def split(shape: Runs, item_bytes: int, tile: Tile) -> Split:
    """Divide a tensor of any size among programs; item_bytes is that of one value."""
    values = tile.bytes // item_bytes
    min_rows = tile.column_bytes // item_bytes
    across = _runs_across(shape, tile.columns, min_rows)
    span = shape.width if across else shape.inner
    block_columns = min(tile.columns, power_of_two(span))
    block_rows = min(values // block_columns, power_of_two(shape.rows))
    block_columns = min(values // block_rows, power_of_two(span))  # few rows: longer blocks

    blocks = ceil_div(span, block_columns)
    column_blocks = blocks if across else blocks * shape.channels
    most = ceil_div(shape.rows, max(min_rows if across else 1, block_rows))
    splits = min(max(1, tile.programs // column_blocks), most, tile.splits)
    rows_per_split = ceil_div(ceil_div(shape.rows, splits), block_rows) * block_rows
    return Split(
        across=across,
        span=span,
        block_columns=block_columns,
        block_rows=block_rows,
        column_blocks=column_blocks,
        splits=ceil_div(shape.rows, rows_per_split),
        rows_per_split=rows_per_split,
        entries=shape.inner if across else blocks,
        vector=gcd(span, 16),
        warps=tile.warps,
        stages=tile.stages,
    )


def whole(shape: Runs, item_bytes: int, limit: Resident) -> Whole | None:
    """A program for each few channels, or None if they do not fit or are too few."""
    block_values = power_of_two(shape.num_values)
    # Next to each other in memory: a run of `inner` values, then the next channel's run.
    neighbors = ceil_div(limit.run_bytes, shape.inner * item_bytes)
    block_channels = power_of_two(max(neighbors, 512 // block_values))
    block_channels = min(block_channels, power_of_two(shape.channels))
    held = block_values * block_channels
    num_programs = ceil_div(shape.channels, block_channels)
    num_bytes = shape.rows * shape.width * item_bytes
    busy = num_programs >= limit.programs or num_bytes <= limit.small_bytes
    if held > limit.values or shape.is_wide or not busy:
        return None
    warps = min(16, max(1, held // (32 * limit.values_per_thread)))
    return Whole(block_channels, block_values, num_programs, gcd(shape.inner, 16), warps)


def _runs_across(shape: Runs, columns: int, min_rows: int) -> bool:
    """Whether blocks of columns should ignore where channels end.

    They must where a channel is narrower than a block, as in channels-last; but every column then
    leaves a partial result of its own, which only many rows are worth.
    """
    padded = ceil_div(shape.inner, columns) * columns
    return shape.inner == 1 or (shape.rows >= min_rows and padded > 1.125 * shape.inner)


def ceil_div(a: int, b: int) -> int:
    """A / b, rounded up."""
    return -(-a // b)


def power_of_two(n: int) -> int:
    """The least power of two that is at least n."""
    return 1 << (n - 1).bit_length()
