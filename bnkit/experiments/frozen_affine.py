"""Is it the learned scale and shift through which batch normalization helps?

A net with BN learns gamma and beta for each unit; here some nets keep them: at 1 and 0, where
every unit has mean 0 and variance 1, or at constants drawn at random. Behind a ReLU a frozen gamma
takes next to nothing away: relu(gamma x) = gamma relu(x) for gamma > 0, which the next weights
make good, and only beta, which moves the kink, is missed. With a sigmoid gamma says how far units
saturate, and frozen at 1 they stay near its linear part. So the sigmoid net, where gamma and beta
both matter, decides; the ReLU net stands beside it, and so does the sigmoid net on all of MNIST,
where, other than with 1,000 images, BN has something to add to the plain net.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, last_errors, net
from bnkit.models import StackedMLP, StackedStep
from bnkit.rows import Row
from bnkit.train import Probe, Schedule, TakeStep, growing, tenths, train


@dataclass(frozen=True, kw_only=True)
class FrozenAffine:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    frozen: tuple[Literal["gamma", "beta"], ...] = ()  # what stays where it begins
    start: Literal["identity", "random"] = "identity"  # gamma 1 and beta 0, or drawn
    activation: Literal["sigmoid", "relu"] = "sigmoid"
    init: Literal["lecun", "he"] = "lecun"  # the one that fits the nonlinearity
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 1.0
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    spread: float = 0.5  # standard deviation of ln(gamma) and of beta, where they are drawn
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 4_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE, BATCH = (FrozenAffine(norm=norm) for norm in ("none", "batch"))
BOTH: tuple[Literal["gamma", "beta"], ...] = ("gamma", "beta")
FROZEN = replace(BATCH, frozen=BOTH)
RANDOM = replace(FROZEN, start="random")
BATCH_RELU, FROZEN_RELU = (replace(s, activation="relu", init="he") for s in (BATCH, FROZEN))
ARMS = {
    "none": Tuned(NONE),
    "batch": Tuned(BATCH),
    "batch-frozen-affine": Tuned(FROZEN),
    "batch-random-affine": Tuned(replace(FROZEN, start="random")),
    "batch-relu": Tuned(BATCH_RELU),
    "batch-frozen-affine-relu": Tuned(FROZEN_RELU),
    "batch-mnist": Tuned(replace(BATCH, data_set="mnist")),
    "batch-frozen-affine-mnist": Tuned(replace(FROZEN, data_set="mnist")),
    # which of the two is it? At the rate of the net that learns both
    "batch-frozen-gamma": Tuned(replace(BATCH, frozen=("gamma",)), like=BATCH),
    "batch-frozen-beta": Tuned(replace(BATCH, frozen=("beta",)), like=BATCH),
    "batch-frozen-gamma-relu": Tuned(replace(BATCH_RELU, frozen=("gamma",)), like=BATCH_RELU),
    "batch-frozen-beta-relu": Tuned(replace(BATCH_RELU, frozen=("beta",)), like=BATCH_RELU),
}
RATES = (0.1, 10.0)
STACK = 5


def run(spec: FrozenAffine, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        Curves of "test_accuracy", "validation_accuracy" (fraction), and their losses (nat), BN with
        running statistics; at the last step those of the training images and "test_error".
    """
    data = load(spec.data_set)
    model = network(spec, data, seeds)
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=holding(StackedStep(model), held(spec, model)),
        probes=evaluations(data, spec.num_steps),
        progress=progress,
    )
    return rows + last_errors(rows, spec.num_steps)


def network(spec: FrozenAffine, data: Dataset, seeds: Sequence[int]) -> StackedMLP:
    """The nets of all seeds, gamma and beta where they begin."""
    model = net(spec, data, seeds)
    if spec.start == "random":
        generators = [torch.Generator().manual_seed(3_000_017 + seed) for seed in seeds]
        with torch.no_grad():
            for norm, width in zip(model.norms, spec.widths, strict=True):
                drawn = torch.stack([torch.randn(2, width, generator=g) for g in generators])
                drawn = spec.spread * drawn  # (K, 2, C)
                gamma, beta = norm.parameters()
                gamma.copy_(drawn[:, 0].exp().flatten())
                beta.copy_(drawn[:, 1].flatten())
    return model


def held(spec: FrozenAffine, model: StackedMLP) -> list[Tensor]:
    """The parameters that are not learned."""
    names = {"gamma": "weight", "beta": "bias"}
    return [getattr(norm.bn, names[which]) for norm in model.norms for which in spec.frozen]


def holding(step: TakeStep, parameters: Sequence[Tensor]) -> TakeStep:
    """The same step, but for some parameters, which it puts back."""
    kept = [parameter.detach().clone() for parameter in parameters]

    def take_step(inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        losses = step(inputs, targets, rate)
        with torch.no_grad():
            for parameter, value in zip(parameters, kept, strict=True):
                parameter.copy_(value)
        return losses

    return take_step


def evaluations(data: Dataset, num_steps: int) -> list[tuple[Schedule, Probe]]:
    """How good the nets are: a dense curve on test images, and what chooses the rate."""
    looks = growing(0, num_steps, interval=20, growth=1.05)
    return accuracies(data, {"test": looks, "validation": tenths(num_steps), "train": [num_steps]})
