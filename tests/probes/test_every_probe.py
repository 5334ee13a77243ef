"""What is asked of every probe. One that is exported and not built here fails the first test."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from torch import nn

import bnkit.probes
from bnkit.models import StackedMLP
from bnkit.probes.directions import RandomDirections
from bnkit.probes.guard import measuring
from bnkit.rows import StepEvent

SEEDS = (3, 8)
SIZES = (4, 4, 3, 3)
NAMES = list(bnkit.probes.__all__)


def stack():
    """Two seeds after a few steps, in a state that is awkward to restore."""
    torch.manual_seed(0)
    model = StackedMLP(SIZES, SEEDS, norm="batch", activation="tanh")
    x, y = torch.randn(2, 12, 4), torch.randint(0, 3, (2, 12))
    for _ in range(3):
        model(x).square().sum().backward()
    model.linears[2].bias.grad = None
    model.norms[1].eval()
    return StepEvent(7, model, SEEDS, x, y, 0.2)


def convolution():
    """One convolutional net with dropout, whose first layer is not trained."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Tanh(),
        nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.Tanh(), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(3, 3),
    )  # fmt: skip
    x, y = torch.randn(8, 2, 5, 5), torch.randint(0, 3, (8,))
    model(x).square().sum().backward()
    model[0].weight.requires_grad_(False)
    model[4].eval()
    return StepEvent(7, model, (3,), x, y, 0.2)


def probes(name, event):
    """The probe for this event, with other examples than those of the batch where it takes them."""
    single = len(event.seeds) == 1
    names = dict(enumerate(["2", "5", "8"] if single else ["linears.1", "linears.2"]))
    torch.manual_seed(2)
    x = torch.randn(9, 2, 5, 5) if single else torch.randn(9, 4)
    settings = {
        "Evaluation": {"split": "test", "x": x, "y": torch.arange(9) % 3, "num_classes": 3},
        "ActivationPercentiles": {"layer": names[1], "x": x},
        "ActivationDrift": {"layer": names[1], "x": x},
        "MomentDrift": {"layer": names[1], "x": x},
        "StepDrift": {"layers": (names[0], names[1]), "x": x},
        "ActivationSmoothness": {"layer": names[1], "lengths": (0.1, 0.3)},
        "GradientICS": {"layer": "8" if single else "linears.2"},
        "TaylorRemainder": {},
        "Smoothness": {"lengths": (0.1, 0.3), "directions": RandomDirections(num=1)},
        "Sharpness": {"tolerance": 1e-2},
        "HessianTrace": {"num": 3},
        "SpectralDensity": {"num_steps": 4, "num": 2},
        "SizeByDepth": {"layers": (names[0], names[1])},
        "WeightsByDepth": {},
        "EffectiveRank": {"layer": names[1]},
        "JacobianSpectrum": {"source": names[0], "target": names[1], "num_examples": 2},
    }
    return getattr(bnkit.probes, name)(**settings[name])


def looks(probe, event):
    """Rows of two looks, with a different model at the second."""
    rows = probe(event)
    state = {name: tensor.clone() for name, tensor in event.model.state_dict().items()}
    with torch.no_grad():
        for parameter in event.model.parameters():
            parameter += 0.3 * parameter.square()
    rows += probe(event._replace(step=8))
    event.model.load_state_dict(state)
    return rows


def trace(model):
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        "values": {name: t.detach().clone() for name, t in tensors.items()},
        "identity": {name: (id(t), t.data_ptr()) for name, t in tensors.items()},
        "gradients": {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None},
        "needs": {name: p.requires_grad for name, p in model.named_parameters()},
        "modes": {name: module.training for name, module in model.named_modules()},
        "hooks": {n: len(m._forward_pre_hooks) for n, m in model.named_modules()},
        "random": {"torch": torch.get_rng_state()},
        "numpy": str(np.random.get_state()),  # noqa: NPY002  (the global one is the point)
    }


