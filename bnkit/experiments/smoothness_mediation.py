"""Is it the smoothness of the loss that makes a net with batch normalization train fast?

A cause can be moved. The plain net is trained in ways that may keep it where the loss is smoother:
sharpness-aware steps, clipped gradients, other initial weights. The net with BN is trained in ways
that make the loss rougher and leave the normalization in place: steps that seek sharpness, and
logits that are a fixed multiple of the head, so that the same function is more curved in it.
There are three doses of each, and each dose has its own rate. If smoothness causes speed, the first
must arrive sooner than the plain net, and the second later than the net with BN. A control takes
only some of the steps, which changes speed and nothing else. And each kind of step is tried on the
other net too, where it helps if smoothness is what counts, and hurts if the step itself does harm.

Smoothness changes along training, and a net that is ahead has a lower loss, and for that reason
alone smaller gradients. So nets are compared at equal loss, on one batch that is the same for all.
It also changes with the rate: where descent is on the brink of instability the largest eigenvalue
of the Hessian is about two over the rate (Cohen et al. 2021), whatever the net. So everything is
measured a second time at one rate for all, and the eigenvalue is also given times the rate.

The effective smoothness of Santurkar et al. (2018), figure 4(c), is the largest change of the
gradient over distance at several lengths along it. Where the gradient turns within the shortest
one, it is about one over that length and tells nothing of the loss. So the lengths begin at 0.01, a
fifth of theirs; far below that, in a net of ReLUs, the kinks are all that it sees.

Why this net: with eight hidden layers of ReLUs, BN trains more than twice as fast as none, each at
its best rate; with five of tanh it does not, and there is nothing to share out. A large eps is not
among the ways to roughen, since it takes the normalization away; nor a scale in front of another
BN, since that does nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch

from bnkit.data import Dataset, load
from bnkit.experiments import Tuned
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedMLP, StackedStep
from bnkit.models.altered_step import (
    ClippedStep,
    ScaledHeadMLP,
    ScaledHeadStep,
    SharpnessAwareStep,
    SkippedStep,
)
from bnkit.probes import Evaluation, Sharpness, Smoothness
from bnkit.rows import Row, StepEvent
from bnkit.train import Probe, Schedule, TakeStep, at, growing, train

Way = Literal["plain", "sharpness_aware", "clipped", "scaled_head", "skipped"]


@dataclass(frozen=True, kw_only=True)
class SmoothnessMediation:
    """One net, trained in one way, at one dose."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    way: Way = "plain"
    dose: float = 0.0  # radius, largest norm, scale of the head, one step in so many
    init: Literal["glorot", "he", "orthogonal"] = "glorot"  # as in Santurkar et al. (2018)
    # Nuisance: tuned for each arm on its own before the arms are compared.
    rate: float = 0.1
    # Fixed: the verdict holds for these values only, and the chapter says so.
    data_set: str = "mnist"
    widths: tuple[int, ...] = (100,) * 8
    activation: str = "relu"
    batch_size: int = 128  # also the set that smoothness is measured on
    num_steps: int = 1_000
    lengths: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3)  # times the gradient: as many rates
    levels: tuple[float, ...] = (1.0, 0.6, 0.35)  # nat, the losses at which nets are compared

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE, BATCH = (SmoothnessMediation(norm=norm) for norm in ("none", "batch"))


def _doses(
    base: SmoothnessMediation, name: str, way: Way, doses: Sequence[float]
) -> dict[str, SmoothnessMediation]:
    """Arms such as "none-sam-0.1", one a dose."""
    return {
        f"{base.norm}-{name}-{abs(dose):g}": replace(base, way=way, dose=dose) for dose in doses
    }


