"""Kernels on tensors: plan, allocate, launch. Inputs are taken as checked.

Importing this loads Triton.
"""

from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import torch
import triton
from torch import Tensor

from bnkit.kernels import plan, tiles
from bnkit.kernels.backward import input_gradient, merged_sums, partial_sums
from bnkit.kernels.normalize import normalized
from bnkit.kernels.plan import Runs, Split, ceil_div, power_of_two
from bnkit.kernels.resident import backward_at_once, forward_at_once
from bnkit.kernels.statistics import merged_moments, partial_moments

# Under TRITON_INTERPRET=1 kernels are plain Python on the CPU, which is how they are tested.
IS_INTERPRETED = not isinstance(partial_moments, triton.JITFunction)

_split = lru_cache(plan.split)
_whole = lru_cache(plan.whole)


def forward(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, residual: Tensor | None, running_rate: float, eps: float,
    relu: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Normalize x by its own statistics: (y, statistics).

    The rows of `statistics`, (3, C) in float32, are center, offset and var_biased; the mean is
    center + offset. The running statistics are moved in place.
    """
    y, x = plan.output_like(x), dense(x)
    shape, residual = plan.runs(x), laid_out_as(x, residual)
    statistics = x.new_empty(3, shape.channels, dtype=torch.float32)
    center, offset, var = statistics.unbind()
    held = _whole(shape, x.element_size(), tiles.RESIDENT_FORWARD)
    with _on_device_of(x):
        if held is not None:
            forward_at_once[(held.num_programs,)](
                x, y, residual, center, offset, var, running_mean, running_var, gamma, beta,
                running_rate, eps, shape.rows, shape.inner // held.vector, shape.channels,
                RELU=relu, VECTOR=held.vector, CHANNELS=held.block_channels,
                VALUES=held.block_values, num_warps=held.warps,
            )  # fmt: skip
            return y, statistics
        split = _split(shape, x.element_size(), tiles.MOMENTS)
        mean, m2 = _workspace(x, shape, split)
        geometry, constants = _grid(shape, split)
        partial_moments[(split.num_programs,)](x, mean, m2, *geometry, **constants)
        channels, block = _merge_block(split)
        merged_moments[(ceil_div(shape.channels, channels),)](
            x, mean, m2, center, offset, var, running_mean, running_var, running_rate,
            shape.rows, split.rows_per_split, shape.inner, shape.channels, split.splits,
            split.entries, 1 if split.across else split.block_columns, **block,
        )  # fmt: skip
        split = _split(shape, x.element_size(), tiles.NORMALIZE)
        geometry, constants = _grid(shape, split)
        normalized[(split.num_programs,)](
            x, y, residual, center, offset, var, gamma, beta, eps, *geometry, RELU=relu,
            **constants,
        )  # fmt: skip
    return y, statistics


def normalize(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor, var: Tensor,
    residual: Tensor | None, eps: float, relu: bool,
) -> Tensor:  # fmt: skip
    """Normalize x by given statistics, (C,) each."""
    y, x = plan.output_like(x), dense(x)
    shape, residual = plan.runs(x), laid_out_as(x, residual)
    split = _split(shape, x.element_size(), tiles.NORMALIZE)
    geometry, constants = _grid(shape, split)
    with _on_device_of(x):
        normalized[(split.num_programs,)](
            x, y, residual, mean, None, var, gamma, beta, eps, *geometry, RELU=relu, **constants
        )
    return y


def backward(
    dy: Tensor, x: Tensor, y: Tensor | None, gamma: Tensor | None, beta: Tensor | None,
    statistics: Tensor, eps: float, relu: bool, by_batch: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """(dx, dparameters, dz): dparameters, (2, C) in float32, are dgamma and dbeta.

    y is handed over where a residual was added before the ReLU. Its sign is read then, and dz, the
    gradient behind the ReLU, which is that of the residual, is written; else dz is empty.
    """
    dx, x = plan.output_like(x), dense(x)
    shape, dy, y = plan.runs(x), laid_out_as(x, dy), laid_out_as(x, y)
    dparameters = x.new_empty(2, shape.channels, dtype=torch.float32)
    dgamma, dbeta = dparameters.unbind()
    center, offset, var = statistics.unbind()
    writes_dz = relu and y is not None
    dz = plan.output_like(x) if writes_dz else None
    held = _whole(shape, x.element_size(), tiles.RESIDENT_BACKWARD)
    with _on_device_of(x):
        if held is not None:
            backward_at_once[(held.num_programs,)](
                dy, x, y, dz, dx, dgamma, dbeta, center, offset, var, gamma, beta, eps,
                shape.rows, shape.inner // held.vector, shape.channels, RELU=relu,
                BY_BATCH=by_batch, VECTOR=held.vector, CHANNELS=held.block_channels,
                VALUES=held.block_values, num_warps=held.warps,
            )  # fmt: skip
            return dx, dparameters, x.new_empty(0) if dz is None else dz
        split = _split(shape, x.element_size(), tiles.SUMS)
        total, dot = _workspace(x, shape, split)
        geometry, constants = _grid(shape, split)
        partial_sums[(split.num_programs,)](
            dy, x, y, dz, total, dot, center, offset, var, gamma, beta, eps, *geometry,
            RELU=relu, **constants,
        )  # fmt: skip
        channels, block = _merge_block(split)
        merged_sums[(ceil_div(shape.channels, channels),)](
            total, dot, var, dgamma, dbeta, eps, shape.channels, split.splits, split.entries,
            **block,
        )  # fmt: skip
        split = _split(shape, x.element_size(), tiles.GRADIENT)
        geometry, constants = _grid(shape, split)
        input_gradient[(split.num_programs,)](
            dz if writes_dz else dy, x, dx, center, offset, var, gamma, beta, dgamma, dbeta, eps,
            *geometry, RELU=relu and not writes_dz, BY_BATCH=by_batch, **constants,
        )  # fmt: skip
    return dx, dparameters, x.new_empty(0) if dz is None else dz


def dense(x: Tensor) -> Tensor:
    """X, or a copy of it if it is not one of the layouts of `plan`."""
    return x if plan.runs(x) is not None else x.contiguous()


def laid_out_as(x: Tensor, other: Tensor | None) -> Tensor | None:
    """Another tensor of x's shape, as x lies in memory; copied where it does not lie so."""
    if other is None:
        return None
    fits = other.is_contiguous() if x.is_contiguous() else plan.is_channels_last(other)
    return other if fits else torch.empty_like(x, dtype=other.dtype).copy_(other)


def _workspace(x: Tensor, shape: Runs, split: Split) -> tuple[Tensor, ...]:
    """Two numbers for each partial result, splits x channels x entries, in float32."""
    num_results = split.splits * shape.channels * split.entries
    return x.new_empty(2, num_results, dtype=torch.float32).unbind()


def _grid(shape: Runs, split: Split) -> tuple[tuple[int, ...], dict[str, Any]]:
    """What the kernels that divide a tensor need to know about it."""
    geometry = (
        shape.rows,
        split.rows_per_split,
        split.column_blocks,
        split.span // split.vector,
        shape.channels,
        shape.inner,
    )
    constants = {
        "ACROSS": split.across,
        "VECTOR": split.vector,
        "ROWS": split.block_rows,
        "COLUMNS": split.block_columns,
        "WIDE": shape.is_wide,
        "STAGES": split.stages,
        "num_warps": split.warps,
    }
    return geometry, constants


def _merge_block(split: Split) -> tuple[int, dict[str, int]]:
    """How many channels a program merges, and its constants.

    Results of neighboring channels are neighbors only where each channel has one per split.
    """
    channels = tiles.MERGE.channels if split.entries == 1 else 1
    values = min(tiles.MERGE.values // channels, power_of_two(split.splits * split.entries))
    constants = {"VALUES": values, "CHANNELS": channels, "num_warps": tiles.MERGE.warps}
    return channels, constants


def _on_device_of(x: Tensor) -> Any:
    """Triton launches on the current device, which need not be that of x."""
    elsewhere = x.is_cuda and x.device.index != torch.cuda.current_device()
    return torch.cuda.device(x.device) if elsewhere else nullcontext()
