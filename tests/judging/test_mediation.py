"""The mediated share, on data whose share is known because they were made with it."""

import numpy as np
import pytest

from bnkit.judging.mediation import mediation

NONE_DOSES = ("none-1", "none-2", "none-3")
BATCH_DOSES = ("batch-1", "batch-2", "batch-3")
DOSES = {"none": NONE_DOSES, "batch": BATCH_DOSES}
NAMES = {"mediator": "beta", "outcome": "steps"}


def made(*, a=-1.0, b=0.5, direct=-0.5, noise=0.0, hidden=0.0, num_seeds=10, side=1.0, draw=0):
    """Treatment: log beta + a, log steps + direct; log beta moves log steps by b.

    `hidden` moves both within an arm, as luck with the seed does; `side` is what a dose of one
    log unit of beta does to log steps besides, times (side - 1).
    """
    rng = np.random.default_rng(draw)
    found = {}
    for treatment, sign, (arm, doses) in zip((0.0, 1.0), (-1.0, 1.0), DOSES.items(), strict=True):
        for dose, name in enumerate((arm, *doses)):
            luck = hidden * rng.standard_normal(num_seeds)
            moved = sign * 0.7 * dose
            log_beta = 3.0 + a * treatment + moved + noise * rng.standard_normal(num_seeds) + luck
            log_steps = 6.0 + direct * treatment + b * (log_beta - luck) + b * (side - 1) * moved
            log_steps = log_steps - luck + noise * rng.standard_normal(num_seeds)
            found[name] = {"beta": np.exp(log_beta), "steps": np.exp(log_steps)}
    return found


def test_links_and_share_by_pencil():
    # a = -1, b = 1/2: BN takes 1/2 off log steps by way of beta, and another 1/2 beside it.
    links = mediation(made(), DOSES, **NAMES, num_replicates=99)
    effects = [link.effect for link in links]
    np.testing.assert_allclose(effects, [-1.0, 0.5, -1.0, -0.5, 0.5])


def test_without_noise_the_interval_is_a_point():
    share = mediation(made(), DOSES, **NAMES, num_replicates=99).share
    assert (share.lower(0.025), share.upper(0.025)) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(
    ("model", "share"),
    [
        ({"direct": 0.0}, 1.0),  # all of it
        ({"b": 0.0}, 0.0),  # beta moves nothing
        ({"a": 0.0}, 0.0),  # BN does not move beta
        ({"a": 0.5, "b": 1.0, "direct": -1.0}, -1.0),  # BN makes it rougher, and is faster
    ],
)
def test_the_share_is_what_it_was_made(model, share):
    links = mediation(made(**model), DOSES, **NAMES, num_replicates=99)
    assert links.share.effect == pytest.approx(share)


def test_luck_that_moves_both_within_an_arm_does_not_pass_for_a_cause():
    # Over single runs the two go against each other; over the means of arms they do not.
    samples = made(hidden=1.0, num_seeds=400)
    links = mediation(samples, DOSES, **NAMES, num_replicates=99)
    beta, steps = (np.log([s[name] for s in samples.values()]) for name in ("beta", "steps"))
    within_beta, within_steps = (x - x.mean(axis=1, keepdims=True) for x in (beta, steps))
    slope_of_runs = (within_beta * within_steps).sum() / (within_beta**2).sum()
    assert slope_of_runs < -0.9
    assert links.mediator_on_outcome.effect == pytest.approx(0.5, abs=0.1)


def test_the_interval_holds_the_truth_in_most_samples_and_shrinks_with_noise():
    widths, hits = {0.1: [], 0.02: []}, 0
    for noise, found in widths.items():
        for draw in range(20):
            samples = made(noise=noise, num_seeds=20, draw=draw)
            share = mediation(samples, DOSES, **NAMES, num_replicates=199).share
            low, high = share.lower(0.025), share.upper(0.025)
            hits += low < 0.5 < high
            found.append(high - low)
    assert hits >= 36  # of 40; that doses are drawn too makes it wider than seeds alone would
    assert np.mean(widths[0.1]) < 0.4
    assert np.mean(widths[0.1]) == pytest.approx(5 * np.mean(widths[0.02]), rel=0.2)


def test_a_dose_that_acts_by_another_way_shows_in_the_slope_of_its_kind():
    samples = made(side=3.0)
    honest = made()
    mixed = {**samples, **{arm: honest[arm] for arm in ("none", *NONE_DOSES, "batch")}}
    slopes = [
        mediation(mixed, doses, **NAMES, num_replicates=99).mediator_on_outcome.effect
        for doses in ({"none": NONE_DOSES, "batch": ()}, {"none": (), "batch": BATCH_DOSES})
    ]
    np.testing.assert_allclose(slopes, [0.5, 1.5])


def test_the_same_numbers_have_the_same_interval():
    first, second = (mediation(made(noise=0.1), DOSES, **NAMES, num_replicates=49) for _ in "ab")
    np.testing.assert_array_equal(first.share.values, second.share.values)


def test_the_unit_of_either_quantity_does_not_matter():
    samples = made(noise=0.1)
    scaled = {k: {"beta": 7 * v["beta"], "steps": v["steps"] / 3} for k, v in samples.items()}
    first, second = (mediation(s, DOSES, **NAMES, num_replicates=49) for s in (samples, scaled))
    np.testing.assert_allclose(first.share.values, second.share.values)


@pytest.mark.parametrize(
    ("change", "doses", "words"),
    [
        ({}, {"none": NONE_DOSES}, "the untreated arm and the treated one"),
        ({}, {"none": (), "batch": ()}, "doses for at least one"),
        ({}, {"none": ("none-9",), "batch": ()}, "no arm 'none-9'"),
        ({"steps": np.full(10, np.inf)}, DOSES, "not positive and finite"),
        ({"beta": np.zeros(10)}, DOSES, "not positive and finite"),
        ({"beta": np.ones(9)}, DOSES, "unequal numbers of seeds"),
    ],
)
def test_what_has_no_share_is_refused_in_one_line(change, doses, words):
    samples = made()
    samples["none-2"] = samples["none-2"] | change
    with pytest.raises(ValueError, match=words) as error:
        mediation(samples, doses, **NAMES, num_replicates=9)
    assert "\n" not in str(error.value)


def test_doses_that_move_nothing_are_refused():
    samples = {arm: {"beta": np.ones(4), "steps": np.ones(4)} for arm in ("none", "batch", "x")}
    with pytest.raises(ValueError, match="same in all arms"):
        mediation(samples, {"none": ("x",), "batch": ()}, **NAMES, num_replicates=9)
