import numpy as np
import pytest

from bnkit.experiments import batch_moments
from bnkit.layers import functional

SPEC = batch_moments.BatchMoments(num_trials=30)


def measured():
    return batch_moments.measure(SPEC, np.random.default_rng(0))


def test_both_moments_are_as_the_algorithm_says():
    found = measured()
    assert found["max_error"] < 1e-12
    assert found["error_without_eps"] > 0.1  # eps does count where the spread is small


def test_a_layer_with_the_unbiased_variance_would_be_noticed(monkeypatch):
    def unbiased(x, gamma, beta, eps):
        return gamma * (x - x.mean(0)) / (x.var(0, correction=1) + eps).sqrt() + beta

    monkeypatch.setattr(functional, "batch_norm", unbiased)
    assert measured()["max_error"] > 1e-3


def test_batches_have_the_sizes_that_the_spec_allows():
    sizes = {len(batch_moments._batch(SPEC, np.random.default_rng(i))) for i in range(300)}
    assert min(sizes) == 2
    assert max(sizes) == pytest.approx(SPEC.largest_batch, abs=1)
