import numpy as np

from bnkit import reference
from bnkit.experiments import identity_by_affine
from bnkit.experiments.identity_by_affine import undoing


def test_two_points_by_pencil():
    # Batch (1, 3): mean 2, spread 1, so gamma = 1 and beta = 2. It maps (0, 4) to (1, 3) as well.
    gamma, beta = undoing(np.array([[1.0], [3.0]]), eps=0.0)
    np.testing.assert_allclose([gamma, beta], [[1.0], [2.0]])
    own, _ = reference.batch_norm_forward([[1.0], [3.0]], gamma, beta, eps=0.0)
    other, _ = reference.batch_norm_forward([[0.0], [4.0]], gamma, beta, eps=0.0)
    np.testing.assert_allclose(own, [[1.0], [3.0]])
    np.testing.assert_allclose(other, [[1.0], [3.0]])


def measured():
    spec = identity_by_affine.IdentityByAffine(num_trials=9)
    return identity_by_affine.measure(spec, np.random.default_rng(0))


def test_it_is_the_identity_on_its_own_batch_alone():
    found = measured()
    assert found["max_error"] < 1e-13
    assert found["loss_gap"] < 1e-13
    assert found["error_on_other_batches"] > 0.1


def test_a_gamma_that_forgets_eps_would_be_noticed(monkeypatch):
    monkeypatch.setattr(identity_by_affine, "undoing", lambda x, eps: (x.std(axis=0), x.mean(0)))
    found = measured()
    assert found["max_error"] > 1e-6
    assert found["loss_gap"] > 1e-6
