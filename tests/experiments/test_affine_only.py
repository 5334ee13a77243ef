"""A net of which only a part is trained, run for some steps on digits."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments.affine_only import (
    ALL,
    ARMS,
    AffineOnly,
    gammas,
    masks,
    network,
    run,
    training_only,
)
from bnkit.models import StackedMLP, StackedStep
from bnkit.rows import StepEvent
from bnkit.train import stacked_batches, train

SHORT = {"data_set": "digits", "widths": (20, 20), "num_steps": 20, "rate": 0.5}
SEEDS = (3, 0)


@pytest.mark.parametrize("arm", list(ARMS))
def test_just_what_the_arm_names_moves(arm):
    spec, data = replace(ARMS[arm].spec, **SHORT), load("digits")
    model = network(spec, data, SEEDS)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trained = masks(spec, model)
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    batches = stacked_batches(x, y, batch_size=50, seeds=SEEDS)
    step = training_only(StackedStep(model), model, trained)
    train(model, batches, seeds=SEEDS, rate=0.5, num_steps=20, step=step)
    moved = {n: (p.detach() != before[n]) for n, p in model.named_parameters()}
    layers = {n for n, which in moved.items() if which.any()}
    wanted = {
        "all": set(before),
        "affine-only": {n for n in before if n.startswith("norms")},
        "random-weights-only": {"linears.0.weight", "linears.1.weight"},
        "head-only": {"linears.2.weight", "linears.2.bias"},
    }[arm]
    assert layers == wanted
    if arm == "random-weights-only":
        for name in wanted:
            assert bool((moved[name] <= trained[name]).all())  # nothing but the chosen ones
            assert float(moved[name].double().sum()) > 0.5 * float(trained[name].sum())


def test_as_many_weights_are_trained_as_there_are_gammas_and_betas():
    spec, data = replace(ARMS["random-weights-only"].spec, **SHORT), load("digits")
    model = network(spec, data, SEEDS)
    chosen = [mask for mask in masks(spec, model).values() if isinstance(mask, torch.Tensor)]
    affine = sum(p.numel() for n, p in model.named_parameters() if n.startswith("norms"))
    assert sum(int(mask.sum()) for mask in chosen) == affine
    assert all(bool((mask.sum(dim=2) == 2).all()) for mask in chosen)
    assert not torch.equal(chosen[0][0], chosen[0][1])  # each seed has its own


def test_a_step_of_gamma_and_beta_is_that_of_automatic_differentiation():
    spec, data = replace(ARMS["affine-only"].spec, **SHORT), load("digits")
    model = network(spec, data, SEEDS).double()
    twin = StackedMLP((64, 20, 20, 10), SEEDS, norm="batch", activation="relu", init="he").double()
    x = torch.tensor(data.train.flat[:50]).double().expand(2, 50, 64)
    y = torch.tensor(data.train.y[:50]).expand(2, 50)
    step = training_only(StackedStep(model), model, masks(spec, model))
    step(x, y, 0.5)
    loss = torch.nn.functional.cross_entropy(twin(x).transpose(1, 2), y, reduction="none")
    loss.mean(dim=1).sum().backward()
    for name, parameter in twin.named_parameters():
        moved = parameter - 0.5 * parameter.grad if name.startswith("norms") else parameter
        torch.testing.assert_close(
            dict(model.named_parameters())[name], moved, rtol=1e-9, atol=1e-12
        )


def test_small_gammas_are_counted_by_pencil():
    model = StackedMLP((4, 2, 2, 3), [0, 1], norm="batch", activation="relu")
    with torch.no_grad():
        model.norms[0].bn.weight.copy_(torch.tensor([0.0, 1.0, -0.009, 0.5]))
    rows = gammas(StepEvent(7, model, (0, 1), None, None, 1.0))
    found = {(row.seed, row.name): row.value for row in rows}
    assert found[0, "gamma_share_below_0.01"] == 0.25  # 0 of 0, 1, 1, 1
    assert found[1, "gamma_share_below_0.01"] == 0.25  # -0.009 of -0.009, 0.5, 1, 1
    assert found[1, "gamma_size@0.05"] == pytest.approx(np.quantile([0.009, 0.5, 1, 1], 0.05))


@pytest.mark.parametrize("arm", ["affine-only", "random-weights-only"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(ARMS[arm].spec, **SHORT)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])
    last = {row.name for row in together if row.step == 20}
    assert {"validation_accuracy", "train_accuracy"} <= last
    claim = claims.load().claim("J7")
    assert claim.experiment == "affine_only"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= last


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert {replace(arm.spec, trained="all") for arm in ARMS.values()} == {ALL}
    assert store.spec_key(ALL) == "f9277dd31d97"
    assert store.spec_key(ARMS["random-weights-only"].spec) == "a53360c8f6b3"
    assert len(fields(AffineOnly)) == 9
