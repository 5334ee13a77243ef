"""Is the loss of a deep linear net smoother with batch normalization?

Santurkar et al. (2018), figure 4(c) and appendix A.2.2: a linear net of 25 layers, the loss met on
the way along its gradient, from 1/100 to 30 times the learning rate. The net, the data and the
loss are those of `deep_linear_shift`, both nets at the same rate, so that the paper's lengths and
equal lengths in both arms are the same. Other units of length and the Hessian stand beside them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from bnkit.experiments.deep_linear_shift import (
    DeepLinearShift,
    log_spaced,
    summed_squares,
    trained,
)
from bnkit.probes import Sharpness, Smoothness
from bnkit.probes.directions import (
    Directions,
    filter_normalized_gradient,
    gradient_itself,
    unit_gradient,
)
from bnkit.rows import Row
from bnkit.train import Probe, Schedule, at

Ends = tuple[float, float]
NUM_LENGTHS = 8  # on each walk


@dataclass(frozen=True, kw_only=True)
class DeepLinearLandscape:
    """One arm of the comparison. The rate is not tuned: it is the unit of length."""

    # Scientific: what the chapter compares.
    norm: Literal["none", "batch"]
    rate: float = 1e-6
    # Fixed: the verdict holds for these values only, and the chapter says so.
    lengths: Ends = (0.01, 30.0)  # times the rate, along the gradient
    distances: Ends = (0.05, 0.4)  # along the gradient of length 1
    relative: Ends = (0.005, 0.04)  # of each filter's weights
    depth: int = 25
    width: int = 10
    num_examples: int = 1_000
    num_steps: int = 10_000
    num_looks: int = 20

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


NONE, BATCH = (DeepLinearLandscape(norm=norm) for norm in ("none", "batch"))
ARMS = {
    "none": NONE,
    "batch": BATCH,
    "none@1e-07": replace(NONE, rate=1e-7),
    "batch@1e-07": replace(BATCH, rate=1e-7),
}


def run(spec: DeepLinearLandscape, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """Train one net per seed, one after the other.

    Returns:
        Curves of `Smoothness`, "raw_loss_range" and so on, also "by_gradient_" and "by_weights_",
        and of `Sharpness`; at the last step what `over_looks` makes of them.
    """
    loss = summed_squares(spec.num_examples)
    ends = {
        "raw": (spec.lengths[0] * spec.rate, spec.lengths[1] * spec.rate),
        "by_gradient": spec.distances,
        "by_weights": spec.relative,
    }
    due = at(both_spacings(spec.num_steps, spec.num_looks))
    measured: list[Probe] = [*walks(ends, loss=loss), Sharpness(loss=loss)]
    probes: list[tuple[Schedule, Probe]] = [(due, probe) for probe in measured]
    net = DeepLinearShift(
        norm=spec.norm,
        rate=spec.rate,
        depth=spec.depth,
        width=spec.width,
        num_examples=spec.num_examples,
        num_steps=spec.num_steps,
    )
    rows = []
    for seed in seeds:
        seen = trained(net, [seed], probes, progress)
        rows += seen + over_looks(seen, seed, spec.num_steps)
    return rows


def walks(ends: Mapping[str, Ends], prefix: str = "", **options: Any) -> list[Smoothness]:
    """A walk per name, between the given lengths; gradients where the direction is theirs."""
    directions: dict[str, Directions] = {
        "raw": gradient_itself,
        "short": gradient_itself,
        "own_rate": gradient_itself,
        "by_gradient": unit_gradient,
        "by_weights": filter_normalized_gradient,
    }
    return [
        Smoothness(
            name=prefix + name,
            lengths=tuple(np.geomspace(*span, NUM_LENGTHS).tolist()),
            directions=directions[name],
            gradients=directions[name] is gradient_itself,
            **options,
        )
        for name, span in ends.items()
    ]


def both_spacings(last: int, num: int) -> list[int]:
    """About `num` steps that are spaced evenly, and as many on a logarithmic scale.

    >>> both_spacings(1500, 5)
    [0, 1, 6, 39, 241, 300, 600, 900, 1200, 1500]
    """
    return sorted({*log_spaced(last, num), *(last * k // num for k in range(num + 1))})


# Curve -> what its mean over looks is called.
JUDGED = {
    "raw_loss_range": "loss_range_raw",
    "own_rate_loss_range": "loss_range_own_rate",
    "by_gradient_loss_range": "loss_range_by_gradient",
    "by_weights_loss_range": "loss_range_by_weights",
    "raw_loss_start": "loss_start",
    "raw_gradient_change_max": "gradient_change",
    "own_rate_gradient_change_max": "gradient_change_own_rate",
    "raw_cosine_min": "gradient_cosine",
    "own_rate_cosine_min": "gradient_cosine_own_rate",
    "raw_beta": "effective_smoothness",
    "own_rate_beta": "effective_smoothness_own_rate",
    "hessian_1": "hessian_top",
    "hessian_scale_free": "hessian_top_scale_free",
}


def over_looks(
    rows: Sequence[Row], seed: int, num_steps: int, judged: Mapping[str, str] = JUDGED
) -> list[Row]:
    """Means over looks, at the last step: over all, the first tenth of the steps, the second half.

    Geometric, since the sizes span decades; of cosines arithmetic. What is not finite at one look,
    as a step out of all bounds is not, makes the mean infinite, or of cosines not a number.
    """
    curves: dict[str, list[tuple[int, float]]] = defaultdict(list)
    units = {}
    for row in rows:
        if row.seed == seed and row.name in judged:
            curves[row.name].append((row.step, row.value))
            units[row.name] = row.unit
    windows = {
        "": (0, num_steps),
        "_early": (0, num_steps // 10),
        "_late": (num_steps // 2, num_steps),
    }
    found = []
    for name, curve in curves.items():
        mean = np.mean if "cosine" in name else geometric_mean
        for suffix, (first, last) in windows.items():
            inside = [value for step, value in curve if first <= step <= last]
            if inside:
                value = float(mean(inside))
                found.append(Row(seed, num_steps, judged[name] + suffix, value, units[name]))
    return found


def geometric_mean(values: Sequence[float]) -> float:
    """Of positive numbers; infinite where one of them is not finite, 0 where one of them is."""
    if not np.isfinite(values).all():
        return np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.exp(np.mean(np.log(values))))
