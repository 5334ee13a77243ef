"""Which rates a net bears, on digits."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import largest_stable_rate
from bnkit.experiments.largest_stable_rate import (
    ARMS,
    LargestStableRate,
    rates,
    run,
    shares_left,
)
from bnkit.models import StackedMLP
from bnkit.train import cross_entropy, stacked_batches

SHORT = {
    "data_set": "digits",
    "width": 10,
    "batch_size": 20,
    "num_steps": 20,
    "num_probe_examples": 200,
    "lowest": 0.1,
    "highest": 10.0,
    "rates_per_decade": 1,
}
SEEDS = (3, 0)


def small(arm):
    return replace(ARMS[arm], **SHORT | ({"num_hidden": 4} if arm.endswith("-deep") else {}))


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_tries_every_rate_and_a_seed_alone_has_the_same_rows(arm):
    rows = run(small(arm), SEEDS)
    wanted = {f"{name}@{r}" for name in ("train_loss_share", "stable") for r in ("0.1", "1", "10")}
    for seed in SEEDS:
        own = [row for row in rows if row.seed == seed]
        assert {row.name for row in own} == wanted | {"largest_stable_rate"}
        assert {row.step for row in own} == {20}
        assert run(small(arm), [seed]) == own


def test_the_largest_rate_that_was_borne_counts_even_above_one_that_was_not(monkeypatch):
    # Shares at rates 0.1, 1 and 10: the first seed bears the outer two, the second none.
    shares = {0.1: [0.1, 0.5], 1.0: [0.7, np.inf], 10.0: [0.49, 0.9]}
    monkeypatch.setattr(
        largest_stable_rate, "shares_left", lambda spec, rate, *_: np.array(shares[rate])
    )
    found = {(row.seed, row.name): row.value for row in run(small("none"), SEEDS)}
    assert found[3, "largest_stable_rate"] == 10.0
    assert found[0, "largest_stable_rate"] == 0.0
    assert [found[3, f"stable@{r}"] for r in ("0.1", "1", "10")] == [1.0, 0.0, 1.0]
    assert [found[0, f"stable@{r}"] for r in ("0.1", "1", "10")] == [0.0, 0.0, 0.0]
    assert found[0, "train_loss_share@1"] == np.inf


def by_torch(spec, rate, seed, clip=np.inf):
    """Loss after over loss before, by automatic differentiation; He weights, plain net."""
    data = load("digits")
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    model = StackedMLP((64, 10, 10, 10, 10), [seed], norm="none", activation="relu", init="he")

    def loss(x, y):
        return cross_entropy(model(x), y).sum()

    before = float(loss(x[:200], y[None, :200]).detach())
    batches = stacked_batches(x, y, batch_size=20, seeds=[seed])
    for _ in range(20):
        inputs, targets = next(batches)
        gradients = torch.autograd.grad(loss(inputs, targets), list(model.parameters()))
        norm = float(torch.cat([g.flatten() for g in gradients]).norm())
        with torch.no_grad():
            for p, g in zip(model.parameters(), gradients, strict=True):
                p -= rate * min(1.0, clip / norm) * g
    return float(loss(x[:200], y[None, :200]).detach()) / before


def test_what_is_left_of_the_loss_is_that_of_plain_descent():
    (found,) = shares_left(small("none-he"), 0.1, [3])
    assert found == pytest.approx(by_torch(small("none-he"), 0.1, 3), rel=1e-3)
    assert found < 0.9


def test_clipping_shortens_the_gradient():
    spec = replace(small("none-he"), clip=0.5)
    (found,) = shares_left(spec, 0.5, [3])
    assert found == pytest.approx(by_torch(spec, 0.5, 3, clip=0.5), rel=1e-2)
    assert found != pytest.approx(by_torch(spec, 0.5, 3), rel=1e-2)


def test_lsuv_begins_from_other_weights():
    lecun, lsuv = (shares_left(small(arm), 0.1, [3]) for arm in ("none", "none-lsuv"))
    assert lecun != pytest.approx(lsuv)


def test_a_rate_that_is_far_too_large_leaves_more_loss_than_there_was():
    (found,) = shares_left(small("none"), 1e4, [0])
    assert found > 1.0


def test_the_grid_is_even_on_logarithms():
    grid = rates(ARMS["none"])
    assert (grid[0], grid[-1], len(grid)) == (0.01, 1000.0, 31)
    np.testing.assert_allclose(np.diff(np.log10(grid)), 1 / 6, atol=3e-3)


def test_every_arm_and_metric_that_the_claim_names_is_there():
    (claim,) = [c for c in claims.load().claims if c.experiment == "largest_stable_rate"]
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} == {"largest_stable_rate"}


def test_the_arms_differ_in_nothing_but_what_is_compared():
    plain = ARMS["none"]
    free = {"norm": "none", "init": "lecun", "clip": 0.0, "num_hidden": 3}
    assert {replace(spec, **free) for spec in ARMS.values()} == {plain}
    assert ARMS["batch"] == replace(plain, norm="batch")


def test_the_keys_are_pinned():
    assert store.spec_key(ARMS["none"]) == "4dafa14119bf"
    assert len(fields(LargestStableRate)) == 13
