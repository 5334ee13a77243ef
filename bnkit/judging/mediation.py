"""How much of a treatment's effect goes by way of something that it changes on the way?

Baron & Kenny (1986), on logarithms: the treatment moves the mediator by a, the mediator moves the
outcome by b, the treatment moves the outcome by c in all, and the share that is mediated is
a b / c. Here b does not come from runs that happen to differ, which would be a correlation, but
from arms in which the mediator was moved on purpose, at several doses, with and without the
treatment: it is one slope through the means of these arms, the treatment held fixed.

It is a share of cause only if a dose acts on the outcome by way of the mediator alone. No number
shows that, but several can contradict it: kinds of manipulation that agree have the same slope, so
give the slopes of each kind beside that of all.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnkit.judging.estimates import Replicates
from bnkit.judging.rules import Array, Operand
from bnkit.judging.samples import Samples, column

NUM_REPLICATES = 9_999
_GENERATOR_SEED = 1805_11604  # the same numbers have the same interval


class Mediation(NamedTuple):
    """The links of the chain on logarithms, each with its bootstrap replicates."""

    treatment_on_mediator: Replicates  # a
    mediator_on_outcome: Replicates  # b
    total: Replicates  # c
    mediated: Replicates  # a b, in the unit of c
    share: Replicates  # a b / c; its interval is of use where that of c does not hold 0


def mediation(
    samples: Samples,
    doses: Mapping[str, Sequence[str]],
    *,
    mediator: str,
    outcome: str,
    num_replicates: int = NUM_REPLICATES,
) -> Mediation:
    """The share of the effect of a treatment on `outcome` that `mediator` carries.

    The bootstrap draws seeds, the same ones in all arms, and among the doses of either group whole
    arms; the arms without and with the treatment are always in.

    Args:
        samples: arm -> metric -> one positive value a seed, paired by seed.
        doses: two entries, first the untreated arm, then the treated one: to the arms in which
            the mediator was moved and which otherwise are like it. One of them may have no doses.
        mediator: the metric in the middle, for example "effective_smoothness".
        outcome: the metric at the end, for example "steps_to_target"; a run that missed its
            target enters with budget + 1, which makes b too flat rather than too steep.
        num_replicates: of the bootstrap.

    Raises:
        ValueError: not two groups, no doses at all, unequal seeds, values that are not positive
            and finite, or a mediator that is the same in all arms of each group.
    """
    if len(doses) != 2 or not any(doses.values()):
        raise ValueError(
            f"doses of {', '.join(map(repr, doses))}: give the untreated arm and the treated one, "
            "and doses for at least one of them"
        )
    groups = [(arm, *others) for arm, others in doses.items()]
    m, y = (
        [np.stack(_logs(samples, group, metric)) for group in groups]
        for metric in (mediator, outcome)
    )  # (arms, seeds) of each group, the arm without a dose first
    num_seeds = m[0].shape[1]
    if any(table.shape[1] != num_seeds for table in (*m, *y)):
        raise ValueError(
            f"{mediator}, {outcome}: unequal numbers of seeds; arms are paired by seed"
        )
    estimate = _links(m, y)
    if not np.isfinite(estimate).all():
        raise ValueError(f"{mediator} is the same in all arms of a group: it has no slope")
    rng = np.random.default_rng(_GENERATOR_SEED)
    found: list[tuple[float, ...]] = []
    while len(found) < num_replicates:
        seeds = rng.integers(num_seeds, size=num_seeds)
        arms = [_drawn(rng, len(group) - 1) for group in groups]
        drawn = _links(*([x[a][:, seeds] for x, a in zip(z, arms, strict=True)] for z in (m, y)))
        if np.isfinite(drawn).all():  # seeds or doses may be drawn that leave no slope
            found.append(drawn)
    a, b, c, mediated, share = (
        Replicates.of(replicates, effect, num_seeds)
        for replicates, effect in zip(np.array(found).T, estimate, strict=True)
    )
    return Mediation(a, b, c, mediated, share)


def _links(m: list[Array], y: list[Array]) -> tuple[float, ...]:
    """a, b, c, a b and a b / c of (arms, seeds) mediators m and outcomes y in both groups."""
    a, c = (float((z[1][0] - z[0][0]).mean()) for z in (m, y))
    # The means of arms: within an arm the two go together for reasons that no dose controls.
    means = [[x.mean(axis=1) for x in z] for z in (m, y)]
    across_m, across_y = (np.concatenate([x - x.mean() for x in z]) for z in means)
    with np.errstate(divide="ignore", invalid="ignore"):
        b = float(np.divide(across_m @ across_y, across_m @ across_m))
        return a, b, c, a * b, float(np.divide(a * b, c))


def _drawn(rng: np.random.Generator, num_doses: int) -> NDArray[np.int64]:
    """The arm without a dose, 0, and as many doses as there are, with replacement."""
    if num_doses == 0:
        return np.zeros(1, dtype=np.int64)
    return np.append(0, rng.integers(1, num_doses + 1, size=num_doses))


def _logs(samples: Samples, arms: Sequence[str], metric: str) -> list[Array]:
    """(seeds,) of each arm."""
    found = []
    for arm in arms:
        values = column(samples, Operand(arm, metric))
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"{metric} in arm {arm!r} has values that are not positive and finite")
        found.append(np.log(values))
    if len({len(values) for values in found}) > 1:
        raise ValueError(f"{metric}: unequal numbers of seeds; arms are paired by seed")
    return found
