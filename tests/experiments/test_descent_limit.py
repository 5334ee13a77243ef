import numpy as np
import pytest

from bnkit.experiments import descent_limit
from bnkit.experiments.descent_limit import DescentLimit, descend, measure


def test_one_dimension_by_pencil():
    # x² with curvature 2: the limit is 1. Rate 1/2 ends at once, 1 goes back and forth for ever.
    hessian, start = np.array([[2.0]]), np.array([3.0])
    np.testing.assert_allclose(descend(hessian, start, 0.5, 2), [9.0, 0.0, 0.0])
    np.testing.assert_allclose(descend(hessian, start, 1.0, 2), [9.0, 9.0, 9.0])
    np.testing.assert_allclose(descend(hessian, start, 1.5, 2), [9.0, 36.0, 144.0])


def test_the_limit_is_never_wrong():
    found = measure(DescentLimit(num_trials=3), np.random.default_rng(0))
    assert found == {"num_misjudged": 0.0, "trials": 24.0}


def test_a_limit_of_one_over_the_eigenvalue_would_be_noticed(monkeypatch):
    exact = descent_limit.descend
    monkeypatch.setattr(descent_limit, "descend", lambda h, x, rate, n: exact(h, x, rate / 2, n))
    found = measure(DescentLimit(num_trials=3), np.random.default_rng(0))
    assert found["num_misjudged"] == pytest.approx(9)  # 1.01, 1.1 and 1.5 times the limit
