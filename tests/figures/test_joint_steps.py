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


def test_a_net_without_a_record_is_told_and_nothing_is_drawn():
    only = {"none": TABLES["none"]}
    (axes,) = joint_steps.ratio_along_training(only, {"c": "a curve"}).axes
    assert [text.get_text() for text in axes.texts] == [NOT_YET]
    assert len(axes.lines) == 2
    assert joint_steps.late(only, "c", 10) == NOT_YET
