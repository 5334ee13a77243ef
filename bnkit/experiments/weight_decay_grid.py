"""Does a net with batch normalization want a weaker L2 penalty than the same net without?

Ioffe & Szegedy (2015), section 4.2.1, cut the weight of their L2 loss to a fifth. Behind a weight
that feeds a BN the penalty cannot make the function smaller, only the weight, which raises the
effective learning rate (van Laarhoven, 2017): so the best penalty may move either way, and the
whole grid of penalties and rates is trained.

The penalty is on the matrices, not on biases, gamma and beta: the loss has λ/2 ‖W‖², as torch's
`weight_decay`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bnkit.data import Dataset, load
from bnkit.experiments.nonlinearities import Final, replicated, to_the_end
from bnkit.fully_connected import net
from bnkit.models import StackedMLP, StackedStep
from bnkit.rows import Row
from bnkit.train import TakeStep


@dataclass(frozen=True, kw_only=True)
class WeightDecayGrid:
    """One arm of the comparison, at all penalties and rates."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    # Nuisance: the best one is chosen for each penalty and seed on validation.
    rates: tuple[float, ...]
    # Fixed: the verdict holds for these values only, and the chapter says so.
    penalties: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2)  # the least does nothing
    num_replicates: int = 2  # nets whose mean is one value, for each seed
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: Literal["relu"] = "relu"
    init: Literal["he"] = "he"
    batch_size: int = 50  # examples per step, also the set that BN averages over
    num_steps: int = 1_500

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {
    "none": WeightDecayGrid(norm="none", rates=(0.03, 0.1, 0.3)),
    "batch": WeightDecayGrid(norm="batch", rates=(0.3, 1.0, 3.0)),
}
STACK = 5


def run(spec: WeightDecayGrid, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train the nets of all seeds at every penalty and rate.

    Returns:
        At the last step the rows of `choices`, the levels being penalties; "best_weight_decay".
    """
    data = load(spec.data_set)
    return over_grid(
        "best_weight_decay",
        spec.penalties,
        spec.rates,
        lambda penalty, rate, some: _trained(spec, data, penalty, rate, progress, some),
        seeds,
        num_replicates=spec.num_replicates,
        num_steps=spec.num_steps,
    )


def over_grid(
    best: str,
    levels: Sequence[float],
    rates: Sequence[float],
    trained: Callable[[float, float, Sequence[int]], dict[int, Final]],
    seeds: Sequence[int],
    *,
    num_replicates: int,
    num_steps: int,
) -> list[Row]:
    """Train at every level and rate, and let each seed choose: the rows of `choices`.

    Args:
        best: what the chosen level is called.
        levels: of what the grid is about.
        rates: learning rates.
        trained: (level, rate, seeds) -> how each seed ended.
        seeds: of the sample.
        num_replicates: nets of each seed.
        num_steps: at which the rows stand.
    """
    cells = {
        (level, rate): replicated(partial(trained, level, rate), seeds, num_replicates)
        for level in levels
        for rate in rates
    }
    return [row for seed in seeds for row in choices(seed, num_steps, best, pick(cells, seed))]


def _trained(
    spec: WeightDecayGrid,
    data: Dataset,
    penalty: float,
    rate: float,
    progress: str | None,
    seeds: Sequence[int],
) -> dict[int, Final]:
    """One cell: the nets of all seeds at one penalty and one rate."""
    model = net(spec, data, seeds)
    return to_the_end(
        model,
        data,
        batch_size=spec.batch_size,
        rate=rate,
        num_steps=spec.num_steps,
        step=decaying(model, penalty),
        progress=progress and f"{progress}, L2 {penalty:g} at {rate:g}",
    )


def decaying(model: StackedMLP, penalty: float) -> TakeStep:
    """The written-out step with an L2 penalty on the matrices: W - rate (gradient + λ W)."""
    step = StackedStep(model)
    matrices = [linear.get_parameter("weight").detach() for linear in model.linears]

    def take_step(inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        before = [matrix.clone() for matrix in matrices]
        losses = step(inputs, targets, rate)
        torch._foreach_add_(matrices, before, alpha=-rate * penalty)
        return losses

    return take_step


def pick(
    cells: Mapping[tuple[float, float], Mapping[int, Final]], seed: int
) -> dict[tuple[float, float], Final]:
    """The cells of one seed."""
    return {cell: found[seed] for cell, found in cells.items()}


def choices(
    seed: int, step: int, name: str, cells: Mapping[tuple[float, float], Final]
) -> list[Row]:
    """What one seed of a grid of levels and learning rates comes to.

    Args:
        seed: of the rows.
        step: of the rows.
        name: of the level chosen.
        cells: (level, rate) -> accuracies.

    Returns:
        For each cell "validation_accuracy@level-rate" and "test_accuracy@level-rate"; for each
        level, at its best rate on validation, "validation_accuracy@level" and
        "test_accuracy@level"; `name`, the level with the best validation accuracy, the lowest if
        several have it, its "best_rate", and there "validation_accuracy" and "test_accuracy".
    """
    best: dict[float, tuple[float, Final]] = {}
    values: dict[str, float] = {}
    for (level, rate), final in sorted(cells.items()):
        values |= _named(final, f"@{level:g}-{rate:g}")
        if level not in best or final.validation > best[level][1].validation:
            best[level] = rate, final
    for level, (_, final) in best.items():
        values |= _named(final, f"@{level:g}")
    chosen = max(best, key=lambda level: best[level][1].validation)
    values |= _named(best[chosen][1], "")
    found = [Row(seed, step, metric, value, "fraction") for metric, value in values.items()]
    return [
        *found,
        Row(seed, step, name, chosen, "1"),
        Row(seed, step, "best_rate", best[chosen][0], "1"),
    ]


def _named(final: Final, ending: str) -> dict[str, float]:
    return {
        f"validation_accuracy{ending}": final.validation,
        f"test_accuracy{ending}": final.test,
    }
