from functools import reduce
from itertools import repeat

import pytest
import torch
from torch.nn import functional as F

from bnkit.models import DeepLinear
from bnkit.train import train

SEEDS = (4, 0, 7)


@pytest.fixture(autouse=True)
def one_thread():
    """As the sweep runs: how a sum is split among threads decides its last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def squared_error(outputs, targets):
    return (outputs - targets).square().mean(dim=(-2, -1))


def trained(seeds, norm, dtype):
    model = DeepLinear(6, 5, seeds, norm=norm).to(dtype)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    data = torch.stack([torch.randn(2, 8, 6, generator=g) for g in generators]).to(dtype)
    batch = (data[:, 0], data[:, 1])
    train(model, repeat(batch), seeds=seeds, rate=0.05, num_steps=20, loss=squared_error)
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_stack_of_three_is_bit_for_bit_three_stacks_of_one(norm, dtype):
    together = dict(trained(SEEDS, norm, dtype).named_parameters())
    start = dict(DeepLinear(6, 5, SEEDS, norm=norm).to(dtype).named_parameters())
    for place, seed in enumerate(SEEDS):
        for name, alone in trained((seed,), norm, dtype).named_parameters():
            ours = together[name].view(3, -1)[place]
            assert torch.equal(ours, alone.view(-1)), name
            assert not torch.equal(ours, start[name].view(3, -1)[place]), f"{name} has not moved"


def test_without_a_normalizer_it_is_the_product_of_its_matrices():
    model = DeepLinear(4, 7, SEEDS, norm="none").double()
    x = torch.randn(3, 9, 4, dtype=torch.float64)
    for place in range(3):
        matrices = [linear.weight[place] for linear in model.linears]
        product = reduce(lambda whole, matrix: matrix @ whole, matrices)
        torch.testing.assert_close(model(x)[place], x[place] @ product.T, rtol=1e-12, atol=1e-14)


def test_the_normalizer_stands_behind_every_matrix_but_the_last():
    model = DeepLinear(4, 3, SEEDS, norm="batch", eps=0.5).double()
    x = torch.randn(9, 4, dtype=torch.float64)  # shared by all seeds
    for place in range(3):
        first, second, last = (linear.weight[place] for linear in model.linears)
        h = F.batch_norm(x @ first.T, None, None, training=True, eps=0.5)
        h = F.batch_norm(h @ second.T, None, None, training=True, eps=0.5)
        torch.testing.assert_close(model(x)[place], h @ last.T, rtol=1e-12, atol=1e-14)


def test_parameters_by_pencil():
    def count(**arm):
        return sum(p.numel() for p in DeepLinear(10, 25, SEEDS, **arm).parameters())

    assert count(norm="none") == 3 * 25 * 100  # no biases
    assert count(norm="batch") == 3 * (25 * 100 + 24 * 20)
    assert count(norm="batch", affine=False) == 3 * 25 * 100


def test_weights_are_glorots_and_belong_to_the_seed():
    weight = DeepLinear(200, 2, (3,), norm="none").linears[0].weight
    # 40,000 draws: relative standard error 0.35 %; variance 2 / 400
    assert float(weight.detach().std()) == pytest.approx(200**-0.5, rel=0.02)
    pair = DeepLinear(200, 2, (1, 3), norm="batch").linears[0].weight
    assert torch.equal(pair[1], weight[0])
    assert not torch.equal(pair[0], weight[0])


def test_a_wrong_normalizer_is_refused():
    with pytest.raises(ValueError, match="norm 'layers': choose one of none, batch"):
        DeepLinear(4, 3, SEEDS, norm="layers")
