"""Is a step on all layers at once more like what the gradient foresees, with BN than without?

Goodfellow et al. (2016), section 8.7.1: the gradient of each layer takes the others to stand still,
and the terms of higher order that all moving together brings are what BN makes harmless. Along the
training of MLPs on MNIST, each at its tuned rate, the loss after a joint step is set against its
first-order prediction, and against the sum of what the layers do alone. Steps are matched between
the nets, in what they are predicted to take off the loss, in their length in relation to the
weights, or in what they do take off.

The nets that decide have ReLU and He's weights, with which the plain one can be trained from its
first step. A plain sigmoid net begins on a plateau, where a given part of the loss is further than
any step of use: it stands beside them, and so do nets of ten layers, for the number of terms grows
with depth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.experiments.deep_linear_shift import log_spaced
from bnkit.fully_connected import accuracies, batches
from bnkit.models import StackedMLP, StackedStep
from bnkit.probes import TaylorRemainder
from bnkit.probes.achieved import AchievedDecrease
from bnkit.probes.steps import PredictedDecrease, RelativeStep, Step, run_rate
from bnkit.rows import Row
from bnkit.train import Probe, Schedule, at, tenths, train


@dataclass(frozen=True, kw_only=True)
class JointStepRemainder:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    depth: int = 3  # hidden layers
    activation: Literal["relu", "sigmoid"] = "relu"
    init: Literal["he", "lecun"] = "he"  # the one that fits the nonlinearity
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 0.1
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist"
    width: int = 100
    batch_size: int = 60  # examples per step, also those of the measured loss
    num_steps: int = 3_000
    num_looks: int = 12  # about evenly spaced on a logarithmic scale, and one at step 0
    decreases: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)  # of the loss; a dose
    judged_decrease: float = 0.1
    relative_steps: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)  # of all weights; a dose
    judged_relative_step: float = 0.01

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE, BATCH = (JointStepRemainder(norm=norm) for norm in ("none", "batch"))
DEEP, DEEP_BATCH = (replace(spec, depth=10) for spec in (NONE, BATCH))
SIGMOID, SIGMOID_BATCH = (
    replace(spec, activation="sigmoid", init="lecun") for spec in (NONE, BATCH)
)
ARMS = {
    "none": Tuned(NONE),
    "batch": Tuned(BATCH),
    "none-10-layers": Tuned(DEEP),
    "batch-10-layers": Tuned(DEEP_BATCH),
    "none-sigmoid": Tuned(SIGMOID),
    "batch-sigmoid": Tuned(SIGMOID_BATCH),
}
RATES = (0.01, 1.0)
STACK = 5

# What is matched -> (the rows of `TaylorRemainder` that tell, their name as a judged metric).
SUMMARIES = {
    "decrease": ("remainder", "remainder_share_matched_decrease"),
    "step": ("remainder", "remainder_share_matched_step"),
    "joint": ("cross_share", "cross_layer_share"),
}


def run(spec: JointStepRemainder, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one network per seed, all in one stack.

    Returns:
        Curves "decrease@SIZE_remainder", "step@SIZE_remainder", "joint@SIZE_cross_share" and the
        other rows of `TaylorRemainder`, "own_remainder" and so on of the step that training takes;
        "validation_accuracy" and "test_accuracy" (fraction). At the last step medians over looks,
        of absolute values: "remainder_share_matched_decrease", "remainder_share_matched_step" and
        "cross_layer_share" at the judged size, the same "@SIZE" at every size, "_initial" those of
        step 0; "remainder_share_own_step" and "cross_layer_share_own_step"; and "joint_looks", the
        share of looks at which the joint step could take off the judged part. A look at which it
        could not counts as an infinite share.
    """
    data = load(spec.data_set)
    sizes = (data.train.flat.shape[1], *[spec.width] * spec.depth, data.num_classes)
    model = StackedMLP(sizes, seeds, norm=spec.norm, activation=spec.activation, init=spec.init)
    looks = at(log_spaced(spec.num_steps, spec.num_looks))
    probes: list[tuple[Schedule, Probe]] = [
        (looks, TaylorRemainder(step=step, name=name)) for name, step in steps(spec).items()
    ]
    probes += accuracies(data, dict.fromkeys(["test", "validation"], tenths(spec.num_steps)))
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=StackedStep(model),
        probes=probes,
        progress=progress,
    )
    return rows + [row for seed in seeds for row in summary(spec, seed, rows)]


def steps(spec: JointStepRemainder) -> dict[str, Step]:
    """What is measured at each look, by the name of its rows."""
    return {
        **{f"decrease@{size:g}": PredictedDecrease(size) for size in spec.decreases},
        **{f"step@{size:g}": RelativeStep(size) for size in spec.relative_steps},
        **{f"joint@{size:g}": AchievedDecrease(size) for size in spec.decreases},
        "own": run_rate,
    }


def summary(spec: JointStepRemainder, seed: int, rows: Sequence[Row]) -> list[Row]:
    """The judged rows of one seed."""
    curves: dict[str, list[float]] = {}
    for row in rows:
        if row.seed == seed:
            curves.setdefault(row.name, []).append(row.value)

    def curve(name: str) -> np.ndarray:
        sizes = np.abs(curves[name])
        return np.where(np.isnan(sizes), np.inf, sizes)  # of a diverged net too

    judged = {
        "decrease": spec.judged_decrease,
        "step": spec.judged_relative_step,
        "joint": spec.judged_decrease,
    }
    found = {}
    for name in steps(spec):
        matched, _, size = name.partition("@")
        if matched in SUMMARIES:
            measure, metric = SUMMARIES[matched]
            values = curve(f"{name}_{measure}")
            found[f"{metric}@{size}"] = np.median(values)
            if float(size) == judged[matched]:
                found[metric], found[f"{metric}_initial"] = np.median(values), values[0]
    for measure, metric in SUMMARIES.values():
        found[f"{metric.partition('_matched')[0]}_own_step"] = np.median(curve(f"own_{measure}"))
    arrived = np.isfinite(curve(f"joint@{spec.judged_decrease:g}_cross_share"))
    found["joint_looks"] = arrived.mean()
    return [Row(seed, spec.num_steps, name, float(value), "1") for name, value in found.items()]
