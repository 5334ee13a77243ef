"""Dropout in front of BN and behind it, run for some steps on digits."""

from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import Tuned, dropout_variance_shift
from bnkit.experiments.dropout_placement import (
    ARMS,
    BATCH,
    NONE,
    DropoutPlacement,
    Statistics,
    network,
    projected,
    reestimated,
    run,
    statistics,
    without_dropout,
)
from bnkit.models import StackedMLP
from bnkit.models.stacked_dropout import StackedDropout
from bnkit.rows import Row, StepEvent

SHORT = {"data_set": "digits", "widths": (20, 20, 20), "num_steps": 60, "rate": 0.3}
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def rows():
    return run(replace(BATCH, dropout=0.5, **SHORT), SEEDS)


def last(rows, seed):
    return {row.name: row.value for row in rows if row.seed == seed and row.step == 60}


def test_dropout_stands_where_the_spec_says(digits):
    def rates(spec):
        net = network(replace(spec, **SHORT), digits, SEEDS)
        return [getattr(dropout, "rate", 0.0) for dropout in net.dropouts]

    assert rates(BATCH) == [0.0, 0.0, 0.0]
    assert rates(ARMS["batch-dropout-before"].spec) == [0.5, 0.5, 0.0]
    assert rates(ARMS["batch-dropout-head"].spec) == [0.0, 0.0, 0.5]
    assert rates(ARMS["batch-dropout-before-0.2@batch"].spec) == [0.2, 0.2, 0.0]


