import numpy as np
import pytest
import torch

from bnkit.experiments.smoothness_of_quadratics import SmoothnessOfQuadratics, climb, measure


def test_the_eigenvalue_of_largest_size_counts_also_if_it_is_negative():
    a = torch.diag(torch.tensor([2.0, -3.0], dtype=torch.float64))
    b, x, move = torch.tensor([[1.0, 1.0], [0.3, 0.2], [1.0, 1.0]], dtype=torch.float64)
    assert climb(a, b, x, move, num_iterations=60) == pytest.approx(3.0)


def test_random_quadratics_reach_their_constant_and_never_exceed_it():
    spec = SmoothnessOfQuadratics(num_trials=2)
    found = measure(spec, np.random.default_rng(0))
    assert found["max_error"] < 1e-8
    assert found["largest_random"] <= 1 + 1e-12
