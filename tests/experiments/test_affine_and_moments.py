import numpy as np
import pytest
from scipy import stats

from bnkit import reference
from bnkit.experiments import affine_and_moments
from bnkit.experiments.affine_and_moments import statistics


def test_two_equal_points_by_pencil():
    # (-1, 1): skewness 0, kurtosis 1 and so an excess of -2; opposite channels correlate at -1.
    x = np.array([[-1.0, 3.0], [1.0, -3.0]])
    np.testing.assert_allclose(statistics(x), [0.0, 0.0, -2.0, -2.0, -1.0], atol=1e-15)


def test_the_statistics_are_those_of_scipy():
    x = np.random.default_rng(0).exponential(size=(50, 3))
    correlation = np.corrcoef(x.T)[np.triu_indices(3, 1)]
    expected = [*stats.skew(x), *stats.kurtosis(x), *correlation]
    np.testing.assert_allclose(statistics(x), expected)


def measured():
    spec = affine_and_moments.AffineAndMoments(num_trials=10)
    return affine_and_moments.measure(spec, np.random.default_rng(0))


def test_only_mean_and_variance_change():
    found = measured()
    assert found["max_error"] < 1e-12
    assert found["error_of_sizes"] < 1e-12
    assert found["change_of_moments"] > 0.1


def test_a_negative_gamma_turns_signs():
    x = np.random.default_rng(0).exponential(size=(50, 2))
    y, _ = reference.batch_norm_forward(x, [-2.0, 1.0], [0.0, 0.0], eps=0.0)
    signs = [-1, 1, 1, 1, -1]  # skewness and correlation of the turned channel
    np.testing.assert_allclose(statistics(y), signs * statistics(x))


def test_a_layer_that_is_not_affine_would_be_noticed(monkeypatch):
    exact = reference.batch_norm_forward

    def bent(x, gamma, beta, eps):
        y, cache = exact(x, gamma, beta, eps)
        return y + 1e-6 * y**2, cache

    monkeypatch.setattr(reference, "batch_norm_forward", bent)
    assert measured()["max_error"] == pytest.approx(0.0, abs=1.0)
    assert measured()["max_error"] > 1e-7
