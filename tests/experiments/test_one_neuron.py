import numpy as np
import pytest
import torch

from bnkit.experiments.one_neuron import ARMS, OneNeuron, descend, measure, normalized
from bnkit.layers import functional


def problem(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((30, 4))
    x -= x.mean(axis=0)
    u, w = rng.standard_normal((2, 4))
    y = x @ u / (x @ u).std()
    return x, y, x.T @ x / 30, x.T @ y / 30, u, w


def test_loss_and_gradient_are_those_of_the_layer():
    x, y, hessian, cross, _, w = problem()
    weights = torch.tensor(w, requires_grad=True)
    output = functional.batch_norm((torch.from_numpy(x) @ weights)[:, None], None, None)[:, 0]
    expected = 0.5 * (output - torch.from_numpy(y)).square().mean()
    (gradient,) = torch.autograd.grad(expected, weights)
    found, found_gradient = normalized(w, hessian, cross)
    assert found == pytest.approx(expected.item())
    np.testing.assert_allclose(found_gradient, gradient.numpy(), atol=1e-14)
    assert w @ found_gradient == pytest.approx(0.0, abs=1e-14)


def test_every_multiple_of_the_true_weights_is_a_minimum():
    _, _, hessian, cross, u, _ = problem()
    for a in (0.1, 1.0, 30.0):
        loss, gradient = normalized(a * u, hessian, cross)
        assert loss == pytest.approx(0.0, abs=1e-14)
        np.testing.assert_allclose(gradient, 0.0, atol=1e-12)


def test_decay_alone_ends_at_ridge_regression():
    _, _, hessian, cross, _, w = problem()
    losses = descend(OneNeuron(method="decay", times=60.0), hessian, cross, w, level=0.01)
    assert losses[-1] < 1e-20 < losses[0]


def test_only_both_together_keep_the_loss_up():
    floors = {}
    for arm, spec in ARMS.items():
        small = OneNeuron(method=spec.method, levels=(0.01,), num_examples=50)
        floors[arm] = measure(small, np.random.default_rng(0))["loss_floor@0.01"]
    assert floors["batch"] < 1e-12
    assert floors["decay"] < 1e-12
    assert floors["both"] > 1e-4
