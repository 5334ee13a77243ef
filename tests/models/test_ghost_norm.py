"""Groups of a batch, and a population behind it."""

import pytest
import torch
from torch import nn

from bnkit.models.ghost_norm import StackedGhostBatchNorm, StackedPopulationNorm


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 2.0 * torch.randn(*shape, generator=generator) + 1.0


def test_two_groups_of_two_by_pencil():
    # 1, 3 have mean 2 and biased variance 1; 0, 8 have 4 and 16: both become -1, +1.
    layer = StackedGhostBatchNorm(1, 1, 2, eps=1e-12)
    y = layer(torch.tensor([[[1.0, 3.0, 0.0, 8.0]]]))
    torch.testing.assert_close(y, torch.tensor([[[-1.0, 1.0, -1.0, 1.0]]]))
    # Running statistics: a tenth of the means' mean 3, of the unbiased variances' 2 and 32.
    assert layer.bn.running_mean.item() == pytest.approx(0.1 * 3)
    assert layer.bn.running_var.item() == pytest.approx(0.9 * 1 + 0.1 * 17)


def test_each_group_is_a_batch_of_torchs_layer():
    layer, x = StackedGhostBatchNorm(2, 3, 4), draw(2, 3, 8).requires_grad_()
    with torch.no_grad():
        layer.bn.weight.copy_(draw(6, seed=1))
        layer.bn.bias.copy_(draw(6, seed=2))
    y = layer(x)
    upstream = draw(2, 3, 8, seed=3)
    (dx,) = torch.autograd.grad(y, x, upstream)
    for k in range(2):
        for group in (slice(0, 4), slice(4, 8)):
            bn = nn.BatchNorm1d(3)
            with torch.no_grad():
                bn.weight.copy_(layer.bn.weight[3 * k : 3 * k + 3])
                bn.bias.copy_(layer.bn.bias[3 * k : 3 * k + 3])
            part = x[k, :, group].detach().T.clone().requires_grad_()  # (4, 3)
            out = bn(part)
            torch.testing.assert_close(y[k, :, group], out.T)
            (dpart,) = torch.autograd.grad(out, part, upstream[k, :, group].T)
            torch.testing.assert_close(dx[k, :, group], dpart.T, rtol=1e-4, atol=1e-5)


def test_a_group_of_all_is_batch_normalization_and_so_is_evaluation():
    ghost, bn, x = StackedGhostBatchNorm(1, 3, 8), nn.BatchNorm1d(3), draw(1, 3, 8)
    torch.testing.assert_close(ghost(x)[0], bn(x[0].T).T)
    torch.testing.assert_close(ghost.bn.running_mean, bn.running_mean)
    torch.testing.assert_close(ghost.bn.running_var, bn.running_var)
    ghost.eval(), bn.eval()
    torch.testing.assert_close(ghost(x)[0], bn(x[0].T).T)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="10 examples do not make groups of 4"):
        StackedGhostBatchNorm(1, 2, 4)(draw(1, 2, 10))


def test_an_example_is_normalized_with_the_population_alone():
    # The population 1, 3 has mean 2 and biased variance 1; of the batch 5, 100 it knows nothing.
    layer = StackedPopulationNorm(1, 1, 2, eps=0.0)
    y = layer(torch.tensor([[[5.0, 100.0, 1.0, 3.0]]]))
    torch.testing.assert_close(y, torch.tensor([[[3.0, 98.0, -1.0, 1.0]]]))
    layer.eval()
    torch.testing.assert_close(layer(torch.tensor([[[7.0]]])), torch.tensor([[[5.0]]]))


def test_gradients_flow_through_the_statistics_of_the_population():
    layer, bn, x = StackedPopulationNorm(1, 3, 6), nn.BatchNorm1d(3), draw(1, 3, 6)
    alone = x[0].T.clone().requires_grad_()
    doubled = torch.cat([x, x], dim=2).requires_grad_()  # the batch is the population
    upstream = draw(6, 3, seed=3)
    (wanted,) = torch.autograd.grad(bn(alone), alone, upstream)
    y = layer(doubled)[:, :, :6]
    (found,) = torch.autograd.grad(y, doubled, upstream.T[None])
    torch.testing.assert_close((found[:, :, :6] + found[:, :, 6:])[0].T, wanted)
