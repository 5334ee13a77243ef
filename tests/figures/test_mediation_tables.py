"""The tables say what each dose did, and nothing of a dose that was not run."""

from types import SimpleNamespace

import numpy as np
import pytest
from made_up import CHAIN, runs

from bnkit.figures import mediation_tables
from bnkit.figures.findings import NOT_YET

RUNS = {
    "none": runs([20.0, 10.0], [400.0, 200.0]),
    "batch": runs([30.0, 40.0], [100.0, 200.0]),
    "none-sam-1": runs([10.0, 10.0], [800.0, 800.0]),
    "none-sam-2": runs([5.0, np.inf], [1001.0, 600.0], missed=(1, 0)),
    "batch-head-4": runs([60.0, 80.0], [300.0, 500.0]),
}
KINDS = {
    "sam": {
        "none-sam-1": SimpleNamespace(dose=0.1, init="glorot"),
        "none-sam-2": SimpleNamespace(dose=0.2, init="glorot"),
        "none-sam-4": SimpleNamespace(dose=0.4, init="glorot"),
    },
    "head": {"batch-head-4": SimpleNamespace(dose=4.0, init="glorot")},
}


def test_a_dose_has_the_median_of_the_ratios_to_its_own_net_and_seed():
    metrics = {"effective_smoothness": "β", "steps_to_target": "steps"}
    found = mediation_tables.achieved(RUNS, KINDS, metrics)
    assert found.index.tolist() == ["SAM 0.1", "SAM 0.2", "scaled head 4"]  # 0.4 was not run
    assert found["meant to"].tolist() == ["smooth", "smooth", "roughen"]
    assert found["β"].tolist() == [pytest.approx(0.75), np.inf, pytest.approx(2.0)]
    assert found["steps"].tolist() == pytest.approx([3.0, (1001 / 400 + 3) / 2, 2.75])


def test_one_seed_that_is_far_off_does_not_move_a_dose():
    far = {
        "none": runs([1.0] * 3, [100.0] * 3, seeds=range(3), missed=(0, 0, 0)),
        "none-sam-1": runs([1.0] * 3, [100.0, 200.0, 9000.0], seeds=range(3), missed=(0, 0, 0)),
    }
    found = mediation_tables.achieved(far, KINDS, {"steps_to_target": "steps"})
    assert found["steps"].tolist() == [2.0]


def test_without_records_no_dose_is_listed():
    found = mediation_tables.achieved({}, KINDS, {"effective_smoothness": "β"})
    assert found.empty
    assert found.columns.tolist() == ["meant to", "β"]


def test_arms_with_an_infinite_value_are_named():
    assert mediation_tables.infinite(RUNS, "effective_smoothness") == {"none-sam-2"}
    assert mediation_tables.infinite(RUNS, "steps_to_target") == set()


def test_shares_are_written_as_factors_and_a_share():
    found = mediation_tables.shares({"β": CHAIN}).loc["β"]
    assert found.tolist() == ["2 [2, 2]", "−1 [−1, −1]", "0.5 [0.5, 0.5]", "1 [1, 1]"]
    assert mediation_tables.share({"β": CHAIN}, "β") == "1 [1, 1]"
    assert mediation_tables.share({}, "β") == NOT_YET
    assert mediation_tables.shares({}).index.tolist() == [NOT_YET]
