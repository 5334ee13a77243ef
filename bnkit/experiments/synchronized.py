"""Is BN that is synchronized over processes the same as BN on the joined batch?

Each process of an arm has its share of a batch, normalizes it with `bnkit.layers.SyncBatchNorm` and
goes back through it; what it sends to the others goes through torch.distributed, by gloo. This
process, which takes no part in that, does it with torch's own BN on the joined batch in float64,
and compares. torch's synchronized layer demands GPUs and cannot be the witness.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from bnkit.layers import SyncBatchNorm
from bnkit.processes import together
from bnkit.rows import Row

Arrays = dict[str, NDArray[np.float64]]
DTYPES = {64: torch.float64, 32: torch.float32}
OF_SHARES = ("output", "dx")  # one for each example; the rest is one for each channel
SUMMED = ("dgamma", "dbeta")


@dataclass(frozen=True, kw_only=True)
class Synchronized:
    """How a batch is divided over processes; one number for each."""

    # Scientific: what the chapter compares.
    shares: tuple[int, ...]  # examples
    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_channels: int = 4
    positions: tuple[int, ...] = (3, 3)
    eps: float = 1e-5
    running_rate: float = 0.1  # weight of the new batch
    num_batches: int = 3  # one after the other, which running statistics remember
    seconds: float = 120.0  # after which processes that wait are ended

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {
    "even": Synchronized(shares=(4, 4)),
    "uneven": Synchronized(shares=(7, 1)),
    "empty": Synchronized(shares=(8, 0)),
    "four": Synchronized(shares=(5, 3, 0, 1)),
}
STACK = 10  # one group of processes for all


def run(spec: Synchronized, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """What came of each seed's batches, compared with BN on the joined ones.

    Returns:
        For "output", "dx", "dgamma", "dbeta" (these two added over the processes), "running_mean"
        and "running_var" the row "..._error@64", and in float32 "..._error@32": the largest error
        of all batches, in relation to the largest absolute value of the joined batch. In float64
        too "disagreement", how far the processes' running statistics are apart, and
        "output_error_alone", that of a BN which each process has for itself. "distinct_processes"
        counts them, this one left out; "process_id_0", ... are what the system calls them.
    """
    answers = together(take_part, len(spec.shares), spec, tuple(seeds), seconds=spec.seconds)
    ids = [float(id) for id, _ in answers]
    rows = []
    for seed in seeds:
        found = errors(spec, seed, [by_seed[seed] for _, by_seed in answers])
        found["distinct_processes"] = float(len(set(ids) - {float(os.getpid())}))
        rows += [Row(seed, 0, name, value, "1") for name, value in found.items()]
        rows += [
            Row(seed, 0, f"process_id_{rank}", id, "process id") for rank, id in enumerate(ids)
        ]
    return rows


def take_part(
    rank: int, spec: Synchronized, seeds: Sequence[int]
) -> tuple[int, dict[int, dict[int, Arrays]]]:
    """In each process: its id, and seed -> bits of the floating-point numbers -> its results."""
    end = sum(spec.shares[: rank + 1])
    own = slice(end - spec.shares[rank], end)
    return os.getpid(), {
        seed: {bits: share_of(spec, seed, own, dtype) for bits, dtype in DTYPES.items()}
        for seed in seeds
    }


def share_of(spec: Synchronized, seed: int, own: slice, dtype: torch.dtype) -> Arrays:
    """A process's results for its share of each batch, by the layer in question.

    Of shape (batches, N, C, *positions) or (batches, C); running statistics after the last batch.
    """
    layer = SyncBatchNorm(spec.num_channels, spec.eps, spec.running_rate, dtype=dtype)
    batches, gamma, beta = drawn_batches(spec, seed)
    with torch.no_grad():
        layer.weight.copy_(gamma)
        layer.bias.copy_(beta)
    found: dict[str, list[torch.Tensor]] = {name: [] for name in (*OF_SHARES, *SUMMED)}
    for whole in batches:
        x, dy = whole[:, own].to(dtype)
        x.requires_grad_()
        layer.zero_grad()
        y = layer(x)
        y.backward(dy)
        results = (y, x.grad, layer.weight.grad, layer.bias.grad)
        for values, result in zip(found.values(), results, strict=True):
            values.append(result.detach().clone())
    arrays = {name: torch.stack(values).double().numpy() for name, values in found.items()}
    running = {name: getattr(layer, name) for name in ("running_mean", "running_var")}
    return arrays | {name: value.double().numpy() for name, value in running.items()}


def joined(spec: Synchronized, seed: int, parts: Sequence[int]) -> Arrays:
    """The same by torch's BN in one process, in float64, each part of the batch by itself.

    A part without examples is left out. Running statistics are those of the last part.
    """
    batches, gamma, beta = drawn_batches(spec, seed)
    gamma, beta = gamma.requires_grad_(), beta.requires_grad_()
    running = torch.zeros(spec.num_channels).double(), torch.ones(spec.num_channels).double()
    found: dict[str, list[torch.Tensor]] = {name: [] for name in (*OF_SHARES, *SUMMED)}
    for x, dy in batches:
        x.requires_grad_()
        outputs = [
            F.batch_norm(part, *running, gamma, beta, True, spec.running_rate, spec.eps)
            for part in torch.split(x, list(parts))
            if len(part)
        ]
        y = torch.cat(outputs)
        results = (y, *torch.autograd.grad(y, (x, gamma, beta), dy))
        for values, result in zip(found.values(), results, strict=True):
            values.append(result.detach())
    arrays = {name: torch.stack(values).numpy() for name, values in found.items()}
    return arrays | {"running_mean": running[0].numpy(), "running_var": running[1].numpy()}


def drawn_batches(spec: Synchronized, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(batches, 2, N, C, *positions): x with dy; gamma and beta (C,).

    Channels have means and scales of their own, and examples drift, so that no share is like
    another. All numbers are representable in float32: its errors are those of the computation.
    """
    rng = np.random.default_rng(seed)
    num_examples, channels = sum(spec.shares), (-1, *[1] * len(spec.positions))
    spread, center, gamma, beta = rng.standard_normal((4, spec.num_channels))
    shape = spec.num_batches, 2, num_examples, spec.num_channels, *spec.positions
    batches = rng.standard_normal(shape)
    batches[:, 0] *= np.exp(spread).reshape(channels)
    batches[:, 0] += 3 * center.reshape(channels)
    batches[:, 0] += np.arange(num_examples).reshape(-1, *[1] * (1 + len(spec.positions)))
    exact = [torch.tensor(values).float().double() for values in (batches, gamma, beta)]
    return exact[0], exact[1], exact[2]


def errors(spec: Synchronized, seed: int, answers: Sequence[dict[int, Arrays]]) -> dict[str, float]:
    """One seed: what the processes found beside the joined batch."""
    witness = joined(spec, seed, [sum(spec.shares)])
    found = {}
    for bits in DTYPES:
        of_processes = [answer[bits] for answer in answers]
        for name, expected in witness.items():
            parts = [arrays[name] for arrays in of_processes]
            if name in OF_SHARES:
                got = np.concatenate(parts, axis=1)
            elif name in SUMMED:
                got = np.sum(parts, axis=0)
            else:
                got = parts[0]
            found[f"{name}_error@{bits}"] = relative(got, expected)
    statistics = [
        [answer[64][name] for name in ("running_mean", "running_var")] for answer in answers
    ]
    found["disagreement"] = float(np.ptp(statistics, axis=0).max())
    alone = joined(spec, seed, spec.shares)["output"]
    found["output_error_alone"] = relative(alone, witness["output"])
    return found


def relative(got: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """The largest error, in units of the largest absolute value."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())
