"""Does the accuracy stay the same at another batch size if the learning rate is scaled along?

The caffenet benchmark (BatchSize.md) has no BN: a batch four times as large lost five points, and
with four times the rate half a point; single images at a rate divided by 256 lost nothing. Here one
rate is tuned, at batches of 64, and at every other size the rate is in proportion, over as many
examples. Beside it the rate is left as it is; and the same with batch normalization, for which the
batch is more than an average of gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedStep
from bnkit.rows import Row
from bnkit.train import tenths, train

REFERENCE = 64  # the batch size at which the rate is tuned


@dataclass(frozen=True, kw_only=True)
class BatchSizeAndRate:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    batch_size: int = REFERENCE  # examples per step, also the set that BN averages over
    scaled: bool = True  # the rate is in proportion to the batch size
    # Nuisance: tuned at batches of 64 for each norm.
    rate: float = 1.0  # at batches of 64
    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_examples: int = 60_000  # in all steps together
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: Literal["relu"] = "relu"
    init: Literal["he"] = "he"

    version: ClassVar[int] = 1  # bump when run() starts to compute something else

    @property
    def num_steps(self) -> int:
        """Batches that make up the examples."""
        return self.num_examples // self.batch_size

    @property
    def used_rate(self) -> float:
        """The learning rate of the steps."""
        return self.rate * self.batch_size / REFERENCE if self.scaled else self.rate


NONE, BATCH = (BatchSizeAndRate(norm=norm) for norm in ("none", "batch"))
SIZES = (4, 8, 16, 32, 64, 128, 256, 512)
ARMS = {
    **{
        f"{spec.norm}-{size}": Tuned(replace(spec, batch_size=size), like=spec)
        for spec in (NONE, BATCH)
        for size in SIZES
    },
    **{
        f"{spec.norm}-{size}-unscaled": Tuned(
            replace(spec, batch_size=size, scaled=False), like=spec
        )
        for spec in (NONE, BATCH)
        for size in SIZES
        if size != REFERENCE
    },
}
RATES = (0.01, 1.0)
STACK = 5


def run(spec: BatchSizeAndRate, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        At tenths of training "test_accuracy" (fraction) and "test_loss" (nat) with running
        statistics, at the last step those of validation and training images, and "used_rate".
    """
    data = load(spec.data_set)
    model = net(spec, data, seeds)
    last = [spec.num_steps]
    looks = {"test": tenths(spec.num_steps), "validation": last, "train": last}
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.used_rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=accuracies(data, looks),
        progress=progress,
    )
    return rows + [Row(seed, spec.num_steps, "used_rate", spec.used_rate, "1") for seed in seeds]
