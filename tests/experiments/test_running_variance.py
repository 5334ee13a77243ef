import numpy as np
import pytest

from bnkit.experiments import running_variance


@pytest.mark.parametrize("size", [2, 5, 100])
def test_the_biased_convention_misses_by_one_in_m_less_one(size):
    # m / (m - 1) - 1 = 1 / (m - 1): at m = 2 the two conventions differ by a factor of 2.
    spec = running_variance.RunningVariance(batch_sizes=(size,))
    found = running_variance.measure(spec, np.random.default_rng(0))
    assert found["error_unbiased"] < 1e-12
    assert found["error_biased"] == pytest.approx(1 / (size - 1))
    assert found["own_error_biased"] == pytest.approx(1 / (size - 1))


def test_of_all_trials_the_one_nearest_to_the_biased_convention_counts():
    spec = running_variance.RunningVariance(batch_sizes=(2, 11, 3))
    found = running_variance.measure(spec, np.random.default_rng(0))
    assert found["error_biased"] == pytest.approx(0.1)
