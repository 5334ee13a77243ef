"""What can be claimed of stored numbers? One frozen class for each kind of rule.

A rule names its numbers by *metric* and *arm*. A quantity measured at several levels of something
is one metric a level, named `metric@level`. A rule says on which side of which threshold the
claim lies (`above`, `below` or `within`); the numbers come later, in `judge`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
By = Literal["t", "rank", "bootstrap"]
Scale = Literal["log-log", "log-linear", "linear"]


class Operand(NamedTuple):
    """One number a seed: `samples[arm][metric]`."""

    arm: str
    metric: str


class Claimed(NamedTuple):
    """Where the effect must lie: supported inside (low, high), refuted beyond the other two."""

    low: float
    high: float
    refuted_below: float
    refuted_above: float


def _claimed(
    above: float | None,
    below: float | None,
    within: tuple[float, float] | None = None,
    refuted_at: float | None = None,
) -> Claimed:
    """The claimed region of exactly one of `above`, `below`, `within`."""
    if sum(side is not None for side in (above, below, within)) != 1:
        raise ValueError("a rule names exactly one of above, below, within")
    if within is not None:
        low, high = within
        if not low < high or refuted_at is not None:
            raise ValueError(f"within = {list(within)} needs low < high and takes no refuted_at")
        return Claimed(low, high, low, high)
    if above is not None:
        other = above if refuted_at is None else refuted_at
        if other > above:
            raise ValueError(f"refuted_at = {other} must not lie above the threshold {above}")
        return Claimed(above, np.inf, other, np.inf)
    assert below is not None
    other = below if refuted_at is None else refuted_at
    if other < below:
        raise ValueError(f"refuted_at = {other} must not lie below the threshold {below}")
    return Claimed(-np.inf, below, -np.inf, other)


def _pair(
    arm: str, metric: str, against: str | None, against_metric: str | None = None
) -> tuple[Operand, ...]:
    """The operand, and the one that it is compared with if there is one."""
    first = Operand(arm, metric)
    return (first,) if against is None else (first, Operand(against, against_metric or metric))


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Two numbers a seed, compared: `metric` in `arm` with `against_metric` in `against`.

    Attributes:
        metric: what was measured.
        arm: where.
        against: the other arm; without it the metric itself is judged (it is then already a
            difference or a ratio, or its absolute size is the claim).
        against_metric: the other metric; the same one if it is not named.
        above: the claim is that the effect is larger than this ...
        below: ... or smaller than this. Exactly one of the two.
        refuted_at: the other side begins here; by default at the threshold itself. Effects
            between the two leave the claim undecided.
        by: "t", Student t over paired seeds; "rank", Wilcoxon's signed ranks; "bootstrap", the
            values are replicates of one estimate and not seeds.
    """

    metric: str
    arm: str
    against: str | None = None
    against_metric: str | None = None
    above: float | None = None
    below: float | None = None
    refuted_at: float | None = None
    by: By = "t"

    def __post_init__(self) -> None:
        _claimed(self.above, self.below, None, self.refuted_at)
        if self.against_metric is not None and self.against is None:
            raise ValueError(f"against_metric = {self.against_metric!r} needs against, its arm")

    @property
    def claimed(self) -> Claimed:
        """The region of the effect in which the claim holds."""
        return _claimed(self.above, self.below, None, self.refuted_at)

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The number, and what it is compared with."""
        return _pair(self.arm, self.metric, self.against, self.against_metric)

    def effects(self, columns: Sequence[Array]) -> Array:
        """One effect a seed: first less second, which is a log ratio on logs."""
        return columns[0] - columns[1] if len(columns) == 2 else columns[0]


@dataclass(frozen=True, kw_only=True)
class Ratio(Contrast):
    """The ratio of two positive quantities, averaged over seeds on logarithms."""

    kind: ClassVar[str] = "ratio"
    unit: ClassVar[str] = "ratio"
    is_log: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for limit in (self.above, self.below, self.refuted_at):
            if limit is not None and limit <= 0:
                raise ValueError(f"a ratio is compared with a positive number, got {limit}")


@dataclass(frozen=True, kw_only=True)
class Difference(Contrast):
    """The difference of two quantities in their own unit."""

    kind: ClassVar[str] = "difference"
    unit: ClassVar[str] = "difference"
    is_log: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """The same within a margin: two one-sided tests against it.

    Attributes:
        metric: what was measured.
        arm: where.
        against: the other arm, or ...
        reference: ... the number that the metric should equal.
        against_metric: the other metric, if it is not the same one.
        delta: the difference lies within plus or minus delta, or ...
        factor: ... the ratio within 1 / factor and factor.
        by: as in `Contrast`.
    """

    kind: ClassVar[str] = "equivalence"

    metric: str
    arm: str
    against: str | None = None
    reference: float | None = None
    against_metric: str | None = None
    delta: float | None = None
    factor: float | None = None
    by: By = "t"

    def __post_init__(self) -> None:
        if (self.against is None) == (self.reference is None):
            raise ValueError("an equivalence names exactly one of against, reference")
        if (self.delta is None) == (self.factor is None):
            raise ValueError("an equivalence names exactly one of delta, factor")
        if self.delta is not None and self.delta <= 0:
            raise ValueError(f"delta is a positive margin, got {self.delta}")
        if self.factor is not None and self.factor <= 1:
            raise ValueError(f"factor is a margin larger than 1, got {self.factor}")
        if self.factor is not None and self.reference is not None and self.reference <= 0:
            raise ValueError(f"factor needs a positive reference, got {self.reference}")

    @property
    def claimed(self) -> Claimed:
        """The region of the effect in which the claim holds."""
        if self.delta is not None:
            return _claimed(None, None, (-self.delta, self.delta))
        assert self.factor is not None
        return _claimed(None, None, (1 / self.factor, self.factor))

    @property
    def is_log(self) -> bool:
        """A factor is judged on logarithms."""
        return self.factor is not None

    @property
    def unit(self) -> str:
        """Of the effect."""
        return "ratio" if self.is_log else "difference"

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The number, and the arm that it is compared with."""
        return _pair(self.arm, self.metric, self.against, self.against_metric)

    def effects(self, columns: Sequence[Array]) -> Array:
        """One difference, or log ratio, a seed."""
        if self.reference is None:
            return columns[0] - columns[1]
        return columns[0] - (np.log(self.reference) if self.is_log else self.reference)


