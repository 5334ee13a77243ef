import numpy as np
import pytest
from scipy import stats

from bnkit.judging import holm, judge, parse_rule

NUM_SEEDS = 10
RULE = {"kind": "difference", "metric": "m", "arm": "a", "above": 0.0}


def seeds_with_p(p):
    """Ten values whose mean lies above 0 with a one-sided p of exactly `p`."""
    base = np.arange(NUM_SEEDS) - (NUM_SEEDS - 1) / 2
    error = base.std(ddof=1) / np.sqrt(NUM_SEEDS)
    return base / error + stats.t.isf(p, NUM_SEEDS - 1)


def family(*p_values, **rule):
    return {
        f"X{i}": judge(parse_rule({**RULE, **rule}), {"a": {"m": seeds_with_p(p)}})
        for i, p in enumerate(p_values)
    }


def words(verdicts):
    return [v.verdict for v in verdicts.values()]


def test_holm_steps_down_by_pencil():
    # Levels 0.025 / 4, / 3, / 2, / 1 = 0.00625, 0.00833, 0.0125, 0.025: 0.014 fails the third.
    before = family(0.014, 0.001, 0.02, 0.008)
    assert words(before) == ["supported"] * 4
    assert words(holm(before)) == ["undecided", "supported", "undecided", "supported"]


def test_the_last_step_is_as_easy_as_a_single_test():
    assert words(holm(family(0.001, 0.001, 0.024))) == ["supported"] * 3


def test_a_wrong_refutation_has_a_step_down_of_its_own():
    # One-sided p of 0.999 above 0 is one of 0.001 below it.
    assert words(holm(family(0.999, 0.98, 0.5))) == ["refuted", "undecided", "undecided"]


def test_a_family_of_one_is_left_as_it_is():
    alone = family(0.02)
    assert holm(alone) == alone


def test_p_is_adjusted_in_the_order_of_the_steps():
    adjusted = holm(family(0.001, 0.004, 0.0045))
    # Two-sided: 2 times 3 x 0.001, 2 x 0.004 and the running maximum.
    assert [v.p for v in adjusted.values()] == pytest.approx([0.006, 0.016, 0.016])


def test_the_interval_shown_is_the_one_that_decides():
    adjusted = holm(family(0.001, 0.009, 0.3))
    for verdict in adjusted.values():
        assert (verdict.low > 0) == (verdict.verdict == "supported")
        assert (verdict.p <= 0.05) == (verdict.verdict != "undecided")


def test_intervals_in_a_family_are_wider_than_alone():
    alone = family(0.2, 0.3, 0.4)
    for id, verdict in holm(alone).items():
        assert verdict.low < alone[id].low
        assert verdict.high > alone[id].high
        t = stats.t.isf(0.025 / 3, NUM_SEEDS - 1)
        assert verdict.effect - verdict.low == pytest.approx(t)  # the standard error is 1


def test_a_refuted_equivalence_shows_the_interval_that_refuted_it():
    # Supported and refuted step down apart: each is the first of two steps on its own side.
    rule = {"kind": "equivalence", "metric": "m", "arm": "a", "reference": 0.0, "delta": 5.0}
    shift = {"same": 0.0, "other": 20.0}
    judged = {
        id: judge(parse_rule(rule), {"a": {"m": seeds_with_p(0.5) + by}})
        for id, by in shift.items()
    }
    adjusted = holm(judged)
    assert words(adjusted) == ["supported", "refuted"]
    t = stats.t.isf(0.025 / 2, NUM_SEEDS - 1)
    for id, verdict in adjusted.items():
        assert (verdict.low, verdict.high) == pytest.approx((shift[id] - t, shift[id] + t))


def test_the_parts_of_all_of_are_members_and_identities_are_not():
    # 0.02 alone is supported, as one of two comparisons (0.0125) it is not.
    parts = [RULE, {**RULE, "arm": "b"}]
    samples = {"a": {"m": seeds_with_p(0.02)}, "b": {"m": seeds_with_p(0.02)}}
    both = judge(parse_rule({"kind": "all_of", "parts": parts}), samples)
    assert both.verdict == "supported"
    adjusted = holm({"X": both})["X"]
    assert adjusted.verdict == "undecided"
    assert words(dict(enumerate(adjusted.parts))) == ["undecided", "undecided"]

    exact = {"kind": "identity", "metric": "m", "arm": "c", "tolerance": 1.0}
    samples["c"] = {"m": [0.5, 0.5]}
    mixed = judge(parse_rule({"kind": "all_of", "parts": [RULE, exact]}), samples)
    assert holm({"X": mixed})["X"].verdict == "supported"


def test_a_premise_that_fails_in_the_family_leaves_the_claim_undecided():
    samples = {"a": {"m": seeds_with_p(1e-6)}, "b": {"m": seeds_with_p(0.02)}}
    rule = {"kind": "all_of", "parts": [RULE], "given": [{**RULE, "arm": "b"}]}
    claim = judge(parse_rule(rule), samples)
    assert claim.verdict == "supported"
    others = family(0.3, 0.4)
    assert holm({"X": claim, **others})["X"].verdict == "undecided"


@pytest.mark.parametrize("shared", [0.0, 0.9], ids=["independent", "dependent"])
def test_any_wrong_verdict_in_a_family_of_nulls_is_rarer_than_one_in_twenty(shared):
    rng = np.random.default_rng(1979)
    num_families, num_claims = 400, 4
    rule = parse_rule(RULE)
    wrong = 0
    for _ in range(num_families):
        common = rng.normal(size=NUM_SEEDS)
        own = rng.normal(size=(num_claims, NUM_SEEDS))
        values = np.sqrt(shared) * common + np.sqrt(1 - shared) * own
        judged = {str(i): judge(rule, {"a": {"m": v}}) for i, v in enumerate(values)}
        wrong += any(word != "undecided" for word in words(holm(judged)))
    slack = 4 * np.sqrt(0.05 * 0.95 / num_families)
    assert wrong / num_families < 0.05 + slack
    if not shared:  # and the test is not asleep
        assert wrong / num_families > 0.05 - slack
