"""How many examples should batch normalization average over?

Hoffer et al. (2017) and Summers & Dinneen (2020): the size of the group whose statistics are used
is a knob of regularization of its own, apart from the batch that a step averages over. Here every
step has 128 examples, and BN normalizes them in groups of 4 to 128. If noise helps up to a point,
the best size lies between the extremes.

The best size is chosen for each seed by validation among those between, and judged on test.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches
from bnkit.models import StackedMLP
from bnkit.models.ghost_norm import StackedGhostBatchNorm
from bnkit.rows import Row
from bnkit.train import train


@dataclass(frozen=True, kw_only=True)
class GhostBatches:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    ghost_sizes: tuple[int, ...]  # of several, each seed takes the best on validation
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: str = "relu"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    batch_size: int = 128  # examples per step
    num_steps: int = 600

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


BETWEEN = (8, 16, 32, 64)
_FULL = GhostBatches(ghost_sizes=(128,), rate=1.0)
ARMS = {
    "ghost-4": Tuned(replace(_FULL, ghost_sizes=(4,))),
    **{f"ghost-{size}": Tuned(replace(_FULL, ghost_sizes=(size,))) for size in BETWEEN},
    "ghost-full": Tuned(_FULL),
    "ghost-best": Tuned(replace(_FULL, ghost_sizes=BETWEEN)),
}
RATES = (0.03, 1.0)
STACK = 5


def run(spec: GhostBatches, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train a stack of nets at each size.

    Returns:
        At the last step "validation_accuracy@size", "test_accuracy@size" and "train_loss@size",
        with running statistics; and of each seed "best_size", "validation_accuracy",
        "test_accuracy" and "train_loss" at that size; the largest if several are best.
    """
    rows = [
        row._replace(name=f"{row.name}@{size}")
        for size in spec.ghost_sizes
        for row in at_one_size(spec, size, seeds, progress)
        if row.name in ("test_accuracy", "validation_accuracy", "train_loss")
    ]
    return rows + [row for seed in seeds for row in summary(spec, seed, rows)]


def net(
    spec: GhostBatches, ghost_size: int, sizes: Sequence[int], seeds: Sequence[int]
) -> StackedMLP:
    """The fresh nets of these seeds, BN in groups."""
    model = StackedMLP(sizes, seeds, norm="batch", activation=spec.activation, init=spec.init)
    for layer, width in enumerate(spec.widths):
        model.norms[layer] = StackedGhostBatchNorm(len(seeds), width, ghost_size)
    return model


def at_one_size(
    spec: GhostBatches, ghost_size: int, seeds: Sequence[int], progress: str | None = None
) -> list[Row]:
    """The rows of a stack of nets with this size, under their plain names."""
    data = load(spec.data_set)
    sizes = (data.train.flat.shape[1], *spec.widths, data.num_classes)
    last = [spec.num_steps]
    return train(
        net(spec, ghost_size, sizes, seeds),
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        probes=accuracies(data, {"test": last, "validation": last, "train": last}),
        progress=progress and f"{progress} size {ghost_size}",
    )


def summary(spec: GhostBatches, seed: int, rows: Sequence[Row]) -> list[Row]:
    """The judged rows of one seed."""
    value = {row.name: row.value for row in rows if row.seed == seed}
    best = max(spec.ghost_sizes, key=lambda size: (value[f"validation_accuracy@{size}"], size))
    found = {
        "best_size": (float(best), "1"),
        "validation_accuracy": (value[f"validation_accuracy@{best}"], "fraction"),
        "test_accuracy": (value[f"test_accuracy@{best}"], "fraction"),
        "train_loss": (value[f"train_loss@{best}"], "nat"),
    }
    return [Row(seed, spec.num_steps, name, v, unit) for name, (v, unit) in found.items()]
