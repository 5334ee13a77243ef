"""The noisy convolutional net for some steps on digits: rows, names, and noise that is there."""

from dataclasses import fields, replace

import pytest
import torch

from bnkit import claims, experiments, store
from bnkit.experiments import landscape, noisy_batch_norm
from bnkit.experiments.noisy_cnn import ARMS, JUDGED, NoisyCNN, for_tuning, run, without_noise

SHORT = {
    "data_set": "digits",
    "num_train": 300,
    "num_steps": 24,
    "curve_interval": 6,
    "widths": (4, 6, 6, 8),
    "batch_size": 32,
    "num_moments": 3,
    "num_probe_examples": 40,
    "rate": 0.03,
}
SPEC = NoisyCNN(norm="batch", **SHORT)
PLAIN = NoisyCNN(norm="none", **SHORT)


@pytest.fixture(scope="module")
def recorded():
    return run(SPEC, [3, 0])


def last(rows, seed):
    return {row.name: row.value for row in rows if (row.seed, row.step) == (seed, 24)}


def test_every_judged_number_is_there_once_a_seed(recorded):
    for seed in (3, 0):
        names = [row.name for row in recorded if (row.seed, row.step) == (seed, 24)]
        assert len(names) == len(set(names))
        assert {"test_accuracy", "validation_accuracy", *JUDGED.values()} <= set(names)
        curve = [r.step for r in recorded if (r.seed, r.name) == (seed, "test_accuracy")]
        assert curve == [0, 6, 12, 18, 24]


def test_the_register_asks_only_for_arms_and_numbers_that_are_there(recorded):
    controls = claims.load().claim("E3").controls
    asked = [control for name, control in controls.items() if name.startswith("cnn")]
    assert len(asked) == 5
    for control in asked:
        for operand in control.operands:
            assert operand.metric in last(recorded, 0)
            assert operand.arm in noisy_batch_norm.ARMS


@pytest.mark.parametrize("spec", [SPEC, PLAIN], ids=lambda spec: spec.norm)
def test_a_seed_alone_and_measured_less_is_the_same_training(spec):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    ends = [last(run(spec, seeds), 0)["validation_loss"] for seeds in ([3, 0], [0])]
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    less = last(run(for_tuning(spec), [0]), 0)
    assert ends[0] == ends[1] == less["validation_loss"]
    assert not set(JUDGED.values()) & set(less)


def test_almost_no_noise_is_the_net_of_the_landscape():
    quiet = replace(SPEC, dose=1e-9)
    there = landscape.run(replace(without_noise(SPEC), measured=False), [0])
    assert last(run(quiet, [0]), 0)["test_loss"] == pytest.approx(
        last(there, 0)["test_loss"], rel=1e-3
    )
    assert last(run(SPEC, [0]), 0)["test_loss"] != pytest.approx(
        last(there, 0)["test_loss"], rel=1e-3
    )


@pytest.mark.parametrize("spec", [SPEC, PLAIN], ids=lambda spec: spec.norm)
def test_the_drift_is_that_of_one_step_and_noise_adds_to_it(spec):
    quiet = run(replace(spec, dose=1e-9), [0])
    noisy = run(spec, [0])
    assert last(noisy, 0)["mean_drift"] > 3 * last(quiet, 0)["mean_drift"]
    steps = {row.step for row in noisy if row.name == "step_mean_drift"}
    assert steps == {1, 9, 17}


def test_all_but_the_noise_is_the_spec_of_the_landscape():
    quiet = without_noise(replace(SPEC, norm="none", rate=0.3))
    shared = {field.name for field in fields(NoisyCNN)} - {"dose"}
    assert all(
        getattr(quiet, name) == getattr(replace(SPEC, norm="none", rate=0.3), name)
        for name in shared
    )
    whole = without_noise(ARMS["noisy-0.5"].spec)
    assert whole == replace(landscape.BATCH, rate=0.1)


def test_arms_without_noise_are_those_of_the_landscape_and_the_dose_is_the_papers():
    assert experiments.home("noisy_cnn", ARMS["none"]) == "landscape"
    assert experiments.home("noisy_cnn", ARMS["noisy-0.5"]) == "noisy_cnn"
    assert {arm.spec.dose for name, arm in ARMS.items() if "noisy" in name} == {0.5}
    assert store.spec_key(replace(ARMS["noisy-0.5"].spec, rate=0.1)) == "ff4eedefc789"
