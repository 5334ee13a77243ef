import numpy as np
import pytest
import torch

from bnkit.models import StackedMLP
from bnkit.probes import Sharpness, Smoothness
from bnkit.probes.directions import (
    RandomDirections,
    filter_normalized_gradient,
    gradient_itself,
    unit_gradient,
)
from bnkit.probes.landscape import landscape


def parabola(outputs, _):
    return outputs.square().sum(1) / 2


def test_a_parabola_by_pencil(event_of, point, read):
    # loss = w^2 / 2 at w = 1: t gradients downhill w = 1 - t, so t = 0, 1/2, 2 give losses
    # 1/2, 1/8, 1/2 and the range is 3/8. The gradients are 1, 1/2, -1, the curvature is 1.
    probe = Smoothness(lengths=(0.5, 2.0), loss=parabola)
    assert read(probe(event_of(point([1.0])))) == pytest.approx(
        {
            "downhill_loss_start": 0.5, "downhill_loss_min": 0.125, "downhill_loss_max": 0.5,
            "downhill_loss_range": 0.375,
            "downhill_gradient_change_min": 0.5, "downhill_gradient_change_max": 2.0,
            "downhill_cosine_min": -1.0, "downhill_beta": 1.0,
        }
    )  # fmt: skip


def test_without_gradients_the_losses_are_the_same(event_of, point, read):
    event = event_of(point([1.0], [3.0]), seeds=(0, 1))
    full, short = (
        read(Smoothness(lengths=(0.5, 2.0), loss=parabola, gradients=g)(event))
        for g in (True, False)
    )
    assert set(short) == {f"downhill_loss_{end}" for end in ("start", "min", "max", "range")}
    assert short == {name: full[name] for name in short}


def test_the_start_belongs_to_the_range(event_of, point, read):
    # 1/2 at the start, 1/8 and 0 after it
    rows = read(Smoothness(lengths=(0.5, 1.0), loss=parabola)(event_of(point([1.0]))))
    assert rows["downhill_loss_range"] == pytest.approx(0.5)


def test_beta_is_the_steepest_change_of_the_gradient_on_the_way(event_of, point, read):
    # loss = w^3 / 3 at w = 1: gradients 1, 1/4, 0 at distances 0, 1/2, 1: slopes 3/2 and 1
    probe = Smoothness(lengths=(0.5, 1.0), loss=lambda w, _: w.pow(3).sum(1) / 3)
    assert read(probe(event_of(point([1.0]))))["downhill_beta"] == pytest.approx(1.5)


def test_a_unit_gradient_walks_a_distance_and_each_seed_its_own(event_of, point, read):
    # at w = 3 and 8, a distance of 2 downhill: 9/2 to 1/2, and 32 to 18
    probe = Smoothness(lengths=(2.0,), loss=parabola, directions=unit_gradient)
    rows = read(probe(event_of(point([3.0], [8.0]), seeds=(0, 1))))
    assert rows["downhill_loss_range"] == pytest.approx([4.0, 14.0])
    assert rows["downhill_gradient_change_max"] == pytest.approx([2.0, 2.0])


def rescaled(factor):
    """A ReLU net in which one layer is larger and the next one smaller: the same function."""
    torch.manual_seed(0)
    model = StackedMLP((4, 6, 3), (1,), norm="none", activation="relu").double()
    with torch.no_grad():
        model.linears[0].weight *= factor
        model.linears[1].weight /= factor
    return model


@pytest.mark.parametrize(
    ("directions", "blind"),
    [
        (gradient_itself, False),
        (unit_gradient, False),
        (filter_normalized_gradient, True),
        (RandomDirections(num=2), True),
    ],
)
def test_filter_normalized_looks_are_blind_to_the_scale_of_relu_layers(
    directions, blind, event_of, read
):
    x, y = torch.randn(1, 20, 4, dtype=torch.float64), torch.randint(0, 3, (1, 20))
    probe = Smoothness(lengths=(0.2, 0.5), directions=directions)
    ranges = [
        read(probe(event_of(rescaled(factor), x=x, y=y)))["downhill_loss_range"]
        for factor in (1.0, 5.0)
    ]
    assert (ranges[1] == pytest.approx(ranges[0], rel=1e-9)) is blind


