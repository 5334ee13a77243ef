"""Do two numbers go together over many runs? Partial correlation, with a bootstrap of arms.

Runs of one arm share its settings, and are no independent witnesses of a relation between settings
and results: whole arms are drawn, with replacement (the cluster bootstrap of Field & Welsh, 2007).
It holds for many arms; with a dozen its intervals are somewhat too narrow.
"""

import numpy as np
from scipy import stats

from bnkit.judging.estimates import Replicates
from bnkit.judging.rules import Array, Operand, PartialCorrelation
from bnkit.judging.samples import Samples, column

NUM_REPLICATES = 9_999  # a one-sided level of 0.0001 is the smallest that they resolve
_GENERATOR_SEED = 1502_03167  # the same numbers have the same verdict


def correlation(rule: PartialCorrelation, samples: Samples) -> Replicates:
    """The partial correlation over all runs and its bootstrap replicates.

    Raises:
        ValueError: one line, for values that are missing or infinite, metrics of unequal numbers of
            seeds in an arm, or a metric that the controls determine.
    """
    runs = [_runs(rule, arm, samples) for arm in rule.population]  # (seeds, metrics) each
    values = np.concatenate(runs)
    if rule.on == "ranks":
        values = stats.rankdata(values, axis=0)
    elif not np.isfinite(values).all():
        raise ValueError(f"{rule.metric}: the population has infinite values; use on = 'ranks'")
    spread = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    of_arm = np.repeat(np.arange(len(runs)), [len(one) for one in runs])
    sums = np.stack([_moment_sums(values[of_arm == arm]) for arm in range(len(runs))])
    rng = np.random.default_rng(_GENERATOR_SEED)
    drawn = rng.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), NUM_REPLICATES)
    replicates = _partial(np.einsum("ba,aij->bij", drawn, sums))
    effect = float(_partial(sums.sum(axis=0)[None])[0])
    if not (np.isfinite(effect) and np.isfinite(replicates).all()):
        raise ValueError(
            f"{rule.metric} with {rule.against_metric}: too few different values, or they are a "
            "function of the control"
        )
    return Replicates.of(replicates, effect, len(values))


def _runs(rule: PartialCorrelation, arm: str, samples: Samples) -> Array:
    names = (rule.metric, rule.against_metric, *rule.control)
    columns = [column(samples, Operand(arm, name), at_least=1) for name in names]
    if len({len(one) for one in columns}) > 1:
        raise ValueError(f"arm {arm!r}: {', '.join(names)} have unequal numbers of seeds")
    return np.stack(columns, axis=1)


def _moment_sums(values: Array) -> Array:
    """Sums of all products of (1, values): number, totals and squares in one matrix."""
    with_one = np.column_stack([np.ones(len(values)), values])
    return with_one.T @ with_one


def _partial(sums: Array) -> Array:
    """Correlation of the first two variables given the others, of (B, 1 + p, 1 + p) sums.

    NaN where one of the two has nothing left.
    """
    total = sums[:, :1, 1:]
    covariance = sums[:, 1:, 1:] / sums[:, :1, :1] - (
        total.transpose(0, 2, 1) * total / sums[:, :1, :1] ** 2
    )
    pair, control = covariance[:, :2, :2], covariance[:, 2:, 2:]
    across = covariance[:, :2, 2:]
    # A control that is constant among the arms drawn explains nothing: hence the pseudoinverse.
    explained = across @ np.linalg.pinv(control, rcond=1e-10, hermitian=True)
    left = pair - explained @ across.transpose(0, 2, 1)
    size = np.sqrt(np.maximum(left[:, 0, 0], 0.0) * np.maximum(left[:, 1, 1], 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(size > 1e-10, left[:, 0, 1] / size, np.nan))
