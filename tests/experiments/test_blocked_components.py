import numpy as np
import pytest
import torch

from bnkit.experiments import blocked_components
from bnkit.experiments.blocked_components import component, share_left
from bnkit.layers import functional

SPEC = blocked_components.BlockedComponents(num_trials=3)
ONE, ZERO = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)


def test_four_points_by_pencil():
    # x_hat = (-1, -1, 1, 1). Of dy = (1, 0, 0, 0) the mean takes 1/4 of the square and x_hat 1/4.
    x = torch.tensor([[-3.0], [-3.0], [5.0], [5.0]], dtype=torch.float64)
    assert share_left(lambda y: y[0, 0], x, ONE, ZERO) == pytest.approx(0.5**0.5)
    assert share_left(lambda y: y.sum(), x, ONE, ZERO) == pytest.approx(0.0, abs=1e-15)
    assert share_left(lambda y: y.square().sum(), x, ONE, ZERO) == pytest.approx(0.0, abs=1e-15)
    assert component(lambda y: y[0, 0], x, ONE, ZERO) == pytest.approx(0.0, abs=1e-15)


def test_a_product_of_channels_gets_through():
    found = blocked_components.measure(SPEC, np.random.default_rng(0))
    assert max(found["max_error"], found["first_order_left"], found["diagonal_left"]) < 1e-12
    assert found["off_diagonal_left"] > 0.1


def test_a_layer_that_stops_the_gradient_of_the_statistics_would_be_noticed(monkeypatch):
    def stopped(x, gamma, beta, eps=0.0):
        y = (x - x.mean(0).detach()) / x.std(0, correction=0).detach()
        return y if gamma is None else gamma * y + beta

    monkeypatch.setattr(functional, "batch_norm", stopped)
    found = blocked_components.measure(SPEC, np.random.default_rng(0))
    assert found["max_error"] > 0.1
    assert found["first_order_left"] == pytest.approx(1.0)
