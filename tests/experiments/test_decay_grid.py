"""The grid of decay lengths and first rates, run for some steps on digits."""

import math
from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import decay_grid
from bnkit.experiments.decay_grid import ARMS, DecayGrid, factor, run
from bnkit.models import StackedMLP, StackedStep
from bnkit.train import stacked_batches

SHORT = {
    "data_set": "digits",
    "widths": (20, 20),
    "num_steps": 20,
    "rates": (0.1, 0.3),
    "lengths": (5.0, 1e6),
}
SEEDS = (3, 0)


def of(rows, seed):
    return {row.name: row.value for row in rows if row.seed == seed}


def test_the_rate_falls_to_a_third_and_more_in_one_length():
    assert factor(50.0, 0) == 1.0
    assert factor(50.0, 50) == pytest.approx(1 / math.e)
    assert factor(50.0, 100) == pytest.approx(1 / math.e**2)


def test_a_cell_is_a_net_that_is_trained_at_falling_rates_by_hand():
    spec, data = replace(ARMS["batch"], **SHORT), load("digits")
    found = decay_grid._trained(spec, data, 5.0, 0.3, None, [3])[3]
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    model = StackedMLP((64, 20, 20, 10), [3], norm="batch", activation="relu", init="he")
    step, batches = StackedStep(model), stacked_batches(x, y, batch_size=50, seeds=[3])
    for now in range(20):
        step(*next(batches), 0.3 * math.exp(-now / 5))
    model.eval()
    with torch.no_grad():
        right = model(torch.tensor(data.test.flat)).argmax(-1)[0] == torch.tensor(data.test.y)
    assert found.test == pytest.approx(float(right.double().mean()))
    slow = decay_grid._trained(spec, data, 1e6, 0.3, None, [3])[3]
    assert slow.test > found.test + 0.05  # so many steps are too few at a rate that is gone


def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack():
    spec = replace(ARMS["none"], **{**SHORT, "num_steps": 10})
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])
    values = of(together, 0)
    assert values["best_decay_steps"] in (5.0, 1e6)
    claim = claims.load().claim("Q4")
    assert claim.experiment == "decay_grid"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= set(values)


def test_arms_differ_in_the_normalizer_and_the_grid_of_rates_alone():
    assert len({replace(arm, norm="none", rates=()) for arm in ARMS.values()}) == 1
    spec = ARMS["none"]
    assert max(spec.lengths) > 5 * spec.num_steps  # one of them is as good as constant


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(ARMS["none"]) == "17b18fa07593"
    assert store.spec_key(ARMS["batch"]) == "641b68149e33"
    assert len(fields(DecayGrid)) == 10
