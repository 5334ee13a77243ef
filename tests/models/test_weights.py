import pytest
import torch

from bnkit.models import StackedMLP, weights


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("init", "deviation"),
    # 30 channels in, 40 out, 3 x 3: 270 inputs and 360 outputs of a unit
    [("lecun", 270**-0.5), ("glorot", (2 / 630) ** 0.5), ("he", (2 / 270) ** 0.5)],
)
def test_a_kernel_counts_each_of_its_values_as_an_input(init, deviation):
    kernel = weights.draw((40, 30, 3, 3), init, generator(0))
    # 10,800 draws: relative standard error 1 / √21,600 = 0.7 %
    assert float(kernel.std()) == pytest.approx(deviation, rel=0.03)


def test_an_orthogonal_kernel_has_orthonormal_filters():
    kernel = weights.draw((4, 3, 3, 3), "orthogonal", generator(0)).flatten(1)
    torch.testing.assert_close(kernel @ kernel.T, torch.eye(4), rtol=0, atol=1e-6)


@pytest.mark.parametrize("init", ["lecun", "glorot", "he", "orthogonal"])
def test_a_matrix_is_the_one_that_the_stacked_mlp_draws(init):
    model = StackedMLP((6, 4, 2), (3, 8), norm="none", activation="relu", init=init)
    drawn = weights.stacked([(4, 6), (2, 4)], (3, 8), init)
    for linear, weight in zip(model.linears, drawn, strict=True):
        assert torch.equal(linear.weight, weight)


def test_layers_begin_with_the_drawn_weight_and_no_bias_and_leave_torchs_generator_alone():
    before = torch.random.get_rng_state()
    conv = weights.convolution(2, 3, init="he", generator=generator(1), bias=True, stride=2)
    head = weights.linear(4, 5, init="he", generator=generator(1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(conv.weight, weights.draw((3, 2, 3, 3), "he", generator(1)))
    assert torch.equal(head.weight, weights.draw((5, 4), "he", generator(1)))
    assert not conv.bias.any()
    assert not head.bias.any()
    assert conv(torch.ones(1, 2, 8, 6)).shape == (1, 3, 4, 3)


def test_a_wrong_name_is_answered_with_the_allowed_ones():
    with pytest.raises(ValueError, match="init 'ones': choose one of lecun, glorot, he, orthog"):
        weights.draw((2, 2), "ones", generator(0))
