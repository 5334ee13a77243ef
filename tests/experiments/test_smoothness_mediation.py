"""The mediation test, run for some steps on digits: its rows, its doses, and what they move."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.experiments import Tuned
from bnkit.experiments.smoothness_mediation import (
    ARMS,
    BATCH,
    DOSES,
    KINDS,
    NONE,
    SKIPPED,
    SUMMARIES,
    OnOneBatch,
    SmoothnessMediation,
    at_equal_loss,
    dose_arms,
    looks,
    median,
    run,
)
from bnkit.judging.mediation import mediation
from bnkit.models import StackedMLP
from bnkit.probes import Smoothness
from bnkit.rows import StepEvent

SHORT = {
    "data_set": "digits",
    "widths": (20, 20),
    "batch_size": 40,
    "num_steps": 100,
    "levels": (1.5, 0.8),
    "rate": 0.3,
}
SEEDS = (2003, 2000)
JUDGED = {
    "train_loss",
    "hessian_top_times_rate",
    *(name + ending for name in SUMMARIES.values() for ending in ("", "_by_step")),
}


def short(spec, **changes):
    return run(replace(spec, **SHORT | changes), SEEDS)


@pytest.fixture(scope="module")
def plain():
    return short(NONE)


def last(rows, name):
    """One value a seed, at the last step."""
    found = {row.seed: row.value for row in rows if row.name == name}  # the last one stays
    return np.array([found[seed] for seed in SEEDS])


def test_every_judged_number_is_there_once_a_seed(plain):
    for seed in SEEDS:
        ends = [row.name for row in plain if row.seed == seed and row.step == 100]
        assert JUDGED | {"test_accuracy", "validation_accuracy"} <= set(ends)
        assert len(ends) == len(set(ends))
        assert sum(row.name in JUDGED for row in plain if row.seed == seed) == len(JUDGED)


def test_the_net_learns_and_its_smoothness_is_positive_and_finite(plain):
    assert last(plain, "test_accuracy").min() > 0.6
    for name in JUDGED:
        assert np.isfinite(last(plain, name)).all(), name
        assert last(plain, name).min() > 0


def test_curves_begin_before_training_and_end_after_the_last_step(plain):
    steps = [r.step for r in plain if r.name == "look_loss" and r.seed == 2000]
    assert steps == [0, 10, *range(25, 101, 25)] == looks(replace(NONE, **SHORT))
    curve = [r.step for r in plain if r.name == "test_accuracy" and r.seed == 2000]
    assert curve == list(range(0, 101, 10))


WAYS = [
    replace(spec, norm=norm)
    for norm in ("none", "batch")
    for spec in (
        NONE,
        DOSES["none-sam-0.2"],
        DOSES["none-clip-0.3"],
        DOSES["batch-head-16"],
        SKIPPED["batch-skip-2"],
    )
]


@pytest.mark.parametrize("spec", WAYS, ids=lambda spec: f"{spec.norm}-{spec.way}")
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(spec):
    little = replace(spec, **SHORT | {"num_steps": 25})
    together = run(little, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(little, [seed])


def test_the_doses_move_sharpness_the_way_that_they_are_meant_to():
    # The same rate for all, so that no rate can stand in for the dose.
    found = {
        name: np.log(last(short(spec), "hessian_top_by_step")).mean()
        for name, spec in {
            "none": NONE,
            "batch": BATCH,
            **{name: DOSES[name] for name in ("none-sam-0.2", "batch-seek-0.2", "batch-head-8")},
        }.items()
    }
    assert found["none-sam-0.2"] < found["none"] - 0.3
    assert found["batch-seek-0.2"] > found["batch"] + 0.1
    assert found["batch-head-8"] > found["batch"] + 0.7


def test_skipping_steps_is_slower_and_as_smooth_at_equal_loss():
    # One step in two for twice as long ends near where all steps end.
    whole, half = short(BATCH), short(SKIPPED["batch-skip-2"])
    assert (last(half, "train_loss") > 1.2 * last(whole, "train_loss")).all()
    ratio = last(half, "effective_smoothness") / last(whole, "effective_smoothness")
    assert np.abs(np.log(ratio)).max() < np.log(1.5)


def test_the_strongest_dose_is_judged_and_the_control_has_the_rate_of_its_net():
    assert ARMS["none-smoothed"] == ARMS["none-sam-0.2"]
    assert ARMS["batch-roughened"] == ARMS["batch-head-16"]
    assert ARMS["batch-skip-3"] == Tuned(SKIPPED["batch-skip-3"], like=BATCH)
    assert {arm.rate for name, arm in ARMS.items() if name.endswith("@0.1")} == {0.1}


def test_every_kind_of_step_has_three_doses_that_grow_and_differ_in_nothing_else():
    strengths = {"sam": lambda s: s.dose, "clip": lambda s: 1 / s.dose, "seek": lambda s: -s.dose}
    strengths["head"] = lambda s: s.dose
    for kind, strength in strengths.items():
        specs = list(KINDS[kind].values())
        assert len(specs) == 3
        assert sorted(specs, key=strength) == specs
        assert {replace(spec, way="plain", dose=0.0) for spec in specs} <= {NONE, BATCH}
    for spec in KINDS["init"].values():
        assert replace(spec, init="glorot") == NONE


def test_every_arm_and_metric_that_the_claim_names_is_there(plain):
    names = {row.name for row in plain} | {"steps_to_target"}
    served = [c for c in claims.load().claims if c.experiment == "smoothness_mediation"]
    assert {claim.id for claim in served} == {"G14"}
    for rule in served[0].rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= names


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(NONE) == "1ab363bda894"
    assert store.spec_key(DOSES["batch-head-16"]) == "ebb2903b711e"
    assert len(fields(SmoothnessMediation)) == 12


def test_smoothness_at_equal_loss_by_pencil():
    # log loss falls from log 4 to log 1 between steps 10 and 30: it is at log 2 in the middle,
    # where a curve from 1 to 100 on logs is at 10.
    losses = [(0, 4.0), (10, 4.0), (30, 1.0)]
    curve = [(10, 1.0), (30, 100.0)]
    assert at_equal_loss(curve, losses, [2.0]) == pytest.approx(10.0)
    assert at_equal_loss(curve, losses, [2.0**1.5]) == pytest.approx(10**0.5)  # a quarter of it
    assert at_equal_loss(curve, losses, [2.0, 1.0]) == pytest.approx(10**1.5)
    assert at_equal_loss(curve, losses, [4.0]) == pytest.approx(1.0)  # there from the start


def test_the_first_time_at_a_level_counts():
    losses = [(0, 4.0), (10, 1.0), (20, 4.0), (30, 1.0)]
    curve = [(0, 1.0), (10, 2.0), (30, 50.0)]
    assert at_equal_loss(curve, losses, [1.0]) == pytest.approx(2.0)


@pytest.mark.parametrize("values", [(1.0, np.nan), (1.0, -1.0), (1.0, np.inf), (1.0, 0.0)])
def test_what_cannot_be_compared_is_infinite(values):
    assert at_equal_loss([(0, 1.0), (10, 2.0)], [(0, 2.0), (10, 1.0)], [0.5]) == np.inf
    curve = list(zip((0, 10), values, strict=True))
    assert at_equal_loss(curve, [(0, 2.0), (10, 1.0)], [1.0]) == np.inf
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([3.0, np.nan]) == np.inf


def test_all_seeds_are_looked_at_on_the_same_examples():
    # Two seeds with the same weights, and batches of their own that must not matter.
    model = StackedMLP((4, 6, 3), (1, 1), norm="batch", activation="relu")
    x, y = torch.randn(8, 4, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3
    event = StepEvent(0, model, (1, 2), torch.randn(2, 8, 4), torch.zeros(2, 8).long(), 0.1)
    rows = OnOneBatch(Smoothness(), x, y)(event)
    by_seed = [[row.value for row in rows if row.seed == seed] for seed in (1, 2)]
    assert by_seed[0] == by_seed[1]


def test_the_share_of_the_speed_up_can_be_computed_from_its_arms():
    # Each dose at one rate, on the smallest run; what comes out is not judged.
    arms = {"none": NONE, "batch": BATCH, **KINDS["sam"], **KINDS["head"]}
    samples = {}
    for name, spec in arms.items():
        rows = short(spec, num_steps=25)
        samples[name] = {key: last(rows, key) for key in ("hessian_top_by_step", "train_loss")}
    doses = dose_arms({kind: KINDS[kind] for kind in ("sam", "head")})
    assert doses["none"] == tuple(KINDS["sam"])
    assert doses["batch"] == tuple(KINDS["head"])
    links = mediation(
        samples, doses, mediator="hessian_top_by_step", outcome="train_loss", num_replicates=19
    )
    assert links.mediated.effect == pytest.approx(
        links.treatment_on_mediator.effect * links.mediator_on_outcome.effect
    )
