"""Is a deep net flatter with batch normalization, and a shallow one sharper?

Yao et al. (2020) find that removing BN does not always make the loss sharper, and least so in
shallow nets. Here ReLU nets of 2 to 32 hidden layers learn 1,000 images of MNIST, with BN and
without. Training itself changes the curvature, so nets are compared at a matched loss: at the first
look at which the loss on all training images is at or below a given value. There the largest
Hessian eigenvalue, also free of the scale of the weights, and the trace are taken on all images,
BN with their statistics. Where one of the two nets never arrives there is nothing to compare.

Descent at a large rate does not stay where the loss is sharp (`edge_of_stability`), so the nets are
compared at one rate, a small one. Beside it each has the rate at which it arrived soonest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from bnkit.data import load
from bnkit.models import StackedMLP, StackedStep
from bnkit.probes import HessianTrace, Sharpness
from bnkit.probes.guard import measuring
from bnkit.probes.landscape import mean_cross_entropy
from bnkit.probes.sharpness import singles
from bnkit.rows import Row, StepEvent
from bnkit.train import Probe, at, growing, stacked_batches, train

Norm = Literal["none", "batch"]
NORMS: tuple[Norm, ...] = ("none", "batch")
# Curve -> what it is called at the last step.
MEASURED = {
    "arrival_loss": "loss",
    "hessian_1": "hessian_top",
    "hessian_scale_free": "hessian_top_scale_free",
    "relative_1": "hessian_top_relative",
    "trace": "trace",
    "trace_scale_free": "trace_scale_free",
}


@dataclass(frozen=True, kw_only=True)
class SharpnessByDepth:
    """Nets of all depths of a seed, with BN and without."""

    # Nuisance: one for each depth.
    rates_none: tuple[float, ...]
    rates_batch: tuple[float, ...]
    # Fixed: the verdict holds for these values only, and the chapter says so.
    depths: tuple[int, ...] = (2, 4, 8, 16, 32)  # hidden layers
    judged_loss: float = 0.3  # nat
    other_losses: tuple[float, ...] = (1.0, 0.1)
    data_set: str = "mnist1k"
    width: int = 64
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    batch_size: int = 100
    num_steps: int = 6_000
    growth: float = 1.02  # from look to look at the loss, which begin one step apart
    num_vectors: int = 10  # of the trace's estimate
    accuracy: float = 0.001  # of an eigenvalue

    version: ClassVar[int] = 1  # bump when run() starts to compute something else

    def rate(self, norm: Norm, depth: int) -> float:
        """The learning rate of one net."""
        rates = {"none": self.rates_none, "batch": self.rates_batch}[norm]
        return rates[self.depths.index(depth)]


SAME = SharpnessByDepth(rates_none=(0.01,) * 5, rates_batch=(0.01,) * 5)
# Of 0.003, 0.01, 0.03, 0.1, 0.3, 1 and 3 the rate of the least mean step of arrival at the judged
# loss, over seeds 1000 to 1002 and looks 10 steps apart; of two equal ones the smaller.
SOONEST = SharpnessByDepth(
    rates_none=(0.1, 0.1, 0.1, 0.03, 0.01), rates_batch=(1.0, 1.0, 0.3, 0.3, 0.1)
)
ARMS = {"same-rate": SAME, "soonest-rate": SOONEST}
STACK = 5


def run(spec: SharpnessByDepth, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train every net.

    Returns:
        At the step at which a net arrives at a loss, what was measured there, named
        "NORM-DEPTH-LOSS_" and so on. At the last step the same as "NAME_NORM@DEPTH" for the judged
        loss and "NAME_NORM_at_LOSS@DEPTH" for the others, NAME one of `MEASURED` or "arrival", the
        step; infinite for both nets of a depth where one of them did not arrive.
    """
    rows = []
    for depth in spec.depths:
        for norm in NORMS:
            rows += trained(spec, norm, depth, seeds, progress and f"{progress} {norm} {depth}")
    return rows + [row for seed in seeds for row in _summary(spec, seed, rows)]


