"""Does batch normalization speed up a sigmoid net, and does it hold its activations still?

The network of Ioffe & Szegedy (2015), section 4.1: three hidden layers of 100 sigmoid units on
MNIST, mini-batches of 60, 50,000 steps, BN before each nonlinearity. The paper gives neither the
learning rate nor the scale of the Gaussian weights; here the scale is 1/√(inputs), and the arms
are compared at each one's tuned rate and at 0.1 and 0.5.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedStep
from bnkit.probes import ActivationDrift, ActivationPercentiles
from bnkit.rows import Row
from bnkit.train import Probe, Schedule, every, growing, tenths, train


@dataclass(frozen=True, kw_only=True)
class MnistSigmoid:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: str = "sigmoid"
    placement: Literal["before", "after"] = "before"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "lecun"
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 50_000
    num_probe_examples: int = 1_000  # of the validation split, where activations are looked at
    drift_interval: int = 500  # steps between two looks at the activations

    version: ClassVar[int] = 2  # bump when run() starts to compute something else


PLAIN, BATCH = (MnistSigmoid(norm=norm, rate=1.0) for norm in ("none", "batch"))
ARMS = {
    "none": Tuned(PLAIN),
    "batch": Tuned(BATCH),
    "batch@none": Tuned(BATCH, like=PLAIN),  # at the rate chosen for the plain net
    **{
        f"{spec.norm}@{rate:g}": replace(spec, rate=rate)
        for rate in (0.1, 0.5)
        for spec in (PLAIN, BATCH)
    },
}
RATES = (0.1, 10.0)
STACK = 5  # seeds per process: more do not fit the processor's cache


def run(spec: MnistSigmoid, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        Curves of "validation_accuracy", "test_accuracy" (fraction), and their
        losses (nat), BN with running statistics; percentiles of
        the last hidden layer's inputs; "drift_raw" and "drift_scaled" of them between looks; and at
        the last step their means, "activation_drift_raw" and so on, over the whole run, its
        first tenth ("_early") and its last half ("_late").
    """
    data = load(spec.data_set)
    model = net(spec, data, seeds, placement=spec.placement)
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=probes(spec, data),
        progress=progress,
    )
    return rows + _mean_drifts(rows, spec.num_steps)


def probes(spec: MnistSigmoid, data: Dataset) -> list[tuple[Schedule, Probe]]:
    """What is measured, and when."""
    looks = growing(0, spec.num_steps, interval=100, growth=1.02)
    fixed = torch.tensor(data.validation.flat[: spec.num_probe_examples])
    last = f"activations.{len(spec.widths) - 1}"
    return [
        # The end of the validation's curve chooses the rate.
        *accuracies(data, {"test": looks, "validation": tenths(spec.num_steps)}),
        (every(spec.drift_interval), ActivationPercentiles(last, fixed)),
        (every(spec.drift_interval), ActivationDrift(last, fixed)),
    ]


def _mean_drifts(rows: Sequence[Row], num_steps: int) -> list[Row]:
    """Per seed the mean drift per look, at the last step, over all looks and over two windows."""
    windows = {
        "": (0, num_steps),
        "_early": (0, num_steps // 10),
        "_late": (num_steps // 2, num_steps),
    }
    summary = []
    for name in ("drift_raw", "drift_scaled"):
        spans = [row for row in rows if row.name == name]
        for seed in sorted({row.seed for row in spans}):
            for suffix, (first, last) in windows.items():
                inside = [r.value for r in spans if r.seed == seed and first < r.step <= last]
                if inside:
                    mean = float(np.mean(inside))
                    summary.append(Row(seed, num_steps, f"activation_{name}{suffix}", mean, "1"))
    return summary
