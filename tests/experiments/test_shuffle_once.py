"""Descent on fixed and on changing batches behind BN, against least squares."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.experiments.shuffle_once import (
    ARMS,
    EACH,
    ONCE,
    ShuffleOnce,
    examples,
    normalized,
    orders,
    run,
)

SHORT = {"num_examples": 24, "num_inputs": 3, "num_epochs": 400, "batch_size": 6, "rate": 0.2}


def last(spec, seed=2000):
    rows = run(spec, [seed])
    assert max(row.step for row in rows) == spec.num_epochs
    return {row.name: row.value for row in rows if row.step == spec.num_epochs}


def test_the_whole_set_leads_to_its_own_minimum():
    assert last(replace(ARMS["full-batch"], **SHORT))["distance_to_optimum"] < 1e-6


def test_fixed_batches_lead_to_the_minimum_of_their_own_loss_found_by_autograd():
    spec = replace(ONCE, **{**SHORT, "num_epochs": 2_000, "rate": 0.05})
    assert last(spec)["distance_to_own_optimum"] < 1e-3
    x, y = (torch.from_numpy(part) for part in examples(spec, 2000))
    order = next(orders(spec, 2000))
    theta = torch.zeros(4, dtype=torch.float64, requires_grad=True)

    def features(part):
        z = torch.nn.functional.batch_norm(part, None, None, training=True, eps=1e-30)
        return torch.hstack([z, torch.ones(len(part), 1, dtype=torch.float64)])

    optimizer = torch.optim.LBFGS([theta], max_iter=200, tolerance_grad=1e-14)

    def closure():
        optimizer.zero_grad()
        parts = [(features(x[i]) @ theta - y[i]).square().mean() for i in torch.tensor(order)]
        loss = sum(parts) / len(parts)
        loss.backward()
        return loss

    optimizer.step(closure)
    whole = features(x)
    optimum = whole @ torch.linalg.lstsq(whole, y[:, None]).solution[:, 0]
    expected = (whole @ theta.detach() - optimum).norm() / optimum.norm()
    assert last(spec)["distance_to_optimum"] == pytest.approx(float(expected), rel=0.01)


def test_a_batch_is_normalized_by_pencil():
    # mean 2, biased variance 1
    np.testing.assert_allclose(normalized(np.array([[1.0], [3.0]])), [[-1.0], [1.0]])


def test_batches_are_made_when_the_arm_says_and_every_example_is_in_one():
    epochs = list(islice(orders(replace(EACH, **SHORT), 5), 3))
    assert all(sorted(epoch.ravel()) == list(range(24)) for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_array_equal(epochs[0], next(orders(replace(ONCE, **SHORT), 5)))
    spec = {**SHORT, "num_epochs": 2, "rate": 1e-9}
    once, each = (last(replace(arm, **spec))["distance_to_optimum"] for arm in (ONCE, EACH))
    assert once == pytest.approx(each, rel=1e-6)
    long = {**SHORT, "num_epochs": 50}
    once, each = (last(replace(arm, **long))["distance_to_optimum"] for arm in (ONCE, EACH))
    assert once != pytest.approx(each, rel=1e-3)


def test_rows_are_those_of_the_rule_and_of_the_seed_alone():
    spec = replace(ONCE, **{**SHORT, "num_epochs": 10})
    both = run(spec, [2001, 2000])
    assert [row for row in both if row.seed == 2000] == run(spec, [2000])
    claim = claims.load().claim("J26")
    assert claim.experiment == "shuffle_once"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= {row.name for row in both}


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert {replace(arm, batches="once", batch_size=8) for arm in ARMS.values()} == {ONCE}
    assert all(arm.num_examples % arm.batch_size == 0 for arm in ARMS.values())
    assert isinstance(ONCE, ShuffleOnce)
    assert store.spec_key(ONCE) == "88a2b8fd6da0"
    assert store.spec_key(EACH) == "b744e07062a5"
