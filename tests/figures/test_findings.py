"""What was found is told in words: with its interval, and as missing where it is."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up import table

from bnkit.figures import findings

NAN = float("nan")


def verdict(effect=0.5, low=0.25, high=0.75, word="undecided", **more):
    return SimpleNamespace(
        effect=effect,
        low=low,
        high=high,
        verdict=word,
        unit="ratio",
        **{"p": 0.1, "parts": (), **more},
    )


def test_a_verdict_is_told_with_its_interval_and_a_missing_one_as_not_yet_measured():
    assert findings.found(verdict()) == "ratio 0.5 [0.25, 0.75], undecided"
    assert findings.found(verdict(p=None, word="supported")) == "ratio 0.5, supported"
    assert findings.found(None) == "not yet measured"


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0.25, 0.75, "smaller with BN"),
        (1.25, 1.5, "larger with BN"),
        (0.9, 1.1, "not distinguishable from that without BN"),
        (0.5, 1.0, "not distinguishable from that without BN"),  # 1 itself is not excluded
    ],
)
def test_a_side_is_told_only_where_the_whole_interval_lies_there(low, high, told):
    assert findings.side(verdict(low=low, high=high)) == told


def test_there_are_as_many_parts_before_the_record_as_after_it():
    claim = SimpleNamespace(rule=SimpleNamespace(parts=("one", "two")))
    assert findings.parts(SimpleNamespace(claim=claim, verdict=None)) == [None, None]
    two = (verdict(0.5), verdict(0.6))
    judged = SimpleNamespace(claim=claim, verdict=verdict(parts=two))
    assert findings.parts(judged) == list(two)


def test_rules_are_the_parts_by_name_and_the_controls_without_the_id():
    claim = SimpleNamespace(id="F2", rule=SimpleNamespace(parts=("one", "two")))
    judged = {"F2.deep": verdict(0.7)}
    entry = SimpleNamespace(claim=claim, verdict=None, controls=judged)
    assert findings.rules(entry, ("a", "b")) == {"a": None, "b": None, "deep": verdict(0.7)}
    whole = SimpleNamespace(claim=claim, verdict=verdict(0.6), controls={})
    assert findings.rules(whole) == {"F2": verdict(0.6)}


def test_a_statement_stands_beside_what_was_found_of_it():
    rules = {"a": verdict(word="refuted"), "b": None}
    found = findings.judged(rules, {"a": "one", "b": "two", "c": "three"})
    assert found.index.tolist() == ["one", "two", "three"]
    assert found.loc["one"].tolist() == ["ratio 0.5 [0.25, 0.75]", "refuted"]
    assert found.loc["two"].tolist() == found.loc["three"].tolist()
    assert found.loc["two"].tolist() == [findings.NOT_YET, "untested"]


def test_an_estimate_has_no_unit_no_word_and_no_interval_where_nothing_was_sampled():
    assert findings.estimate(verdict()) == "0.5 [0.25, 0.75]"
    assert findings.estimate(verdict(3.0, p=None)) == "3"
    assert findings.estimate(None) == findings.NOT_YET


def test_medians_are_of_the_last_step_and_over_seeds():
    curves = [[(10, 1.0), (20, 3.0)], [(20, 5.0)], [(20, 4.0), (10, 9.0)]]
    found = findings.medians(
        {"batch": table(curves, "error")}, {"error": "the error"}, ["batch", "none"]
    )
    assert found.at["the error", "batch"] == "4"
    assert found.at["the error", "none"] == "not yet measured"
    last = findings.last({"batch": table(curves, "error")}, "error")
    assert last["batch"].tolist() == [3.0, 5.0, 4.0]


def test_a_statistic_over_looks_takes_all_seeds_and_leaves_nan_out():
    tables = {"none": table([[(0, 1.0), (1, NAN)], [(0, 4.0), (1, -8.0)]], "c")}
    assert findings.over_looks(tables, "c", "none", np.mean) == "−1"
    assert findings.over_looks(tables, "c", "batch", np.mean) == "not yet measured"


def test_the_overview_has_medians_and_counts_misses():
    steps = {"none": [400.0, 200.0], "none-sam": [1001.0, 600.0]}
    missed = {"none": [0.0, 0.0], "none-sam": [1.0, 0.0]}
    runs = {
        arm: pd.DataFrame({"steps": steps[arm], "missed": missed[arm]}, index=[3, 5])
        for arm in steps
    }
    columns = {"steps": "steps to target", "missed": "missed"}
    found = findings.overview(runs, ["none", "absent", "none-sam"], columns, ["missed"])
    assert found.to_dict("index") == {
        "none": {"steps to target": "300", "missed": "0"},
        "none-sam": {"steps to target": "800.5", "missed": "1"},
    }
    assert findings.overview({}, ["none"], columns).index.tolist() == [findings.NOT_YET]
