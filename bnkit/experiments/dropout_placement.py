"""Why does dropout in front of batch normalization cost accuracy, and does it behind the last one?

Li et al. (2019), figure 1 and tables 3 to 5: in training, dropout raises the variance that a BN
behind it meets; in evaluation nothing is dropped, and the BN divides by a deviation that is no
longer there. If that is the cause, new running statistics, taken with dropout off and with the
weights as they are, must bring accuracy back; and the same pass with dropout on must not. In one
more variant only the variances are new, for it is of the variance that the account speaks.

Here as in the paper there is a linear layer between a dropout and the BN that follows: every hidden
layer but the last drops its outputs ("before"), or the last one, behind which there is no BN
("head"). The plain net with the same dropout tells what dropout costs where there is no BN.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, evaluation, net
from bnkit.models import StackedMLP, StackedStep
from bnkit.models.stacked_dropout import StackedDropout
from bnkit.models.stacked_mlp import StackedBatchNorm
from bnkit.probes import Evaluation
from bnkit.probes.guard import measuring
from bnkit.rows import Row, StepEvent
from bnkit.train import Probe, Schedule, at, tenths, train


@dataclass(frozen=True, kw_only=True)
class DropoutPlacement:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    place: Literal["before", "head"] = "before"  # all hidden layers but the last, or the last
    dropout: float = 0.0  # the probability to drop a unit
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 1.0
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (100,) * 6
    activation: Literal["relu"] = "relu"
    init: Literal["he"] = "he"
    batch_size: int = 50  # examples per step, also the set that BN averages over
    num_steps: int = 2_000

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE, BATCH = (DropoutPlacement(norm=norm) for norm in ("none", "batch"))
ARMS = {
    "none": Tuned(NONE),
    "none-dropout-before": Tuned(replace(NONE, dropout=0.5)),
    "none-dropout-head": Tuned(replace(NONE, dropout=0.5, place="head")),
    "batch": Tuned(BATCH),
    "batch-dropout-before": Tuned(replace(BATCH, dropout=0.5)),
    "batch-dropout-head": Tuned(replace(BATCH, dropout=0.5, place="head")),
    # at the rate of the net without dropout, and a curve over doses there
    **{
        f"batch-dropout-before-{dose:g}@batch": Tuned(replace(BATCH, dropout=dose), like=BATCH)
        for dose in (0.1, 0.2, 0.3, 0.5, 0.7)
    },
}
RATES = (0.03, 1.0)
STACK = 5


def run(spec: DropoutPlacement, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack, then give its BNs other statistics.

    Returns:
        Curves of "test_accuracy", "validation_accuracy" (fraction) and their losses (nat) with
        running statistics, and at the last step those of the training images. With BN, at the last
        step, and always with dropout off: "train_accuracy_running" and "train_accuracy_batch", with
        the statistics of all training images together; what `Statistics` measures; and
        "projected_accuracy@0.3", the test accuracy that a net without the loss has if the new
        statistics win back just 0.3 of the loss.
    """
    data = load(spec.data_set)
    model = network(spec, data, seeds)
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=probes(spec, data),
        progress=progress,
    )
    return rows + projected(rows, spec.num_steps, share=0.3)


def network(spec: DropoutPlacement, data: Dataset, seeds: Sequence[int]) -> StackedMLP:
    """The nets of all seeds, with dropout where the spec has it."""
    num_hidden = len(spec.widths)
    chosen = range(num_hidden - 1) if spec.place == "before" else [num_hidden - 1]
    return net(
        spec,
        data,
        seeds,
        dropout=[spec.dropout if layer in chosen else 0.0 for layer in range(num_hidden)],
    )


def probes(spec: DropoutPlacement, data: Dataset) -> list[tuple[Schedule, Probe]]:
    """What is measured, and when."""
    last = [spec.num_steps]
    looks = accuracies(data, {"test": tenths(spec.num_steps), "validation": last, "train": last})
    return looks if spec.norm == "none" else [*looks, (at(last), Statistics(data, spec.batch_size))]


