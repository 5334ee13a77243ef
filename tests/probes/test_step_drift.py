import numpy as np
import pytest
import torch
from torch import nn

from bnkit.models import StackedMLP
from bnkit.probes import StepDrift


class Affine(nn.Module):
    """x -> scale x + shift, which a nonlinearity then sees."""

    def __init__(self, scale=1.0, shift=0.0):
        super().__init__()
        self.scale, self.shift = scale, shift
        self.unused = nn.Parameter(torch.zeros(1))
        self.act = nn.Identity()

    def forward(self, x):
        return self.act(self.scale * x + self.shift)


def test_a_shift_and_a_stretch_by_pencil(event_of, read):
    # one unit, 1 and 3: mean 2, variance 1. Times 3 and plus 4: mean 10, variance 9.
    model = Affine()
    probe = StepDrift(["act"], torch.tensor([[1.0], [3.0]]))
    assert probe(event_of(model, step=4)) == []
    model.scale, model.shift = 3.0, 4.0
    assert read(probe(event_of(model, step=5))) == pytest.approx(
        {
            "step_mean_drift": 8.0, "step_variance_drift": 8.0,
            "step_mean_drift_scaled": 8.0, "step_variance_drift_scaled": 8.0,
        }
    )  # fmt: skip
    model.shift = 7.0  # mean 13, and the standard deviation before was 3
    rows = read(probe(event_of(model, step=6)))
    assert rows["step_mean_drift"] == pytest.approx(3.0)
    assert rows["step_mean_drift_scaled"] == pytest.approx(1.0)
    assert rows["step_variance_drift"] == 0.0


def test_only_two_looks_one_step_apart_make_rows(event_of):
    model, probe = Affine(), StepDrift(["act"], torch.ones(3, 2))
    made = [bool(probe(event_of(model, step=step))) for step in (0, 1, 2, 10, 11)]
    assert made == [False, True, True, False, True]


def test_the_median_is_over_the_units_of_all_layers(event_of, read):
    model = nn.Sequential(Affine(), nn.Flatten(2), Affine())
    probe = StepDrift(["0.act", "2.act"], torch.randn(4, 3, 2, 2), name="here_")
    probe(event_of(model, step=0))
    model[0].shift = 1.0  # three units of the first layer move by 1, those of the second by 3
    model[2].shift = 2.0
    drift = read(probe(event_of(model, step=1)))["here_step_mean_drift"]
    assert drift in (pytest.approx(1.0), pytest.approx(3.0))  # torch's median of an even number
    model[0].shift, model[2].shift = 1.0, 7.0  # now 0 and 5
    assert read(probe(event_of(model, step=2)))["here_step_mean_drift"] in (
        pytest.approx(0.0, abs=1e-6),
        pytest.approx(5.0),
    )


def test_units_of_a_convolution_are_channels(event_of, read):
    x = torch.randn(5, 3, 4, 4, dtype=torch.float64)
    model, probe = Affine(), StepDrift(["act"], x)
    probe(event_of(model, step=0))
    model.scale = 2.0
    rows = read(probe(event_of(model, step=1)))
    values = x.numpy()
    by_channel = np.median(3 * values.var(axis=(0, 2, 3)))
    assert rows["step_variance_drift"] == pytest.approx(by_channel)
    assert rows["step_variance_drift_scaled"] == pytest.approx(3.0)


def test_behind_bn_a_mean_is_beta_and_a_variance_gamma_squared(event_of, read):
    torch.manual_seed(0)
    model = StackedMLP((4, 6, 2), (0, 1), norm="batch", activation="tanh").double()
    x = torch.randn(50, 4, dtype=torch.float64)
    probe = StepDrift(["activations.0"], x)
    probe(event_of(model, seeds=(0, 1), step=0))
    with torch.no_grad():
        model.linears[0].weight *= 5  # which BN takes away
        model.norms[0].bn.weight[:6] = 2.0
        model.norms[0].bn.bias[6:] = 0.25
    rows = read(probe(event_of(model, seeds=(0, 1), step=1)))
    assert rows["step_mean_drift"] == pytest.approx([0.0, 0.25], abs=1e-10)
    assert rows["step_variance_drift"] == pytest.approx([3.0, 0.0], rel=1e-4, abs=1e-4)


def test_a_unit_that_is_constant_and_stays_does_not_drift(event_of, read):
    probe = StepDrift(["act"], torch.ones(4, 1))
    probe(event_of(Affine(), step=0))
    assert set(read(probe(event_of(Affine(), step=1))).values()) == {0.0}
