import numpy as np
import pytest

from bnkit.probes import HessianTrace
from bnkit.probes.trace import estimated_trace


def quadratic(*curvatures):
    return lambda outputs, _: (outputs.square() * outputs.new_tensor(curvatures)).sum(1) / 2


def test_a_diagonal_hessian_is_exact_with_random_signs_by_pencil(event_of, point, read):
    # vᵀHv = Σ λ v² = 3 + 1 - 5 + 0.5 whatever the signs; θ = (1, 2, 0, 0): ‖θ‖² = 5, over 4
    event = event_of(point([1.0, 2.0, 0.0, 0.0]))
    rows = read(HessianTrace(num=2, loss=quadratic(3.0, 1.0, -5.0, 0.5))(event))
    assert rows["trace"] == pytest.approx(-0.5)
    assert rows["trace_error"] == pytest.approx(0.0, abs=1e-12)
    assert rows["trace_scale_free"] == pytest.approx(-0.5 * 5 / 4)


def test_the_estimate_converges_to_the_trace_at_the_rate_of_its_error():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((30, 30))
    matrix += matrix.T
    errors = []
    for num in (20, 2_000):
        mean, error = estimated_trace(lambda v: matrix @ v, 30, num=num, seed=1)
        assert abs(mean - np.trace(matrix)) < 3 * error
        errors.append(error)
    # the variance of one draw is 2 (‖A‖² - Σ a_ii²)
    wanted = np.sqrt(2 * ((matrix**2).sum() - (np.diag(matrix) ** 2).sum()) / 2_000)
    assert errors[1] == pytest.approx(wanted, rel=0.1)
    assert errors[0] == pytest.approx(10 * wanted, rel=0.5)


def test_seeds_of_a_stack_that_gives_out_no_single_network_are_refused(event_of, point):
    event = event_of(point([1.0, 2.0], [3.0, 4.0]), seeds=(0, 1))
    with pytest.raises(ValueError, match=r"Point stacks 2 seeds and has no single\(k\)"):
        HessianTrace(loss=quadratic(1.0, 2.0))(event)
