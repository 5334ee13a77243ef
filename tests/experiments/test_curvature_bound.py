import numpy as np
import pytest
import torch
from torch.autograd.functional import hessian, jacobian

from bnkit.experiments.curvature_bound import (
    CurvatureBound,
    isotropic,
    measure,
    premise_share,
    quadratic,
    sides,
    softmax,
)
from bnkit.models import StackedMLP
from bnkit.rows import StepEvent

DOUBLE = torch.float64
# a small standing net of numbers: 3 trials of 5 activations
Y = torch.from_numpy(np.random.default_rng(4).standard_normal((3, 5)))
GAMMA = torch.tensor([0.5, 1.0, 2.0], dtype=DOUBLE)


def bn(y, gamma):
    return gamma * (y - y.mean()) / y.var(correction=0).sqrt()


def test_three_points_by_pencil():
    # y = (-1, 0, 1) √(3/2): σ = 1, ŷ = y. Loss Σ c z + h ‖z‖²/2 with c = (1, 0, 0), γ = 1:
    # g = c + h ŷ, and ‖z‖² is constant, so v = Pc = c - 1/3 + ŷ √(3/2)/3 = (1, -2, 1)/6, and
    # Ĥv is that of c alone. With ŷᵀv = 0: vᵀĤv = -⟨c, ŷ⟩ ‖v‖²/3 = √(3/2)/3 · 1/6, any h.
    y = torch.tensor([[-1.0, 0.0, 1.0]], dtype=DOUBLE) * 1.5**0.5
    for h in (0.0, 2.0):
        it = sides(
            y, torch.ones(1, dtype=DOUBLE), lambda z, h=h: z[:, 0] + h * z.square().sum(1) / 2
        )
        assert float(it.own) == pytest.approx(1 / 6)
        assert float(it.left) == pytest.approx(1.5**0.5 / 18)
        assert float(it.first) == pytest.approx(1.5**0.5 / 18)
        assert float(it.along) == pytest.approx(3 * h - 1.5**0.5)
        assert float(it.plain) == pytest.approx(h * (1 - 2 * h * 1.5**0.5 + 3 * h**2))


@pytest.mark.parametrize("make", [quadratic, isotropic, softmax])
def test_every_side_by_full_hessians_one_trial_at_a_time(make):
    loss = make(3, 5, 4, np.random.default_rng(0))
    it = sides(Y, GAMMA, loss)
    for t in range(3):

        def alone(z, t=t):
            return loss(torch.zeros(3, 5, dtype=DOUBLE).index_put((torch.tensor(t),), z))[t]

        def through_bn(y, alone=alone, gamma=GAMMA[t]):
            return alone(bn(y, gamma))

        z, m, sigma, gamma = bn(Y[t], GAMMA[t]), 5, Y[t].var(correction=0).sqrt(), GAMMA[t]
        g = jacobian(alone, z)
        h = hessian(alone, z)
        v = jacobian(through_bn, Y[t])
        h_hat = hessian(through_bn, Y[t])
        along = g @ (z / gamma)
        turned = gamma / (m * sigma**2) * along * (v @ v)
        assert torch.linalg.eigvalsh(h).min() > -1e-12  # convex
        assert it.left[t] == pytest.approx(float(v @ h_hat @ v), rel=1e-9)
        assert it.first[t] == pytest.approx(
            float(gamma**2 / sigma**2 * v @ h @ v - turned), rel=1e-9
        )
        second = gamma**2 / sigma**2 * (g @ h @ g - along * (v @ v) / (m * gamma))
        assert it.second[t] == pytest.approx(float(second), rel=1e-9)
        assert bool(it.narrow[t]) == bool(sigma < gamma)


def test_the_first_bound_is_an_equation_with_the_premise_and_without_it():
    for make in (quadratic, isotropic, softmax):
        it = sides(Y, GAMMA, make(3, 5, 4, np.random.default_rng(1)))
        torch.testing.assert_close(it.left, it.first, rtol=1e-10, atol=1e-12)


def test_where_sigma_is_small_the_second_bound_fails_with_a_multiple_of_the_identity():
    def loss(z):
        return 0.5 * (z - torch.tensor([1.0, 1.0, -1.0, -1.0, 0.0], dtype=DOUBLE)).square().sum(1)

    y = torch.tensor([[1.0, -1.0, 1.0, -1.0, 0.5]], dtype=DOUBLE)
    gamma = torch.ones(1, dtype=DOUBLE)
    small, large = sides(0.1 * y, gamma, loss), sides(10 * y, gamma, loss)
    assert small.along > 0
    assert small.left > small.second
    assert small.own > small.upstream
    assert large.left < large.second


def test_counts_add_up_and_premises_are_met():
    spec = CurvatureBound(num_trials=300)
    found = measure(spec, np.random.default_rng(0))
    # in the spec itself, at the same share of trials, at least the 10,000 of the claim
    assert found["trials"] * CurvatureBound().num_trials / spec.num_trials > 10_000
    assert 1000 < found["trials"] < 1750  # without the premise there would be 1,800
    assert found["held"] == found["trials"]
    assert found["identity_error"] < 1e-9
    assert found["second_misforetold"] == 0
    for name in ("trials", "larger", "second_trials", "second_held"):
        parts = (found[f"{name}-sigma-below-gamma"], found[f"{name}-sigma-above-gamma"])
        assert found[name] == sum(parts)
    assert 0 < found["second_trials"] < found["trials"]


def test_the_premise_is_the_sign_of_the_gradient_by_gamma():
    model = StackedMLP((4, 6, 3), (2,), norm="batch", activation="relu").double()
    x = torch.randn(1, 30, 4, dtype=DOUBLE)
    y = torch.randint(0, 3, (1, 30))
    kept = {}

    def keep(module, inputs, output):
        x_hat = (inputs[0] - inputs[0].mean(-1, keepdim=True)) / inputs[0].std(
            -1, keepdim=True, correction=0
        )
        output.retain_grad()
        kept.update(x_hat=x_hat.detach(), output=output)

    with torch.enable_grad():
        handle = model.norms[0].register_forward_hook(keep)
        torch.nn.functional.cross_entropy(model(x)[0], y[0]).backward()
        handle.remove()
    along = (kept["output"].grad * kept["x_hat"]).sum(-1)[0]
    (row,) = premise_share(StepEvent(0, model, (2,), x, y, 0.1))
    assert row.value == pytest.approx(float((along >= 0).double().mean()))
    assert 0 < row.value < 1
