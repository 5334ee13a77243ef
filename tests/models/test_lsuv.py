import pytest
import torch

from bnkit.models import StackedMLP
from bnkit.models.lsuv import spreads, unit_variance

SIZES = (12, 8, 6, 4)
SEEDS = (4, 0, 7)


def net(seeds=SEEDS, norm="none"):
    return StackedMLP(SIZES, seeds, norm=norm, activation="relu", init="orthogonal")


@pytest.fixture
def x():
    return 3.0 * torch.randn(50, 12, generator=torch.Generator().manual_seed(1)) + 1.0


def test_every_layer_of_every_seed_puts_out_unit_variance(x):
    model = unit_variance(net(), x)
    for k in range(len(SEEDS)):
        h = x.T
        for linear in model.linears:
            z = linear.weight[k].detach() @ h
            assert float(z.var(correction=0)) == pytest.approx(1.0, rel=1e-4)
            h = z.relu()


def test_directions_stay_orthogonal(x):
    before, after = net(), unit_variance(net(), x)
    for a, b in zip(before.linears, after.linears, strict=True):
        shrunk = b.weight / a.weight  # one factor a layer and seed
        torch.testing.assert_close(shrunk, shrunk[:, :1, :1].expand_as(shrunk), rtol=1e-4, atol=0)
        gram = b.weight @ b.weight.transpose(1, 2)
        eye = torch.eye(len(gram[0])) * gram[:, :1, :1]
        torch.testing.assert_close(gram, eye, rtol=1e-4, atol=1e-5)


def test_the_spread_of_two_values_by_pencil():
    # 1 and 3: mean 2, standard deviation 1. 0 and 8: 4.
    found = spreads(torch.tensor([[[1.0, 3.0]], [[0.0, 8.0]]]))
    torch.testing.assert_close(found, torch.tensor([1.0, 4.0])[:, None, None])


def test_a_net_with_batch_norm_gets_the_weights_of_the_plain_one(x):
    plain, batch = unit_variance(net(), x), unit_variance(net(norm="batch"), x)
    for a, b in zip(plain.linears, batch.linears, strict=True):
        assert torch.equal(a.weight, b.weight)
    assert int(batch.norms[0].bn.num_batches_tracked) == 0


def test_a_seed_alone_has_the_weights_that_it_has_in_a_stack(x):
    together = unit_variance(net(), x)
    for k, seed in enumerate(SEEDS):
        alone = unit_variance(net([seed]), x)
        for a, b in zip(together.linears, alone.linears, strict=True):
            assert torch.equal(a.weight[k], b.weight[0])
