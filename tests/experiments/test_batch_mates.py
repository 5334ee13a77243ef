import numpy as np
import pytest

from bnkit.experiments.batch_mates import BatchMates, measure


@pytest.mark.parametrize("x", [0.0, 0.5, 1.0])
def test_large_batches_follow_the_formula(x):
    found = measure(BatchMates(x=x, batch_sizes=(512,)), np.random.default_rng(0))
    # 4,000 draws know a variance to sqrt(2 / 4000) = 2 %, one standard deviation.
    assert found["output_variance@512"] == pytest.approx((1 + x**2 / 2) / 512, rel=0.08)


def test_with_one_mate_the_output_is_plus_or_minus_one_whatever_the_example_is():
    # At x = 0 both are equally likely, which is a variance of 1.
    found = measure(BatchMates(x=0.0, batch_sizes=(2,)), np.random.default_rng(0))
    assert found["output_variance@2"] == pytest.approx(1.0, abs=0.02)


def test_far_from_the_mean_the_variance_falls_more_slowly_than_one_over_m():
    near, far = (
        measure(BatchMates(x=x, batch_sizes=(16, 512)), np.random.default_rng(0)) for x in (0.5, 3)
    )
    assert near["output_variance@16"] / near["output_variance@512"] > 30
    assert far["output_variance@16"] / far["output_variance@512"] < 15
