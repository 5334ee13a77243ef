import numpy as np
import pytest
import torch

from bnkit.experiments.any_learning_rate import ARMS, AnyLearningRate, measure, with_batch_norm
from bnkit.layers import functional


def test_loss_and_gradients_are_those_of_the_layer():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 3))
    x -= x.mean(axis=0)  # BN subtracts the mean; the paper's inputs have none
    y = rng.standard_normal(20)
    start = rng.standard_normal(3)
    a, w = torch.tensor(0.7, dtype=torch.float64), torch.from_numpy(start)
    a.requires_grad_(), w.requires_grad_()
    output = a * functional.batch_norm((torch.from_numpy(x) @ w)[:, None], None, None)[:, 0]
    loss = 0.5 * (output - torch.from_numpy(y)).square().mean()
    da, dw = torch.autograd.grad(loss, (a, w))
    found = with_batch_norm(np.array([[0.7]]), start[None], x.T @ x / 20, x.T @ y / 20)
    assert found[0] == pytest.approx(loss.item() - 0.5 * np.mean(y**2))
    assert found[1] == pytest.approx(da.item())
    np.testing.assert_allclose(found[2][0], dw.numpy(), atol=1e-14)


def small(arm, **changes):
    spec = AnyLearningRate(norm=ARMS[arm].norm, **{"num_steps": 3_000, **changes})
    return measure(spec, np.random.default_rng(0))


def test_without_bn_the_limit_decides():
    found = small("none")
    assert found["share_diverged_above_limit"] == 1.0
    assert found["num_diverged_below_limit"] == 0.0
    assert found["num_diverged"] == 8.0
    assert found["excess_loss@0.01"] < 1e-9


def test_a_finite_loss_above_that_of_predicting_zero_has_diverged():
    assert small("none", num_steps=5)["excess_loss@0.1"] == np.inf


def test_with_bn_no_rate_diverges():
    found = small("batch")
    assert found["num_diverged"] == 0.0
    assert found["excess_loss@1"] < 1e-9


def test_a_large_rate_for_the_scale_as_well_diverges():
    # a - 1 is multiplied by 1 - rate in each step once w is still: beyond 2 it cannot settle.
    assert small("batch", scale_rate=3.0)["num_diverged"] == 10.0
