import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from bnkit.experiments import distance_to_ray
from bnkit.experiments.distance_to_ray import lemma, squared_distance_to_ray


def test_a_right_triangle_by_pencil():
    # From (3, 4) to the ray through (1, 0): the foot is (3, 0), the squared distance 16.
    start, optimum = np.array([3.0, 4.0]), np.array([1.0, 0.0])
    assert squared_distance_to_ray(start, optimum) == pytest.approx(16.0)
    assert lemma(start, optimum) == pytest.approx(20.0 - 4.0)


def test_no_multiple_of_the_optimum_is_nearer():
    start, optimum = np.array([1.0, 2.0, -0.5]), np.array([2.0, 0.3, 1.0])
    found = minimize_scalar(lambda a: ((start - np.exp(a) * optimum) ** 2).sum())
    assert squared_distance_to_ray(start, optimum) == pytest.approx(found.fun)


def test_the_two_agree_in_random_trials_and_a_ray_is_never_farther():
    spec = distance_to_ray.DistanceToRay(num_trials=50)
    found = distance_to_ray.measure(spec, np.random.default_rng(0))
    assert found["max_error"] < 1e-13
    assert 0 < found["mean_ratio"] < 1
