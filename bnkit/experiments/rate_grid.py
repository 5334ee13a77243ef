"""Is the best learning rate of a net with batch normalization far above that of the plain net?

Ioffe & Szegedy (2015), section 4.2.1 and figure 3: with BN the rate is raised 5 and 30 times, far
beyond what the plain net bears, and the net ends at a higher accuracy. Here every rate of one grid
is tried for both nets. For each seed the best rate is the one with the best validation accuracy at
the end, and what is judged at that rate is its test accuracy: nothing is chosen on the test set.

Both nets have ReLUs and the weights of He et al. (2015), a good start for the plain one.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from bnkit.data import load
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedStep
from bnkit.rows import Row
from bnkit.train import train


@dataclass(frozen=True, kw_only=True)
class RateGrid:
    """One arm of the comparison, at all rates."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    # Fixed: the verdict holds for these values only, and the chapter says so.
    lowest: float = 0.003
    highest: float = 30.0
    rates_per_decade: int = 4
    share: float = 0.5  # of the initial training loss, below which a rate was borne
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: str = "relu"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 1_500
    looks: tuple[int, ...] = (20, 50, 100, 200, 400, 800, 1_500)

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {norm: RateGrid(norm=norm) for norm in ("none", "batch")}
STACK = 5


def run(spec: RateGrid, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train a stack of nets at each rate of the grid.

    Returns:
        Curves "test_accuracy@rate"; at the last step "validation_accuracy@rate" and
        "train_loss@rate", BN with running statistics; and of each seed "best_rate",
        "test_accuracy" and "validation_accuracy" at that rate, and "largest_stable_rate", the
        largest at which the training loss ends below a share of what it was, 0 if there is none.
    """
    rows = []
    for rate in rates(spec):
        rows += [
            row._replace(name=f"{row.name}@{rate:g}")
            for row in at_one_rate(spec, rate, seeds, progress)
            if row.name in ("test_accuracy", "validation_accuracy", "train_loss")
        ]
    return rows + [row for seed in seeds for row in summary(spec, seed, rows)]


def rates(spec: RateGrid) -> list[float]:
    """The grid, two digits each, ascending.

    >>> rates(RateGrid(norm="none", lowest=1.0, highest=10.0, rates_per_decade=2))
    [1.0, 3.2, 10.0]
    """
    num_rates = 1 + round(np.log10(spec.highest / spec.lowest) * spec.rates_per_decade)
    grid = np.geomspace(spec.lowest, spec.highest, num_rates)
    return [float(f"{rate:.2g}") for rate in grid]


def at_one_rate(
    spec: RateGrid, rate: float, seeds: Sequence[int], progress: str | None = None
) -> list[Row]:
    """The rows of a stack of nets at this rate, under their plain names."""
    data = load(spec.data_set)
    model = net(spec, data, seeds)
    last = [spec.num_steps]
    looks = {"test": [*spec.looks, *last], "validation": last, "train": [0, *last]}
    return train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=accuracies(data, looks),
        progress=progress and f"{progress} rate {rate:g}",
    )


def summary(spec: RateGrid, seed: int, rows: Sequence[Row]) -> list[Row]:
    """The judged rows of one seed, from those at all rates; of equal rates the smaller is best."""
    first: dict[str, dict[float, float]] = defaultdict(dict)
    last: dict[str, dict[float, float]] = defaultdict(dict)
    for row in rows:
        if row.seed == seed:
            name, _, rate = row.name.partition("@")
            first[name].setdefault(float(rate), row.value)
            last[name][float(rate)] = row.value
    on_validation = last["validation_accuracy"]
    best = max(on_validation, key=lambda rate: on_validation[rate])
    stable = [
        rate
        for rate, loss in last["train_loss"].items()
        if loss < spec.share * first["train_loss"][rate]
    ]
    found = {
        "best_rate": (best, "1"),
        "test_accuracy": (last["test_accuracy"][best], "fraction"),
        "validation_accuracy": (on_validation[best], "fraction"),
        "largest_stable_rate": (max(stable, default=0.0), "1"),
    }
    return [Row(seed, spec.num_steps, name, value, unit) for name, (value, unit) in found.items()]
