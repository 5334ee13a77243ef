"""Does weight decay make a net with batch normalization go on to flatter minima, and test better?

Lyu et al. (2022): where the loss does not see the scale of the weights, what counts is how sharp it
is by their direction, the largest Hessian eigenvalue times ‖w‖². Weight decay shortens w, so that
the effective rate grows until descent is at the edge of stability; from there the theorem has it
move along the minima towards a smaller sharpness. For the invariance to be exact, the net here has
BN without γ and β, and its last layer stays as it was drawn: all trained weights stand in front of
a BN. Descent on the whole of 1,000 images of MNIST, for some multiples of 1 / (rate × decay), the
number of steps in which decay alone would divide w by e.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, repeat
from typing import ClassVar, Literal

import numpy as np
import torch

from bnkit.data import load
from bnkit.experiments.deep_linear_landscape import geometric_mean
from bnkit.experiments.deep_linear_shift import LossAlone
from bnkit.fully_connected import evaluation
from bnkit.models import StackedMLP
from bnkit.probes import Sharpness
from bnkit.probes.landscape import mean_cross_entropy
from bnkit.rows import Row
from bnkit.train import Probe, at, train


@dataclass(frozen=True, kw_only=True)
class SharpnessReduction:
    """One arm. The rate is not tuned: with the decay it sets the clock."""

    # Scientific: what the chapter compares.
    weight_decay: float = 0.003
    rate: float = 0.1
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist1k"
    widths: tuple[int, ...] = (32, 32)
    activation: str = "relu"
    init: Literal["lecun", "glorot", "he", "orthogonal"] = "he"
    num_steps: int = 12_000
    num_looks: int = 80  # evenly spaced
    flat: float = 1.25  # the plateau begins where the loss is first this near to the run's least
    num_windows: int = 8  # of equal length, from the plateau to the end
    accuracy: float = 0.001  # of an eigenvalue

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


BATCH = SharpnessReduction()
ARMS = {
    "batch": BATCH,
    "batch-no-decay": replace(BATCH, weight_decay=0.0),
    "batch-less-decay": replace(BATCH, weight_decay=0.001),
}
STACK = 5


def run(spec: SharpnessReduction, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one net per seed, all in one stack.

    Returns:
        Curves "loss", "test_accuracy", "test_loss" and those of `Sharpness`. At the last step
        "plateau" (step), "scale_free_sharpness_plateau" and "_end" (nat, geometric means over the
        first and the last window), "test_accuracy_plateau" and "_end" (fraction, means), and
        "share_of_falls", of the windows whose sharpness is below that of the window before.
    """
    data = load(spec.data_set)
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    model = StackedMLP(
        (x.shape[1], *spec.widths, data.num_classes),
        seeds,
        norm="batch",
        activation=spec.activation,
        init=spec.init,
        affine=False,
    )
    for parameter in model.linears[-1].parameters():
        parameter.requires_grad_(False)
    looks = at(spec.num_steps * k // spec.num_looks for k in range(spec.num_looks + 1))
    measured: list[Probe] = [
        Sharpness(tolerance=spec.accuracy),
        LossAlone(mean_cross_entropy),
        evaluation(data, "test"),
    ]
    rows = train(
        model,
        repeat((x.expand(len(seeds), *x.shape).contiguous(), y.expand(len(seeds), -1))),
        seeds=seeds,
        rate=spec.rate,
        weight_decay=spec.weight_decay,
        num_steps=spec.num_steps,
        probes=[(looks, probe) for probe in measured],
        progress=progress,
    )
    return rows + [row for seed in seeds for row in _summary(spec, seed, rows)]


def _summary(spec: SharpnessReduction, seed: int, rows: Sequence[Row]) -> list[Row]:
    steps, loss = _curve(rows, seed, "loss")
    _, sharpness = _curve(rows, seed, "hessian_scale_free")
    _, accuracy = _curve(rows, seed, "test_accuracy")
    loss = np.where(np.isfinite(loss), loss, np.inf)
    first = int(np.argmax(loss <= spec.flat * loss.min()))
    windows = np.array_split(np.arange(first, len(steps)), spec.num_windows)
    sizes = [geometric_mean(sharpness[window].tolist()) for window in windows if len(window)]
    begin, end = windows[0], next(window for window in reversed(windows) if len(window))
    falls = [later < before for before, later in pairwise(sizes)]
    found = [
        ("plateau", steps[first], "step"),
        ("scale_free_sharpness_plateau", sizes[0], "nat"),
        ("scale_free_sharpness_end", sizes[-1], "nat"),
        ("test_accuracy_plateau", accuracy[begin].mean(), "fraction"),
        ("test_accuracy_end", accuracy[end].mean(), "fraction"),
        ("share_of_falls", np.mean(falls) if falls else 0.0, "fraction"),
    ]
    return [Row(seed, spec.num_steps, name, float(value), unit) for name, value, unit in found]


def _curve(rows: Sequence[Row], seed: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    points = [(row.step, row.value) for row in rows if (row.seed, row.name) == (seed, name)]
    return np.array([step for step, _ in points]), np.array([value for _, value in points])
