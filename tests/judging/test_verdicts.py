import numpy as np
import pytest
from scipy import stats

from bnkit.judging import judge, parse_rule


@pytest.fixture
def rng():
    return np.random.default_rng(20180529)


def verdict(samples, **rule):
    """The verdict on one metric m: samples are arm -> values."""
    samples = {arm: v if isinstance(v, dict) else {"m": v} for arm, v in samples.items()}
    metric = {} if rule["kind"] == "all_of" else {"metric": "m"}
    return judge(parse_rule({**metric, **rule}), samples)


def test_a_ratio_by_pencil():
    # Ratios 1/4, 1/2, 1/4, 1/2: the geometric mean is 2 to the -3/2.
    v = verdict(
        {"batch": [1, 2, 1, 2], "none": [4, 4, 4, 4]},
        kind="ratio", arm="batch", against="none", below=1.0,
    )  # fmt: skip
    assert v.effect == pytest.approx(2**-1.5)
    assert (v.verdict, v.n, v.unit, v.method) == ("supported", 4, "ratio", "t")
    assert v.what == "m: batch against none"


def test_a_ratio_is_student_on_paired_logs(rng):
    batch, none = np.exp(rng.normal(0, 1, (2, 8)))
    v = verdict({"a": batch, "b": none}, kind="ratio", arm="a", against="b", above=1.5)
    witness = stats.ttest_1samp(np.log(batch / none), np.log(1.5))
    interval = np.exp(stats.ttest_rel(np.log(batch), np.log(none)).confidence_interval(0.95))
    assert (v.low, v.high) == pytest.approx(tuple(interval))
    assert v.p == pytest.approx(witness.pvalue)


def test_a_difference_by_pencil():
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), t quantile 4.3027 on 2 degrees.
    v = verdict({"a": [2, 4, 6], "b": [1, 2, 3]}, kind="difference", arm="a", against="b", above=0)
    assert (v.effect, v.low, v.high) == pytest.approx((2.0, 2 - 2.48414, 2 + 2.48414), rel=1e-4)
    assert v.verdict == "undecided"


def test_pairing_by_seed_is_what_makes_a_small_gain_visible():
    seeds = np.arange(10.0)
    gain = {"a": seeds + 0.1 + 0.01 * (-1) ** seeds, "b": seeds}
    assert verdict(gain, kind="difference", arm="a", against="b", above=0).verdict == "supported"
    gain["b"] = seeds[::-1]
    assert verdict(gain, kind="difference", arm="a", against="b", above=0).verdict == "undecided"


@pytest.mark.parametrize(
    ("values", "word"),
    [([0.91, 0.92, 0.93], "supported"), ([0.6, 0.61, 0.62], "refuted"), ([0.7, 0.9], "undecided")],
)
def test_without_another_arm_the_metric_itself_is_judged(values, word):
    assert verdict({"a": values}, kind="difference", arm="a", above=0.8).verdict == word


def test_two_metrics_of_one_arm_can_be_compared():
    samples = {"a": {"start": [1.0, 1.1, 0.9], "end": [0.1, 0.11, 0.09]}}
    rule = {"kind": "ratio", "metric": "end", "arm": "a", "against": "a"}
    v = judge(parse_rule({**rule, "against_metric": "start", "below": 0.5}), samples)
    assert (v.verdict, v.effect) == ("supported", pytest.approx(0.1))


@pytest.mark.parametrize(
    ("ratio", "word"), [(0.4, "supported"), (0.7, "undecided"), (1.2, "refuted")]
)
def test_between_the_threshold_and_refuted_at_nothing_is_decided(ratio, word):
    samples = {"a": ratio * np.array([0.99, 1.0, 1.01, 1.0]), "b": np.ones(4)}
    v = verdict(samples, kind="ratio", arm="a", against="b", below=0.5, refuted_at=1.0)
    assert v.verdict == word


def test_equivalence_is_two_one_sided_tests(rng):
    a, b = rng.normal(0, 1, (2, 12))
    v = verdict({"a": a, "b": b}, kind="equivalence", arm="a", against="b", delta=1.3)
    low = stats.ttest_1samp(a - b, -1.3, alternative="greater").pvalue
    high = stats.ttest_1samp(a - b, 1.3, alternative="less").pvalue
    assert v.p == pytest.approx(2 * max(low, high))
    assert v.verdict == ("supported" if max(low, high) <= 0.025 else "undecided")


