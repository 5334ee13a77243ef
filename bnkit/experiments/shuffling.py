"""Does it pay, with batch normalization, that the same examples do not always meet?

Ioffe & Szegedy (2015), section 4.2.1, shuffled more thoroughly, so that the batch-mates of an
example change, and found about one point of accuracy. Here the batches are made anew in each epoch,
or once: then their order still changes from epoch to epoch, and only who meets whom does not. The
plain net cannot see who its batch-mates are but through the sum of their gradients, so that the
effect with BN is judged against the one without.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, net
from bnkit.models import StackedStep
from bnkit.rows import Row
from bnkit.train import Batch, growing, stacked_batches, train


@dataclass(frozen=True, kw_only=True)
class Shuffling:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    reshuffle: bool = True  # batches made anew in each epoch; else always the same batches
    batch_size: int = 50  # examples per step, also the set that BN averages over
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 1.0
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: Literal["relu"] = "relu"
    init: Literal["he"] = "he"
    num_steps: int = 2_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE, BATCH = (Shuffling(norm=norm) for norm in ("none", "batch"))
ARMS = {
    "none-reshuffled": Tuned(NONE),
    "none-fixed": Tuned(replace(NONE, reshuffle=False)),
    "batch-reshuffled": Tuned(BATCH),
    "batch-fixed": Tuned(replace(BATCH, reshuffle=False)),
    # smaller batches, in which each companion counts for more
    "batch-10-reshuffled": Tuned(replace(BATCH, batch_size=10)),
    "batch-10-fixed": Tuned(replace(BATCH, batch_size=10, reshuffle=False)),
}
RATES = (0.03, 1.0)
STACK = 5


def run(spec: Shuffling, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        A curve of "test_accuracy" (fraction) and "test_loss" (nat) with running statistics, and at
        the last step those of validation and training images.
    """
    data = load(spec.data_set)
    model = net(spec, data, seeds)
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    make = stacked_batches if spec.reshuffle else same_batches
    last = [spec.num_steps]
    looks = growing(0, spec.num_steps, interval=20, growth=1.4)
    return train(
        model,
        make(x, y, batch_size=spec.batch_size, seeds=seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=accuracies(data, {"test": looks, "validation": last, "train": last}),
        progress=progress,
    )


def same_batches(x: Tensor, y: Tensor, *, batch_size: int, seeds: Sequence[int]) -> Iterator[Batch]:
    """Endless mini-batches that are made once for each seed, in a new order in each epoch.

    Their examples, and the first epoch as a whole, are those of `train.stacked_batches`.
    """
    first = [torch.Generator().manual_seed(1_000_003 + seed) for seed in seeds]
    orders = torch.stack([torch.randperm(len(x), generator=g) for g in first])
    num_batches = len(x) // batch_size
    batches = orders[:, : num_batches * batch_size].view(len(seeds), num_batches, batch_size)
    later = [torch.Generator().manual_seed(5_000_011 + seed) for seed in seeds]
    turns = torch.arange(num_batches).expand(len(seeds), -1)
    while True:
        for turn in turns.T:
            index = torch.stack([own[which] for own, which in zip(batches, turn, strict=True)])
            yield x[index], y[index]
        turns = torch.stack([torch.randperm(num_batches, generator=g) for g in later])
