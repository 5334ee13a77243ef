"""Is what batch normalization does for generalization that of a decay of γ?

Luo et al. (2019): to second order, the noise of BN's batch statistics acts as normalization with
the statistics of the population and a penalty on γ². Three nets: BN; the same with mean and
variance of the whole training set, anew at every step and with gradients through them, so that
nothing but the noise is gone; and that with a penalty λ Σ γ², whose λ each seed chooses by
validation. The claim holds as far as the penalty closes the gap in test accuracy.

All three run at the rate that is tuned for BN: the theory is about one and the same descent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies
from bnkit.models import StackedMLP, StackedStep
from bnkit.models.ghost_norm import StackedPopulationNorm
from bnkit.rows import Row
from bnkit.train import TakeStep, cross_entropy, stacked_batches, train


@dataclass(frozen=True, kw_only=True)
class PopulationNormalization:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["batch", "population"]
    penalties: tuple[float, ...] = (0.0,)  # λ in nat; of several, the best on validation
    # Nuisance: tuned for the net with BN; the others have its rate.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100)
    activation: str = "relu"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    batch_size: int = 20  # examples per step, also the set that BN averages over
    num_steps: int = 800

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


BATCH = PopulationNormalization(norm="batch", rate=1.0)
POPULATION = replace(BATCH, norm="population")
PENALTIES = (1e-4, 1e-3, 1e-2)
ARMS = {
    "batch": Tuned(BATCH),
    "population": Tuned(POPULATION, like=BATCH),
    "population-penalty": Tuned(replace(POPULATION, penalties=PENALTIES), like=BATCH),
}
RATES = (0.01, 1.0)
STACK = 5


def run(
    spec: PopulationNormalization, seeds: Sequence[int], progress: str | None = None
) -> list[Row]:
    """Train a stack of nets for each penalty.

    Returns:
        At the last step "validation_accuracy@penalty", "test_accuracy@penalty" and
        "train_loss@penalty", BN with running statistics; and of each seed "best_penalty",
        "validation_accuracy", "test_accuracy" and "train_loss" with that penalty, the smallest
        if several are best.
    """
    rows = [
        row._replace(name=f"{row.name}@{penalty:g}")
        for penalty in spec.penalties
        for row in with_penalty(spec, penalty, seeds, progress)
        if row.name in ("test_accuracy", "validation_accuracy", "train_loss")
    ]
    return rows + [row for seed in seeds for row in summary(spec, seed, rows)]


class PopulationStep:
    """A step of descent on the batch, normalized with statistics of the population.

    Args:
        model: with `StackedPopulationNorm` for normalizers.
        population: (M, D) examples.
        penalty: λ of λ Σ γ², which is added to each seed's loss.
    """

    def __init__(self, model: StackedMLP, population: Tensor, penalty: float) -> None:
        self._model, self._penalty = model, penalty
        self._population = population.expand(len(model.seeds), *population.shape)
        self._parameters = list(model.parameters())

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the step, without the penalty."""
        together = torch.cat([inputs, self._population], dim=1)  # (K, N + M, D)
        losses = cross_entropy(self._model(together)[:, : inputs.shape[1]], targets)
        squares = [norm.get_parameter("weight").square().sum() for norm in self._model.norms]
        total = losses.sum() + self._penalty * torch.stack(squares).sum()
        gradients = torch.autograd.grad(total, self._parameters)
        with torch.no_grad():
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                parameter.sub_(gradient, alpha=rate)
        return losses.detach()


def with_penalty(
    spec: PopulationNormalization,
    penalty: float,
    seeds: Sequence[int],
    progress: str | None = None,
) -> list[Row]:
    """The rows of a stack of nets with this penalty, under their plain names."""
    data = load(spec.data_set)
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    sizes = (x.shape[1], *spec.widths, data.num_classes)
    model = StackedMLP(sizes, seeds, norm="batch", activation=spec.activation, init=spec.init)
    step: TakeStep
    if spec.norm == "batch":
        if penalty:
            raise ValueError(f"penalty {penalty}: only the population's net takes one, give 0")
        step = StackedStep(model)
    else:
        for layer, width in enumerate(spec.widths):
            model.norms[layer] = StackedPopulationNorm(len(seeds), width, len(x))
        step = PopulationStep(model, x, penalty)
    last = [spec.num_steps]
    return train(
        model,
        stacked_batches(x, y, batch_size=spec.batch_size, seeds=seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=step,
        probes=accuracies(data, {"test": last, "validation": last, "train": last}),
        progress=progress and f"{progress} penalty {penalty:g}",
    )


def summary(spec: PopulationNormalization, seed: int, rows: Sequence[Row]) -> list[Row]:
    """The judged rows of one seed."""
    value = {row.name: row.value for row in rows if row.seed == seed}
    best = max(spec.penalties, key=lambda penalty: value[f"validation_accuracy@{penalty:g}"])
    found = {
        "best_penalty": (best, "nat"),
        "validation_accuracy": (value[f"validation_accuracy@{best:g}"], "fraction"),
        "test_accuracy": (value[f"test_accuracy@{best:g}"], "fraction"),
        "train_loss": (value[f"train_loss@{best:g}"], "nat"),
    }
    return [Row(seed, spec.num_steps, name, v, unit) for name, (v, unit) in found.items()]
