"""Up to which rate does gradient descent go down?

On a β-smooth loss a step of rate η changes it by at most -η (1 - βη / 2) ‖∇L‖² (the descent lemma):
it falls for every η < 2 / β, and the guarantee is best at η = 1 / β. On a quadratic the limit is
sharp. Along the eigenvector of λ a step multiplies the distance by 1 - ηλ, so that descent diverges
as soon as η > 2 / λ_max.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from bnkit.experiments import drawn
from bnkit.rows import Row


@dataclass(frozen=True, kw_only=True)
class DescentLimit:
    """Random convex quadratics at rates on both sides of 2 / λ_max."""

    # Fixed: the verdict holds for these values only, and the chapter says so.
    num_trials: int = 20
    largest_dimension: int = 20
    relative_rates: tuple[float, ...] = (0.1, 0.5, 0.9, 0.99, 1.01, 1.1, 1.5, 3.0)  # of the limit
    num_steps: int = 500

    version: ClassVar[int] = 1  # bump when run() starts to compute something else


ARMS = {"trials": DescentLimit()}


def run(spec: DescentLimit, seeds: Sequence[int], progress: str | None = None) -> list[Row]:
    """In how many of "trials" the limit is wrong, "num_misjudged".

    Below it every step must lower the loss, above it the last loss must lie above the first.
    """
    return drawn(measure, spec, seeds, step=spec.num_steps)


def measure(spec: DescentLimit, rng: np.random.Generator) -> dict[str, float]:
    """One seed."""
    num_misjudged = 0
    for _ in range(spec.num_trials):
        dimension = rng.integers(1, spec.largest_dimension, endpoint=True)
        factor = rng.standard_normal((dimension + 2, dimension))
        hessian = factor.T @ factor / len(factor)
        start = rng.standard_normal(dimension)
        limit = 2.0 / np.linalg.eigvalsh(hessian)[-1]
        for relative in spec.relative_rates:
            losses = descend(hessian, start, relative * limit, spec.num_steps)
            if relative < 1.0:
                as_predicted = (losses[1:] <= losses[:-1]).all() and losses[-1] < losses[0]
            else:
                as_predicted = not losses[-1] <= losses[0]  # infinite and unknown ones count too
            num_misjudged += not as_predicted
    trials = spec.num_trials * len(spec.relative_rates)
    return {"num_misjudged": float(num_misjudged), "trials": float(trials)}


def descend(hessian: np.ndarray, start: np.ndarray, rate: float, num_steps: int) -> np.ndarray:
    """(steps + 1,) losses ½ xᵀ hessian x along gradient descent."""
    x, losses = start, [0.5 * start @ hessian @ start]
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(num_steps):
            x = x - rate * (hessian @ x)
            losses.append(0.5 * x @ hessian @ x)
    return np.array(losses)
