"""One example, some, or all at a time: which way is a given training loss reached first?

Three ways to feed data to descent: the whole training set for each step, a single example, and the
mini-batch in between. Each batch size has its own tuned rate. What is counted are examples seen
and seconds of the processor's time on one core: the steps until the loss on the whole training set
is at the target, times the median time of a step. A step is timed without the drawing of its
batch, which is a larger part of a small one.

Times are not reproducible bit by bit: they are those of the machine in the record. Losses are.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches
from bnkit.judging import steps_to_target
from bnkit.models import StackedMLP, StackedStep
from bnkit.rows import Row
from bnkit.train import TakeStep, growing, train


@dataclass(frozen=True, kw_only=True)
class BatchSizes:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    batch_size: int  # examples per step
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_steps: int  # the budget, about twice the steps that a trial needed
    target: float = 0.1  # nat, of the training loss
    data_set: str = "mnist1k"  # 1,000 examples are the whole set
    widths: tuple[int, ...] = (100, 100, 100)
    activation: str = "relu"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


def _tuned(batch_size: int, num_steps: int) -> Tuned:
    return Tuned(BatchSizes(batch_size=batch_size, num_steps=num_steps, rate=1.0))


ARMS = {
    "single-example": _tuned(1, 8_000),
    "batch-4": _tuned(4, 2_500),
    "batch-16": _tuned(16, 800),
    "mini-batch": _tuned(64, 300),
    "batch-256": _tuned(256, 200),
    "full-batch": _tuned(1_000, 120),
}
RATES = (0.003, 1.0)
STACK = 1  # a step is timed, and that of a stack is another


def run(spec: BatchSizes, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one net after the other.

    Returns:
        A curve of "train_loss" and "train_accuracy" over the whole set; at the last step
        "validation_accuracy" and "test_accuracy", "seconds_per_step" (the median),
        "examples_to_target" and "seconds_to_target", with "..._not_reached" 1 if the budget was
        too small: one step more than that is then counted, and infinitely many if it diverged.
    """
    return [row for seed in seeds for row in _of_seed(spec, seed, progress)]


class Timed:
    """A step that keeps the processor's seconds of every call."""

    def __init__(self, step: TakeStep) -> None:
        self._step = step
        self.seconds: list[float] = []

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """What the step returns."""
        started = time.process_time()
        losses = self._step(inputs, targets, rate)
        self.seconds.append(time.process_time() - started)
        return losses


def looks(spec: BatchSizes) -> list[int]:
    """About every hundredth of the budget, later every twentieth of what has passed."""
    interval = max(1, spec.num_steps // 200)
    return growing(0, spec.num_steps, interval=interval, growth=1.05)


def _of_seed(spec: BatchSizes, seed: int, progress: str | None) -> list[Row]:
    data = load(spec.data_set)
    model = StackedMLP(
        (data.train.flat.shape[1], *spec.widths, data.num_classes),
        [seed],
        norm="none",
        activation=spec.activation,
        init=spec.init,
    )
    step, last = Timed(StackedStep(model)), [spec.num_steps]
    rows = train(
        model,
        batches(data, spec.batch_size, [seed]),
        seeds=[seed],
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=step,
        probes=accuracies(data, {"train": looks(spec), "validation": last, "test": last}),
        progress=progress,
    )
    return rows + summary(spec, seed, rows, float(np.median(step.seconds)))


def summary(spec: BatchSizes, seed: int, rows: Sequence[Row], seconds_per_step: float) -> list[Row]:
    """The judged rows of one seed, at the last step."""
    curve = [(row.step, -row.value) for row in rows if row.name == "train_loss"]
    steps, falling = zip(*curve, strict=True)
    diverged = any(row.name == "diverged" for row in rows)
    arrival = steps_to_target(steps, falling, -spec.target, spec.num_steps, diverged=diverged)
    found = {
        "seconds_per_step": (seconds_per_step, "s"),
        "seconds_to_target": (arrival.steps * seconds_per_step, "s"),
        "seconds_to_target_not_reached": (float(arrival.not_reached), "1"),
        "examples_to_target": (arrival.steps * spec.batch_size, "1"),
        "examples_to_target_not_reached": (float(arrival.not_reached), "1"),
    }
    return [Row(seed, spec.num_steps, name, value, unit) for name, (value, unit) in found.items()]
