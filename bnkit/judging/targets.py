"""When does a run arrive? Steps to a target, with runs that never do counted and kept."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Arrival(NamedTuple):
    """The first step at the target, or budget + 1, and whether that is because it was missed."""

    steps: float
    not_reached: bool


def steps_to_target(
    steps: ArrayLike, curve: ArrayLike, target: float, budget: int, *, diverged: bool = False
) -> Arrival:
    """The first step whose value is at or above the target.

    Args:
        steps: optimizer steps at which the curve was measured, increasing, shape (points,).
        curve: the value there, for example validation accuracy, shape (points,).
        target: the value to reach, in the unit of the curve.
        budget: the number of steps of a full run; a run that misses the target has budget + 1.
        diverged: such a run never arrives: it has infinitely many steps.

    Raises:
        ValueError: shapes differ or are empty, steps do not increase, a step beyond the budget,
            or a NaN in the curve of a run that is not marked as diverged.
    """
    at = np.asarray(steps, dtype=float)
    values = np.asarray(curve, dtype=float)
    if at.ndim != 1 or at.shape != values.shape or not len(at):
        raise ValueError(f"steps {at.shape} and curve {values.shape} need one shape (points,)")
    if (np.diff(at) <= 0).any() or at[-1] > budget:
        raise ValueError(f"steps must increase up to the budget of {budget}, got {at.tolist()}")
    if diverged:
        return Arrival(np.inf, True)
    if np.isnan(values).any():
        raise ValueError("the curve has a NaN: a run that diverged is passed as diverged=True")
    reached = np.flatnonzero(values >= target)
    if len(reached):
        return Arrival(float(at[reached[0]]), False)
    return Arrival(float(budget + 1), True)
