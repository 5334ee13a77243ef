"""What does an example cost in a batch of m, on one core?

Ioffe & Szegedy (2015), section 1: modern hardware works through m examples at once more cheaply
than m times through one. Measured is a training step of the net of `mnist_sigmoid`, forward,
backward and update, in seconds of the processor's time, so that other work on the machine counts
for little. Batch sizes take turns, and each has the median over its turns.

Times are not reproducible bit by bit: they are those of the machine in the record.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from bnkit.experiments import drawn
from bnkit.models import StackedMLP, StackedStep
from bnkit.rows import Row
from bnkit.train import TakeStep, cross_entropy


@dataclass(frozen=True, kw_only=True)
class SecondsPerExample:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"] = "none"
    step: Literal["written-out", "autograd"] = "written-out"
    # Fixed: the verdict holds for these values only, and the chapter says so.
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
    sizes: tuple[int, ...] = (784, 100, 100, 100, 10)
    activation: str = "sigmoid"
    num_rounds: int = 15
    examples_per_turn: int = 256  # a turn of small batches is many steps: a clock has its limits

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {
    "trials": SecondsPerExample(),
    "batch": SecondsPerExample(norm="batch"),
    "autograd": SecondsPerExample(step="autograd"),
}


def run(spec: SecondsPerExample, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each batch size m the median "seconds_per_example@m" and "seconds_per_step@m"."""
    rows = drawn(measure, spec, seeds)
    return [row._replace(unit="s") for row in rows]


def measure(spec: SecondsPerExample, rng: np.random.Generator) -> dict[str, float]:
    """One seed: an independent repetition of the whole measurement; BN needs 2 examples."""
    batch_sizes = [size for size in spec.batch_sizes if size > 1 or spec.norm == "none"]
    turns = {size: Turn(spec, size, rng) for size in batch_sizes}
    for turn in turns.values():
        turn()  # memory is laid out at the first call
    seconds: dict[int, list[float]] = {size: [] for size in batch_sizes}
    for _ in range(spec.num_rounds):
        for size in rng.permutation(batch_sizes).tolist():
            seconds[size].append(turns[size]())
    found = {}
    for size, of_size in seconds.items():
        found[f"seconds_per_step@{size}"] = float(np.median(of_size))
        found[f"seconds_per_example@{size}"] = float(np.median(of_size)) / size
    return found


class Turn:
    """Some steps of one net at one batch size, on random examples that stay the same.

    The net's rate is so small that it stays what it is: nothing in a step depends on the values.
    """

    def __init__(self, spec: SecondsPerExample, size: int, rng: np.random.Generator) -> None:
        model = StackedMLP(spec.sizes, [0], norm=spec.norm, activation=spec.activation)
        if spec.step == "written-out":
            self._step: TakeStep = StackedStep(model)
        else:
            self._step = _autograd_step(model)
        shape = (1, size, spec.sizes[0])
        self._inputs = torch.from_numpy(rng.standard_normal(shape, np.float32))
        self._targets = torch.from_numpy(rng.integers(spec.sizes[-1], size=shape[:2]))
        self.num_steps = max(1, spec.examples_per_turn // size)

    def __call__(self) -> float:
        """Seconds of the processor's time per step."""
        started = time.process_time()
        for _ in range(self.num_steps):
            self._step(self._inputs, self._targets, 1e-6)
        return (time.process_time() - started) / self.num_steps


def _autograd_step(model: StackedMLP) -> TakeStep:
    """The same step by automatic differentiation and torch's SGD."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

    def step(inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        optimizer.param_groups[0]["lr"] = rate
        losses = cross_entropy(model(inputs), targets)
        optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return losses.detach()

    return step
