import numpy as np
import pytest

from bnkit.experiments.relu_kink import ReluKink, measure


def test_the_jump_does_not_shrink_with_the_distance():
    found = measure(ReluKink(), np.random.default_rng(0))
    jumps = [d * found[f"gradient_change_over_distance@{d:g}"] for d in (1e-6, 1e-4)]
    assert jumps[0] == pytest.approx(jumps[1], rel=1e-2)


def test_on_one_side_of_the_kink_the_gradient_is_lipschitz():
    found = measure(ReluKink(), np.random.default_rng(0))
    assert found["smooth_side@1e-06"] == pytest.approx(found["smooth_side@0.0001"], rel=1e-3)
    assert found["smooth_side@1e-06"] < 1e-3 * found["gradient_change_over_distance@1e-06"]


def test_one_unit_and_one_example_by_pencil():
    # f = a relu(w x): across w = 0 the gradient (f - t) a x relu'(w x) jumps from 0 to -t a x.
    spec = ReluKink(distances=(1e-9,), num_examples=1, num_inputs=1, num_hidden=1)
    rng = np.random.default_rng(0)
    x, t, a = (rng.standard_normal() for _ in range(3))
    found = measure(spec, np.random.default_rng(0))
    assert 1e-9 * found["gradient_change_over_distance@1e-09"] == pytest.approx(abs(t * a * x))
