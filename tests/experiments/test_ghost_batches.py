"""Sizes of groups, on digits."""

from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, store
from bnkit.experiments import Tuned
from bnkit.experiments.ghost_batches import (
    ARMS,
    BETWEEN,
    GhostBatches,
    at_one_size,
    net,
    run,
    summary,
)
from bnkit.rows import Row

SHORT = {"data_set": "digits", "widths": (20, 20), "num_steps": 30, "batch_size": 16, "rate": 0.1}
SEEDS = (3, 0)


def small(arm, sizes=None):
    spec = replace(ARMS[arm].spec, **SHORT)
    return spec if sizes is None else replace(spec, ghost_sizes=sizes)


@pytest.fixture(scope="module")
def rows():
    return run(small("ghost-best", (4, 8)), SEEDS)


def select(rows, name, seed):
    return {row.step: row.value for row in rows if row.name == name and row.seed == seed}


def test_every_size_has_its_numbers_and_every_seed_its_judged_ones(rows):
    for seed in SEEDS:
        best = int(select(rows, "best_size", seed)[30])
        assert best in (4, 8)
        for name in ("validation_accuracy", "test_accuracy", "train_loss"):
            of_sizes = {size: select(rows, f"{name}@{size}", seed) for size in (4, 8)}
            assert all(list(found) == [30] for found in of_sizes.values())
            assert select(rows, name, seed) == of_sizes[best]
        assert select(rows, "test_accuracy", seed)[30] > 0.6


def test_the_best_size_is_chosen_on_validation_and_judged_on_test():
    values = {
        "validation_accuracy@4": 0.5, "validation_accuracy@8": 0.5, "validation_accuracy@16": 0.4,
        "test_accuracy@4": 0.9, "test_accuracy@8": 0.3, "test_accuracy@16": 0.99,
        "train_loss@4": 1.0, "train_loss@8": 2.0, "train_loss@16": 3.0,
    }  # fmt: skip
    made = [Row(0, 30, name, value, "1") for name, value in values.items()]
    other = [row._replace(seed=1, value=0.7) for row in made]
    found = summary(small("ghost-best", (4, 8, 16)), 0, made + other)
    assert {row.name: row.value for row in found} == {
        "best_size": 8.0,
        "validation_accuracy": 0.5,
        "test_accuracy": 0.3,
        "train_loss": 2.0,
    }


def test_every_layer_normalizes_in_groups_of_the_size():
    model = net(small("ghost-4"), 4, (6, 20, 20, 3), [0])
    assert [norm.ghost_size for norm in model.norms] == [4, 4]
    x = torch.randn(1, 16, 6, generator=torch.Generator().manual_seed(1))
    whole, part = model(x), model(x[:, :4])
    torch.testing.assert_close(whole[:, :4], part, rtol=1e-4, atol=1e-5)  # a group stands alone


def test_smaller_groups_make_another_net():
    small_groups, large = (at_one_size(small("ghost-4"), size, [3]) for size in (4, 16))
    assert small_groups != large


@pytest.mark.parametrize("size", [4, 16])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(size):
    spec = small("ghost-best", (size,))
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_every_arm_and_metric_that_the_claim_names_is_there(rows):
    (claim,) = [c for c in claims.load().claims if c.experiment == "ghost_batches"]
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= {row.name for row in rows}


def test_the_arms_differ_in_the_size_and_all_sizes_divide_the_batch():
    assert all(isinstance(arm, Tuned) and arm.like is None for arm in ARMS.values())
    assert len({replace(arm.spec, ghost_sizes=()) for arm in ARMS.values()}) == 1
    assert all(128 % size == 0 for arm in ARMS.values() for size in arm.spec.ghost_sizes)
    assert ARMS["ghost-best"].spec.ghost_sizes == BETWEEN


def test_the_keys_are_pinned():
    assert store.spec_key(replace(ARMS["ghost-4"].spec, rate=0.1)) == "2ae6b6c5e71f"
    assert len(fields(GhostBatches)) == 8
