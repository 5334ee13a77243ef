"""A channel or a row of 2^31 values and more: places are counted in 64 bits, without the memory."""

import pytest

pytest.importorskip("triton", reason="the kernels need Triton: pip install triton")

import torch
import triton.language as tl
from triton.runtime.interpreter import InterpretedFunction

from bnkit.kernels.statistics import _count
from bnkit.kernels.tiling import block_of_columns, place, row_width

SPAN = 2**31 + 16  # a multiple of 16, so that it is handed over in units that 32 bits hold
BLOCKS = -(-SPAN // 128)


@InterpretedFunction
def last_block(out_ptr, block, span_units, inner, channels_in_all, ACROSS: tl.constexpr):
    columns, channels, exists = block_of_columns(block, span_units, inner, ACROSS, 16, 128, True)
    at = tl.arange(0, 128)
    tl.store(out_ptr + at, columns)
    tl.store(out_ptr + 128 + at, channels)
    tl.store(out_ptr + 256 + at, exists.to(tl.int64))
    tl.store(out_ptr + 384 + at, row_width(span_units, channels_in_all, ACROSS, 16, True) + at * 0)


@InterpretedFunction
def rows_of(out_ptr, split, rows, rows_per_split):
    first, last = place(split, rows, rows_per_split, True)
    tl.store(out_ptr, first)
    tl.store(out_ptr + 1, last)


@InterpretedFunction
def counts(out_ptr, part, splits, entries, rows, rows_per_split, inner, entry_columns):
    parts = part + tl.arange(0, 1)
    count = _count(parts, splits, entries, rows, rows_per_split, inner, entry_columns)
    tl.store(out_ptr + tl.arange(0, 1), count)


@pytest.mark.parametrize("across", [True, False])
def test_the_last_columns_of_a_long_row_are_found(across):
    # One channel more than the first: its last 16 values, and nothing after them.
    out = torch.zeros(4, 128, dtype=torch.int64)
    block = BLOCKS - 1 if across else 2 * BLOCKS - 1
    last_block[(1,)](out, block, SPAN // 16, SPAN, 2, across)
    columns, channels, exists, width = out
    first = (SPAN - 16) if across else (2 * SPAN - 16)
    assert columns.tolist() == list(range(first, first + 128))
    assert exists.tolist() == [1] * 16 + [0] * 112
    assert channels[:16].tolist() == [0 if across else 1] * 16
    assert set(width.tolist()) == {SPAN if across else 2 * SPAN}


def test_the_last_split_of_many_rows_ends_with_them():
    rows = 2**31 - 8  # the first row of a split more would not fit into 32 bits
    out = torch.zeros(2, dtype=torch.int64)
    rows_of[(1,)](out, 2**15 - 1, rows, 2**16)
    assert out.tolist() == [2**31 - 2**16, rows]


def test_the_last_part_of_a_channel_counts_what_is_left():
    out = torch.zeros(1)
    counts[(1,)](out, BLOCKS - 1, 1, BLOCKS, 3, 3, SPAN, 128)
    assert out.item() == 3 * 16
    rows = 2**31 + 5  # in splits of 2^16
    counts[(1,)](out, 2**15, 2**15 + 1, 1, rows, 2**16, 1, 1)
    assert out.item() == 5