# Kind of manipulation -> its arms, in ascending dose; a kind moves smoothness at one net.
RADII = (0.05, 0.1, 0.2)
KINDS: dict[str, dict[str, SmoothnessMediation]] = {
    "sam": _doses(NONE, "sam", "sharpness_aware", RADII),
    "clip": _doses(NONE, "clip", "clipped", (3.0, 1.0, 0.3)),
    "init": {f"none-{init}": replace(NONE, init=init) for init in ("he", "orthogonal")},
    "seek": _doses(BATCH, "seek", "sharpness_aware", [-radius for radius in RADII]),
    "head": _doses(BATCH, "head", "scaled_head", (4.0, 8.0, 16.0)),
}
DOSES = {name: spec for kind in KINDS.values() for name, spec in kind.items()}
# The same steps on the other net, and the control that moves speed alone.
CROSSED = {
    "none-seek-0.1": replace(NONE, way="sharpness_aware", dose=-0.1),
    "batch-sam-0.1": replace(BATCH, way="sharpness_aware", dose=0.1),
}
SKIPPED = _doses(BATCH, "skip", "skipped", (2.0, 3.0))
AT_ONE_RATE = {"none": NONE, "batch": BATCH, **KINDS["sam"], **KINDS["seek"], **KINDS["head"]}
ARMS = {
    "none": Tuned(NONE),
    "batch": Tuned(BATCH),
    **{name: Tuned(spec) for name, spec in DOSES.items()},
    # The strongest dose of the kind that was chosen before the sweep.
    "none-smoothed": Tuned(DOSES["none-sam-0.2"]),
    "batch-roughened": Tuned(DOSES["batch-head-16"]),
    **{name: Tuned(spec, like=BATCH) for name, spec in SKIPPED.items()},
    **{f"{name}@0.1": spec for name, spec in (AT_ONE_RATE | CROSSED).items()},
}
RATES = (0.03, 1.0)
STACK = 5

SUMMARIES = {  # curve -> what its mean over the levels of the loss is called
    "downhill_beta": "effective_smoothness",
    "hessian_1": "hessian_top",
    "hessian_scale_free": "hessian_top_scale_free",
}


