"""Are running statistics better in evaluation than those of the test batch?

One net with batch normalization for each seed; then its test images are evaluated in groups of
several sizes, each group with its own statistics (train mode) and with the running ones (eval
mode). The running ones do not depend on who else is in the group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from bnkit.data import Split, load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedStep
from bnkit.probes.guard import BnMode, measuring
from bnkit.rows import Row, StepEvent
from bnkit.train import at, train


@dataclass(frozen=True, kw_only=True)
class TrainOrEvalMode:
    """One net, evaluated in several ways."""

    # Scientific: what the chapter compares.
    groups: tuple[int, ...] = (2, 4, 8, 16, 32, 64, 128, 256, 512)  # examples evaluated together
    # Nuisance: tuned before the comparison.
    rate: float = 1.0
    # Fixed: the verdict holds for these values only, and the chapter says so.
    norm: Literal["batch"] = "batch"
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: Literal["relu"] = "relu"
    init: Literal["he"] = "he"
    batch_size: int = 50  # examples per step, also the set that BN averages over
    num_steps: int = 2_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"batch": Tuned(TrainOrEvalMode())}
RATES = (0.1, 10.0)
STACK = 5


def run(spec: TrainOrEvalMode, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack, then evaluate it.

    Returns:
        At the last step "test_accuracy" and "validation_accuracy" (fraction) with running
        statistics, and for each group size m "test_accuracy_batch@m" and "test_accuracy_running@m"
        over the same images, those that make up whole groups.
    """
    data = load(spec.data_set)
    model = net(spec, data, seeds)
    last = [spec.num_steps]
    return train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=[
            *accuracies(data, {"test": last, "validation": last}),
            (at(last), InGroups(data.test, spec.groups)),
        ],
        progress=progress,
    )


class InGroups:
    """Accuracy when examples are evaluated in groups, by the statistics of the group or not.

    The groups are made at random, the same for all nets. Cost: two forward passes for each size.

    Args:
        split: the examples.
        sizes: of the groups.
    """

    def __init__(self, split: Split, sizes: Sequence[int]) -> None:
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(11))
        self._x, self._y = torch.tensor(split.flat)[order], torch.tensor(split.y)[order]
        self._sizes = tuple(sizes)

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows "test_accuracy_batch@m" and "test_accuracy_running@m"."""
        modes: tuple[BnMode, ...] = ("batch", "running")
        rows = []
        for mode in modes:
            with measuring(event.model, mode), torch.no_grad():
                for size in self._sizes:
                    name = f"test_accuracy_{mode}@{size}"
                    rows += event.rows(name, self._accuracies(event, size), "fraction")
        return rows

    def _accuracies(self, event: StepEvent, size: int) -> torch.Tensor:
        num = len(self._x) // size * size
        right = torch.zeros(len(event.seeds), dtype=torch.float64)
        groups = zip(
            torch.split(self._x[:num], size), torch.split(self._y[:num], size), strict=True
        )
        for x, y in groups:
            right += (event.model(x).argmax(-1) == y).sum(-1)
        return right / num
