"""Statistics of the population, with a penalty and without, on digits."""

from dataclasses import fields, replace

import pytest
import torch
from torch.nn import functional as F

from bnkit import claims, store
from bnkit.experiments import Tuned
from bnkit.experiments.population_normalization import (
    ARMS,
    BATCH,
    PENALTIES,
    POPULATION,
    PopulationNormalization,
    PopulationStep,
    run,
    summary,
    with_penalty,
)
from bnkit.models import StackedMLP
from bnkit.models.ghost_norm import StackedPopulationNorm
from bnkit.rows import Row

SHORT = {"data_set": "digits", "widths": (12, 12), "num_steps": 20, "batch_size": 16, "rate": 0.1}
SEEDS = (3, 0)


def small(arm, **changes):
    return replace(ARMS[arm].spec, **SHORT | changes)


@pytest.fixture(scope="module")
def rows():
    return run(small("population-penalty", penalties=(1e-3, 0.1)), SEEDS)


def select(rows, name, seed):
    return {row.step: row.value for row in rows if row.name == name and row.seed == seed}


def test_every_penalty_has_its_numbers_and_every_seed_its_judged_ones(rows):
    for seed in SEEDS:
        best = select(rows, "best_penalty", seed)[20]
        for name in ("validation_accuracy", "test_accuracy", "train_loss"):
            of_penalties = {p: select(rows, f"{name}@{p:g}", seed) for p in (1e-3, 0.1)}
            assert all(list(found) == [20] for found in of_penalties.values())
            assert select(rows, name, seed) == of_penalties[best]
        assert select(rows, "test_accuracy", seed)[20] > 0.4


def test_the_best_penalty_is_chosen_on_validation_and_judged_on_test():
    values = {
        "validation_accuracy@0.001": 0.5, "validation_accuracy@0.1": 0.6,
        "test_accuracy@0.001": 0.9, "test_accuracy@0.1": 0.3,
        "train_loss@0.001": 1.0, "train_loss@0.1": 2.0,
    }  # fmt: skip
    made = [Row(0, 20, name, value, "1") for name, value in values.items()]
    other = [row._replace(seed=1, value=0.7) for row in made]
    spec = small("population-penalty", penalties=(1e-3, 0.1))
    assert {row.name: row.value for row in summary(spec, 0, made + other)} == {
        "best_penalty": 0.1,
        "validation_accuracy": 0.6,
        "test_accuracy": 0.3,
        "train_loss": 2.0,
    }


def test_a_step_is_descent_on_a_net_with_the_populations_statistics_and_a_penalty():
    generator = torch.Generator().manual_seed(1)
    population = torch.randn(9, 5, generator=generator, dtype=torch.float64)
    x = torch.randn(1, 4, 5, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (1, 4), generator=generator)
    model = StackedMLP((5, 4, 3), [2], norm="batch", activation="relu").double()
    model.norms[0] = StackedPopulationNorm(1, 4, 9).double()
    with torch.no_grad():
        model.norms[0].weight.mul_(1.5)
    named = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    w, v, c = (named[f"linears.{name}"][0] for name in ("0.weight", "1.weight", "1.bias"))
    gamma, beta = named["norms.0.weight"][0], named["norms.0.bias"][0]
    z, of_all = w @ x[0].T, w @ population.T
    spread = torch.sqrt(of_all.var(dim=1, correction=0, keepdim=True) + 1e-5)
    h = (gamma * (z - of_all.mean(dim=1, keepdim=True)) / spread + beta).relu()
    loss = F.cross_entropy((v @ h + c).T, y[0])
    total = loss + 0.01 * gamma.square().sum()
    gradients = torch.autograd.grad(total, list(named.values()))
    found = PopulationStep(model, population, 0.01)(x, y, 0.5)
    torch.testing.assert_close(found, loss.detach()[None])
    for (name, p), g in zip(model.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(p.detach(), named[name].detach() - 0.5 * g, msg=name)


def test_a_penalty_shrinks_gamma_and_leaves_more_training_loss(rows):
    for seed in SEEDS:
        losses = [select(rows, f"train_loss@{p}", seed)[20] for p in ("0.001", "0.1")]
        assert losses[1] > 1.1 * losses[0]


@pytest.mark.parametrize("arm", ["batch", "population", "population-penalty"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    together = run(small(arm), SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(small(arm), [seed])


def test_batch_normalization_takes_no_penalty():
    with pytest.raises(ValueError, match=r"penalty 0\.1: only the population's net"):
        with_penalty(small("batch"), 0.1, [0])


def test_every_arm_and_metric_that_the_claim_names_is_there(rows):
    (claim,) = [c for c in claims.load().claims if c.experiment == "population_normalization"]
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= {row.name for row in rows}


def test_all_arms_run_at_the_rate_of_batch_normalization():
    assert ARMS["batch"] == Tuned(BATCH)
    assert ARMS["population"] == Tuned(POPULATION, like=BATCH)
    assert ARMS["population-penalty"].like == BATCH
    assert replace(ARMS["population-penalty"].spec, penalties=(0.0,)) == POPULATION
    assert len(PENALTIES) == 3


def test_the_keys_are_pinned():
    assert store.spec_key(replace(BATCH, rate=0.1)) == "99e09f59870a"
    assert len(fields(PopulationNormalization)) == 9
