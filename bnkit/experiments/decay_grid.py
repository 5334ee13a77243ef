"""Should the learning rate of a net with batch normalization decay faster?

Ioffe & Szegedy (2015), section 4.2.1, let it fall six times as fast, since the net trains faster.
Here the rate falls as exp(-t / τ) over a given number of steps, and the whole grid of τ and first
rates is trained with BN and without. The largest τ leaves the rate nearly as it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from bnkit.data import Dataset, load
from bnkit.experiments.nonlinearities import Final, to_the_end
from bnkit.experiments.weight_decay_grid import over_grid
from bnkit.fully_connected import net
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class DecayGrid:
    """One arm of the comparison, at all lengths of decay and first rates."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    # Nuisance: the best first rate is chosen for each length and seed on validation.
    rates: tuple[float, ...]
    # Fixed: the verdict holds for these values only, and the chapter says so.
    lengths: tuple[float, ...] = (125.0, 250.0, 500.0, 1_000.0, 8_000.0)  # τ in steps
    num_replicates: int = 2  # nets whose mean is one value, for each seed
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: Literal["relu"] = "relu"
    init: Literal["he"] = "he"
    batch_size: int = 50  # examples per step, also the set that BN averages over
    num_steps: int = 1_500

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {
    "none": DecayGrid(norm="none", rates=(0.03, 0.1, 0.3, 1.0)),
    "batch": DecayGrid(norm="batch", rates=(0.3, 1.0, 3.0, 10.0)),
}
STACK = 5


def run(spec: DecayGrid, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train the nets of all seeds at every length of decay and first rate.

    Returns:
        At the last step the rows of `weight_decay_grid.choices`, the levels being lengths;
        "best_decay_steps".
    """
    data = load(spec.data_set)
    return over_grid(
        "best_decay_steps",
        spec.lengths,
        spec.rates,
        lambda length, rate, some: _trained(spec, data, length, rate, progress, some),
        seeds,
        num_replicates=spec.num_replicates,
        num_steps=spec.num_steps,
    )


def _trained(
    spec: DecayGrid,
    data: Dataset,
    length: float,
    rate: float,
    progress: str | None,
    seeds: Sequence[int],
) -> dict[int, Final]:
    """One cell: the nets of all seeds at one length of decay and one first rate."""
    model = net(spec, data, seeds)
    return to_the_end(
        model,
        data,
        batch_size=spec.batch_size,
        rate=rate,
        num_steps=spec.num_steps,
        rate_at=partial(factor, length),
        progress=progress and f"{progress}, τ = {length:g} from {rate:g}",
    )


def factor(length: float, step: int) -> float:
    """On the first rate, after so many steps."""
    return math.exp(-step / length)
