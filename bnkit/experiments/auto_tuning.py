"""Do weights that only matter by direction tune their own learning rate?

Arora, Li & Lyu (2019): for a scale-invariant loss the gradient g is orthogonal to w, so a step of
rate η makes ‖w‖² grow by η² ‖g‖², exactly, and the rate that acts, η / ‖w‖², falls by itself until
descent is stable. At any fixed η the smallest gradient on the sphere, ‖g‖ ‖w‖, met in T steps is of
order T^-1/2 or better.

The loss is that of one unit with BN and squared error, 1 - corr(Xw, y). Its inputs are so
ill-conditioned that no rate arrives before the last step; what it can show is that none is slower.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnkit.experiments import drawn
from bnkit.experiments.one_neuron import normalized
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class AutoTuning:
    """One arm of the comparison."""

    # Scientific: what the chapter compares. Not tuned: that any rate will do is the claim.
    rate: float
    # Fixed: the verdict holds for these values only, and the chapter says so.
    levels: tuple[int, ...] = (1_000, 3_000, 10_000, 30_000)  # steps, the last ends the run
    condition: float = 1e3
    num_inputs: int = 50

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {f"rate-{rate:g}": AutoTuning(rate=rate) for rate in (0.01, 0.1, 1.0, 10.0, 100.0)}


def run(spec: AutoTuning, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """The smallest gradient on the sphere up to each level, "smallest_gradient@T".

    "norm_growth_error" is ‖w_T‖² - ‖w_0‖² - η² Σ ‖g‖² in relation to ‖w_T‖², "norm_growth" the
    ratio ‖w_T‖² / ‖w_0‖².
    """
    return drawn(measure, spec, seeds, step=spec.levels[-1])


def measure(spec: AutoTuning, rng: np.random.Generator) -> dict[str, float]:
    """One seed; it draws the same problem for every rate."""
    axes, _ = np.linalg.qr(rng.standard_normal((spec.num_inputs, spec.num_inputs)))
    hessian = axes * np.geomspace(1.0 / spec.condition, 1.0, spec.num_inputs) @ axes.T
    u = rng.standard_normal(spec.num_inputs)
    cross = hessian @ u / np.sqrt(u @ hessian @ u)  # y = BN(Xu)
    w = rng.standard_normal(spec.num_inputs)
    w /= np.linalg.norm(w)

    growth, smallest, found = 0.0, np.inf, {}
    for step in range(1, spec.levels[-1] + 1):
        _, gradient = normalized(w, hessian, cross)
        squared = gradient @ gradient
        smallest = min(smallest, np.sqrt(squared * (w @ w)))
        growth += spec.rate**2 * squared
        w = w - spec.rate * gradient
        if step in spec.levels:
            found[f"smallest_gradient@{step:g}"] = float(smallest)
    length = w @ w
    found["norm_growth_error"] = float(abs(length - 1.0 - growth) / length)
    found["norm_growth"] = float(length)
    return found
