import numpy as np
import pytest

from bnkit.experiments.auto_tuning import AutoTuning, measure


@pytest.mark.parametrize("rate", [0.01, 1.0, 100.0])
def test_the_squared_norm_grows_by_the_squared_steps(rate):
    found = measure(AutoTuning(rate=rate, levels=(10, 300)), np.random.default_rng(0))
    assert found["norm_growth_error"] < 1e-11
    assert found["norm_growth"] > 1.0
    assert found["smallest_gradient@300"] < found["smallest_gradient@10"]


def test_a_step_that_is_not_orthogonal_would_be_noticed(monkeypatch):
    from bnkit.experiments import auto_tuning, one_neuron

    def tilted(w, hessian, cross):
        loss, gradient = one_neuron.normalized(w, hessian, cross)
        return loss, gradient + 1e-6 * w

    monkeypatch.setattr(auto_tuning, "normalized", tilted)
    found = measure(AutoTuning(rate=1.0, levels=(300,)), np.random.default_rng(0))
    assert found["norm_growth_error"] > 1e-7


def test_the_smallest_gradient_so_far_counts(monkeypatch):
    from bnkit.experiments import auto_tuning

    sizes = iter([3.0, 1.0, 2.0])
    axis = np.eye(50)[0]
    monkeypatch.setattr(
        auto_tuning, "normalized", lambda w, hessian, cross: (0, next(sizes) * axis)
    )
    found = measure(AutoTuning(rate=0.0, levels=(1, 2, 3)), np.random.default_rng(0))
    assert [found[f"smallest_gradient@{t}"] for t in (1, 2, 3)] == pytest.approx([3.0, 1.0, 1.0])


def test_every_rate_gets_the_same_problem():
    first, second = (
        measure(AutoTuning(rate=rate, levels=(1,)), np.random.default_rng(0))
        for rate in (0.1, 10.0)
    )
    assert first["smallest_gradient@1"] == second["smallest_gradient@1"]
