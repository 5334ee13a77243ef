"""Sharpness at a matched loss: the crossing by hand, and small nets from end to end."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments.sharpness_by_depth import (
    ARMS,
    MEASURED,
    NORMS,
    SAME,
    Arrivals,
    _summary,
    run,
)
from bnkit.models import StackedMLP, StackedStep
from bnkit.probes import Sharpness
from bnkit.rows import Row, StepEvent
from bnkit.train import stacked_batches

SHORT = replace(
    SAME,
    depths=(1, 3),
    rates_none=(0.1, 0.1),
    rates_batch=(0.1, 0.1),
    data_set="digits",
    width=10,
    num_steps=200,
    growth=1.0,  # a look at every step
    judged_loss=1.0,
    other_losses=(1.5, 1e-9),
    num_vectors=2,
)


@pytest.fixture(scope="module")
def rows():
    return run(SHORT, [3, 0])


def last_values(rows, seed):
    return {r.name: r.value for r in rows if r.seed == seed and "@" in r.name and r.step == 200}


def test_every_net_is_measured_where_it_arrives(rows):
    for seed in (3, 0):
        values = last_values(rows, seed)
        assert len(values) == 2 * 2 * 3 * (len(MEASURED) + 1)
        for depth in SHORT.depths:
            for norm in NORMS:
                assert 0.8 < values[f"loss_{norm}@{depth}"] <= 1.0
                assert 1.0 < values[f"loss_{norm}_at_1.5@{depth}"] <= 1.5
                assert values[f"arrival_{norm}_at_1.5@{depth}"] < values[f"arrival_{norm}@{depth}"]
                assert 0 < values[f"hessian_top_{norm}@{depth}"] < np.inf


def test_a_loss_that_is_not_reached_is_infinite_in_both_nets(rows):
    for name, value in last_values(rows, 0).items():
        assert ("_at_1e-09" in name) == np.isinf(value), name


def test_one_net_that_does_not_arrive_makes_both_infinite():
    # With BN the loss is there at once, without BN the rate is too small to arrive.
    spec = replace(SHORT, depths=(1,), rates_none=(1e-6,), rates_batch=(0.1,), other_losses=())
    values = last_values(run(spec, [0]), 0)
    assert set(values.values()) == {np.inf}
    at_arrival = [r.name for r in run(spec, [0]) if r.name.startswith("batch-1-1_")]
    assert at_arrival  # it was measured, and is not judged


def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(rows):
    alone = run(SHORT, [0])
    together = [row for row in rows if row.seed == 0]
    assert [row[:3] for row in alone] == [row[:3] for row in together]
    assert [row.value for row in alone] == [row.value for row in together]


def test_the_first_look_at_or_below_the_loss_by_training_by_hand(rows):
    data, depth = load("digits"), 3
    x, y = torch.tensor(data.train.flat), torch.tensor(data.train.y)
    model = StackedMLP((64, *[10] * depth, 10), [0], norm="batch", activation="relu", init="he")
    batches = stacked_batches(x, y, batch_size=100, seeds=[0])
    step, take = 0, StackedStep(model)
    while True:
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        with torch.no_grad():  # in train mode: with the statistics of all images
            loss = float(F.cross_entropy(model(x)[0], y))
        model.load_state_dict(before)
        if loss <= 1.0:
            break
        take(*next(batches), 0.1)
        step += 1
    values = last_values(rows, 0)
    assert values["arrival_batch@3"] == step
    assert values["loss_batch@3"] == pytest.approx(loss, rel=1e-5)
    event = StepEvent(step, model, (0,), x[None], y[None], 0.1)
    top = Sharpness()(event)[0].value
    assert values["hessian_top_batch@3"] == pytest.approx(top, rel=1e-2)


def test_each_value_counts_once_and_each_seed_at_its_own_step():
    model = StackedMLP((4, 6, 3), (1, 2), norm="none", activation="relu")
    x, y = torch.randn(9, 4), torch.randint(0, 3, (9,))
    losses = [float(F.cross_entropy(out, y)) for out in model(x).detach()]
    between = sum(losses) / 2
    probe = Arrivals(x, y, (between, 100.0), [Sharpness()], "net")
    event = StepEvent(5, model, (1, 2), x.expand(2, 9, 4), y.expand(2, 9), 0.1)
    found = [(row.seed, row.name) for row in probe(event) if "arrival" in row.name]
    low = 1 + int(losses[1] < losses[0])
    assert sorted(found) == sorted(
        [
            (1, "net-100_arrival_loss"),
            (2, "net-100_arrival_loss"),
            (low, f"net-{between:g}_arrival_loss"),
        ]
    )
    assert probe(event) == []
    assert not probe.over
    with torch.no_grad():
        model.linears[-1].weight.zero_()
    found = {row.seed for row in probe(event)}  # the loss is ln 3 now, and only one is awaited
    assert found == ({3 - low} if np.log(3) <= between else set())
    assert probe.over == bool(found)


def test_the_summary_by_pencil():
    spec = replace(SHORT, depths=(2,), rates_none=(1.0,), rates_batch=(1.0,), other_losses=())
    rows = []
    for norm, value in (("none", 4.0), ("batch", 2.0)):
        rows += [Row(7, 11, f"{norm}-2-1_{name}", value, "nat") for name in MEASURED]
    found = {row.name: row.value for row in _summary(spec, 7, rows)}
    assert found["hessian_top_none@2"] == 4.0
    assert found["trace_scale_free_batch@2"] == 2.0
    assert found["arrival_none@2"] == 11.0
    missing = [row for row in rows if row.name != "batch-2-1_arrival_loss"]
    assert {row.value for row in _summary(spec, 7, missing)} == {np.inf}


def test_every_arm_and_metric_that_a_claim_names_is_there():
    (claim,) = (c for c in claims.load().claims if c.experiment == "sharpness_by_depth")
    assert claim.id == "J12"
    quantities = [*MEASURED.values(), "arrival"]
    names = {f"{q}_{norm}@{depth}" for q in quantities for norm in NORMS for depth in SAME.depths}
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= names


def test_training_stands_still_once_all_have_arrived():
    spec = replace(SHORT, depths=(1,), rates_none=(0.1,), rates_batch=(0.1,), other_losses=())
    longer = replace(spec, num_steps=250)
    ends = [
        {row.name: row.value for row in run(s, [0]) if row.step == s.num_steps}
        for s in (spec, longer)
    ]
    assert ends[0] == ends[1]


def test_every_depth_has_a_rate():
    for spec in ARMS.values():
        assert len(spec.depths) == len(spec.rates_none) == len(spec.rates_batch)
        assert spec.rate("none", 32) == spec.rates_none[-1]
        assert spec.rate("batch", 2) == spec.rates_batch[0]


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert [store.spec_key(spec) for spec in ARMS.values()] == ["57e690f767eb", "189dcdf1ac01"]
