from dataclasses import replace

import numpy as np
import pytest
import torch

from bnkit.experiments import gradient_growth
from bnkit.experiments.gradient_growth import ARMS, GradientGrowth, gradient_norms, measure
from bnkit.layers import functional


@pytest.mark.parametrize("activation", ["relu", "linear"])
@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_the_norms_are_those_of_autograd(activation, weights):
    spec = GradientGrowth(activation=activation, batch_size=7, weights=weights, width=5, depth=3)
    rng = np.random.default_rng(0)
    h = torch.from_numpy(rng.standard_normal((7, 5)))
    normalized = []
    for _ in range(3):
        w = torch.from_numpy(gradient_growth._weights(spec, rng))
        normalized.append(functional.batch_norm((h @ w).requires_grad_(), None, None))
        h = torch.relu(normalized[-1]) if activation == "relu" else normalized[-1]
    gradients = torch.autograd.grad(h, normalized, torch.from_numpy(rng.standard_normal((7, 5))))
    expected = [float(g.norm()) for g in gradients]
    np.testing.assert_allclose(gradient_norms(spec, np.random.default_rng(0)), expected)


def test_relu_and_large_batches_come_near_the_published_constant():
    spec = replace(ARMS["relu-128"], width=256, depth=30)
    found = measure(spec, np.random.default_rng(0))
    assert found["gradient_growth"] == pytest.approx(np.pi / (np.pi - 1), rel=0.05)
    assert found["gradient_norm_growth"] ** 2 == pytest.approx(found["gradient_growth"])
    assert found["total_growth"] == pytest.approx(found["gradient_norm_growth"] ** 29)


def test_orthogonal_weights_keep_lengths():
    spec = GradientGrowth(activation="linear", batch_size=4, weights="orthogonal", width=6)
    w = gradient_growth._weights(spec, np.random.default_rng(0))
    np.testing.assert_allclose(w @ w.T, np.eye(6), atol=1e-14)
