"""The stacked nets of the GPU, for some steps on digits and on the CPU."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bnkit import claims, experiments, store
from bnkit.bench.gpu_session import SWEEPS
from bnkit.data import load
from bnkit.experiments import landscape
from bnkit.experiments.full_scale_mlp import ARMS, BATCH, NONE, STACK, for_tuning, run
from bnkit.fully_connected import accuracies, batches, net
from bnkit.models import StackedStep
from bnkit.train import train

SHORT = {
    "data_set": "digits",
    "widths": (12, 10),
    "batch_size": 32,
    "num_steps": 30,
    "num_curve_looks": 3,
    "device": "cpu",
}
SPECS = [replace(NONE, **SHORT), replace(BATCH, **SHORT)]
SEEDS = [3, 0]


def ends(rows, name="test_loss", step=30):
    return {row.seed: row.value for row in rows if (row.name, row.step) == (name, step)}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.norm)
def test_every_number_is_there_once_a_seed_and_the_curve_has_its_looks(spec):
    rows = run(spec, SEEDS)
    for seed in SEEDS:
        last = [row.name for row in rows if (row.seed, row.step) == (seed, 30)]
        assert len(last) == len(set(last)) == 6
        curve = [r.step for r in rows if (r.seed, r.name) == (seed, "test_accuracy")]
        assert curve == [0, 10, 20, 30]
    assert ends(rows)[0] != ends(rows)[3]
    assert ends(run(for_tuning(spec), SEEDS), "validation_accuracy") == ends(
        rows, "validation_accuracy"
    )
    assert len(run(for_tuning(spec), SEEDS)) < len(rows)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.norm)
def test_the_graphed_step_trains_as_the_written_out_one_does(spec):
    data = load("digits")
    model = net(spec, data, SEEDS)
    there = train(
        model,
        batches(data, 32, SEEDS),
        seeds=SEEDS,
        rate=spec.rate,
        num_steps=30,
        step=StackedStep(model),
        probes=accuracies(data, {"test": [30]}),
    )
    here = ends(run(spec, SEEDS))
    assert list(here) == SEEDS
    np.testing.assert_allclose(list(here.values()), list(ends(there).values()), rtol=1e-4)


def test_the_data_are_on_the_device_that_was_asked_for():
    meta = torch.device("meta")
    x, y = next(batches(load("digits"), 32, SEEDS, device="meta"))
    assert x.device == y.device == meta
    ((_, probe),) = accuracies(load("digits"), {"test": [0]}, "meta")
    assert probe.x.device == probe.y.device == meta


def test_the_session_on_a_gpu_runs_it_last_and_a_control_is_judged_by_it():
    assert SWEEPS[-1] == ("full_scale_mlp", ("batch",))
    assert STACK == 10
    assert {arm for name, arms in SWEEPS if name == "full_scale_mlp" for arm in arms} == set(ARMS)
    control = claims.load().claim("G1").controls["mlp_full"]
    assert {operand.arm for operand in control.operands} <= set(landscape.ARMS)
    assert experiments.home("landscape", landscape.ARMS["batch-mlp-full"]) == "full_scale_mlp"
    assert store.spec_key(NONE) == "9950a096edeb"
