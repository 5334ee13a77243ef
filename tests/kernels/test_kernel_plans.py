"""Every value of a tensor belongs to exactly one program, whatever its shape."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("triton", reason="the kernels need Triton: pip install triton")

from bnkit.kernels import plan, tiles
from bnkit.kernels.plan import Runs

from .cases import channels_last

shapes = st.builds(
    Runs, rows=st.integers(1, 90), channels=st.integers(1, 20), inner=st.integers(1, 90)
)
item_sizes = st.sampled_from([2, 4])
powers = st.sampled_from([1, 2, 8, 32])
some_tiles = st.builds(
    lambda columns, rows, programs, column_bytes: tiles.Tile(
        bytes=4 * columns * rows, columns=columns, programs=programs, column_bytes=column_bytes
    ),
    powers, powers, st.integers(1, 200), st.sampled_from([4, 32, 256]),
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(shapes, item_sizes, some_tiles)
def test_a_split_covers_every_value_once(shape, item_bytes, tile):
    division = plan.split(shape, item_bytes, tile)
    seen = np.zeros((shape.rows, shape.width), np.int64)
    for block in range(division.column_blocks):
        blocks = plan.ceil_div(division.span, division.block_columns)
        channel, within = divmod(block, blocks) if not division.across else (0, block)
        start = within * division.block_columns
        stop = min(start + division.block_columns, division.span)
        first = channel * shape.inner
        for split in range(division.splits):
            rows = slice(split * division.rows_per_split, (split + 1) * division.rows_per_split)
            assert seen[rows].size  # no program is idle
            seen[rows, first + start : first + stop] += 1
    assert (seen == 1).all()
    assert division.span % division.vector == 0
    assert division.rows_per_split % division.block_rows == 0  # only the last tile is cut
    assert division.block_rows * division.block_columns <= tile.bytes // item_bytes
    assert division.splits <= tile.splits
    assert (division.span == shape.inner) or division.across


@settings(deadline=None, max_examples=100)
@given(shapes, item_sizes)
def test_a_channel_held_whole_fits(shape, item_bytes):
    limit = tiles.Resident(values=1024, values_per_thread=8, programs=4)
    held = plan.whole(shape, item_bytes, limit)
    if held is None:
        assert shape.num_values > 64 or shape.inner * item_bytes < limit.run_bytes
        return
    assert held.block_values >= shape.num_values
    assert held.block_values * held.block_channels <= limit.values
    assert held.num_programs * held.block_channels >= shape.channels


def test_memory_is_rows_of_runs():
    images = torch.empty(8, 3, 5, 7)
    assert plan.runs(images) == Runs(8, 3, 35)
    assert plan.runs(channels_last(images)) == Runs(8 * 35, 3, 1)
    assert plan.runs(torch.empty(8, 3)) == Runs(8, 3, 1)
    assert plan.runs(torch.empty(8, 1, 5, 7)) == Runs(1, 1, 280)  # one channel: one run
    assert plan.runs(images.transpose(2, 3)) is None
    assert plan.runs(images[:, :, ::2]) is None


def test_a_kernel_bench_batch_has_narrow_offsets_and_one_twice_as_large_wide_ones():
    batch = torch.empty(64, 64, 512, 512, device="meta")  # 2^30 values
    assert not plan.runs(batch).is_wide
    assert plan.runs(torch.cat([batch, batch])).is_wide


def test_partial_results_are_few_beside_what_is_read():
    for shape in [(256, 64, 56, 56), (65536, 1024), (1024, 512, 7, 7), (64, 64, 512, 512)]:
        for item_bytes in (2, 4):
            runs = plan.runs(torch.empty(shape, device="meta"))
            division = plan.split(runs, item_bytes, tiles.MOMENTS)
            written = 8 * division.splits * division.entries * runs.channels
            assert written <= 0.04 * runs.rows * runs.width * item_bytes


def test_a_channel_is_read_once_where_it_fits_and_there_are_enough():
    def fits(*shape):
        runs = plan.runs(torch.empty(shape, device="meta"))
        return plan.whole(runs, 4, tiles.RESIDENT_FORWARD) is not None

    assert fits(60, 100)
    assert fits(1, 50_000, 60)
    assert fits(32, 256, 14, 14)
    assert not fits(256, 64, 56, 56)  # 802,816 values a channel
    assert not fits(128, 8, 8, 128)  # eight programs of 131,072 values
    assert not fits(65536, 1024)
    assert fits(1, 2**24, 64)
    assert not fits(1, 2**25, 64)  # offsets are 32 bits wide there
