"""Drift of higher moments along training, on digits: the same code, rows and names."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy import stats

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.experiments.higher_order_drift import (
    ARMS,
    BATCH,
    NONE,
    HigherOrderDrift,
    LayerMoments,
    run,
)
from bnkit.models import StackedMLP
from bnkit.rows import StepEvent

SHORT = {
    "data_set": "digits",
    "widths": (20, 20),
    "num_steps": 60,
    "drift_interval": 6,
    "num_probe_examples": 40,
    "rate": 0.5,
}
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def rows():
    return run(replace(BATCH, **SHORT), SEEDS)


def curve(rows, name, seed):
    return {row.step: row.value for row in rows if (row.name, row.seed) == (name, seed)}


def test_judged_drifts_are_medians_over_the_looks_of_their_window(rows):
    for seed in SEEDS:
        for name in ("skewness_drift", "kurtosis_drift", "correlation_drift"):
            seen = curve(rows, f"layer-2_{name}", seed)
            assert list(seen) == list(range(6, 61, 6))
            windows = {"": seen, "_early": [6], "_late": range(36, 61, 6)}
            for suffix, inside in windows.items():
                median = np.median([seen[step] for step in inside])
                assert curve(rows, f"{name}{suffix}", seed) == {60: pytest.approx(median)}
            first = curve(rows, f"layer-1_{name}", seed)
            assert curve(rows, f"{name}_layer-1", seed) == {60: np.median([*first.values()])}


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_drift_is_that_of_the_inputs_of_the_nonlinearities(norm):
    # by scipy, from a forward pass written out in float64: BN's affine map is left out
    x = torch.tensor(load("digits").validation.flat[:50])
    model = StackedMLP((64, 10, 8, 10), (5,), norm=norm, activation="sigmoid")
    probe, seen = LayerMoments(2, x), []
    for step in (0, 1):
        with torch.no_grad():
            model.linears[0].weight += 0.05 * step
            model.linears[1].weight *= 1.0 + step * torch.rand(8, 10)
        rows = probe(StepEvent(step, model, (5,), x[None], torch.zeros(1, 50), 0.1))
        first, second = (
            (linear.weight[0].detach().double().numpy(), linear.bias)
            for linear in model.linears[:2]
        )
        # running statistics before any training are 0 and 1: BN changes nothing but eps
        h = 1 / (
            1 + np.exp(-x.double().numpy() @ first[0].T / (1 + 1e-5 * (norm == "batch")) ** 0.5)
        )
        z = h @ second[0].T
        seen.append((stats.skew(z), stats.kurtosis(z), np.corrcoef(z.T)[np.triu_indices(8, k=1)]))
    found = {row.name: row.value for row in rows}
    for name, before, after in zip(("skewness", "kurtosis", "correlation"), *seen, strict=True):
        expected = np.median(np.abs(after - before))
        assert found[f"layer-2_{name}_drift"] == pytest.approx(expected, rel=1e-3), name


@pytest.mark.parametrize("arm", [NONE, BATCH])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(arm, **{**SHORT, "num_steps": 12, "drift_interval": 1})
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_every_metric_that_a_claim_names_is_there_and_every_arm_of_its_rule(rows):
    names = {row.name for row in rows if row.step == SHORT["num_steps"]}
    (claim,) = [c for c in claims.load().claims if c.experiment == "higher_order_drift"]
    assert claim.id == "F8"
    assert {operand.arm for operand in claim.rule.operands} <= set(ARMS)
    for rule in claim.rules.values():
        assert {operand.metric for operand in rule.operands} <= names
    assert "validation_accuracy" in names  # which chooses the rate


def test_the_arms_differ_in_nothing_but_the_normalizer_and_the_rate():
    assert replace(BATCH, norm="none") == NONE
    assert ARMS["batch@none"] == Tuned(BATCH, like=NONE)


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(NONE) == "0ae2f98ef024"
    assert store.spec_key(BATCH) == "799f54d6464e"
    assert len(fields(HigherOrderDrift)) == 11
