"""Sharpness of the direction under weight decay: the invariance, the windows, the rows."""

from dataclasses import replace

import numpy as np
import pytest

from bnkit import claims, store
from bnkit.experiments.sharpness_reduction import ARMS, BATCH, _summary, run
from bnkit.rows import Row

SHORT = {"data_set": "digits", "widths": (8, 8), "num_steps": 40, "num_looks": 8, "num_windows": 2}
SUMMARY = {
    "plateau", "scale_free_sharpness_plateau", "scale_free_sharpness_end",
    "test_accuracy_plateau", "test_accuracy_end", "share_of_falls",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    return run(replace(BATCH, **SHORT), [3, 0])


def test_every_judged_number_is_there_once_a_seed(rows):
    for seed in (3, 0):
        last = [row.name for row in rows if (row.seed, row.step) == (seed, 40)]
        assert len(last) == len(set(last))
        assert set(last) >= SUMMARY


def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(rows):
    assert run(replace(BATCH, **SHORT), [0]) == [row for row in rows if row.seed == 0]


def test_the_loss_and_the_scale_free_sharpness_ignore_the_scale_of_the_trained_weights():
    # A step with decay λ is w -> (1 - ηλ) w - ηg: here hardly more than a new scale.
    spec = replace(BATCH, **{**SHORT, "num_steps": 1, "num_looks": 1}, rate=1e-6)
    shrunk, free = (
        {row.name: row.value for row in run(replace(spec, weight_decay=decay), [0]) if row.step}
        for decay in (4e5, 0.0)  # the step multiplies w by 0.6
    )
    assert shrunk["hessian_scale_free"] == pytest.approx(free["hessian_scale_free"], rel=0.02)
    assert shrunk["hessian_1"] == pytest.approx(free["hessian_1"] / 0.6**2, rel=0.02)
    assert shrunk["loss"] == pytest.approx(free["loss"], rel=1e-2)


def curves(losses, sharpness, accuracy):
    names = {"loss": losses, "hessian_scale_free": sharpness, "test_accuracy": accuracy}
    return [
        Row(7, 10 * i, name, value, "1")
        for name, values in names.items()
        for i, value in enumerate(values)
    ]


def test_plateau_and_windows_by_pencil():
    # The least loss is 1: the plateau begins at 1.25, the third look. Of the five looks from there
    # the first window has three, the second two: 8, 2, 4 -> 4 and 1, 4 -> 2.
    rows = curves(
        [3.0, 2.0, 1.25, 1.4, 1.1, 1.0, 1.2],
        [9.0, 9.0, 8.0, 2.0, 4.0, 1.0, 4.0],
        [0.1, 0.2, 0.5, 0.6, 0.7, 0.8, 1.0],
    )
    spec = replace(BATCH, num_windows=2, num_steps=60)
    found = {row.name: row.value for row in _summary(spec, 7, rows)}
    assert found == pytest.approx(
        {
            "plateau": 20.0, "scale_free_sharpness_plateau": 4.0, "scale_free_sharpness_end": 2.0,
            "test_accuracy_plateau": 0.6, "test_accuracy_end": 0.9, "share_of_falls": 1.0,
        }
    )  # fmt: skip


def test_falls_are_counted_from_window_to_window():
    rows = curves([1.0] * 5, [5.0, 3.0, 4.0, 2.0, 1.0], [0.5] * 5)
    spec = replace(BATCH, num_windows=5, num_steps=40)
    assert {r.name: r.value for r in _summary(spec, 7, rows)}["share_of_falls"] == 0.75


def test_a_run_that_diverges_ends_infinitely_sharp():
    rows = curves([2.0, 1.0, np.nan], [5.0, 3.0, np.nan], [0.5, 0.6, 0.1])
    found = {
        r.name: r.value for r in _summary(replace(BATCH, num_windows=2, num_steps=20), 7, rows)
    }
    assert found["plateau"] == 10.0
    assert found["scale_free_sharpness_end"] == np.inf
    assert found["test_accuracy_end"] == 0.1


def test_every_arm_and_metric_that_a_claim_names_is_there():
    (claim,) = (c for c in claims.load().claims if c.experiment == "sharpness_reduction")
    assert claim.id == "J15"
    for rule in claim.rules.values():
        assert {operand.arm for operand in rule.operands} <= set(ARMS)
        assert {operand.metric for operand in rule.operands} <= SUMMARY


def test_the_arms_differ_in_nothing_but_the_decay():
    assert {replace(spec, weight_decay=0.003) for spec in ARMS.values()} == {BATCH}


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert [store.spec_key(spec) for spec in ARMS.values()] == [
        "fb8da7b46880",
        "3c614bf73c75",
        "aab98bd534c4",
    ]
