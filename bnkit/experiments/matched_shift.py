"""Is the larger gradient shift of a net with BN there because its steps are larger?

The nets of `deep_linear_shift`, with BN and without, at one learning rate. At each look the shift
of a layer's gradient is measured three times: after the step that the layers in front take at the
run's rate, after steps that are the same fraction of every weight in both nets, and after steps
that take the same fraction off the loss. The gap between the nets is the logarithm of the ratio of
their shifts; what is left of it under matching is given as a share of the gap at the run's rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from bnkit.experiments.deep_linear_shift import (
    DeepLinearShift,
    log_spaced,
    name,
    summed_squares,
    trained,
)
from bnkit.probes import GradientICS
from bnkit.probes.landscape import Loss, landscape
from bnkit.probes.steps import PredictedDecrease, RelativeStepPerLayer, Step, run_rate
from bnkit.rows import Row, StepEvent
from bnkit.train import Probe, at

NORMS: tuple[Literal["none", "batch"], ...] = ("none", "batch")


@dataclass(frozen=True, kw_only=True)
class MatchedShift:
    """Both nets of a seed, side by side."""

    # Scientific: what the chapter compares.
    rate: float = 1e-6
    # Fixed: the verdict holds for these values only, and the chapter says so.
    relative_step: float = 1e-3  # of every weight in front of the layer
    decrease: float = 1e-5  # of the loss; near a minimum no step takes off much more
    tolerance: float = 0.05  # a look counts where both nets' decreases are this close to it
    last_early: int = 1
    first_late: int = 10
    depth: int = 25
    width: int = 10
    num_examples: int = 1_000
    num_steps: int = 10_000
    num_looks: int = 30
    judged_layers: tuple[int, ...] = (9, 17)

    version: ClassVar[int] = 1  # bump when run() starts to compute something else

    @property
    def steps(self) -> dict[str, Step]:
        """How far the layers in front move, by name."""
        return {
            "raw": run_rate,
            "matched_step": RelativeStepPerLayer(self.relative_step),
            "matched_decrease": PredictedDecrease(self.decrease),
        }


MATCHED = MatchedShift()
ARMS = {"matched": MATCHED, "matched@1e-07": replace(MATCHED, rate=1e-7)}
STACK = 10


def run(spec: MatchedShift, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train both nets of each seed and look at the same steps.

    Returns:
        Curves "NORM-STEP-l_l2" and so on, the rows of `GradientICS` for layer l, STEP one of
        "raw", "matched_step", "matched_decrease"; "NORM-achieved-l" the decrease that was
        achieved over the one wanted. At the last step, for both matched STEPs and both windows,
        "gap_share_STEP_early" and "_late", the same of the shift over the gradient,
        "gap_share_relative_STEP_early" and "_late", and the share of looks that were matched,
        "matched_looks_STEP_early" and "_late".
    """
    if not spec.last_early < spec.first_late <= spec.num_steps:
        raise ValueError(
            f"num_steps {spec.num_steps}, last_early {spec.last_early}, first_late "
            f"{spec.first_late}: both windows need a look, and they must not overlap"
        )
    rows = []
    for norm in NORMS:
        net = DeepLinearShift(
            norm=norm,
            rate=spec.rate,
            depth=spec.depth,
            width=spec.width,
            num_examples=spec.num_examples,
            num_steps=spec.num_steps,
        )
        due = at(looks(spec))
        probes = [(due, probe) for probe in _probes(spec, norm)]
        rows += trained(net, seeds, probes, progress and f"{progress} {norm}")
    return rows + [row for seed in seeds for row in _summary(spec, seed, rows)]


def looks(spec: MatchedShift) -> list[int]:
    """The steps of both windows."""
    steps = log_spaced(spec.num_steps, spec.num_looks)
    return [step for step in steps if not spec.last_early < step < spec.first_late]


@dataclass(frozen=True, kw_only=True)
class AchievedDecrease:
    """What a step of the layers before `layer` takes off the loss, over `wanted`, a share of it.

    Cost: two forward passes and one backward pass, and a forward pass to find the layers.
    """

    layer: str
    step: Step
    wanted: float
    loss: Loss
    name: str

    def __call__(self, event: StepEvent) -> list[Row]:
        """One row a seed."""
        with landscape(event, "batch", None, self.loss) as here:
            names = [layer.name for layer in here.layers]
            earlier = here.layers[: names.index(self.layer)]
            before, gradient = here.gradients(here.point)
            moving = here.only(gradient, (name for layer in earlier for name in layer.parameters))
            after = here.losses(here.point - self.step(here, before, moving)).detach()
        return event.rows(self.name, (before - after) / before / self.wanted, "1")


def _probes(spec: MatchedShift, norm: str) -> list[Probe]:
    loss = summed_squares(spec.num_examples)
    shifts = [
        GradientICS(layer=name(layer), step=step, loss=loss, name=f"{norm}-{kind}-{layer}")
        for layer in spec.judged_layers
        for kind, step in spec.steps.items()
    ]
    achieved = [
        AchievedDecrease(
            layer=name(layer),
            step=spec.steps["matched_decrease"],
            wanted=spec.decrease,
            loss=loss,
            name=f"{norm}-achieved-{layer}",
        )
        for layer in spec.judged_layers
    ]
    return [*shifts, *achieved]


def _summary(spec: MatchedShift, seed: int, rows: Sequence[Row]) -> list[Row]:
    """The judged rows of one seed."""
    steps, layers = looks(spec), spec.judged_layers
    values = {(row.name, row.step): row.value for row in rows if row.seed == seed}

    def table(norm: str, middle: str, ending: str = "") -> np.ndarray:
        """(looks, layers)."""
        names = [f"{norm}-{middle}-{layer}{ending}" for layer in layers]
        return np.array([[values[n, step] for n in names] for step in steps])

    def gap(kind: str, measure: str) -> np.ndarray:
        none, batch = (table(norm, kind, f"_{measure}") for norm in NORMS)
        with np.errstate(divide="ignore", invalid="ignore"):  # of a diverged net
            difference: np.ndarray = np.log(batch) - np.log(none)
        return difference

    off = np.max([np.abs(table(norm, "achieved") - 1.0) for norm in NORMS], axis=0)
    counts = {
        "matched_step": np.full(off.shape, True),  # matched by construction
        "matched_decrease": off <= spec.tolerance,
    }
    late = np.array(steps) >= spec.first_late
    found = {}
    for window, inside in {"early": ~late, "late": late}.items():
        for kind, counted in counts.items():
            chosen = counted & inside[:, None]
            found[f"matched_looks_{kind}_{window}"] = chosen.sum() / (inside.sum() * len(layers))
            for prefix, measure in {"": "l2", "relative_": "relative"}.items():
                left, raw = gap(kind, measure)[chosen].sum(), gap("raw", measure)[chosen].sum()
                found[f"gap_share_{prefix}{kind}_{window}"] = left / raw if chosen.any() else np.nan
    return [Row(seed, spec.num_steps, key, float(value), "1") for key, value in found.items()]
