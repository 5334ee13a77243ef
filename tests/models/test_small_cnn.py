import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnkit.models import SmallCNN
from bnkit.probes import ActivationPercentiles, GradientICS
from bnkit.rows import StepEvent


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("shape", "positions"), [((3, 32, 32), 16), ((1, 14, 14), 1)])
def test_shapes_and_parameters_by_pencil(shape, positions):
    # 9 * (C * 16 + 16 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64), 2 * (16 + 16 + 32 + 32 +
    # 64 + 64) of BN, and a head of 64 * positions * 10 + 10
    model = SmallCNN(shape, 10, 0, norm="batch")
    assert model(torch.randn(2, *shape)).shape == (2, 10)
    expected = 9 * (16 * shape[0] + 7936) + 448 + 640 * positions + 10
    assert num_parameters(model) == expected
    plain = SmallCNN(shape, 10, 0, norm="none")
    assert num_parameters(plain) == expected - 448 + 224  # biases instead of gamma and beta


@pytest.mark.parametrize("placement", ["before", "after"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_it_computes_what_torchs_layers_compute(norm, placement):
    model = SmallCNN((2, 8, 8), 3, 1, norm=norm, placement=placement).double()
    x = torch.randn(5, 2, 8, 8, dtype=torch.float64)
    h = x
    for i, conv in enumerate(model.convs):
        h = F.conv2d(h, conv.weight, padding=1)  # biases begin at 0
        if placement == "after":
            h = h.relu()
        if norm == "batch":
            h = F.batch_norm(h, None, None, training=True)
        if placement == "before":
            h = h.relu()
        if i % 2 == 1:
            h = F.max_pool2d(h, 2)
    expected = h.flatten(1) @ model.head.weight.T
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)


def test_the_same_seed_has_the_same_weights_in_every_arm():
    torch.manual_seed(1)
    first = SmallCNN((1, 8, 8), 3, 5, norm="none", activation="tanh")
    torch.manual_seed(2)
    second = SmallCNN((1, 8, 8), 3, 5, norm="batch", placement="after")
    other = SmallCNN((1, 8, 8), 3, 6, norm="none")
    for a, b, c in zip(first.convs, second.convs, other.convs, strict=True):
        assert torch.equal(a.weight, b.weight)
        assert not torch.equal(a.weight, c.weight)
    assert torch.equal(first.head.weight, second.head.weight)


def test_no_bias_in_front_of_a_normalizer():
    def biases(**arm):
        return {conv.bias is not None for conv in SmallCNN((1, 8, 8), 3, 0, **arm).convs}

    assert biases(norm="batch") == {False}
    assert biases(norm="batch", placement="after") == {True}
    assert biases(norm="none") == {True}
    assert SmallCNN((1, 8, 8), 3, 0, norm="batch").head.bias is not None


def test_affine_and_eps_reach_the_normalizer():
    model = SmallCNN((1, 8, 8), 3, 0, norm="batch", affine=False, eps=0.1)
    assert {(bn.affine, bn.eps) for bn in model.norms} == {(False, 0.1)}
    assert all(type(bn) is nn.BatchNorm2d for bn in model.norms)


def test_probes_find_layers_by_name():
    model = SmallCNN((1, 8, 8), 3, 0, norm="batch")
    x = torch.randn(6, 1, 8, 8)
    event = StepEvent(0, model, (0,), x, torch.randint(3, (6,)), 0.1)
    rows = ActivationPercentiles("activations.3", x)(event)
    assert len({row.name for row in rows}) == 12
    names = {row.name for row in GradientICS(layer="convs.2")(event)}
    assert "ics_cosine" in names


def test_an_image_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 28, 7\): 3 poolings leave nothing"):
        SmallCNN((1, 28, 7), 10, 0, norm="none")
