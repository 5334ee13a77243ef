import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bnkit.models import StackedMLP
from bnkit.probes.landscape import landscape, mean_cross_entropy


def stack(event_of, **settings):
    torch.manual_seed(0)
    model = StackedMLP((4, 3, 3), (1, 2), norm="batch", activation="tanh", **settings)
    x, y = torch.randn(2, 7, 4), torch.randint(0, 3, (2, 7))
    return event_of(model, seeds=(1, 2), x=x, y=y)


def test_losses_and_gradients_are_those_of_each_seed_by_torch(event_of):
    event = stack(event_of)
    with landscape(event, "batch", torch.float64) as at:
        losses, gradient = at.gradients(at.point)
    model = copy.deepcopy(event.model).double()
    logits = model(event.inputs.double())
    by_torch = [F.cross_entropy(logits[k], event.targets[k]) for k in range(2)]
    sum(by_torch).backward()
    assert losses.tolist() == pytest.approx([loss.item() for loss in by_torch], rel=1e-12)
    for name, parameter in model.named_parameters():
        for k in range(2):
            own = parameter.grad.flatten().reshape(2, -1)[k]
            torch.testing.assert_close(gradient[k, at.spans[name]], own)


@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 3), (1, 1, 2)])
def test_cross_entropy_is_the_mean_over_examples_of_each_seed(shape):
    logits = torch.randn(shape, dtype=torch.float64)
    targets = torch.randint(0, shape[-1], shape[:-1])
    own = mean_cross_entropy(logits, targets)
    stacks = zip(logits.reshape(-1, *shape[-2:]), targets.reshape(-1, shape[-2]), strict=True)
    expected = torch.stack([F.cross_entropy(l_k, t_k) for l_k, t_k in stacks])
    torch.testing.assert_close(own.reshape(-1), expected)
    assert own.shape == shape[:-2]


def test_running_statistics_make_another_loss(event_of):
    event = stack(event_of)
    with landscape(event, "running", torch.float64) as at:
        losses = at.losses(at.point)
    model = copy.deepcopy(event.model).double().eval()
    expected = mean_cross_entropy(model(event.inputs.double()), event.targets)
    torch.testing.assert_close(losses, expected.detach())


def test_dropout_leaves_out_the_same_units_at_every_point(event_of):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.5), nn.Linear(50, 3))
    event = event_of(model, x=torch.randn(6, 4), y=torch.randint(0, 3, (6,)))
    with landscape(event, "batch", torch.float64) as at:
        first, second = at.losses(at.point), at.losses(at.point)
    with landscape(event, "running", torch.float64) as at:
        without = at.losses(at.point)
    assert torch.equal(first, second)
    assert not torch.equal(first, without)


def test_a_parameter_that_is_not_trained_is_no_direction(event_of):
    event = stack(event_of)
    event.model.linears[0].weight.requires_grad_(False)
    with landscape(event, "batch", None) as at:
        assert set(at.spans) == {
            "linears.1.weight", "linears.1.bias", "norms.0.bn.weight", "norms.0.bn.bias",
        }  # fmt: skip
        assert at.point.shape == (2, 9 + 3 + 3 + 3)
        assert at.point.dtype == torch.float32
        assert [layer.name for layer in at.layers] == ["linears.0", "linears.1"]
        assert at.layers[0].parameters == ("norms.0.bn.weight", "norms.0.bn.bias")


def test_it_computes_in_float64_unless_told_otherwise(event_of):
    event = stack(event_of)
    with landscape(event, "batch", torch.float64) as at:
        assert at.losses(at.point).dtype == torch.float64
    assert event.model.linears[0].weight.dtype == torch.float32


def test_the_model_does_not_move_even_while_its_loss_is_explored(event_of):
    event = stack(event_of)
    model = event.model.double()  # nothing has to be cast
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with landscape(event._replace(inputs=event.inputs.double()), "batch", torch.float64) as at:
        at.losses(at.point)
        at.point.zero_()
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, before[name]), name


def test_only_keeps_the_named_columns(event_of, chain):
    with landscape(event_of(chain(2.0, 3.0, 5.0)), "batch", torch.float64) as at:
        assert at.only(at.point, ["1.weight"]).tolist() == [[0.0, 3.0, 0.0]]
        assert at.point.tolist() == [[2.0, 3.0, 5.0]]


def test_what_cannot_be_a_stack_is_refused(event_of, point):
    with (
        pytest.raises(ValueError, match=r"\['weight'\] of a stack of 2 seeds"),
        landscape(event_of(point([1.0, 2.0, 3.0]), seeds=(0, 1)), "batch", None),
    ):
        pass
    frozen = point([1.0])
    frozen.weight.requires_grad_(False)
    with (
        pytest.raises(ValueError, match="at least one must require a gradient"),
        landscape(event_of(frozen), "batch", None),
    ):
        pass


def test_a_loss_with_the_wrong_number_of_values_is_refused(event_of, point):
    event = event_of(point([1.0], [2.0]), seeds=(0, 1))
    with (
        landscape(event, "batch", None, lambda outputs, _: outputs.sum()) as at,
        pytest.raises(ValueError, match="1 values for 2 seeds"),
    ):
        at.losses(at.point)
