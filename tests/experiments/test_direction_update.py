import numpy as np
import pytest

from bnkit.experiments.direction_update import DirectionUpdate, measure


def test_the_error_is_that_of_the_right_triangle():
    # The step is orthogonal to w. With s = η ‖∇L(w)‖ / ‖w‖ the direction becomes
    # (ŵ - s u) / sqrt(1 + s²), which misses ŵ - s u by (sqrt(1 + s²) - 1) / s in relation to s.
    found = measure(DirectionUpdate(), np.random.default_rng(0))
    errors = np.array([found[f"relative_error@{rate:g}"] for rate in (1e-3, 1e-2, 1e-1)])
    s = 2 * errors / (1 - errors**2)  # solved for s
    assert s[1:] / s[:-1] == pytest.approx([10.0, 10.0], rel=1e-6)
    assert errors[-1] < 0.1
