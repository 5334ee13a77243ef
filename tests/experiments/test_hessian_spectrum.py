"""The leading eigenvectors' share of the gradient, on small nets and against dense algebra."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnkit import claims, store
from bnkit.data import load
from bnkit.data.splits import SPLIT_SEED, stratified_subset
from bnkit.experiments import Tuned
from bnkit.experiments.hessian_spectrum import ARMS, BATCH, NONE, bulk_edge, run
from bnkit.models import StackedMLP

SHORT = {
    "data_set": "digits",
    "num_measured": 60,
    "widths": (6,),
    "activation": "tanh",
    "num_steps": 60,
    "num_looks": 3,
    "num_top": 3,
    "num_nodes": 8,
    "num_vectors": 2,
}
SUMMARY = {
    "top_gradient_share", "top_gradient_share_early", "top_gradient_share_late", "top_over_bulk",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    return run(replace(BATCH, **SHORT), [3, 0])


def curve(rows, name, seed):
    return {row.step: row.value for row in rows if (row.name, row.seed) == (name, seed)}


def test_every_judged_number_is_there_once_a_seed(rows):
    for seed in (3, 0):
        last = [row.name for row in rows if (row.seed, row.step) == (seed, 60)]
        assert len(last) == len(set(last))
        assert {"validation_accuracy", "test_accuracy"} | SUMMARY <= set(last)


def test_the_shares_are_geometric_means_over_their_windows(rows):
    shares = curve(rows, "hessian_gradient_share", 3)
    assert list(shares) == [0, 1, 8, 20, 40, 60]
    windows = {"": [0, 1, 8, 20, 40, 60], "_early": [0, 1], "_late": [40, 60]}
    for suffix, steps in windows.items():
        (found,) = curve(rows, f"top_gradient_share{suffix}", 3).values()
        assert found == pytest.approx(np.prod([shares[s] for s in steps]) ** (1 / len(steps)))


@pytest.mark.parametrize("spec", [NONE, BATCH])
def test_the_share_at_initialization_by_dense_algebra(spec):
    spec = replace(spec, **SHORT, accuracy=1e-9)
    data = load("digits")
    chosen = stratified_subset(data.train.y, 60, SPLIT_SEED)
    x, y = torch.tensor(data.train.flat[chosen]).double(), torch.tensor(data.train.y[chosen])
    model = StackedMLP((64, 6, 10), [0], norm=spec.norm, activation="tanh", init="he").double()
    named = dict(model.named_parameters())

    def loss(vector):
        parts = vector.split([p.numel() for p in named.values()])
        moved = {n: v.view_as(p) for (n, p), v in zip(named.items(), parts, strict=True)}
        return F.cross_entropy(torch.func.functional_call(model, moved, (x,))[0], y)

    point = torch.cat([p.detach().flatten() for p in named.values()])
    gradient = torch.autograd.functional.jacobian(loss, point)
    values, vectors = torch.linalg.eigh(torch.autograd.functional.hessian(loss, point))
    share = (vectors[:, -3:].T @ gradient).square().sum() / gradient.square().sum()
    found = run(spec, [0])
    assert curve(found, "hessian_gradient_share", 0)[0] == pytest.approx(float(share), rel=1e-3)
    assert curve(found, "hessian_1", 0)[0] == pytest.approx(float(values[-1]), rel=1e-4)


def test_the_largest_node_of_the_density_is_the_largest_eigenvalue(rows):
    top = curve(rows, "hessian_1", 0)
    for step in (0, 60):  # where both are looked at
        nodes = [r.value for r in rows if r[:2] == (0, step) and r.name.startswith("density_node")]
        assert len(nodes) == 16
        assert max(nodes) == pytest.approx(top[step], rel=0.05)


def test_the_edge_of_the_bulk_by_pencil():
    nodes, weights = np.array([-3.0, 0.1, 0.2, 9.0]), np.array([0.05, 0.5, 0.4, 0.05])
    assert bulk_edge(nodes, weights, share=0.9) == 0.2
    assert bulk_edge(nodes, weights, share=0.93) == 3.0
    assert bulk_edge(nodes, weights, share=0.97) == 9.0
    assert bulk_edge(np.array([np.nan, 1.0]), np.array([0.5, 0.5])) == np.inf


def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(rows):
    assert run(replace(BATCH, **SHORT), [0]) == [row for row in rows if row.seed == 0]


def test_every_arm_and_metric_that_a_claim_names_is_there():
    (claim,) = (c for c in claims.load().claims if c.experiment == "hessian_spectrum")
    assert claim.id == "J11"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= SUMMARY


def test_the_arms_differ_in_nothing_but_the_normalizer_and_the_rate():
    specs = [arm.spec if isinstance(arm, Tuned) else arm for arm in ARMS.values()]
    assert {replace(spec, norm="none", rate=0.1) for spec in specs} == {NONE}


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert (store.spec_key(NONE), store.spec_key(BATCH)) == ("f24dca2c6d01", "9b9b3659fcd3")
