import numpy as np
import pytest
import torch
from torch import nn

from bnkit.models import StackedMLP
from bnkit.probes import TaylorRemainder
from bnkit.probes.steps import PredictedDecrease, RelativeStep, run_rate


def product(outputs, _):
    return outputs.sum()


def test_a_chain_of_two_by_pencil(event_of, chain, read):
    # L = ab, step e (b, a): dL = -e (a^2 + b^2) + e^2 ab, and no layer is curved by itself. With
    # a, b = 2, 1 and e = 0.1 remainder and cross share are both e ab / (a^2 + b^2) = 0.04.
    probe = TaylorRemainder(step=run_rate, loss=product)
    assert read(probe(event_of(chain(2.0, 1.0), rate=0.1))) == pytest.approx(
        {
            "taylor_remainder": 0.04, "taylor_cross_share": 0.04, "taylor_predicted": 0.25,
            "taylor_relative_step": 0.1, "taylor_change": -0.48,
        }
    )  # fmt: skip


class Apart(nn.ModuleList):
    """Two layers whose losses add up: they do not interact."""

    def forward(self, x):
        return torch.cat([layer(x) for layer in self])


def test_layers_that_do_not_interact_have_a_remainder_and_no_cross_share(event_of, read):
    # L = a^2 / 2 + b^2 / 2: dL = -e ||g||^2 + e^2 ||g||^2 / 2, the remainder is e / 2
    model = Apart(nn.Linear(1, 1, bias=False).double() for _ in range(2))
    probe = TaylorRemainder(step=run_rate, loss=lambda outputs, _: outputs.square().sum() / 2)
    rows = read(probe(event_of(model, rate=0.3)))
    assert rows["taylor_remainder"] == pytest.approx(0.15, rel=1e-9)
    assert rows["taylor_cross_share"] == pytest.approx(0.0, abs=1e-12)


def test_what_belongs_to_one_layer_is_no_cross_layer_term(event_of, read):
    # a linear map with its bias, γ and β is curved, and all of it is one layer
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Tanh())
    event = event_of(model, x=torch.randn(6, 3), y=torch.tensor([0, 1, 0, 1, 1, 0]))
    rows = read(TaylorRemainder()(event))
    assert rows["taylor_remainder"] > 1e-3
    assert rows["taylor_cross_share"] == pytest.approx(0.0, abs=1e-12)


def test_a_joint_step_may_be_better_than_foreseen(event_of, chain, read):
    # a, b = 2, -1: dL = -e (a^2 + b^2) - 2 e^2, a cross share of -0.04
    rows = read(TaylorRemainder(step=run_rate, loss=product)(event_of(chain(2.0, -1.0), rate=0.1)))
    assert rows["taylor_cross_share"] == pytest.approx(-0.04)
    assert rows["taylor_remainder"] == pytest.approx(0.04)


def test_the_remainder_of_a_real_net_is_of_second_order(event_of, read):
    torch.manual_seed(0)
    model = StackedMLP((4, 6, 6, 3), (1,), norm="batch", activation="tanh")
    event = event_of(model, x=torch.randn(1, 20, 4), y=torch.randint(0, 3, (1, 20)))
    fractions = np.array([1e-4, 1e-3, 1e-2])
    errors = [
        rows["taylor_remainder"] * rows["taylor_predicted"]
        for rows in (read(TaylorRemainder(step=PredictedDecrease(f))(event)) for f in fractions)
    ]
    slopes = np.diff(np.log(errors)) / np.diff(np.log(fractions))
    assert slopes == pytest.approx([2.0, 2.0], abs=0.05)


def test_what_was_to_be_matched_is_matched(event_of, read):
    model = StackedMLP((4, 5, 3), (1, 2), norm="none", activation="relu")
    x, y = torch.randn(2, 8, 4), torch.randint(0, 3, (2, 8))
    event = event_of(model, seeds=(1, 2), x=x, y=y)
    predicted = read(TaylorRemainder(step=PredictedDecrease(0.2))(event))["taylor_predicted"]
    relative = read(TaylorRemainder(step=RelativeStep(0.01))(event))["taylor_relative_step"]
    assert predicted == pytest.approx([0.2, 0.2], rel=1e-9)
    assert relative == pytest.approx([0.01, 0.01], rel=1e-9)
