"""The population of runs: its design, and what one short run of it says."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments.noisy_batch_norm import NoisyBatchNorm, noisy_net
from bnkit.experiments.noisy_batch_norm import run as run_noisy
from bnkit.experiments.shift_population import ARMS, ShiftPopulation, run, summary
from bnkit.judging import judge
from bnkit.rows import Row

SHORT = {
    "data_set": "digits",
    "widths": (20, 30, 10),
    "num_steps": 40,
    "look_interval": 20,
    "num_probe_examples": 40,
}
SEEDS = (3, 0)
ONE = ShiftPopulation(norm="batch", dose=0.4, rate=0.03, **SHORT)


@pytest.fixture(scope="module")
def rows():
    return run(ONE, SEEDS)


def test_a_run_is_a_few_numbers_at_its_end(rows):
    names = {
        "train_loss",
        "test_accuracy",
        "activation_drift_raw",
        "activation_drift_scaled",
        "gradient_shift_l2",
        "gradient_shift_relative",
        "log_rate",
    }
    assert {(row.seed, row.step, row.name) for row in rows} == {
        (seed, 40, name) for seed in SEEDS for name in names
    }
    assert len(rows) == 2 * len(names)
    assert all(np.isfinite(row.value) for row in rows)
    assert {row.value for row in rows if row.name == "log_rate"} == {float(np.log(0.03))}


def test_every_arm_and_metric_of_the_claim_is_there(rows):
    names = {row.name for row in rows}
    for rule in claims.load().claim("E6").rules.values():
        assert {operand.arm for operand in rule.operands} == set(ARMS)
        assert {operand.metric for operand in rule.operands} <= names
        populations = [set(part.population) for part in rule.parts]
        of = {norm: {a for a in ARMS if a.startswith(norm)} for norm in ("none", "batch")}
        for wanted in (set(ARMS), of["none"], of["batch"]):
            assert populations.count(wanted) == 2  # one for each measure of shift


def test_the_rule_can_be_judged_on_numbers_of_that_shape():
    rng = np.random.default_rng(0)
    metrics = ("train_loss", "activation_drift_scaled", "gradient_shift_l2", "log_rate")
    samples = {arm: {name: rng.random(3) for name in metrics} for arm in ARMS}
    samples["none-0.8@0.06"]["train_loss"][1] = np.inf
    verdict = judge(claims.load().claim("E6").rule, samples)
    assert [part.n for part in verdict.parts] == [288, 144, 144, 288, 144, 144]


def test_no_two_arms_of_the_population_are_alike():
    assert len(ARMS) == len({store.spec_key(spec) for spec in ARMS.values()}) == 96
    assert {replace(s, norm="none", dose=0.0, rate=1.0) for s in ARMS.values()} == {
        ShiftPopulation(norm="none", dose=0.0, rate=1.0)
    }
    for name, spec in ARMS.items():
        assert name == f"{spec.norm}-{spec.dose:g}@{spec.rate:g}"


@pytest.mark.parametrize(("norm", "dose"), [("none", 0.3), ("batch", 0.0)])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(norm, dose):
    spec = replace(ONE, norm=norm, dose=dose, num_steps=20)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_it_is_the_run_of_the_other_experiment(rows):
    """Two more probes change nothing: same loss, same drift."""
    others = run_noisy(ONE.net, SEEDS)
    for name in ("train_loss", "activation_drift_raw", "activation_drift_scaled"):
        mine, theirs = (
            [row.value for row in source if row.name == name and row.step == 40]
            for source in (rows, others)
        )
        assert mine == theirs


def test_noise_of_the_plain_net_is_in_units_of_its_spread():
    data = load("digits")
    for norm, expected in (("none", True), ("batch", False)):
        _, noises = noisy_net(replace(ONE, norm=norm).net, data, SEEDS)
        assert [noise.in_spreads for noise in noises] == [expected] * 3
        assert [noise.dose for noise in noises] == [0.4] * 3
    assert isinstance(ONE.net, NoisyBatchNorm)


def test_the_gradient_shift_is_that_of_its_definition_with_the_noise_held():
    """At initialization, by differentiating twice and moving the first layer by hand."""
    spec = replace(ONE, norm="none", num_steps=1, look_interval=1)
    found = [row.value for row in run(spec, [3]) if row.name == "gradient_shift_l2"]
    data = load("digits")
    order = torch.randperm(len(data.train.y), generator=torch.Generator().manual_seed(1_000_006))
    x, y = (torch.tensor(a)[order[:60]] for a in (data.train.flat, data.train.y))

    def shift_of(layer):
        model = noisy_net(spec.net, data, [3])[0].double()
        earlier = list(model.linears[:layer].parameters())

        def gradients():
            loss = torch.nn.functional.cross_entropy(model(x.double())[0], y)
            return torch.autograd.grad(loss, [*earlier, model.linears[layer].weight])

        *step, before = gradients()
        with torch.no_grad():
            for parameter, gradient in zip(earlier, step, strict=True):
                parameter.sub_(gradient, alpha=spec.rate)
        return float((gradients()[-1] - before).norm())

    # The geometric mean over the two hidden layers behind the first.
    assert found == [pytest.approx((shift_of(1) * shift_of(2)) ** 0.5, rel=1e-6)]


def test_means_are_geometric_over_looks_and_layers_and_a_diverged_run_is_infinite():
    def rows_of(seed, shift, drift):
        return [
            Row(seed, step, f"shift-{layer}_{ending}", shift * 4.0**layer, "nat")
            for step in (0, 20)
            for layer in (2, 3)
            for ending in ("l2", "relative")
        ] + [Row(seed, 1, f"drift-1_{ending}", drift, "1") for ending in ("raw", "scaled")]

    rows = [*rows_of(3, 1.0, 0.5), *rows_of(0, np.nan, np.nan)]
    found = {(r.seed, r.name): r.value for r in summary(rows, ONE, SEEDS)}
    assert found[3, "gradient_shift_l2"] == pytest.approx(32.0)  # of 16 and 64
    assert found[3, "activation_drift_raw"] == 0.5
    assert found[0, "gradient_shift_l2"] == found[0, "activation_drift_scaled"] == np.inf


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(ARMS["none-0@0.003"]) == "2bbe37b48c37"
