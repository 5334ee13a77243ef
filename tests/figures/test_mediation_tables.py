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
RATES = {"none": 1.0, "none-sam-1": 0.3, "none-sam-2": 0.1, "batch-head-4": 0.03}
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
    found = mediation_tables.achieved(RUNS, KINDS, metrics, RATES)
    assert found.index.tolist() == ["SAM 0.1", "SAM 0.2", "head 4"]  # 0.4 was not run
    assert found["aim"].tolist() == ["β ↓", "β ↓", "β ↑"]
    assert found["rate"].tolist() == [0.3, 0.1, 0.03]
    assert found["missed"].tolist() == [0, 1, 0]
    assert found["β"].tolist() == [pytest.approx(0.75), np.inf, pytest.approx(2.0)]
    assert found["steps"].tolist() == pytest.approx([3.0, (1001 / 400 + 3) / 2, 2.75])


def test_one_seed_that_is_far_off_does_not_move_a_dose():
    far = {
        "none": runs([1.0] * 3, [100.0] * 3, seeds=range(3), missed=(0, 0, 0)),
        "none-sam-1": runs([1.0] * 3, [100.0, 200.0, 9000.0], seeds=range(3), missed=(0, 0, 0)),
    }
    found = mediation_tables.achieved(far, KINDS, {"steps_to_target": "steps"}, RATES)
    assert found["steps"].tolist() == [2.0]


def test_without_records_no_dose_is_listed():
    found = mediation_tables.achieved({}, KINDS, {"effective_smoothness": "β"}, {})
    assert found.empty
    assert found.columns.tolist() == ["aim", "rate", "β", "missed"]


def test_arms_with_an_infinite_value_are_named():
    assert mediation_tables.infinite(RUNS, "effective_smoothness") == {"none-sam-2"}
    assert mediation_tables.infinite(RUNS, "steps_to_target") == set()


def test_an_arm_has_its_medians_with_few_digits():
    metrics = {"steps_to_target": "steps", "effective_smoothness": "β"}
    labels = {"none-sam-2": "SAM 0.2", "none": "without BN", "batch": "not run"}
    some = {"none": runs([13.18, 13.2], [138.6, 138.6])}
    some["none-sam-2"] = runs([5.248, 5.25], [1001.0, 600.0], missed=(1, 0))
    found = mediation_tables.every_arm(some, labels, metrics, RATES)
    assert found.loc["SAM 0.2"].tolist() == ["0.1", "800", "5.2", "1"]
    assert found.loc["without BN"].tolist() == ["1", "139", "13", "0"]
    assert len(found) == 2
    assert mediation_tables.every_arm({}, labels, metrics, RATES).index.tolist() == [NOT_YET]


def verdict(what, numbers, missed=(), word="supported"):
    effect, low, high = numbers
    arms = tuple(zip(("over", "under"), missed, strict=True)) if missed else ()
    return SimpleNamespace(
        verdict=word, effect=effect, low=low, high=high, n=10, what=what, not_reached=arms
    )


class TestJudged:
    def one(self, found):
        return mediation_tables.judged({"a": found}, {"a": "it holds"}).loc["it holds"]

    def test_a_ratio_of_no_dose_over_a_dose_is_turned_over(self):
        for what in ("β: none against none-smoothed", "β: none@0.1 against none-sam-0.2@0.1"):
            assert self.one(verdict(what, (2.0, 1.25, 4.0)))["ratio"] == "0.50 [0.25, 0.80]"

    def test_other_ratios_stay_as_they_are(self):
        for what in ("β: batch against none", "β: none-sam-0.2@0.1 against none@0.1"):
            assert self.one(verdict(what, (2.0, 1.0, np.inf)))["ratio"] == "2.00 [1.00, ∞]"
        assert (
            self.one(verdict("β: none against none-x", (2.0, 0.0, 4.0)))["ratio"]
            == "0.50 [0.25, ∞]"
        )

    def test_runs_that_did_not_arrive_are_counted(self):
        steps = "steps: batch-skip-3 against batch"
        assert self.one(verdict(steps, (2.0, 1.0, 3.0), (4, 0)))["missed"] == "4 of 10"
        assert self.one(verdict(steps, (2.0, 1.0, 3.0), (4, 1)))["missed"] == "4 and 1 of 10"
        assert self.one(verdict(steps, (2.0, 1.0, 3.0), (0, 0)))["missed"] == "0 of 10"

    def test_where_no_run_arrived_the_ratio_is_a_bound(self):
        found = self.one(verdict("steps: batch-a against batch", (3.707, 3.4, 3.72), (10, 0)))
        assert found.tolist() == ["≥ 3.71", "10 of 10", "supported"]

    def test_a_table_without_steps_has_no_column_of_misses(self):
        assert self.one(verdict("β: batch against none", (2.0, 1.0, 3.0))).index.tolist() == [
            "ratio",
            "verdict",
        ]

    def test_what_was_not_judged_says_so(self):
        assert self.one(None).tolist() == [NOT_YET, "untested"]


def test_common_slopes_are_those_in_every_interval():
    wide, narrow = (
        SimpleNamespace(
            mediator_on_outcome=SimpleNamespace(
                lower=lambda _, end=low: end, upper=lambda _, end=high: end
            )
        )
        for low, high in ((-2.0, 1.0), (0.5, 3.0))
    )
    assert mediation_tables.common_slopes({"a": wide, "b": narrow}) == (0.5, 1.0)


def test_shares_are_written_as_factors_and_a_share():
    found = mediation_tables.shares({"β": CHAIN}).loc["β"]
    assert found.tolist() == [
        "2.00 [2.00, 2.00]",
        "−1.00 [−1.00, −1.00]",
        "0.50 [0.50, 0.50]",
        "1.00 [1.00, 1.00]",
    ]
    assert mediation_tables.share({"β": CHAIN}, "β") == "1.00 [1.00, 1.00]"
    assert mediation_tables.share({}, "β") == NOT_YET
    assert mediation_tables.shares({}).index.tolist() == [NOT_YET]
