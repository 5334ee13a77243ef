"""What is handed to the figure of BN over plain, look by look."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bnkit.figures import joint_steps
from bnkit.figures.findings import NOT_YET


def rows(curves):
    """A list of {step: value} a seed, of the curve "c"."""
    found = [
        (seed, step, "c", value, "1")
        for seed, curve in enumerate(curves)
        for step, value in curve.items()
    ]
    return pd.DataFrame(found, columns=["seed", "step", "name", "value", "unit"])


# BN over plain is 1/4 and 1 at step 0, 2 and 2 at step 10; signs do not matter
TABLES = {
    "batch": rows([{0: -1.0, 10: 4.0}, {0: 3.0, 10: 8.0}]),
    "none": rows([{0: 4.0, 10: 2.0}, {0: 3.0, 10: -4.0}]),
}


def test_seeds_are_paired_and_signs_dropped():
    ratio = np.exp(joint_steps.log_ratio(TABLES, "c"))
    np.testing.assert_allclose(ratio, [[0.25, 1.0], [2.0, 2.0]])


def test_the_line_is_the_geometric_mean_and_the_band_its_interval():
    (axes,) = joint_steps.ratio_along_training(TABLES, {"c": "a curve"}).axes
    one, half, line = axes.lines
    assert (one.get_ydata()[0], half.get_ydata()[0]) == (1.0, 0.5)
    np.testing.assert_allclose(line.get_xydata(), [[0, 0.5], [10, 2.0]])
    # two logs, ln 1/4 and 0: their mean is off by t at one degree of freedom times ln 4 / 2
    wide = 0.5 * np.exp(stats.t.ppf(0.975, 1) * np.log(4.0) / 2)
    (band,) = axes.collections
    assert band.get_paths()[0].get_extents().y1 == pytest.approx(wide)
    assert (axes.get_title(), axes.get_yscale()) == ("a curve", "log")


def test_late_looks_are_reduced_to_a_median_of_each_net_before_they_are_compared():
    tables = {
        "batch": rows([{0: 9.0, 10: 1.0, 20: -4.0, 30: 5.0}] * 2),
        "none": rows([{0: 1.0, 10: 2.0, 20: 2.0, 30: 8.0}] * 2),
    }
    assert joint_steps.late(tables, "c", 10) == "2.00 [2.00, 2.00]"  # 4 over 2
    assert joint_steps.late(tables, "c", 30) == "0.62 [0.62, 0.62]"


# ------------------------------------------------------------------ over whole runs


def whole_runs(*, tables=("batch", "none", "batch-deep", "none-deep")):
    # by seed BN over plain is 1/2 and 1/2, in the deeper nets 2 and 2, and there in other order
    values = {"batch": [1, 2], "none": [2, 4], "batch-deep": [6, 4], "none-deep": [3, 2]}
    return {arm: rows([{9: value} for value in values[arm]]) for arm in tables}


def test_depths_are_compared_seed_by_seed():
    shallow, deep, growth = joint_steps.by_depth(whole_runs(), {"c": "share"}, "-deep")["share"]
    assert [ratio.effect for ratio in (shallow, deep, growth)] == pytest.approx([0.5, 2, 4])
    assert (growth.low, growth.high) == pytest.approx((4, 4))  # every seed agrees
    assert str(shallow) == "0.50 [0.50, 0.50]"
    assert joint_steps.by_depth(whole_runs(tables=("batch", "none")), {"c": "c"}, "-deep") == {}


def test_an_advantage_grows_or_shrinks_only_where_the_whole_interval_says_so():
    thirds = [(0.5, 0.4, 0.9), (0.5, 0.4, 1.1), (2.0, 0.9, 3.0), (2.0, 1.1, 3.0), (3.0, 2.0, 4.0)]
    unused = joint_steps.Ratio(1.0, 1.0, 1.0)
    ratios = {str(t): [unused, unused, joint_steps.Ratio(*t)] for t in thirds}
    assert joint_steps.growth(ratios) == (1, 2)


def test_shares_of_the_remainder_are_compared_by_the_median_look_of_each_seed():
    def both(cross, missed):
        named = zip(("s_cross_share", "s_remainder"), (cross, missed), strict=True)
        return pd.concat([rows([curve] * 2).assign(name=name) for name, curve in named])

    tables = {
        "batch": both({0: 1.0, 1: -2.0, 2: 9.0}, {0: 10.0, 1: 10.0, 2: 10.0}),  # 0.1, 0.2, 0.9
        "none": both({0: 2.0, 1: 8.0, 2: 9.0}, {0: 5.0, 1: 40.0, 2: 10.0}),  # 0.4, 0.2, 0.9
    }
    assert joint_steps.share_between(tables, "s").effect == pytest.approx(0.5)
    assert joint_steps.share_between({"none": tables["none"]}, "s") is None


@pytest.mark.parametrize(
    ("between", "says"),
    [
        (joint_steps.Ratio(0.7, 0.6, 0.9), "more than"),
        (joint_steps.Ratio(1.4, 1.1, 1.9), "less than"),
        (joint_steps.Ratio(0.9, 0.7, 1.1), "neither surely more nor surely less than"),
        (None, NOT_YET),
    ],
)
def test_what_bn_lowers_more_is_told_by_the_whole_interval(between, says):
    assert joint_steps.more_or_less(between) == says


def test_a_net_without_a_record_is_told_and_nothing_is_drawn():
    only = {"none": TABLES["none"]}
    (axes,) = joint_steps.ratio_along_training(only, {"c": "a curve"}).axes
    assert [text.get_text() for text in axes.texts] == [NOT_YET]
    assert len(axes.lines) == 2
    assert joint_steps.late(only, "c", 10) == NOT_YET
