import numpy as np
import pytest

from bnkit.experiments import orthogonal_gradient
from bnkit.layers import functional

SPEC = orthogonal_gradient.OrthogonalGradient(num_trials=10)


def measured():
    return orthogonal_gradient.measure(SPEC, np.random.default_rng(0))


def test_the_gradient_is_orthogonal_and_eps_tilts_it_in_proportion():
    found = measured()
    assert found["cosine"] < 1e-13
    # ⟨w, dw⟩ = eps / (var + eps) Σ dy x_hat: proportional to eps while it is small.
    assert found["cosine@0.0001"] / found["cosine@1e-06"] == pytest.approx(100.0, rel=1e-3)
    assert found["cosine@0.1"] < 100 * found["cosine@0.001"]


def test_without_normalization_the_gradient_is_not_orthogonal(monkeypatch):
    monkeypatch.setattr(functional, "batch_norm", lambda x, gamma, beta, eps: x)
    assert measured()["cosine"] > 0.1
