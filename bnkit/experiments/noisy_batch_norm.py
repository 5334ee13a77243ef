"""Does batch normalization still work if its outputs are shifted at random, anew at every step?

Santurkar et al. (2018), section 2.1 and figure 2: behind each BN comes noise that moves the mean
and the scale of every unit from one step to the next, so that the next layer sees a covariate shift
that no optimizer has made. If stable distributions were what BN is good for, this should undo it.
The paper has one dose of noise, a VGG and no table; here is an axis of doses, and the plain net
with and without noise beside it, each arm at its own tuned rate.

The hidden units are ReLUs, as in the paper's net: a sigmoid would clip the noise. The noise comes
in front of them, behind BN or, in the plain net, in the same place; there its shifts are in units
of each activation's own spread, and in one arm absolute, as the paper's are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned, full_scale, noisy_cnn
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedMLP
from bnkit.models.shifting_noise import ShiftingNoise
from bnkit.probes import ActivationDrift
from bnkit.rows import Row
from bnkit.train import Probe, Schedule, at, cross_entropy, growing, tenths, train


@dataclass(frozen=True, kw_only=True)
class NoisyBatchNorm:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    dose: float = 0.0  # of `ShiftingNoise`; 0.5 is the paper's, 0 is no noise
    in_spreads: bool = False  # shifts in units of the activation's own standard deviation
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: str = "relu"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 2_000
    num_probe_examples: int = 500  # of the validation split, where activations are looked at
    drift_interval: int = 200  # steps between two looks at how far one step moves them

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


PLAIN, BATCH = (NoisyBatchNorm(norm=norm, rate=1.0) for norm in ("none", "batch"))
MLP_ARMS = {
    "none": Tuned(PLAIN),
    "batch": Tuned(BATCH),
    **{f"noisy-{d:g}": Tuned(replace(BATCH, dose=d)) for d in (0.25, 0.5, 1.0, 2.0, 4.0)},
    **{
        f"none-noisy-{d:g}": Tuned(replace(PLAIN, dose=d, in_spreads=True)) for d in (0.5, 1.0, 2.0)
    },
    "none-absolute-0.5": Tuned(replace(PLAIN, dose=0.5)),
}
ARMS = {
    **MLP_ARMS,
    **{f"{arm}-cnn": spec for arm, spec in noisy_cnn.ARMS.items()},
    **{f"{arm}-vgg": full_scale.ARMS[arm] for arm in ("none", "batch", "noisy-0.5")},
}
RATES = (0.01, 1.0)
STACK = 10


def run(spec: NoisyBatchNorm, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        Curves of "test_accuracy", "validation_accuracy", "train_accuracy" (fraction) and their
        losses (nat), without noise and with running statistics; for hidden layer l the drift of
        the nonlinearity's inputs over one step, noise included, "drift-l_raw" and
        "drift-l_scaled"; and at the last step "activation_drift_raw" and "activation_drift_scaled",
        their means over looks and layers.
    """
    data = load(spec.data_set)
    model, noises = noisy_net(spec, data, seeds)
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=NoisyStep(model, noises),
        probes=[*_evaluations(spec, data), *drifts(spec, data)],
        progress=progress,
    )
    rows = over_one_step(rows, drift_looks(spec))
    return rows + mean_drifts(rows, seeds, spec.num_steps)


def noisy_net(
    spec: NoisyBatchNorm, data: Dataset, seeds: Sequence[int]
) -> tuple[StackedMLP, list[ShiftingNoise]]:
    """The net, with noise behind each normalizer and its place if there is any dose of it."""
    model = net(spec, data, seeds)
    if spec.dose == 0:
        return model, []
    noises = [
        ShiftingNoise(seeds, layer, dose=spec.dose, in_spreads=spec.in_spreads)
        for layer in range(len(spec.widths))
    ]
    for layer, noise in enumerate(noises):
        model.norms[layer] = nn.Sequential(model.norms[layer], noise)
    return model, noises


class NoisyStep:
    """A step of gradient descent, after which the noise is another; for `train(step=...)`."""

    def __init__(self, model: StackedMLP, noises: Iterable[ShiftingNoise]) -> None:
        self._model, self._noises = model, list(noises)
        self._parameters = list(model.parameters())

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the step, with the noise of this step."""
        losses = cross_entropy(self._model(inputs), targets)
        gradients = torch.autograd.grad(losses.sum(), self._parameters)
        with torch.no_grad():
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                parameter.sub_(gradient, alpha=rate)
        for noise in self._noises:
            noise.step += 1
        return losses.detach()


def _evaluations(spec: NoisyBatchNorm, data: Dataset) -> list[tuple[Schedule, Probe]]:
    looks = growing(0, spec.num_steps, interval=20, growth=1.08)
    seldom = tenths(spec.num_steps)
    return accuracies(data, {"test": looks, "validation": seldom, "train": seldom})


def drift_looks(spec: NoisyBatchNorm) -> list[int]:
    """The steps whose effect on the activations is measured."""
    return list(range(0, spec.num_steps, spec.drift_interval))


def drifts(spec: NoisyBatchNorm, data: Dataset) -> list[tuple[Schedule, Probe]]:
    """Wasserstein drift of each hidden layer, looked at before and after the chosen steps.

    The model is in train mode: each look has the noise of the step that is to come, so what the
    noise adds from one step to the next is in the drift; BN has the statistics of the examples.
    """
    pairs = at([step + after for step in drift_looks(spec) for after in (0, 1)])
    fixed = torch.tensor(data.validation.flat[: spec.num_probe_examples])
    return [
        (pairs, ActivationDrift(f"activations.{i}", fixed, bn_mode="batch", name=f"drift-{i + 1}"))
        for i in range(len(spec.widths))
    ]


def over_one_step(rows: Sequence[Row], looks: Sequence[int]) -> list[Row]:
    """Without the drift from the end of one pair of looks to the beginning of the next."""
    ends = {step + 1 for step in looks}
    return [row for row in rows if not row.name.startswith("drift-") or row.step in ends]


def mean_drifts(rows: Sequence[Row], seeds: Sequence[int], num_steps: int) -> list[Row]:
    """At the last step "activation_drift_raw" and "_scaled", the means over looks and layers."""
    summary = []
    for ending in ("raw", "scaled"):
        found = [r for r in rows if r.name.startswith("drift-") and r.name.endswith(f"_{ending}")]
        for seed in seeds:
            mean = float(np.mean([row.value for row in found if row.seed == seed]))
            summary.append(Row(seed, num_steps, f"activation_drift_{ending}", mean, "1"))
    return summary
