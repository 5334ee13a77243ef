"""Deep linear nets with other norms, small and for few steps."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from bnkit import claims, experiments, store
from bnkit.experiments import lp_normalization
from bnkit.experiments.deep_linear_shift import DeepLinearShift
from bnkit.experiments.lp_deep_linear import (
    ARMS,
    BATCH,
    L1,
    LINF,
    LpDeepLinear,
    mean_squares,
    problems,
    run,
)
from bnkit.models import DeepLinear

SHORT = {"depth": 4, "width": 4, "num_examples": 12, "num_steps": 60, "num_looks": 5}
SEEDS = (3, 0)


def last(rows, name, seed):
    (row,) = [row for row in rows if (row.name, row.seed) == (name, seed)]
    assert row.step == SHORT["num_steps"]  # a judged metric has one row, at the last step
    return row.value


def test_the_loss_is_that_of_numpys_gradient_descent():
    # depth 2 with BN: y = B bn(A x), the gradient by finite differences, three steps
    spec = replace(BATCH, depth=2, width=4, num_examples=12, num_steps=3, num_looks=3, rate=0.1)
    x, y = (part[0].numpy() for part in problems(spec, [7]))
    model = DeepLinear(4, 2, [7], norm="batch").double()
    theta = np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])

    def loss(theta):
        a, b, gamma, beta = np.split(theta, [16, 32, 36])
        h = x @ a.reshape(4, 4).T
        h = gamma * (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-5) + beta
        return np.mean((h @ b.reshape(4, 4).T - y) ** 2)

    for _ in range(3):
        around = 1e-6 * np.eye(len(theta))
        slope = [(loss(theta + d) - loss(theta - d)) / 2e-6 for d in around]
        theta = theta - 0.1 * np.array(slope)
    rows = run(spec, [7])
    (found,) = [row.value for row in rows if row.name == "deep_linear_loss"]
    assert found == pytest.approx(loss(theta), rel=1e-6)


def test_the_loss_comes_down_and_says_what_is_explained():
    rows = run(replace(L1, **SHORT, rate=0.1), SEEDS)
    for seed in SEEDS:
        curve = [row.value for row in rows if (row.name, row.seed) == ("loss", seed)]
        assert last(rows, "deep_linear_loss", seed) == curve[-1] < 0.5 * curve[0]
        _, targets = problems(replace(L1, **SHORT), [seed])
        variance = np.mean((targets[0] - targets[0].mean(0)).numpy() ** 2)
        explained = 1 - curve[-1] / variance
        assert last(rows, "validation_accuracy", seed) == pytest.approx(explained)


def test_a_net_that_diverges_explains_nothing():
    rows = run(replace(LINF, **SHORT, rate=1e200), [3])
    assert last(rows, "deep_linear_loss", 3) == np.inf
    assert last(rows, "validation_accuracy", 3) == -np.inf
    assert any(row.name == "diverged" for row in rows)


def test_the_problem_is_that_of_the_net_without_other_norms_but_for_its_size():
    x, y = problems(LpDeepLinear(norm="l1", num_examples=100), [5])
    again, _ = problems(LpDeepLinear(norm="batch"), [4, 5])
    assert torch.equal(x[0], again[1])
    assert x.shape == (1, 100, 10)
    a = torch.linalg.lstsq(x[0], y[0]).solution
    torch.testing.assert_close(x[0] @ a, y[0])  # linear, and no noise
    for field in ("depth", "width", "num_steps", "num_looks"):
        assert getattr(BATCH, field) == getattr(DeepLinearShift(norm="batch"), field)
    ones = torch.ones(2, 3, 4)
    assert mean_squares(3 * ones, ones).tolist() == [4.0, 4.0]


@pytest.mark.parametrize("arm", [BATCH, L1, LINF])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(arm, **{**SHORT, "num_steps": 10})
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_its_arms_are_lent_to_the_trial_of_norms():
    for name, arm in ARMS.items():
        lent = lp_normalization.ARMS[f"{name}-deep-linear"]
        assert lent is arm
        assert experiments.home("lp_normalization", lent) == "lp_deep_linear"
    named = {o.arm for c in claims.load().claims if c.id == "G12" for o in c.rule.operands}
    assert {"l1-deep-linear", "batch-deep-linear"} <= named


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(BATCH) == "ef50e8fabdbf"
    assert store.spec_key(L1) == "51a67d3c9cc1"
    assert len(fields(LpDeepLinear)) == 7
