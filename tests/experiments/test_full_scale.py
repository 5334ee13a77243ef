"""The GPU's experiment on the CPU, on digits and for some steps: rows, names and arms."""

from dataclasses import replace

import pytest
import torch

from bnkit import claims
from bnkit.bench.gpu_session import SWEEPS
from bnkit.data import load
from bnkit.experiments import Tuned, find, full_scale
from bnkit.experiments.full_scale import ARMS, BATCH, RESNETS, drift_looks, for_tuning, net, run
from bnkit.models import VGG
from bnkit.models.channel_noise import ChannelNoise
from bnkit.models.plain_cnn import PlainCNN

SHORT = {
    "data_set": "digits",
    "device": "cpu",
    "batch_size": 32,
    "num_seen": 200,
    "num_curve_looks": 3,
    "num_drift_looks": 2,
    "num_probe_examples": 40,
}


@pytest.fixture(autouse=True)
def _shallow(monkeypatch):
    """Five poolings leave nothing of a digit; three convolutions are enough here."""
    stages = ((4,), (6, 6))

    def shallow(shape, num_classes, seed, **options):
        return PlainCNN(shape, num_classes, seed, stages=stages, **options)

    monkeypatch.setattr(full_scale, "VGG", shallow)
    monkeypatch.setattr(full_scale, "STAGES", {11: stages})


SPECS = {
    "vgg": replace(BATCH, **SHORT),
    "noisy": replace(BATCH, **SHORT, dose=0.5),
    "resnet": replace(RESNETS["batch"], **SHORT),
}


@pytest.mark.parametrize("name", SPECS)
def test_every_judged_number_is_there_once_a_seed(name):
    spec = SPECS[name]
    rows = run(spec, [3, 0])
    for seed in (3, 0):
        last = [row.name for row in rows if (row.seed, row.step) == (seed, spec.num_steps)]
        assert len(last) == len(set(last))
        assert {"test_accuracy", "validation_accuracy", "train_accuracy"} <= set(last)
        assert ("activation_drift_raw" in last) == (name != "resnet")
        curve = [r.step for r in rows if (r.seed, r.name) == (seed, "test_accuracy")]
        assert curve == [0, 2, 4, 6]


@pytest.mark.parametrize("name", SPECS)
def test_a_seed_alone_and_measured_less_is_the_same_training(name):
    def end(spec, seeds):
        rows = run(spec, seeds)
        return [r.value for r in rows if (r.seed, r.name) == (0, "validation_loss")]

    state = torch.get_rng_state()
    ends = end(SPECS[name], [3, 0]), end(SPECS[name], [0]), end(for_tuning(SPECS[name]), [0])
    assert ends[0] == ends[1] == ends[2]
    assert torch.equal(torch.get_rng_state(), state)


def test_the_drift_is_that_of_one_step_and_noise_adds_to_it():
    rows = {name: run(SPECS[name], [0]) for name in ("vgg", "noisy")}
    means = {}
    for name, seen in rows.items():
        inside = [r.value for r in seen if r.name == "drift_raw" and r.step in (1, 4)]
        assert len(inside) == len(drift_looks(SPECS[name])) == 2
        (means[name],) = (r.value for r in seen if r.name == "activation_drift_raw")
        assert means[name] == pytest.approx(sum(inside) / 2)
    assert means["noisy"] > 2 * means["vgg"]


def test_noise_is_behind_every_normalizer_of_the_vgg_and_nowhere_else():
    data = load("digits")
    kinds = [[type(part).__name__ for part in n] for n in net(SPECS["noisy"], 0, data).norms]
    assert kinds == 3 * [["BatchNorm2d", "ChannelNoise"]]
    assert not any(isinstance(m, ChannelNoise) for m in net(SPECS["vgg"], 0, data).modules())
    with pytest.raises(ValueError, match=r"dose 0\.5 in a resnet"):
        net(replace(SPECS["resnet"], dose=0.5), 0, data)


def test_all_batch_sizes_see_the_same_number_of_examples():
    for arm in ARMS.values():
        spec = arm.spec if isinstance(arm, Tuned) else arm
        assert spec.num_steps * spec.batch_size == spec.num_seen == 640_000


def test_the_layer_that_is_looked_at_is_the_last_one_of_the_vgg():
    from bnkit.models.vgg import STAGES

    model = VGG((3, 32, 32), 10, 0, norm="batch")
    assert len(model.activations) == sum(map(len, STAGES[11])) == 8


def test_every_arm_of_the_session_is_there():
    for experiment, arms in SWEEPS:
        assert set(arms) <= set(find(experiment).ARMS)
    assert set(ARMS) == {arm for name, arms in SWEEPS if name == "full_scale" for arm in arms}


def test_the_controls_that_borrow_it_find_their_arms_and_metrics():
    names = {row.name for row in run(SPECS["noisy"], [0])}
    rules = claims.load().claim("E3").rules
    found = {k: r for k, r in rules.items() if any("vgg" in o.arm for o in r.operands)}
    assert found
    for rule in found.values():
        for operand in rule.operands:
            assert operand.arm in find("noisy_batch_norm").ARMS
            assert operand.metric in names