@dataclass(frozen=True, kw_only=True)
class NonInferior:
    """Worse by no more than delta, in the unit of the metric."""

    kind: ClassVar[str] = "non_inferior"
    unit: ClassVar[str] = "difference"
    is_log: ClassVar[bool] = False
    by: ClassVar[By] = "t"

    metric: str
    arm: str
    against: str
    delta: float
    better: Literal["higher", "lower"] = "higher"

    def __post_init__(self) -> None:
        if self.delta <= 0:
            raise ValueError(f"delta is a positive margin, got {self.delta}")

    @property
    def claimed(self) -> Claimed:
        """The region of the difference in which the claim holds."""
        if self.better == "higher":
            return _claimed(-self.delta, None)
        return _claimed(None, self.delta)

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The two arms."""
        return _pair(self.arm, self.metric, self.against)

    def effects(self, columns: Sequence[Array]) -> Array:
        """One difference a seed."""
        return columns[0] - columns[1]


@dataclass(frozen=True, kw_only=True)
class Slope:
    """The slope of a metric against its level, fitted by least squares for each seed.

    Attributes:
        metric: measured as `metric@level` for each level in `at`.
        arm: where.
        at: the levels, at least 2 different ones.
        scale: "log-log" (an exponent), "log-linear" (log of the metric against the level) or
            "linear".
        above, below, within: where the claim puts the slope; exactly one of them.
    """

    kind: ClassVar[str] = "slope"
    unit: ClassVar[str] = "slope"
    by: ClassVar[By] = "t"

    metric: str
    arm: str
    at: tuple[float, ...]
    scale: Scale = "log-log"
    above: float | None = None
    below: float | None = None
    within: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        _claimed(self.above, self.below, self.within)
        if len(set(self.at)) < 2 or (self.scale == "log-log" and min(self.at) <= 0):
            raise ValueError(f"a slope needs 2 levels (positive on logs), got at = {list(self.at)}")

    @property
    def claimed(self) -> Claimed:
        """The region of the slope in which the claim holds."""
        return _claimed(self.above, self.below, self.within)

    @property
    def is_log(self) -> bool:
        """A slope on logs is an exponent or a rate: it is never turned back."""
        return False

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The metric at each level."""
        return tuple(Operand(self.arm, f"{self.metric}@{level:g}") for level in self.at)

    def effects(self, columns: Sequence[Array]) -> Array:
        """One slope a seed."""
        x = np.log(self.at) if self.scale == "log-log" else np.asarray(self.at)
        x = x - x.mean()
        return np.asarray(x @ np.stack(columns) / (x @ x))


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """A two by two table: does one difference differ from another?

    The effect is (a - b) - (c - d) for `arms` = [a, b, c, d], seed by seed.
    """

    kind: ClassVar[str] = "interaction"
    unit: ClassVar[str] = "interaction"
    by: ClassVar[By] = "t"

    metric: str
    arms: tuple[str, str, str, str]
    scale: Literal["linear", "log"] = "linear"
    above: float | None = None
    below: float | None = None
    within: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        _claimed(self.above, self.below, self.within)

    @property
    def claimed(self) -> Claimed:
        """The region of the difference of differences in which the claim holds."""
        return _claimed(self.above, self.below, self.within)

    @property
    def is_log(self) -> bool:
        """On logs the effect is a ratio of ratios."""
        return self.scale == "log"

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The four cells of the table."""
        return tuple(Operand(arm, self.metric) for arm in self.arms)

    def effects(self, columns: Sequence[Array]) -> Array:
        """One difference of differences a seed."""
        a, b, c, d = columns
        return (a - b) - (c - d)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Two sides of an equation agree: the largest error of all trials is within tolerance."""

    kind: ClassVar[str] = "identity"

    metric: str
    arm: str
    tolerance: float

    def __post_init__(self) -> None:
        if self.tolerance < 0:
            raise ValueError(f"tolerance is not negative, got {self.tolerance}")

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The error."""
        return (Operand(self.arm, self.metric),)


@dataclass(frozen=True, kw_only=True)
class Bound:
    """An inequality that holds always, or in a share of trials.

    Without `of`, every value of the metric must lie on the claimed side: one counterexample
    refutes. With `of`, the metric counts the trials in which something happened, `of` is the
    metric that counts all trials, and their share is compared with `above` or `below`.
    """

    kind: ClassVar[str] = "bound"

    metric: str
    arm: str
    of: str | None = None
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        low, high, _, _ = _claimed(self.above, self.below)
        if self.of is not None and not 0 <= (threshold := low if self.below is None else high) <= 1:
            raise ValueError(f"a share lies between 0 and 1, got {threshold}")

    @property
    def claimed(self) -> Claimed:
        """The region of the value, or of the share, in which the claim holds."""
        return _claimed(self.above, self.below)

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The value, or the two counts."""
        counts = (self.metric,) if self.of is None else (self.metric, self.of)
        return tuple(Operand(self.arm, metric) for metric in counts)


