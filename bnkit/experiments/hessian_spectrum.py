"""Does the gradient lie in a few sharp directions without batch normalization, and not with it?

Ghorbani et al. (2019): without BN the Hessian of a net in training has eigenvalues far outside the
bulk, and the gradient lies mostly in their eigenvectors; with BN it has hardly any. Here a fully
connected net learns MNIST at each arm's tuned rate. At looks along the training the ten largest
eigenvalues of the Hessian of the loss on 1,000 training images are found with their vectors, and
the share of that loss's squared gradient that lies in them. At a few looks the density of the whole
spectrum is estimated as well, which says where the bulk ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from bnkit.data import load
from bnkit.data.splits import SPLIT_SEED, stratified_subset
from bnkit.experiments import Tuned
from bnkit.experiments.deep_linear_landscape import both_spacings, geometric_mean
from bnkit.fully_connected import accuracies, net
from bnkit.models import StackedStep
from bnkit.probes import Sharpness, SpectralDensity
from bnkit.rows import Row, StepEvent
from bnkit.train import Probe, Schedule, at, growing, stacked_batches, train


@dataclass(frozen=True, kw_only=True)
class HessianSpectrum:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist"
    num_measured: int = 1_000  # training images, the same ones for all seeds
    widths: tuple[int, ...] = (50, 50, 50)
    activation: str = "relu"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    batch_size: int = 100
    num_steps: int = 2_000
    num_looks: int = 5  # evenly spaced, and as many on a logarithmic scale
    num_top: int = 10  # eigenvectors
    accuracy: float = 0.001  # of an eigenvalue
    num_nodes: int = 60  # of each quadrature of the density
    num_vectors: int = 4

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE, BATCH = (HessianSpectrum(norm=norm, rate=0.1) for norm in ("none", "batch"))
ARMS = {
    "none": Tuned(NONE),
    "batch": Tuned(BATCH),
    "none@0.1": NONE,
    "batch@0.1": BATCH,
}
RATES = (0.03, 0.3)
STACK = 5


def run(spec: HessianSpectrum, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one net per seed, all in one stack.

    Returns:
        Curves of the accuracies, of `Sharpness` and, at initialization, half-way and at the end, of
        `SpectralDensity`; at the last step "top_gradient_share" (fraction), the geometric mean over
        the looks, with "_early" and "_late", the first tenth of the steps and the second half; and
        "top_over_bulk", the largest eigenvalue over the 0.99 quantile of the sizes of all.
    """
    data = load(spec.data_set)
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    model = net(spec, data, seeds)
    chosen = stratified_subset(data.train.y, spec.num_measured, SPLIT_SEED)
    measured = x[chosen], y[chosen]
    last = spec.num_steps
    often, seldom = at(both_spacings(last, spec.num_looks)), at([0, last // 2, last])
    sharpness = Sharpness(num=spec.num_top, tolerance=spec.accuracy)
    density = SpectralDensity(num_steps=spec.num_nodes, num=spec.num_vectors)
    curve = growing(0, last, interval=100, growth=1.2)
    probes: list[tuple[Schedule, Probe]] = [
        (often, On(*measured, sharpness)),
        (seldom, On(*measured, density)),
        *accuracies(data, {"test": curve, "validation": curve}),
    ]
    rows = train(
        model,
        stacked_batches(x, y, batch_size=spec.batch_size, seeds=seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=last,
        step=StackedStep(model),
        probes=probes,
        progress=progress,
    )
    return rows + [row for seed in seeds for row in _summary(spec, seed, rows)]


@dataclass(frozen=True)
class On:
    """A probe on other examples than those of the batch, the same ones for all seeds."""

    x: Tensor
    y: Tensor
    probe: Probe

    def __call__(self, event: StepEvent) -> list[Row]:
        """The rows of the probe."""
        num_seeds = len(event.seeds)
        inputs = self.x.expand(num_seeds, *self.x.shape)
        return self.probe(event._replace(inputs=inputs, targets=self.y.expand(num_seeds, -1)))


def _summary(spec: HessianSpectrum, seed: int, rows: Sequence[Row]) -> list[Row]:
    last = spec.num_steps
    curves: dict[str, dict[int, float]] = {}
    for row in rows:
        if row.seed == seed:
            curves.setdefault(row.name, {})[row.step] = row.value
    shares = curves["hessian_gradient_share"]
    windows = {"": (0, last), "_early": (0, last // 10), "_late": (last // 2, last)}
    found = {
        f"top_gradient_share{suffix}": (
            geometric_mean([v for step, v in shares.items() if start <= step <= end]),
            "fraction",
        )
        for suffix, (start, end) in windows.items()
    }
    num_nodes = spec.num_nodes * spec.num_vectors
    nodes, weights = (
        np.array([curves[f"density_{part}_{i + 1}"][last] for i in range(num_nodes)])
        for part in ("node", "weight")
    )
    found["top_over_bulk"] = curves["hessian_1"][last] / bulk_edge(nodes, weights), "1"
    return [Row(seed, last, name, float(value), unit) for name, (value, unit) in found.items()]


def bulk_edge(nodes: np.ndarray, weights: np.ndarray, share: float = 0.99) -> float:
    """The least size that `share` of the eigenvalues do not exceed; infinite if not known."""
    if not np.isfinite(nodes).all():
        return np.inf
    order = np.argsort(np.abs(nodes), kind="stable")
    reached = np.cumsum(weights[order]) >= share * weights.sum()
    return float(np.abs(nodes)[order][reached][0])
