"""Jacobians from layer to layer, on digits."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import Tuned
from bnkit.experiments.layer_jacobians import (
    ARMS,
    LayerJacobians,
    distances,
    for_tuning,
    pairs,
    run,
)
from bnkit.models import StackedMLP
from bnkit.rows import Row
from bnkit.train import stacked_batches

SHORT = {
    "data_set": "digits",
    "widths": (12, 12, 12),
    "num_steps": 20,
    "looks": (0, 10),
    "batch_size": 16,
    "rate": 0.1,
}
SEEDS = (3, 0)


def small(arm):
    return replace(ARMS[arm].spec, **SHORT)


@pytest.fixture(scope="module")
def rows():
    return run(small("batch-relu"), SEEDS)


def select(rows, name, seed):
    return {row.step: row.value for row in rows if row.name == name and row.seed == seed}


def distance(jacobian):
    s = np.linalg.svd(jacobian, compute_uv=False)
    s = s[s > 1e-9 * s[0]]
    return np.sqrt(np.mean(np.log(s) ** 2))


def first_pair_by_hand(arm, seed):
    """Root mean squares of ln s between layers 1 and 2 of the fresh plain net, by pencil."""
    data, spec = load("digits"), small(arm)
    inputs, _ = next(
        stacked_batches(
            torch.tensor(data.train.flat),
            torch.tensor(data.train.y),
            batch_size=spec.batch_size,
            seeds=[seed],
        )
    )
    model = StackedMLP((64, 12, 12, 12, 10), [seed], norm="none", activation="relu", init=spec.init)
    first, second = (model.linears[i].weight[0].detach().double().numpy() for i in (0, 1))
    found = []
    for x in inputs[0, : spec.num_examples].double().numpy():
        z = first @ x  # J = W diag(slope at z), from the inputs of one ReLU to those of the next
        on = z > 0 if spec.activation == "relu" else np.ones(len(z))
        found.append(distance(second * on))
    return found


@pytest.mark.parametrize("arm", ["none-linear", "none-relu", "none-relu-he"])
def test_a_plain_layers_jacobian_is_its_weight_behind_the_slopes(arm):
    found = select(run(small(arm), [3]), "jacobian-1_log_rms", 3)[0]
    assert found == pytest.approx(np.median(first_pair_by_hand(arm, 3)), rel=1e-5)


def test_the_judged_distances_are_means_over_pairs_at_the_two_ends(rows):
    for seed in SEEDS:
        curve = select(rows, "log_distance", seed)
        assert list(curve) == [0, 10, 20]
        for step, value in curve.items():
            pairs = [select(rows, f"jacobian-{layer}_log_rms", seed)[step] for layer in (1, 2)]
            assert value == pytest.approx(np.mean(pairs))
        assert select(rows, "log_distance_init", seed) == {20: curve[0]}
        assert select(rows, "log_distance_trained", seed) == {20: curve[20]}
        assert curve[0] != curve[20]


def test_the_scale_of_the_weights_is_nothing_to_a_net_with_batch_norm():
    lecun, he = (
        select(run(replace(small("batch-relu"), init=init), [3]), "log_distance_init", 3)[20]
        for init in ("lecun", "he")
    )
    assert lecun == pytest.approx(he, rel=1e-3)


@pytest.mark.parametrize("arm", ["none-linear", "batch-relu"])
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    together = run(small(arm), SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(small(arm), [seed])


def test_tuning_trains_alike_and_looks_at_no_jacobian(rows):
    slim = run(for_tuning(small("batch-relu")), SEEDS)
    assert set(slim) < set(rows)
    assert {row.name for row in slim} > {"validation_accuracy", "test_accuracy"}
    assert not any("jacobian" in row.name or "distance" in row.name for row in slim)


def test_every_arm_and_metric_that_the_claim_names_is_there(rows):
    (claim,) = [c for c in claims.load().claims if c.experiment == "layer_jacobians"]
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= {row.name for row in rows}


def test_the_arms_differ_in_normalizer_nonlinearity_and_weights():
    assert all(isinstance(arm, Tuned) and arm.like is None for arm in ARMS.values())
    free = {"norm": "none", "activation": "relu", "init": "lecun"}
    assert {replace(arm.spec, **free) for arm in ARMS.values()} == {ARMS["none-relu"].spec}


def test_the_keys_are_pinned():
    assert store.spec_key(replace(ARMS["batch-relu"].spec, rate=0.1)) == "99b8b6e25005"
    assert len(fields(LayerJacobians)) == 10


def test_a_diverged_run_is_as_far_from_an_isometry_as_can_be():
    spec = small("none-relu")
    rows = [
        Row(3, step, f"jacobian-{pair}_log_rms", math.nan if step else 0.5, "1")
        for step in (*spec.looks, spec.num_steps)
        for pair in pairs(spec)
    ]
    ends = {row.name: row.value for row in distances(spec, 3, rows)}
    assert ends["log_distance_init"] == 0.5
    assert ends["log_distance_trained"] == math.inf
