import numpy as np
import pytest

from bnkit.experiments.lipschitz_on_grids import LipschitzOnGrids, largest_quotient, measure


def test_three_points_by_pencil():
    # Slopes 1, 3 and, across both, 7/3.
    assert largest_quotient(np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 7.0])) == 3.0


def test_a_sine_has_constant_one():
    x = np.linspace(-1.0, 1.0, 401)
    assert largest_quotient(x, np.sin(x)) == pytest.approx(1.0, abs=1e-5)


def test_finer_grids_come_closer():
    coarse, fine = (
        measure(LipschitzOnGrids(num_trials=2, num_points=n), np.random.default_rng(0))["max_error"]
        for n in (100, 800)
    )
    assert fine < coarse / 10
    assert fine < 1e-3