def trained(
    spec: SharpnessByDepth, norm: Norm, depth: int, seeds: Sequence[int], progress: str | None
) -> list[Row]:
    """The rows of one net for each seed, all in one stack."""
    data = load(spec.data_set)
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    model = StackedMLP(
        (x.shape[1], *[spec.width] * depth, data.num_classes),
        seeds,
        norm=norm,
        activation="relu",
        init=spec.init,
    )
    measured: list[Probe] = [
        Sharpness(tolerance=spec.accuracy),
        Sharpness(tolerance=spec.accuracy, relative=True, name="relative"),
        HessianTrace(num=spec.num_vectors),
    ]
    losses = (spec.judged_loss, *spec.other_losses)
    arrivals = Arrivals(x, y, losses, measured, name=f"{norm}-{depth}")
    looks = growing(0, spec.num_steps, interval=1, growth=spec.growth)
    take_step = StackedStep(model)

    def step(inputs: Tensor, targets: Tensor, rate: float) -> Tensor:
        # Once all have arrived nothing is left to see.
        return torch.zeros(len(seeds)) if arrivals.over else take_step(inputs, targets, rate)

    rows = train(
        model,
        stacked_batches(x, y, batch_size=spec.batch_size, seeds=seeds),
        seeds=seeds,
        rate=spec.rate(norm, depth),
        num_steps=spec.num_steps,
        step=step,
        probes=[(at(looks), arrivals)],
        progress=progress,
    )
    return [row for row in rows if row.name != "diverged"]  # the other nets of the seed go on


@dataclass
class Arrivals:
    """What some probes see when a seed's loss on fixed examples is first at or below a value.

    Rows "NAME-LOSS_arrival_loss" and those of the probes behind "NAME-LOSS_". Cost: one forward
    pass over the examples a look, until all seeds have arrived everywhere.
    """

    x: Tensor
    y: Tensor
    losses: tuple[float, ...]
    probes: Sequence[Probe]
    name: str
    over: bool = False  # all seeds have arrived everywhere
    _arrived: set[tuple[int, float]] = field(default_factory=set, repr=False)

    def __call__(self, event: StepEvent) -> list[Row]:
        """The rows of those that arrive now."""
        if self.over:
            return []
        num_seeds = len(event.seeds)
        event = event._replace(
            inputs=self.x.expand(num_seeds, *self.x.shape), targets=self.y.expand(num_seeds, -1)
        )
        with measuring(event.model, "batch"), torch.no_grad():
            losses = mean_cross_entropy(event.model(event.inputs), event.targets).tolist()
        new = [
            [v for v in self.losses if loss <= v and (seed, v) not in self._arrived]
            for seed, loss in zip(event.seeds, losses, strict=True)
        ]
        if not any(new):
            return []
        rows = []
        for one, values, loss in zip(singles(event), new, losses, strict=True):
            if values:
                found = [row for probe in self.probes for row in probe(one)]
                found += one.rows("arrival_loss", [loss], "nat")
            for value in values:
                self._arrived.add((one.seeds[0], value))
                rows += [row._replace(name=f"{self.name}-{value:g}_{row.name}") for row in found]
        self.over = len(self._arrived) == len(event.seeds) * len(self.losses)
        return rows


def _summary(spec: SharpnessByDepth, seed: int, rows: Sequence[Row]) -> list[Row]:
    mine = {row.name: row for row in rows if row.seed == seed}
    found = []
    for depth in spec.depths:
        for loss in (spec.judged_loss, *spec.other_losses):
            place = f"@{depth}" if loss == spec.judged_loss else f"_at_{loss:g}@{depth}"
            prefixes = {norm: f"{norm}-{depth}-{loss:g}_" for norm in NORMS}
            both = all(prefix + "arrival_loss" in mine for prefix in prefixes.values())
            for norm, prefix in prefixes.items():
                for name, called in MEASURED.items():
                    value = mine[prefix + name].value if both else np.inf
                    row = Row(seed, spec.num_steps, f"{called}_{norm}{place}", value, "nat")
                    found.append(row)
                step = float(mine[prefix + "arrival_loss"].step) if both else np.inf
                row = Row(seed, spec.num_steps, f"arrival_{norm}{place}", step, "step")
                found.append(row)
    return found
