"""What every kernel does first: find its columns, its rows and the numbers of its channels."""

import triton
import triton.language as tl


@triton.jit
def block_of_columns(
    block, span_units, inner, ACROSS: tl.constexpr, VECTOR: tl.constexpr, COLUMNS: tl.constexpr,
    WIDE: tl.constexpr,
):  # fmt: skip
    """Columns of a block in a row of memory, their channels, and which of them exist.

    The span is handed over in units of VECTOR: so the compiler knows that it is a multiple, and
    loads as many neighboring values at once.
    """
    if WIDE:
        block = block.to(tl.int64)
    span = values(span_units, VECTOR, WIDE)
    if ACROSS:
        columns = block * COLUMNS + tl.arange(0, COLUMNS)
        exists = columns < span
        channels = columns // inner
    else:
        blocks = tl.cdiv(span, COLUMNS)
        channel = block // blocks
        within = (block % blocks) * COLUMNS + tl.arange(0, COLUMNS)
        exists = within < span
        columns = channel * span + within
        channels = channel + within * 0
    return columns, channels, exists


@triton.jit
def row_width(span_units, channels, ACROSS: tl.constexpr, VECTOR: tl.constexpr, WIDE: tl.constexpr):
    """Values of one row of memory."""
    if ACROSS:
        return values(span_units, VECTOR, WIDE)
    else:
        return values(span_units, VECTOR, WIDE) * channels


@triton.jit
def values(units, VECTOR: tl.constexpr, WIDE: tl.constexpr):
    """How many values these units of VECTOR are: a channel alone can have 2^31 of them."""
    if WIDE:
        return tl.cast(units, tl.int64) * VECTOR
    else:
        return units * VECTOR


@triton.jit
def place(split, rows, rows_per_split, WIDE: tl.constexpr):
    """First row of a split and the row after its last."""
    if WIDE:
        split = split.to(tl.int64)
    first = split * rows_per_split
    return first, tl.minimum(first + rows_per_split, rows)


@triton.jit
def per_channel(pointer, channels, exists, DEFAULT: tl.constexpr):
    """Values of a (C,) tensor for these channels, in float32; DEFAULT where there is no tensor."""
    if pointer is None:
        return tl.zeros(channels.shape, tl.float32) + DEFAULT
    else:
        return tl.load(pointer + channels, mask=exists, other=DEFAULT).to(tl.float32)


@triton.jit
def centered(x, center, offset):
    """X - mean, where the mean is center + offset: a large one rounds away nothing that way."""
    return (x - center) - offset


@triton.jit
def rectified(values):
    """max(0, values), but not a number stays so."""
    return tl.where(values < 0.0, 0.0, values)
