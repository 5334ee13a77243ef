import pytest
import torch

from bnkit.probes.landscape import landscape
from bnkit.probes.steps import (
    PredictedDecrease,
    RelativeStep,
    RelativeStepPerLayer,
    relative_steps,
    run_rate,
)


def product(outputs, _):
    return outputs.sum()


def taken(step, event):
    with landscape(event, "batch", torch.float64, product) as at:
        losses, gradient = at.gradients(at.point)
        return at, step(at, losses, gradient)


def test_each_match_by_pencil(event_of, chain):
    # L = w1 w2 at (3, 4): L = 12, gradient (4, 3) of norm 5, ||theta|| = 5.
    event = event_of(chain(3.0, 4.0), rate=0.2)
    assert taken(run_rate, event)[1][0].tolist() == pytest.approx([0.8, 0.6])
    # eps * 25 = 0.5 * 12
    assert taken(PredictedDecrease(0.5), event)[1][0].tolist() == pytest.approx([0.96, 0.72])
    # eps * 5 = 0.1 * 5
    assert taken(RelativeStep(0.1), event)[1][0].tolist() == pytest.approx([0.4, 0.3])
    # a tenth of 3 and of 4
    at, step = taken(RelativeStepPerLayer(0.1), event)
    assert step[0].tolist() == pytest.approx([0.3, 0.4])
    assert relative_steps(at, step, at.layers).flatten().tolist() == pytest.approx([0.1, 0.1])


def test_seeds_have_each_their_own_length(event_of, point):
    # L = w^2 / 2: the gradient is w
    event = event_of(point([2.0], [10.0]), seeds=(0, 1))

    def parabola(outputs, _):
        return outputs.square().sum(1) / 2

    with landscape(event, "batch", torch.float64, parabola) as at:
        losses, gradient = at.gradients(at.point)
        # eps w^2 = 0.5 w^2 / 2: eps = 1/4 whatever w is
        assert PredictedDecrease(0.5)(at, losses, gradient).tolist() == [[0.5], [2.5]]
        assert RelativeStep(0.1)(at, losses, 7 * gradient).flatten().tolist() == pytest.approx(
            [0.2, 1.0]
        )


@pytest.mark.parametrize(
    "step", [run_rate, PredictedDecrease(0.5), RelativeStep(0.1), RelativeStepPerLayer(0.1)]
)
def test_where_there_is_no_gradient_there_is_no_step(step, event_of, chain):
    event = event_of(chain(2.0, 3.0))
    with landscape(event, "batch", torch.float64, product) as at:
        losses, gradient = at.gradients(at.point)
        held = at.only(gradient, ["0.weight"])
        assert step(at, losses, held)[0, 0] != 0
        assert step(at, losses, held)[0, 1] == 0
        assert step(at, losses, torch.zeros_like(gradient)).tolist() == [[0.0, 0.0]]
