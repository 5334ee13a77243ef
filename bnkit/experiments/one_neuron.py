"""Can weight decay keep a net with batch normalization from converging?

Li & Arora (2020) show it on a net of one neuron; here it has squared error, noiseless targets
y = BN(Xu) and full-batch descent, so that nothing but decay can keep it from the minimum.

With BN (eps = 0) the loss is ½ mean (BN(Xw) - y)² = 1 - corr(Xw, y), and descent at a fixed rate
converges. Decay then shrinks ‖w‖ by 1 - ηλ a step, and the rate that acts, η / ‖w‖², grows until it
passes what the curvature allows: w is thrown out of the minimum, grows, and settles again. Balance
of growth η² ‖g‖² and decay 2ηλ ‖w‖² puts the mean loss in proportion to ηλ. Between two such events
the loss may be arbitrarily small: the floor is one of the mean. A linear neuron with decay alone is
ridge regression, and converges.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from bnkit.experiments import drawn
from bnkit.rows import Row

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class OneNeuron:
    """One arm of the comparison."""

    # Scientific: what the chapter compares.
    method: Literal["both", "batch", "decay"]
    # Fixed: the verdict holds for these values only, and the chapter says so.
    levels: tuple[float, ...] = (1e-4, 1e-3, 1e-2)  # ηλ
    rate: float = 0.5  # η
    times: float = 20.0  # steps at each level, in units of 1 / (ηλ)
    num_examples: int = 1_000
    num_inputs: int = 10

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {method: OneNeuron(method=method) for method in ("both", "batch", "decay")}


def run(spec: OneNeuron, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """For each level the mean loss over the second half of the steps, "loss_floor@level".

    Beside it "loss_smallest@level" and "loss_largest@level" of that half; and "final_loss", the
    largest last loss over levels. For "decay" alone losses are counted above the minimum of the
    penalized problem; without decay the level only sets the number of steps.
    """
    return drawn(measure, spec, seeds, step=round(spec.times / min(spec.levels)))


def measure(spec: OneNeuron, rng: np.random.Generator) -> dict[str, float]:
    """One seed."""
    x = rng.standard_normal((spec.num_examples, spec.num_inputs))
    x -= x.mean(axis=0)
    y = x @ rng.standard_normal(spec.num_inputs)
    y /= y.std()
    hessian, cross = x.T @ x / len(x), x.T @ y / len(x)  # (D, D), (D,)
    start = rng.standard_normal(spec.num_inputs)
    start /= np.linalg.norm(start)
    found, last = {}, []
    for level in spec.levels:
        losses = descend(spec, hessian, cross, start, level)
        late = losses[len(losses) // 2 :]
        found[f"loss_floor@{level:g}"] = float(late.mean())
        found[f"loss_smallest@{level:g}"] = float(late.min())
        found[f"loss_largest@{level:g}"] = float(late.max())
        last.append(losses[-1])
    return {"final_loss": float(max(last)), **found}


def descend(spec: OneNeuron, hessian: Array, cross: Array, start: Array, level: float) -> Array:
    """The loss before each step; never below 0, where it is rounding."""
    penalty = level / spec.rate
    shrink = 1.0 if spec.method == "batch" else 1.0 - level
    ridge = hessian + penalty * np.eye(len(cross))
    optimum = np.linalg.solve(ridge, cross)
    losses = np.empty(round(spec.times / level))
    w = start
    for step in range(len(losses)):
        if spec.method == "decay":
            away = w - optimum
            losses[step] = 0.5 * away @ ridge @ away
            gradient = hessian @ w - cross
        else:
            losses[step], gradient = normalized(w, hessian, cross)
        w = shrink * w - spec.rate * gradient
    return np.maximum(losses, 0.0)


def normalized(w: Array, hessian: Array, cross: Array) -> tuple[float, Array]:
    """½ mean (BN(Xw) - y)² = 1 - ⟨w, cross⟩ / σ with σ² = wᵀ hessian w, and its gradient."""
    by_hessian = hessian @ w
    sigma = np.sqrt(w @ by_hessian)
    along = w @ cross / sigma
    return 1.0 - along, -(cross - along / sigma * by_hessian) / sigma