@pytest.mark.parametrize(
    ("shift", "word"), [(0.0, "supported"), (0.1, "undecided"), (0.3, "refuted"), (-0.3, "refuted")]
)
def test_an_interval_that_merely_includes_zero_proves_no_equivalence(shift, word):
    noise = np.array([-0.05, 0.05] * 5)
    rule = {"kind": "equivalence", "arm": "a", "against": "b", "delta": 0.1}
    assert verdict({"a": shift + noise, "b": np.zeros(10)}, **rule).verdict == word
    wide = {"a": 40 * noise, "b": np.zeros(10)}
    assert verdict(wide, **rule).verdict == "undecided"


def test_equivalence_to_a_number_within_a_factor():
    v = verdict({"a": [1.45, 1.47, 1.48]}, kind="equivalence", arm="a", reference=1.467, factor=1.1)
    assert (v.verdict, v.unit) == ("supported", "ratio")
    assert v.effect == pytest.approx((1.45 * 1.47 * 1.48) ** (1 / 3) / 1.467)
    assert v.what == "m: a against 1.467"


@pytest.mark.parametrize(("ratio", "word"), [(0.95, "supported"), (0.85, "refuted")])
def test_a_factor_is_a_margin_to_both_sides(ratio, word):
    samples = {"a": ratio * np.array([0.99, 1.0, 1.01]), "b": np.ones(3)}
    v = verdict(samples, kind="equivalence", arm="a", against="b", factor=1.1)
    assert v.verdict == word


@pytest.mark.parametrize(
    ("better", "shift", "word"),
    [
        ("higher", -0.003, "supported"),
        ("higher", -0.02, "refuted"),
        ("higher", 0.5, "supported"),
        ("lower", 0.003, "supported"),
        ("lower", 0.02, "refuted"),
        ("lower", -0.5, "supported"),
    ],
)
def test_non_inferior_allows_a_loss_of_delta_and_any_gain(better, shift, word):
    samples = {"a": shift + np.array([0.9, 0.901, 0.899]), "b": np.array([0.9, 0.9, 0.9])}
    rule = {"kind": "non_inferior", "arm": "a", "against": "b", "delta": 0.01, "better": better}
    assert verdict(samples, **rule).verdict == word


@pytest.mark.parametrize(
    ("scale", "law", "slope"),
    [
        ("log-log", lambda x: 3 * x**-1.0, -1.0),
        ("log-linear", lambda x: 5 * np.exp(0.25 * x), 0.25),
        ("linear", lambda x: 7 - 2 * x, -2.0),
    ],
)
def test_a_slope_finds_the_exponent_rate_or_gradient(scale, law, slope):
    levels = [1, 2, 4, 8]
    arm = {f"m@{x}": law(np.full(3, float(x))) * [1.0, 1.001, 0.999] for x in levels}
    rule = {"kind": "slope", "arm": "a", "at": levels, "scale": scale}
    v = verdict({"a": arm}, **rule, within=[slope - 0.05, slope + 0.05])
    assert (v.verdict, v.unit) == ("supported", "slope")
    assert v.effect == pytest.approx(slope, rel=1e-3)
    assert verdict({"a": arm}, **rule, above=slope + 0.1).verdict == "refuted"


def test_the_interval_of_a_slope_is_that_of_the_seeds_slopes(rng):
    levels = np.array([1.0, 2.0, 5.0])
    y = np.exp(rng.normal(0, 0.3, (6, 3))) / levels
    slopes = [np.polyfit(np.log(levels), np.log(row), 1)[0] for row in y]
    arm = {f"m@{x:g}": y[:, i] for i, x in enumerate(levels)}
    v = verdict({"a": arm}, kind="slope", arm="a", at=list(levels), below=0)
    interval = stats.ttest_1samp(slopes, 0).confidence_interval(0.95)
    assert (v.effect, v.low, v.high) == pytest.approx((np.mean(slopes), *interval))


def test_an_interaction_by_pencil():
    # (5 - 3) - (2 - 1) = 1 on the scale itself; on logs (8 / 2) / (6 / 3) = 2.
    rule = {"kind": "interaction", "arms": ["a", "b", "c", "d"], "above": 0.5}
    v = verdict({"a": [5, 6], "b": [3, 4], "c": [2, 9], "d": [1, 8]}, **rule)
    assert (v.verdict, v.effect) == ("supported", 1.0)
    v = verdict({"a": [8, 8], "b": [2, 2], "c": [6, 6], "d": [3, 3]}, **rule, scale="log")
    assert v.effect == pytest.approx(2.0)


