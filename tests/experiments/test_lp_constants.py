import numpy as np
import pytest
from scipy import stats

from bnkit.experiments.lp_constants import LpConstants, linf_constant, measure


def expected_largest(n):
    """E max |x| of n normal variables: the integral of P(max > t)."""
    t = np.linspace(0.0, 10.0, 20_001)
    return np.trapezoid(1 - (2 * stats.norm.cdf(t) - 1) ** n, t)


def test_the_largest_of_one_is_the_mean_absolute_value():
    assert expected_largest(1) == pytest.approx(np.sqrt(2 / np.pi))  # 1 / C₁


def test_the_constant_of_the_code_by_pencil():
    # n = e^8: sqrt(2 * 8) = 4, and sqrt(pi ln 4) = 2.0869.
    assert linf_constant(np.exp(8)) == pytest.approx((1 + 2.0869) / 8, rel=1e-4)


def test_the_bias_is_that_of_the_expected_maximum():
    found = measure(LpConstants(sizes=(64, 1024), num_samples=400), np.random.default_rng(0))
    for n in (64, 1024):
        expected = linf_constant(n) * expected_largest(n) - 1
        assert found[f"linf_bias@{n}"] == pytest.approx(expected, abs=0.03)
    assert found["linf_error"] == max(found["linf_bias@64"], found["linf_bias@1024"])
    assert found["l1_error"] < 0.01


def test_one_largest_value_is_the_maximum():
    spec = LpConstants(sizes=(64,), num_samples=10, top_k=1)
    found = measure(spec, np.random.default_rng(0))
    assert found["top_k_bias@64"] == pytest.approx(found["linf_bias@64"])
