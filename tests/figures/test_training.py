"""What is handed to matplotlib: every seed, the median over seeds, and nothing made up."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bnkit.figures import training
from bnkit.figures.style import COLORS, INK, LABELS
from bnkit.rows import Row

STEPS = (0, 100, 200)
# One list a seed: the median over the three seeds is 0.2, 0.5, 0.7.
PLAIN = ([0.1, 0.5, 0.9], [0.2, 0.6, 0.7], [0.3, 0.1, 0.6])
BATCH = ([0.1, 0.8, 0.95], [0.2, 0.9, 0.97])


def table(curves, name="test_accuracy", unit="fraction"):
    rows = [
        Row(seed, step, name, value, unit)
        for seed, curve in enumerate(curves)
        for step, value in zip(STEPS, curve, strict=True)
    ]
    return pd.DataFrame(rows, columns=Row._fields)


TABLES = {"none": table(PLAIN), "batch": table(BATCH)}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def lines(axes, color):
    return [line for line in axes.lines if line.get_color() == color]


def test_curves_have_a_row_a_step_and_a_column_a_seed():
    mixed = pd.concat([table(PLAIN), table(BATCH, "loss")])
    found = training.curves(mixed, "test_accuracy")
    assert list(found.index) == list(STEPS)
    assert list(found.columns) == [0, 1, 2]
    np.testing.assert_array_equal(found.to_numpy(), np.transpose(PLAIN))


def test_a_metric_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ValueError, match=r"no metric 'loss'; there are \['test_accuracy'\]"):
        training.curves(TABLES["none"], "loss")


def test_accuracy_shows_every_seed_and_the_median():
    (axes,) = training.accuracy(TABLES).axes
    *seeds, median = lines(axes, COLORS["none"])
    for line, curve in zip(seeds, PLAIN, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.transpose([STEPS, curve]))
    np.testing.assert_array_equal(median.get_ydata(), [0.2, 0.5, 0.7])
    assert median.get_linewidth() > seeds[0].get_linewidth()


def test_the_legend_says_how_many_seeds_and_the_axes_what_they_are():
    (axes,) = training.accuracy(TABLES, floor=0.5).axes
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == [f"{LABELS['none']} (3 seeds)", f"{LABELS['batch']} (2 seeds)"]
    assert axes.get_ylim() == (0.5, 1.0)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("optimizer steps", "test accuracy")


def test_one_seed_is_not_called_several():
    (axes,) = training.accuracy({"none": table(PLAIN[:1])}).axes
    assert axes.get_legend().get_texts()[0].get_text() == LABELS["none"]


def test_by_rate_has_a_panel_a_rate_with_the_band_of_all_seeds():
    figure = training.by_rate({0.1: TABLES, 0.5: {"none": TABLES["none"]}})
    first, second = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["rate 0.1", "rate 0.5"]
    assert len(first.lines) == 2
    assert len(second.lines) == 1
    (median,) = lines(second, COLORS["none"])
    # step 0 has no place on a logarithmic axis
    np.testing.assert_array_equal(median.get_xydata(), [[100, 0.5], [200, 0.7]])
    corners = second.collections[0].get_paths()[0].vertices
    assert {(x, y) for x, y in corners.tolist()} == {(100, 0.1), (100, 0.6), (200, 0.6), (200, 0.9)}


def test_by_rate_keeps_a_curve_that_begins_later():
    late = TABLES["none"][TABLES["none"]["step"] > 0]
    (axes,) = training.by_rate({0.1: {"none": late}}).axes
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [100, 200])


@pytest.fixture
def spreads():
    """Two seeds; the p-th percentile at quantile q is p + q / 100, and 1 more for seed 1."""
    parts = []
    for percentile in (15, 50, 85):
        for quantile in (10, 50, 90):
            level = percentile + quantile / 100
            name = f"p{percentile}_q{quantile}"
            parts.append(table([[level] * 3, [level + 1] * 3], name, "1"))
        unit = [[percentile * 2.0] * 3, [percentile * 3.0] * 3]
        parts.append(table(unit, f"unit0_p{percentile}", "1"))
    return pd.concat(parts)


def test_percentiles_show_the_middle_unit_its_band_and_one_unit(spreads):
    figure = training.percentiles({"none": spreads, "batch": spreads})
    assert [axes.get_title() for axes in figure.axes] == [LABELS["none"], LABELS["batch"]]
    axes = figure.axes[0]
    middles = [line.get_ydata()[0] for line in lines(axes, COLORS["none"])]
    assert middles == pytest.approx([16.0, 51.0, 86.0])  # p + 0.5, and the mean over two seeds
    dotted = [line.get_ydata()[0] for line in lines(axes, INK)]
    assert dotted == [30.0, 100.0, 170.0]  # of the first seed alone
    for band, percentile in zip(axes.collections, (15, 50, 85), strict=True):
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.min() == pytest.approx(percentile + 0.6)
        assert heights.max() == pytest.approx(percentile + 1.4)
    assert [text.get_text() for text in axes.texts] == ["15 %", "50 %", "85 %"]


def test_drift_has_a_panel_for_each_unit_of_measure():
    both = pd.concat([table(PLAIN, "drift_raw", "1"), table(BATCH, "drift_scaled", "1")])
    raw, scaled = training.drift({"batch": both}).axes
    assert (raw.get_title(), scaled.get_title()) == ("raw", "in units of its own spread")
    assert (raw.get_yscale(), scaled.get_yscale()) == ("log", "log")
    np.testing.assert_array_equal(raw.lines[-1].get_ydata(), [0.2, 0.5, 0.7])
    assert len(scaled.lines) == 3  # two seeds and their median


def test_steps_to_a_target_are_the_first_and_infinite_if_never():
    found = training.steps_to(TABLES["none"], 0.6)
    assert found.tolist() == [200.0, 100.0, 200.0]
    assert training.steps_to(TABLES["none"], 0.65).tolist() == [200.0, 200.0, np.inf]
    assert training.steps_to(TABLES["none"], 0.1).tolist() == [0.0, 0.0, 0.0]
    assert list(found.index) == [0, 1, 2]
