import pytest
import torch
from torch import nn

from bnkit.models import StackedMLP
from bnkit.probes.parameters import Layer, layers_in_order, num_filters


def test_a_stack_lists_its_normalizers_last_and_its_layers_have_them_all_the_same():
    model = StackedMLP((4, 3, 2, 2), (1, 2), norm="batch", activation="relu")
    assert layers_in_order(model, torch.randn(2, 5, 4)) == [
        Layer("linears.0", ("linears.0.weight", "norms.0.bn.weight", "norms.0.bn.bias")),
        Layer("linears.1", ("linears.1.weight", "norms.1.bn.weight", "norms.1.bn.bias")),
        Layer("linears.2", ("linears.2.weight", "linears.2.bias")),
    ]


def test_convolutions_open_layers_and_norms_of_any_rank_join_them():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(),
        nn.Conv2d(2, 3, 1, bias=False), nn.LayerNorm((3, 2, 2)), nn.Flatten(), nn.Linear(12, 2),
    )  # fmt: skip
    assert layers_in_order(model, torch.randn(2, 1, 4, 4)) == [
        Layer("0", ("0.weight", "0.bias", "1.weight", "1.bias")),
        Layer("3", ("3.weight", "4.weight", "4.bias")),
        Layer("6", ("6.weight", "6.bias")),
    ]


class Backwards(nn.Module):
    """Registers its layers in the reverse of the order of their calls; one is called twice."""

    def __init__(self):
        super().__init__()
        self.last, self.first, self.unused = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x):
        return self.last(self.first(self.first(x)))


def test_the_order_is_that_of_the_calls():
    names = [layer.name for layer in layers_in_order(Backwards(), torch.ones(1, 2))]
    assert names == ["first", "last"]


def test_a_model_that_is_one_layer_has_no_prefix():
    assert layers_in_order(nn.Linear(2, 2), torch.ones(1, 2)) == [Layer("", ("weight", "bias"))]


def test_no_hook_stays_behind_also_if_the_model_fails():
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(RuntimeError):
        layers_in_order(model, torch.ones(1, 3))
    assert not model[0]._forward_pre_hooks


@pytest.mark.parametrize(
    ("shape", "num_seeds", "filters"),
    [
        ((2, 5, 3), 2, 5),  # a stack of matrices
        ((1, 5, 3), 1, 5),
        ((5, 3), 1, 5),  # one matrix
        ((6, 3, 2, 2), 1, 6),  # a convolution
        ((6, 3, 2, 2), 2, 3),  # two, as groups of one
    ],
)
def test_a_filter_is_what_makes_one_output(shape, num_seeds, filters):
    assert num_filters(shape, num_seeds) == filters
