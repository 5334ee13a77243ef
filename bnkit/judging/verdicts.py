"""Supported, refuted or undecided? A rule meets its numbers.

A claim is *supported* if the whole 95 % interval lies beyond the threshold on the claimed side,
*refuted* if it lies wholly on the other side, and *undecided* otherwise. Seeds are the sample:
arms are paired by seed, and steps or batches of one run are not replicates.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bnkit.judging.estimates import Estimate, Mean, Rank, Replicates, Share
from bnkit.judging.populations import correlation
from bnkit.judging.rules import (
    AllOf,
    Bound,
    Claimed,
    Estimated,
    Identity,
    PartialCorrelation,
    Rule,
)
from bnkit.judging.samples import Samples, column, effects, not_reached

Word = Literal["supported", "refuted", "undecided"]

ONE_SIDED = 0.025  # a 95 % interval leaves this much on each side


@dataclass(frozen=True)
class Evidence:
    """An estimate beside the region that the claim names, both on logs if `is_log`."""

    estimate: Estimate
    claimed: Claimed
    is_log: bool = False

    def p_supported(self) -> float:
        """One-sided p of "the effect is not in the claimed region"."""
        low, high, _, _ = self.claimed
        p_low = 0.0 if low == -np.inf else self.estimate.p_above(low)
        return max(p_low, 0.0 if high == np.inf else self.estimate.p_below(high))

    def p_refuted(self) -> float:
        """One-sided p of "the effect is not on the other side"."""
        _, _, below, above = self.claimed
        p_below = 1.0 if below == -np.inf else self.estimate.p_below(below)
        return min(p_below, 1.0 if above == np.inf else self.estimate.p_above(above))

    def interval(self, lower_at: float, upper_at: float) -> tuple[float, float, float]:
        """Effect, low and high in the unit of the verdict, at one-sided levels."""
        estimate = self.estimate
        numbers = (estimate.effect, estimate.lower(lower_at), estimate.upper(upper_at))
        effect, low, high = np.exp(numbers) if self.is_log else numbers
        return float(effect), float(low), float(high)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the numbers say about a rule.

    Attributes:
        verdict: "supported", "refuted" or "undecided".
        effect, low, high: the estimate and its interval, in `unit`. A bound may be infinite: too
            few seeds, or runs that never arrive.
        p: two-sided at the nearer threshold, None where nothing is random. It is at most 0.05
            exactly where the verdict is decided, before `holm` and, adjusted, after it.
        n: seeds, trials, runs or replicates.
        unit: "ratio", "difference", "slope", "interaction", "largest error", "value", "share",
            "partial correlation".
        method: "t", "rank", "bootstrap", "Clopper-Pearson" or "exact".
        what: the numbers compared, for example "steps_to_target: batch against none".
        not_reached: for each arm the runs that never reached the target or diverged.
        parts, given: the verdicts of the parts and of the premises of an `all_of`; its own
            numbers are those of the part that decides.
    """

    verdict: Word
    effect: float
    low: float
    high: float
    p: float | None
    n: int
    unit: str
    method: str
    what: str
    not_reached: tuple[tuple[str, int], ...] = ()
    parts: tuple["Verdict", ...] = ()
    given: tuple["Verdict", ...] = ()
    evidence: Evidence | None = field(default=None, repr=False, compare=False)


def judge(rule: Rule, samples: Samples) -> Verdict:
    """The verdict on `rule` by the numbers in `samples`.

    Args:
        rule: from `parse_rule`.
        samples: `samples[arm][metric]` are the values, one a seed, in the same order of seeds in
            every arm. A diverged run is among them with chance accuracy, infinite steps or
            infinite loss. Where an effect is infinite or unknown no mean exists, and the rank
            interval judges in place of Student's t. A companion metric `<metric>_not_reached`
            (0 or 1 a seed) is counted into the verdict.

    Raises:
        ValueError: one line, for an arm or metric that is missing, NaN, unequal numbers of seeds,
            fewer than 2 of them, or a negative value where a logarithm is taken.
    """
    match rule:
        case AllOf():
            parts = [judge(part, samples) for part in rule.parts]
            return combine(parts, [judge(premise, samples) for premise in rule.given])
        case Identity():
            return _judge_identity(rule, samples)
        case Bound(of=None):
            return _judge_every(rule, samples)
        case Bound():
            return _judge_share(rule, samples)
        case PartialCorrelation():
            evidence = Evidence(correlation(rule, samples), rule.claimed)
            return _from_evidence(rule, evidence, "partial correlation", "bootstrap")
        case _:
            return _judge_effects(rule, samples)


def combine(parts: Sequence[Verdict], given: Sequence[Verdict] = ()) -> Verdict:
    """The verdict of an `all_of`: its numbers are those of the part that decides it."""
    words = [part.verdict for part in parts]
    word: Word = "supported"
    if "refuted" in words:
        word = "refuted"
    elif "undecided" in words:
        word = "undecided"
    # Supported: the weakest part decides. Otherwise the first that is not supported.
    weakest = max(parts, key=lambda part: -1.0 if part.p is None else part.p)
    deciding = weakest if word == "supported" else parts[words.index(word)]
    if any(premise.verdict != "supported" for premise in given):
        word = "undecided"
    return replace(
        deciding,
        verdict=word,
        n=min(part.n for part in parts),
        parts=tuple(parts),
        given=tuple(given),
        evidence=None,
    )


