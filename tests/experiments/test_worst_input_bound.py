import numpy as np
import pytest
import torch

from bnkit import reference
from bnkit.experiments.worst_input_bound import (
    WorstInputBound,
    measure,
    random_loss,
    sides,
    weights_for,
    worst_inputs,
)

DOUBLE = torch.float64


def random(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def test_three_points_by_pencil():
    # y = (-1, 0, 1) √(3/2): σ = 1, ŷ = y. L = z₁, so g = (1, 0, 0), m μ² = 1/3, ⟨g, ŷ⟩² = 3/2.
    # X = 2 I: λ = 2, λ² = 4. γ = 3: γ²/σ² = 9. Derived 36 (1 - 1/3 - 1/2) = 6; printed
    # 9 (4 - 1/3 - 6) = -21, to the letter 9 (16 - 1/3 - 6) = 87.
    x = 2 * torch.eye(3, dtype=DOUBLE)[None]
    y = torch.tensor([[-1.0, 0.0, 1.0]], dtype=DOUBLE) * 1.5**0.5
    gamma = torch.tensor([3.0], dtype=DOUBLE)
    w = weights_for(x, y, 2.0)
    torch.testing.assert_close(w, y / 2)
    it = sides(x, w, gamma, lambda z: z[:, 0], 2.0)
    assert [float(side) for side in it] == pytest.approx([6.0, 6.0, -21.0, 87.0, 36.0])
    assert float(it.slack()) == pytest.approx(0.0, abs=1e-12)


def test_worst_inputs_have_the_largest_singular_value_and_any_activations():
    x = worst_inputs(0.3, random(4, 5, 7))
    values = torch.linalg.svdvals(x)
    torch.testing.assert_close(values, torch.full_like(values, 0.3))
    y = random(4, 5, seed=1)
    torch.testing.assert_close(torch.einsum("tmd,td->tm", x, weights_for(x, y, 0.3)), y)


def test_no_inputs_of_that_size_make_the_gradient_longer():
    # by brute force: the same y, so the same upstream gradient, and inputs of any shape
    m, d, largest = 4, 6, 1.5
    y, target = random(m, seed=1).numpy(), random(m, seed=2).numpy()
    z, cache = reference.batch_norm_forward(y[:, None], [1.7], [0.0], eps=0.0)
    dy, _, _ = reference.batch_norm_backward(z - target[:, None], cache)
    x = worst_inputs(largest, random(1, m, d))
    loss = lambda z: 0.5 * (z - torch.from_numpy(target)).square().sum(1)  # noqa: E731
    w = weights_for(x, torch.from_numpy(y)[None], largest)
    it = sides(x, w, torch.tensor([1.7], dtype=DOUBLE), loss, largest)
    assert float(it.left) == pytest.approx(float(it.derived), rel=1e-10)
    others = random(20_000, m, d, seed=3)
    others *= largest / torch.linalg.matrix_norm(others, 2)[:, None, None]
    lengths = torch.einsum("tmd,m->td", others, torch.from_numpy(dy[:, 0])).square().sum(1)
    assert 0.5 * float(it.left) < float(lengths.max()) <= float(it.left) * (1 + 1e-12)


def test_counts_and_slacks():
    spec = WorstInputBound(num_trials=60)
    found = measure(spec, np.random.default_rng(0))
    assert found["trials"] == 360 == sum(found[f"trials@{size:g}"] for size in spec.largest)
    assert found["attained_error"] < 1e-10
    assert -1e-10 < found["derived_slack"] <= found["other_slack"]
    assert found["other_slack"] > 0  # inputs that are not the worst do not attain it
    assert found["printed_held@0.3"] == found["printed_held@1"] == 0
    assert found["printed_to_the_letter_held@0.3"] < found["printed_to_the_letter_held@3"]


def test_both_losses_are_among_the_random_ones():
    z = torch.zeros(40, 3, dtype=DOUBLE)
    losses = random_loss(40, 3, np.random.default_rng(0))(z)
    logistic = torch.isclose(losses, torch.tensor(3 * np.log(2.0), dtype=DOUBLE))
    assert 8 < int(logistic.sum()) < 32
