import re

import pytest

from bnkit.judging import KINDS, AllOf, Ratio, as_table, parse_rule, rule_sha256

ONE_OF_EACH = [
    {"kind": "ratio", "metric": "steps", "arm": "batch", "against": "none", "below": 0.5},
    {"kind": "difference", "metric": "accuracy", "arm": "batch", "above": 0.8, "by": "rank"},
    {"kind": "equivalence", "metric": "growth", "arm": "a", "reference": 1.5, "factor": 1.05},
    {"kind": "non_inferior", "metric": "accuracy", "arm": "a", "against": "b", "delta": 0.005},
    {"kind": "slope", "metric": "variance", "arm": "a", "at": [1, 2, 4], "within": [-1.1, -0.9]},
    {"kind": "interaction", "metric": "accuracy", "arms": ["a", "b", "c", "d"], "above": 0},
    {"kind": "identity", "metric": "error", "arm": "a", "tolerance": 1e-10},
    {"kind": "bound", "metric": "held", "arm": "a", "of": "trials", "above": 0.999},
    {
        "kind": "partial_correlation",
        "metric": "loss",
        "against_metric": "shift",
        "control": ["rate"],
        "arms": ["a{1,2,3}"],
        "within": [-0.2, 0.2],
    },
    {
        "kind": "all_of",
        "parts": [{"kind": "identity", "metric": "error", "arm": "a", "tolerance": 0}],
        "given": [{"kind": "bound", "metric": "drift", "arm": "a", "above": 1}],
    },
]


def kind_of(table):
    return table["kind"]


def test_the_examples_cover_every_kind():
    assert {table["kind"] for table in ONE_OF_EACH} == set(KINDS)


@pytest.mark.parametrize("table", ONE_OF_EACH, ids=kind_of)
def test_a_rule_survives_being_written_down_and_read_again(table):
    rule = parse_rule(table)
    assert parse_rule(as_table(rule)) == rule


@pytest.mark.parametrize("table", ONE_OF_EACH, ids=kind_of)
def test_the_hash_is_blind_to_order_and_to_whole_numbers_but_not_to_values(table):
    turned = dict(reversed(table.items()))
    as_floats = {k: float(v) if isinstance(v, int) else v for k, v in turned.items()}
    assert rule_sha256(parse_rule(as_floats)) == rule_sha256(parse_rule(table))
    renamed = {**table, "arm": "other"} if "arm" in table else {**table, "given": []}
    if table["kind"] in ("interaction", "partial_correlation"):
        renamed = {**table, "arms": ["b", "a", "c", "d"]}
    assert rule_sha256(parse_rule(renamed)) != rule_sha256(parse_rule(table))


def test_the_hash_of_a_known_rule_is_pinned():
    # Records keep these hashes: a change here makes every one of them look outdated.
    rule = Ratio(metric="steps", arm="batch", against="none", below=0.5)
    assert rule_sha256(rule) == PINNED


# sha256 of {"against":"none","arm":"batch","below":0.5,"by":"t","kind":"ratio","metric":"steps"}
PINNED = "a79309615faba5c990e667e458e2ceb4c3204605c6d89068abf66421e9732081"


def test_a_rule_names_the_numbers_that_it_needs():
    slope = {"kind": "slope", "metric": "rank", "arm": "batch", "at": [16, 0.5], "above": 0.4}
    between = {**ONE_OF_EACH[0], "against_metric": "other"}
    rule = parse_rule({"kind": "all_of", "parts": [slope, between], "given": [slope]})
    assert rule.operands == (
        ("batch", "rank@16"),
        ("batch", "rank@0.5"),
        ("batch", "steps"),
        ("none", "other"),
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "guess"}, "'guess' is not one of ratio"),
        ({}, "None is not one of ratio"),
        (["ratio"], "is not one of ratio"),
        ({**ONE_OF_EACH[0], "than": 3}, "no field 'than'; it has metric"),
        ({"kind": "identity", "metric": "error", "arm": "a"}, "'tolerance'"),
        ({**ONE_OF_EACH[0], "above": 2.0}, "exactly one of above, below, within"),
        ({"kind": "ratio", "metric": "s", "arm": "a"}, "exactly one of above, below, within"),
        ({**ONE_OF_EACH[0], "below": -1}, "positive number, got -1"),
        ({**ONE_OF_EACH[0], "below": "half"}, "below = 'half' is not a number"),
        ({**ONE_OF_EACH[0], "below": True}, "below = True is not a number"),
        ({**ONE_OF_EACH[0], "below": float("nan")}, "not a finite number"),
        ({**ONE_OF_EACH[0], "arm": ""}, "arm = '' is not a name"),
        ({**ONE_OF_EACH[0], "by": "eye"}, "by = 'eye' is not one of t, rank, bootstrap"),
        ({**ONE_OF_EACH[0], "refuted_at": 0.4}, "refuted_at = 0.4 must not lie below"),
        ({**ONE_OF_EACH[1], "refuted_at": 0.9}, "refuted_at = 0.9 must not lie above"),
        ({**ONE_OF_EACH[1], "against_metric": "x"}, "needs against"),
        ({**ONE_OF_EACH[2], "against": "b"}, "exactly one of against, reference"),
        ({**ONE_OF_EACH[2], "delta": 0.1}, "exactly one of delta, factor"),
        ({**ONE_OF_EACH[2], "factor": 0.9}, "larger than 1, got 0.9"),
        ({**ONE_OF_EACH[2], "reference": -1}, "positive reference, got -1"),
        ({**ONE_OF_EACH[3], "delta": 0}, "positive margin, got 0"),
        ({**ONE_OF_EACH[4], "at": [2, 2]}, "needs 2 levels"),
        ({**ONE_OF_EACH[4], "at": [0, 2]}, "positive on logs"),
        ({**ONE_OF_EACH[4], "at": 3}, "at = 3 is not an array"),
        ({**ONE_OF_EACH[4], "within": [2, 1]}, "needs low < high"),
        ({**ONE_OF_EACH[5], "arms": ["a", "b"]}, "is not an array of 4 values"),
        ({**ONE_OF_EACH[6], "tolerance": -1}, "not negative, got -1"),
        ({**ONE_OF_EACH[7], "above": 1.5}, "between 0 and 1, got 1.5"),
        ({"kind": "all_of", "parts": []}, "at least 1 part"),
        ({"kind": "all_of", "parts": 3}, "parts = 3 is not an array of rules"),
        ({"kind": "all_of", "parts": [{"kind": "guess"}]}, "'guess' is not one of"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_in_one_line(table, message):
    expected = re.escape(message)
    with pytest.raises(ValueError, match=expected) as error:
        parse_rule(table)
    assert "\n" not in str(error.value)


def test_an_all_of_keeps_its_parts_in_order():
    rule = parse_rule({"kind": "all_of", "parts": ONE_OF_EACH[:3]})
    assert isinstance(rule, AllOf)
    assert [part.kind for part in rule.parts] == ["ratio", "difference", "equivalence"]
