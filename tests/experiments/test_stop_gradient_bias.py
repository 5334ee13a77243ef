"""The bias that grows for ever: its closed form, and the rule on what is measured."""

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.experiments.stop_gradient_bias import ARMS, StopGradientBias, centered, run
from bnkit.judging import judge

SMALL = {"looks": (10, 100, 1_000)}


def select(rows, seed):
    return {row.name: row.value for row in rows if row.seed == seed}


def test_the_bias_grows_by_the_same_step_for_ever():
    # x_hat has mean 0, so the gradient by b_j is 2 / (N C) times the sum over examples of
    # x_hat - target: -2 / C times the mean target. It does not depend on b.
    spec = StopGradientBias(gradient="stopped", **SMALL)
    generator = torch.Generator().manual_seed(4)
    _, targets = torch.randn(2, 60, 10, generator=generator, dtype=torch.float64)
    step = 0.1 * 2 / 10 * np.linalg.norm(targets.mean(dim=0).numpy())
    found = select(run(spec, [4]), 4)
    for look in spec.looks:
        assert found[f"bias_size@{look}"] == pytest.approx(look * step, rel=1e-9)
    assert found["bias_change"] == found["bias_size@1000"] > 1.0


def test_the_gradient_through_the_mean_is_zero_and_the_stopped_one_is_not():
    u = torch.randn(7, 3, dtype=torch.float64)
    weights = torch.randn(7, 3, dtype=torch.float64)
    sizes = {}
    for gradient in ARMS:
        bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        (weights * centered(u + bias, gradient)).sum().backward()
        sizes[gradient] = bias.grad
        torch.testing.assert_close(centered(u, gradient), u - u.mean(dim=0))
    torch.testing.assert_close(sizes["stopped"], weights.sum(dim=0))
    assert sizes["through"].abs().max() < 1e-14


def test_the_rule_meets_the_numbers_that_it_names():
    samples = {}
    for arm, spec in ARMS.items():
        by_seed = [select(run(spec, [seed]), seed) for seed in (0, 1)]
        samples[arm] = {name: [found[name] for found in by_seed] for name in by_seed[0]}
    verdict = judge(claims.load().claim("E9").rule, samples)
    assert verdict.verdict in ("supported", "refuted", "undecided")
    assert [part.n for part in verdict.parts] == [2, 2, 2]


def test_a_seed_has_the_same_rows_whichever_others_are_run():
    spec = StopGradientBias(gradient="through", **SMALL)
    together = run(spec, [3, 4])
    assert [row for row in together if row.seed == 4] == run(spec, [4])
    assert select(together, 3) != select(together, 4)


def test_the_key_is_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(ARMS["stopped"]) == "ed0e3fe2a3cd"
