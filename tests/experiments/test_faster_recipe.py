"""The recipe and its parts, on digits."""

from dataclasses import fields, replace
from itertools import combinations

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.experiments.faster_recipe import (
    ARMS,
    BATCH,
    CHANGES,
    PLAIN,
    DecayingStep,
    FasterRecipe,
    changed,
    half_fraction,
    made,
    run,
)
from bnkit.models import StackedMLP
from bnkit.train import cross_entropy

SHORT = {"data_set": "digits", "widths": (20, 20), "num_steps": 60, "batch_size": 20, "rate": 0.5}
SEEDS = (3, 0)


def small(arm):
    return replace(ARMS[arm].spec, **SHORT)


@pytest.fixture(scope="module")
def rows():
    return run(small("batch-x5-recipe"), SEEDS)


def select(rows, name, seed):
    return {row.step: row.value for row in rows if row.name == name and row.seed == seed}


def test_every_curve_is_there_and_the_net_learns(rows):
    for seed in SEEDS:
        curve = select(rows, "test_accuracy", seed)
        assert list(curve) == [*range(0, 61, 5)]
        assert curve[60] > 0.7
        assert list(select(rows, "validation_accuracy", seed))[-1] == 60


def test_a_step_is_descent_and_then_decay_of_the_weights_alone():
    sizes, seeds = (6, 4, 3), (2, 5)
    model = StackedMLP(sizes, seeds, norm="batch", activation="sigmoid").double()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 10, 6, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (2, 10), generator=generator)
    losses = cross_entropy(model(x), y)
    gradients = torch.autograd.grad(losses.sum(), list(model.parameters()))
    wanted = {}
    for (name, p), g in zip(model.named_parameters(), gradients, strict=True):
        kept = 1 - 0.5 * 0.1 if name.startswith("linears") and name.endswith("weight") else 1.0
        wanted[name] = kept * (p.detach() - 0.5 * g)
    found = DecayingStep(model, 0.1)(x, y, 0.5)
    torch.testing.assert_close(found, losses.detach())
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), wanted[name])


def test_the_rate_is_halved_over_the_run(monkeypatch):
    seen = []
    taken = DecayingStep.__call__

    def watched(self, inputs, targets, rate):
        seen.append(rate)
        return taken(self, inputs, targets, rate)

    monkeypatch.setattr(DecayingStep, "__call__", watched)
    run(small("batch-x5-recipe"), [0])
    # Five times 0.5, and six halvings over 60 steps: one in 10.
    assert seen[0] == 2.5
    assert seen[10] == pytest.approx(1.25)
    assert seen[50] == pytest.approx(2.5 / 2**5)


def test_shuffling_brings_new_batches_in_the_second_epoch(monkeypatch):
    seen = []

    def watched(self, inputs, targets, rate):
        seen.append(inputs.sum(dim=(1, 2)))
        return torch.zeros(1)

    monkeypatch.setattr(DecayingStep, "__call__", watched)
    epoch = len(load("digits").train) // 20
    for arm, again in (("batch", True), ("batch-shuffle", False)):
        seen.clear()
        run(replace(small(arm), num_steps=epoch + 3), [0])
        assert all(torch.equal(seen[i], seen[epoch + i]) for i in range(3)) is again


def test_dropout_is_behind_the_last_hidden_layer_only(monkeypatch):
    made = []
    monkeypatch.setattr(DecayingStep, "__init__", lambda self, model, l2: made.append(model))
    monkeypatch.setattr(DecayingStep, "__call__", lambda *_: torch.zeros(1))
    run(small("none"), [0])
    run(small("batch-x5-recipe"), [0])
    rates = [[getattr(d, "rate", 0.0) for d in model.dropouts] for model in made]
    assert rates == [[0.0, 0.4], [0.0, 0.0]]


def test_each_change_alone_all_five_and_every_three_are_there():
    fraction = half_fraction()
    singles = {f"batch-{name}" for name in CHANGES}
    assert len(fraction) == len(set(fraction.values())) == 16
    assert singles < set(fraction)
    assert fraction["batch-x5-recipe"] == changed(*CHANGES)
    assert fraction["batch-l2"] == replace(BATCH, l2=1e-4)


def test_no_main_effect_is_confounded_with_an_interaction_of_two():
    fraction = half_fraction().values()
    signs = np.array(
        [
            [1 if spec == replace(spec, **change) else -1 for change in CHANGES.values()]
            for spec in fraction
        ]
    )
    pairs = [signs[:, i] * signs[:, j] for i, j in combinations(range(5), 2)]
    columns = np.column_stack([np.ones(16), signs, *pairs])
    np.testing.assert_array_equal(columns.T @ columns, 16 * np.eye(16))


def test_all_arms_run_at_the_rate_of_the_plain_net():
    assert ARMS["none"] == Tuned(PLAIN)
    assert all(arm.like == PLAIN for name, arm in ARMS.items() if name != "none")
    assert ARMS["batch-x5"].spec == replace(BATCH, rate_factor=5.0)


@pytest.mark.parametrize("arm", ["none", "batch-x5-recipe"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(small(arm), num_steps=20)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_every_arm_that_the_claim_names_is_there(rows):
    (claim,) = [c for c in claims.load().claims if c.experiment == "faster_recipe"]
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {o.metric for o in rule.operands} <= {"steps_to_target", "test_accuracy"}


def test_the_keys_are_pinned():
    assert store.spec_key(replace(PLAIN, rate=0.1)) == "4517cbe242da"
    assert len(fields(FasterRecipe)) == 13


def test_an_arm_knows_which_changes_it_has_made():
    assert made(PLAIN) == made(BATCH) == frozenset()
    assert made(changed("l2", "shuffle")) == {"l2", "shuffle"}
    assert made(ARMS["batch-x5-recipe"].spec) == set(CHANGES)
    of_half = [made(spec) for spec in half_fraction().values()]
    assert len(set(of_half)) == 16
    assert all(len(combination) % 2 for combination in of_half)