@pytest.mark.parametrize(("worst", "word"), [(1e-12, "supported"), (1e-6, "refuted")])
def test_an_identity_is_decided_by_its_largest_error(worst, word):
    v = verdict({"a": [1e-15, -worst, 0.0]}, kind="identity", arm="a", tolerance=1e-10)
    assert (v.verdict, v.effect, v.low, v.high) == (word, worst, worst, worst)
    assert (v.p, v.n, v.method) == (None, 3, "exact")


def test_one_counterexample_refutes_a_bound():
    rule = {"kind": "bound", "arm": "a", "below": 1.0}
    assert verdict({"a": [0.1, 0.9]}, **rule).verdict == "supported"
    v = verdict({"a": [0.1, 1.0, 0.2]}, **rule)
    assert (v.verdict, v.effect, v.low, v.high) == ("refuted", 1.0, 0.1, 1.0)
    assert verdict({"a": [0.1]}, kind="bound", arm="a", above=0.2).verdict == "refuted"


@pytest.mark.parametrize(
    ("hits", "word"), [([300, 310], "supported"), ([250, 255], "undecided"), ([20, 30], "refuted")]
)
def test_a_share_of_trials_pools_the_trials_of_all_seeds(hits, word):
    samples = {"a": {"m": hits, "trials": [500, 500]}}
    v = verdict(samples, kind="bound", arm="a", of="trials", above=0.5)
    assert (v.verdict, v.n, v.effect) == (word, 1000, sum(hits) / 1000)
    assert (v.unit, v.method) == ("share", "Clopper-Pearson")
    interval = stats.binomtest(sum(hits), 1000).proportion_ci(0.95, method="exact")
    assert (v.low, v.high) == pytest.approx((interval.low, interval.high))


YES = {"kind": "difference", "metric": "m", "arm": "yes", "above": 0.5}
NO = {**YES, "arm": "no"}
MAYBE = {**YES, "arm": "maybe"}
THREE = {"yes": [1.0, 1.1, 0.9, 1.0], "no": [0.0, 0.1, -0.1, 0.0], "maybe": [0.0, 1.0, 0.4, 0.7]}


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ([YES, YES], "supported"),
        ([YES, NO], "refuted"),
        ([MAYBE, NO], "refuted"),
        ([YES, MAYBE], "undecided"),
    ],
)
def test_all_of_needs_every_part_and_falls_with_any(parts, word):
    v = verdict(THREE, kind="all_of", parts=parts)
    assert v.verdict == word
    assert [part.verdict for part in v.parts] == [
        {"yes": "supported", "no": "refuted", "maybe": "undecided"}[part["arm"]] for part in parts
    ]


def test_all_of_shows_the_numbers_of_the_part_that_decides():
    alone = verdict(THREE, kind="difference", arm="no", above=0.5)
    v = verdict(THREE, kind="all_of", parts=[YES, NO])
    assert (v.effect, v.low, v.high, v.p, v.what) == (
        alone.effect, alone.low, alone.high, alone.p, "m: no",
    )  # fmt: skip


def test_all_of_counts_the_seeds_of_its_smallest_part():
    samples = {**THREE, "few": [1.0, 1.1]}
    few = {**YES, "arm": "few"}
    assert verdict(samples, kind="all_of", parts=[YES, few]).n == 2
    assert verdict(samples, kind="all_of", parts=[few, YES]).n == 2


@pytest.mark.parametrize("premise", [NO, MAYBE])
@pytest.mark.parametrize("part", [YES, NO])
def test_without_its_premise_a_claim_stays_undecided(part, premise):
    assert verdict(THREE, kind="all_of", parts=[part], given=[premise]).verdict == "undecided"
    assert verdict(THREE, kind="all_of", parts=[part], given=[YES]).verdict != "undecided"


def test_ten_noisy_seeds_of_equal_arms_are_decided_in_one_of_twenty_trials(rng):
    trials = rng.normal(0.9, 0.01, (1_000, 2, 10))
    rule = {"kind": "difference", "arm": "a", "against": "b", "above": 0.0}
    words = [verdict({"a": a, "b": b}, **rule).verdict for a, b in trials]
    slack = 4 * np.sqrt(0.025 * 0.975 / 1_000)  # four standard deviations of a share of 2.5 %
    assert words.count("supported") / 1_000 == pytest.approx(0.025, abs=slack)
    assert words.count("refuted") / 1_000 == pytest.approx(0.025, abs=slack)


