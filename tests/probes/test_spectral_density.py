import numpy as np
import pytest
import torch

from bnkit.models import StackedMLP
from bnkit.probes import SpectralDensity
from bnkit.probes.density import lanczos, quadrature
from bnkit.probes.landscape import landscape


def test_two_eigenvalues_by_pencil():
    # (1, 1) / √2 in the basis of diag(1, 3): mean 2, spread 1, and then the space is exhausted
    diagonal, beside = lanczos(lambda v: np.array([1.0, 3.0]) * v, np.ones(2), 10)
    assert diagonal.tolist() == pytest.approx([2.0, 2.0])
    assert beside.tolist() == pytest.approx([1.0])
    nodes, weights = quadrature(lambda v: np.array([1.0, 3.0]) * v, 2, num_steps=3, num=1, seed=0)
    assert nodes.tolist() == pytest.approx([1.0, 3.0, 3.0])
    assert weights.tolist() == pytest.approx([0.5, 0.5, 0.0])


@pytest.fixture
def known():
    """A symmetric matrix whose spectrum is a bulk between 0 and 1 and two outliers."""
    rng = np.random.default_rng(3)
    values = np.concatenate([np.linspace(0, 1, 98), [20.0, 30.0]])
    q, _ = np.linalg.qr(rng.standard_normal((100, 100)))
    return values, (q * values) @ q.T


def test_outliers_and_bulk_of_a_known_matrix(known):
    values, matrix = known
    nodes, weights = quadrature(lambda v: matrix @ v, 100, num_steps=30, num=40, seed=0)
    assert (len(nodes), len(weights)) == (1_200, 1_200)
    assert weights.sum() == pytest.approx(1.0)
    assert np.all(np.diff(nodes) >= 0)
    assert nodes[0] > values[0] - 1e-8
    assert nodes[-1] == pytest.approx(30.0)
    for low, high in ((-0.1, 0.5), (0.5, 1.1), (19.0, 21.0), (29.0, 31.0)):
        found = weights[(nodes > low) & (nodes < high)].sum()
        assert found == pytest.approx(((values > low) & (values < high)).mean(), abs=0.03)


def test_moments_are_exact_for_the_vector_that_was_drawn(known):
    # A quadrature of n nodes integrates polynomials up to degree 2 n - 1: vᵀAᵏv / vᵀv.
    _, matrix = known
    nodes, weights = quadrature(lambda v: matrix @ v, 100, num_steps=3, num=1, seed=5)
    v = np.random.default_rng(5).choice((-1.0, 1.0), 100)
    for power in range(6):
        exact = v @ np.linalg.matrix_power(matrix, power) @ v / 100
        assert (weights * nodes**power).sum() == pytest.approx(exact, rel=1e-10)


def test_orthogonality_holds_where_plain_lanczos_finds_eigenvalues_twice(known):
    # The two outliers converge first; without making vectors orthogonal again they come back.
    _, matrix = known
    diagonal, beside = lanczos(lambda v: matrix @ v, np.ones(100), 80)
    ritz = np.linalg.eigvalsh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    assert (ritz > 10).sum() == 2


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_density_of_a_small_net_is_that_of_its_dense_hessian(norm, event_of, read):
    torch.manual_seed(0)
    model = StackedMLP((3, 4, 2), (1,), norm=norm, activation="tanh")
    x, y = torch.randn(1, 10, 3), torch.randint(0, 2, (1, 10))
    event = event_of(model, seeds=(1,), x=x, y=y)
    rows = read(SpectralDensity(num_steps=8, num=300)(event))
    nodes, weights = (
        np.array([rows[f"density_{part}_{i + 1}"] for i in range(2400)])
        for part in ("node", "weight")
    )
    with landscape(event, "batch", torch.float64) as at:
        dense = torch.autograd.functional.hessian(lambda p: at.losses(p).sum(), at.point)
    values = torch.linalg.eigvalsh(dense.reshape(at.point.numel(), -1)).numpy()
    size = np.abs(values).max()
    for moment in (1, 2):
        exact = (values**moment).mean()  # of 300 vectors, the standard error is below 0.02
        assert (weights * nodes**moment).sum() == pytest.approx(exact, abs=0.06 * size**moment)
    assert nodes[-1] == pytest.approx(values[-1], rel=1e-3)