@dataclass(frozen=True, kw_only=True)
class PartialCorrelation:
    """Over a population of runs, what two metrics share once others are accounted for.

    A run is one seed of one arm. Both metrics are regressed on those in `control`; the effect is
    the correlation of the residuals. Its interval is a bootstrap of whole arms: runs of one arm
    are alike.

    Attributes:
        metric, against_metric: the two.
        control: what is accounted for, any number of metrics.
        arms: the population, 3 arms or more; "a{1,2}" stands for a1 and a2, as in a shell.
        on: "values", or "ranks" over the population, which infinite values and bent relations do
            no harm.
        above, below, within: where the claim puts the correlation; exactly one of them.
    """

    kind: ClassVar[str] = "partial_correlation"

    metric: str
    against_metric: str
    arms: tuple[str, ...]
    control: tuple[str, ...] = ()
    on: Literal["values", "ranks"] = "values"
    above: float | None = None
    below: float | None = None
    within: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        limits = [x for x in (self.above, self.below, *(self.within or ())) if x is not None]
        _claimed(self.above, self.below, self.within)
        if not all(-1 <= x <= 1 for x in limits):
            raise ValueError(f"a correlation lies between -1 and 1, got {limits}")
        names = (self.metric, self.against_metric, *self.control)
        if len(set(names)) < len(names):
            raise ValueError(f"metric, against_metric and control are different, got {names}")
        if len(self.population) < 3:
            raise ValueError(f"a population needs 3 arms, got {', '.join(self.population)}")

    @property
    def claimed(self) -> Claimed:
        """The region of the correlation in which the claim holds."""
        return _claimed(self.above, self.below, self.within)

    @property
    def population(self) -> tuple[str, ...]:
        """The names of all arms, each once."""
        return tuple(dict.fromkeys(name for arm in self.arms for name in _expanded(arm)))

    @property
    def operands(self) -> tuple[Operand, ...]:
        """All metrics of each arm, arm by arm."""
        metrics = (self.metric, self.against_metric, *self.control)
        return tuple(Operand(arm, metric) for arm in self.population for metric in metrics)


def _expanded(pattern: str) -> list[str]:
    """The names that braces stand for.

    >>> _expanded("{a,b}-{1,2}")
    ['a-1', 'a-2', 'b-1', 'b-2']
    """
    parts = re.split(r"\{([^{}]*)\}", pattern)  # text, choices, text, choices, ..., text
    choices = [part.split(",") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(chosen) for chosen in product(*choices)]


@dataclass(frozen=True, kw_only=True)
class AllOf:
    """Several rules: supported if every part is, refuted if any is.

    `given` are the premises. Unless each of them is supported, the experiment did not do what it
    set out to do, and the claim stays undecided.
    """

    kind: ClassVar[str] = "all_of"

    parts: tuple["Rule", ...]
    given: tuple["Rule", ...] = ()

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("all_of needs at least 1 part, got none")

    @property
    def operands(self) -> tuple[Operand, ...]:
        """Those of all parts and premises, each once."""
        rules = (*self.parts, *self.given)
        return tuple(dict.fromkeys(operand for rule in rules for operand in rule.operands))


Estimated = Ratio | Difference | Equivalence | NonInferior | Slope | Interaction
Rule = Estimated | Identity | Bound | PartialCorrelation | AllOf
