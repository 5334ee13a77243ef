"""Remainders of joint steps along training, on digits: the same code, rows and names."""

from dataclasses import fields, replace

import numpy as np
import pytest

from bnkit import claims, store
from bnkit.experiments.joint_step_remainder import (
    ARMS,
    BATCH,
    NONE,
    JointStepRemainder,
    run,
    steps,
    summary,
)
from bnkit.rows import Row

SHORT = {"data_set": "digits", "width": 20, "num_steps": 50, "num_looks": 3}
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def rows():
    return run(replace(BATCH, **SHORT), SEEDS)


def curve(rows, name, seed):
    return {row.step: row.value for row in rows if (row.name, row.seed) == (name, seed)}


def last(rows, name, seed):
    (found,) = curve(rows, name, seed).items()
    assert found[0] == SHORT["num_steps"]  # a judged metric has one row, at the last step
    return found[1]


def test_judged_rows_are_medians_over_looks_of_absolute_shares(rows):
    sources = {
        "remainder_share_matched_decrease": "decrease@0.1_remainder",
        "remainder_share_matched_step": "step@0.01_remainder",
        "cross_layer_share": "joint@0.1_cross_share",
        "remainder_share_own_step": "own_remainder",
        "cross_layer_share@0.3": "joint@0.3_cross_share",
    }
    for seed in SEEDS:
        for metric, source in sources.items():
            seen = curve(rows, source, seed)
            assert list(seen) == [0, 1, 7, 50]
            assert last(rows, metric, seed) == pytest.approx(np.median(np.abs([*seen.values()])))
        start = curve(rows, "step@0.01_remainder", seed)[0]
        assert last(rows, "remainder_share_matched_step_initial", seed) == start


def test_a_share_below_0_counts_by_its_size():
    # cross shares of -0.4, 0.1 and -0.2 at three looks: the median of their sizes is 0.2
    spec = replace(NONE, decreases=(0.1,), relative_steps=(0.01,))
    shares = {0: -0.4, 1: 0.1, 7: -0.2}
    made = [
        Row(3, step, f"{name}_{measure}", share, "1")
        for step, share in shares.items()
        for name in steps(spec)
        for measure in ("remainder", "cross_share")
    ]
    found = {row.name: row.value for row in summary(spec, 3, made)}
    assert found["cross_layer_share"] == found["cross_layer_share@0.1"] == 0.2
    assert found["cross_layer_share_initial"] == 0.4
    assert found["joint_looks"] == 1.0


def test_steps_are_as_long_as_their_names_say(rows):
    seed = SEEDS[0]
    for size in (0.01, 0.3):
        predicted = curve(rows, f"decrease@{size:g}_predicted", seed)
        assert [*predicted.values()] == pytest.approx([size] * 4)
    for size in (0.001, 0.03):
        relative = curve(rows, f"step@{size:g}_relative_step", seed)
        assert [*relative.values()] == pytest.approx([size] * 4)
    # what was predicted and what it misses make what was taken off: a tenth of the loss
    predicted = curve(rows, "joint@0.1_predicted", seed)
    missed = curve(rows, "joint@0.1_remainder", seed)
    for step, share in predicted.items():
        either = (share * (1 - missed[step]), share * (1 + missed[step]))
        assert min(abs(taken - 0.1) for taken in either) < 1e-3


def test_the_training_step_is_one_of_them():
    assert list(steps(NONE))[-1] == "own"
    assert len(steps(NONE)) == 13


def test_a_part_of_the_loss_that_no_step_takes_off_counts_as_infinite():
    spec = replace(NONE, **SHORT, decreases=(0.1, 0.999))
    found = run(spec, [3])
    assert np.isinf(last(found, "cross_layer_share@0.999", 3))
    assert np.isfinite(last(found, "cross_layer_share", 3))
    assert last(found, "joint_looks", 3) == 1.0


@pytest.mark.parametrize("arm", [NONE, BATCH])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(arm, **{**SHORT, "num_steps": 8})
    together = run(spec, SEEDS)
    for seed in SEEDS:
        # as text, for a step that cannot be taken is NaN, which equals nothing
        assert [repr(row) for row in together if row.seed == seed] == [
            *map(repr, run(spec, [seed]))
        ]


def test_every_arm_and_metric_that_a_claim_names_is_there(rows):
    names = {row.name for row in rows if row.step == SHORT["num_steps"]}
    served = [c for c in claims.load().claims if c.experiment == "joint_step_remainder"]
    assert {claim.id for claim in served} == {"F2", "F3"}
    for claim in served:
        for rule in claim.rules.values():
            assert {operand.arm for operand in rule.operands} <= set(ARMS)
            assert {operand.metric for operand in rule.operands} <= names
    assert "validation_accuracy" in names  # which chooses the rate


def test_arms_differ_in_what_is_compared_alone():
    compared = {"norm": "none", "depth": 3, "activation": "relu", "init": "he"}
    assert {replace(arm.spec, **compared) for arm in ARMS.values()} == {NONE}
    assert len({store.spec_key(arm.spec) for arm in ARMS.values()}) == len(ARMS) == 6


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(NONE) == "5f948b50ae86"
    assert store.spec_key(BATCH) == "c38461fd0a4f"
    assert len(fields(JointStepRemainder)) == 14
