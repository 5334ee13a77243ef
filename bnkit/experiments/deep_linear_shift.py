"""Does batch normalization lower internal covariate shift, if that is measured by the gradient?

Santurkar et al. (2018), definition 2.1 and figure 3, right: a linear net of 25 layers learns a
linear map, and the gradient of a layer is compared before and after the layers in front of it have
taken their step. The paper gives neither the map nor how the loss is summed nor where BN is. Here
y = A x with normal A and x, the loss is the sum over examples of the mean squared error of the
outputs, and BN comes behind every layer but the last. Gradient descent on the whole batch.

The net is affine in x as long as the statistics of the batch stand, and they too are of second
order: loss and gradients depend on x through its mean and covariance alone. So two examples more
than x has features, with the same mean and covariance, stand for the whole batch. All is in
float64: without BN the product of so many matrices spans more magnitudes than float32 resolves.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from bnkit.models import DeepLinear
from bnkit.probes import GradientICS
from bnkit.probes.landscape import Loss, landscape
from bnkit.rows import Row, StepEvent
from bnkit.train import Probe, Schedule, at, train


@dataclass(frozen=True, kw_only=True)
class DeepLinearShift:
    """One arm of the comparison. The rate is not tuned: it is the step whose effect is measured."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    rate: float = 1e-6
    # Fixed: the verdict holds for these values only, and the chapter says so.
    depth: int = 25
    width: int = 10
    num_examples: int = 1_000
    num_steps: int = 10_000
    num_looks: int = 40  # about evenly spaced on a logarithmic scale
    judged_layers: tuple[int, ...] = (9, 17)  # of the paper's figure; the first layer is 1
    other_layers: tuple[int, ...] = (2, 5, 13, 21, 25)

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE, BATCH = (DeepLinearShift(norm=norm) for norm in ("none", "batch"))
ARMS = {
    "none": NONE,
    "batch": BATCH,
    "none@1e-07": replace(NONE, rate=1e-7),
    "batch@1e-07": replace(BATCH, rate=1e-7),
}
STACK = 10


def run(spec: DeepLinearShift, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one net per seed, all in one stack.

    Returns:
        Curves "loss" and, for each layer l, "shift-l_l2", "shift-l_cosine" and the other rows of
        `GradientICS`; at the last step "train_loss" and "gradient_shift_l2", the geometric mean of
        "shift-l_l2" over all looks and the judged layers.
    """
    layers = sorted((*spec.judged_layers, *spec.other_layers))
    looks = at(log_spaced(spec.num_steps, spec.num_looks))
    loss = summed_squares(spec.num_examples)
    shifts = [GradientICS(layer=name(n), loss=loss, name=f"shift-{n}") for n in layers]
    measured: list[Probe] = [LossAlone(loss), *shifts]
    probes = [(looks, probe) for probe in measured]
    rows = trained(spec, seeds, probes, progress)
    return rows + _summary(spec, rows)


def trained(
    spec: DeepLinearShift,
    seeds: Sequence[int],
    probes: Sequence[tuple[Schedule, Probe]],
    progress: str | None = None,
) -> list[Row]:
    """The rows of the probes along the training of one net per seed."""
    model = DeepLinear(spec.width, spec.depth, seeds, norm=spec.norm).double()
    return train(
        model,
        repeat(problems(spec, seeds)),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        loss=summed_squares(spec.num_examples),
        probes=probes,
        progress=progress,
    )


def problems(spec: DeepLinearShift, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Inputs and targets, (K, width + 2, width): a sample and a map of each seed's own."""
    inputs, targets = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(2_000_003 + seed)
        shape = (spec.num_examples + spec.width, spec.width)
        drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
        inputs.append(condensed(drawn[: spec.num_examples], spec.width + 2))
        targets.append(inputs[-1] @ drawn[spec.num_examples :].T)
    return torch.stack(inputs), torch.stack(targets)


def condensed(x: Tensor, num: int) -> Tensor:
    """(num, D) examples of the mean and the biased covariance of `x`, (N, D); num > D."""
    mean = x.mean(dim=0)
    root = torch.linalg.cholesky((x - mean).T @ (x - mean) / len(x))  # (D, D)
    axes = torch.eye(num, x.shape[1] + 1, dtype=x.dtype)
    axes[:, 0] = 1.0
    orthonormal, _ = torch.linalg.qr(axes)  # behind the first column all have mean 0
    examples: Tensor = mean + num**0.5 * orthonormal[:, 1:] @ root.T
    return examples


def summed_squares(num_examples: int) -> Loss:
    """Mean over outputs of the squared error, summed over examples.

    Each of the condensed examples stands for its share of `num_examples`.
    """

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return num_examples * (outputs - targets).square().mean(dim=(-2, -1))

    return loss


@dataclass(frozen=True)
class LossAlone:
    """The loss of the batch, in its own unit. Cost: one forward pass."""

    loss: Loss

    def __call__(self, event: StepEvent) -> list[Row]:
        """One row "loss" a seed."""
        with landscape(event, "batch", None, self.loss) as here:
            return event.rows("loss", here.losses(here.point).detach(), "1")


def name(layer: int) -> str:
    """Of the module that is layer 1, 2, ... of the net."""
    return f"linears.{layer - 1}"


def log_spaced(last: int, num: int) -> list[int]:
    """0 and about `num` steps, evenly spaced on a logarithmic scale, from 1 to `last`.

    >>> log_spaced(100, 5)
    [0, 1, 3, 10, 32, 100]
    """
    return [0, *np.unique(np.geomspace(1, last, num).round().astype(int)).tolist()]


def _summary(spec: DeepLinearShift, rows: Sequence[Row]) -> list[Row]:
    judged = {f"shift-{layer}_l2" for layer in spec.judged_layers}
    shifts, losses = defaultdict(list), {}
    for row in rows:
        if row.name in judged:
            shifts[row.seed].append(row.value)
        elif row.name == "loss":
            losses[row.seed] = row.value  # the last one stays
    return [
        found
        for seed, values in shifts.items()
        for found in (
            Row(seed, spec.num_steps, "train_loss", losses[seed], "1"),
            Row(seed, spec.num_steps, "gradient_shift_l2", geometric_mean(values), "1"),
        )
    ]


def geometric_mean(values: Sequence[float]) -> float:
    """Not finite where one of them is not; 0 where one of them is."""
    with np.errstate(divide="ignore"):
        return float(np.exp(np.mean(np.log(values))))
