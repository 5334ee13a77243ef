"""Does batch normalization make the choice of the nonlinearity matter less?

The caffenet benchmark (Activations.md, batchnorm.md) has ReLU, RReLU, PReLU and ELU 1.7 points
apart on ImageNet without BN, and half a point with BN behind them, each in a single run. Here every
nonlinearity is trained at every rate of a grid and each has its own best one, chosen on validation;
the spread is that of the four test accuracies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from bnkit.data import Dataset, load
from bnkit.fully_connected import accuracies, batches
from bnkit.models import StackedMLP, StackedStep
from bnkit.rows import Row
from bnkit.train import TakeStep, train


@dataclass(frozen=True, kw_only=True)
class Nonlinearities:
    """One arm of the comparison, with all nonlinearities at all rates."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    # Nuisance: the best one is chosen for each nonlinearity and seed on validation.
    rates: tuple[float, ...]
    # Fixed: the verdict holds for these values only, and the chapter says so.
    family: tuple[str, ...] = ("relu", "leaky_relu", "prelu", "elu")  # whose spread is judged
    others: tuple[str, ...] = ("tanh",)
    placement: Literal["before", "after"] = "before"
    num_replicates: int = 2  # nets whose mean is one value, for each seed
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    init: Literal["he"] = "he"
    batch_size: int = 50  # examples per step, also the set that BN averages over
    num_steps: int = 1_500

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {
    "none": Nonlinearities(norm="none", rates=(0.03, 0.1, 0.3, 1.0)),
    "batch": Nonlinearities(norm="batch", rates=(0.3, 1.0, 3.0, 10.0)),
}
STACK = 5
_APART = 10_000  # between the seeds of a seed's replicates


class Final(NamedTuple):
    """Accuracies (fractions) at the end of a run; those of chance if it has diverged."""

    validation: float
    test: float


def run(spec: Nonlinearities, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train the nets of all seeds with every nonlinearity at every rate.

    Returns:
        At the last step, for each nonlinearity f and rate r "test_accuracy@f-r" and
        "validation_accuracy@f-r", means over replicates; "test_accuracy@f" and "best_rate@f" at the
        rate with the best validation accuracy; "accuracy_spread", the largest less the smallest of
        the family's, and "accuracy_spread_all", with the others as well (all fractions).
    """
    data = load(spec.data_set)
    names = (*spec.family, *spec.others)
    cells = {
        (name, rate): replicated(
            partial(trained, spec, data, name, rate, progress), seeds, spec.num_replicates
        )
        for name in names
        for rate in spec.rates
    }
    rows = []
    for seed in seeds:
        own = {cell: found[seed] for cell, found in cells.items()}
        values = {}
        for (name, rate), final in own.items():
            values[f"validation_accuracy@{name}-{rate:g}"] = final.validation
            values[f"test_accuracy@{name}-{rate:g}"] = final.test
        rows += [Row(seed, spec.num_steps, name, v, "fraction") for name, v in values.items()]
        rows += _choices(spec, seed, own)
    return rows


def _choices(
    spec: Nonlinearities, seed: int, cells: Mapping[tuple[str, float], Final]
) -> list[Row]:
    """The best rate of each nonlinearity, and how far they then are apart."""
    chosen, rows = {}, []
    for name in (*spec.family, *spec.others):
        scores = {rate: cells[name, rate].validation for rate in spec.rates}
        rate = max(spec.rates, key=scores.__getitem__)
        chosen[name] = cells[name, rate].test
        rows.append(Row(seed, spec.num_steps, f"best_rate@{name}", rate, "1"))
        rows.append(Row(seed, spec.num_steps, f"test_accuracy@{name}", chosen[name], "fraction"))
    for ending, names in (("", spec.family), ("_all", tuple(chosen))):
        values = [chosen[name] for name in names]
        spread = max(values) - min(values)
        rows.append(Row(seed, spec.num_steps, f"accuracy_spread{ending}", spread, "fraction"))
    return rows


def trained(
    spec: Nonlinearities,
    data: Dataset,
    name: str,
    rate: float,
    progress: str | None,
    seeds: Sequence[int],
) -> dict[int, Final]:
    """One cell: the nets of all seeds with one nonlinearity at one rate."""
    sizes = (data.train.flat.shape[1], *spec.widths, data.num_classes)
    model = StackedMLP(
        sizes, seeds, norm=spec.norm, activation=name, placement=spec.placement, init=spec.init
    )
    return to_the_end(
        model,
        data,
        batch_size=spec.batch_size,
        rate=rate,
        num_steps=spec.num_steps,
        progress=progress and f"{progress}, {name} at {rate:g}",
    )


def replicated(
    cell: Callable[[Sequence[int]], Mapping[int, Final]], seeds: Sequence[int], num_replicates: int
) -> dict[int, Final]:
    """The means of several nets for each seed; the first of them is the seed's own."""
    found = [
        cell([seed + _APART * replicate for seed in seeds]) for replicate in range(num_replicates)
    ]
    return {
        seed: Final(
            *np.mean(
                [finals[seed + _APART * number] for number, finals in enumerate(found)], axis=0
            ).tolist()
        )
        for seed in seeds
    }


def to_the_end(
    model: StackedMLP,
    data: Dataset,
    *,
    batch_size: int,
    rate: float,
    num_steps: int,
    step: TakeStep | None = None,
    rate_at: Callable[[int], float] | None = None,
    progress: str | None = None,
) -> dict[int, Final]:
    """Train by the written-out step, or by `step`, and look once, after the last step."""
    rows = train(
        model,
        batches(data, batch_size, model.seeds),
        seeds=model.seeds,
        rate=rate,
        num_steps=num_steps,
        step=step or StackedStep(model),
        rate_at=rate_at,
        probes=accuracies(data, {"validation": [num_steps], "test": [num_steps]}),
        progress=progress,
    )
    last = {(row.name, row.seed): row.value for row in rows}
    return {
        seed: Final(last["validation_accuracy", seed], last["test_accuracy", seed])
        for seed in model.seeds
    }
