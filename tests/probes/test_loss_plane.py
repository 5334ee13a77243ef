"""The plane of a path and the loss on it, on a loss that is known by pencil."""

import numpy as np
import pytest
import torch
from torch import nn

from bnkit.models import StackedMLP
from bnkit.probes import plane as planes


class Rows(nn.Module):
    """Two filters of two weights each; the output is all four, whatever the input."""

    def __init__(self, *weights):
        super().__init__()
        self.linear = nn.Linear(2, 2, bias=False).double()
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor(weights, dtype=torch.float64).view(2, 2))

    def forward(self, x):
        self.linear(x)  # called, so that its place among the layers is known
        return self.linear.weight.reshape(1, 4)


def squared_norm(outputs, targets):
    return outputs.square().sum(dim=-1)


X = (torch.ones(1, 2, dtype=torch.float64), torch.zeros(1))


@pytest.fixture
def path(event_of):
    """From (0, 1, 0, 1) over (3, 1, 4, 1) to (3, 4, 4, 3): filters of length 5 at the end."""

    def walk(*points):
        looks = planes.Path()
        for step, weights in enumerate(points):
            assert looks(event_of(Rows(*weights), step=10 * step, x=X[0])) == []
        return looks.events

    return walk


THREE = ((0, 1, 0, 1), (3, 1, 4, 1), (3, 4, 4, 3))


def test_the_path_keeps_the_weights_of_each_look_though_the_model_moves_on(event_of):
    model, looks = Rows(1, 2, 3, 4), planes.Path()
    looks(event_of(model, step=3, x=X[0]))
    with torch.no_grad():
        model.linear.weight.zero_()
    (kept,) = looks.events
    assert kept.step == 3
    assert kept.model.linear.weight.flatten().tolist() == [1, 2, 3, 4]


def test_each_filter_of_a_direction_is_as_long_as_that_of_the_last_weights(path):
    found = planes.plane(path((0, 0, 0, 0), (1, 0, 0, 2), (6, 8, 0, 2)))
    lengths = found.directions.view(2, 2, 2).norm(dim=2)
    np.testing.assert_allclose(lengths, [[10, 2], [10, 2]])


def test_a_path_whose_filters_move_in_proportion_lies_in_its_plane(path):
    # Each filter moves by multiples of its own end, so one filter-normalized direction holds all.
    found = planes.plane(path((0, 0, 0, 0), (3, 4, 0, 1), (6, 8, 0, 2)))
    assert found.share == pytest.approx(1)
    moves = [[-6, -8, 0, -2], [-3, -4, 0, -1], [0, 0, 0, 0]]
    np.testing.assert_allclose(found.path @ found.directions.numpy(), moves, atol=1e-12)


def test_the_share_is_what_a_least_squares_fit_leaves_in_the_plane(path):
    found = planes.plane(path(*THREE))
    moves = np.array(THREE, float) - THREE[-1]
    basis, _ = np.linalg.qr(found.directions.numpy().T)
    inside = ((moves @ basis) ** 2).sum() / (moves**2).sum()
    assert found.share == pytest.approx(inside)
    assert found.steps.tolist() == [0, 10, 20]


def test_the_path_begins_on_the_side_of_negative_coordinates(path):
    found = planes.plane(path(*THREE))
    assert (found.path[0] <= 0).all()
    mirrored = planes.plane(path(*[tuple(-w for w in point) for point in THREE]))
    np.testing.assert_allclose(found.path, mirrored.path, atol=1e-12)


def test_the_loss_at_a_look_is_the_loss_of_the_net(path):
    found = planes.plane(path(*THREE))
    for look, weights in enumerate(THREE):
        here = planes.loss_at(found, look, examples=X, loss=squared_norm)
        assert here == pytest.approx(np.square(weights).sum())


def test_the_grid_is_the_plane_through_the_look_first_direction_across(path):
    found = planes.plane(path(*THREE))
    first, second = np.array([-0.5, 0.0, 0.7]), np.array([-0.2, 0.4])
    seen = planes.losses(found, 1, first, second, examples=X, loss=squared_norm)
    along, here = found.directions.numpy(), found.path[1]
    expected = [
        [((np.array(THREE[1]) + (np.array([a, b]) - here) @ along) ** 2).sum() for a in first]
        for b in second
    ]
    np.testing.assert_allclose(seen, expected)


def test_the_net_is_left_where_it_is_and_batch_statistics_are_those_of_the_examples(event_of):
    torch.manual_seed(0)
    model, looks = (
        StackedMLP((3, 4, 2), [0], norm="batch", activation="tanh").double(),
        planes.Path(),
    )
    x, y = torch.randn(1, 8, 3, dtype=torch.float64), torch.randint(0, 2, (1, 8))
    for step in range(3):
        looks(event_of(model, x=x, y=y, step=step))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    before = {name: t.clone() for name, t in looks.events[1].model.state_dict().items()}
    found = planes.plane(looks.events)
    batch, running = (
        planes.loss_at(found, 1, examples=(x, y), bn_mode=mode) for mode in ("batch", "running")
    )
    with torch.no_grad():
        logits = looks.events[1].model.train()(x)
    assert batch == pytest.approx(float(nn.functional.cross_entropy(logits[0], y[0])))
    assert running != pytest.approx(batch, rel=1e-3)
    after = planes.plane(looks.events).events[1].model.linears[0].weight
    assert torch.equal(after, before["linears.0.weight"])


@pytest.mark.parametrize(
    ("points", "message"),
    [(THREE[:2], "2 looks at seeds"), ((THREE[0],) * 3, "the net has not moved")],
)
def test_a_path_that_spans_no_plane_is_refused(path, points, message):
    with pytest.raises(ValueError, match=message):
        planes.plane(path(*points))
