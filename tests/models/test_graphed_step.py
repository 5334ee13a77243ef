"""The step that a GPU replays: torch's SGD, written so that it can be captured."""

import pytest
import torch
from torch import nn

from bnkit.models import GraphedStep, StackedMLP
from bnkit.train import cross_entropy, stacked_batches, train

SIZES, SEEDS = (6, 8, 4), (0, 1)
SETTINGS = [{}, {"momentum": 0.9}, {"weight_decay": 0.1}, {"momentum": 0.5, "weight_decay": 0.01}]


def batches(device):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(60, SIZES[0], generator=generator, dtype=torch.float64)
    y = torch.randint(SIZES[-1], (60,), generator=generator)
    return (
        (inputs.to(device), targets.to(device))
        for inputs, targets in stacked_batches(x, y, batch_size=12, seeds=SEEDS)
    )


def trained(device, settings, *, by_graph):
    model = StackedMLP(SIZES, SEEDS, norm="batch", activation="tanh").double().to(device)
    step = GraphedStep(model, cross_entropy, **settings) if by_graph else None
    rate_at = [1.0, 0.5, 2.0, 1.0, 0.1, 1.0].__getitem__
    more = {} if by_graph else settings
    train(
        model,
        batches(device),
        seeds=SEEDS,
        rate=0.2,
        num_steps=6,
        rate_at=lambda step: rate_at(min(step, 5)),
        step=step,
        **more,
    )
    return {name: value.cpu() for name, value in model.state_dict().items()}


def check(device, settings):
    ours = trained(device, settings, by_graph=True)
    for name, value in trained(device, settings, by_graph=False).items():
        torch.testing.assert_close(ours[name], value, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_is_torchs_sgd_with_a_rate_that_changes(settings):
    check("cpu", settings)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA: the step is not captured here")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_captured_step_is_torchs_sgd_too(settings):
    check("cuda", settings)


def test_parameters_that_are_held_fixed_stay():
    model = StackedMLP(SIZES, SEEDS, norm="none", activation="tanh")
    model.linears[0].requires_grad_(False)
    before = [p.detach().clone() for p in model.parameters()]
    x, y = torch.randn(2, 12, 6), torch.zeros(2, 12, dtype=torch.long)
    GraphedStep(model, cross_entropy)(x, y, 0.5)
    moved = [not torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True)]
    assert moved == [False, False, True, True]


def test_it_returns_the_losses_before_the_step():
    model = nn.Linear(3, 2)
    x, y = torch.randn(1, 5, 3), torch.zeros(1, 5, dtype=torch.long)
    expected = cross_entropy(model(x), y).detach()
    step = GraphedStep(model, cross_entropy)
    assert torch.equal(step(x, y, 0.5), expected)
    assert step(x, y, 0.5) < expected
