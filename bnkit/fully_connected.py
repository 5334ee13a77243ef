"""The fully connected nets of most experiments: the net of a spec, its batches, its accuracies.

Images go in as flat vectors, and the nets of all seeds are one stack. An experiment whose net is
another one, or sees other examples, takes `models`, `train` and `probes` as they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import torch

from bnkit.data import Dataset
from bnkit.models import StackedMLP
from bnkit.models.stacked_mlp import Init, Placement
from bnkit.probes import Evaluation
from bnkit.rows import Row
from bnkit.train import Batch, Probe, Schedule, at, stacked_batches


class Architecture(Protocol):
    """The fields of a spec that say what its net is; their values are those of `StackedMLP`."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each hidden layer."""

    @property
    def norm(self) -> str:
        """The normalizer of the hidden layers."""

    @property
    def activation(self) -> str:
        """The nonlinearity of the hidden layers."""

    @property
    def init(self) -> Init:
        """How weights begin."""


def net(
    spec: Architecture,
    data: Dataset,
    seeds: Sequence[int],
    *,
    placement: Placement = "before",
    affine: bool = True,
    dropout: Sequence[float] = (),
) -> StackedMLP:
    """A fresh net for each seed, from flat images (K, N, C * H * W) to logits (K, N, classes).

    Args:
        spec: the hidden layers.
        data: has the numbers of inputs and of classes.
        seeds: whose weights are drawn, K of them.
        placement: as in `StackedMLP`.
        affine: as in `StackedMLP`.
        dropout: as in `StackedMLP`.
    """
    return StackedMLP(
        (data.train.flat.shape[1], *spec.widths, data.num_classes),
        seeds,
        norm=spec.norm,
        activation=spec.activation,
        placement=placement,
        affine=affine,
        init=spec.init,
        dropout=dropout,
    )


def batches(
    data: Dataset,
    batch_size: int,
    seeds: Sequence[int],
    *,
    reshuffle: bool = True,
    device: str = "cpu",
) -> Iterator[Batch]:
    """Endless mini-batches of the training split, (K, N, C * H * W) and (K, N), for K seeds.

    They are those of `stacked_batches`: an order of its own for each seed, new in each epoch
    unless `reshuffle` is off. The whole split is on `device`, and so are the batches.
    """
    return stacked_batches(
        torch.tensor(data.train.flat, device=device),
        torch.tensor(data.train.y, device=device),
        batch_size=batch_size,
        seeds=seeds,
        reshuffle=reshuffle,
    )


def evaluation(data: Dataset, name: str, device: str = "cpu") -> Evaluation:
    """Accuracy and loss on all of the "train", the "validation" or the "test" split."""
    split = {"train": data.train, "validation": data.validation, "test": data.test}[name]
    x, y = (torch.tensor(array, device=device) for array in (split.flat, split.y))
    return Evaluation(name, x, y, data.num_classes)


def accuracies(
    data: Dataset, looks: Mapping[str, Iterable[int]], device: str = "cpu"
) -> list[tuple[Schedule, Probe]]:
    """Evaluations of some splits, each at steps of its own, in the order of `looks`."""
    return [(at(steps), evaluation(data, name, device)) for name, steps in looks.items()]


def last_errors(rows: Sequence[Row], step: int) -> list[Row]:
    """Rows "test_error" (fraction), 1 less the test accuracy of each seed at the last step."""
    return [
        row._replace(name="test_error", value=1.0 - row.value)
        for row in rows
        if row.name == "test_accuracy" and row.step == step
    ]
