from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnkit.data import load
from bnkit.experiments.gradient_variance import (
    ARMS,
    FRESH,
    GradientVariance,
    Net,
    gradients_of_examples,
    initial,
    measure,
    shares,
    trained,
)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def net_and_examples(rng):
    net = initial(rng, 5, 4, 3)
    net = net._replace(b=rng.standard_normal(4), c=rng.standard_normal(3))
    return net, rng.standard_normal((7, 5)), np.eye(3)[rng.integers(3, size=7)]


def loss_by_torch(parameters, x, y):
    w, b, v, c = parameters
    logits = torch.tanh(torch.from_numpy(x) @ w.T + b) @ v.T + c
    return F.cross_entropy(logits, torch.from_numpy(y.argmax(axis=1)))


def by_torch(net, x, y):
    """The gradient of the mean loss by automatic differentiation, one row of numbers."""
    parameters = [torch.tensor(p, requires_grad=True) for p in net]
    gradients = torch.autograd.grad(loss_by_torch(parameters, x, y), parameters)
    return np.concatenate([g.numpy().ravel() for g in gradients])


def test_the_gradient_of_each_example_is_that_of_automatic_differentiation(net_and_examples):
    net, x, y = net_and_examples
    each = gradients_of_examples(net, x, y)
    for k in range(len(x)):
        np.testing.assert_allclose(each[k], by_torch(net, x[k : k + 1], y[k : k + 1]), atol=1e-12)


def test_a_step_is_one_along_the_full_gradient(net_and_examples):
    net, x, y = net_and_examples
    after = trained(net, x, y, GradientVariance(num_steps=1, rate=0.25))
    moved = np.concatenate([(a - b).ravel() for a, b in zip(after, net, strict=True)])
    np.testing.assert_allclose(moved, -0.25 * by_torch(net, x, y), atol=1e-12)
    assert isinstance(after, Net)


@pytest.mark.parametrize("replacement", [True, False])
def test_a_batch_of_m_gives_m_shares_that_add_up_to_one(rng, replacement):
    spec = GradientVariance(replacement=replacement, num_draws=50)
    found = shares(spec, rng, 6, 4)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert bool((found > 0.25).any()) is replacement  # an example twice


@pytest.mark.parametrize("replacement", [True, False])
def test_the_variance_is_that_of_one_example_over_m(replacement):
    spec = GradientVariance(replacement=replacement, batch_sizes=(4, 512), num_draws=400)
    found = measure(spec, np.random.default_rng(1))
    data = load("digits")
    x, y = data.train.flat.astype(float), np.eye(10)[data.train.y]
    net = initial(np.random.default_rng(1), x.shape[1], spec.width, 10)
    each = gradients_of_examples(net, x, y)
    full, m = each.mean(axis=0), len(x)
    of_one = each.var(axis=0).sum() / (full @ full)
    for size in spec.batch_sizes:
        wanted = of_one / size * (1 if replacement else (m - size) / (m - 1))
        assert found[f"gradient_relative_variance@{size}"] == pytest.approx(wanted, rel=0.1)
        assert 0 < found[f"gradient_cosine@{size}"] < 1


def test_the_whole_set_without_replacement_is_the_full_gradient():
    spec = GradientVariance(replacement=False, batch_sizes=(1077,), num_draws=3)
    found = measure(spec, np.random.default_rng(0))
    assert found["gradient_relative_variance@1077"] == pytest.approx(0.0, abs=1e-20)
    assert found["gradient_cosine@1077"] == pytest.approx(1.0)


def test_each_arm_differs_from_the_judged_one_in_one_thing():
    assert ARMS["trials"] == FRESH
    assert replace(ARMS["without-replacement"], replacement=True) == FRESH
    assert replace(ARMS["trained"], num_steps=0) == FRESH
