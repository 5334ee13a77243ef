"""How far does a random net with batch normalization go if gamma and beta alone are trained?

Frankle, Schwab & Morcos (2021): every weight stays where it was drawn, the head's too, and gamma
and beta choose among random features. What they compare with, and what is compared here, is a net
in which as many other weights are trained, two at random of those that lead into each unit, with
gamma at 1 and beta at 0. Beside them stand the net that is trained whole, and the one whose head
alone is trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches
from bnkit.models import StackedMLP, StackedStep
from bnkit.rows import Row, StepEvent
from bnkit.train import Probe, Schedule, TakeStep, at, growing, train


@dataclass(frozen=True, kw_only=True)
class AffineOnly:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    trained: Literal["all", "affine", "weights", "head"]  # what is not frozen
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 1.0
    # Fixed: the verdict holds for these values only, and the chapter says so.
    weights_per_unit: int = 2  # that are trained, of those leading into it; as many as gamma, beta
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (200, 200, 200)
    activation: Literal["relu"] = "relu"
    init: Literal["he"] = "he"
    batch_size: int = 50  # examples per step, also the set that BN averages over
    num_steps: int = 1_500

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ALL = AffineOnly(trained="all")
ARMS = {
    "all": Tuned(ALL),
    "affine-only": Tuned(replace(ALL, trained="affine")),
    "random-weights-only": Tuned(replace(ALL, trained="weights")),
    "head-only": Tuned(replace(ALL, trained="head")),
}
RATES = (0.1, 10.0)
STACK = 5
QUANTILES = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)


def run(spec: AffineOnly, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        A curve of "test_accuracy" (fraction) and "test_loss" (nat) with running statistics; at the
        last step those of validation and training images, "gamma_share_below_0.01", the share of
        gammas that small, and "gamma_size@q", the quantile q of their sizes.
    """
    data = load(spec.data_set)
    model = network(spec, data, seeds)
    return train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=training_only(StackedStep(model), model, masks(spec, model)),
        probes=_probes(spec, data),
        progress=progress,
    )


def network(spec: AffineOnly, data: Dataset, seeds: Sequence[int]) -> StackedMLP:
    """The nets of all seeds, all with BN."""
    return StackedMLP(
        (data.train.flat.shape[1], *spec.widths, data.num_classes),
        seeds,
        norm="batch",
        activation=spec.activation,
        init=spec.init,
    )


def masks(spec: AffineOnly, model: StackedMLP) -> dict[str, bool | Tensor]:
    """Parameter name -> whether it is trained, or for each of its elements whether it is."""
    trained: dict[str, bool | Tensor] = {}
    last = len(spec.widths)
    for name, parameter in model.named_parameters():
        kind, layer = name.split(".")[:2]
        if spec.trained == "weights" and kind == "linears" and int(layer) < last:
            trained[name] = _some(spec, parameter, model.seeds, int(layer))
        else:
            trained[name] = {
                "all": True,
                "affine": kind == "norms",
                "weights": False,
                "head": kind == "linears" and int(layer) == last,
            }[spec.trained]
    return trained


def _some(spec: AffineOnly, weight: Tensor, seeds: Sequence[int], layer: int) -> Tensor:
    """For each unit of each seed a few of its weights at random, (K, out, in) of bool."""
    _, outputs, inputs = weight.shape
    mask = np.zeros(weight.shape, dtype=bool)
    for k, seed in enumerate(seeds):
        order = np.random.default_rng((seed, layer)).random((outputs, inputs)).argsort(axis=1)
        np.put_along_axis(mask[k], order[:, : spec.weights_per_unit], True, axis=1)
    return torch.from_numpy(mask)


def training_only(step: TakeStep, model: StackedMLP, trained: dict[str, bool | Tensor]) -> TakeStep:
    """The same step, after which whatever is not trained is put back."""
    held = [
        (parameter.detach(), parameter.detach().clone(), which)
        for (name, parameter) in model.named_parameters()
        if (which := trained[name]) is not True
    ]

    def take_step(inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        losses = step(inputs, targets, rate)
        for parameter, kept, which in held:
            if isinstance(which, Tensor):
                torch.where(which, parameter, kept, out=parameter)
            else:
                parameter.copy_(kept)
        return losses

    return take_step


def _probes(spec: AffineOnly, data: Dataset) -> list[tuple[Schedule, Probe]]:
    last = [spec.num_steps]
    looks = growing(0, spec.num_steps, interval=10, growth=1.5)
    evaluations = accuracies(data, {"test": looks, "validation": last, "train": last})
    return [*evaluations, (at(last), gammas)]


def gammas(event: StepEvent) -> list[Row]:
    """How large the gammas of all layers together are, in size."""
    named = event.model.named_parameters()
    found = [p.detach().view(len(event.seeds), -1) for name, p in named if ".bn.weight" in name]
    sizes = torch.cat(found, dim=1).abs().double().numpy()  # (K, units)
    rows = event.rows("gamma_share_below_0.01", (sizes < 0.01).mean(axis=1), "fraction")
    for q, values in zip(QUANTILES, np.quantile(sizes, QUANTILES, axis=1), strict=True):
        rows += event.rows(f"gamma_size@{q:g}", values, "1")
    return rows
