import copy
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnkit.models import StackedMLP
from bnkit.probes import SizeByDepth, WeightsByDepth
from bnkit.probes.depth import log_growth


def product(outputs, _):
    return outputs.sum()


def test_a_chain_that_doubles_by_pencil(event_of, chain, read):
    # inputs 1, 2, 4 of three layers of weight 2; dL/dinput is 8, 4, 2
    probe = SizeByDepth(layers=("0", "1", "2"), loss=product)
    assert read(probe(event_of(chain(2.0, 2.0, 2.0)))) == pytest.approx(
        {
            "activation_1": 1.0, "activation_2": 2.0, "activation_3": 4.0,
            "activation_growth": math.log(2), "activation_growth_r2": 1.0,
            "activation_gradient_1": 8.0, "activation_gradient_2": 4.0,
            "activation_gradient_3": 2.0,
            "activation_gradient_growth": -math.log(2), "activation_gradient_growth_r2": 1.0,
        }
    )  # fmt: skip


def test_weights_and_their_gradients_by_pencil(event_of, chain, read):
    # L = w1 w2 at (2, -8)
    rows = read(WeightsByDepth(loss=product)(event_of(chain(2.0, -8.0))))
    assert rows == pytest.approx(
        {
            "weight_1": 2.0, "weight_2": 8.0,
            "weight_growth": math.log(4), "weight_growth_r2": 1.0,
            "weight_gradient_1": 8.0, "weight_gradient_2": 2.0,
            "weight_gradient_growth": -math.log(4), "weight_gradient_growth_r2": 1.0,
        }
    )  # fmt: skip


def test_sizes_of_a_stack_by_autograd(event_of, read):
    torch.manual_seed(0)
    model = StackedMLP((4, 3, 3), (1, 2), norm="batch", activation="tanh").double()
    x, y = torch.randn(2, 7, 4, dtype=torch.float64), torch.randint(0, 3, (2, 7))
    event = event_of(model, seeds=(1, 2), x=x, y=y)
    rows = read(SizeByDepth(layers=("linears.0", "linears.1"))(event))
    weights = read(WeightsByDepth()(event))
    net = copy.deepcopy(model)
    z = net.norms[0](net.linears[0](x.transpose(1, 2)))
    h = torch.tanh(z).detach().requires_grad_()  # (K, C, N)
    logits = net.linears[1](h).transpose(1, 2)
    losses = [F.cross_entropy(logits[k], y[k]) for k in range(2)]
    sum(losses).backward()
    for k in range(2):
        assert rows["activation_1"][k] == pytest.approx(float(x[k].abs().mean()))
        assert rows["activation_2"][k] == pytest.approx(h[k].abs().mean().item())
        assert rows["activation_gradient_2"][k] == pytest.approx(h.grad[k].norm().item())
        of_weight = net.linears[1].weight
        assert weights["weight_2"][k] == pytest.approx(of_weight[k].norm().item())
        assert weights["weight_gradient_2"][k] == pytest.approx(of_weight.grad[k].norm().item())


def test_growth_is_the_least_squares_line_of_each_column():
    sizes = np.random.default_rng(5).exponential(size=(6, 2))
    slope, r2 = log_growth(sizes)
    for k in range(2):
        expected = np.polyfit(np.arange(6), np.log(sizes[:, k]), 1)[0]
        assert slope[k] == pytest.approx(expected)
        assert r2[k] == pytest.approx(np.corrcoef(np.arange(6), np.log(sizes[:, k]))[0, 1] ** 2)


def test_one_module_has_a_size_and_no_growth(event_of, chain, read):
    rows = read(SizeByDepth(layers=("0",), loss=product)(event_of(chain(2.0))))
    assert set(rows) == {"activation_1", "activation_gradient_1"}
