"""Does full-batch descent settle where the sharpness is two over the learning rate, with BN too?

Cohen et al. (2021): gradient descent with rate η on the whole training set sharpens the loss until
its largest Hessian eigenvalue is about 2 / η, beyond which a quadratic would diverge, and then
stays there. A small tanh net learns some hundred digits with squared loss; under cross-entropy the
sharpness falls again late. Of the net with BN it is the sharpness of what descent sees, with the
statistics of that whole batch. If both nets settle there, the sharpness of two nets says which
rates they were trained at, and is to be compared at one rate.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bnkit.data import load
from bnkit.data.splits import SPLIT_SEED, stratified_subset
from bnkit.experiments.deep_linear_landscape import geometric_mean
from bnkit.experiments.deep_linear_shift import LossAlone
from bnkit.fully_connected import net
from bnkit.probes import Sharpness
from bnkit.rows import Row
from bnkit.train import at, train


@dataclass(frozen=True, kw_only=True)
class EdgeOfStability:
    """One arm. The rate is not tuned: it says where the edge is."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "digits"
    num_examples: int = 500  # the same ones for all seeds
    widths: tuple[int, ...] = (64, 64)
    activation: str = "tanh"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "lecun"
    num_steps: int = 10_000
    num_looks: int = 100  # evenly spaced; the second half is late
    band: float = 0.2  # a look is at the edge where λ lies this near to 2 / η, as a share of that

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE, BATCH = (EdgeOfStability(norm=norm, rate=0.1) for norm in ("none", "batch"))
# Judged at the largest rate of 0.05, 0.1, 0.2 at which five seeds of a pilot stayed finite.
ARMS = {
    f"{spec.norm}@{rate:g}": replace(spec, rate=rate)
    for spec, rates in ((NONE, (0.05, 0.1)), (BATCH, (0.05, 0.1, 0.2)))
    for rate in rates
}
STACK = 5


def run(spec: EdgeOfStability, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one net per seed, all in one stack.

    Returns:
        Curves "loss" and those of `Sharpness`; at the last step, of the late looks, "share_at_edge"
        (fraction), the geometric mean "late_sharpness" and "late_sharpness_of_edge", the same over
        2 / η; and "train_loss".
    """
    data = load(spec.data_set)
    chosen = stratified_subset(data.train.y, spec.num_examples, SPLIT_SEED)
    inputs = torch.tensor(data.train.flat[chosen]).expand(len(seeds), -1, -1).contiguous()
    targets = torch.tensor(data.train.y[chosen]).expand(len(seeds), -1)
    model = net(spec, data, seeds)
    due = at(look_steps(spec))
    rows = train(
        model,
        repeat((inputs, targets)),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        loss=squared_error,
        probes=[(due, Sharpness(loss=squared_error)), (due, LossAlone(squared_error))],
        progress=progress,
    )
    return rows + _summary(spec, rows)


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Half the squared distance to the one-hot label, mean over examples: (K,)."""
    wanted = F.one_hot(targets, outputs.shape[-1])
    return (outputs - wanted).square().sum(dim=-1).mean(dim=-1) / 2


def look_steps(spec: EdgeOfStability) -> list[int]:
    """Evenly spaced from 0 to the last step."""
    return [spec.num_steps * k // spec.num_looks for k in range(spec.num_looks + 1)]


def _summary(spec: EdgeOfStability, rows: Sequence[Row]) -> list[Row]:
    """A look at which the loss or the sharpness is not finite is not at the edge."""
    edge, late, losses = 2 / spec.rate, defaultdict(list), {}
    for row in rows:
        if row.name == "hessian_1" and row.step > spec.num_steps // 2:
            late[row.seed].append(row.value)
        elif row.name == "loss":
            losses[row.seed] = row.value  # the last one stays
    found = []
    for seed, values in late.items():
        near = np.abs(np.array(values) / edge - 1) <= spec.band
        mean = geometric_mean(values)
        loss = losses[seed] if np.isfinite(losses[seed]) else np.inf
        found += [
            Row(seed, spec.num_steps, "share_at_edge", float(near.mean()), "fraction"),
            Row(seed, spec.num_steps, "late_sharpness", mean, "nat"),
            Row(seed, spec.num_steps, "late_sharpness_of_edge", mean / edge, "1"),
            Row(seed, spec.num_steps, "train_loss", loss, "1"),
        ]
    return found
