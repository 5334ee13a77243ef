"""Shares of the gap by pencil, and a run of shallow nets with the names of the record."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.experiments import matched_shift as module
from bnkit.experiments.deep_linear_shift import summed_squares
from bnkit.experiments.matched_shift import ARMS, MATCHED, MatchedShift, run
from bnkit.models import DeepLinear
from bnkit.probes.steps import run_rate
from bnkit.rows import Row, StepEvent

SHORT = {
    "depth": 4,
    "width": 4,
    "num_examples": 50,
    "num_steps": 20,
    "num_looks": 5,
    "judged_layers": (3, 4),
    "rate": 1e-4,
}
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def rows():
    return run(replace(MATCHED, **SHORT), SEEDS)


def values(rows, name):
    return [row.value for row in rows if row.name == name]


PENCIL = MatchedShift(num_steps=10, num_looks=2, judged_layers=(5,))  # looks 0, 1 and 10


def pencil_rows(batch, achieved=1.0):
    """Shifts of 1 without BN and e**x with BN, x from {(STEP, look): x}."""
    rows = []
    for (kind, step), exponent in batch.items():
        for norm, shift in (("none", 1.0), ("batch", np.exp(exponent))):
            rows.append(Row(0, step, f"{norm}-{kind}-5_l2", shift, "1"))
            rows.append(Row(0, step, f"{norm}-{kind}-5_relative", shift**2, "1"))
    for step in (0, 1, 10):
        rows.append(Row(0, step, "none-achieved-5", 1.04, "1"))
        rows.append(Row(0, step, "batch-achieved-5", achieved if step else 1.0, "1"))
    return rows


LOGS = {
    ("raw", 0): 4.0, ("raw", 1): 6.0, ("raw", 10): 2.0,
    ("matched_step", 0): 1.0, ("matched_step", 1): 1.0, ("matched_step", 10): -1.0,
    ("matched_decrease", 0): 2.0, ("matched_decrease", 1): 0.0, ("matched_decrease", 10): 2.0,
}  # fmt: skip


def summary(rows):
    return {row.name: row.value for row in module._summary(PENCIL, 0, rows)}


def test_shares_by_pencil():
    found = summary(pencil_rows(LOGS))
    assert found["gap_share_matched_step_early"] == pytest.approx(2 / 10)
    assert found["gap_share_matched_step_late"] == pytest.approx(-1 / 2)
    assert found["gap_share_matched_decrease_early"] == pytest.approx(2 / 10)
    assert found["gap_share_matched_decrease_late"] == pytest.approx(1.0)
    assert found["gap_share_relative_matched_step_early"] == pytest.approx(2 / 10)
    assert found["matched_looks_matched_decrease_late"] == 1.0


def test_a_look_whose_decrease_was_not_matched_does_not_count():
    found = summary(pencil_rows(LOGS, achieved=0.94))  # at looks 1 and 10
    assert found["matched_looks_matched_decrease_early"] == 0.5
    assert found["gap_share_matched_decrease_early"] == pytest.approx(2 / 4)  # look 0 alone
    assert found["matched_looks_matched_decrease_late"] == 0.0
    assert np.isnan(found["gap_share_matched_decrease_late"])
    assert found["gap_share_matched_step_late"] == pytest.approx(-1 / 2)


def test_steps_are_matched(rows):
    for norm in ("none", "batch"):
        for layer in (3, 4):
            for end in ("min", "max"):
                name = f"{norm}-matched_step-{layer}_step_{end}"
                np.testing.assert_allclose(values(rows, name), 1e-3, rtol=1e-9)
            np.testing.assert_allclose(values(rows, f"{norm}-achieved-{layer}"), 1.0, atol=0.05)
            raw = values(rows, f"{norm}-raw-{layer}_step_max")
            assert max(raw) / min(raw) > 1.01  # those of the run are not


def test_the_decrease_that_is_counted_is_that_of_the_layers_in_front():
    # a step of the first layer alone, along its own gradient, by autograd and by the first order
    model = DeepLinear(4, 3, [0], norm="none").double()
    x, y = torch.randn(2, 1, 8, 4, dtype=torch.float64)
    loss = summed_squares(8)
    before = loss(model(x), y)[0]
    weight = model.linears[0].weight
    (gradient,) = torch.autograd.grad(before, weight)
    probe = module.AchievedDecrease(
        layer="linears.1", step=run_rate, wanted=0.5, loss=loss, name="achieved"
    )
    (row,) = probe(StepEvent(0, model, (0,), x, y, 1e-3))
    with torch.no_grad():
        weight -= 1e-3 * gradient
        after = loss(model(x), y)[0]
    assert row.value == pytest.approx(float(((before - after) / before / 0.5).detach()), rel=1e-9)


def test_judged_rows_stand_at_the_last_step_and_curves_at_both_windows(rows):
    for seed in SEEDS:
        mine = [row for row in rows if row.seed == seed]
        judged = [row for row in mine if row.name.startswith(("gap_share", "matched_looks"))]
        assert len({row.name for row in judged}) == len(judged) == 12
        assert {row.step for row in judged} == {20}
        assert {row.step for row in mine} == {0, 1, 20}


def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(rows):
    assert run(replace(MATCHED, **SHORT), [0]) == [row for row in rows if row.seed == 0]


def test_every_arm_and_metric_that_a_claim_names_is_there(rows):
    (claim,) = [c for c in claims.load().claims if c.experiment == "matched_shift"]
    assert claim.id == "E5"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= {row.name for row in rows}


def test_a_run_that_ends_before_the_late_window_is_refused():
    with pytest.raises(ValueError, match="num_steps 9, last_early 1, first_late 10: both windows"):
        run(replace(MATCHED, num_steps=9), [0])


def test_the_key_is_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(MATCHED) == "0d35d0522a91"
