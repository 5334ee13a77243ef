"""An experiment that trains nothing, for tests of what runs, stores and judges experiments.

Accuracy rises on a straight line to a height that the rate decides, and stays there. Plain nets
are best at rate 0.3 with 0.90, at step 20; those with BN at rate 3 with 0.95, at step 10. Seeds
differ by 0.001.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from bnkit.experiments import Tuned
from bnkit.rows import Row

BEST_RATE = {"none": 0.3, "batch": 3.0}
HEIGHT = {"none": 0.90, "batch": 0.95}
ARRIVAL = {"none": 20, "batch": 10}


@dataclass(frozen=True, kw_only=True)
class Toy:
    """One arm."""

    norm: str
    rate: float
    diverges: bool = False
    num_steps: int = 20
    seconds: float = 0.0  # of sleep a task

    version: ClassVar[int] = 1


PLAIN, BATCH = Toy(norm="none", rate=1.0), Toy(norm="batch", rate=1.0)
ARMS = {
    "none": Tuned(PLAIN),
    "batch": Tuned(BATCH),
    "batch@none": Tuned(BATCH, like=PLAIN),
    "none@0.1": replace(PLAIN, rate=0.1),
    "batch@0.1": replace(BATCH, rate=0.1),
    "diverged": replace(PLAIN, rate=0.3, diverges=True),
    "slow": replace(PLAIN, rate=0.3, seconds=1.0),
    "long": replace(PLAIN, rate=0.3, num_steps=1000),
}
RATES = (0.1, 1.0)
STACK = 2


def run(spec: Toy, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """A curve of each accuracy for each seed, and an error that is nearly 0."""
    time.sleep(spec.seconds)
    rows = []
    for seed in seeds:
        for step in range(spec.num_steps + 1):
            value = 0.1 if spec.diverges else height(spec, seed) * share(spec, step)
            rows.append(Row(seed, step, "validation_accuracy", value, "fraction"))
            rows.append(Row(seed, step, "test_accuracy", value, "fraction"))
        rows.append(Row(seed, spec.num_steps, "max_error", 1e-12 * (seed + 1), "1"))
        if spec.diverges:
            rows.append(Row(seed, 7, "diverged", 7.0, "step"))
    return rows


def height(spec: Toy, seed: int) -> float:
    """The accuracy at the end."""
    too_far = abs(math.log10(spec.rate / BEST_RATE[spec.norm]))
    return HEIGHT[spec.norm] - 0.05 * too_far + 0.001 * (seed % 3 - 1)


def share(spec: Toy, step: int) -> float:
    """The part of the way that is done."""
    return min(1.0, step / ARRIVAL[spec.norm])
