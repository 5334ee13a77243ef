"""The net under noise, run for some steps on digits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments.noisy_batch_norm import (
    ARMS,
    BATCH,
    MLP_ARMS,
    PLAIN,
    NoisyStep,
    drifts,
    mean_drifts,
    noisy_net,
    over_one_step,
    run,
)
from bnkit.probes.activations import wasserstein
from bnkit.rows import Row, StepEvent
from bnkit.train import stacked_batches, train

SHORT = {
    "data_set": "digits",
    "widths": (20, 30),
    "num_steps": 60,
    "drift_interval": 20,
    "num_probe_examples": 40,
    "rate": 0.1,
}
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def rows():
    return run(replace(BATCH, dose=0.5, **SHORT), SEEDS)


def select(rows, name, seed):
    return {row.step: row.value for row in rows if row.name == name and row.seed == seed}


def test_every_curve_and_every_judged_number_is_there(rows):
    for seed in SEEDS:
        assert list(select(rows, "test_accuracy", seed)) == [0, 20, 40, 60]
        assert max(select(rows, "validation_accuracy", seed)) == 60
        for layer in (1, 2):
            assert list(select(rows, f"drift-{layer}_raw", seed)) == [1, 21, 41]
        for name in ("activation_drift_raw", "activation_drift_scaled"):
            assert list(select(rows, name, seed)) == [60]
    names = {row.name for row in rows} | {"steps_to_target"}
    for rule in claims.load().claim("E3").rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        own = {o.metric for o in rule.operands if not o.arm.endswith(("-cnn", "-vgg"))}
        assert own <= names


def test_the_judged_drift_is_the_mean_over_looks_and_layers(rows):
    for seed in SEEDS:
        drifts = [
            value for layer in (1, 2) for value in select(rows, f"drift-{layer}_raw", seed).values()
        ]
        assert len(drifts) == 6
        assert select(rows, "activation_drift_raw", seed)[60] == pytest.approx(np.mean(drifts))


@pytest.mark.parametrize("arm", ["none", "noisy-0.5", "none-noisy-0.5"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(ARMS[arm].spec, **{**SHORT, "num_steps": 25})
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


@pytest.mark.parametrize("arm", [PLAIN, BATCH])
def test_without_noise_a_step_is_that_of_plain_training(arm):
    spec, data = replace(arm, **SHORT), load("digits")
    trained = []
    for own_step in (True, False):
        model, noises = noisy_net(spec, data, SEEDS)
        assert noises == []
        batches = stacked_batches(
            torch.tensor(data.train.flat), torch.tensor(data.train.y), batch_size=60, seeds=SEEDS
        )
        step = NoisyStep(model, noises) if own_step else None
        train(model, batches, seeds=SEEDS, rate=0.1, num_steps=20, step=step)
        trained.append(dict(model.named_parameters()))
    for name, parameter in trained[0].items():
        torch.testing.assert_close(parameter, trained[1][name])


def test_each_step_meets_other_noise_and_evaluation_none():
    spec, data = replace(BATCH, dose=1.0, **SHORT), load("digits")
    model, noises = noisy_net(spec, data, SEEDS)
    x, y = torch.tensor(data.train.flat[:60]).expand(2, 60, 64), torch.zeros(2, 60, dtype=int)
    step = NoisyStep(model, noises)
    first, again = step(x, y, 1e-30), step(x, y, 1e-30)  # nothing but the noise changes
    assert (first != again).all()
    assert [noise.step for noise in noises] == [2, 2]
    model.eval()
    assert torch.equal(step(x, y, 1e-30), step(x, y, 1e-30))


def test_the_measured_drift_sees_the_noise_of_each_step():
    """At a rate of almost 0 the drift is that of the noise, computed here by hand."""
    spec, data = replace(BATCH, dose=0.5, **SHORT), load("digits")
    model, noises = noisy_net(spec, data, SEEDS)
    x, y = torch.tensor(data.train.flat[:60]).expand(2, 60, 64), torch.zeros(2, 60, dtype=int)
    step, probes = NoisyStep(model, noises), drifts(spec, data)
    found = []
    for now in range(2):
        event = StepEvent(now, model, SEEDS, x, y, 1e-30)
        for due, probe in probes:
            assert due(now)
            found += probe(event)
        step(x, y, 1e-30)
    examples = torch.tensor(data.validation.flat[:40])
    by_hand = []
    with torch.no_grad():
        z = torch.einsum("koi,ni->kon", model.linears[0].weight, examples)
        x_hat = (z - z.mean(2, keepdim=True)) / (z.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
    for noises[0].step in range(2):
        s, m = noises[0].drawn(20, 40)
        by_hand.append(s * x_hat.numpy() + m)
    expected = np.median(wasserstein(*by_hand), axis=1)
    values = [row.value for row in found if row.name == "drift-1_raw"]
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert min(values) > 0.2  # means of (-0.5, 0.5) are a third apart on average


def test_drift_between_the_pairs_of_looks_is_left_out():
    rows = [Row(0, step, "drift-1_raw", value, "1") for step, value in ((1, 2.0), (20, 9.0))]
    rows += [Row(0, 21, "drift-1_raw", 4.0, "1"), Row(0, 20, "test_accuracy", 0.5, "1")]
    kept = over_one_step(rows, [0, 20])
    assert [(row.step, row.name) for row in kept] == [
        (1, "drift-1_raw"),
        (21, "drift-1_raw"),
        (20, "test_accuracy"),
    ]
    kept += [Row(0, 1, "drift-1_scaled", 1.0, "1")]
    judged = {row.name: row.value for row in mean_drifts(kept, [0], 60)}
    assert judged == {"activation_drift_raw": 3.0, "activation_drift_scaled": 1.0}


def test_the_arms_differ_in_normalizer_and_noise_alone():
    specs = {name: arm.spec for name, arm in MLP_ARMS.items()}
    blank = {replace(s, norm="none", dose=0.0, in_spreads=False) for s in specs.values()}
    assert blank == {PLAIN}
    assert [specs[f"noisy-{d}"].dose for d in ("0.25", "0.5", "1", "2", "4")] == [
        0.25,
        0.5,
        1,
        2,
        4,
    ]
    assert {s.norm for name, s in specs.items() if name.startswith("noisy")} == {"batch"}
    assert {s.in_spreads for name, s in specs.items() if name.startswith("none-noisy")} == {True}


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(replace(PLAIN, rate=0.1)) == "f371512ce69f"
    assert store.spec_key(replace(ARMS["noisy-0.5"].spec, rate=0.1)) == "aa2947170982"
