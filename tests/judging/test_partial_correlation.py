"""Partial correlation over a population: pencil, residuals, simulated truth, bad input."""

import numpy as np
import pytest
from scipy import stats

from bnkit.judging import PartialCorrelation, holm, judge, parse_rule
from bnkit.judging.populations import NUM_REPLICATES, correlation


@pytest.fixture
def rng():
    return np.random.default_rng(20150211)


def rule(arms=("a{0,1,2,3}",), **fields):
    if "above" not in fields:
        fields = {"within": [-0.2, 0.2], **fields}
    return parse_rule(
        {
            "kind": "partial_correlation",
            "metric": "loss",
            "against_metric": "shift",
            "arms": list(arms),
            **fields,
        }
    )


def samples(loss, shift, **others):
    """Arms a0, a1, ... from arrays (arms, seeds)."""
    metrics = {"loss": loss, "shift": shift, **others}
    return {
        f"a{i}": {name: np.asarray(values)[i] for name, values in metrics.items()}
        for i in range(len(loss))
    }


def named(num_arms):
    return ("a{" + ",".join(map(str, range(num_arms))) + "}",)


def population(rng, *, num_arms, num_seeds, rho, shared=0.5):
    """Two metrics whose correlation given a third is rho; a share of each varies by arm alone."""
    mix = np.linalg.cholesky([[1.0, rho], [rho, 1.0]])
    by_arm = rng.standard_normal((num_arms, 1, 2))
    by_run = rng.standard_normal((num_arms, num_seeds, 2))
    pair = (np.sqrt(shared) * by_arm + np.sqrt(1 - shared) * by_run) @ mix.T
    rate = np.repeat(rng.standard_normal((num_arms, 1)), num_seeds, axis=1)
    return samples(pair[..., 0] + 2 * rate, pair[..., 1] - 3 * rate, rate=rate)


def test_four_runs_by_pencil():
    # Deviations (-3, -1, 1, 3) and (-1, -3, 3, 1): 12 over 20.
    found = correlation(rule(), samples([[0, 2, 4, 6]] * 4, [[1, -1, 5, 3]] * 4))
    assert found.effect == pytest.approx(0.6)
    # Arms are all alike: whichever are drawn, it is the same.
    np.testing.assert_allclose(found.values, 0.6)
    assert (found.n, len(found.values)) == (16, NUM_REPLICATES)


def test_three_pairwise_correlations_by_the_textbook_formula(rng):
    # Fisher (1924): (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2))
    x, y, z = rng.standard_normal((3, 8, 5)) + rng.standard_normal((8, 1))
    r = np.corrcoef([x.ravel(), y.ravel(), z.ravel()])
    expected = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    found = correlation(rule(named(8), control=["rate"]), samples(x, y, rate=z))
    assert found.effect == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("on", ["values", "ranks"])
def test_two_controls_are_two_columns_of_a_regression(rng, on):
    x, y, u, v = rng.standard_normal((4, 6, 7)) + rng.standard_normal((6, 1))
    columns = [a.ravel() if on == "values" else stats.rankdata(a.ravel()) for a in (x, y, u, v)]
    design = np.column_stack([np.ones(42), *columns[2:]])
    left = [c - design @ np.linalg.lstsq(design, c, rcond=None)[0] for c in columns[:2]]
    found = correlation(rule(named(6), control=["u", "v"], on=on), samples(x, y, u=u, v=v))
    assert found.effect == pytest.approx(np.corrcoef(left)[0, 1], rel=1e-9)


def test_a_replicate_is_the_correlation_of_the_arms_that_were_drawn(rng):
    x, y, z = rng.standard_normal((3, 5, 3))
    found = correlation(rule(named(5), control=["rate"]), samples(x, y, rate=z))
    from bnkit.judging import populations

    generator = np.random.default_rng(populations._GENERATOR_SEED)
    drawn = generator.multinomial(5, np.full(5, 0.2), NUM_REPLICATES)[:20]
    for counts in drawn:
        chosen = np.repeat(np.arange(5), counts)
        columns = [a[chosen].ravel() for a in (x, y, z)]
        design = np.column_stack([np.ones(15), columns[2]])
        left = [c - design @ np.linalg.lstsq(design, c, rcond=None)[0] for c in columns[:2]]
        expected = np.corrcoef(left)[0, 1]
        assert np.abs(found.values - expected).min() < 1e-9


def test_what_a_control_explains_is_no_correlation(rng):
    found = population(rng, num_arms=120, num_seeds=5, rho=0.0)
    blind = judge(rule(named(120)), found)
    assert (blind.verdict, blind.effect < -0.5) == ("refuted", True)
    given = judge(rule(named(120), control=["rate"]), found)
    assert abs(given.effect) < 0.2
    assert given.what == f"loss with shift given rate: {named(120)[0]}"


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_the_interval_covers_the_truth(rng, rho, monkeypatch):
    monkeypatch.setattr("bnkit.judging.populations.NUM_REPLICATES", 499)
    misses = 0
    for _ in range(200):
        found = population(rng, num_arms=60, num_seeds=3, rho=rho)
        verdict = judge(rule(named(60), control=["rate"]), found)
        misses += not verdict.low <= rho <= verdict.high
    # 5 %, and a little more for 60 clusters; 4 standard deviations of 200 trials.
    assert misses / 200 < 0.06 + 4 * np.sqrt(0.06 * 0.94 / 200)
    assert misses > 0


