import numpy as np
import pytest

from bnkit.experiments.near_the_origin import NearTheOrigin, measure


def test_ten_times_nearer_is_ten_times_steeper_and_a_hundred_times_more_curved():
    found = measure(NearTheOrigin(), np.random.default_rng(0))
    for near, far in ((0.001, 0.01), (0.1, 1.0)):
        gradients = found[f"gradient_norm@{near:g}"] / found[f"gradient_norm@{far:g}"]
        hessians = found[f"hessian_norm@{near:g}"] / found[f"hessian_norm@{far:g}"]
        assert gradients == pytest.approx(10.0, rel=1e-9)
        assert hessians == pytest.approx(100.0, rel=1e-9)


def test_an_eps_ends_the_growth():
    spec = NearTheOrigin(norms=(1e-5, 1e-4, 1.0))
    found = measure(spec, np.random.default_rng(0))
    assert found["gradient_norm_with_eps@1e-05"] < 1.1 * found["gradient_norm_with_eps@0.0001"]
    assert found["gradient_norm_with_eps@1"] == pytest.approx(found["gradient_norm@1"], rel=1e-2)
