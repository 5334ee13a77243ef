"""How often may a whole chapter err? Holm's step-down over all of its comparisons.

A claim can be wrongly supported or wrongly refuted. Each of the two risks is held to 2.5 % over
the family by a step-down of its own on one-sided p-values (Holm 1979), under any dependence
between the comparisons, so that the probability of *any* wrong verdict in it is at most 5 %. The
comparisons of a family are the parts of all of its rules; identities and bounds without chance
are none. (A claim of equivalence can be refuted from two sides; the far one adds nothing that
matters unless the margin is smaller than the standard error.)

Each interval is widened to the level of its own step, so that it agrees with the verdict beside
it: the guarantee holds for the verdicts together, not for the far bounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bnkit.judging.verdicts import ONE_SIDED, Evidence, Verdict, combine, decide, leaves


def holm(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """The verdicts of one family, judged together.

    Args:
        verdicts: from `judge`, by the id of the claim.

    Returns:
        the same ids; words, intervals and p adjusted.
    """
    found = [leaf.evidence for verdict in verdicts.values() for leaf in leaves(verdict)]
    evidence = [item for item in found if item is not None]
    supported = _step_down([item.p_supported() for item in evidence])
    refuted = _step_down([item.p_refuted() for item in evidence])
    steps = {
        id(item): (*yes, *no) for item, yes, no in zip(evidence, supported, refuted, strict=True)
    }
    return {name: _adjust(verdict, steps) for name, verdict in verdicts.items()}


def _step_down(p_values: Sequence[float]) -> list[tuple[float, float]]:
    """For each p-value the one-sided level at which it is judged, and the adjusted p-value.

    The smallest is compared with 0.025 / m, the next with 0.025 / (m - 1), ... up to the first
    that fails; that one and all later ones have the level at which the descent stopped.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    judged = [(ONE_SIDED, 1.0)] * len(p_values)
    adjusted, stopped_at = 0.0, None
    for step, index in enumerate(order):
        remaining = len(p_values) - step
        adjusted = min(1.0, max(adjusted, remaining * p_values[index]))
        if stopped_at is None and p_values[index] > ONE_SIDED / remaining:
            stopped_at = ONE_SIDED / remaining
        judged[index] = (stopped_at or ONE_SIDED / remaining, adjusted)
    return judged


def _adjust(verdict: Verdict, steps: Mapping[int, tuple[float, float, float, float]]) -> Verdict:
    if verdict.parts:
        return combine(
            [_adjust(part, steps) for part in verdict.parts],
            [_adjust(premise, steps) for premise in verdict.given],
        )
    evidence: Evidence | None = verdict.evidence
    if evidence is None:
        return verdict
    level_supported, p_supported, level_refuted, p_refuted = steps[id(evidence)]
    adjusted = decide(verdict, level_supported, level_refuted)
    return replace(adjusted, p=min(1.0, 2 * min(p_supported, p_refuted)))
