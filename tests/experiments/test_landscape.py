"""The landscape experiment for some steps on digits: the rows and names of the record."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bnkit import claims, experiments, store
from bnkit.data import load
from bnkit.experiments import Tuned, landscape
from bnkit.experiments.landscape import (
    ALL_JUDGED,
    ARMS,
    BATCH,
    BATCH_MLP,
    NONE,
    NONE_MLP,
    NONE_VGG,
    LossLandscape,
    for_tuning,
    looks,
    run,
)
from bnkit.models import vgg
from bnkit.probes import Smoothness, StepDrift

SHORT = {
    "data_set": "digits",
    "num_train": 300,
    "num_steps": 24,
    "num_looks": 2,
    "curve_interval": 6,
    "batch_size": 32,
    "num_directions": 2,
    "num_moments": 3,
    "num_probe_examples": 40,
    "rate": 0.03,
}
WIDTHS = {"cnn": (4, 6, 6, 8), "mlp": (10, 10)}
SPECS = {
    spec.network: replace(spec, **SHORT, widths=WIDTHS[spec.network]) for spec in (BATCH, BATCH_MLP)
}


@pytest.fixture(scope="module")
def recorded():
    return {network: run(spec, [3, 0]) for network, spec in SPECS.items()}


def last_values(rows, seed):
    return {row.name: row.value for row in rows if row.seed == seed and row.step == 24}


@pytest.mark.parametrize("network", SPECS)
def test_every_judged_number_is_there_once_a_seed(network, recorded):
    only_mlp = ("running", "activation")
    names = {n for n in ALL_JUDGED.values() if network == "mlp" or not n.count(only_mlp[0])}
    names = {n for n in names if network == "mlp" or only_mlp[1] not in n}
    for seed in (3, 0):
        values = [row.name for row in recorded[network] if (row.seed, row.step) == (seed, 24)]
        assert len(values) == len(set(values))
        assert names <= set(values)
        assert {f"{name}_late" for name in names} <= set(values)


@pytest.mark.parametrize("network", SPECS)
def test_curves_that_choose_and_judge_are_there(network, recorded):
    for name, steps in {
        "test_accuracy": [0, 6, 12, 18, 24],
        "validation_accuracy": [0, 24],
    }.items():
        for seed in (3, 0):
            found = [r.step for r in recorded[network] if (r.name, r.seed) == (name, seed)]
            assert found == steps


@pytest.mark.parametrize("network", SPECS)
def test_a_seed_alone_gives_the_rows_that_it_has_among_others(network, recorded):
    alone = run(SPECS[network], [0])
    assert alone == [row for row in recorded[network] if row.seed == 0]


@pytest.mark.parametrize("network", SPECS)
def test_measuring_does_not_move_the_training(network, recorded):
    fewer = replace(SPECS[network], num_looks=1, num_moments=1, num_directions=1)
    for seed in (3, 0):
        ends = [
            last_values(rows, seed)["test_loss"] for rows in (recorded[network], run(fewer, [seed]))
        ]
        assert ends[0] == ends[1]


@pytest.mark.parametrize("network", SPECS)
def test_a_run_for_tuning_is_the_same_training(network, recorded):
    name = "validation_accuracy"
    for seed in (3, 0):
        rows = run(for_tuning(SPECS[network]), [seed])
        assert last_values(rows, seed)[name] == last_values(recorded[network], seed)[name]
        assert not {row.name for row in rows} & set(ALL_JUDGED)


def test_the_convolutional_net_learns():
    spec = replace(SPECS["cnn"], num_steps=100, curve_interval=50, rate=0.1, num_train=1_000)
    accuracy = {r.step: r.value for r in run(spec, [0]) if r.name == "test_accuracy"}
    assert accuracy[0] < 0.3
    assert accuracy[100] > 0.7


def test_channels_last_is_the_same_net():
    from bnkit.experiments.landscape import inputs, net

    spec, data = SPECS["cnn"], load("digits")
    model, images = net(spec, 0, data), data.test.x[:20]
    usual = model.__class__(
        data.image_shape, data.num_classes, 0, stages=((4, 6), (6, 8)), norm="batch", init="he"
    )
    torch.testing.assert_close(model(inputs(spec, images)), usual(torch.tensor(images)))


def test_raw_lengths_are_equal_in_all_arms_and_own_lengths_go_with_the_rate():
    data = load("digits")
    for rate in (0.03, 0.3):
        spec = replace(SPECS["mlp"], rate=rate)
        ends = {
            probe.name: (probe.lengths[0], probe.lengths[-1])
            for _, probe in looks(spec, data)
            if isinstance(probe, Smoothness)
        }
        assert ends["raw"] == ends["running_raw"] == pytest.approx((0.05, 0.4))
        assert ends["own_rate"] == pytest.approx((0.5 * rate, 4 * rate))
        assert ends["by_weights"] == pytest.approx((0.005, 0.04))


def test_looks_at_the_units_come_in_pairs_one_step_apart(recorded):
    data = load("digits")
    for spec in SPECS.values():
        for due, probe in looks(spec, data):
            if isinstance(probe, StepDrift):
                assert [step for step in range(25) if due(step)] == [0, 1, 8, 9, 16, 17]
        found = [r.step for r in recorded[spec.network] if r.name == "step_mean_drift"]
        assert found == 2 * [1, 9, 17]


def test_units_are_seen_behind_the_normalizer_and_in_front_of_it(recorded):
    # Behind BN a mean is β, which 24 small steps hardly move; in front of it the weights move it.
    for rows in recorded.values():
        values = last_values(rows, 0)
        assert 0 < values["mean_drift"] < values["mean_drift_before"]
    plain = last_values(run(replace(SPECS["mlp"], norm="none"), [0]), 0)
    assert plain["mean_drift"] == plain["mean_drift_before"]


def test_every_arm_and_metric_that_a_claim_names_is_there(recorded):
    names = {row.name for rows in recorded.values() for row in rows} | {"steps_to_target"}
    served = {c.id: c for c in claims.load().claims if c.experiment == "landscape"}
    assert set(served) == {"G1", "G2", "G3", "G4", "G5", "E2"}
    for claim in served.values():
        for rule in claim.rules.values():
            assert {operand.arm for operand in rule.operands} <= set(ARMS)
            assert {operand.metric for operand in rule.operands} <= names


def test_the_arms_of_a_network_differ_in_nothing_but_the_normalizer_and_the_rate():
    specs = [arm.spec if isinstance(arm, Tuned) else arm for arm in ARMS.values()]
    here = [spec for spec in specs if isinstance(spec, LossLandscape)]
    assert {replace(spec, norm="none", rate=0.1) for spec in here} == {NONE, NONE_MLP, NONE_VGG}
    assert ARMS["batch@none"] == Tuned(BATCH, like=NONE)
    homes = {name: experiments.home("landscape", arm) for name, arm in ARMS.items()}
    assert {name for name, home in homes.items() if home == "deep_linear_landscape"} == {
        "none-deep-linear",
        "batch-deep-linear",
    }


def test_the_spec_is_the_scale_of_a_cpu():
    assert (NONE.data_set, NONE.num_train) == ("cifar10-jpeg75", 5_000)
    assert (NONE.num_steps, NONE.batch_size) == (1_500, 128)
    assert NONE.widths == (16, 16, 32, 32, 64, 64)


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    keys = [store.spec_key(spec) for spec in (NONE, BATCH, NONE_MLP, BATCH_MLP)]
    assert keys == ["928bfd86e730", "c5e5cb640688", "200615c48c93", "4fe490c9cd8d"]


def test_a_diverged_net_counts_as_infinitely_rough():
    rows = run(replace(SPECS["mlp"], norm="none", rate=1e6), [0])
    values = last_values(rows, 0)
    assert values["loss_range_raw_late"] == np.inf
    assert values["test_accuracy"] == 0.1


def test_the_full_scale_twin_makes_the_same_rows(tmp_path, monkeypatch, recorded):
    monkeypatch.setitem(vgg.STAGES, 11, ((2,), (2,), (2, 2), (2, 2), (2, 2)))  # for speed
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (240, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(240) % 10
    path = tmp_path / "noise.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[:40], y_test=labels[:40])
    few = {"num_steps": 10, "num_looks": 1, "num_moments": 3, "batch_size": 8, "num_train": 100}
    more = {"num_directions": 1, "num_probe_examples": 10, "accuracy": 0.5, "device": "cpu"}
    spec = replace(NONE_VGG, **{**SHORT, **few, **more, "data_set": str(path)})
    rows = run(spec, [0])
    assert {row.name for row in rows} >= {row.name for row in recorded["cnn"] if row.step == 24}


def test_no_convolution_is_rounded_to_tf32_and_what_was_allowed_is_allowed_again(monkeypatch):
    seen = []
    monkeypatch.setattr(
        landscape, "_trained", lambda *_: seen.append(torch.backends.cudnn.allow_tf32)
    )
    monkeypatch.setattr(landscape, "over_looks", lambda *_: 1 / 0)
    for allowed in (True, False):
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allowed)
        with pytest.raises(ZeroDivisionError):
            run(SPECS["cnn"], [0])
        assert torch.backends.cudnn.allow_tf32 == allowed
    assert seen == [False, False]


def test_the_full_scale_arms_wait_for_a_gpu():
    specs = {name: arm.spec if isinstance(arm, Tuned) else arm for name, arm in ARMS.items()}
    waiting = {name for name, spec in specs.items() if getattr(spec, "device", "cpu") == "cuda"}
    vgg = {"none-vgg", "batch-vgg", "none-vgg@0.1", "batch-vgg@0.1"}
    assert waiting == vgg | {"none-mlp-full", "batch-mlp-full"}
