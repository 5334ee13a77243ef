"""`python -m bnkit bench tiles`: would another number in `bnkit.kernels.tiles` be faster here?

One number of one tile is changed at a time, and the direction that it serves is timed beside the
tiles as they stand. What is printed is the geometric mean over the batches of new time over old;
the edit is left to a person, in one table.
"""

import time
from collections.abc import Iterator
from math import exp, log
from statistics import mean, median

import torch

from bnkit.bench import gpu_arms
from bnkit.bench.gpu_cases import EARLY, LATE, MIDDLE, ROWS, Layout
from bnkit.bench.gpu_device import Device
from bnkit.kernels import tiles

CHOICES = {
    "bytes": (2048, 4096, 8192, 16384),
    "columns": (64, 128, 256, 512),
    "warps": (2, 4, 8),
    "stages": (1, 2, 3, 4, 5),
    "programs": (1024, 2048, 4096, 8192, 16384),
    "column_bytes": (128, 256, 512),
}
# Tile -> whether it serves the backward direction.
SERVES = {"MOMENTS": False, "NORMALIZE": False, "SUMS": True, "GRADIENT": True}
BATCHES: list[tuple[tuple[int, ...], str, Layout]] = [
    (shape, dtype, layout)
    for dtype in ("float32", "bfloat16")
    for shape, layout in (
        (EARLY, "contiguous"),
        (ROWS, "contiguous"),
        (LATE, "contiguous"),
        (MIDDLE, "channels_last"),
    )
]
TINY: list[tuple[tuple[int, ...], str, Layout]] = [((32, 2, 3, 3), "float32", "contiguous")]
REPEATS = 10


def run(device: Device, *, seconds: float, tiny: bool) -> int:
    """Try every change until the time is over and print each as it is done; 0."""
    started = time.monotonic()
    batches = TINY if tiny else BATCHES
    drawn = [_draw(*batch, device.kind) for batch in batches]
    now = {name: getattr(tiles, name) for name in SERVES}
    for name, field, value in changes(now):
        if time.monotonic() - started > seconds:
            print(f"stopped after {seconds:g} s, before {name}.{field} = {value}")
            break
        ratios = []
        for problem in drawn:
            old = _seconds(device, problem, backward=SERVES[name])
            setattr(tiles, name, now[name]._replace(**{field: value}))
            try:
                new = _seconds(device, problem, backward=SERVES[name])
            except Exception as error:  # too much shared memory, say
                print(f"{name}.{field} = {value}: {type(error).__name__}")
                break
            finally:
                setattr(tiles, name, now[name])
            ratios.append(new / old)
        else:
            each = " ".join(f"{ratio:.2f}" for ratio in ratios)
            print(
                f"{name}.{field} {getattr(now[name], field)} -> {value}: "
                f"{exp(mean(map(log, ratios))):.3f} x the time ({each})",
                flush=True,
            )
    return 0


def changes(now: dict[str, tiles.Tile]) -> Iterator[tuple[str, str, int]]:
    """(tile, field, value) for each value of `CHOICES` that a tile has not already."""
    for field, values in CHOICES.items():
        for name, tile in now.items():
            for value in values:
                if value != getattr(tile, field):
                    yield name, field, value


Problem = tuple[gpu_arms.Batch, gpu_arms.Parameters]


def _draw(shape: tuple[int, ...], dtype: str, layout: Layout, device: str) -> Problem:
    batch = gpu_arms.draw_batch(shape, getattr(torch, dtype), layout, device, adds=False)
    return batch, gpu_arms.draw_parameters(shape[1], device, torch.float32)


def _seconds(device: Device, problem: Problem, *, backward: bool) -> float:
    """Median time of one direction by the kernels, with the tiles as they are set."""
    batch, parameters = problem
    forward = gpu_arms.ours(parameters, relu=False)

    def call(i: int, mark) -> None:
        mark()
        y = forward(batch.x, None)
        mark()
        torch.autograd.grad(y, gpu_arms.inputs(batch, parameters), batch.dy)
        mark()

    return median(lap[int(backward)] for lap in device.laps(call, REPEATS))
