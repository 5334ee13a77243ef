"""Which norm of the activations brings a deep linear net furthest down?

Santurkar et al. (2018), figures 5 and 13: nets of 25 linear layers that learn a linear map, their
activations normalized by the standard deviation, the mean absolute value or the largest one. The
problem is that of `deep_linear_shift` but for two things. Norms other than BN's depend on more than
mean and covariance of the examples, so the whole batch is passed through the net, and is smaller
for it. And each norm has its own best rate, so that none is judged by one that suits another; the
loss is a mean, in place of a sum, and rates are larger by the number of examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bnkit.experiments import Tuned
from bnkit.experiments.deep_linear_shift import log_spaced, summed_squares
from bnkit.models import DeepLinear
from bnkit.probes.landscape import landscape
from bnkit.rows import Row, StepEvent
from bnkit.train import at, train

mean_squares = summed_squares(1)  # over outputs and examples


@dataclass(frozen=True, kw_only=True)
class LpDeepLinear:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["batch", "l1", "linf"]
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 0.01
    # Fixed: the verdict holds for these values only, and the chapter says so.
    depth: int = 25
    width: int = 10
    num_examples: int = 100
    num_steps: int = 10_000
    num_looks: int = 40  # about evenly spaced on a logarithmic scale

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


BATCH, L1, LINF = (LpDeepLinear(norm=norm) for norm in ("batch", "l1", "linf"))
ARMS = {"batch": Tuned(BATCH), "l1": Tuned(L1), "linf": Tuned(LINF)}
RATES = (0.003, 0.1)
STACK = 10


def run(spec: LpDeepLinear, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Gradient descent on the whole batch, one net per seed, all in one stack.

    Returns:
        A curve "loss" of the batch; at the last step "deep_linear_loss", the same there, and
        "validation_accuracy", by which a rate is chosen: the share of the targets' variance that
        the outputs explain, on the batch itself, for the map has no noise, and what is judged is
        how far the loss comes down. A net that has diverged explains minus infinity.
    """
    inputs, targets = problems(spec, seeds)
    model = DeepLinear(spec.width, spec.depth, seeds, norm=spec.norm).double()
    rows = train(
        model,
        repeat((inputs, targets)),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        loss=mean_squares,
        probes=[(at(log_spaced(spec.num_steps, spec.num_looks)), _loss)],
        progress=progress,
    )
    variances = (targets - targets.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2))
    last = {row.seed: row.value for row in rows if row.name == "loss"}
    for seed, variance in zip(seeds, variances.tolist(), strict=True):
        loss = last[seed] if last[seed] < float("inf") else float("inf")  # NaN has diverged too
        rows.append(Row(seed, spec.num_steps, "deep_linear_loss", loss, "1"))
        explained = 1.0 - loss / variance
        rows.append(Row(seed, spec.num_steps, "validation_accuracy", explained, "fraction"))
    return rows


def problems(spec: LpDeepLinear, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Inputs and targets, (K, num_examples, width): y = A x, all of it normal."""
    inputs, targets = [], []
    for seed in seeds:
        generator = torch.Generator().manual_seed(2_000_003 + seed)
        shape = (spec.num_examples + spec.width, spec.width)
        drawn = torch.randn(shape, generator=generator, dtype=torch.float64)
        inputs.append(drawn[: spec.num_examples])
        targets.append(inputs[-1] @ drawn[spec.num_examples :].T)
    return torch.stack(inputs), torch.stack(targets)


def _loss(event: StepEvent) -> list[Row]:
    with landscape(event, "batch", None, mean_squares) as here:
        return event.rows("loss", here.losses(here.point).detach(), "1")
