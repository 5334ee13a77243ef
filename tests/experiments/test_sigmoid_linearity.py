import numpy as np
import pytest
from scipy import stats

from bnkit.experiments.sigmoid_linearity import SigmoidLinearity, measure


def test_r_squared_agrees_with_gauss_hermite_quadrature():
    nodes, weights = np.polynomial.hermite_e.hermegauss(150)
    weights = weights / weights.sum()
    found = measure(SigmoidLinearity(), np.random.default_rng(0))
    for gamma in (0.5, 1.0, 2.0, 4.0):
        s = 1.0 / (1.0 + np.exp(-gamma * nodes)) - 0.5  # odd, so its mean is 0
        expected = (weights @ (nodes * s)) ** 2 / (weights @ s**2)
        assert found[f"linear_r2@{gamma:g}"] == pytest.approx(expected, abs=3e-3)


def test_the_share_within_one_is_that_of_the_normal_distribution():
    found = measure(SigmoidLinearity(), np.random.default_rng(0))
    for gamma in (1.0, 4.0):
        expected = 2 * stats.norm.cdf(1 / gamma) - 1
        assert found[f"share_within_one@{gamma:g}"] == pytest.approx(expected, abs=6e-3)
