"""Small batches and other statistics, run for some steps on digits."""

from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments.small_batches import (
    ARMS,
    MovingAverages,
    OtherStatistics,
    SmallBatches,
    run,
)
from bnkit.fully_connected import net
from bnkit.models import StackedStep
from bnkit.rows import StepEvent
from bnkit.train import stacked_batches, train

SHORT = {"data_set": "digits", "widths": (20, 20), "num_examples": 320, "rate": 0.1}
SPEC = SmallBatches(norm="batch", batch_size=8, **SHORT)
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def rows():
    return run(SPEC, SEEDS)


def last(rows, seed, step=40):
    return {row.name: row.value for row in rows if row.seed == seed and row.step == step}


def batches(digits, seeds=SEEDS):
    x, y = torch.tensor(digits.train.flat), torch.tensor(digits.train.y)
    return stacked_batches(x, y, batch_size=8, seeds=seeds)


def test_every_rate_has_the_averages_of_a_net_that_was_trained_with_it(digits):
    model = net(SPEC, digits, SEEDS)
    averaging = MovingAverages(model, StackedStep(model), (0.01, 0.1, 0.5))
    train(model, batches(digits), seeds=SEEDS, rate=0.1, num_steps=12, step=averaging)
    for running_rate, averages in {**averaging.of, 0.1: None}.items():
        twin = net(SPEC, digits, SEEDS)
        for norm in twin.norms:
            norm.bn.momentum = running_rate
        train(twin, batches(digits), seeds=SEEDS, rate=0.1, num_steps=12, step=StackedStep(twin))
        for layer, norm in enumerate(twin.norms):
            own = model.norms[layer].bn
            mean, var = averages[layer] if averages else (own.running_mean, own.running_var)
            torch.testing.assert_close(mean, norm.bn.running_mean, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(var, norm.bn.running_var, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)  # averages have no part in training
    assert own.momentum == 0.1


def test_precise_statistics_are_those_of_the_whole_training_set(digits):
    model = net(SPEC, digits, SEEDS)
    averaging = MovingAverages(model, StackedStep(model), (0.1,))
    train(model, batches(digits), seeds=SEEDS, rate=0.1, num_steps=12, step=averaging)
    probe = OtherStatistics(SPEC, digits, averaging)
    before = [buffer.clone() for buffer in model.buffers()]
    found = {
        (row.name, row.seed): row.value
        for row in probe(StepEvent(12, model, SEEDS, None, None, 0.1))
    }
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))
    x = torch.cat([torch.tensor(digits.train.flat), torch.tensor(digits.test.flat)])
    with torch.no_grad():
        for place, seed in enumerate(SEEDS):
            own, h = model.single(place), x
            for linear, norm in zip(own.linears[:-1], own.norms, strict=True):
                z = h @ linear.weight[0].T
                mean, var = z[:1077].mean(0), z[:1077].var(0)
                z = (z - mean) / (var + 1e-5).sqrt()
                h = torch.relu(z * norm.bn.weight + norm.bn.bias)
            logits = h @ own.linears[-1].weight[0].T + own.linears[-1].bias[0, :, 0]
            right = logits[1077:].argmax(1) == torch.tensor(digits.test.y)
            expected = float(right.double().mean())
            assert found["test_accuracy_precise", seed] == pytest.approx(expected, abs=0.003)


def test_the_rows_have_what_the_rules_and_the_choice_of_a_rate_need(rows):
    for seed in SEEDS:
        values = last(rows, seed)
        assert values["test_accuracy_moving@0.1"] == values["test_accuracy"]
        raw, new = values["test_accuracy"], values["test_accuracy_precise"]
        assert values["projected_accuracy@0.8"] == pytest.approx(raw + (new - raw) / 0.8)
        looks = [r.step for r in rows if (r.seed, r.name) == (seed, "test_accuracy_averaged")]
        assert looks == [4, 12, 40]
    group = last(run(replace(SPEC, norm="group"), [0]), 0)
    assert group["validation_accuracy"] > 0.3
    served = [c for c in claims.load().claims if c.experiment == "small_batches"]
    assert {claim.id for claim in served} == {"J9", "J10"}
    for claim in served:
        for rule in claim.rules.values():
            for operand in rule.operands:
                known = group if ARMS[operand.arm].spec.norm != "batch" else last(rows, 0)
                assert operand.metric in known


def test_training_sees_as_many_examples_at_every_size():
    specs = [arm.spec for arm in ARMS.values()]
    assert {spec.num_steps * spec.batch_size for spec in specs} <= {40_000, 40_000 - 64}
    assert {replace(spec, norm="batch", batch_size=2) for spec in specs} == {
        SmallBatches(norm="batch", batch_size=2)
    }


@pytest.mark.parametrize("norm", ["none", "batch", "group", "layer"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(norm):
    spec = replace(SPEC, norm=norm, num_examples=96)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(ARMS["batch-2"].spec) == "da2fdc90c8b6"
    assert store.spec_key(ARMS["group-32"].spec) == "e36041bad8b4"
    assert len(fields(SmallBatches)) == 9
