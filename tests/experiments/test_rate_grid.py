"""All rates of a grid, on digits."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments.rate_grid import ARMS, RateGrid, rates, run, summary
from bnkit.models import StackedMLP
from bnkit.probes import Evaluation
from bnkit.rows import Row
from bnkit.train import at, stacked_batches, train

SHORT = {
    "data_set": "digits",
    "widths": (20, 20),
    "num_steps": 30,
    "looks": (10,),
    "lowest": 0.01,
    "highest": 1.0,
    "rates_per_decade": 1,
    "batch_size": 20,
}
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def rows():
    return run(replace(ARMS["batch"], **SHORT), SEEDS)


def select(rows, name, seed):
    return {row.step: row.value for row in rows if row.name == name and row.seed == seed}


def test_every_rate_has_its_curve_and_every_seed_its_judged_numbers(rows):
    for seed in SEEDS:
        for rate in ("0.01", "0.1", "1"):
            assert list(select(rows, f"test_accuracy@{rate}", seed)) == [10, 30]
            assert list(select(rows, f"validation_accuracy@{rate}", seed)) == [30]
            assert list(select(rows, f"train_loss@{rate}", seed)) == [0, 30]
        for name in ("best_rate", "test_accuracy", "validation_accuracy", "largest_stable_rate"):
            assert list(select(rows, name, seed)) == [30]


def test_a_rate_gives_the_accuracy_of_descent_by_automatic_differentiation(rows):
    data = load("digits")
    model = StackedMLP((64, 20, 20, 10), [3], norm="batch", activation="relu", init="he")
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    test = Evaluation("test", torch.tensor(data.test.flat), torch.tensor(data.test.y), 10)
    again = train(
        model,
        stacked_batches(x, y, batch_size=20, seeds=[3]),
        seeds=[3],
        rate=0.1,
        num_steps=30,
        probes=[(at([30]), test)],
    )
    found = select(rows, "test_accuracy@0.1", 3)[30]
    assert found == pytest.approx(again[0].value, abs=0.01)  # three images of 360
    assert 0.5 < found < 1


def by_hand(**curves):
    """Rows of seed 0: metric -> rate -> values at steps 0 and 30."""
    return [
        Row(0, step, f"{name}@{rate:g}", value, "1")
        for name, of_rates in curves.items()
        for rate, values in of_rates.items()
        for step, value in zip((0, 30), values, strict=True)
    ]


def test_the_best_rate_is_chosen_on_validation_and_judged_on_test():
    made = by_hand(
        validation_accuracy={0.1: (0.9, 0.8), 1.0: (0.1, 0.85), 10.0: (0.1, 0.85)},
        test_accuracy={0.1: (0.99, 0.95), 1.0: (0.1, 0.7), 10.0: (0.1, 0.9)},
        train_loss={0.1: (2.0, 0.9), 1.0: (2.0, 1.1), 10.0: (2.0, np.inf)},
    )
    other = [row._replace(seed=1, value=0.5) for row in made]
    found = {
        row.name: row.value for row in summary(replace(ARMS["none"], **SHORT), 0, made + other)
    }
    assert found == {
        "best_rate": 1.0,
        "test_accuracy": 0.7,
        "validation_accuracy": 0.85,
        "largest_stable_rate": 0.1,
    }


@pytest.mark.parametrize("arm", ARMS)
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(ARMS[arm], **SHORT)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_the_grid_is_even_on_logarithms():
    grid = rates(ARMS["none"])
    assert (grid[0], grid[-1], len(grid)) == (0.003, 30.0, 17)
    np.testing.assert_allclose(np.diff(np.log10(grid)), 0.25, atol=0.03)


def test_every_arm_and_metric_that_a_claim_names_is_there(rows):
    served = [c for c in claims.load().claims if c.experiment == "rate_grid"]
    assert {claim.id for claim in served} == {"B3", "Q5"}
    for claim in served:
        for rule in claim.rules.values():
            assert {operand.arm for operand in rule.operands} <= set(ARMS)
            assert {operand.metric for operand in rule.operands} <= {row.name for row in rows}


def test_the_keys_are_pinned():
    assert replace(ARMS["batch"], norm="none") == ARMS["none"]
    assert store.spec_key(ARMS["none"]) == "7940b5560a2c"
    assert len(fields(RateGrid)) == 12