class Statistics:
    """What becomes of the accuracy if BN is given statistics other than its running ones?

    Each time the running mean and the running variance of every BN are the average over the
    batches of one pass through the training images, weights as they are; both were made in the
    same way in training, but as moving averages and while the weights moved. Cost: three passes
    and five evaluations.

    Args:
        data: statistics are taken on its training images.
        batch_size: of the passes, as in training.
    """

    def __init__(self, data: Dataset, batch_size: int) -> None:
        x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
        self._train, self._batch_size = x, batch_size
        self._test, self._running = evaluation(data, "test"), evaluation(data, "train")
        self._batch = Evaluation("train", x, y, data.num_classes, bn_mode="batch", chunk=len(x))

    def __call__(self, event: StepEvent) -> list[Row]:
        """Rows of test accuracy with new statistics, and of the shift of the variance.

        "test_accuracy_reestimated", with dropout off; "test_accuracy_new_variance", variances
        alone; "test_accuracy_reestimated_on", with dropout on. "variance_ratio@l" of BN l, from
        1: the variance with dropout off over the one with dropout on, median over units.
        """
        old = statistics(event.model)
        with without_dropout(event.model):
            off = reestimated(event.model, self._train, self._batch_size)
            rows = _renamed(self._running(event), "train_accuracy_running")
            rows += _renamed(self._batch(event), "train_accuracy_batch")
        on = reestimated(event.model, self._train, self._batch_size)
        kept_means = [(mean, var) for (mean, _), (_, var) in zip(old, off, strict=True)]
        for name, new in (("", off), ("_on", on)):
            rows += self._with(event, new, f"test_accuracy_reestimated{name}")
        rows += self._with(event, kept_means, "test_accuracy_new_variance")
        for layer, ((_, var_off), (_, var_on)) in enumerate(zip(off, on, strict=True), start=1):
            ratios = (var_off / var_on).view(len(event.seeds), -1).median(dim=1).values
            rows += event.rows(f"variance_ratio@{layer}", ratios, "1")
        return rows

    def _with(self, event: StepEvent, new: list[tuple[Tensor, Tensor]], name: str) -> list[Row]:
        with measuring(event.model, "running"):
            set_statistics(event.model, new)
            return _renamed(self._test(event), name)


def _renamed(rows: Sequence[Row], name: str) -> list[Row]:
    return [row._replace(name=name) for row in rows if row.name.endswith("_accuracy")]


@contextmanager
def without_dropout(model: nn.Module) -> Iterator[None]:
    """Inside, nothing is dropped in train mode either."""
    dropouts = cast(nn.ModuleList, model.dropouts)
    kept = list(dropouts)
    for layer, dropout in enumerate(kept):
        if isinstance(dropout, StackedDropout):
            dropouts[layer] = nn.Identity()
    try:
        yield
    finally:
        for layer, dropout in enumerate(kept):
            dropouts[layer] = dropout


def statistics(model: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Running mean and running variance of each BN, copied."""
    norms = _norms(model)
    return [(_there(bn.running_mean).clone(), _there(bn.running_var).clone()) for bn in norms]


def set_statistics(model: nn.Module, new: Sequence[tuple[Tensor, Tensor]]) -> None:
    """The other way round."""
    norms = _norms(model)
    for bn, (mean, var) in zip(norms, new, strict=True):
        _there(bn.running_mean).copy_(mean)
        _there(bn.running_var).copy_(var)


def _norms(model: nn.Module) -> list[nn.BatchNorm1d]:
    return [part.bn for part in model.modules() if isinstance(part, StackedBatchNorm)]


def _there(buffer: Tensor | None) -> Tensor:
    """A buffer that these layers have; torch's type says that there may be none."""
    assert buffer is not None
    return buffer


def reestimated(model: nn.Module, x: Tensor, batch_size: int) -> list[tuple[Tensor, Tensor]]:
    """Statistics of each BN averaged over one pass through `x`; the model is left as it was.

    Variances are unbiased, as the running ones (Ioffe & Szegedy, 2015, algorithm 2). A batch is
    normalized by its own statistics on its way to the next layer, as in training.
    """
    norms = _norms(model)
    momenta = [bn.momentum for bn in norms]
    with measuring(model, "batch"), torch.no_grad():
        try:
            for bn in norms:
                bn.reset_running_stats()
                bn.momentum = None  # torch's sign for the mean over all batches
            for batch in torch.split(x[: len(x) // batch_size * batch_size], batch_size):
                model(batch)
            return statistics(model)
        finally:
            for bn, momentum in zip(norms, momenta, strict=True):
                bn.momentum = momentum


def projected(
    rows: Sequence[Row], step: int, *, share: float, to: str = "test_accuracy_reestimated"
) -> list[Row]:
    """The accuracy to which a loss leads back of which new statistics win back this share.

    With a share s won back, a = raw + (new - raw) / s, where raw is the test accuracy and new the
    accuracy named `to`. More than s of the loss against a reference is won back just if a lies
    above the reference's accuracy, and no seed's loss is divided by.
    """
    last = {(row.seed, row.name): row.value for row in rows if row.step == step}
    found = []
    for (seed, name), new in last.items():
        if name == to:
            raw = last[seed, "test_accuracy"]
            value = raw + (new - raw) / share
            found.append(Row(seed, step, f"projected_accuracy@{share:g}", value, "fraction"))
    return found
