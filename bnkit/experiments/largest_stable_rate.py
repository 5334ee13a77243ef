"""How large a learning rate does a net bear, with batch normalization and without?

Ioffe & Szegedy (2015), section 4.2.2: at five times the base rate the parameters of the plain net
reach machine infinity, and those of the net with BN do not. A net has borne a rate if its training
loss after some hundred steps is below half of what it was. Whether it does need not be monotone:
every rate of a fine grid is tried, and the largest that was borne is the judged one.

BN is not the only way to bear more: beside both nets are those with better initial weights, and the
plain net whose gradients are clipped. All units are ReLUs: a sigmoid net is finite at any rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from bnkit.data import load
from bnkit.models import StackedMLP, StackedStep
from bnkit.models.altered_step import ClippedStep
from bnkit.models.lsuv import unit_variance
from bnkit.probes import Evaluation
from bnkit.rows import Row
from bnkit.train import TakeStep, at, stacked_batches, train


@dataclass(frozen=True, kw_only=True)
class LargestStableRate:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    init: Literal["lecun", "he", "lsuv"] = "lecun"
    clip: float = 0.0  # largest norm of a gradient; 0 for no clipping
    num_hidden: int = 3
    # Fixed: the verdict holds for these values only, and the chapter says so.
    lowest: float = 0.01
    highest: float = 1000.0
    rates_per_decade: int = 6
    share: float = 0.5  # of the initial training loss, below which a net has trained
    data_set: str = "mnist"
    width: int = 100
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 300
    num_probe_examples: int = 2_000  # of the training set, on which the loss is measured

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


_PLAIN, _BATCH = (LargestStableRate(norm=norm) for norm in ("none", "batch"))
_VARIANTS: dict[str, dict[str, Any]] = {  # ending of an arm's name -> what is changed
    "": {},
    "-he": {"init": "he"},
    "-lsuv": {"init": "lsuv"},
    "-deep": {"num_hidden": 10},
}
ARMS = {
    f"{spec.norm}{suffix}": replace(spec, **changes)
    for suffix, changes in _VARIANTS.items()
    for spec in (_PLAIN, _BATCH)
} | {"none-clipped": replace(_PLAIN, clip=1.0)}
STACK = 10


def run(spec: LargestStableRate, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train a stack of nets at each rate of the grid.

    Returns:
        All at the last step: "train_loss_share@rate", the training loss over the initial one,
        infinite where it is no number; "stable@rate", 1 if that is below the share that counts;
        and "largest_stable_rate", 0 if no rate is. BN has the statistics of the probe's examples.
    """
    found = {rate: shares_left(spec, rate, seeds, progress) for rate in rates(spec)}
    rows = []
    for k, seed in enumerate(seeds):
        stable = {rate: float(left[k] < spec.share) for rate, left in found.items()}
        values = {f"train_loss_share@{rate:g}": float(left[k]) for rate, left in found.items()}
        values |= {f"stable@{rate:g}": value for rate, value in stable.items()}
        values["largest_stable_rate"] = max(
            (r for r, value in stable.items() if value), default=0.0
        )
        rows += [Row(seed, spec.num_steps, name, value, "1") for name, value in values.items()]
    return rows


def rates(spec: LargestStableRate) -> list[float]:
    """The grid, three digits each, ascending.

    >>> rates(LargestStableRate(norm="none", lowest=1.0, highest=10.0, rates_per_decade=2))
    [1.0, 3.16, 10.0]
    """
    decades = np.log10(spec.highest / spec.lowest)
    num_rates = 1 + round(decades * spec.rates_per_decade)
    grid = np.geomspace(spec.lowest, spec.highest, num_rates)
    return [float(f"{rate:.3g}") for rate in grid]


def shares_left(
    spec: LargestStableRate, rate: float, seeds: Sequence[int], progress: str | None = None
) -> np.ndarray:
    """(K,) training losses after the steps over those before; infinity for a loss that is lost."""
    data = load(spec.data_set)
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    fixed = x[: spec.num_probe_examples]
    model = StackedMLP(
        (x.shape[1], *[spec.width] * spec.num_hidden, data.num_classes),
        seeds,
        norm=spec.norm,
        activation="relu",
        init="orthogonal" if spec.init == "lsuv" else spec.init,
    )
    if spec.init == "lsuv":
        unit_variance(model, fixed)
    step: TakeStep = ClippedStep(model, spec.clip) if spec.clip else StackedStep(model)
    probe = Evaluation(
        "train", fixed, y[: len(fixed)], data.num_classes, bn_mode="batch", chunk=len(fixed)
    )
    rows = train(
        model,
        stacked_batches(x, y, batch_size=spec.batch_size, seeds=seeds),
        seeds=seeds,
        rate=rate,
        num_steps=spec.num_steps,
        step=step,
        probes=[(at([0, spec.num_steps]), probe)],
        progress=progress and f"{progress} rate {rate:g}",
    )
    losses = [row.value for row in rows if row.name == "train_loss"]  # (2 K,) K before, K after
    before, after = np.reshape(losses, (2, len(seeds)))
    return np.asarray(after / before)
