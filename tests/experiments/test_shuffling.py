"""Batches that are made once or in each epoch, run for some steps on digits."""

from dataclasses import fields, replace
from itertools import islice

import pytest
import torch

from bnkit import claims, store
from bnkit.experiments.shuffling import ARMS, NONE, Shuffling, run, same_batches
from bnkit.train import stacked_batches

SHORT = {"data_set": "digits", "widths": (20, 20), "num_steps": 30, "rate": 0.3}
SEEDS = (3, 0)
X, Y = torch.arange(12.0)[:, None], torch.arange(12)


def epochs(make, num_epochs, seeds=SEEDS, batch_size=3):
    batches = make(X, Y, batch_size=batch_size, seeds=seeds)
    return [list(islice(batches, 12 // batch_size)) for _ in range(num_epochs)]


def members(epoch, place):
    """Who meets whom, in the order of the batches."""
    return [frozenset(y[place].tolist()) for _, y in epoch]


def test_companions_stay_the_same_and_their_batches_come_in_another_order():
    found = epochs(same_batches, 4)
    for place in range(2):
        sets = [members(epoch, place) for epoch in found]
        assert all(set(own) == set(sets[0]) for own in sets)
        assert len({tuple(own) for own in sets}) > 2
        assert frozenset().union(*sets[0]) == set(range(12))  # nobody is left out
    shuffled = epochs(stacked_batches, 4)
    assert set(members(shuffled[1], 0)) != set(members(shuffled[0], 0))


def test_the_first_epoch_is_that_of_reshuffled_training():
    for ours, theirs in zip(epochs(same_batches, 1)[0], epochs(stacked_batches, 1)[0], strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


def test_inputs_belong_to_their_labels_and_a_seed_is_what_it_is_alone():
    alone = epochs(same_batches, 3, seeds=(0,))
    for ours, together in zip(alone, epochs(same_batches, 3), strict=True):
        for (x, y), (both_x, both_y) in zip(ours, together, strict=True):
            assert torch.equal(x[0], both_x[1])
            assert torch.equal(y[0], both_y[1])
            assert torch.equal(both_x[..., 0].long(), both_y)


@pytest.mark.parametrize("arm", ["none-fixed", "batch-10-fixed"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(ARMS[arm].spec, **SHORT)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])
    last = {row.name for row in together if row.step == 30}
    assert {"validation_accuracy", "train_loss"} <= last
    claim = claims.load().claim("Q1")
    assert claim.experiment == "shuffling"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= last


def test_fixed_and_reshuffled_training_part_after_the_first_epoch():
    specs = [replace(ARMS[f"batch-{how}"].spec, **SHORT) for how in ("fixed", "reshuffled")]
    curves = [
        {row.step: row.value for row in run(spec, [0]) if row.name == "test_loss"} for spec in specs
    ]
    assert curves[0][20] == curves[1][20]  # digits has 21 batches
    assert curves[0][30] != curves[1][30]


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    same = {"norm": "none", "reshuffle": True, "batch_size": 50}
    assert {replace(arm.spec, **same) for arm in ARMS.values()} == {NONE}
    assert all(1_000 % arm.spec.batch_size == 0 for arm in ARMS.values())
    assert store.spec_key(NONE) == "01c0a85d19d8"
    assert store.spec_key(ARMS["batch-10-fixed"].spec) == "f3786d734bcb"
    assert len(fields(Shuffling)) == 9
