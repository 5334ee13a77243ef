"""Real processes in a group, compared with one BN; and what would be seen if they did not talk."""

import os

import numpy as np
import pytest

from bnkit.experiments import synchronized
from bnkit.experiments.synchronized import (
    ARMS,
    DTYPES,
    Synchronized,
    drawn_batches,
    errors,
    run,
    share_of,
)
from bnkit.reproduce import compare
from bnkit.store import spec_key

SPEC = Synchronized(shares=(3, 1, 0), num_batches=2)
METRICS = ("output", "dx", "dgamma", "dbeta", "running_mean", "running_var")


@pytest.fixture(scope="module")
def rows():
    return run(SPEC, [0, 1])


def values(rows, name):
    return [row.value for row in rows if row.name == name]


def test_arms_are_pinned_and_divide_as_many_examples():
    assert {name: (spec.shares, spec_key(spec)) for name, spec in ARMS.items()} == {
        "even": ((4, 4), "efa5d840d95f"),
        "uneven": ((7, 1), "850d2734247b"),
        "empty": ((8, 0), "6f64c4803dd0"),
        "four": ((5, 3, 0, 1), "679db920f403"),
    }


def test_each_seed_has_every_row_once(rows):
    wanted = {f"{metric}_error@{bits}" for metric in METRICS for bits in DTYPES}
    wanted |= {"disagreement", "output_error_alone", "distinct_processes"}
    wanted |= {f"process_id_{rank}" for rank in range(3)}
    for seed in (0, 1):
        names = [row.name for row in rows if row.seed == seed]
        assert len(names) == len(wanted)
        assert set(names) == wanted


def test_together_the_processes_are_one_batch_norm(rows):
    for metric in METRICS:
        assert max(values(rows, f"{metric}_error@64")) < 1e-14
        assert 0 < max(values(rows, f"{metric}_error@32")) < 1e-6
    assert set(values(rows, "disagreement")) == {0.0}
    assert min(values(rows, "output_error_alone")) > 0.1


def test_the_processes_are_three_and_none_is_this_one(rows):
    assert values(rows, "distinct_processes") == [3.0, 3.0]
    ids = {value for rank in range(3) for value in values(rows, f"process_id_{rank}")}
    assert len(ids) == 3
    assert os.getpid() not in ids


def test_another_run_of_one_seed_alone_is_the_same_to_the_last_bit(rows):
    again = run(SPEC, [1])
    assert compare([row for row in rows if row.seed == 1], again, "equal") == []


def test_processes_that_say_nothing_to_each_other_would_be_noticed():
    # Here is no process group, so each share is normalized alone.
    shares = [slice(0, 3), slice(3, 4)]
    answers = [
        {bits: share_of(SPEC, 0, own, dtype) for bits, dtype in DTYPES.items()} for own in shares
    ]
    found = errors(SPEC, 0, answers)
    assert found["output_error@64"] == pytest.approx(found["output_error_alone"], rel=1e-12)
    assert min(found[f"{metric}_error@64"] for metric in METRICS if metric != "dbeta") > 1e-3
    assert found["disagreement"] > 1e-3


def test_what_is_drawn_is_exact_in_single_precision_and_differs_from_example_to_example():
    batches, gamma, beta = drawn_batches(SPEC, 0)
    assert batches.shape == (2, 2, 4, 4, 3, 3)
    for drawn in (batches, gamma, beta):
        np.testing.assert_array_equal(drawn, drawn.float().double())
    means = batches[:, 0].mean(dim=(2, 3, 4))
    assert (means.diff(dim=1) > 0.3).all()


def test_one_group_of_processes_serves_all_seeds():
    assert synchronized.STACK >= 10
