"""Of times little is certain; what is timed, and that a clock ran, can be tested."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.experiments import seconds_per_example
from bnkit.experiments.seconds_per_example import ARMS, SecondsPerExample, Turn, measure, run

SMALL = {"batch_sizes": (1, 2, 16), "num_rounds": 3, "sizes": (6, 4, 3)}


class Clock:
    """Stands in for `time.process_time`: what a step costs is what the test says."""

    def __init__(self):
        self.now = 0.0

    def process_time(self):
        return self.now


@pytest.fixture
def steps(monkeypatch):
    """Steps of m examples that take 3 + m seconds and are counted; every tenth takes a year."""
    clock, taken = Clock(), []

    def step(model):
        def take(inputs, targets, rate):
            taken.append(inputs.shape[1])
            clock.now += 3.0 + inputs.shape[1]
            return torch.zeros(1)

        return take

    monkeypatch.setattr(seconds_per_example, "StackedStep", step)
    monkeypatch.setattr(time, "process_time", clock.process_time)
    return taken


def test_a_step_of_known_seconds_is_found_per_step_and_per_example(steps):
    found = measure(SecondsPerExample(**SMALL, examples_per_turn=8), np.random.default_rng(0))
    for size in (1, 2, 16):
        assert found[f"seconds_per_step@{size}"] == 3.0 + size
        assert found[f"seconds_per_example@{size}"] == (3.0 + size) / size
    # One turn to warm up and three that count, of 8 examples or one step.
    assert {size: steps.count(size) for size in (1, 2, 16)} == {1: 32, 2: 16, 16: 4}


def test_the_median_forgets_a_turn_that_was_disturbed(monkeypatch):
    turns = iter([0.0, 1.0, 900.0, 2.0])
    monkeypatch.setattr(Turn, "__call__", lambda self: next(turns))
    spec = SecondsPerExample(batch_sizes=(4,), num_rounds=3, sizes=(6, 4, 3))
    assert measure(spec, np.random.default_rng(0))["seconds_per_step@4"] == 2.0


@pytest.mark.parametrize("arm", ARMS.values(), ids=list(ARMS))
def test_every_arm_has_positive_seconds_for_every_batch_size(arm):
    rows = run(replace(arm, **SMALL), [4, 2])
    sizes = (1, 2, 16) if arm.norm == "none" else (2, 16)  # BN has no statistics of one example
    wanted = {f"seconds_per_{of}@{size}" for of in ("step", "example") for size in sizes}
    for seed in (4, 2):
        assert {row.name for row in rows if row.seed == seed} == wanted
    assert all(row.value > 0 and row.unit == "s" for row in rows)


def test_both_ways_take_the_same_step():
    rng = np.random.default_rng(0)
    spec = SecondsPerExample(**SMALL)
    turns = [Turn(replace(spec, step=step), 16, rng) for step in ("written-out", "autograd")]
    inputs, targets = torch.randn(1, 16, 6), torch.randint(3, (1, 16))
    for _ in range(2):
        first, second = (turn._step(inputs, targets, 0.5) for turn in turns)
        torch.testing.assert_close(first, second)


def test_every_arm_and_metric_that_the_claim_names_is_there():
    (claim,) = [c for c in claims.load().claims if c.experiment == "seconds_per_example"]
    for rule in claim.rules.values():
        for arm, metric in rule.operands:
            assert metric.startswith("seconds_per_example@")
            assert int(metric.partition("@")[2]) in ARMS[arm].batch_sizes


def test_the_keys_are_pinned():
    assert store.spec_key(ARMS["trials"]) == "2e5c95d6de2d"
