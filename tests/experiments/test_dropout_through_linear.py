import numpy as np
import pytest

from bnkit.experiments.dropout_through_linear import (
    ARMS,
    DropoutThroughLinear,
    draw_weights,
    measure,
    shift,
)


def test_the_shift_is_that_of_the_covariance_matrices():
    spec = DropoutThroughLinear(cos_squared=None, correlation=0.4, kept=0.7, mean=1.5, variance=2.0)
    w = np.random.default_rng(0).standard_normal(6)
    covariance = spec.variance * (0.6 * np.eye(6) + 0.4 * np.ones((6, 6)))
    dropped = (spec.mean**2 + spec.variance) * (1 / spec.kept - 1) * np.eye(6)
    expected = (w @ covariance @ w) / (w @ (covariance + dropped) @ w)
    assert shift(spec, w) == pytest.approx(expected)


def test_uncorrelated_inputs_keep_the_shift_of_a_single_unit():
    spec = DropoutThroughLinear(cos_squared=0.05, correlation=0.0)
    for width in (16, 10_000):
        w = draw_weights(spec, width, np.random.default_rng(0))
        assert shift(spec, w) == pytest.approx(0.5)


def test_the_weights_have_the_angle_that_was_asked_for():
    w = draw_weights(ARMS["trials"], 300, np.random.default_rng(0))
    assert w.sum() ** 2 / (300 * (w @ w)) == pytest.approx(0.05)


def test_only_weights_at_a_fixed_angle_let_the_shift_disappear():
    wide = [DropoutThroughLinear(cos_squared=cos) for cos in (0.05, None)]
    fixed, free = (
        np.mean(
            [shift(spec, draw_weights(spec, 10**6, np.random.default_rng(i))) for i in range(9)]
        )
        for spec in wide
    )
    assert fixed > 0.999
    assert free < 0.7


def test_the_monte_carlo_finds_the_formula():
    spec = DropoutThroughLinear(cos_squared=0.05, widths=(16, 256), num_samples=20_000)
    found = measure(spec, np.random.default_rng(0))
    assert found["formula_error"] < 0.04
    assert found["distance_from_one@256"] < found["distance_from_one@16"]
    assert found["steps_held"] == 1
