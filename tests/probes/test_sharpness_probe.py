import numpy as np
import pytest
import torch
from torch import nn

from bnkit.models import StackedMLP
from bnkit.probes import Sharpness
from bnkit.probes.landscape import landscape


def quadratic(*curvatures):
    diagonal = torch.tensor(curvatures, dtype=torch.float64)
    return lambda outputs, _: (outputs.square() * diagonal).sum(1) / 2


def test_a_known_hessian_by_pencil(event_of, point, read):
    # theta = (1, 1, 1, 1): g = (3, 1, -5, 0.5), of which (3, 1) lies in the top two directions
    event = event_of(point([1.0, 1.0, 1.0, 1.0]))
    rows = read(Sharpness(num=2, loss=quadratic(3.0, 1.0, -5.0, 0.5))(event))
    assert [rows["hessian_1"], rows["hessian_2"]] == pytest.approx([3.0, 1.0])
    assert [rows["hessian_1_residual"], rows["hessian_2_residual"]] == pytest.approx(
        [0, 0], abs=1e-8
    )
    assert rows["hessian_scale_free"] == pytest.approx(3.0 * 4)
    assert rows["hessian_gradient_share"] == pytest.approx(10 / (9 + 1 + 25 + 0.25))


def test_largest_in_magnitude_may_be_negative(event_of, point, read):
    event = event_of(point([1.0, 1.0, 1.0, 1.0]))
    rows = read(Sharpness(num=2, which="LM", loss=quadratic(3.0, 1.0, -5.0, 0.5))(event))
    assert [rows["hessian_1"], rows["hessian_2"]] == pytest.approx([-5.0, 3.0])


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("bn_mode", ["batch", "running"])
def test_the_dense_hessian_of_each_seed_of_a_stack(norm, bn_mode, event_of, read):
    torch.manual_seed(0)
    model = StackedMLP((3, 4, 3), (1, 2), norm=norm, activation="tanh")
    x, y = torch.randn(2, 10, 3), torch.randint(0, 3, (2, 10))
    event = event_of(model, seeds=(1, 2), x=x, y=y)
    rows = read(Sharpness(num=3, bn_mode=bn_mode, tolerance=0.0)(event))
    with landscape(event, bn_mode, torch.float64) as at:
        for k in range(2):

            def of_one(vector, k=k):
                rest = at.point.clone()
                return at.losses(torch.cat([rest[:k], vector[None], rest[k + 1 :]]))[k]

            dense = torch.autograd.functional.hessian(of_one, at.point[k])
            top = torch.linalg.eigvalsh(dense).flip(0)[:3]
            found = [rows[f"hessian_{i}"][k] for i in (1, 2, 3)]
            assert found == pytest.approx(top.tolist(), rel=1e-8)
            scale_free = float(top[0] * at.point[k].square().sum())
            assert rows["hessian_scale_free"][k] == pytest.approx(scale_free, rel=1e-8)


def test_a_convolutional_net_is_measured_too(event_of, read):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))
    event = event_of(model, x=torch.randn(5, 1, 3, 3), y=torch.randint(0, 2, (5,)))
    rows = read(Sharpness()(event))
    with landscape(event, "batch", torch.float64) as at:
        dense = torch.autograd.functional.hessian(lambda p: at.losses(p).sum(), at.point)
    top = torch.linalg.eigvalsh(dense.reshape(at.point.numel(), -1))[-1]
    assert rows["hessian_1"] == pytest.approx(float(top), rel=1e-6)


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_the_scale_free_number_does_not_see_the_scale(scale, event_of, point, read):
    # L = w1 / ||w|| at (0, a): the Hessian is [[0, -1], [-1, 0]] / a^2
    event = event_of(point([0.0, scale]))
    rows = read(Sharpness(loss=lambda w, _: w[:, 0] / w.norm(dim=1))(event))
    assert rows["hessian_1"] == pytest.approx(1 / scale**2)
    assert rows["hessian_scale_free"] == pytest.approx(1.0)


class Pair(nn.Module):
    """Two parameter tensors a and b, which are the output."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = (nn.Parameter(torch.tensor(v, dtype=torch.float64)) for v in (a, b))

    def forward(self, x):
        return torch.cat([self.a, self.b]).unsqueeze(0)


def test_relative_sharpness_is_in_units_of_each_tensor_by_pencil(event_of, read):
    # curvatures 1, 1 | 3 at a = (3, 4), b = 0.5: norms 5 and 1/2, so 25, 25 | 3/4. The gradient
    # (3, 4 | 1.5) becomes (15, 20 | 0.75).
    event = event_of(Pair([3.0, 4.0], [0.5]))
    rows = read(Sharpness(relative=True, loss=quadratic(1.0, 1.0, 3.0), num=2)(event))
    assert [rows["hessian_1"], rows["hessian_2"]] == pytest.approx([25.0, 25.0])
    assert rows["hessian_gradient_share"] == pytest.approx(625 / (625 + 0.75**2))
    assert "hessian_scale_free" not in rows


@pytest.mark.parametrize(("relative", "blind"), [(False, False), (True, True)])
def test_relative_sharpness_is_blind_to_scales_that_layers_trade(relative, blind, event_of, read):
    x, y = torch.randn(1, 20, 4, dtype=torch.float64), torch.randint(0, 3, (1, 20))
    found = []
    for factor in (1.0, 5.0):
        torch.manual_seed(0)
        model = StackedMLP((4, 6, 3), (1,), norm="none", activation="relu").double()
        with torch.no_grad():
            model.linears[0].weight *= factor
            model.linears[1].weight /= factor
        probe = Sharpness(relative=relative, tolerance=0.0)
        found.append(read(probe(event_of(model, seeds=(1,), x=x, y=y)))["hessian_1"])
    assert (found[1] == pytest.approx(found[0], rel=1e-8)) is blind


def test_the_residual_bounds_the_error(event_of, point, read):
    curvatures = np.linspace(1, 2, 60)
    event = event_of(point([1.0] * 60))
    loose = Sharpness(tolerance=0.05, loss=quadratic(*curvatures))
    rows = read(loose(event))
    error = abs(rows["hessian_1"] - 2.0)
    assert 1e-8 < error <= rows["hessian_1_residual"]


def test_what_has_not_converged_is_nan(event_of, point, read):
    curvatures = np.linspace(1, 2, 200)
    probe = Sharpness(tolerance=0.0, max_restarts=1, loss=quadratic(*curvatures))
    assert all(np.isnan(v) for v in read(probe(event_of(point([1.0] * 200)))).values())


def test_more_eigenvalues_than_lanczos_can_give_are_refused(event_of, point):
    with pytest.raises(ValueError, match="num 2: the Hessian is 2 × 2, ask for fewer"):
        Sharpness(num=2, loss=quadratic(1.0, 2.0))(event_of(point([1.0, 1.0])))


def test_a_stack_that_gives_out_no_single_network_is_refused(event_of, point):
    event = event_of(point([1.0, 2.0], [3.0, 4.0]), seeds=(0, 1))
    with pytest.raises(ValueError, match=r"Point stacks 2 seeds and has no single\(k\)"):
        Sharpness(loss=quadratic(1.0, 2.0))(event)
