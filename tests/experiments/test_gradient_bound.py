import numpy as np
import pytest
import torch

from bnkit import reference
from bnkit.experiments import gradient_bound
from bnkit.experiments.gradient_bound import is_larger, sides


def squared_error(target):
    return lambda z: 0.5 * (z - target).square().sum()


def test_three_points_by_pencil():
    # y = (-1, 0, 1) * sqrt(3/2): variance 1, y_hat = y. Loss Σ c z, c = (1, 0, 0), γ = 2: g = c,
    # ‖g‖² = 1, ⟨1, g⟩² / 3 = 1/3, ⟨g, y_hat⟩² = 3/2. With 1/3: 4 (1 - 1/3 - 1/2) = 2/3.
    y = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64) * 1.5**0.5
    left, printed, exact, upstream = sides(y, 2.0, lambda z: z[0])
    assert upstream == pytest.approx(4.0)
    assert left == pytest.approx(2 / 3)
    assert exact == pytest.approx(2 / 3)
    assert printed == pytest.approx(4 * (2 / 3 - 1.5 / 3**0.5))  # negative: no norm is below it


def test_the_left_side_is_that_of_the_closed_form():
    rng = np.random.default_rng(0)
    y, target = rng.standard_normal((2, 12))
    left, _, exact, _ = sides(torch.from_numpy(y), 1.7, squared_error(torch.from_numpy(target)))
    z, cache = reference.batch_norm_forward(y[:, None], [1.7], [0.0], eps=0.0)
    dy, _, _ = reference.batch_norm_backward(z - target[:, None], cache)
    assert left == pytest.approx((dy**2).sum())
    assert exact == pytest.approx((dy**2).sum())


def test_the_printed_bound_holds_only_where_its_last_term_is_zero():
    y = torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64)
    across = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)  # ⟨across, y_hat⟩ = 0
    left, printed, _, _ = sides(y, 1.0, lambda z: across @ z)
    assert left == pytest.approx(printed)
    left, printed, _, _ = sides(y, 1.0, lambda z: (across + 0.1 * y) @ z)
    assert left > printed


def test_the_spread_decides_which_gradient_is_larger():
    y = torch.tensor([-1.0, 0.5, 0.2, 0.9], dtype=torch.float64)
    direction = torch.tensor([0.3, -1.0, 0.5, 0.4], dtype=torch.float64)
    assert is_larger(0.01 * y, lambda z: direction @ z)
    assert not is_larger(100.0 * y, lambda z: direction @ z)


def test_each_gradient_is_taken_at_its_own_point():
    # Squared error with target 0: the plain gradient is y, and with BN it is 0, since the length of
    # y_hat is fixed. Then a target next to y_hat = 10 y: ‖y - target‖ is 1.8, but what BN divides
    # by 0.1 is g = (0, 0, 0, -0.1) without half of its square, so ‖g‖ becomes 0.7.
    y = 0.1 * torch.tensor([-1.0, 1.0, 1.0, -1.0], dtype=torch.float64)
    assert not is_larger(y, squared_error(torch.zeros_like(y)))
    almost = torch.tensor([-1.0, 1.0, 1.0, -0.9], dtype=torch.float64)
    assert not is_larger(y, squared_error(almost))


def test_counts_add_up():
    spec = gradient_bound.GradientBound(num_trials=20)
    found = gradient_bound.measure(spec, np.random.default_rng(0))
    assert found["trials"] == 60 == sum(found[f"trials-{name}"] for name in gradient_bound.BINS)
    assert found["printed_held"] == 0
    assert found["projection_error"] < 1e-11
    assert found["larger_at_small_sigma"] == found["larger-below-0.5"] > found["larger-above-1"]