def leaves(verdict: Verdict) -> Iterator[Verdict]:
    """The verdicts that rest on one comparison each, premises included."""
    if not verdict.parts:
        yield verdict
    for part in (*verdict.parts, *verdict.given):
        yield from leaves(part)


def decide(
    verdict: Verdict, supported_at: float = ONE_SIDED, refuted_at: float = ONE_SIDED
) -> Verdict:
    """The verdict with the word, interval and p that its evidence gives at one-sided levels."""
    evidence = verdict.evidence
    if evidence is None:
        return verdict
    p_supported, p_refuted = evidence.p_supported(), evidence.p_refuted()
    word: Word = "undecided"
    if p_supported <= supported_at:
        word = "supported"
    elif p_refuted <= refuted_at:
        word = "refuted"
    # The bound that faces a threshold has the level of the verdict that it would bring.
    low, high, _, _ = evidence.claimed
    levels = (supported_at, refuted_at) if low > -np.inf else (refuted_at, supported_at)
    if low > -np.inf and high < np.inf:
        levels = (refuted_at,) * 2 if word == "refuted" else (supported_at,) * 2
    effect, lower, upper = evidence.interval(*levels)
    p = min(1.0, 2 * min(p_supported, p_refuted))
    return replace(verdict, verdict=word, effect=effect, low=lower, high=upper, p=p)


def _judge_effects(rule: Estimated, samples: Samples) -> Verdict:
    """One effect a seed, and its mean or median over seeds."""
    values = effects(rule, samples)
    is_finite = bool(np.isfinite(values).all())
    method = "rank" if rule.by == "t" and not is_finite else rule.by
    if method == "bootstrap" and not is_finite:
        raise ValueError(f"{_what(rule)}: a bootstrap replicate is not finite; store finite ones")
    makers: dict[str, Callable[[ArrayLike], Estimate]] = {
        "t": Mean.of,
        "rank": Rank.of,
        "bootstrap": Replicates.of,
    }
    estimate = makers[method](values)
    claimed = rule.claimed
    if rule.is_log:  # an open side may lie at or below 0
        claimed = Claimed(*(float(np.log(x)) if x > 0 else -np.inf for x in claimed))
    evidence = Evidence(estimate, claimed, rule.is_log)
    return _from_evidence(rule, evidence, rule.unit, method, not_reached(rule, samples))


def _judge_share(rule: Bound, samples: Samples) -> Verdict:
    """The share of all trials of all seeds: Monte Carlo has its own n."""
    hits, trials = (column(samples, operand, at_least=1).sum() for operand in rule.operands)
    if not 0 <= hits <= trials or trials < 1 or hits % 1 or trials % 1:
        raise ValueError(f"{_what(rule)}: {hits:g} of {trials:g} trials is not a share of counts")
    evidence = Evidence(Share(int(hits), int(trials)), rule.claimed)
    return _from_evidence(rule, evidence, "share", "Clopper-Pearson")


def _from_evidence(
    rule: Rule,
    evidence: Evidence,
    unit: str,
    method: str,
    missed: tuple[tuple[str, int], ...] = (),
) -> Verdict:
    effect, low, high = evidence.interval(ONE_SIDED, ONE_SIDED)
    return decide(
        Verdict(
            verdict="undecided",
            effect=effect,
            low=low,
            high=high,
            p=None,
            n=evidence.estimate.n,
            unit=unit,
            method=method,
            what=_what(rule),
            not_reached=missed,
            evidence=evidence,
        )
    )


def _judge_identity(rule: Identity, samples: Samples) -> Verdict:
    """Largest error against the tolerance: nothing is random, so it is decided either way."""
    errors = np.abs(column(samples, rule.operands[0], at_least=1))
    largest = float(errors.max())
    holds = largest <= rule.tolerance
    return _exact(rule, holds, (largest, largest, largest), "largest error", len(errors))


def _judge_every(rule: Bound, samples: Samples) -> Verdict:
    """Every value on the claimed side; the effect is the one nearest to the other side."""
    values = column(samples, rule.operands[0], at_least=1)
    low, high, _, _ = rule.claimed
    smallest, largest = float(values.min()), float(values.max())
    effect = smallest if rule.below is None else largest
    return _exact(
        rule, low < smallest and largest < high, (effect, smallest, largest), "value", len(values)
    )


def _exact(
    rule: Rule, holds: bool, numbers: tuple[float, float, float], unit: str, n: int
) -> Verdict:
    effect, low, high = numbers
    return Verdict(
        verdict="supported" if holds else "refuted",
        effect=effect,
        low=low,
        high=high,
        p=None,
        n=n,
        unit=unit,
        method="exact",
        what=_what(rule),
    )


def _what(rule: Rule) -> str:
    """The numbers that the rule looks at, for example "loss: batch against none"."""
    if isinstance(rule, PartialCorrelation):
        given = f" given {' and '.join(rule.control)}" if rule.control else ""
        return f"{rule.metric} with {rule.against_metric}{given}: {' and '.join(rule.arms)}"
    (_, metric), *_ = rule.operands
    arms = " against ".join(dict.fromkeys(arm for arm, _ in rule.operands))
    others = dict.fromkeys(name for _, name in rule.operands if name != metric)
    metrics = " and ".join([metric, *others]) if len(others) < 2 else f"{metric} and so on"
    reference = getattr(rule, "reference", None)
    return f"{metrics}: {arms}" + ("" if reference is None else f" against {reference:g}")