def test_runs_of_one_arm_are_not_counted_as_witnesses_of_their_own(rng):
    """Twenty copies of each run are still as many arms as before."""
    few = population(rng, num_arms=30, num_seeds=1, rho=0.3, shared=1.0)
    many = {
        arm: {name: np.repeat(values, 20) for name, values in metrics.items()}
        for arm, metrics in few.items()
    }
    first, second = (judge(rule(named(30), control=["rate"]), s) for s in (few, many))
    assert (second.low, second.high) == pytest.approx((first.low, first.high))
    assert (first.n, second.n) == (30, 600)


@pytest.mark.parametrize(
    ("rho", "num_arms", "word"),
    [
        (0.0, 600, "supported"),
        (0.6, 100, "refuted"),
        (-0.6, 100, "refuted"),
        (0.2, 30, "undecided"),
    ],
)
def test_the_verdict_is_that_of_an_equivalence(rng, rho, num_arms, word):
    found = population(rng, num_arms=num_arms, num_seeds=2, rho=rho)
    verdict = judge(rule(named(num_arms), control=["rate"]), found)
    assert (verdict.verdict, verdict.unit, verdict.method) == (
        word,
        "partial correlation",
        "bootstrap",
    )
    inside = -0.2 < verdict.low <= verdict.high < 0.2
    outside = verdict.low > 0.2 or verdict.high < -0.2
    assert (inside, outside) == (word == "supported", word == "refuted")
    assert holm({"E6": verdict})["E6"].verdict == word


def test_a_one_sided_claim_can_be_made():
    steps = np.arange(40.0)[:, None]
    found = samples(steps, steps + np.sin(steps))
    assert judge(rule(named(40), above=0.5), found).verdict == "supported"


def test_the_same_numbers_have_the_same_verdict(rng):
    found = population(rng, num_arms=20, num_seeds=3, rho=0.3)
    assert judge(rule(named(20)), found) == judge(rule(named(20)), found)


def test_units_do_not_matter_and_ranks_take_any_growing_function(rng):
    found = population(rng, num_arms=20, num_seeds=3, rho=0.4)
    scaled = {a: {**m, "loss": 1e9 * m["loss"] + 5e9} for a, m in found.items()}
    bent = {a: {**m, "loss": np.exp(5 * m["loss"])} for a, m in found.items()}
    for other, on in ((scaled, "values"), (bent, "ranks")):
        first, second = (judge(rule(named(20), control=["rate"], on=on), s) for s in (found, other))
        assert (second.effect, second.low) == pytest.approx((first.effect, first.low), rel=1e-6)


def test_diverged_runs_have_a_rank_and_no_value(rng):
    x = np.arange(8.0)[:, None]
    found = samples(np.where(x > 5, np.inf, x), x)
    # Ranks 1 ... 6, 7.5, 7.5 against 1 ... 8.
    expected = stats.spearmanr(np.where(x > 5, 9, x).ravel(), x.ravel()).statistic
    assert correlation(rule(named(8), on="ranks"), found).effect == pytest.approx(expected)
    with pytest.raises(ValueError, match="infinite values; use on = 'ranks'"):
        judge(rule(named(8)), found)


def test_braces_stand_for_every_combination():
    found = PartialCorrelation(
        metric="x",
        against_metric="y",
        arms=("{a,b}-{1,2}@{0.1,3}", "b-2@3", "c"),
        within=(-0.2, 0.2),
    )
    assert found.population == (
        "a-1@0.1", "a-1@3", "a-2@0.1", "a-2@3", "b-1@0.1", "b-1@3", "b-2@0.1", "b-2@3", "c",
    )  # fmt: skip
    assert found.operands[:3] == (("a-1@0.1", "x"), ("a-1@0.1", "y"), ("a-1@3", "x"))
    assert len(found.operands) == 18


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"within": [-0.2, 0.2], "above": 0.1}, "exactly one of above, below, within"),
        ({"within": [-0.2, 1.2]}, r"between -1 and 1, got \[-0.2, 1.2\]"),
        ({"control": ["rate", "shift"]}, "are different"),
        ({"arms": ["a", "b"]}, "needs 3 arms, got a, b"),
        ({"on": "logs"}, "on = 'logs' is not one of values, ranks"),
        ({"control": "rate"}, "is not an array of several values"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        rule(**fields)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (samples([[1.0]] * 4, [[1.0], [2], [3], [4]]), "too few different values"),
        (samples([[1.0], [2], [3]], [[1.0], [2], [3]]), "no arm 'a3'"),
        (samples([[1.0, 2]] * 4, [[1.0]] * 4), "unequal numbers of seeds"),
        (samples([[1.0], [2], [np.nan], [3]], [[1.0]] * 4), "is NaN at position 0"),
    ],
)
def test_bad_samples_are_refused_in_one_line(found, message):
    with pytest.raises(ValueError, match=message) as error:
        judge(rule(), found)
    assert "\n" not in str(error.value)
