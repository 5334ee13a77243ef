"""The convolutional net with BN in two places, run for some steps on digits."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments.placement_other_net import (
    AFTER,
    ARMS,
    BEFORE,
    NONE,
    PlacementOtherNet,
    network,
    run,
    smaller,
)

SHORT = {"data_set": "digits", "stages": ((4,), (6,)), "num_steps": 20, "rate": 0.3}
SEEDS = (3, 0)


def test_a_pixel_is_the_mean_of_a_square_by_pencil():
    image = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    expected = [[(0 + 1 + 4 + 5) / 4, (2 + 3 + 6 + 7) / 4], [10.5, 12.5]]
    np.testing.assert_array_equal(smaller(image, 2)[0, 0], expected)
    assert smaller(image, 2).dtype == np.float32


@pytest.mark.parametrize("placement", ["before", "after"])
def test_bn_stands_where_the_arm_says(placement):
    """With BN in front no activation is negative; behind it the mean over the batch is beta, 0."""
    data = load("digits")
    net = network(replace(BEFORE, **SHORT, placement=placement), data, 0)
    seen = []
    net.pools[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    net(torch.tensor(smaller(data.train.x[:50], 2)))
    means = seen[0].mean(dim=(0, 2, 3))
    assert bool((seen[0] >= 0).all()) == (placement == "before")
    assert bool((means.abs() < 1e-5).all()) == (placement == "after")


def test_a_seed_alone_gives_the_rows_that_it_has_beside_another():
    spec = replace(AFTER, **SHORT)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert sorted(row for row in together if row.seed == seed) == sorted(run(spec, [seed]))
    last = {row.name: row.value for row in together if row.seed == 0 and row.step == 20}
    assert last["test_error"] == 1 - last["test_accuracy"]
    assert last["validation_accuracy"] > 0.4
    claim = claims.load().claim("C4")
    assert claim.experiment == "placement_other_net"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= set(last)


def test_arms_differ_in_what_is_compared_alone():
    cells = [(a.spec.norm, a.spec.placement, a.spec.affine) for a in ARMS.values()]
    assert len(set(cells)) == 5
    same = {"norm": "none", "placement": "before", "affine": True}
    assert {replace(arm.spec, **same) for arm in ARMS.values()} == {NONE}
    for name, arm in ARMS.items():
        assert ("bare" in name) != arm.spec.affine
        assert ("after" in name) == (arm.spec.placement == "after")


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(NONE) == "a0e125d1c3de"
    assert store.spec_key(AFTER) == "467a75f6c485"
    assert len(fields(PlacementOtherNet)) == 11
