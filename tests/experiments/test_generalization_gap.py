"""Gaps at one training loss, on digits."""

from dataclasses import fields, replace

import pytest

from bnkit import claims, store
from bnkit.experiments import Tuned
from bnkit.experiments.generalization_gap import (
    ARMS,
    PLAIN,
    GeneralizationGap,
    for_tuning,
    looks,
    run,
    summary,
)
from bnkit.rows import Row

SHORT = {
    "data_set": "digits",
    "widths": (20, 20),
    "num_steps": 60,
    "batch_size": 20,
    "rate": 0.1,
    "level": 1.5,
}
SEEDS = (3, 0)


def small(arm):
    return replace(ARMS[arm].spec, **SHORT)


@pytest.fixture(scope="module")
def rows():
    return run(small("both-0.2"), SEEDS)


def select(rows, name, seed):
    return {row.step: row.value for row in rows if row.name == name and row.seed == seed}


def test_the_gap_is_that_of_the_first_look_at_the_level(rows):
    for seed in SEEDS:
        loss = select(rows, "train_loss", seed)
        assert list(loss) == looks(small("none")) == [0, 10, 20, 30, 40, 50, 60]
        first = min(step for step, value in loss.items() if value <= 1.5)
        assert 0 < first < 60
        training, test = (select(rows, f"{s}_accuracy", seed) for s in ("train", "test"))
        assert select(rows, "step_at_matched_loss", seed) == {60: first}
        assert select(rows, "level_not_reached", seed) == {60: 0.0}
        gap = training[first] - test[first]
        assert select(rows, "accuracy_gap_at_matched_loss", seed) == {60: gap}
        assert select(rows, "test_accuracy_at_matched_loss", seed) == {60: test[first]}
        assert select(rows, "final_accuracy_gap", seed) == {60: training[60] - test[60]}
        assert list(select(rows, "validation_accuracy", seed)) == [60]


def curves(losses):
    """Rows of seed 0 whose training accuracy is 0.9 plus a thousandth a step, test 0.8."""
    return [
        Row(0, step, name, value, "1")
        for step, loss in losses.items()
        for name, value in (
            ("train_loss", loss),
            ("train_accuracy", 0.9 + step / 1000),
            ("test_accuracy", 0.8),
        )
    ]


def named(rows):
    return {row.name: row.value for row in rows}


def test_a_loss_that_rises_again_does_not_count_twice():
    found = named(summary(small("none"), 0, curves({0: 2.0, 10: 1.5, 20: 1.6, 30: 0.1})))
    assert found["step_at_matched_loss"] == 10
    assert found["accuracy_gap_at_matched_loss"] == pytest.approx(0.11)
    assert found["final_accuracy_gap"] == pytest.approx(0.13)


def test_a_net_that_never_gets_there_says_so():
    found = named(summary(small("none"), 0, curves({0: 2.0, 10: 1.51})))
    assert (found["level_not_reached"], found["step_at_matched_loss"]) == (1.0, 10)


@pytest.mark.parametrize("arm", ["none", "batch", "both-0.4"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    together = run(small(arm), SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(small(arm), [seed])


def test_dropout_slows_the_fit_of_the_training_set():
    free, dropped = (run(small(arm), [3]) for arm in ("none", "dropout-0.4"))
    assert select(dropped, "train_loss", 3)[60] > 1.2 * select(free, "train_loss", 3)[60]


def test_tuning_trains_alike_and_draws_no_curve(rows):
    slim = run(for_tuning(small("both-0.2")), SEEDS)
    assert slim == [row for row in rows if row.name.startswith("validation_")]


def test_every_arm_and_metric_that_the_claim_names_is_there(rows):
    (claim,) = [c for c in claims.load().claims if c.experiment == "generalization_gap"]
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= {row.name for row in rows}


def test_the_arms_differ_in_normalizer_and_dropout():
    assert all(isinstance(arm, Tuned) and arm.like is None for arm in ARMS.values())
    assert {replace(arm.spec, norm="none", dropout=0.0) for arm in ARMS.values()} == {PLAIN}
    assert len({arm.spec for arm in ARMS.values()}) == 8


def test_the_keys_are_pinned():
    assert store.spec_key(replace(PLAIN, rate=0.1)) == "dfac2accd19a"
    assert len(fields(GeneralizationGap)) == 11
