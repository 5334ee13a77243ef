import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from bnkit.probes import MomentDrift
from bnkit.probes.moments import standardized_statistics


@pytest.fixture
def rng():
    return np.random.default_rng(11)


class Shown(nn.Module):
    """A model whose module `last` is given `values`, (N, C), whatever the examples are."""

    def __init__(self, values):
        super().__init__()
        self.register_buffer("values", torch.from_numpy(values))
        self.last = nn.Identity()

    def forward(self, x):
        return self.last(self.values)


def two_looks(event_of, first, second):
    probe = MomentDrift("last", torch.ones(1, 1))
    assert probe(event_of(Shown(first))) == []  # the first look only remembers
    return probe(event_of(Shown(second), step=5))


def test_moments_are_those_of_scipy(rng):
    values = rng.exponential(size=(2, 4, 60))
    found = standardized_statistics(values)
    assert found["skewness"] == pytest.approx(scipy.stats.skew(values, axis=-1))
    assert found["kurtosis"] == pytest.approx(scipy.stats.kurtosis(values, axis=-1))
    for k in range(2):
        expected = np.corrcoef(values[k])[np.triu_indices(4, k=1)]
        assert found["correlation"][k] == pytest.approx(expected)


def test_moments_of_four_points_by_pencil():
    # (0, 0, 0, 4) has mean 1 and variance 3: z = -1, -1, -1, 3 over sqrt(3), so that the mean of
    # z^3 is 24 / (4 * 3 sqrt(3)) = 2 / sqrt(3), and that of z^4 is 84 / (4 * 9) = 7/3
    values = np.array([[[0.0, 0, 0, 4], [4.0, 0, 0, 0], [5.0, 5, 5, 5]]])
    found = standardized_statistics(values)
    assert found["skewness"][0] == pytest.approx([2 / math.sqrt(3), 2 / math.sqrt(3), 0.0])
    assert found["kurtosis"][0] == pytest.approx([7 / 3 - 3, 7 / 3 - 3, -3.0])
    assert found["correlation"][0] == pytest.approx([-1 / 3, 0.0, 0.0])


def test_scale_and_shift_of_a_unit_are_no_drift(rng, event_of, read):
    first = rng.exponential(size=(30, 5))
    second = first * np.array([2.0, 0.1, 7, 1, 3]) + 4
    rows = read(two_looks(event_of, first, second))
    for name in ("skewness", "kurtosis", "correlation"):
        assert rows[f"{name}_drift"] == pytest.approx(0.0, abs=1e-10)
        assert rows[f"{name}_size"] > 0.01


def test_drift_is_the_median_change_over_units_and_over_pairs(rng, event_of, read):
    first, second = rng.exponential(size=(30, 5)), rng.normal(size=(30, 5))
    rows = two_looks(event_of, first, second)
    assert {row.step for row in rows} == {5}
    found = read(rows)
    for name, statistic in (("skewness", scipy.stats.skew), ("kurtosis", scipy.stats.kurtosis)):
        change = np.abs(statistic(first) - statistic(second))
        assert found[f"{name}_drift"] == pytest.approx(np.median(change))
        assert found[f"{name}_size"] == pytest.approx(np.median(np.abs(statistic(second))))
    pairs = np.triu_indices(5, k=1)
    before, after = np.corrcoef(first.T)[pairs], np.corrcoef(second.T)[pairs]
    assert found["correlation_drift"] == pytest.approx(np.median(np.abs(before - after)))
    assert found["correlation_size"] == pytest.approx(np.median(np.abs(after)))


def test_drift_is_measured_from_the_last_look(rng, event_of, read):
    probe = MomentDrift("last", torch.ones(1, 1))
    first, second = rng.exponential(size=(2, 30, 3))
    for values in (first, second):
        probe(event_of(Shown(values)))
    assert read(probe(event_of(Shown(second))))["skewness_drift"] == 0.0


def test_one_unit_has_no_correlations(rng, event_of, read):
    rows = read(two_looks(event_of, *rng.normal(size=(2, 30, 1))))
    assert set(rows) == {"skewness_drift", "skewness_size", "kurtosis_drift", "kurtosis_size"}
