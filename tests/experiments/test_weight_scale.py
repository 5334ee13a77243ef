import numpy as np
import pytest

from bnkit.experiments import weight_scale

SPEC = weight_scale.WeightScale(num_trials=2)


@pytest.fixture(scope="module")
def found():
    return weight_scale.measure(SPEC, np.random.default_rng(0))


def test_output_jacobian_and_gradient_scale_as_the_paper_says(found):
    assert found["max_error"] < 1e-12
    assert found["max_error"] == max(
        found[f"{part}_error"] for part in ("output", "jacobian", "gradient")
    )


@pytest.mark.parametrize("eps", [1e-5, 1e-3])
@pytest.mark.parametrize("a", [0.01, 0.1, 10.0])
def test_eps_breaks_it_by_as_much_as_the_formula_says(found, eps, a):
    # var = 1: the output is x_hat / sqrt(1 + eps) at scale 1, a x_hat / sqrt(a² + eps) at scale a.
    expected = abs(a * np.sqrt(1 + eps) / np.sqrt(a**2 + eps) - 1)
    assert found[f"violation-eps-{eps:g}@{a:g}"] == pytest.approx(expected, rel=1e-6)


def test_a_layer_with_an_eps_would_be_noticed(monkeypatch):
    exact = weight_scale._layer
    monkeypatch.setattr(weight_scale, "_layer", lambda w, u, eps=0.0: exact(w, u, eps + 1e-6))
    assert weight_scale.measure(SPEC, np.random.default_rng(0))["max_error"] > 1e-4
