"""Do deep sigmoid nets need batch normalization, or only better weights to begin with?

Ioffe & Szegedy (2015), section 4.2.2: with sigmoids, Inception trains with BN and stays at chance
without. A sigmoid's slope is at most 1/4, so that with weights of variance 1 / inputs both the
signal and the gradient shrink to a quarter in each layer. The rival is initialization: weights four
times as large, and biases under which each sigmoid's value of 1/2 counts as nothing. At the start
the net is then one of tanh units, (1 + tanh(z / 2)) / 2 being the sigmoid.

Every net is tried at every rate of a grid. For each seed the rate with the best validation accuracy
is taken, and judged is the test accuracy there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch

from bnkit.data import load
from bnkit.fully_connected import accuracies, batches
from bnkit.models import StackedMLP, StackedStep
from bnkit.rows import Row
from bnkit.train import train


@dataclass(frozen=True, kw_only=True)
class DeepSigmoid:
    """One arm of the comparison, at all rates."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    num_hidden: int
    init: Literal["lecun", "scaled"] = "lecun"
    # Fixed: the verdict holds for these values only, and the chapter says so.
    rates: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    data_set: str = "mnist"
    width: int = 100
    batch_size: int = 60  # examples per step, also the set that BN averages over
    num_steps: int = 1_000
    looks: tuple[int, ...] = (100, 300)  # and the last step

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {
    f"{name}-{depth}": replace(spec, num_hidden=depth)
    for name, spec in {
        "none": DeepSigmoid(norm="none", num_hidden=10),
        "batch": DeepSigmoid(norm="batch", num_hidden=10),
        "none-scaled": DeepSigmoid(norm="none", num_hidden=10, init="scaled"),
    }.items()
    for depth in (10, 20)
}
STACK = 10


def run(spec: DeepSigmoid, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train a stack of nets at each rate.

    Returns:
        Curves "test_accuracy@rate"; at the last step "validation_accuracy@rate"; and of each seed
        "test_accuracy" and "validation_accuracy" at the rate where the latter is best, and that
        "best_rate", the smallest if several are.
    """
    rows = []
    for rate in spec.rates:
        rows += [
            row._replace(name=f"{row.name}@{rate:g}")
            for row in at_one_rate(spec, rate, seeds, progress)
            if row.name.endswith("_accuracy")
        ]
    return rows + [row for seed in seeds for row in summary(spec, seed, rows)]


def net(spec: DeepSigmoid, inputs: int, classes: int, seeds: Sequence[int]) -> StackedMLP:
    """The fresh nets of these seeds."""
    sizes = (inputs, *[spec.width] * spec.num_hidden, classes)
    model = StackedMLP(sizes, seeds, norm=spec.norm, activation="sigmoid", init="lecun")
    if spec.init == "scaled":
        scale(model)
    return model


def scale(model: StackedMLP) -> None:
    """Let W h + b begin as 4 W (h - 1/2) in each layer behind a sigmoid; W keeps its draw."""
    with torch.no_grad():
        for linear in model.linears[1:]:
            weight, bias = linear.get_parameter("weight"), linear.get_parameter("bias")
            weight.mul_(4.0)
            # A row at a time: no seed's sums depend on its place in the stack.
            sums = [[row.double().sum() for row in of_seed] for of_seed in weight]
            bias.copy_(-0.5 * torch.tensor(sums)[:, :, None])


def at_one_rate(
    spec: DeepSigmoid, rate: float, seeds: Sequence[int], progress: str | None = None
) -> list[Row]:
    """The rows of a stack of nets at this rate, under their plain names."""
    data = load(spec.data_set)
    model = net(spec, data.train.flat.shape[1], data.num_classes, seeds)
    last = [spec.num_steps]
    return train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=accuracies(data, {"test": [*spec.looks, *last], "validation": last}),
        progress=progress and f"{progress} rate {rate:g}",
    )


def summary(spec: DeepSigmoid, seed: int, rows: Sequence[Row]) -> list[Row]:
    """The judged rows of one seed, from those at all rates."""
    last = {row.name: row.value for row in rows if row.seed == seed and row.step == spec.num_steps}
    best = max(spec.rates, key=lambda rate: last[f"validation_accuracy@{rate:g}"])
    found = {
        "best_rate": (best, "1"),
        "test_accuracy": (last[f"test_accuracy@{best:g}"], "fraction"),
        "validation_accuracy": (last[f"validation_accuracy@{best:g}"], "fraction"),
    }
    return [Row(seed, spec.num_steps, name, value, unit) for name, (value, unit) in found.items()]
