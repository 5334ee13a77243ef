import numpy as np
import pytest

from bnkit.experiments.uniform_noise_shift import UniformNoiseShift, measure


def test_noise_of_a_tenth_costs_one_part_in_three_hundred():
    found = measure(UniformNoiseShift(num_samples=400_000), np.random.default_rng(0))
    assert found["ratio@0.1"] == pytest.approx(300 / 301, abs=1e-3)
    assert found["ratio@1"] == pytest.approx(0.75, abs=5e-3)
    assert found["max_error"] < 5e-3


def test_a_mean_other_than_zero_breaks_the_formula():
    # b = 1, c = 2: v / (v + (c² + v) / 3) = 1 / (1 + 5 / 3) = 3/8, half of 3/4.
    found = measure(UniformNoiseShift(num_samples=400_000), np.random.default_rng(0))
    assert found["error_at_other_mean"] == pytest.approx(0.5, abs=0.01)
