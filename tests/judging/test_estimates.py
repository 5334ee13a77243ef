import numpy as np
import pytest
from scipy import stats

from bnkit.judging.estimates import Mean, Rank, Replicates, Share

NUM_REPLICATES = 2_000
# Four standard deviations of a binomial share of 5 % in that many replicates.
SLACK = 4 * np.sqrt(0.05 * 0.95 / NUM_REPLICATES)


@pytest.fixture
def rng():
    return np.random.default_rng(20150211)


def misses(estimates, truth):
    """Share of estimates whose 95 % interval does not hold the truth."""
    return np.mean([not e.lower(0.025) <= truth <= e.upper(0.025) for e in estimates])


def test_the_t_interval_misses_the_truth_in_one_of_twenty_samples(rng):
    samples = rng.normal(3.0, 2.0, (NUM_REPLICATES, 7))
    assert misses(map(Mean.of, samples), 3.0) == pytest.approx(0.05, abs=SLACK)


@pytest.mark.parametrize("draw", ["standard_cauchy", "standard_normal"])
def test_the_rank_interval_needs_no_distribution_but_symmetry(rng, draw):
    samples = 1.0 + getattr(rng, draw)((NUM_REPLICATES, 10))
    # The exact level for 10 seeds: twice P(W <= 8) = 25 / 1024.
    assert misses(map(Rank.of, samples), 1.0) == pytest.approx(50 / 1024, abs=SLACK)


def test_the_rank_interval_is_conservative_where_values_are_tied(rng):
    samples = rng.integers(-2, 3, (NUM_REPLICATES, 10)).astype(float)
    assert misses(map(Rank.of, samples), 0.0) < 0.05 + SLACK


def test_the_interval_of_a_share_covers_at_least_what_it_promises(rng):
    hits = rng.binomial(40, 0.3, NUM_REPLICATES)
    assert misses([Share(int(k), 40) for k in hits], 0.3) < 0.05 + SLACK


def test_the_bootstrap_interval_covers_a_mean(rng):
    samples = rng.normal(0.0, 1.0, (400, 60))
    means = [s[rng.integers(0, 60, (400, 60))].mean(1) for s in samples]
    # Percentiles of 60 values fall a little short of 95 %; 4 standard deviations of 400 samples.
    assert misses(map(Replicates.of, means), 0.0) < 0.06 + 4 * np.sqrt(0.06 * 0.94 / 400)


def test_student_agrees_with_scipy(rng):
    x, y = rng.normal(0.3, 1.0, 9), rng.normal(0.0, 2.0, 9)
    mean, witness = Mean.of(x - y), stats.ttest_rel(x, y)
    interval = witness.confidence_interval(0.95)
    assert (mean.lower(0.025), mean.upper(0.025)) == pytest.approx((interval.low, interval.high))
    assert mean.p_above(0.0) == pytest.approx(stats.ttest_rel(x, y, alternative="greater").pvalue)
    assert mean.p_below(0.0) == pytest.approx(stats.ttest_rel(x, y, alternative="less").pvalue)


@pytest.mark.parametrize("n", [6, 7, 10, 15])
def test_signed_ranks_agree_with_scipy(rng, n):
    x = rng.normal(0.5, 1.0, n)
    for side, p in (("greater", Rank.of(x).p_above(0.0)), ("less", Rank.of(x).p_below(0.0))):
        assert p == pytest.approx(stats.wilcoxon(x, alternative=side, method="exact").pvalue)


@pytest.mark.parametrize(("hits", "n"), [(0, 8), (3, 8), (8, 8), (700, 1000)])
def test_clopper_and_pearson_agree_with_scipy(hits, n):
    share, witness = Share(hits, n), stats.binomtest(hits, n, 0.6, alternative="greater")
    interval = stats.binomtest(hits, n).proportion_ci(0.95, method="exact")
    assert (share.lower(0.025), share.upper(0.025)) == pytest.approx((interval.low, interval.high))
    assert share.p_above(0.6) == pytest.approx(witness.pvalue)


def test_ranks_of_six_seeds_by_pencil():
    # Six seeds: P(W = 0) = 1/64 is below 2.5 % and P(W <= 1) = 2/64 is not, so the interval is
    # smallest to largest. The 21 pairwise means of 1 2 3 4 5 9: the eleventh is 3.5.
    rank = Rank.of([4.0, 1.0, 9.0, 2.0, 5.0, 3.0])
    assert (rank.lower(0.025), rank.effect, rank.upper(0.025)) == (1.0, 3.5, 9.0)
    assert rank.p_above(0.0) == 1 / 64
    assert rank.p_above(1.0) == 2 / 64


def test_the_p_value_of_a_bootstrap_is_never_zero():
    replicates = Replicates.of(np.arange(1.0, 100.0))
    assert replicates.p_above(0.0) == replicates.p_below(100.0) == 1 / 100
    assert (replicates.p_above(1.0), replicates.p_below(1.0)) == (2 / 100, 1.0)


def test_five_seeds_cannot_give_95_percent_by_ranks():
    rank = Rank.of([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (rank.lower(0.025), rank.upper(0.025)) == (-np.inf, np.inf)


def test_ranks_take_runs_that_never_arrive():
    # With 8 seeds P(W <= 3) = 5/256 < 2.5 % < P(W <= 4): the fourth smallest pairwise mean.
    # Of -inf -4 -4 -3 -3 -2 -2 -1 the eight means with the first are -inf, so is the lower bound;
    # from above they are -1, -1.5, -1.5, -2.
    rank = Rank.of([-np.inf, -4.0, -4.0, -3.0, -3.0, -2.0, -2.0, -1.0])
    assert rank.lower(0.025) == -np.inf
    assert rank.upper(0.025) == -2.0
    assert np.isfinite(rank.effect)


def test_an_unknown_effect_counts_against_both_sides():
    known = Rank.of([1.0] * 6)
    unknown = Rank.of([1.0] * 5 + [np.nan])
    assert known.p_above(0.0) == 1 / 64
    assert unknown.p_above(0.0) > 1 / 64
    assert (unknown.lower(0.025), unknown.upper(0.025)) == (-np.inf, np.inf)


def test_infinities_of_both_signs_leave_bounds_and_effect_in_order():
    rank = Rank.of([-np.inf, np.inf, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert rank.lower(0.025) <= rank.effect <= rank.upper(0.025)
    assert rank.effect == 1.0


@pytest.mark.parametrize(
    "estimate",
    [
        Mean.of([0.2, 0.1, 0.5, 0.3, 0.0]),
        Rank.of([0.2, 0.1, 0.5, 0.3, 0.0, 0.2, 0.7, np.inf]),
        Share(7, 20),
        Replicates.of(np.linspace(-1, 1, 500)),
    ],
    ids=lambda e: type(e).__name__,
)
def test_bounds_and_p_values_tell_the_same_story(estimate):
    for alpha in (0.001, 0.0125, 0.025, 0.2):
        for x in np.linspace(0.02, 0.98, 25):
            assert (estimate.lower(alpha) > x) == (estimate.p_above(x) <= alpha)
            assert (estimate.upper(alpha) < x) == (estimate.p_below(x) <= alpha)


def test_equal_effects_have_no_spread_and_decide_by_themselves():
    mean = Mean.of([0.1] * 7)
    assert (mean.lower(0.025), mean.upper(0.025)) == (0.1, 0.1)
    assert (mean.p_above(0.0), mean.p_above(0.1), mean.p_below(0.2)) == (0.0, 1.0, 0.0)
