import numpy as np
import pytest
import torch

from bnkit.experiments.linear_chain import LinearChain, change, measure, orders


def test_two_layers_by_pencil():
    # w = (2, 3): y = 6, g = (3, 2). Rate 0.1: 1.7 * 2.8 = 4.76 = 6 - 0.1 * 13 + 0.01 * 6.
    w = np.array([2.0, 3.0])
    np.testing.assert_allclose(orders(w, 0.1), [6.0, -1.3, 0.06])
    assert change(w, 0.1) == pytest.approx(-1.24, rel=1e-14)


def test_orders_one_and_two_are_those_of_autograd():
    w = np.random.default_rng(0).uniform(0.5, 1.5, 5)
    found = orders(w, rate=0.01, x=2.0)
    at = torch.from_numpy(w)

    def chain(w):
        return 2.0 * w.prod()

    g, hessian = torch.func.grad(chain)(at), torch.autograd.functional.hessian(chain, at)
    assert found[1] == pytest.approx(-0.01 * float(g @ g))
    assert found[2] == pytest.approx(0.5 * 0.01**2 * float(g @ hessian @ g))


def test_all_orders_together_are_the_change_and_grow_with_depth_and_rate():
    found = measure(LinearChain(num_trials=5), np.random.default_rng(0))
    assert found["max_error"] < 1e-11
    assert found["higher_share-0.1@20"] > found["higher_share-0.1@5"] > found["higher_share-0.01@5"]


def test_leaving_out_the_highest_order_would_be_noticed():
    w = np.ones(4)  # y = 1, g = 1: the chain becomes (1 - rate)^4, its last term rate^4
    assert orders(w, 0.1)[:-1].sum() - 1 - change(w, 0.1) == pytest.approx(-1e-4)