@pytest.mark.parametrize("make", [stack, convolution])
@pytest.mark.parametrize("bn_mode", ["batch", "running"])
@pytest.mark.parametrize("name", NAMES)
def test_probe_leaves_no_trace(name, bn_mode, make):
    event = make()
    probe = probes(name, event)
    object.__setattr__(probe, "bn_mode", bn_mode)
    x, y = event.inputs.clone(), event.targets.clone()
    before = trace(event.model)
    probe(event)
    after = trace(event.model)
    for part in before:
        if part in ("values", "gradients", "random"):
            assert before[part].keys() == after[part].keys()
            for key, value in before[part].items():
                assert torch.equal(value, after[part][key]), (part, key)
        else:
            assert before[part] == after[part], part
    assert torch.equal(x, event.inputs)
    assert torch.equal(y, event.targets)
    assert not event.inputs.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_in_a_stack_has_the_rows_that_it_has_alone(name):
    event = stack()
    stacked = looks(probes(name, event), event)
    assert {row.seed for row in stacked} == set(SEEDS)
    for k, seed in enumerate(SEEDS):
        own = event._replace(
            model=event.model.single(k),
            seeds=(seed,),
            inputs=event.inputs[k : k + 1],
            targets=event.targets[k : k + 1],
        )
        alone = looks(probes(name, event), own)
        expected = {(row.step, row.name): row.value for row in alone}
        found = {(row.step, row.name): row.value for row in stacked if row.seed == seed}
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-8, nan_ok=True)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NAMES)
def test_a_diverged_seed_does_not_touch_the_others(name):
    event = stack()
    sound = looks(probes(name, event), event)
    with torch.no_grad():
        event.model.linears[0].weight[1] = torch.nan
    sick = looks(probes(name, event), event)
    assert [row[:3] for row in sick] == [row[:3] for row in sound]
    for was, now in zip(sound, sick, strict=True):
        if was.seed != SEEDS[1]:
            assert now.value == pytest.approx(was.value, rel=1e-6, abs=1e-12, nan_ok=True)
    ill = [row.value for row in sick if row.seed == SEEDS[1]]
    assert name == "Evaluation" or any(np.isnan(ill))


@pytest.mark.parametrize("name", NAMES)
def test_probe_names_its_bn_mode_and_every_row_has_a_unit(name):
    event = stack()
    probe = probes(name, event)
    assert "bn_mode" in {field.name for field in fields(probe)}
    rows = looks(probe, event)
    assert rows
    assert {row.unit for row in rows} <= {"1", "nat", "fraction"}
    assert all(type(row.value) is float for row in rows)
    assert len({row[:3] for row in rows}) == len(rows)  # no two rows of one name
    object.__setattr__(probe, "bn_mode", "train")
    with pytest.raises(ValueError, match="choose batch or running"):
        probe(event)


@pytest.mark.parametrize("name", NAMES)
def test_batch_and_running_statistics_are_two_different_functions(name):
    event = stack()
    found = []
    for bn_mode in ("batch", "running"):
        probe = probes(name, event)
        object.__setattr__(probe, "bn_mode", bn_mode)
        found.append([row.value for row in looks(probe, event)])
    assert found[0] != found[1]


def test_one_seed_taken_out_of_a_stack_is_that_seeds_network():
    event = stack()
    event.model.linears[1].weight.requires_grad_(False)
    for bn_mode in ("batch", "running"):
        with measuring(event.model, bn_mode), torch.no_grad():
            together = event.model(event.inputs)
        for k, seed in enumerate(SEEDS):
            alone = event.model.single(k)
            with measuring(alone, bn_mode), torch.no_grad():
                assert torch.equal(alone(event.inputs[k : k + 1])[0], together[k])
            assert alone.seeds == (seed,)
            assert not alone.linears[1].weight.requires_grad
            assert not alone.norms[1].training
            assert alone.norms[0].bn.num_features == SIZES[1]
            assert all(p.grad is None for p in alone.parameters())
    assert alone.linears[0].weight.data_ptr() != event.model.linears[0].weight.data_ptr()
