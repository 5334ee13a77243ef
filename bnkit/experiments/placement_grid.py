"""Batch normalization in front of the nonlinearity or behind it, with scale and shift or without?

The caffenet benchmark (batchnorm.md) has four single runs on ImageNet with ReLU: in front 0.474
without scale and shift and 0.478 with them, behind 0.499 and 0.493. A popular summary says that
behind is better and that scale and shift can go. But the second has opposite signs in the two
places, an interaction that only the whole grid shows: it is run here for three nonlinearities.

Behind the nonlinearity, gamma and beta can change what a net is able to express in no way: the
linear layer that follows makes good for both. In front of a ReLU that holds of gamma alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, last_errors, net
from bnkit.models import StackedStep
from bnkit.rows import Row
from bnkit.train import growing, train

Activation = Literal["relu", "tanh", "sigmoid"]
Placement = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class PlacementGrid:
    """One cell of the grid, or the plain net."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    activation: Activation
    placement: Placement = "before"  # of BN: "before" the nonlinearity or "after" it
    affine: bool = True  # learn gamma and beta
    init: Literal["he", "lecun"] = "he"  # the one that fits the nonlinearity
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 1.0
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    batch_size: int = 50  # examples per step, also the set that BN averages over
    num_steps: int = 2_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


INITS: dict[Activation, Literal["he", "lecun"]] = {
    "relu": "he",
    "tanh": "lecun",
    "sigmoid": "lecun",
}
NONE = {a: PlacementGrid(norm="none", activation=a, init=init) for a, init in INITS.items()}
PLACES: tuple[Placement, ...] = ("before", "after")
ARMS = {
    **{f"none-{a}": Tuned(spec) for a, spec in NONE.items()},
    **{
        f"{place}-{'affine' if affine else 'bare'}-{a}": Tuned(
            replace(spec, norm="batch", placement=place, affine=affine)
        )
        for a, spec in NONE.items()
        for place in PLACES
        for affine in (True, False)
    },
}
RATES = (0.03, 1.0)
STACK = 5


def run(spec: PlacementGrid, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        A curve of "test_accuracy" (fraction) and "test_loss" (nat) with running statistics, at the
        last step those of validation and training images, and "test_error" (fraction).
    """
    data = load(spec.data_set)
    model = net(spec, data, seeds, placement=spec.placement, affine=spec.affine)
    last = [spec.num_steps]
    looks = growing(0, spec.num_steps, interval=10, growth=1.4)
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=accuracies(data, {"test": looks, "validation": last, "train": last}),
        progress=progress,
    )
    return rows + last_errors(rows, spec.num_steps)
