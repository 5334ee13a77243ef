"""BN whose gamma and beta are not learned, run for some steps on digits."""

from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.experiments.frozen_affine import (
    ARMS,
    BATCH,
    FROZEN,
    NONE,
    FrozenAffine,
    held,
    holding,
    network,
    run,
)
from bnkit.models import StackedMLP, StackedStep
from bnkit.train import stacked_batches, train

SHORT = {"data_set": "digits", "widths": (20, 20), "num_steps": 60, "rate": 0.5}
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def trained(spec, digits, *, by_hand=False):
    """The net after some steps; by_hand in torch, with gamma and beta left out of the layer."""
    x, y = torch.tensor(digits.train.flat), torch.tensor(digits.train.y)
    model, step = network(spec, digits, SEEDS), None
    if by_hand:
        sizes = (x.shape[1], *spec.widths, digits.num_classes)
        model = StackedMLP(sizes, SEEDS, norm="batch", activation=spec.activation, affine=False)
    else:
        step = holding(StackedStep(model), held(spec, model))
    batches = stacked_batches(x, y, batch_size=spec.batch_size, seeds=SEEDS)
    train(model, batches, seeds=SEEDS, rate=spec.rate, num_steps=spec.num_steps, step=step)
    return model


def test_frozen_at_the_identity_is_a_layer_without_gamma_and_beta(digits):
    spec = replace(FROZEN, **SHORT)
    ours, theirs = trained(spec, digits), trained(spec, digits, by_hand=True)
    assert all(norm.bn.weight is None for norm in theirs.norms)
    for mine, its in zip(ours.linears, theirs.linears, strict=True):
        torch.testing.assert_close(mine.weight, its.weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("frozen", [(), ("gamma",), ("beta",), ("gamma", "beta")])
def test_what_is_frozen_stays_and_what_is_not_moves(frozen, digits):
    spec = replace(BATCH, **SHORT, frozen=frozen, start="random")
    before, after = network(spec, digits, SEEDS), trained(spec, digits)
    for old, new in zip(before.norms, after.norms, strict=True):
        for name, attribute in (("gamma", "weight"), ("beta", "bias")):
            stayed = torch.equal(getattr(old.bn, attribute), getattr(new.bn, attribute))
            assert stayed == (name in frozen), name
    assert not torch.equal(before.linears[0].weight, after.linears[0].weight)


def test_random_constants_belong_to_the_seed_and_have_the_spread_of_the_spec(digits):
    spec = replace(FROZEN, data_set="digits", widths=(2_000,), start="random")
    pair, alone = network(spec, digits, (3, 0)), network(spec, digits, (0,))
    for attribute, logarithm in (("weight", True), ("bias", False)):
        both = getattr(pair.norms[0].bn, attribute).detach().view(2, -1)
        assert torch.equal(both[1], getattr(alone.norms[0].bn, attribute))
        assert not torch.equal(both[0], both[1])
        drawn = both.log() if logarithm else both
        # 4,000 draws: the relative standard error of a standard deviation is 1.1 %
        assert float(drawn.std()) == pytest.approx(spec.spread, rel=0.06)
        assert float(drawn.mean()) == pytest.approx(0.0, abs=0.04)


@pytest.mark.parametrize("arm", ["none", "batch-frozen-gamma", "batch-random-affine"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(ARMS[arm].spec, **SHORT)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_the_rows_have_what_the_rules_and_the_choice_of_a_rate_need():
    rows = run(replace(BATCH, **SHORT), SEEDS)
    last = {row.name: row.value for row in rows if row.seed == 0 and row.step == 60}
    assert last["test_error"] == pytest.approx(1 - last["test_accuracy"])
    assert last["validation_accuracy"] > 0.8
    for rule in next(c for c in claims.load().claims if c.id == "F4").rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= {*last, "steps_to_target"}


def test_arms_differ_in_what_is_compared_alone():
    specs = [arm.spec for arm in ARMS.values()]
    assert len({store.spec_key(spec) for spec in specs}) == len(specs)
    compared = {"norm": "none", "frozen": (), "start": "identity", "activation": "sigmoid"}
    compared |= {"init": "lecun", "data_set": "mnist1k"}
    assert {replace(spec, **compared) for spec in specs} == {NONE}
    assert all(isinstance(arm, Tuned) for arm in ARMS.values())


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(NONE) == "11681102c698"
    assert store.spec_key(replace(FROZEN, start="random")) == "b81e503197af"
    assert len(fields(FrozenAffine)) == 11
