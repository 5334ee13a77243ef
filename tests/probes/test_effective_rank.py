import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from bnkit.probes import EffectiveRank
from bnkit.probes.spectrum import effective_rank, singular_values


@pytest.mark.parametrize(
    ("values", "rank"),
    [
        ([1.0, 1.0, 1.0], 3.0),
        ([7.0, 0.0], 1.0),
        # shares 4/5 and 1/5: exp(0.8 ln 1.25 + 0.2 ln 5) = 1.25^0.8 * 5^0.2
        ([2.0, 1.0], 1.25**0.8 * 5**0.2),
        ([0.0, 0.0], math.nan),
    ],
)
def test_effective_rank_by_pencil(values, rank):
    assert effective_rank(np.array(values)) == pytest.approx(rank, nan_ok=True)


def test_effective_rank_of_a_layer_is_that_of_its_matrix(event_of, read):
    values = np.random.default_rng(3).normal(size=(12, 4)) * np.array([5.0, 1, 1, 0.1])
    expected = np.exp(scipy.stats.entropy(np.linalg.svd(values, compute_uv=False) ** 2))
    x, model = torch.from_numpy(values), nn.Sequential(nn.Identity(), nn.Identity())
    fixed = read(EffectiveRank(layer="1", x=x)(event_of(model)))
    batch = read(EffectiveRank(layer="1", name="rank")(event_of(model, x=x)))
    assert fixed == pytest.approx({"effective_rank": expected})
    assert batch == pytest.approx({"rank": expected})


def test_a_common_mean_counts_as_one_dimension(event_of, read):
    model = nn.Sequential(nn.Identity(), nn.Identity())
    x = 1e6 + torch.randn(20, 5, dtype=torch.float64)
    assert read(EffectiveRank(layer="1")(event_of(model, x=x)))["effective_rank"] < 1.001


def test_a_matrix_that_is_not_finite_has_unknown_singular_values_and_spoils_no_other():
    matrices = np.stack([np.eye(2), np.full((2, 2), np.inf), [[np.nan, 0], [0, 1]]])
    values = singular_values(matrices)
    assert values[0].tolist() == [1.0, 1.0]
    assert np.isnan(values[1:]).all()
