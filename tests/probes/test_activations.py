"""Where activations lie and how far they move, on layers whose inputs are known."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from bnkit.models import StackedMLP
from bnkit.probes import ActivationDrift, ActivationPercentiles
from bnkit.probes.activations import unit_inputs, wasserstein


class Scales(nn.Module):
    """Units a_c x + b for a single x: the input of `last` is known by pencil."""

    def __init__(self, *scales, shift=0.0):
        super().__init__()
        self.scales = nn.Parameter(torch.tensor(scales, dtype=torch.float64))
        self.shift = nn.Parameter(torch.tensor(shift, dtype=torch.float64))
        self.last = nn.Identity()

    def forward(self, x):
        return self.last(x * self.scales + self.shift)  # (N, C)


HUNDRED = torch.arange(101, dtype=torch.float64)[:, None]  # its p-th percentile is p


def test_percentiles_of_units_by_pencil(event_of, read):
    found = read(ActivationPercentiles("last", HUNDRED)(event_of(Scales(2.0, 1.0, 3.0))))
    assert found["unit0_p15"] == pytest.approx(30)  # of the first unit, not of the typical one
    assert found["unit0_p85"] == pytest.approx(170)
    # over units with 1, 2 and 3 times the percentile: the median is 2, the 10 % quantile 1.2
    assert found["p15_q50"] == pytest.approx(30)
    assert found["p50_q10"] == pytest.approx(60)
    assert found["p85_q90"] == pytest.approx(85 * 2.8)


def test_each_percentile_has_its_rows(event_of):
    rows = ActivationPercentiles("last", HUNDRED)(event_of(Scales(1.0), step=3, seeds=[9]))
    assert {(row.seed, row.step, row.unit) for row in rows} == {(9, 3, "1")}
    assert {row.name for row in rows} == {
        f"{prefix}p{p}{suffix}"
        for p in (15, 50, 85)
        for prefix, suffix in [("unit0_", ""), ("", "_q10"), ("", "_q50"), ("", "_q90")]
    }


def test_the_wasserstein_distance_by_pencil():
    # sorted: 0, 1, 2, 3 and 2, 3, 4, 5
    assert wasserstein(np.array([0.0, 1.0, 2.0, 3.0]), np.array([5.0, 2.0, 3.0, 4.0])) == 2.0


def test_the_wasserstein_distance_is_scipys():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 37))
    expected = [stats.wasserstein_distance(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(wasserstein(a, b), expected, rtol=1e-12)


def test_samples_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match=r"samples of shapes \(3,\) and \(4,\)"):
        wasserstein(np.zeros(3), np.zeros(4))


def test_a_shift_moves_every_unit_by_itself(event_of, read):
    model = Scales(1.0, 2.0, 4.0)
    probe = ActivationDrift("last", HUNDRED)
    assert probe(event_of(model)) == []  # the first look only remembers
    model.shift.data += 5.0
    found = read(probe(event_of(model)))
    assert found["drift_raw"] == pytest.approx(5.0)
    # the deviation of 0 to 100 is √850; the median unit has twice that
    assert found["drift_scaled"] == pytest.approx(5.0 / (2 * 850**0.5))


def test_drift_is_measured_from_the_last_look(event_of, read):
    model, probe = Scales(1.0), ActivationDrift("last", HUNDRED)
    for shift, moved in [(0.0, None), (1.0, 1.0), (1.5, 0.5), (1.5, 0.0)]:
        model.shift.data.fill_(shift)
        assert read(probe(event_of(model))).get("drift_raw") == (
            None if moved is None else pytest.approx(moved)
        )


def test_scaled_drift_is_blind_to_scale(event_of, read):
    # the same shift in units of the spread, at a thousand times the scale
    found = []
    for scale in (1.0, 1000.0):
        model, probe = Scales(scale), ActivationDrift("last", HUNDRED)
        probe(event_of(model))
        model.shift.data += 3.0 * scale
        found.append(read(probe(event_of(model))))
    assert found[1]["drift_scaled"] == pytest.approx(found[0]["drift_scaled"])
    assert found[1]["drift_raw"] == pytest.approx(1000 * found[0]["drift_raw"])


def test_units_that_are_constant_do_not_drift(event_of, read):
    model, probe = Scales(0.0), ActivationDrift("last", HUNDRED)
    probe(event_of(model))
    assert read(probe(event_of(model))) == {"drift_raw": 0.0, "drift_scaled": 0.0}


def test_a_feature_map_is_one_unit(event_of):
    model = nn.Sequential(nn.Conv2d(1, 3, 1, bias=False), nn.ReLU())
    x = torch.randn(5, 1, 2, 4)
    values = unit_inputs(event_of(model), "1", x, "running")
    assert values.shape == (1, 3, 40)
    weight = model[0].weight.detach().flatten().double().numpy()
    expected = weight[:, None] * x.flatten().double().numpy()
    np.testing.assert_allclose(values[0], expected, rtol=1e-6)


def test_each_stacked_seed_has_its_own_values(event_of):
    seeds = (2, 5)
    x = torch.randn(6, 4)
    model = StackedMLP((4, 3, 2), seeds, norm="none", activation="relu")
    both = unit_inputs(event_of(model, seeds=seeds), "activations.0", x, "running")
    assert both.shape == (2, 3, 6)
    for place in range(2):
        expected = model.linears[0].weight[place].detach().double() @ x.T.double()
        np.testing.assert_allclose(both[place], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("bn_mode", "mean"), [("batch", 0.0), ("running", 2.0)])
def test_the_bn_mode_decides_which_statistics_are_used(event_of, bn_mode, mean):
    model = nn.Sequential(nn.BatchNorm1d(1), nn.Sigmoid())
    values = unit_inputs(event_of(model), "1", torch.tensor([[1.0], [3.0]]), bn_mode)
    assert values.mean() == pytest.approx(mean, abs=1e-4)  # eps is 1e-5
