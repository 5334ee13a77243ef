"""Which numbers does a rule need? They are taken from the samples, paired by seed."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from bnkit.judging.rules import Array, Estimated, Operand, Rule, Slope

Samples = Mapping[str, Mapping[str, ArrayLike]]


def column(samples: Samples, operand: Operand, at_least: int = 2) -> Array:
    """The values of one metric in one arm, shape (seeds,)."""
    arm, metric = operand
    if arm not in samples:
        raise ValueError(f"no arm {arm!r} in the samples; there are {', '.join(sorted(samples))}")
    if metric not in samples[arm]:
        known = ", ".join(sorted(samples[arm]))
        raise ValueError(f"arm {arm!r} has no metric {metric!r}; it has {known}")
    values = np.asarray(samples[arm][metric], dtype=float)
    if values.ndim != 1 or len(values) < at_least:
        raise ValueError(
            f"{metric} in arm {arm!r} has shape {values.shape}: one value a seed is needed, "
            f"{at_least} or more"
        )
    if np.isnan(values).any():
        place = int(np.flatnonzero(np.isnan(values))[0])
        raise ValueError(
            f"{metric} in arm {arm!r} is NaN at position {place}: store a diverged run with "
            "chance accuracy, infinite steps or infinite loss"
        )
    return values


def effects(rule: Estimated, samples: Samples) -> Array:
    """One effect a seed, shape (seeds,), on logs where the rule is."""
    on_logs = rule.scale != "linear" if isinstance(rule, Slope) else rule.is_log
    columns = [column(samples, operand) for operand in rule.operands]
    for (arm, metric), values in zip(rule.operands, columns, strict=True):
        if len(values) != len(columns[0]):
            raise ValueError(
                f"{metric} in arm {arm!r} has {len(values)} seeds and not {len(columns[0])} as in "
                f"arm {rule.operands[0].arm!r}: arms are paired by seed"
            )
        if on_logs and values.min() < 0:
            raise ValueError(
                f"{metric} in arm {arm!r} is {values.min()}: a logarithm takes no negative value; "
                "use a difference"
            )
    # log 0 is minus infinity, and infinity less infinity is unknown: ranks take both.
    with np.errstate(divide="ignore", invalid="ignore"):
        if on_logs:
            columns = [np.log(values) for values in columns]
        return rule.effects(columns)


def not_reached(rule: Rule, samples: Samples) -> tuple[tuple[str, int], ...]:
    """For each arm of the rule, the runs whose `<metric>_not_reached` is 1."""
    counts = {}
    for arm, metric in rule.operands:
        missed = samples.get(arm, {}).get(f"{metric}_not_reached")
        if missed is not None:
            counts[arm] = int(np.sum(missed))
    return tuple(counts.items())
