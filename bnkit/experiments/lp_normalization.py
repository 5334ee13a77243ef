"""Is batch normalization special, or do other norms of the activations do as well?

Santurkar et al. (2018), section 3.3: the mean is subtracted, and in place of the standard deviation
the activations are divided by their mean absolute value (l1) or by the largest (linf), scaled so
that all agree for normal ones. The distances from the mean are measured, as in Hoffer et al.
(2018), so that BN is the case of the mean square. The paper measures before the mean is subtracted:
these arms, and layer and weight normalization, stand beside.

ReLU nets on 1,000 images of MNIST, as the paper's nets have ReLU; and the deep linear net of
`lp_deep_linear`, and the small convolutional net of `landscape`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned, landscape, lp_deep_linear
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedStep
from bnkit.probes import ActivationDrift
from bnkit.rows import Row
from bnkit.train import Probe, Schedule, every, growing, tenths, train


@dataclass(frozen=True, kw_only=True)
class LpNormalization:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal[
        "none", "batch", "l1", "linf", "l1-before-shift", "linf-before-shift", "layer", "weight"
    ]
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 0.1
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: str = "relu"
    init: Literal["he"] = "he"
    placement: Literal["before", "after"] = "before"
    batch_size: int = 60  # examples per step, also the set that the norms are taken over
    num_steps: int = 2_000
    num_probe_examples: int = 1_000  # of the validation split, where activations are looked at
    drift_interval: int = 50  # steps between two looks at the activations

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE = LpNormalization(norm="none")
NORMS: tuple[
    Literal["batch", "l1", "linf", "l1-before-shift", "linf-before-shift", "layer", "weight"], ...
] = ("batch", "l1", "linf", "l1-before-shift", "linf-before-shift", "layer", "weight")
ARMS: dict[str, Tuned] = {
    "none": Tuned(NONE),
    **{norm: Tuned(replace(NONE, norm=norm)) for norm in NORMS},
    **{f"{norm}-deep-linear": arm for norm, arm in lp_deep_linear.ARMS.items()},
    **{f"{norm}-cnn": landscape.CNN_ARMS[norm] for norm in ("none", "batch", "l1", "linf")},
}
RATES = (0.01, 1.0)
STACK = 5


def run(spec: LpNormalization, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        Curves of "test_accuracy", "validation_accuracy" (fraction) and their losses (nat), with
        running statistics; "drift_raw" and "drift_scaled" of the inputs of the last nonlinearity
        between looks. At the last step "train_loss" (nat) and "train_accuracy", and the mean drifts
        over the whole run, its first tenth and its second half, "activation_drift_raw",
        "activation_drift_raw_early", "activation_drift_raw_late" and the same scaled.
    """
    data = load(spec.data_set)
    model = net(spec, data, seeds, placement=spec.placement)
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=StackedStep(model) if spec.norm in ("none", "batch") else None,
        probes=probes(spec, data),
        progress=progress,
    )
    return rows + [row for seed in seeds for row in _mean_drifts(spec, seed, rows)]


def probes(spec: LpNormalization, data: Dataset) -> list[tuple[Schedule, Probe]]:
    """What is measured, and when."""
    fixed = torch.tensor(data.validation.flat[: spec.num_probe_examples])
    last = f"activations.{len(spec.widths) - 1}"
    looks = {
        "test": growing(0, spec.num_steps, interval=10, growth=1.05),
        "validation": tenths(spec.num_steps),
        "train": [spec.num_steps],
    }
    drift = ActivationDrift(last, fixed)
    return [*accuracies(data, looks), (every(spec.drift_interval), drift)]


def _mean_drifts(spec: LpNormalization, seed: int, rows: Sequence[Row]) -> list[Row]:
    end = spec.num_steps
    windows = {"": (0, end), "_early": (0, end // 10), "_late": (end // 2, end)}
    found = []
    for name in ("drift_raw", "drift_scaled"):
        curve = {row.step: row.value for row in rows if (row.name, row.seed) == (name, seed)}
        for suffix, (after, until) in windows.items():
            inside = [value for step, value in curve.items() if after < step <= until]
            if inside:
                mean = float(np.mean(inside))
                found.append(Row(seed, end, f"activation_{name}{suffix}", mean, "1"))
    return found
