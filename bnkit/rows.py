"""The types that cross folders: what a training step shows, and the row a probe makes of it."""

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor, nn


class Row(NamedTuple):
    """One measured number.

    Attributes:
        seed: the replicate that it belongs to; seeds are the sample of every verdict.
        step: optimizer steps taken before the measurement; 0 is initialization.
        name: what was measured, for example "test_accuracy" or "loss_range".
        value: the number, a float; NaN and infinities are allowed and stored.
        unit: its unit, for example "fraction", "nat", "1" for a pure number.
    """

    seed: int
    step: int
    name: str
    value: float
    unit: str


class StepEvent(NamedTuple):
    """What a probe may look at before a step is taken.

    Attributes:
        step: optimizer steps taken so far.
        model: the model as it stands; a stack holds one model per seed.
        seeds: the seeds stacked in it, in order.
        inputs: (K, N, D) the batch of the coming step, or (N, ...) for a single model.
        targets: (K, N) or (N,), its labels.
        rate: the learning rate of the coming step.
    """

    step: int
    model: "nn.Module"
    seeds: tuple[int, ...]
    inputs: "Tensor"
    targets: "Tensor"
    rate: float

    def rows(self, name: str, values: Any, unit: str) -> list[Row]:
        """One row per seed; `values` has one number for each, in their order."""
        return [
            Row(seed, self.step, name, float(value), unit)
            for seed, value in zip(self.seeds, values, strict=True)
        ]
