"""A rate for a part of the net: against automatic differentiation, and each seed on its own."""

from itertools import islice

import pytest
import torch

from bnkit.models import StackedMLP
from bnkit.models.part_rates import PartRates
from bnkit.train import cross_entropy, stacked_batches

SIZES = (12, 8, 6, 4)
SEEDS = (4, 0, 7)
RATE = 0.3


def net(norm, seeds=SEEDS, dtype=torch.float64):
    return StackedMLP(SIZES, seeds, norm=norm, activation="tanh").to(dtype)


def batches(seeds=SEEDS, dtype=torch.float64, num=4):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(60, SIZES[0], generator=generator, dtype=dtype)
    y = torch.randint(SIZES[-1], (60,), generator=generator)
    return list(islice(stacked_batches(x, y, batch_size=10, seeds=seeds), num))


def part_of(name):
    return {"linears.2": "head", "linears.0": "hidden", "linears.1": "hidden"}.get(
        name.rpartition(".")[0], "rest"
    )


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("part", ["hidden", "head"])
def test_the_part_moves_by_a_multiple_of_its_gradient_and_the_rest_by_its_own(norm, part):
    model = net(norm)
    (x, y), *_ = batches()
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(cross_entropy(model(x), y).sum(), parameters)
    start = [p.detach().clone() for p in parameters]
    PartRates(model, {part: 7.0})(x, y, RATE)
    for name, p, s, g in zip(names, parameters, start, gradients, strict=True):
        factor = 7.0 if part_of(name) == part else 1.0
        torch.testing.assert_close(p.detach(), s - factor * RATE * g, rtol=1e-9, atol=1e-12)


def test_a_held_net_keeps_its_norms_and_is_the_function_that_it_would_be():
    free, held = net("batch"), net("batch")
    first = [linear.weight.detach().norm(dim=2) for linear in held.linears[:-1]]
    (x, y), *_ = batches()
    PartRates(free, {"hidden": 5.0})(x, y, RATE)
    PartRates(held, {"hidden": 5.0}, hold=True)(x, y, RATE)
    for linear, norms in zip(held.linears[:-1], first, strict=True):
        torch.testing.assert_close(linear.weight.detach().norm(dim=2), norms)
    assert (free.linears[0].weight.norm(dim=2) > 1.001 * first[0]).all()
    torch.testing.assert_close(free(x), held(x), rtol=1e-3, atol=1e-3)  # but for eps


@pytest.mark.parametrize("hold", [False, True])
def test_a_seed_in_a_stack_moves_as_it_does_alone(hold):
    model = net("batch", dtype=torch.float32)
    step = PartRates(model, {"hidden": 30.0, "head": 2.0}, hold=hold)
    for x, y in batches(dtype=torch.float32):
        step(x, y, RATE)
    alone = net("batch", SEEDS[1:2], dtype=torch.float32)
    step = PartRates(alone, {"hidden": 30.0, "head": 2.0}, hold=hold)
    for x, y in batches(SEEDS[1:2], dtype=torch.float32):
        step(x, y, RATE)
    for ours, theirs in zip(model.single(1).parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_another_part_is_refused_by_name():
    with pytest.raises(ValueError, match="part 'gamma': choose of hidden, head"):
        PartRates(net("batch"), {"gamma": 2.0})
