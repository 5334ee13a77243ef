"""What the experiments on flat images share: are net, batches and accuracies those of the spec?"""

from itertools import islice
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from bnkit.data import load
from bnkit.fully_connected import accuracies, batches, evaluation, last_errors, net
from bnkit.models import StackedMLP
from bnkit.rows import Row, StepEvent
from bnkit.train import stacked_batches

SPEC = SimpleNamespace(widths=(20, 6), norm="batch", activation="tanh", init="he")
SEEDS = (3, 0)
PIXEL = 20  # of the 8 by 8; varies in all splits


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_a_net_leads_from_pixels_over_the_widths_to_the_classes(digits):
    model = net(SPEC, digits, SEEDS)
    assert [tuple(linear.weight.shape) for linear in model.linears] == [
        (2, 20, 64),
        (2, 6, 20),
        (2, 10, 6),
    ]
    assert model(torch.tensor(digits.test.flat[:7])).shape == (2, 7, 10)


OPTIONS = {
    "nothing": {},
    "placement": {"placement": "after"},
    "affine": {"affine": False},
    "dropout": {"dropout": (0.5, 0.0)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_net_is_the_one_that_its_spec_and_options_write_out(options, digits):
    """In training, where dropout drops and BN has the batch's statistics, logits are the same."""
    model = net(SPEC, digits, SEEDS, **options)
    twin = StackedMLP((64, 20, 6, 10), SEEDS, norm="batch", activation="tanh", init="he", **options)
    x = torch.tensor(digits.train.flat[:30])
    assert model.state_dict().keys() == twin.state_dict().keys()
    torch.testing.assert_close(model(x), twin(x), rtol=0, atol=0)


@pytest.mark.parametrize("field", [{"norm": "none"}, {"activation": "relu"}, {"init": "lecun"}])
def test_every_field_of_a_spec_makes_another_net(field, digits):
    x = torch.tensor(digits.train.flat[:30])
    other = SimpleNamespace(**vars(SPEC) | field)
    assert not torch.equal(net(SPEC, digits, SEEDS)(x), net(other, digits, SEEDS)(x))


@pytest.mark.parametrize("reshuffle", [True, False])
def test_batches_are_those_of_the_training_split_over_more_than_an_epoch(reshuffle, digits):
    x, y = torch.tensor(digits.train.flat), torch.tensor(digits.train.y)
    theirs = stacked_batches(x, y, batch_size=500, seeds=SEEDS, reshuffle=reshuffle)
    ours = batches(digits, 500, SEEDS, reshuffle=reshuffle)
    assert len(x) // 500 == 2  # so that the third begins an epoch
    for own, other in islice(zip(ours, theirs, strict=True), 3):
        assert own[0].shape == (2, 500, 64)
        assert torch.equal(own[0], other[0])
        assert torch.equal(own[1], other[1])


class OnePixel(nn.Module):
    """A stack of two: where a pixel is above 0 one says 3, else 8, and the other the opposite."""

    def forward(self, x):
        logits = torch.zeros(2, len(x), 10)
        logits[0, :, 3] = logits[1, :, 8] = x[:, PIXEL]
        logits[0, :, 8] = logits[1, :, 3] = -x[:, PIXEL]
        return logits


def event(step=0):
    return StepEvent(step, OnePixel(), SEEDS, torch.empty(0), torch.empty(0), 0.1)


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_an_accuracy_is_the_counted_share_of_right_answers_on_the_split(name, digits):
    split = getattr(digits, name)
    high = split.flat[:, PIXEL] > 0
    threes, eights = split.y == 3, split.y == 8
    found = {row.seed: row.value for row in evaluation(digits, name)(event()) if "acc" in row.name}
    assert found[3] == ((high & threes).sum() + (~high & eights).sum()) / len(split)
    assert found[0] == ((high & eights).sum() + (~high & threes).sum()) / len(split)


def test_splits_are_looked_at_at_steps_of_their_own_in_the_order_given(digits):
    probes = accuracies(digits, {"train": [2], "test": [0, 2], "validation": ()})
    seen = {
        step: [row.name for due, probe in probes if due(step) for row in probe(event(step))[::2]]
        for step in range(4)
    }
    train, test = ["train_accuracy", "train_loss"], ["test_accuracy", "test_loss"]
    assert seen == {0: test, 1: [], 2: train + test, 3: []}


def test_errors_are_what_the_last_test_accuracies_lack_by_pencil():
    rows = [
        Row(3, 10, "test_accuracy", 0.5, "fraction"),
        Row(3, 20, "test_accuracy", 0.75, "fraction"),
        Row(0, 20, "test_accuracy", 0.25, "fraction"),
        Row(0, 20, "train_accuracy", 0.9, "fraction"),
        Row(0, 20, "test_loss", 2.0, "nat"),
    ]
    assert last_errors(rows, 20) == [
        Row(3, 20, "test_error", 0.25, "fraction"),
        Row(0, 20, "test_error", 0.75, "fraction"),
    ]