def run(spec: SmoothnessMediation, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one net per seed, all in one stack.

    Returns:
        Curves of "test_accuracy" and "validation_accuracy", BN with running statistics, and their
        losses; "look_loss", the rows of `Smoothness` and `Sharpness`, on one batch of the training
        split with BN on its statistics. At the last step "train_loss" of the first 5,000 training
        examples; "effective_smoothness", "hessian_top" and "hessian_top_scale_free", geometric
        means at equal loss (infinite if a level is not reached), the same with "_by_step", medians
        over looks; and "hessian_top_times_rate".
    """
    data = load(spec.data_set)
    model = _model(spec, seeds, data)
    rows = train(
        model,
        batches(data, spec.batch_size, seeds),
        seeds=seeds,
        rate=spec.rate,
        num_steps=spec.num_steps,
        step=_step(spec, model),
        probes=probes(spec, data),
        progress=progress,
    )
    return rows + [row for seed in seeds for row in _summary(spec, seed, rows)]


def _model(spec: SmoothnessMediation, seeds: Sequence[int], data: Dataset) -> StackedMLP:
    if spec.way == "scaled_head":
        sizes = (data.train.flat.shape[1], *spec.widths, data.num_classes)
        return ScaledHeadMLP(
            sizes,
            seeds,
            norm=spec.norm,
            activation=spec.activation,
            init=spec.init,
            head_scale=spec.dose,
        )
    return net(spec, data, seeds)


def _step(spec: SmoothnessMediation, model: StackedMLP) -> TakeStep:
    if isinstance(model, ScaledHeadMLP):
        return ScaledHeadStep(model)
    if spec.way == "sharpness_aware":
        return SharpnessAwareStep(model, spec.dose)
    if spec.way == "clipped":
        return ClippedStep(model, spec.dose)
    if spec.way == "skipped":
        return SkippedStep(model, round(spec.dose))
    return StackedStep(model)


def looks(spec: SmoothnessMediation) -> list[int]:
    """Where smoothness is measured: often at first, when the loss falls fast."""
    return [0, 10, *growing(25, spec.num_steps, interval=25, growth=1.45)]


def probes(spec: SmoothnessMediation, data: Dataset) -> list[tuple[Schedule, Probe]]:
    """What is measured, and when."""
    curve = growing(0, spec.num_steps, interval=10, growth=1.07)
    x, y = (torch.tensor(a[: spec.batch_size]) for a in (data.train.flat, data.train.y))
    often, seldom = at(looks(spec)), at(looks(spec)[2::2])
    last = [spec.num_steps]
    some_x, some_y = (torch.tensor(a[:5_000]) for a in (data.train.flat, data.train.y))
    return [
        *accuracies(data, {"test": curve, "validation": last}),  # validation chooses the rate
        (at(last), Evaluation("train", some_x, some_y, data.num_classes)),
        (often, Evaluation("look", x, y, data.num_classes, bn_mode="batch")),
        (often, OnOneBatch(Smoothness(lengths=spec.lengths, dtype=None), x, y)),
        (seldom, OnOneBatch(Sharpness(tolerance=0.01, dtype=None), x, y)),
    ]


@dataclass(frozen=True)
class OnOneBatch:
    """A probe of the loss, on the same examples for all seeds and at all steps."""

    probe: Probe
    x: torch.Tensor  # (N, D)
    y: torch.Tensor  # (N,)

    def __call__(self, event: StepEvent) -> list[Row]:
        """The rows of the probe."""
        num_seeds = len(event.seeds)
        inputs = self.x.expand(num_seeds, *self.x.shape).contiguous()
        return self.probe(
            event._replace(inputs=inputs, targets=self.y.expand(num_seeds, -1).contiguous())
        )


def _summary(spec: SmoothnessMediation, seed: int, rows: Sequence[Row]) -> list[Row]:
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if row.seed == seed:
            curves.setdefault(row.name, []).append((row.step, row.value))
    found = {}
    for curve, name in SUMMARIES.items():
        found[name] = at_equal_loss(curves[curve], curves["look_loss"], spec.levels)
        found[f"{name}_by_step"] = median([value for _, value in curves[curve]])
    found["hessian_top_times_rate"] = spec.rate * found["hessian_top"]
    return [Row(seed, spec.num_steps, name, value, "nat") for name, value in found.items()]


def at_equal_loss(
    curve: Sequence[tuple[int, float]],
    losses: Sequence[tuple[int, float]],
    levels: Sequence[float],
) -> float:
    """The geometric mean of a positive curve over the steps at which the loss comes down to levels.

    Args:
        curve: (step, value), ascending; between two steps its logarithm is taken as linear, as is
            that of the loss.
        losses: (step, loss), ascending.
        levels: losses.

    Returns:
        Infinity if a level is not reached, or the curve is not positive and finite there.
    """
    steps, values = np.array(curve).T
    at_steps, at_losses = np.array(losses).T
    found = []
    with np.errstate(invalid="ignore", divide="ignore"):
        log_values, log_losses = np.log(values), np.log(at_losses)
        for level in np.log(levels):
            below = np.flatnonzero(log_losses <= level)
            if not len(below):
                return np.inf
            here = below[0]
            step = at_steps[here]
            if here > 0:
                before, after = log_losses[here - 1 : here + 1]
                step -= (step - at_steps[here - 1]) * (level - after) / (before - after)
            found.append(np.interp(step, steps, log_values))
    mean = float(np.exp(np.mean(found)))
    return mean if 0 < mean < np.inf else np.inf


def median(values: Sequence[float]) -> float:
    """Infinity if a value is not finite."""
    return float(np.median(values)) if np.isfinite(values).all() else np.inf


def dose_arms(
    kinds: Mapping[str, Mapping[str, SmoothnessMediation]] = KINDS,
) -> dict[str, tuple[str, ...]]:
    """The doses of these kinds by the arm that they belong to, for `judging.mediation`."""
    names = [name for kind in kinds.values() for name in kind]
    return {
        base: tuple(name for name in names if name.startswith(f"{base}-"))
        for base in ("none", "batch")
    }
