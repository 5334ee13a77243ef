"""Dropout in stacked nets: its law, its pairing, and the written-out step against autograd."""

import numpy as np
import pytest
import torch

from bnkit.models import StackedMLP, StackedStep
from bnkit.models.stacked_dropout import StackedDropout
from bnkit.probes.guard import measuring
from bnkit.train import stacked_batches, train

SIZES, SEEDS = (14, 22, 6, 4), (4, 0, 7)


def net(seeds, *, norm="batch", activation="tanh", placement="before", dropout=(0.5, 0.2)):
    return StackedMLP(
        SIZES, seeds, norm=norm, activation=activation, placement=placement, dropout=dropout
    )


def trained(model, *, by_hand, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(60, SIZES[0], generator=generator).to(dtype)
    y = torch.randint(SIZES[-1], (60,), generator=generator)
    batches = stacked_batches(x, y, batch_size=18, seeds=model.seeds)
    model = model.to(dtype)
    step = StackedStep(model) if by_hand else None
    train(model, batches, seeds=model.seeds, rate=0.3, num_steps=6, step=step)
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def test_a_share_of_the_units_is_dropped_and_the_mean_stays():
    x = torch.full((2, 100, 400), 3.0)
    y = StackedDropout([0, 1], 0, 0.2)(x)
    assert set(y.unique().tolist()) == {0.0, 3.75}
    # 80,000 draws: the standard error of the share is a seventh of a hundredth
    assert float((y == 0).double().mean()) == pytest.approx(0.2, abs=0.006)


def test_two_units_one_dropped_by_pencil():
    x = torch.tensor([[[1.0, 1.0, 1.0, 1.0]]], requires_grad=True)
    y = StackedDropout([3], 0, 0.5)(x)
    y.sum().backward()
    assert set(y.tolist()[0][0]) == {0.0, 2.0}  # this seed drops some and keeps some
    assert torch.equal(x.grad, y.detach())


def test_masks_depend_on_seed_layer_and_call_alone():
    together, alone = StackedDropout([4, 0], 1, 0.5), StackedDropout([0], 1, 0.5)
    first = together.next_mask(30, 20)
    np.testing.assert_array_equal(first[1], alone.next_mask(30, 20)[0])
    assert (first[0] != first[1]).any()
    assert (together.next_mask(30, 20) != first).any()
    assert (StackedDropout([4, 0], 2, 0.5).next_mask(30, 20) != first).any()


def test_evaluation_drops_nothing_and_a_measurement_leaves_no_trace():
    dropout, x = StackedDropout([0], 0, 0.5), torch.ones(1, 30, 20)
    with measuring(dropout, "batch"):
        seen = dropout(x)
    assert torch.equal(dropout.eval()(x), x)
    assert torch.equal(dropout.train()(x), seen)  # the next call is the same one as inside


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_few_steps_end_where_automatic_differentiation_ends(norm, activation, placement):
    kind = {"norm": norm, "activation": activation, "placement": placement}
    theirs = trained(net(SEEDS, **kind), by_hand=False, dtype=torch.float64)
    ours = trained(net(SEEDS, **kind), by_hand=True, dtype=torch.float64)
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_seed_is_bit_for_bit_what_it_is_alone(by_hand):
    model = net(SEEDS)
    together = trained(model, by_hand=by_hand)
    for place, seed in enumerate(SEEDS):
        for name, tensor in trained(net((seed,)), by_hand=by_hand).items():
            of_seed = together[name]
            if tensor.dim():
                of_seed = of_seed.detach().view(len(SEEDS), -1)[place].view(tensor.shape)
            assert torch.equal(of_seed, tensor.detach()), name
    x = torch.randn(5, SIZES[0])
    torch.testing.assert_close(model.single(2)(x)[0], model(x)[2])


def test_dropout_leaves_the_weights_of_a_seed_as_they_are_without_it():
    for mine, its in zip(net(SEEDS).parameters(), net(SEEDS, dropout=()).parameters(), strict=True):
        assert torch.equal(mine, its)


def test_a_rate_for_each_hidden_layer_or_none():
    with pytest.raises(ValueError, match=r"dropout \(0\.5,\): give a rate for each of 2"):
        net(SEEDS, dropout=(0.5,))
    with pytest.raises(ValueError, match=r"dropout rate 1\.5"):
        net(SEEDS, dropout=(1.5, 0.0))
