import numpy as np

from bnkit.experiments import bias_is_lost
from bnkit.layers import functional

SPEC = bias_is_lost.BiasIsLost(num_trials=9)


def measured():
    return bias_is_lost.measure(SPEC, np.random.default_rng(0))


def test_a_bias_changes_nothing_and_gets_no_gradient():
    found = measured()
    assert found["output_change"] < 1e-12
    assert found["bias_gradient"] < 1e-12


def test_a_layer_that_keeps_the_mean_would_be_noticed(monkeypatch):
    def scaled_only(x, gamma, beta, eps):
        return gamma * x / (x.var(0, correction=0) + eps).sqrt() + beta

    monkeypatch.setattr(functional, "batch_norm", scaled_only)
    found = measured()
    assert found["output_change"] > 0.1
    assert found["bias_gradient"] > 1e-3
