import numpy as np
import pytest

from bnkit.experiments.dropout_variance_shift import DropoutVarianceShift, measure, shift


def test_three_shifts_by_pencil():
    assert shift(p=0.5, c=0.0, v=3.0) == pytest.approx(0.5)  # mean 0: it is p
    assert shift(p=0.5, c=1.0, v=1.0) == pytest.approx(1 / 3)  # 1 / (2 / 0.5 - 1)
    assert shift(p=1.0, c=5.0, v=2.0) == pytest.approx(1.0)  # nothing is dropped


def test_two_values_and_a_coin_enumerated():
    # x is c - 1 or c + 1, kept or dropped: four cases, so the variance is exact.
    c, p = 2.0, 0.25
    x = np.array([c - 1, c + 1, 0.0, 0.0]) / np.array([p, p, 1.0, 1.0])
    chance = np.array([p, p, 1 - p, 1 - p]) / 2
    in_training = chance @ x**2 - (chance @ x) ** 2
    assert shift(p, c, v=1.0) == pytest.approx(1.0 / in_training)


def test_the_monte_carlo_finds_the_formula():
    found = measure(DropoutVarianceShift(num_samples=400_000), np.random.default_rng(0))
    assert found["max_error"] < 0.02  # 5 standard errors at p = 0.3
    assert found["ratio-0@0.7"] == pytest.approx(0.7, rel=0.01)