def test_at_the_edge_of_the_margin_equivalence_is_claimed_in_one_of_forty_trials(rng):
    trials = rng.normal(0, 0.01, (1_000, 2, 10))
    rule = {"kind": "equivalence", "arm": "a", "against": "b", "delta": 0.05}
    words = [verdict({"a": a + 0.05, "b": b}, **rule).verdict for a, b in trials]
    slack = 4 * np.sqrt(0.025 * 0.975 / 1_000)
    assert words.count("supported") / 1_000 == pytest.approx(0.025, abs=slack)
    inside = [verdict({"a": a, "b": b}, **rule).verdict for a, b in trials]
    assert inside.count("supported") > 990


def test_a_bootstrap_interval_is_that_of_its_replicates():
    v = verdict(
        {"a": np.arange(1, 1000) / 10_000},
        kind="equivalence", arm="a", reference=0.0, delta=0.2, by="bootstrap",
    )  # fmt: skip
    # 999 replicates: 25 = 2.5 % of 1,000 from either end.
    assert (v.verdict, v.low, v.high) == ("supported", 0.0025, 0.0975)
    assert v.method == "bootstrap"


RACE = {"kind": "ratio", "arm": "batch", "against": "none", "below": 0.5}


def test_runs_that_never_arrive_are_counted_and_kept():
    samples = {
        "batch": {"m": [100.0] * 10, "m_not_reached": [0] * 10},
        "none": {"m": [900.0] * 7 + [1001.0] * 3, "m_not_reached": [0] * 7 + [1] * 3},
    }
    v = verdict(samples, **RACE, by="rank")
    assert (v.verdict, v.n, v.method) == ("supported", 10, "rank")
    assert v.not_reached == (("batch", 0), ("none", 3))


def test_diverged_runs_have_infinite_steps_and_are_never_dropped():
    finite = {"batch": [100.0] * 10, "none": [900.0] * 10}
    infinite = {"batch": [100.0] * 10, "none": [900.0] * 4 + [np.inf] * 6}
    assert verdict(finite, **RACE).method == "t"
    v = verdict(infinite, **RACE)
    assert (v.verdict, v.method, v.n) == ("supported", "rank", 10)
    # Against the claim they weigh too: batch diverges where none arrives.
    assert verdict({"batch": infinite["none"], "none": [900.0] * 10}, **RACE).verdict == "refuted"


def test_runs_that_diverge_in_both_arms_say_nothing():
    both = {"batch": [100.0] * 6 + [np.inf] * 4, "none": [900.0] * 6 + [np.inf] * 4}
    assert verdict(both, **RACE).verdict == "undecided"


def test_a_zero_is_a_ratio_of_zero_and_not_an_error():
    v = verdict({"batch": [0.0] * 10, "none": [1.0] * 10}, **RACE)
    assert (v.verdict, v.effect, v.method) == ("supported", 0.0, "rank")


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({"batch": [1, 2]}, "no arm 'none' in the samples; there are batch"),
        ({"batch": {"x": [1, 2]}, "none": [1, 2]}, "arm 'batch' has no metric 'm'; it has x"),
        ({"batch": [1, 2, 3], "none": [1, 2]}, "has 2 seeds and not 3 as in arm 'batch'"),
        ({"batch": [1], "none": [1]}, "2 or more"),
        ({"batch": [[1, 2]], "none": [1, 2]}, r"shape \(1, 2\)"),
        ({"batch": [1, np.nan], "none": [1, 2]}, "is NaN at position 1: store a diverged run"),
        ({"batch": [1, -2], "none": [1, 2]}, "takes no negative value"),
    ],
)
def test_bad_samples_are_refused_in_one_line(samples, message):
    with pytest.raises(ValueError, match=message) as error:
        verdict(samples, **RACE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("counts", [([3], [2]), ([1.5], [2]), ([0], [0])])
def test_a_share_needs_counts(counts):
    hits, trials = counts
    with pytest.raises(ValueError, match="is not a share of counts"):
        verdict({"a": {"m": hits, "t": trials}}, kind="bound", arm="a", of="t", above=0.5)


def test_bootstrap_replicates_must_be_finite():
    with pytest.raises(ValueError, match="replicate is not finite"):
        verdict({"a": [1, np.inf]}, kind="difference", arm="a", above=0, by="bootstrap")
