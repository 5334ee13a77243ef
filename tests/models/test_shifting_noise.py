"""The noise of algorithm 1 of Santurkar et al. (2018), against its description."""

import numpy as np
import pytest
import torch
from scipy import stats

from bnkit.models.shifting_noise import ShiftingNoise

NUM_UNITS, NUM_EXAMPLES = 400, 1_000


@pytest.fixture
def noise():
    return ShiftingNoise([3, 5], 1, dose=0.5)


def test_means_and_scales_of_units_are_uniform_over_the_intervals_of_the_paper(noise):
    factor, shift = noise.drawn(NUM_UNITS, NUM_EXAMPLES)
    # The standard error of a unit's mean, 0.1 / sqrt(1,000), is a two hundredth of the interval.
    for values, low, high in ((shift, -0.5, 0.5), (factor, 1.0, 1.25)):
        means = values.mean(axis=2).ravel()
        assert stats.kstest(means, stats.uniform(low, high - low).cdf).pvalue > 0.01
        assert low - 0.02 < means.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < means.max() < high + 0.02


def test_examples_jitter_around_their_unit_as_in_the_paper(noise):
    factor, shift = noise.drawn(NUM_UNITS, NUM_EXAMPLES)
    around = shift - (shift.max(axis=2, keepdims=True) + shift.min(axis=2, keepdims=True)) / 2
    assert stats.kstest(around[0, 0], stats.uniform(-0.1, 0.2).cdf).pvalue > 0.01
    assert np.abs(around).max() < 0.1 + 1e-6
    z = (factor - factor.mean(axis=2, keepdims=True)) / 0.1
    assert stats.kstest(z[1, 7], stats.norm.cdf).pvalue > 0.01
    assert z.std() == pytest.approx(1.0, abs=0.01)


def test_factors_and_shifts_of_units_and_examples_are_unrelated(noise):
    factor, shift = noise.drawn(NUM_UNITS, NUM_EXAMPLES)
    of_units = np.corrcoef(factor[0].mean(axis=1), shift[0].mean(axis=1))[0, 1]
    of_examples = np.corrcoef(factor[0, 0], shift[0, 0])[0, 1]
    of_neighbors = np.corrcoef(shift[0, 0], shift[0, 1])[0, 1]
    assert max(map(abs, (of_units, of_examples, of_neighbors))) < 0.2


def test_another_set_of_examples_meets_the_same_units_at_the_same_step(noise):
    (few, _), (many, _) = noise.drawn(NUM_UNITS, 600), noise.drawn(NUM_UNITS, 2_000)
    # Both estimate the same scales, whose standard deviation over units is 0.25 / sqrt(12).
    np.testing.assert_allclose(few.mean(axis=2), many.mean(axis=2), atol=5 * 0.1 / 600**0.5)
    noise.step += 1
    later, _ = noise.drawn(NUM_UNITS, 2_000)
    assert np.abs(later.mean(axis=2) - many.mean(axis=2)).mean() > 0.05


def test_the_noise_depends_on_seed_step_and_layer_alone():
    x = torch.randn(2, 5, 7)
    together = ShiftingNoise([3, 5], 1, dose=2.0)
    together.step = 4
    alone = ShiftingNoise([5], 1, dose=2.0)
    torch.manual_seed(1)  # its own generator, not torch's
    assert not torch.equal(alone(x[1:]), together(x)[1:])
    alone.step = 4
    assert torch.equal(alone(x[1:]), together(x)[1:])
    other = ShiftingNoise([3, 5], 2, dose=2.0)
    other.step = 4
    assert not torch.equal(other(x), together(x))


def test_an_activation_becomes_s_a_plus_m(noise):
    x = torch.randn(2, 5, 7, dtype=torch.float64)
    s, m = (torch.from_numpy(part).double() for part in noise.drawn(5, 7))
    torch.testing.assert_close(noise(x), s * x + m, rtol=1e-15, atol=1e-15)
    scaled = ShiftingNoise([3, 5], 1, dose=0.5, in_spreads=True)
    spread = torch.from_numpy(x.numpy().std(axis=2, keepdims=True))
    torch.testing.assert_close(scaled(x), s * x + m * spread, rtol=1e-14, atol=1e-14)


def test_the_size_of_the_noise_is_a_constant_in_differentiation():
    x = torch.randn(1, 5, 7, dtype=torch.float64, requires_grad=True)
    scaled = ShiftingNoise([3], 0, dose=1.0, in_spreads=True)
    (dx,) = torch.autograd.grad(scaled(x).sum(), x)
    torch.testing.assert_close(dx, torch.from_numpy(scaled.drawn(5, 7)[0]).double())


def test_evaluation_is_the_mean_over_the_noise():
    x = torch.randn(1, 3, 4, dtype=torch.float64)
    noise = ShiftingNoise([0], 0, dose=2.0)
    total = torch.zeros_like(x)
    for noise.step in range(4_000):
        total += noise(x)
    # d = 2: shifts have a standard deviation of 1.2, factors of 0.5, the mean of 4,000 a sixtieth.
    torch.testing.assert_close(noise.eval()(x), total / 4_000, rtol=0.04, atol=0.08)
    torch.testing.assert_close(noise(x), 1.5 * x)


def test_no_noise_is_no_module():
    with pytest.raises(ValueError, match=r"dose 0\.0: noise needs a dose above 0"):
        ShiftingNoise([0], 0, dose=0.0)
