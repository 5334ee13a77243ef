"""Accuracy and loss of a table of logits, by pencil."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bnkit.probes import Evaluation
from bnkit.rows import Row

EXAMPLES = torch.arange(4)[:, None]
LABELS = torch.tensor([0, 1, 2, 2])
# Of three classes: right, right, wrong, right. Probabilities of the label: 1/2, 1/2, 1/4, 1/2.
LOGITS = torch.log(
    torch.tensor([[2.0, 1.0, 1.0], [1.0, 2.0, 1.0], [2.0, 1.0, 1.0], [1.0, 1.0, 2.0]]) / 4
)


class Table(nn.Module):
    """The logits of example i, one table for each stacked seed."""

    def __init__(self, *tables):
        super().__init__()
        self.register_buffer("tables", torch.stack(tables))  # (K, M, classes)

    def forward(self, x):
        return self.tables[:, x[:, 0]]


def evaluate(event_of, model, seeds=(0,), **how):
    probe = Evaluation("test", EXAMPLES, LABELS, num_classes=3, **how)
    return probe(event_of(model, seeds=seeds, step=5))


def test_accuracy_and_loss_by_pencil(event_of):
    accuracy, loss = evaluate(event_of, Table(LOGITS))
    assert accuracy == Row(0, 5, "test_accuracy", 0.75, "fraction")
    assert loss[:3] == (0, 5, "test_loss")
    # (3 ln 2 + ln 4) / 4 = 5 ln 2 / 4
    assert loss.value == pytest.approx(5 * math.log(2) / 4, rel=1e-7)
    assert loss.unit == "nat"


def test_each_seed_has_its_own_rows(event_of):
    rows = evaluate(event_of, Table(LOGITS, LOGITS.flip(0)), seeds=(8, 3))
    assert [(row.seed, row.name) for row in rows] == [
        (8, "test_accuracy"), (3, "test_accuracy"), (8, "test_loss"), (3, "test_loss"),
    ]  # fmt: skip
    # flipped: 2, 0, 1, 0 is predicted for 0, 1, 2, 2
    assert [row.value for row in rows[:2]] == [0.75, 0.0]


def test_unequal_chunks_give_what_one_pass_gives(event_of):
    # 4 examples in threes: a mean of the chunks' means would be (2/3 + 1) / 2
    rows = evaluate(event_of, Table(LOGITS), chunk=3)
    assert rows[0].value == 0.75
    assert rows[1].value == pytest.approx(5 * math.log(2) / 4, rel=1e-7)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_diverged_seed_has_the_accuracy_of_chance_and_an_infinite_loss(event_of, broken):
    bad = LOGITS.clone()
    bad[1, 1] = broken  # of the label, which else would be right
    rows = evaluate(event_of, Table(bad, LOGITS), seeds=(0, 1))
    assert [row.value for row in rows[:3]] == [1 / 3, 0.75, math.inf]
    assert math.isfinite(rows[3].value)


def test_a_loss_that_is_large_is_not_taken_for_divergence(event_of):
    accuracy, loss = evaluate(event_of, Table(LOGITS * 1e30))
    assert accuracy.value == 0.75
    assert 1e29 < loss.value < math.inf


class Centered(nn.Module):
    """Logits (x, 0): class 0 where x lies above what the normalizer takes for the mean."""

    def __init__(self, running_mean):
        super().__init__()
        self.bn = nn.BatchNorm1d(1)
        self.bn.running_mean.fill_(running_mean)

    def forward(self, x):
        z = self.bn(x)
        return torch.cat([z, torch.zeros_like(z)], dim=1)


@pytest.mark.parametrize(("bn_mode", "accuracy"), [("running", 0.5), ("batch", 1.0)])
def test_the_bn_mode_decides_which_function_is_measured(event_of, bn_mode, accuracy):
    # x = 1, 3, running mean 0: both lie above it; the batch's own mean is 2
    x, y = torch.tensor([[1.0], [3.0]]), torch.tensor([1, 0])
    model = Centered(0.0)
    rows = Evaluation("test", x, y, 2, bn_mode=bn_mode)(event_of(model))
    assert rows[0].value == accuracy
    assert model.bn.running_mean == 0.0
    assert model.training


def test_batch_statistics_over_chunks_are_refused(event_of):
    with pytest.raises(ValueError, match="bn_mode 'batch' on 4 examples in chunks of 3"):
        evaluate(event_of, Table(LOGITS), bn_mode="batch", chunk=3)
    assert evaluate(event_of, Table(LOGITS), bn_mode="batch", chunk=4)[0].value == 0.75


def test_the_loss_is_summed_in_double_precision(event_of):
    # a million losses of ln 2 in float32 would have lost several digits of the sum
    many = 200_000
    model = Table(torch.zeros(1, 2))
    x, y = torch.zeros(many, 1, dtype=torch.long), torch.zeros(many, dtype=torch.long)
    _, loss = Evaluation("train", x, y, 2)(event_of(model))
    np.testing.assert_allclose(loss.value, math.log(2), rtol=1e-12)
