"""How large are the pieces of work? Tuning on a device means editing this file and nothing else."""

from typing import NamedTuple


class Tile(NamedTuple):
    """The piece of a tensor that one program holds at a time, and how many programs there are.

    Attributes:
        bytes: of each tensor read. A thread holds bytes / (32 * warps) of it in registers.
        columns: wanted along a row of memory, a power of two: wide enough for whole cache lines.
        warps: of 32 threads, per program.
        stages: tiles on their way at a time; from 2 on they wait in shared memory, so that what is
            in flight is not bounded by registers.
        programs: wanted in all. An H200 has 132 multiprocessors.
        column_bytes: a program reads at least so much of a column that leaves a partial result of
            its own, 8 bytes of it.
        splits: at most, since their partial results have to be merged.
    """

    bytes: int = 8192
    columns: int = 128
    warps: int = 4
    stages: int = 1
    programs: int = 4096
    column_bytes: int = 256
    splits: int = 1024


class Resident(NamedTuple):
    """When a whole channel is held in registers, so that memory is read once.

    Attributes:
        values: held by one program at most.
        values_per_thread: which sets the number of warps.
        programs: fewer than these leave the device idle ...
        small_bytes: ... which a tensor up to this size does not mind.
        run_bytes: read from each row at least, so that no cache sector is read in part.
    """

    values: int
    values_per_thread: int
    programs: int = 64
    small_bytes: int = 2**20
    run_bytes: int = 32


class Merge(NamedTuple):
    """How partial results are merged: `values` at a time, `warps` per program.

    Where each channel has one result per split, those of `channels` neighbors are read together.
    """

    values: int = 4096
    channels: int = 4
    warps: int = 8


# Forward: the statistics, then the normalization.
MOMENTS = Tile(bytes=4096, stages=4)
NORMALIZE = Tile()

# Backward: the two sums, then the affine form; each reads two tensors.
SUMS = Tile(bytes=4096, stages=3)
GRADIENT = Tile()

MERGE = Merge()

# Channels held whole. The gradient holds two tensors.
RESIDENT_FORWARD = Resident(values=16384, values_per_thread=32)
RESIDENT_BACKWARD = Resident(values=8192, values_per_thread=16)
