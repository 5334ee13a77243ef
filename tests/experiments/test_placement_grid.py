"""BN in two places, with gamma and beta or without, run for some steps on digits."""

from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.experiments.placement_grid import ARMS, NONE, PlacementGrid, run
from bnkit.models import StackedMLP

SHORT = {"data_set": "digits", "widths": (20, 20), "num_steps": 40, "rate": 0.3}
SEEDS = (3, 0)


def short(arm):
    return replace(ARMS[arm].spec, **SHORT)


def last(rows, seed):
    return {row.name: row.value for row in rows if row.seed == seed and row.step == 40}


def test_the_grid_is_whole():
    cells = {(s.activation, s.norm, s.placement, s.affine) for s in (a.spec for a in ARMS.values())}
    assert len(cells) == len(ARMS) == 3 + 3 * 2 * 2
    for name, arm in ARMS.items():
        spec, words = arm.spec, name.split("-")
        assert isinstance(arm, Tuned)
        assert spec.activation == words[-1]
        assert spec.init == ("he" if spec.activation == "relu" else "lecun")
        if words[0] == "none":
            assert spec == NONE[spec.activation]
        else:
            assert [spec.placement, "affine" if spec.affine else "bare"] == words[:2]
            assert replace(spec, norm="none", placement="before", affine=True) == NONE[words[2]]


@pytest.mark.parametrize("arm", ["before-bare-relu", "after-affine-tanh"])
def test_the_net_that_is_trained_is_the_one_of_the_arm(arm):
    """The accuracies of the rows are those of a net built and trained by hand."""
    spec, data = short(arm), load("digits")
    found = last(run(spec, SEEDS), 0)
    torch.manual_seed(0)
    sizes = (64, 20, 20, 10)
    own = StackedMLP(
        sizes,
        [0],
        norm="batch",
        activation=spec.activation,
        init=spec.init,
        affine="affine" in arm,
        placement=arm.split("-")[0],
    )
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    generator, optimizer = torch.Generator().manual_seed(1_000_003), torch.optim.SGD
    descent = optimizer(own.parameters(), lr=0.3)
    orders = [torch.randperm(len(x), generator=generator) for _ in range(2)]
    for now in range(40):
        start = 50 * (now % 21)
        index = orders[now // 21][start : start + 50]
        loss = torch.nn.functional.cross_entropy(own(x[index])[0], y[index])
        descent.zero_grad()
        loss.backward()
        descent.step()
    own.eval()
    with torch.no_grad():
        right = own(torch.tensor(data.test.flat))[0].argmax(1) == torch.tensor(data.test.y)
    assert found["test_accuracy"] == pytest.approx(float(right.double().mean()), abs=0.006)


@pytest.mark.parametrize("arm", ["none-sigmoid", "before-affine-relu", "after-bare-tanh"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    together = run(short(arm), SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(short(arm), [seed])


def test_the_rows_have_what_the_rules_and_the_choice_of_a_rate_need():
    rows = run(short("after-affine-relu"), SEEDS)
    values = last(rows, 0)
    assert values["validation_accuracy"] > 0.6
    assert values["test_error"] == 1 - values["test_accuracy"]
    served = [c for c in claims.load().claims if c.experiment == "placement_grid"]
    assert {claim.id for claim in served} == {"C1", "C2", "C3"}
    for claim in served:
        for rule in claim.rules.values():
            assert {operand.arm for operand in rule.operands} <= set(ARMS)
            assert {operand.metric for operand in rule.operands} <= set(values)


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(NONE["relu"]) == "ca91578f4a3d"
    assert store.spec_key(ARMS["after-bare-tanh"].spec) == "c308ac3e9d1a"
    assert len(fields(PlacementGrid)) == 10
