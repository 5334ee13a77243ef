"""Evaluation in groups, run for some steps on digits."""

from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments.train_or_eval_mode import ARMS, InGroups, TrainOrEvalMode, run
from bnkit.models import StackedMLP
from bnkit.rows import StepEvent

SHORT = {"data_set": "digits", "widths": (20, 20), "num_steps": 40, "rate": 0.3}
SPEC = replace(ARMS["batch"].spec, **SHORT)
SEEDS, MODES = (3, 0), ("batch", "running")


@pytest.fixture(scope="module")
def rows():
    return run(replace(SPEC, groups=(2, 8, 128)), SEEDS)


def of(rows, seed):
    return {row.name: row.value for row in rows if row.seed == seed}


@pytest.fixture(scope="module")
def measured():
    """Two nets, their accuracies in groups, and the net of seed 0 by hand."""
    data = load("digits")
    model = StackedMLP((64, 20, 10), SEEDS, norm="batch", activation="relu")
    model.train()
    for _ in range(30):
        model(torch.tensor(data.train.flat[:100]))
    probe = InGroups(data.test, (7, 360))
    before = [buffer.clone() for buffer in model.buffers()]
    found = of(probe(StepEvent(0, model, SEEDS, None, None, 1.0)), 0)
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))
    return data, model.single(1), found


def by_hand(net, x, running):
    """Logits of (N, D) written out, with the statistics of x or with the running ones."""
    z = x @ net.linears[0].weight[0].T
    mean, var = z.mean(0), z.var(0, correction=0)
    if running:
        mean, var = net.norms[0].bn.running_mean, net.norms[0].bn.running_var
    h = torch.relu((z - mean) / (var + 1e-5).sqrt())
    return h @ net.linears[1].weight[0].T + net.linears[1].bias[0, :, 0]


def test_accuracies_are_those_of_groups_by_hand(measured):
    data, net, found = measured
    order = torch.randperm(360, generator=torch.Generator().manual_seed(11))
    x, y = torch.tensor(data.test.flat)[order], torch.tensor(data.test.y)[order]
    with torch.no_grad():
        for running, name in ((False, "batch"), (True, "running")):
            for size, num in ((7, 357), (360, 360)):  # 3 images make no whole group of 7
                right = [
                    (by_hand(net, a, running).argmax(1) == b).sum()
                    for a, b in zip(x[:num].split(size), y[:num].split(size), strict=True)
                ]
                expected = float(sum(right)) / num
                assert found[f"test_accuracy_{name}@{size}"] == pytest.approx(expected, abs=1 / num)


def test_groups_of_two_are_worse_off_with_their_own_statistics(rows):
    for seed in SEEDS:
        values = of(rows, seed)
        assert values["test_accuracy_batch@2"] < values["test_accuracy_running@2"] - 0.1
        assert values["test_accuracy_running@2"] == values["test_accuracy"]  # 360 is even


def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack():
    spec = replace(SPEC, groups=(4, 128), num_steps=20)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_the_rows_have_what_the_rule_needs(rows):
    claim = claims.load().claim("Q8")
    assert claim.experiment == "train_or_eval_mode"
    names = set(of(rows, 0))
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {o.metric for o in rule.operands} <= names | {
            f"test_accuracy_{m}@512" for m in MODES
        }
    assert "validation_accuracy" in names


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(TrainOrEvalMode()) == "20fb90f302d5"
    assert store.spec_key(replace(TrainOrEvalMode(), rate=0.3)) == "11f5f0f25cac"
    assert len(fields(TrainOrEvalMode)) == 9
