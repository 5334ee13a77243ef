"""Rates in proportion to the batch size, run for some steps on digits."""

from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.experiments.batch_size_and_rate import ARMS, BATCH, NONE, SIZES, BatchSizeAndRate, run
from bnkit.models import StackedMLP, StackedStep
from bnkit.train import stacked_batches

SHORT = {"data_set": "digits", "widths": (20, 20), "num_examples": 1_280, "rate": 0.32}
SEEDS = (3, 0)


def last(rows, seed):
    end = max(row.step for row in rows)
    return {row.name: row.value for row in rows if row.seed == seed and row.step == end}


def test_the_rate_is_in_proportion_to_the_batch_size_or_left_as_it_is():
    spec = replace(NONE, rate=0.32)
    assert replace(spec, batch_size=64).used_rate == 0.32
    assert replace(spec, batch_size=8).used_rate == 0.04
    assert replace(spec, batch_size=512).used_rate == 2.56
    assert replace(spec, batch_size=512, scaled=False).used_rate == 0.32


def test_the_steps_are_taken_at_that_rate_by_hand():
    spec, data = replace(BATCH, batch_size=32, **SHORT), load("digits")
    found = last(run(spec, SEEDS), 0)
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    model = StackedMLP((64, 20, 20, 10), [0], norm="batch", activation="relu", init="he")
    step, batches = StackedStep(model), stacked_batches(x, y, batch_size=32, seeds=[0])
    for _ in range(1_280 // 32):
        step(*next(batches), 0.16)
    model.eval()
    with torch.no_grad():
        right = model(torch.tensor(data.test.flat))[0].argmax(1) == torch.tensor(data.test.y)
    assert found["test_accuracy"] == pytest.approx(float(right.double().mean()))
    assert found["used_rate"] == 0.16


@pytest.mark.parametrize("arm", ["none-8", "batch-256-unscaled"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(ARMS[arm].spec, **SHORT)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])
    values = last(together, 0)
    assert "validation_accuracy" in values
    claim = claims.load().claim("C9")
    assert claim.experiment == "batch_size_and_rate"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= set(values)


def test_one_rate_serves_all_sizes_of_a_norm():
    for name, arm in ARMS.items():
        norm, size, *rest = name.split("-")
        reference = NONE if norm == "none" else BATCH
        wanted = replace(reference, batch_size=int(size), scaled=not rest)
        assert arm == Tuned(wanted, like=reference)
    assert len(ARMS) == 2 * (2 * len(SIZES) - 1)
    assert ARMS["none-64"].spec == NONE


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(NONE) == "f35b8107b4fe"
    assert store.spec_key(ARMS["batch-8-unscaled"].spec) == "4aeaf5dee47c"
    assert len(fields(BatchSizeAndRate)) == 9
