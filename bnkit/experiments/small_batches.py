"""What do small batches cost with batch normalization, and is it the statistics of evaluation?

Wu & He (2018): with few examples in a batch BN loses accuracy, and group normalization, which never
asks the batch, does not; layer normalization, one group an example, stands beside it. Wu & Johnson
(2021): most of BN's trouble in evaluation is that moving averages are not the statistics that the
net should have. So the BN nets are evaluated with several: moving averages of several rates,
averages over the batches of one more pass, and those of the whole training set taken together,
weights as they are. Training sees as many examples at every batch size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned
from bnkit.experiments.dropout_placement import (
    projected,
    reestimated,
    set_statistics,
    statistics,
)
from bnkit.fully_connected import accuracies, batches, evaluation, net
from bnkit.models import StackedMLP, StackedStep
from bnkit.models.stacked_mlp import StackedBatchNorm
from bnkit.probes.guard import measuring
from bnkit.rows import Row, StepEvent
from bnkit.train import TakeStep, at, tenths, train

Averages = list[tuple[Tensor, Tensor]]  # mean and variance of each BN
USUAL = 0.1  # the running_rate of torch and of this book


@dataclass(frozen=True, kw_only=True)
class SmallBatches:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch", "group", "layer"]
    batch_size: int  # examples per step, also the set that BN averages over
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 1.0
    # Fixed: the verdict holds for these values only, and the chapter says so.
    running_rates: tuple[float, ...] = (0.01, 0.1, 0.5)  # weights of the new batch
    num_examples: int = 40_000  # in all steps together
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100, 100, 100)
    activation: Literal["relu"] = "relu"
    init: Literal["he"] = "he"

    version: ClassVar[int] = 1  # bump when run() starts to compute something else

    @property
    def num_steps(self) -> int:
        """Batches that make up the examples."""
        return self.num_examples // self.batch_size


SIZES = (2, 4, 8, 32, 128, 512)
NORMS: tuple[Literal["batch", "group", "layer"], ...] = ("batch", "group", "layer")
ARMS = {
    **{
        f"{norm}-{size}": Tuned(SmallBatches(norm=norm, batch_size=size))
        for norm in NORMS
        for size in SIZES
    },
    "none-2": Tuned(SmallBatches(norm="none", batch_size=2)),
    "none-32": Tuned(SmallBatches(norm="none", batch_size=32)),
}
RATES = (0.01, 1.0)
STACK = 5


def run(spec: SmallBatches, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        A curve of "test_accuracy" (fraction) and "test_loss" (nat), with moving averages of rate
        0.1, at tenths; at the last step those of validation and training images. With BN after a
        tenth, three tenths and all of the steps "test_accuracy_moving@r", with moving averages of
        rate r; "test_accuracy_averaged", with averages over one more pass in batches of the same
        size; "test_accuracy_precise", with the statistics of the whole training set together; and
        at the last step "projected_accuracy@0.8", the accuracy of a net without the excess error of
        moving averages if precise ones remove just 0.8 of it.
    """
    data = load(spec.data_set)
    model = net(spec, data, seeds)
    step: TakeStep = StackedStep(model)
    last = [spec.num_steps]
    probes = accuracies(data, {"test": tenths(spec.num_steps), "validation": last, "train": last})
    if spec.norm == "batch":
        step = averaging = MovingAverages(model, step, spec.running_rates)
        few = at([spec.num_steps * tenth // 10 for tenth in (1, 3, 10)])
        probes.append((few, OtherStatistics(spec, data, averaging)))
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=step,
        probes=probes,
        progress=progress,
    )
    return rows + projected(rows, spec.num_steps, share=0.8, to="test_accuracy_precise")


class MovingAverages:
    """A step that keeps moving averages of several rates in every BN.

    Training never uses them, so that one run serves all rates. The layers themselves keep that of
    the usual rate.

    Args:
        model: with BN.
        step: of this model.
        running_rates: weights of the new batch.
    """

    def __init__(self, model: StackedMLP, step: TakeStep, running_rates: Sequence[float]) -> None:
        self._step, self._model = step, model
        self._bns = [norm.bn for norm in model.norms if isinstance(norm, StackedBatchNorm)]
        self.of: dict[float, Averages] = {rate: statistics(model) for rate in running_rates}
        self._usual = statistics(model)

    def __call__(self, inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        """(K,) losses before the step."""
        for bn in self._bns:
            bn.momentum = 1.0  # the running statistics are then those of the batch
        losses = self._step(inputs, targets, rate)
        of_batch = statistics(self._model)
        for running_rate, averages in (*self.of.items(), (USUAL, self._usual)):
            for old, new in zip(averages, of_batch, strict=True):
                torch._foreach_lerp_(old, new, running_rate)
        set_statistics(self._model, self._usual)
        for bn in self._bns:
            bn.momentum = USUAL
        return losses


class OtherStatistics:
    """Test accuracy with other statistics than the usual moving averages.

    Cost: two passes through the training images and an evaluation for each kind.
    """

    def __init__(self, spec: SmallBatches, data: Dataset, averaging: MovingAverages) -> None:
        self._train, self._batch_size = torch.tensor(data.train.flat), spec.batch_size
        self._averaging = averaging
        self._test = evaluation(data, "test")

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows "test_accuracy_moving@r", "test_accuracy_averaged", "test_accuracy_precise"."""
        kinds = {f"moving@{rate:g}": averages for rate, averages in self._averaging.of.items()}
        kinds["averaged"] = reestimated(event.model, self._train, self._batch_size)
        kinds["precise"] = reestimated(event.model, self._train, len(self._train))
        rows = []
        for name, new in kinds.items():
            with measuring(event.model, "running"):
                set_statistics(event.model, new)
                found = self._test(event)
            rows += [
                row._replace(name=f"test_accuracy_{name}")
                for row in found
                if row.name == "test_accuracy"
            ]
        return rows
