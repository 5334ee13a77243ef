import numpy as np
import pytest

from bnkit.experiments.quadratic_remainder import QuadraticRemainder, measure


def test_the_error_is_half_the_curvature_times_the_squared_step():
    curvature, w = np.exp(np.random.default_rng(7).standard_normal(2))
    found = measure(QuadraticRemainder(), np.random.default_rng(7))
    for rate in (0.01, 1.0):
        expected = 0.5 * curvature * (rate * curvature * w) ** 2
        assert found[f"first_order_error@{rate:g}"] == pytest.approx(expected, rel=1e-9)
