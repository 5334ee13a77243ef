import math

import pytest
import torch

from bnkit.models import StackedMLP
from bnkit.probes.achieved import AchievedDecrease
from bnkit.probes.landscape import landscape


def parabola(outputs, _):
    return outputs.square().sum(1) / 2


def taken(step, event, loss):
    with landscape(event, "batch", torch.float64, loss) as at:
        return step(at, *at.gradients(at.point))


def test_a_parabola_by_pencil(event_of, point):
    # L = w²/2, g = w: (1 - e)² = 3/4 at e = 1 - √3/2, whatever w is
    event = event_of(point([2.0], [10.0]), seeds=(0, 1))
    step = taken(AchievedDecrease(0.25, halvings=40), event, parabola)
    share = 1 - 0.75**0.5
    assert step.flatten().tolist() == pytest.approx([2 * share, 10 * share], rel=1e-9)


def test_the_first_arrival_counts_and_not_a_later_one(event_of, point):
    # L = (1 + cos w) at w = 2, g = -sin 2: it falls to 0 at π and rises and falls again beyond
    event = event_of(point([2.0]))
    step = taken(
        AchievedDecrease(0.5, halvings=40), event, lambda w, _: 1.0 + torch.cos(w).squeeze(1)
    )
    wanted = math.acos(0.5 * (1.0 + math.cos(2.0)) - 1.0)
    assert float(-step) == pytest.approx(wanted - 2.0, rel=1e-6)


def test_a_direction_that_leads_nowhere_has_no_step(event_of, point):
    # L = 1 + w²/2 is never below 1; the other seed, at w = 10, has 51 to begin with
    event = event_of(point([0.1], [10.0]), seeds=(0, 1))
    step = taken(AchievedDecrease(0.5), event, lambda w, y: 1.0 + parabola(w, y))
    assert step[0].isnan().all()
    assert step[1].isfinite().all()


def test_a_part_of_the_loss_lies_between_0_and_1(event_of, point):
    with pytest.raises(ValueError, match=r"fraction 1\.5"):
        taken(AchievedDecrease(1.5), event_of(point([1.0])), parabola)


def test_a_net_with_bn_loses_what_was_asked_for(event_of):
    torch.manual_seed(0)
    model = StackedMLP((4, 6, 3), (1, 2), norm="batch", activation="relu")
    x, y = torch.randn(2, 20, 4), torch.randint(0, 3, (2, 20))
    event = event_of(model, seeds=(1, 2), x=x, y=y)
    with landscape(event, "batch", torch.float64) as at:
        losses, gradient = at.gradients(at.point)
        step = AchievedDecrease(0.1)(at, losses, gradient)
        left = at.losses(at.point - step) / losses
    assert left.tolist() == pytest.approx([0.9, 0.9], abs=1e-4)
