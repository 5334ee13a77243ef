"""Other norms than BN's, run for some steps on digits: the same code, rows and names."""

from dataclasses import fields, replace

import numpy as np
import pytest

from bnkit import claims, store
from bnkit.experiments.lp_normalization import ARMS, NONE, NORMS, LpNormalization, run

SHORT = {
    "data_set": "digits",
    "widths": (20, 20),
    "num_steps": 40,
    "drift_interval": 4,
    "num_probe_examples": 40,
}
SEEDS = (3, 0)


def of(norm, **more):
    return replace(NONE, norm=norm, **{**SHORT, **more})


@pytest.fixture(scope="module")
def rows():
    return run(of("linf"), SEEDS)


def curve(rows, name, seed):
    return {row.step: row.value for row in rows if (row.name, row.seed) == (name, seed)}


@pytest.mark.parametrize("norm", ["none", *NORMS])
def test_each_net_learns(norm):
    found = run(of(norm, num_steps=80), [0])
    accuracy, loss = curve(found, "test_accuracy", 0), curve(found, "train_loss", 0)
    assert accuracy[0] < 0.4
    assert accuracy[80] > 0.8
    assert list(loss) == [80]
    assert loss[80] < 0.7


def test_mean_drifts_are_means_over_their_windows(rows):
    for seed in SEEDS:
        for name in ("drift_raw", "drift_scaled"):
            seen = curve(rows, name, seed)
            windows = {"": range(4, 41, 4), "_early": [4], "_late": range(24, 41, 4)}
            for suffix, steps in windows.items():
                mean = np.mean([seen[step] for step in steps])
                assert curve(rows, f"activation_{name}{suffix}", seed) == {40: pytest.approx(mean)}


@pytest.mark.parametrize("norm", ["batch", "l1", "linf-before-shift", "layer", "weight"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(norm):
    spec = of(norm, num_steps=12, drift_interval=1)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_every_arm_and_metric_that_a_rule_names_is_there(rows):
    names = {row.name for row in rows if row.step == SHORT["num_steps"]} | {"steps_to_target"}
    served = {c.id: c for c in claims.load().claims if c.experiment == "lp_normalization"}
    assert set(served) == {"G12", "G13"}
    for claim in served.values():
        assert {operand.arm for operand in claim.rule.operands} <= set(ARMS)
        for rule in claim.rules.values():
            here = {o.metric for o in rule.operands if not o.arm.endswith("-deep-linear")}
            assert here <= names
    assert "validation_accuracy" in names  # which chooses the rate


def test_arms_differ_in_the_normalizer_alone():
    own = [arm.spec for arm in ARMS.values() if isinstance(arm.spec, LpNormalization)]
    assert {replace(spec, norm="none") for spec in own} == {NONE}
    assert len({store.spec_key(spec) for spec in own}) == len(own) == 8


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(NONE) == "eaa02718966c"
    assert store.spec_key(replace(NONE, norm="l1")) == "8befb6b2d7de"
    assert len(fields(LpNormalization)) == 11
