"""Does a net with batch normalization want less dropout than the same net without?

Ioffe & Szegedy (2015), section 4.2.1, removed dropout from their net with BN; the caffenet
benchmark found one half too much and a fifth better than none. Here the outputs of the last hidden
layer are dropped, in front of the head, where no BN follows whose statistics dropout could spoil
(that is `dropout_placement`). An arm is trained at every dropout rate, several nets each, and the
best one is chosen on validation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedMLP, StackedStep
from bnkit.rows import Row
from bnkit.train import train


@dataclass(frozen=True, kw_only=True)
class HeadDropout:
    """One arm of the comparison, at all dropout rates."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 1.0  # the learning rate, shared by all dropout rates
    # Fixed: the verdict holds for these values only, and the chapter says so.
    dropouts: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
    num_replicates: int = 2  # nets whose mean is one value, for each seed and dropout rate
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: Literal["relu"] = "relu"
    init: Literal["he"] = "he"
    batch_size: int = 50  # examples per step, also the set that BN averages over
    num_steps: int = 1_500

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {norm: Tuned(HeadDropout(norm=norm)) for norm in ("none", "batch")}
RATES = (0.03, 1.0)
STACK = 5
_APART = 10_000  # between the seeds of a seed's replicates


def for_tuning(spec: HeadDropout) -> HeadDropout:
    """One net in place of several."""
    return replace(spec, num_replicates=1)


def run(spec: HeadDropout, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train the nets of all seeds at every dropout rate.

    Returns:
        At the last step, for each dropout rate d, "validation_accuracy@d" and "test_accuracy@d",
        means over replicates; "best_dropout", the rate d with the best validation accuracy, the
        lowest if several have it; and at that one "validation_accuracy" and "test_accuracy".
    """
    data = load(spec.data_set)
    rows = [
        row
        for dropout in spec.dropouts
        for replicate in range(spec.num_replicates)
        for row in _trained(spec, data, dropout, replicate, seeds, progress)
    ]
    return [row for seed in seeds for row in _summary(spec, seed, rows)]


def network(spec: HeadDropout, data: Dataset, dropout: float, seeds: Sequence[int]) -> StackedMLP:
    """The nets of all seeds, with dropout in front of the head."""
    return net(spec, data, seeds, dropout=[0.0] * (len(spec.widths) - 1) + [dropout])


def _trained(
    spec: HeadDropout,
    data: Dataset,
    dropout: float,
    replicate: int,
    seeds: Sequence[int],
    progress: str | None,
) -> list[Row]:
    """Final accuracies under names with the dropout rate, and whatever has diverged."""
    own = [seed + _APART * replicate for seed in seeds]
    model = network(spec, data, dropout, own)
    rows = train(
        model,
        batches(data, spec.batch_size, own),
        seeds=own,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=accuracies(data, {"validation": [spec.num_steps], "test": [spec.num_steps]}),
        progress=progress and f"{progress}, dropout {dropout:g}",
    )
    names = {name: f"{name}@{dropout:g}" for name in ("validation_accuracy", "test_accuracy")}
    names["diverged"] = "diverged"
    return [
        row._replace(seed=row.seed - _APART * replicate, name=names[row.name])
        for row in rows
        if row.name in names
    ]


def _summary(spec: HeadDropout, seed: int, rows: Sequence[Row]) -> list[Row]:
    """The rows of one seed: means over replicates, and the choice among dropout rates."""

    def mean(name: str) -> float:
        return float(np.mean([r.value for r in rows if (r.seed, r.name) == (seed, name)]))

    def row(name: str, value: float, unit: str = "fraction") -> Row:
        return Row(seed, spec.num_steps, name, value, unit)

    splits = ("validation_accuracy", "test_accuracy")
    best = max(spec.dropouts, key=lambda dropout: mean(f"validation_accuracy@{dropout:g}"))
    return [
        *[r for r in rows if (r.seed, r.name) == (seed, "diverged")][:1],
        *(row(f"{s}@{d:g}", mean(f"{s}@{d:g}")) for s in splits for d in spec.dropouts),
        *(row(split, mean(f"{split}@{best:g}")) for split in splits),
        row("best_dropout", best),
    ]
