import numpy as np
import pytest

from bnkit.experiments.exponential_rate import ExponentialRate, measure
from bnkit.layers import functional


def test_decay_and_growth_are_the_same_function_at_every_step():
    found = measure(ExponentialRate(num_steps=40), np.random.default_rng(0))
    assert found["max_error"] < 1e-12
    assert found["error_at_fixed_rate"] > 1e-3  # the rate has to grow for that
    assert found["rate_growth"] == pytest.approx(0.995**-78)


def test_without_decay_all_three_are_one():
    found = measure(ExponentialRate(num_steps=5, decay=0.0), np.random.default_rng(0))
    assert found["error_at_fixed_rate"] == 0.0
    assert found["rate_growth"] == 1.0


def test_with_an_eps_they_differ(monkeypatch):
    exact = functional.batch_norm
    monkeypatch.setattr(functional, "batch_norm", lambda x, gamma, beta: exact(x, gamma, beta, 0.1))
    assert measure(ExponentialRate(num_steps=40), np.random.default_rng(0))["max_error"] > 1e-6
