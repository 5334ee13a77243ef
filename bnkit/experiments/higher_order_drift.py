"""Does batch normalization hold the higher-order statistics of activations still in training?

The sigmoid net of `mnist_sigmoid`, with BN and without. On a fixed set of examples skewness, excess
kurtosis and correlations of the inputs of the nonlinearities are compared from look to look. Gamma,
beta and the normalization itself cannot move them: they are what is left of a distribution beyond
its mean and variance. A net with a larger rate moves faster in every respect, so BN is looked at
also at the rate of the plain net.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned, landscape
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedStep
from bnkit.probes import MomentDrift
from bnkit.rows import Row, StepEvent
from bnkit.train import Probe, Schedule, every, tenths, train

STATISTICS = ("skewness", "kurtosis", "correlation")


@dataclass(frozen=True, kw_only=True)
class HigherOrderDrift:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 1.0
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: str = "sigmoid"
    placement: Literal["before", "after"] = "before"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "lecun"
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 20_000
    num_probe_examples: int = 1_000  # of the validation split, where activations are looked at
    drift_interval: int = 500  # steps between two looks at the activations

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE, BATCH = (HigherOrderDrift(norm=norm) for norm in ("none", "batch"))
ARMS = {
    "none": Tuned(NONE),
    "batch": Tuned(BATCH),
    "batch@none": Tuned(BATCH, like=NONE),  # at the rate chosen for the plain net
    **{f"{norm}-cnn": landscape.CNN_ARMS[norm] for norm in ("none", "batch")},
}
RATES = (0.1, 10.0)
STACK = 5


def run(spec: HigherOrderDrift, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        Curves "layer-L_skewness_drift", "layer-L_skewness_size" and the other rows of `MomentDrift`
        for each hidden layer L, from 1; "validation_accuracy" and "test_accuracy" (fraction). At
        the last step, medians over looks of the last hidden layer: "skewness_drift",
        "kurtosis_drift" and "correlation_drift", over the first tenth of the steps ("_early") and
        over the second half ("_late"), and of the sizes; and "skewness_drift_layer-L" and so on.
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
    return rows + [row for seed in seeds for row in _summary(spec, seed, rows)]


class LayerMoments:
    """`MomentDrift` of one hidden layer, 1, 2, ..., with the layer in front of the rows' names."""

    def __init__(self, layer: int, x: torch.Tensor) -> None:
        self._name = f"layer-{layer}"
        self._probe = MomentDrift(f"activations.{layer - 1}", x)

    def __call__(self, event: StepEvent) -> list[Row]:
        """One forward pass; no rows at the first call."""
        return [row._replace(name=f"{self._name}_{row.name}") for row in self._probe(event)]


def probes(spec: HigherOrderDrift, data: Dataset) -> list[tuple[Schedule, Probe]]:
    """What is measured, and when."""
    fixed = torch.tensor(data.validation.flat[: spec.num_probe_examples])
    moments: list[Probe] = [LayerMoments(n, fixed) for n in range(1, len(spec.widths) + 1)]
    return [
        *((every(spec.drift_interval), probe) for probe in moments),
        *accuracies(data, dict.fromkeys(["test", "validation"], tenths(spec.num_steps))),
    ]


def _summary(spec: HigherOrderDrift, seed: int, rows: Sequence[Row]) -> list[Row]:
    """The judged rows of one seed."""
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if row.seed == seed:
            curves[row.name][row.step] = row.value

    def median(layer: int, name: str, after: int, until: int) -> float:
        curve = curves[f"layer-{layer}_{name}"]
        return float(np.median([value for step, value in curve.items() if after < step <= until]))

    last, end = len(spec.widths), spec.num_steps
    found = {}
    for statistic in STATISTICS:
        drift = f"{statistic}_drift"
        found[drift] = median(last, drift, 0, end)
        found[f"{drift}_early"] = median(last, drift, 0, end // 10)
        found[f"{drift}_late"] = median(last, drift, end // 2, end)
        found[f"{statistic}_size"] = median(last, f"{statistic}_size", 0, end)
        for layer in range(1, last + 1):
            found[f"{drift}_layer-{layer}"] = median(layer, drift, 0, end)
    return [Row(seed, end, name, value, "1") for name, value in found.items()]
