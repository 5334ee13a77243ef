import copy

import pytest
import torch
from torch import nn

from bnkit.probes.guard import measuring


def network():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))
    model(torch.randn(5, 4)).sum().backward()
    model[0].bias.grad = None
    model[3].weight.requires_grad_(False)
    model[1].eval()
    return model


def trace(model):
    """All that a measurement could leave behind, to be compared bit for bit."""
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    grads = {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()}
    needs = {n: p.requires_grad for n, p in model.named_parameters()}
    flags = {n: m.training for n, m in model.named_modules()}
    return state, grads, needs, flags, torch.get_rng_state()


def assert_same(before, after):
    for old, new in zip(before[:2], after[:2], strict=True):
        assert old.keys() == new.keys()
        for name in old:
            if old[name] is None:
                assert new[name] is None, name
            else:
                assert old[name].dtype == new[name].dtype, name
                assert torch.equal(old[name], new[name]), name
    assert before[2:4] == after[2:4]
    assert torch.equal(before[4], after[4])


def vandalize(model, raising=True):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    model.train()
    model(torch.randn(5, 4)).square().sum().backward()
    optimizer.step()
    for parameter in model.parameters():
        parameter.data.zero_()
        parameter.requires_grad_(not parameter.requires_grad)
    model[0].weight.grad.fill_(7.0)
    model[0].bias.grad = torch.ones(3)
    model[1].weight.grad = None
    model[1].running_mean = torch.full((3,), 9.0)
    model[3].weight = nn.Parameter(torch.ones(2, 3))
    model.eval()
    model[2].train()
    model.double()
    torch.manual_seed(99)
    torch.rand(10)
    if raising:
        raise RuntimeError("the vandal leaves")


@pytest.mark.parametrize("bn_mode", ["batch", "running"])
def test_guard_undoes_a_vandal(bn_mode):
    model = network()
    weight, running_mean, grad = model[0].weight, model[1].running_mean, model[0].weight.grad
    before = trace(model)
    with pytest.raises(RuntimeError, match="the vandal leaves"), measuring(model, bn_mode):
        vandalize(model)
    assert_same(before, trace(model))
    # An optimizer holds on to these very tensors.
    assert model[0].weight is weight
    assert model[1].running_mean is running_mean
    assert model[0].weight.grad is grad


def test_the_mode_holds_for_every_module_inside():
    model = network()
    with measuring(model, "batch"):
        assert all(module.training for module in model.modules())
    with measuring(model, "running"):
        assert not any(module.training for module in model.modules())


def test_training_goes_on_as_if_nobody_had_looked():
    def trained(look):
        model = network()
        optimizer = torch.optim.SGD(
            [p for p in model.parameters() if p.requires_grad], lr=0.1, momentum=0.9
        )
        for _ in range(4):
            model.train()
            optimizer.zero_grad()
            model(torch.randn(5, 4)).square().sum().backward()
            optimizer.step()
            if look:
                with measuring(model, "batch"):
                    vandalize(model, raising=False)
        return model

    assert_same(trace(trained(look=False)), trace(trained(look=True)))


def test_an_unknown_mode_is_refused_before_anything_is_touched():
    model = network()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="bn_mode 'train': choose batch or running"):
        measuring(model, "train").__enter__()
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
