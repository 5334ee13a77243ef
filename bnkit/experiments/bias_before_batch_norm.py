"""Does a layer that feeds a batch normalization need a bias?

Ioffe & Szegedy (2015), section 3.2: its mean is subtracted, and the bias is a part of the mean. So
a net whose hidden layers have a bias is trained beside the same net without, in double precision,
with the same weights to begin with and the same batches, and random biases. If the claim holds, all
other parameters are the same at the end, but for rounding that training may have magnified, and the
biases are where they were. Running means are not: they contain the biases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from bnkit.data import Dataset, load
from bnkit.models import StackedMLP
from bnkit.rows import Row
from bnkit.train import stacked_batches, train


@dataclass(frozen=True, kw_only=True)
class BiasBeforeBatchNorm:
    """A sigmoid net, trained with biases and without."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "digits"
    widths: tuple[int, ...] = (30, 30)
    activation: Literal["sigmoid"] = "sigmoid"
    init: Literal["lecun"] = "lecun"
    spread: float = 1.0  # standard deviation of the biases
    rate: float = 0.3
    batch_size: int = 50
    num_steps: int = 300

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": BiasBeforeBatchNorm()}


def run(spec: BiasBeforeBatchNorm, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train each seed's net twice.

    Returns:
        At the last step "max_error", the largest difference of a parameter between the two nets in
        relation to the norm of its tensor; "bias_moved", how far a bias has moved at most;
        "output_difference", the largest difference of logits of test examples with running
        statistics, in relation to the largest logit; and "parameters_moved", how far training took
        the net without biases, in relation to where it began.
    """
    data = load(spec.data_set)
    return [row for seed in seeds for row in _measured(spec, data, seed, progress)]


def _measured(
    spec: BiasBeforeBatchNorm, data: Dataset, seed: int, progress: str | None
) -> list[Row]:
    without, with_bias = network(spec, data, seed), network(spec, data, seed)
    first = add_biases(with_bias, spec.spread, seed)
    begun = [p.detach().clone() for p in without.parameters()]
    for model in (without, with_bias):
        batches = stacked_batches(
            torch.tensor(data.train.flat).double(),
            torch.tensor(data.train.y),
            batch_size=spec.batch_size,
            seeds=[seed],
        )
        train(
            model,
            batches,
            seeds=[seed],
            rate=spec.rate,
            num_steps=spec.num_steps,
            progress=progress,
        )
    there = dict(with_bias.named_parameters())
    pairs = [(p, there[name]) for name, p in without.named_parameters()]
    last = [linear.get_parameter("bias") for linear in with_bias.linears[:-1]]
    x = torch.tensor(data.test.flat).double()
    with torch.no_grad():
        logits = [model.eval()(x) for model in (without, with_bias)]
        values = {
            "max_error": max(float((p - q).abs().max() / p.norm()) for p, q in pairs),
            "bias_moved": max(
                float((b - old).abs().max()) for b, old in zip(last, first, strict=True)
            ),
            "output_difference": float((logits[0] - logits[1]).abs().max() / logits[0].abs().max()),
            "parameters_moved": _distance([p for p, _ in pairs], begun),
        }
    return [Row(seed, spec.num_steps, name, value, "1") for name, value in values.items()]


def network(spec: BiasBeforeBatchNorm, data: Dataset, seed: int) -> StackedMLP:
    """The net of one seed, which has no bias in front of a BN."""
    sizes = (data.train.flat.shape[1], *spec.widths, data.num_classes)
    model = StackedMLP(sizes, [seed], norm="batch", activation=spec.activation, init=spec.init)
    return model.double()


def add_biases(model: StackedMLP, spread: float, seed: int) -> list[Tensor]:
    """Give every hidden layer a bias, drawn at random; returns a copy of them."""
    generator = torch.Generator().manual_seed(7_000_003 + seed)
    copies = []
    for linear in model.linears[:-1]:
        weight = linear.get_parameter("weight")
        shape = (*weight.shape[:2], 1)
        drawn = spread * torch.randn(*shape, generator=generator, dtype=weight.dtype)
        linear.bias = nn.Parameter(drawn)
        copies.append(drawn.clone())
    return copies


def _distance(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    apart = sum(float((a - b).square().sum()) for a, b in zip(ours, theirs, strict=True))
    return float((apart / sum(float(b.square().sum()) for b in theirs)) ** 0.5)
