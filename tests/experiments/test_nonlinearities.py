"""Several nonlinearities at several rates, run for some steps on digits."""

from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import nonlinearities
from bnkit.experiments.nonlinearities import ARMS, Final, Nonlinearities, replicated, run, trained
from bnkit.models import StackedMLP
from bnkit.train import stacked_batches, train

SHORT = {"data_set": "digits", "widths": (20, 20), "num_steps": 20, "rates": (0.1, 0.3)}
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def rows():
    return run(replace(ARMS["batch"], **SHORT), SEEDS)


def of(rows, seed):
    return {row.name: row.value for row in rows if row.seed == seed}


def test_the_spread_is_that_of_the_test_accuracies_at_the_best_rates_by_pencil():
    spec = replace(ARMS["none"], rates=(0.1, 0.3), family=("relu", "elu"), others=("tanh",))
    cells = {
        ("relu", 0.1): Final(0.8, 0.7),
        ("relu", 0.3): Final(0.7, 0.9),
        ("elu", 0.1): Final(0.6, 0.1),
        ("elu", 0.3): Final(0.7, 0.75),
        ("tanh", 0.1): Final(0.5, 0.5),
        ("tanh", 0.3): Final(0.5, 0.6),
    }
    found = of(nonlinearities._choices(spec, 4, cells), 4)
    assert found["accuracy_spread"] == pytest.approx(0.05)
    assert found["accuracy_spread_all"] == pytest.approx(0.25)
    assert (found["best_rate@relu"], found["best_rate@elu"]) == (0.1, 0.3)


def test_a_value_is_the_mean_of_the_replicates_of_its_seed():
    asked = []

    def cell(seeds):
        asked.append(list(seeds))
        return {seed: Final(seed / 100_000, 1.0) for seed in seeds}

    found = replicated(cell, [5, 7], 3)
    assert asked == [[5, 7], [10_005, 10_007], [20_005, 20_007]]
    assert found[7].validation == pytest.approx(0.10007)


@pytest.mark.parametrize("name", ["prelu", "elu"])
def test_the_accuracies_are_those_of_a_net_trained_by_automatic_differentiation(name):
    spec, data = replace(ARMS["batch"], **SHORT), load("digits")
    found = trained(spec, data, name, 0.3, None, SEEDS)
    model = StackedMLP((64, 20, 20, 10), SEEDS, norm="batch", activation=name, init="he")
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    batches = stacked_batches(x, y, batch_size=50, seeds=SEEDS)
    train(model, batches, seeds=SEEDS, rate=0.3, num_steps=20)
    model.eval()
    with torch.no_grad():
        for split, place in ((data.validation, 0), (data.test, 1)):
            right = model(torch.tensor(split.flat)).argmax(-1) == torch.tensor(split.y)
            for seed, accuracy in zip(SEEDS, right.double().mean(1).tolist(), strict=True):
                assert found[seed][place] == pytest.approx(accuracy, abs=0.006)


@pytest.mark.parametrize("arm", list(ARMS))
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(ARMS[arm], **{**SHORT, "num_steps": 10})
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_the_rows_have_what_the_rule_needs(rows):
    values = of(rows, 0)
    assert len(values) == 5 * 2 * 2 + 5 * 2 + 2
    assert values["test_accuracy@relu"] in (
        values["test_accuracy@relu-0.1"],
        values["test_accuracy@relu-0.3"],
    )
    claim = claims.load().claim("C5")
    assert claim.experiment == "nonlinearities"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= set(values)


def test_arms_differ_in_the_normalizer_and_the_grid_of_rates_alone():
    assert len({replace(arm, norm="none", rates=()) for arm in ARMS.values()}) == 1


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(ARMS["none"]) == "6d6acb9eec87"
    assert store.spec_key(ARMS["batch"]) == "09ab075ec034"
    assert len(fields(Nonlinearities)) == 11
