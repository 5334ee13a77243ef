import pytest
import torch
from torch import nn

from bnkit.models import StackedMLP
from bnkit.probes import ActivationSmoothness


class Twice(nn.Module):
    """y = w x, and the output is y itself."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
        self.act = nn.Identity()

    def forward(self, x):
        return self.act(self.weight * x)


def half_square(outputs, _):
    return outputs.square().mean(0).sum() / 2


def test_a_parabola_in_the_activations_by_pencil(event_of, read):
    # Two examples y = 2 and 4, loss = mean of y^2 / 2 = 5. N times its gradient is y itself: at
    # t = 1/2 all y are halved, 5/4, and at t = 2 they are mirrored, 5. The gradient y / 2 changes
    # by half of its length and by twice it, over distances of half of |y| and twice it.
    x = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    probe = ActivationSmoothness(layer="act", lengths=(0.5, 2.0), loss=half_square)
    length = 5**0.5  # of (1, 2)
    assert read(probe(event_of(Twice(), x=x, y=torch.zeros(2)))) == pytest.approx(
        {
            "activation_loss_start": 5.0, "activation_loss_min": 1.25, "activation_loss_max": 5.0,
            "activation_loss_range": 3.75,
            "activation_gradient_change_min": length / 2,
            "activation_gradient_change_max": 2 * length,
            "activation_cosine_min": -1.0, "activation_beta": 0.5,
        }
    )  # fmt: skip


def test_a_relative_walk_is_a_share_of_the_spread(event_of, read):
    # y = 2 and 4 have the spread |(-1, 1)| = √2, the direction is (1, 2) / √5: at t = 1 the loss is
    # 5 - √2 √5 + 1 / 2.
    x = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    probe = ActivationSmoothness(layer="act", lengths=(1.0,), relative=True, loss=half_square)
    rows = read(probe(event_of(Twice(), x=x, y=torch.zeros(2))))
    assert rows["activation_loss_min"] == pytest.approx(5.5 - 10**0.5)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_it_is_the_loss_of_the_rest_of_the_net(norm, relative, event_of, read):
    torch.manual_seed(0)
    model = StackedMLP((4, 6, 5, 3), (1, 2), norm=norm, activation="tanh").double()
    x, y = torch.randn(2, 9, 4, dtype=torch.float64), torch.randint(0, 3, (2, 9))
    probe = ActivationSmoothness(layer="norms.1", lengths=(0.3,), relative=relative)
    rows = read(probe(event_of(model, seeds=(1, 2), x=x, y=y)))

    def rest(h):  # (K, C, N)
        return model.linears[2](model.activations[1](model.norms[1](h))).transpose(1, 2)

    def losses(h):
        return torch.stack(
            [nn.functional.cross_entropy(z, t) for z, t in zip(rest(h), y, strict=True)]
        )

    first = model.activations[0](model.norms[0](model.linears[0](x.transpose(1, 2))))
    h = model.linears[1](first).detach().requires_grad_()
    (g,) = torch.autograd.grad(losses(h).sum(), h)
    d = 9 * g
    if relative:
        spread = (h - h.mean(2, keepdim=True)).flatten(1).norm(dim=1)
        d = g * (spread / g.flatten(1).norm(dim=1))[:, None, None]
    before, after = losses(h), losses(h - 0.3 * d)
    assert rows["activation_loss_start"] == pytest.approx(before.tolist())
    assert rows["activation_loss_range"] == pytest.approx((before - after).abs().tolist())


@pytest.mark.parametrize("relative", [False, True])
def test_a_relative_walk_alone_is_blind_to_the_scale_in_front_of_bn(relative, event_of, read):
    torch.manual_seed(0)
    x, y = torch.randn(1, 40, 4, dtype=torch.float64), torch.randint(0, 3, (1, 40))
    found = []
    for scale in (1.0, 7.0):
        model = StackedMLP((4, 6, 3), (1,), norm="batch", activation="tanh", eps=1e-12).double()
        with torch.no_grad():
            model.linears[0].weight *= scale
        probe = ActivationSmoothness(layer="norms.0", relative=relative)
        found.append(read(probe(event_of(model, x=x, y=y)))["activation_loss_range"])
    assert (found[1] == pytest.approx(found[0], rel=1e-6)) is relative


def test_a_layer_that_is_not_there_is_refused(event_of):
    with pytest.raises(ValueError, match=r"no module 'norms\.9'"):
        ActivationSmoothness(layer="norms.9")(event_of(Twice()))
