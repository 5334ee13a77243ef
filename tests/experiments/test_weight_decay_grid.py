"""The grid of penalties and rates, run for some steps on digits."""

from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments.nonlinearities import Final
from bnkit.experiments.weight_decay_grid import (
    ARMS,
    WeightDecayGrid,
    choices,
    decaying,
    run,
)
from bnkit.fully_connected import net
from bnkit.train import stacked_batches, train

SHORT = {
    "data_set": "digits",
    "widths": (20, 20),
    "num_steps": 20,
    "rates": (0.1, 0.3),
    "penalties": (1e-5, 1e-2),
}
SEEDS = (3, 0)


def of(rows, seed):
    return {row.name: row.value for row in rows if row.seed == seed}


@pytest.mark.parametrize("arm", list(ARMS))
def test_the_penalty_is_that_of_torch_on_matrices_alone(arm):
    spec, data = replace(ARMS[arm], **SHORT), load("digits")
    x = torch.tensor(data.train.flat).double()
    y = torch.tensor(data.train.y)
    ours, theirs = (net(spec, data, SEEDS).double() for _ in range(2))
    batches = stacked_batches(x, y, batch_size=50, seeds=SEEDS)
    train(ours, batches, seeds=SEEDS, rate=0.3, num_steps=8, step=decaying(ours, 0.05))
    matrices = [linear.weight for linear in theirs.linears]
    others = [p for p in theirs.parameters() if all(p is not m for m in matrices)]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": others}]
    optimizer = torch.optim.SGD(groups, lr=0.3)
    batches = stacked_batches(x, y, batch_size=50, seeds=SEEDS)
    for _ in range(8):
        inputs, targets = next(batches)
        logits = theirs(inputs)
        losses = [
            torch.nn.functional.cross_entropy(own, wanted)
            for own, wanted in zip(logits, targets, strict=True)
        ]
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
    for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-12)


def test_the_choice_by_pencil():
    cells = {
        (1e-3, 0.1): Final(0.8, 0.1),
        (1e-3, 0.3): Final(0.9, 0.2),
        (1e-2, 0.1): Final(0.9, 0.3),
        (1e-2, 0.3): Final(0.7, 0.4),
    }
    found = of(choices(5, 20, "best_level", cells), 5)
    assert (found["best_level"], found["best_rate"]) == (1e-3, 0.3)  # the lower of two
    assert (found["test_accuracy"], found["validation_accuracy"]) == (0.2, 0.9)
    assert (found["test_accuracy@0.01"], found["test_accuracy@0.01-0.3"]) == (0.3, 0.4)
    cells[1e-2, 0.1] = Final(0.95, 0.3)
    found = of(choices(5, 20, "best_level", cells), 5)
    assert (found["best_level"], found["best_rate"], found["test_accuracy"]) == (1e-2, 0.1, 0.3)


def test_a_penalty_changes_the_accuracies_of_its_cells():
    values = of(run(replace(ARMS["none"], **{**SHORT, "penalties": (1e-5, 3.0)}), [0]), 0)
    assert values["validation_accuracy@1e-05-0.3"] > 0.5
    assert values["validation_accuracy@3-0.3"] < 0.3  # all weights are as good as gone


def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack():
    spec = replace(ARMS["batch"], **{**SHORT, "num_steps": 10})
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])
    values = of(together, 0)
    claim = claims.load().claim("Q3")
    assert claim.experiment == "weight_decay_grid"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= set(values)


def test_arms_differ_in_the_normalizer_and_the_grid_of_rates_alone():
    assert len({replace(arm, norm="none", rates=()) for arm in ARMS.values()}) == 1


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(ARMS["none"]) == "e0166a2574cb"
    assert store.spec_key(ARMS["batch"]) == "7319d0e816dc"
    assert len(fields(WeightDecayGrid)) == 10
