"""Sharpness against 2 / η on small nets: the rows, and a net that is known to sit at the edge."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.experiments import edge_of_stability
from bnkit.experiments.edge_of_stability import (
    ARMS,
    BATCH,
    NONE,
    _summary,
    look_steps,
    run,
    squared_error,
)
from bnkit.rows import Row

SHORT = {"num_examples": 40, "widths": (6, 6), "num_steps": 30, "num_looks": 6}
SUMMARY = {"share_at_edge", "late_sharpness", "late_sharpness_of_edge", "train_loss"}


def test_the_loss_is_half_the_squared_distance_by_pencil():
    # one-hot (0, 1): (1, 1) is off by (1, 0), (0, 3) by (0, 2): 1/2 and 4/2, mean 5/4
    outputs = torch.tensor([[[1.0, 1.0], [0.0, 3.0]]])
    assert squared_error(outputs, torch.tensor([[1, 1]])).tolist() == [1.25]


def curve(values, seed=0, rate=0.1, num_steps=100):
    spec = replace(NONE, rate=rate, num_steps=num_steps, num_looks=len(values) - 1)
    steps = look_steps(spec)
    rows = [Row(seed, step, "hessian_1", v, "nat") for step, v in zip(steps, values, strict=True)]
    rows += [Row(seed, step, "loss", 1.0 / (1 + step), "1") for step in steps]
    return {row.name: row.value for row in _summary(spec, rows)}


def test_late_looks_within_a_fifth_of_two_over_the_rate_are_at_the_edge():
    # 2 / 0.1 = 20, so from 16 to 24; the looks at 0, 25 and 50 of 100 steps are not late
    found = curve([20.0, 20.0, 20.0, 15.9, 16.1])
    assert found["share_at_edge"] == 0.5
    assert found["late_sharpness"] == pytest.approx((15.9 * 16.1) ** 0.5)
    assert found["late_sharpness_of_edge"] == pytest.approx((15.9 * 16.1) ** 0.5 / 20)
    assert curve([0.0, 0.0, 0.0, 23.9, 24.1])["share_at_edge"] == 0.5
    assert curve([0.0, 0.0, 0.0, 23.9, 24.1], rate=0.2)["share_at_edge"] == 0.0


def test_a_look_that_is_not_finite_is_not_at_the_edge():
    found = curve([20.0, 20.0, 20.0, 20.0, np.nan])
    assert found["share_at_edge"] == 0.5
    assert found["late_sharpness"] == np.inf


@pytest.mark.parametrize("spec", [NONE, BATCH])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(spec):
    spec = replace(spec, **SHORT)
    together = run(spec, [3, 0])
    for seed in (3, 0):
        own = [row for row in together if row.seed == seed]
        assert own == run(spec, [seed])
        last = [row.name for row in own if row.step == 30]
        assert len(last) == len(set(last))
        assert set(last) >= SUMMARY


def test_a_linear_map_on_few_examples_follows_its_constant_hessian():
    # Without a hidden layer squared loss is a quadratic: λ = ‖(1, x)‖² / N for one example, the
    # same at every step, and descent diverges where the rate is above 2 / λ.
    spec = replace(NONE, widths=(), num_examples=10, num_steps=200, num_looks=4)
    sharpness = [r.value for r in run(replace(spec, rate=0.01), [0]) if r.name == "hessian_1"]
    assert sharpness == pytest.approx([sharpness[0]] * 5, rel=1e-4)
    losses = {
        share: next(
            row.value
            for row in run(replace(spec, rate=share * 2 / sharpness[0]), [0])
            if row.name == "train_loss"
        )
        for share in (0.9, 1.1)
    }
    assert losses[0.9] < 0.1
    assert losses[1.1] > 1e3


def test_the_net_with_bn_comes_to_rest_at_the_edge():
    # A rate at which it begins far above: what is left is found by descent itself.
    spec = replace(
        BATCH, num_examples=100, widths=(16, 16), rate=0.5, num_steps=1_500, num_looks=20
    )
    found = {row.name: row.value for row in run(spec, [2000]) if row.step == 1_500}
    assert found["share_at_edge"] > 0.8
    assert found["train_loss"] < 0.05


def test_every_arm_and_metric_that_a_claim_names_is_there():
    (claim,) = (c for c in claims.load().claims if c.experiment == "edge_of_stability")
    assert claim.id == "J14"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= SUMMARY


def test_the_arms_differ_in_nothing_but_the_normalizer_and_the_rate():
    assert {replace(spec, norm="none", rate=0.1) for spec in ARMS.values()} == {NONE}
    assert all(name == f"{spec.norm}@{spec.rate:g}" for name, spec in ARMS.items())
    assert edge_of_stability.STACK > 1


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert (store.spec_key(NONE), store.spec_key(BATCH)) == ("7e750524e4dc", "60cd55954f84")