@pytest.mark.parametrize("directions", [filter_normalized_gradient, RandomDirections(num=1)])
def test_a_filter_normalized_direction_has_the_norm_of_each_filter(directions, event_of):
    torch.manual_seed(0)
    model = StackedMLP((4, 6, 3), (1, 2), norm="batch", activation="tanh")
    x, y = torch.randn(2, 9, 4), torch.randint(0, 3, (2, 9))
    with landscape(event_of(model, seeds=(1, 2), x=x, y=y), "batch", torch.float64) as at:
        _, gradient = at.gradients(at.point)
        (direction,) = directions(at, gradient)
    for name, span in at.spans.items():
        own = direction[:, span].reshape(at.shapes[name])
        if name.startswith("linears") and name.endswith("weight"):
            rows = dict(model.named_parameters())[name].detach().double().norm(dim=2)
            torch.testing.assert_close(own.norm(dim=2), rows)
        else:
            assert not own.any(), name


def test_where_the_weight_is_not_trained_its_gamma_is_no_filter(event_of):
    model = StackedMLP((4, 6, 3), (1,), norm="batch", activation="tanh")
    model.linears[0].weight.requires_grad_(False)
    event = event_of(model, x=torch.randn(1, 9, 4), y=torch.randint(0, 3, (1, 9)))
    with landscape(event, "batch", torch.float64) as at:
        _, gradient = at.gradients(at.point)
        (direction,) = filter_normalized_gradient(at, gradient)
    assert gradient[:, at.spans["norms.0.bn.weight"]].any()
    assert torch.equal(direction, at.only(direction, ["linears.1.weight"]))


def test_random_directions_are_those_of_their_seed_and_draw_nothing_from_the_run(event_of, point):
    def drawn(seed, replicate=0):
        event = event_of(point([1.0, 2.0, 2.0]), seeds=(replicate,))
        with landscape(event, "batch", torch.float64, parabola) as at:
            return torch.cat(list(RandomDirections(num=3, seed=seed)(at, at.point)))

    torch.manual_seed(1)
    first = drawn(seed=0)
    torch.manual_seed(2)
    assert torch.equal(first, drawn(seed=0))
    for other in (drawn(seed=1), drawn(seed=0, replicate=1)):
        assert not torch.isclose(first, other).any()
    assert not torch.isclose(first[0], first[1]).any()
    assert first.norm(dim=1).tolist() == pytest.approx([3.0, 3.0, 3.0])


def test_rows_are_means_over_directions(event_of, point, read):
    event = event_of(point([3.0, 1.0]))

    def one(index):
        def only(at, gradient):
            yield list(RandomDirections(num=3)(at, gradient))[index]

        return only

    def loss_range(directions):
        probe = Smoothness(lengths=(0.5,), loss=parabola, directions=directions)
        return read(probe(event))["downhill_loss_range"]

    alone = [loss_range(one(index)) for index in range(3)]
    assert len(set(alone)) == 3
    assert loss_range(RandomDirections(num=3)) == pytest.approx(np.mean(alone))


def test_beta_of_a_quadratic_is_at_most_its_largest_eigenvalue(event_of, point, read):
    curvatures = torch.tensor([5.0, 1.0, 0.5], dtype=torch.float64)

    def bowl(outputs, _):
        return (outputs.square() * curvatures).sum(1) / 2

    event = event_of(point([0.1, 1.0, 1.0]))
    rows = {**read(Smoothness(loss=bowl)(event)), **read(Sharpness(loss=bowl)(event))}
    # along g = (0.5, 1, 0.5) the gradient changes by A g: ||A g|| / ||g||
    expected = np.sqrt((2.5**2 + 1 + 0.25**2) / (0.5**2 + 1 + 0.5**2))
    assert rows["downhill_beta"] == pytest.approx(expected)
    assert rows["downhill_beta"] < rows["hessian_1"] == pytest.approx(5.0)