def test_new_statistics_are_the_means_over_batches_by_hand(digits):
    net = network(replace(BATCH, **SHORT), digits, SEEDS)
    x = torch.tensor(digits.train.flat[:110])  # two batches of 50 and a rest that is left out
    before = {name: t.clone() for name, t in net.state_dict().items()}
    found = reestimated(net, x, 50)
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())
    assert net.norms[0].bn.momentum == 0.1
    with torch.no_grad():
        h = [torch.einsum("koi,ni->kon", net.linears[0].weight, part) for part in x[:100].split(50)]
        for mean, var in found[:2]:
            by_hand = sum(part.mean(2) for part in h) / 2, sum(part.var(2) for part in h) / 2
            torch.testing.assert_close(mean.view(2, -1), by_hand[0], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(var.view(2, -1), by_hand[1], rtol=1e-4, atol=1e-5)
            h = [
                torch.relu(
                    (part - part.mean(2, keepdim=True))
                    / (part.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
                )
                for part in h
            ]
            h = [torch.einsum("koi,kin->kon", net.linears[1].weight, part) for part in h]


def test_without_dropout_nothing_is_dropped_and_then_again(digits):
    net = network(replace(BATCH, dropout=0.5, **SHORT), digits, SEEDS)
    plain = network(replace(BATCH, **SHORT), digits, SEEDS)
    x = torch.tensor(digits.train.flat[:50])
    with torch.no_grad():
        dropped = net(x)
        with without_dropout(net):
            assert torch.equal(net(x), plain(x))
        assert not torch.equal(dropped, plain(x))
    assert isinstance(net.dropouts[0], StackedDropout)


def test_the_shift_of_the_variance_is_that_of_the_formula(digits):
    """One unit behind many dropped inputs of mean c, variance v, correlation 0: equation 8."""
    torch.manual_seed(99)  # not that of the weights
    net = StackedMLP(
        (400, 400, 30, 3), [0], norm="batch", activation="identity", dropout=(0.5, 0.0)
    )
    with torch.no_grad():  # the first layer passes its inputs on, which BN leaves at mean 0
        net.linears[0].weight.copy_(torch.eye(400)[None])
    x = torch.randn(4_000, 400)
    off = without_dropout(net)
    on_variance = reestimated(net, x, 1_000)[1][1]
    with off:
        ratio = (reestimated(net, x, 1_000)[1][1] / on_variance).mean()
    assert float(ratio) == pytest.approx(dropout_variance_shift.shift(0.5, 0.0, 1.0), rel=0.03)


def test_only_what_is_named_is_replaced(digits):
    """At other statistics the test accuracies differ, and afterwards the net is as before."""
    net = network(replace(BATCH, dropout=0.5, **SHORT), digits, SEEDS)
    for _ in range(30):
        net(torch.tensor(digits.train.flat[:200]))
    before = statistics(net)
    seen = {}

    class Spied(Statistics):
        def _with(self, event, new, name):
            seen[name] = new
            return super()._with(event, new, name)

    event = StepEvent(0, net, SEEDS, None, None, 1.0)
    found = Spied(digits, 50)(event)
    assert {row.name for row in found} >= {"train_accuracy_batch", "variance_ratio@3"}
    for (mean, var), (old_mean, old_var) in zip(statistics(net), before, strict=True):
        assert torch.equal(mean, old_mean)
        assert torch.equal(var, old_var)
    off = seen["test_accuracy_reestimated"]
    on = seen["test_accuracy_reestimated_on"]
    mixed = seen["test_accuracy_new_variance"]
    for layer in range(3):
        assert torch.equal(mixed[layer][0], before[layer][0])
        assert torch.equal(mixed[layer][1], off[layer][1])
    assert torch.equal(off[0][1], on[0][1])  # nothing is dropped in front of the first BN
    assert (off[1][1] < on[1][1]).double().mean() > 0.9  # dropout adds variance


def test_without_dropout_new_statistics_change_next_to_nothing():
    found = run(replace(BATCH, **SHORT), [0])
    values = last(found, 0)
    for name in ("test_accuracy_reestimated", "test_accuracy_new_variance"):
        assert values[name] == pytest.approx(values["test_accuracy"], abs=0.02)
    assert values["test_accuracy_reestimated_on"] == values["test_accuracy_reestimated"]
    assert values["variance_ratio@2"] == 1.0


def test_the_projection_by_pencil():
    # 0.80 rises to 0.86 with new statistics: at a share of 0.3 the loss would be 0.2
    rows = [
        Row(0, 9, "test_accuracy", 0.80, "fraction"),
        Row(0, 5, "test_accuracy", 0.10, "fraction"),
        Row(0, 9, "test_accuracy_reestimated", 0.86, "fraction"),
    ]
    (row,) = projected(rows, 9, share=0.3)
    assert (row.seed, row.step, row.name) == (0, 9, "projected_accuracy@0.3")
    assert row.value == pytest.approx(1.0)


@pytest.mark.parametrize("arm", ["none-dropout-head", "batch-dropout-before"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(ARMS[arm].spec, **{**SHORT, "num_steps": 25})
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_the_rows_have_what_the_rules_and_the_choice_of_a_rate_need(rows):
    for seed in SEEDS:
        values = last(rows, seed)
        assert values["validation_accuracy"] > 0.5
        assert len([r for r in rows if (r.seed, r.name) == (seed, "test_accuracy")]) == 11
    plain = {row.name for row in run(replace(NONE, **{**SHORT, "num_steps": 10}), [0])}
    judged = {"D3", "D4", "D5", "Q7"}
    served = [c for c in claims.load().claims if c.experiment == "dropout_placement"]
    assert {claim.id for claim in served} == judged
    for claim in served:
        for rule in claim.rules.values():
            for operand in rule.operands:
                norm = ARMS[operand.arm].spec.norm
                assert operand.metric in (plain if norm == "none" else last(rows, 0))


def test_arms_differ_in_what_is_compared_alone():
    specs = [arm.spec for arm in ARMS.values()]
    assert {replace(spec, norm="none", place="before", dropout=0.0) for spec in specs} == {NONE}
    assert all(isinstance(arm, Tuned) for arm in ARMS.values())
    assert ARMS["batch-dropout-before-0.5@batch"].like == BATCH
    assert NONE.batch_size * 20 == 1_000  # no example of mnist1k is left out of an epoch


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(NONE) == "72355f905029"
    assert store.spec_key(ARMS["batch-dropout-head"].spec) == "aae14946f8bf"
    assert len(fields(DropoutPlacement)) == 10
