"""Do runs with more internal covariate shift end worse, if all else that is known is accounted for?

A population of runs of the net of `noisy_batch_norm`, with BN and without, over learning rates,
doses of noise and seeds. Each run has a final training loss and two measures of shift, averaged
over its training: how far a step moves the distributions of activations, noise included (Ioffe &
Szegedy, 2015), and how far the steps of earlier layers move a layer's gradient (Santurkar et al.,
2018, definition 2.1). The rate moves all three, and is to be held against them.

The noise is an intervention on shift, and the rest of the population is as it comes: a correlation
that the doses make is the effect of the noise, and none at all is what the article claims.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from bnkit.data import Dataset, load
from bnkit.experiments.deep_linear_shift import geometric_mean
from bnkit.experiments.noisy_batch_norm import (
    NoisyBatchNorm,
    NoisyStep,
    drift_looks,
    drifts,
    mean_drifts,
    noisy_net,
    over_one_step,
)
from bnkit.fully_connected import accuracies, batches
from bnkit.models.shifting_noise import Part
from bnkit.probes import GradientICS
from bnkit.rows import Row
from bnkit.train import Probe, Schedule, at, train


@dataclass(frozen=True, kw_only=True)
class ShiftPopulation:
    """The runs of one normalizer, rate and dose. Nothing is tuned: the rate is part of the design.

    The plain net has its noise in units of each activation's own spread.
    """

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    dose: float
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 1_000
    num_probe_examples: int = 500  # of the validation split, where activations are looked at
    look_interval: int = 100  # steps between two looks at both shifts

    version: ClassVar[int] = 1  # bump when run() starts to compute something else

    @property
    def net(self) -> NoisyBatchNorm:
        """The same net and looks as an arm of the other experiment."""
        return NoisyBatchNorm(
            norm=self.norm,
            dose=self.dose,
            in_spreads=self.norm == "none",
            rate=self.rate,
            data_set=self.data_set,
            widths=self.widths,
            batch_size=self.batch_size,
            num_steps=self.num_steps,
            num_probe_examples=self.num_probe_examples,
            drift_interval=self.look_interval,
        )


DOSES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
LEARNING_RATES = (0.003, 0.006, 0.01, 0.02, 0.03, 0.06)
ARMS = {
    f"{norm}-{dose:g}@{rate:g}": ShiftPopulation(norm=norm, dose=dose, rate=rate)
    for norm in ("none", "batch")
    for dose in DOSES
    for rate in LEARNING_RATES
}
STACK = 10


def run(spec: ShiftPopulation, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        At the last step "train_loss" (nat) and "test_accuracy" (fraction), without noise and with
        running statistics; "activation_drift_raw" and "activation_drift_scaled", means over looks
        and hidden layers; "gradient_shift_l2" and "gradient_shift_relative", geometric means over
        looks and the hidden layers behind the first; and "log_rate". What a diverged run has not
        is infinite.
    """
    return trained(spec, seeds, "all", progress)


def trained(
    spec: ShiftPopulation, seeds: Sequence[int], part: Part, progress: str | None
) -> list[Row]:
    """The rows of nets with a part of the noise."""
    data = load(spec.data_set)
    model, noises = noisy_net(spec.net, data, seeds)
    for noise in noises:
        noise.part = part
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=NoisyStep(model, noises),
        probes=_probes(spec, data),
        progress=progress,
    )
    return [
        *(row for row in rows if row.name in ("train_loss", "test_accuracy", "diverged")),
        *summary(rows, spec, seeds),
    ]


def _probes(spec: ShiftPopulation, data: Dataset) -> list[tuple[Schedule, Probe]]:
    looks, end = at(drift_looks(spec.net)), [spec.num_steps]
    shifts = [
        GradientICS(layer=f"linears.{i}", name=f"shift-{i + 1}") for i in range(1, len(spec.widths))
    ]
    return [
        *drifts(spec.net, data),
        *((looks, shift) for shift in shifts),
        *accuracies(data, {"train": end, "test": end}),
    ]


def summary(rows: Sequence[Row], spec: ShiftPopulation, seeds: Sequence[int]) -> list[Row]:
    """The judged rows but for the losses: all looks and layers of a seed in one number each."""
    steps = over_one_step(rows, drift_looks(spec.net))
    found = mean_drifts(steps, seeds, spec.num_steps)
    for seed in seeds:
        for ending in ("l2", "relative"):
            values = [
                row.value
                for row in rows
                if row.seed == seed
                and row.name.startswith("shift-")
                and row.name.endswith(f"_{ending}")
            ]
            name = f"gradient_shift_{ending}"
            found.append(Row(seed, spec.num_steps, name, geometric_mean(values), "1"))
        found.append(Row(seed, spec.num_steps, "log_rate", float(np.log(spec.rate)), "1"))
    return [r if np.isfinite(r.value) else r._replace(value=float("inf")) for r in found]
