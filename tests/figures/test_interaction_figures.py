"""What is handed to the figures on joint steps: shares that add up, every seed, every look."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up import table

from bnkit.claims import Sentence
from bnkit.figures import interactions, moments, sentences
from bnkit.figures.style import BLUE, COLORS, INK
from bnkit.rows import Row

NAN = float("nan")


def test_what_is_between_layers_is_told_in_percent_of_the_remainder_of_the_same_look():
    cross = table([[(0, 0.1), (1, -0.2)], [(0, 0.3), (1, NAN)]], "step@1_cross_share")
    missed = table([[(0, 1.0), (1, 0.4)], [(0, 0.4), (1, 1.0)]], "step@1_remainder")
    both = pd.concat([cross, missed])
    # 10 %, 50 % and 75 %
    assert interactions.between_layers({"none": both}, "step@1", "none") == "50"
    assert interactions.between_layers({}, "step@1", "none") == "not yet measured"


# ------------------------------------------------------------------ orders of a chain


def test_the_slider_shows_shares_that_add_up_to_one_and_groups_orders_from_four_on():
    # (1 - 1)^3 - 1 = -3 + 3 - 1; of the sizes 3, 3, 1 the shares are 3/7, 3/7, 1/7
    sizes = {2: [[2.0, 1.0]], 3: [[3.0, 3.0, 1.0]], 5: [[5.0, 10.0, 10.0, 5.0, 1.0]]}
    figure = interactions.by_order(np.array([1.0]), sizes, start=1, name="orders", alt="Shares.")
    assert [curve.name for curve in figure.figure.data] == ["order 1", "2", "3", "4 and up"]
    shares = [curve.y[0] for curve in figure.figure.data]
    np.testing.assert_allclose(shares, [3 / 7, 3 / 7, 1 / 7, 0.0], atol=1e-4)
    frames = {frame.name: [curve.y[0] for curve in frame.data] for frame in figure.figure.frames}
    np.testing.assert_allclose(frames["2"], [2 / 3, 1 / 3, 0, 0], atol=1e-4)
    np.testing.assert_allclose(frames["5"], [5 / 31, 10 / 31, 10 / 31, 6 / 31], atol=1e-4)


def test_the_axis_of_the_slider_is_logarithmic_and_spans_the_step_sizes():
    rates = np.array([0.001, 0.01, 1.0])
    figure = interactions.by_order(rates, {2: np.ones((3, 2))}, start=0, name="o", alt="Shares.")
    axis = figure.figure.layout.xaxis
    assert axis.type == "log"
    assert tuple(axis.range) == (-3.0, 0.0)


# ------------------------------------------------------------------ levels and their law


def test_levels_are_read_from_the_names_in_the_order_of_their_size():
    rows = [Row(s, 0, f"error@{r:g}", s + r, "nat") for s in (0, 1) for r in (1.0, 0.001, 1e-05)]
    found = interactions.levels(pd.DataFrame(rows, columns=Row._fields), "error")
    assert found.index.tolist() == [1e-5, 0.001, 1.0]
    assert found[1].tolist() == [1 + 1e-5, 1.001, 2.0]


def test_a_metric_without_levels_is_refused():
    with pytest.raises(ValueError, match="no metric 'loss@'"):
        interactions.levels(table([[(0, 1.0)]], "loss"), "loss")


def test_the_guide_has_its_slope_and_starts_at_the_median_seed():
    x = np.array([0.01, 0.1, 1.0])
    by_level = pd.DataFrame(
        {seed: factor * x**2 for seed, factor in enumerate((1, 4, 100))}, index=x
    )
    figure = interactions.power_law(by_level, 2, x_label="x", y_label="y")
    *seeds, guide = figure.axes[0].lines
    assert len(seeds) == 3
    np.testing.assert_allclose(guide.get_ydata(), 4 * x**2)
    np.testing.assert_allclose(seeds[2].get_ydata(), 100 * x**2)


# ------------------------------------------------------------------ along training, and by size


def test_every_seed_and_the_median_of_absolute_values_are_drawn():
    curves = [[(0, 1.0), (5, -2.0)], [(0, 3.0), (5, 4.0)], [(0, 2.0), (5, 8.0)]]
    figure = interactions.along_training({"batch-sigmoid": table(curves, "c")}, {"c": "title"})
    (axes,) = figure.axes
    *seeds, median = axes.lines
    assert [line.get_ydata().tolist() for line in seeds] == [[1, 2], [3, 4], [2, 8]]
    assert median.get_ydata().tolist() == [2.0, 4.0]
    assert {line.get_color() for line in axes.lines} == {COLORS["batch"]}
    assert axes.get_title() == "title"
    assert axes.get_xlim()[0] == 0
    assert axes.get_xlabel() == "optimizer steps"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1"]


def test_a_look_that_most_seeds_did_not_reach_has_no_finite_median():
    curves = [[(0, 1.0), (5, NAN)], [(0, 1.0), (5, NAN)], [(0, 1.0), (5, 0.01)]]
    figure = interactions.along_training({"none": table(curves, "c")}, {"c": "title"})
    assert figure.axes[0].lines[-1].get_ydata().tolist() == [1.0, np.inf]


def test_a_curve_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ValueError, match=r"no curve 'd'; there are \['c'\]"):
        interactions.along_training({"none": table([[(0, 1.0)]], "c")}, {"d": "title"})


def test_by_size_shows_the_median_look_of_each_seed_and_the_range_of_the_median_seed():
    small = table([[(0, 1.0), (1, 2.0), (2, 9.0)], [(0, 3.0), (1, 4.0), (2, 5.0)]], "step@0.1_r")
    large = table([[(0, 10.0), (1, 20.0), (2, 30.0)]] * 2, "step@1_r")
    both = pd.concat([small, large])
    figure = interactions.by_size({"none": both}, {("step", "r"): "title"})
    first, second, median = figure.axes[0].lines
    assert first.get_ydata().tolist() == [2.0, 4.0]  # one a seed, at 0.1
    assert second.get_ydata().tolist() == [20.0, 20.0]
    assert median.get_xdata().tolist() == [0.1, 1.0]
    assert median.get_ydata().tolist() == [3.0, 20.0]
    # the median seed has 2, 3, 7 at its looks of the small step, and 10, 20, 30 at the others
    corners = figure.axes[0].collections[0].get_paths()[0].vertices
    assert {tuple(corner) for corner in corners} == {(0.1, 2.0), (0.1, 7.0), (1, 10), (1, 30)}


def test_a_look_that_no_step_reached_counts_as_infinite():
    curves = [[(0, 1.0), (1, 2.0), (2, NAN)]]
    figure = interactions.by_size({"none": table(curves, "joint@0.1_c")}, {("joint", "c"): "t"})
    assert figure.axes[0].lines[-1].get_ydata().tolist() == [2.0]  # and not 1.5


@pytest.mark.parametrize(
    "drawn",
    [
        lambda: interactions.along_training({}, {"c": "title"}),
        lambda: interactions.by_size({}, {("step", "r"): "title"}),
        lambda: moments.drift({}, layer=3),
    ],
)
def test_without_a_record_each_panel_says_that_nothing_is_measured(drawn):
    for axes in drawn().axes:
        assert [text.get_text() for text in axes.texts] == ["not yet measured"]
        assert not axes.lines


# ------------------------------------------------------------------ moments


def test_the_summary_of_four_numbers_by_pencil():
    # mean 1, deviations -1 -1 -1 3: variance 3, third moment 6, fourth 21
    found = moments.summary(np.array([0.0, 0.0, 0.0, 4.0]))
    assert found["mean"] == 1.0
    assert found["std"] == pytest.approx(3**0.5)
    assert found["skewness"] == pytest.approx(6 / 3**1.5)
    assert found["excess kurtosis"] == pytest.approx(21 / 9 - 3)


def test_histograms_of_a_sample_and_its_affine_image_have_the_same_counts():
    x = np.array([0.0, 1.0, 1.0, 2.0, 9.0])
    figure = moments.histograms({"x": x, "4 x - 8": 4 * x - 8})
    before, after = ([bar.get_height() for bar in axes.patches] for axes in figure.axes)
    assert before == after
    assert sum(before) == 5
    assert "mean 2.600" in figure.axes[0].texts[0].get_text()
    assert "mean 2.400" in figure.axes[1].texts[0].get_text()


def test_drift_has_a_panel_a_statistic_of_the_layer_that_was_asked_for():
    rows = [
        Row(seed, step, f"layer-{layer}_{statistic}_drift", layer + seed, "1")
        for layer in (1, 2)
        for statistic in ("skewness", "kurtosis", "correlation")
        for seed in (0, 1, 2)
        for step in (500, 1000)
    ]
    figure = moments.drift({"batch": pd.DataFrame(rows, columns=Row._fields)}, layer=2)
    assert [axes.get_title() for axes in figure.axes] == ["skewness", "kurtosis", "correlation"]
    for axes in figure.axes:
        *seeds, median = axes.lines
        assert [line.get_ydata().tolist() for line in seeds] == [[2, 2], [3, 3], [4, 4]]
        assert median.get_ydata().tolist() == [3, 3]


def test_accuracies_have_a_dot_a_seed_and_those_below_the_floor_are_counted():
    groups = {
        "first": {"good": np.array([0.9, 0.8]), "bad": np.array([0.1, 0.2, 0.85])},
        "second": {"better": np.array([0.99, 0.97])},
    }
    figure = moments.accuracies(groups, floor=0.75)
    first, second = figure.axes
    dots = [line for line in first.lines if line.get_marker() == "o"]
    assert [line.get_xdata().tolist() for line in dots] == [[0.9, 0.8], [0.85]]
    assert {line.get_color() for line in dots} == {BLUE}
    assert [t.get_text() for t in first.texts] == ["← 2 of 3 seeds at 0.10 to 0.20"]
    mean = next(line for line in second.lines if line.get_linewidth() == 2.0)
    np.testing.assert_allclose(mean.get_xdata(), [0.98, 0.98])
    low, high = second.get_xlim()
    assert low == 0.75
    assert high > 0.99
    assert [label.get_text() for label in first.get_yticklabels()] == ["good", "bad"]


def test_the_net_without_bn_has_its_color_and_means_have_none():
    groups = {"first": {"no BN": np.array([0.9]), "learned": np.array([0.8])}}
    axes = moments.accuracies(groups, floor=0.75).axes[0]
    dots = [line.get_color() for line in axes.lines if line.get_marker() == "o"]
    means = {line.get_color() for line in axes.lines if line.get_linewidth() == 2.0}
    assert dots == [COLORS["none"], COLORS["batch"]]
    assert means == {INK}


@pytest.mark.parametrize(
    ("low", "high", "harm", "points"),
    [
        (0.01, 0.03, "does harm", "+2.0 [+1.0, +3.0]"),
        (-0.03, -0.01, "does good", "−2.0 [−3.0, −1.0]"),
        (-0.01, 0.01, "does no harm that the seeds can show", "+0.0 [−1.0, +1.0]"),
    ],
)
def test_what_leaving_out_does_is_told_by_the_whole_interval(low, high, harm, points):
    verdict = SimpleNamespace(effect=(low + high) / 2, low=low, high=high)
    assert moments.harm(verdict) == harm
    assert moments.points(verdict) == points
    assert moments.harm(None) == moments.points(None) == "not yet measured"


def test_an_arm_at_the_rate_of_another_has_its_color_and_is_dashed():
    rows = [
        Row(0, step, f"layer-3_{statistic}_drift", 1.0, "1")
        for statistic in moments.STATISTICS
        for step in (500, 1000)
    ]
    both = dict.fromkeys(("batch", "batch@none"), pd.DataFrame(rows, columns=Row._fields))
    axes = moments.drift(both, layer=3).axes[0]
    medians = [line for line in axes.lines if not line.get_label().startswith("_")]
    assert [line.get_linestyle() for line in medians] == ["-", "--"]
    assert [line.get_label() for line in medians] == ["with BN", "with BN, plain rate"]
    assert {line.get_color() for line in axes.lines} == {COLORS["batch"]}


# ------------------------------------------------------------------ sentences


def test_sentences_are_shown_with_what_they_rest_on_and_what_became_of_them():
    one = Sentence(id="L1", says="a < b", rests_on=("F1", "F2"), note="Not quite.")
    two = Sentence(id="L2", says="c", rests_on=("F3",))
    shown = sentences.Table([(two, "stands"), (one, "open")])
    assert shown.rows() == [
        ("L2", "c", "F3", "stands", ""),
        ("L1", "a < b", "F1, F2", "open", "Not quite."),
    ]
    html = shown._repr_html_()
    assert '<td>a &lt; b<br><span class="bn-note">Not quite.</span></td><td>open</td>' in html
    assert html.index("L2") < html.index("L1")
    assert repr(shown).splitlines()[0] == "L2 | c | F3 | stands | "


def test_claims_that_follow_each_other_are_abbreviated():
    assert sentences.ranges(["G1", "G2", "G3", "J12", "J13", "H9", "H10", "H11"]) == (
        "G1–G3, J12, J13, H9–H11"
    )
    assert sentences.ranges([]) == ""
