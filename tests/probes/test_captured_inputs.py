import pytest
import torch
from torch import nn

from bnkit.probes.hooks import captured_inputs


class Twice(nn.Module):
    """Calls its one layer on x and on what comes out: 3x, then 9x."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False)
        self.layer.weight.data.fill_(3.0)

    def forward(self, x):
        return self.layer(self.layer(x))


def test_of_two_calls_the_first_one_counts():
    model = Twice()
    with captured_inputs(model, ["layer"]) as seen:
        model(torch.ones(1, 1))
    assert seen["layer"].item() == 1.0


def test_outputs_can_be_differentiated_by_what_was_seen_and_the_examples_stay_as_they_were():
    model, x = Twice(), torch.ones(1, 1)
    with captured_inputs(model, ["layer"]) as seen:
        y = model(x)
    assert torch.autograd.grad(y, seen["layer"])[0].item() == 9.0
    assert not x.requires_grad


def test_without_gradients_nothing_is_copied():
    model, x = Twice(), torch.ones(1, 1)
    with torch.no_grad(), captured_inputs(model, ["layer"]) as seen:
        model(x)
    assert seen["layer"] is x


def test_the_hooks_go_also_if_the_block_raises():
    model = Twice()
    with pytest.raises(RuntimeError), captured_inputs(model, ["layer"]):
        model(torch.ones(1, 2))
    assert not model.layer._forward_pre_hooks


def test_a_module_that_is_not_there_is_refused():
    with (
        pytest.raises(ValueError, match="no module 'head': choose from layer"),
        captured_inputs(Twice(), ["layer", "head"]),
    ):
        pass
