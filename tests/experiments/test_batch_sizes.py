"""One, some or all examples at a time, for some steps on digits."""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.experiments.batch_sizes import ARMS, BatchSizes, Timed, looks, run, summary
from bnkit.models import StackedMLP
from bnkit.rows import Row
from bnkit.train import at, cross_entropy, stacked_batches, train

SHORT = BatchSizes(
    batch_size=8, rate=0.1, num_steps=60, data_set="digits", widths=(10, 10), target=1.5
)
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def rows():
    return run(SHORT, SEEDS)


def select(rows, name, seed):
    return {row.step: row.value for row in rows if row.name == name and row.seed == seed}


def test_losses_are_those_of_plain_descent_by_automatic_differentiation(rows):
    data = load("digits")
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    model = StackedMLP((64, 10, 10, 10), [3], norm="none", activation="relu", init="he")

    def whole_set(event):
        return event.rows("loss", cross_entropy(event.model(x), y[None]).detach(), "nat")

    again = train(
        model,
        stacked_batches(x, y, batch_size=8, seeds=[3]),
        seeds=[3],
        rate=0.1,
        num_steps=60,
        probes=[(at([0, 10, 60]), whole_set)],
    )
    found = select(rows, "train_loss", 3)
    for row in again:
        assert found[row.step] == pytest.approx(row.value, rel=1e-4)


def test_seconds_are_the_steps_to_the_target_times_the_median_step(rows):
    for seed in SEEDS:
        curve = select(rows, "train_loss", seed)
        assert list(curve) == looks(SHORT)
        arrived = min(step for step, loss in curve.items() if loss <= 1.5)
        assert 5 < arrived < 60
        assert select(rows, "examples_to_target", seed) == {60: 8 * arrived}
        per_step = select(rows, "seconds_per_step", seed)[60]
        assert per_step > 0
        assert select(rows, "seconds_to_target", seed) == {60: arrived * per_step}
        assert select(rows, "seconds_to_target_not_reached", seed) == {60: 0.0}


def curve_of(losses):
    return [Row(0, step, "train_loss", loss, "nat") for step, loss in losses.items()]


def named(rows):
    return {row.name: row.value for row in rows}


def test_a_target_that_is_missed_costs_one_step_more_than_the_budget():
    found = named(summary(SHORT, 0, curve_of({0: 2.0, 60: 1.51}), 0.5))
    assert found["seconds_to_target"] == 61 * 0.5
    assert found["examples_to_target"] == 61 * 8
    assert found["seconds_to_target_not_reached"] == 1.0


def test_a_diverged_run_needs_for_ever():
    rows = [*curve_of({0: 2.0, 30: 0.5, 60: np.inf}), Row(0, 40, "diverged", 40.0, "step")]
    found = named(summary(SHORT, 0, rows, 0.5))
    assert found["seconds_to_target"] == found["examples_to_target"] == np.inf


def test_only_the_step_is_timed(monkeypatch):
    clock = count()  # one second a look
    monkeypatch.setattr("time.process_time", lambda: float(next(clock)))
    timed = Timed(lambda inputs, targets, rate: inputs + rate)
    assert timed(torch.ones(1), torch.ones(1), 2.0) == 3.0
    next(clock)  # a batch is drawn
    timed(torch.ones(1), torch.ones(1), 2.0)
    assert timed.seconds == [1.0, 1.0]


def test_a_seed_has_the_same_rows_alone_but_for_its_seconds(rows):
    def lasting(rows):
        return [row for row in rows if row.unit != "s"]

    for seed in SEEDS:
        assert lasting(run(SHORT, [seed])) == lasting(r for r in rows if r.seed == seed)


def test_every_arm_and_metric_that_the_claim_names_is_there(rows):
    (claim,) = [c for c in claims.load().claims if c.experiment == "batch_sizes"]
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= {row.name for row in rows}
    assert select(rows, "validation_accuracy", 3).keys() == {60}  # it chooses the rate


def test_the_arms_are_the_three_ways_and_sizes_between_and_each_is_tuned():
    assert all(isinstance(arm, Tuned) and arm.like is None for arm in ARMS.values())
    sizes = [arm.spec.batch_size for arm in ARMS.values()]
    assert sizes == [1, 4, 16, 64, 256, 1_000]
    same = {replace(arm.spec, batch_size=1, num_steps=1) for arm in ARMS.values()}
    assert len(same) == 1
    assert same.pop().data_set == "mnist1k"  # whose 1,000 examples are the full batch


def test_the_keys_are_pinned():
    assert store.spec_key(replace(ARMS["mini-batch"].spec, rate=0.1)) == "8cb94fd890ad"
