import math

import pytest
import torch
from scipy import stats
from scipy.integrate import quad

from bnkit.layers import LpNorm
from bnkit.layers.lp_norm import expected_largest

DOUBLE = torch.float64
L1 = math.sqrt(math.pi / 2)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def layer(*arguments, **settings):
    return LpNorm(*arguments, eps=settings.pop("eps", 1e-30), **settings).double()


def linf(n):
    """1 / E max |x|, from the density of the maximum."""

    def weighted(t):
        return t * n * (2 * stats.norm.cdf(t) - 1) ** (n - 1) * 2 * stats.norm.pdf(t)

    return 1 / quad(weighted, 0, 12)[0]


def test_four_points_by_pencil():
    # mean 2; distances 2, 1, 0, 3: mean absolute 3/2, largest 3
    x = torch.tensor([[0.0], [1.0], [2.0], [5.0]], dtype=DOUBLE)
    distances = torch.tensor([[-2.0], [-1.0], [0.0], [3.0]], dtype=DOUBLE)
    torch.testing.assert_close(layer(1, "l1")(x), distances / (1.5 * L1))
    torch.testing.assert_close(layer(1, "linf")(x), distances / (3 * linf(4)))


def test_before_the_shift_by_pencil():
    # the same points: mean absolute value 2, largest 5
    x = torch.tensor([[0.0], [1.0], [2.0], [5.0]], dtype=DOUBLE)
    distances = torch.tensor([[-2.0], [-1.0], [0.0], [3.0]], dtype=DOUBLE)
    torch.testing.assert_close(layer(1, "l1", before_shift=True)(x), distances / (2 * L1))
    torch.testing.assert_close(layer(1, "linf", before_shift=True)(x), distances / (5 * linf(4)))


@pytest.mark.parametrize("num", [20, 1_000])
@pytest.mark.parametrize("spread", ["l1", "linf"])
def test_normal_activations_are_divided_by_their_standard_deviation(spread, num):
    # by the mean over channels of what they are divided by; its standard error is below 1 %
    x = 3.0 * random(num, 400) + 7.0
    y = layer(400, spread)(x).detach()
    divided_by = (x - x.mean(0))[0] / y[0]
    of_sample = 1 - 1 / (2 * num)  # the distances are from the sample's own mean
    assert float(divided_by.mean()) == pytest.approx(3.0 * of_sample, rel=0.02)
    assert float(y.mean(dim=0).abs().max()) < 1e-12


def test_the_largest_of_two_by_pencil():
    # E max(|x|, |y|) of two standard normal numbers is 2 / √π
    assert expected_largest(2) == pytest.approx(2 / math.sqrt(math.pi), abs=1e-6)
    assert expected_largest(4) == pytest.approx(1 / linf(4), rel=1e-6)
    assert expected_largest(100_000) == pytest.approx(1 / linf(100_000), rel=1e-6)


@pytest.mark.parametrize("spread", ["l1", "linf"])
def test_scale_and_shift_of_a_channel_are_lost(spread):
    x = random(5, 3, 2, 2)
    y = layer(3, spread)(x)
    torch.testing.assert_close(layer(3, spread)(7.0 * x - 2.0), y)
    # each channel on its own, over examples and positions
    for channel in range(3):
        flat = x[:, channel].reshape(-1, 1)
        torch.testing.assert_close(layer(1, spread)(flat).flatten(), y[:, channel].flatten())


@pytest.mark.parametrize("spread", ["l1", "linf"])
@pytest.mark.parametrize("before_shift", [False, True])
def test_gradients_of_first_and_second_order_against_finite_differences(spread, before_shift):
    norm = layer(2, spread, before_shift=before_shift, eps=0.1)

    def through(x, gamma, beta):
        return torch.func.functional_call(norm, {"weight": gamma, "bias": beta}, (x,))

    arguments = [t.requires_grad_() for t in (random(7, 2), random(2, seed=1), random(2, seed=2))]
    assert torch.autograd.gradcheck(through, arguments)
    assert torch.autograd.gradgradcheck(through, arguments)


def test_running_statistics_by_pencil():
    # means 2 and 4, spreads² (3/2 L1)² and (3 L1)², weight of the new batch 1/4
    norm = layer(1, "l1", momentum=0.25)
    x = torch.tensor([[0.0], [1.0], [2.0], [5.0]], dtype=DOUBLE)
    norm(x)
    norm(2 * x)
    first, second = (1.5 * L1) ** 2, (3 * L1) ** 2
    assert float(norm.running_mean) == pytest.approx(0.75 * 0.25 * 2 + 0.25 * 4)
    assert float(norm.running_var) == pytest.approx(
        0.75 * (0.75 * 1 + 0.25 * first) + 0.25 * second
    )


def test_in_evaluation_each_example_stands_alone_and_nothing_moves():
    norm = layer(3, "linf", eps=0.5)
    for seed in range(4):
        norm(random(6, 3, seed=seed) + 1.0)
    norm.weight.data.fill_(2.0)
    norm.bias.data.fill_(-1.0)
    norm.eval()
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    x = random(4, 3, seed=9)
    expected = 2.0 * (x - norm.running_mean) / (norm.running_var + 0.5).sqrt() - 1.0
    torch.testing.assert_close(norm(x), expected)
    torch.testing.assert_close(norm(x[:1]), expected[:1])
    assert all(torch.equal(norm.state_dict()[name], before[name]) for name in before)


def test_a_constant_channel_gives_beta_and_finite_gradients():
    for spread in ("l1", "linf"):
        norm = layer(1, spread, eps=1e-5)
        norm.bias.data.fill_(3.0)
        x = torch.full((4, 1), 7.0, dtype=DOUBLE, requires_grad=True)
        y = norm(x)
        y.square().sum().backward()
        assert y.flatten().tolist() == [3.0] * 4
        assert x.grad.isfinite().all()


def test_what_cannot_be_normalized_is_refused_and_leaves_no_trace():
    norm = LpNorm(2, "l1")
    with pytest.raises(ValueError, match=r"more than 1 value per channel.*\(1, 2\)"):
        norm(torch.ones(1, 2))
    assert norm.running_mean.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="spread 'l3': choose one of l1, linf"):
        LpNorm(2, "l3")


def test_it_shows_its_arguments():
    assert "3, 'linf', before_shift=True, eps=1e-05" in repr(LpNorm(3, "linf", before_shift=True))
    assert LpNorm(3, "l1", affine=False).weight is None
