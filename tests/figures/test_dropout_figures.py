"""What is handed to matplotlib and plotly, and the share that comes back, against pencil."""

import numpy as np
import pandas as pd
import pytest
from drawn import points
from scipy import stats

from bnkit.experiments.dropout_variance_shift import shift
from bnkit.figures import dropout, dropout_live
from bnkit.figures.findings import NOT_YET
from bnkit.figures.style import BLUE, COLORS, FAINT, ORANGE, PINK
from bnkit.rows import Row


def runs(seeds=(3, 5), **columns):
    return pd.DataFrame(columns, index=list(seeds))


def trained(raw, off, on=None, variance=None, **more):
    accuracy = {
        "test_accuracy": raw,
        "test_accuracy_reestimated": off,
        "test_accuracy_reestimated_on": raw if on is None else on,
        "test_accuracy_new_variance": off if variance is None else variance,
    }
    return runs(**accuracy, **more)


PLACED = {
    "none": runs(test_accuracy=[0.8, 0.9]),
    "batch": trained([0.9, 0.94], [0.9, 0.94]),
    "batch-dropout-before": trained([0.80, 0.83], [0.85, 0.86], on=[0.81, 0.80]),
}


def notes(figure):
    return [[text.get_text() for text in axes.texts] for axes in figure.axes]


class TestOneUnit:
    def test_lines_are_the_formula_and_dots_what_was_drawn(self):
        found = runs(**{"ratio-0@0.5": [0.49, 0.51], "ratio-0.5@0.5": [0.4, 0.45], "max_error": 0})
        (axes,) = dropout.against_kept(found, shift, [0.0, 0.5]).axes
        line, dots, other, its_dots = axes.lines
        kept, ratio = line.get_data()
        np.testing.assert_allclose(ratio, kept)  # c = 0: the ratio is p itself
        assert points([dots]) == [(0.5, 0.49), (0.5, 0.51)]
        assert points([its_dots]) == [(0.5, 0.4), (0.5, 0.45)]
        kept, ratio = other.get_data()
        np.testing.assert_allclose(ratio, 1 / ((0.25 + 1) / kept - 0.25))

    def test_without_records_the_lines_stay_and_it_says_so(self):
        figure = dropout.against_kept(None, shift, [0.0])
        assert len(figure.axes[0].lines) == 1
        assert notes(figure) == [[NOT_YET]]


class TestThroughALayer:
    def test_ratios_are_ordered_by_width_with_their_median(self):
        table = runs((1, 2, 4), **{f"distance_from_one@{d}": [0.5, 0.4, 0.1] for d in (128, 16)})
        table["distance_from_one@16"] += 0.1
        expected = {"trials": ([16, 128], [0.4, 0.6])}
        (axes,) = dropout.through_a_layer({"trials": table}, {"trials": "angle"}, expected).axes
        *_, median, formula, one = axes.lines
        assert median.get_label() == "angle"
        np.testing.assert_allclose(median.get_data(), ([16, 128], [0.5, 0.6]))
        assert (formula.get_linestyle(), points([formula])) == ("--", [(16, 0.4), (128, 0.6)])
        assert one.get_color() == FAINT

    def test_without_records_it_says_so(self):
        assert notes(dropout.through_a_layer({}, {"trials": "a"}, {})) == [[NOT_YET]]


def test_each_place_of_dropout_has_its_seeds_in_percent_and_their_mean():
    figure = dropout.placements(PLACED)
    left, right = figure.axes
    dots, bar = left.lines
    np.testing.assert_allclose(dots.get_ydata(), [80, 90])
    np.testing.assert_allclose(bar.get_ydata(), [85, 85])
    assert bar.get_color() == COLORS["none"]
    _, nowhere, _, before = right.lines
    np.testing.assert_allclose([nowhere.get_ydata()[0], before.get_ydata()[0]], [92, 81.5])
    assert before.get_xdata().mean() == 1
    labels = [label.get_text() for label in right.get_xticklabels()]
    assert labels == ["nowhere", "before BN", "at the head"]
    assert notes(figure) == [[], []]
    assert notes(dropout.placements({"none": PLACED["none"]})) == [[], [NOT_YET]]


class TestNewStatistics:
    def test_a_seed_is_one_line_through_its_four_accuracies(self):
        (axes,) = dropout.new_statistics(PLACED).axes
        joined = [line for line in axes.lines if line.get_color() == FAINT]
        np.testing.assert_allclose(joined[0].get_ydata(), [80, 81, 85, 85])
        np.testing.assert_allclose(joined[1].get_ydata(), [83, 80, 86, 86])
        bars = [line for line in axes.lines if line.get_linewidth() == 2.2]
        np.testing.assert_allclose([bar.get_ydata()[0] for bar in bars], [81.5, 80.5, 85.5, 85.5])
        assert bars[1].get_color() == PINK

    def test_the_band_holds_the_seeds_of_the_net_without_dropout(self):
        (axes,) = dropout.new_statistics(PLACED).axes
        box = axes.patches[0].get_extents().transformed(axes.transData.inverted())
        assert (box.ymin, box.ymax) == (pytest.approx(90), pytest.approx(94))
        assert axes.lines[0].get_ydata()[0] == pytest.approx(92)

    def test_without_records_it_says_so(self):
        assert notes(dropout.new_statistics({})) == [[NOT_YET]]
        assert notes(dropout.new_statistics({"batch": PLACED["batch"]})) == [[NOT_YET]]


DOSES = {0.1: "low", 0.5: "high", 0.7: "absent"}
DOSED = {
    "batch": PLACED["batch"],
    "low": trained([0.9, 0.9], [0.9, 0.92], **{"variance_ratio@1": [1.0, 1.0]}),
    "high": trained(
        [0.8, 0.7], [0.9, 0.8], **{"variance_ratio@2": [0.4, 0.6], "variance_ratio@1": 1.0}
    ),
}


class TestByDose:
    def test_the_ratio_of_each_bn_is_the_median_over_seeds(self):
        left, _ = dropout.by_dose(DOSED, DOSES).axes
        assert [line.get_label() for line in left.lines] == ["0.1", "0.5"]
        assert points(left.lines[1:]) == [(1, 1.0), (2, 0.5)]

    def test_means_begin_with_the_net_without_dropout(self):
        _, right = dropout.by_dose(DOSED, DOSES).axes
        lines = {line.get_label(): line for line in right.lines}
        raw, off = lines["as trained"], lines["new, dropout off"]
        np.testing.assert_allclose(raw.get_data(), ([0, 0.1, 0.5], [92, 90, 75]))
        np.testing.assert_allclose(off.get_data(), ([0, 0.1, 0.5], [92, 91, 85]))
        assert "new variance, off" not in lines

    def test_without_records_it_says_so(self):
        assert notes(dropout.by_dose({}, DOSES)) == [[NOT_YET], [NOT_YET]]


class TestHead:
    def test_accuracies_choices_and_what_was_published(self):
        accuracy = {"test_accuracy@0": [0.9, 0.8], "test_accuracy@0.2": [0.7, 0.9]}
        table = runs(**accuracy, best_dropout=[0.2, 0.2])
        figure = dropout.at_the_head({"batch": table}, {0.5: 0.499, 0.0: 0.513}, "caffenet")
        left, middle, right = figure.axes
        np.testing.assert_allclose(left.lines[-1].get_data(), ([0, 0.2], [85, 80]))
        assert [bar.get_height() for bar in middle.patches] == [0, 2]
        np.testing.assert_allclose(right.lines[0].get_data(), ([0, 0.5], [51.3, 49.9]))
        assert right.get_title(loc="center") == "caffenet"

    def test_without_records_the_published_panel_stays(self):
        figure = dropout.at_the_head({}, {0.0: 0.5}, "caffenet")
        assert notes(figure) == [[NOT_YET], [NOT_YET], []]


class TestShareWonBack:
    raw = np.array([0.80, 0.84, 0.79, 0.86])
    whole = np.array([0.90, 0.91, 0.92, 0.91])

    def test_equal_seeds_by_pencil(self):
        # every seed loses 0.4 and wins 0.1 back
        found = dropout.share_won_back([0.5, 0.4], [0.6, 0.5], [0.9, 0.8])
        np.testing.assert_allclose(found, 0.25)

    def test_it_is_the_ratio_of_means_and_not_the_mean_of_ratios(self):
        lost, won = np.array([4.0, 2.0, 0.5]), np.array([3.0, 1.0, 1.0])
        assert dropout.share_won_back(-lost, won - lost, 0 * lost)[0] == pytest.approx(5 / 6.5)

    def test_the_ends_are_where_student_s_t_stops_telling_apart(self):
        new = self.raw + np.array([0.05, 0.03, 0.04, 0.03])
        _, low, high = dropout.share_won_back(self.raw, new, self.whole)
        for share in (low, high):
            apart = (new - self.raw) - share * (self.whole - self.raw)
            assert stats.ttest_1samp(apart, 0.0).pvalue == pytest.approx(0.05)
        assert low < high

    def test_without_a_clear_loss_it_has_no_bounds_and_the_text_says_so(self):
        found = dropout.share_won_back([0.9, 0.8], [0.9, 0.9], [0.8, 0.95])
        assert found[1:].tolist() == [-np.inf, np.inf]
        assert dropout.share_text([0.9, 0.8], [0.9, 0.9], [0.8, 0.95]) == "no clear loss"
        gained = dropout.share_text(self.whole, self.whole, self.raw)  # dropout helps
        assert gained == "no clear loss"
        assert np.isnan(dropout.share_won_back([0.5, 0.5], [0.6, 0.6], [0.5, 0.5])[0])

    def test_one_seed_is_refused_and_its_text_says_so(self):
        with pytest.raises(ValueError, match="1 seed: a share with its interval needs 2 or more"):
            dropout.share_won_back([0.5], [0.6], [0.7])
        assert dropout.share_text([0.5], [0.6], [0.7]) == NOT_YET


def test_points_lost_and_won_are_of_the_seeds_that_both_have():
    more = pd.concat([PLACED["batch"], trained([0.1], [0.1], seeds=(9,)) * 0])
    found = dropout.won_back(
        PLACED | {"batch": more}, {"batch-dropout-before": "0.5", "absent": "0.7"}
    )
    assert found.index.tolist() == ["0.5"]
    row = found.loc["0.5"]
    # lost 10 and 11 points; on +1 and -3; off +5 and +3
    assert row[["lost", "dropout on", "variance alone, off", "dropout off"]].tolist() == [
        "10.5",
        "−1",
        "4",
        "4",
    ]
    assert row["share back, off"].startswith("0.381 [")
    assert dropout.won_back({}, {"a": "b"}).index.tolist() == [NOT_YET]


def test_every_unit_is_measured_against_its_formula():
    (axes,) = dropout_live.formula_and_measured({2: [0.4, 0.5]}, {2: [0.45, 0.7]}).axes
    diagonal, dots = axes.lines
    assert points([diagonal]) == [(0, 0), (1, 1)]
    assert points([dots]) == [(0.4, 0.45), (0.5, 0.7)]
    assert dots.get_label() == "BN 2"
    assert axes.get_xlim() == axes.get_ylim() == (pytest.approx(0.35), pytest.approx(0.75))


def test_training_is_shown_by_means_over_seeds_without_the_first_bn():
    def table(raw):
        values = {"test_accuracy": raw, "test_accuracy_reestimated": raw + 0.1}
        values |= {"test_accuracy_reestimated_on": raw, "variance_ratio@1": 1.0}
        values |= {"variance_ratio@2": raw / 2}
        rows = [
            Row(seed, step, name, value + 0.01 * seed, "1")
            for seed in (0, 2)
            for step in (50, 100)
            for name, value in values.items()
        ]
        return pd.DataFrame(rows, columns=Row._fields)

    left, right = dropout_live.along_training(table(0.5), reference=table(0.8)).axes
    lines = {line.get_label(): line for line in left.lines}
    np.testing.assert_allclose(lines["trained without dropout"].get_ydata(), 0.81)
    np.testing.assert_allclose(lines["new, dropout off"].get_data(), ([50, 100], [0.61] * 2))
    (ratio,) = right.lines
    assert ratio.get_label() == "BN 2"
    np.testing.assert_allclose(ratio.get_ydata(), 0.26)
    assert [label.get_text() for label in right.get_xticklabels()] == ["50", "100"]


def test_a_position_of_the_slider_is_a_dropout_rate():
    expected, found = {0.0: [1.0, 1.0], 0.5: [1.0, 0.4]}, {0.0: [1.0, 1.0], 0.5: [1.0, 0.45]}
    shown = dropout_live.by_rate(
        expected, found, {0.0: 0.97, 0.5: 0.9}, start=0.5, name="rate", alt="what it shows"
    )
    assert shown.figure.layout.sliders[0].active == 1
    nowhere, half = shown.figure.frames
    assert (nowhere.name, half.name) == ("0", "0.5")
    formula, measured, curve, mark = half.data
    assert (tuple(formula.x), tuple(formula.y)) == ((1, 2), (1.0, 0.4))
    assert (tuple(measured.y), measured.marker.color) == ((1.0, 0.45), ORANGE)
    assert (tuple(curve.x), tuple(curve.y)) == ((0.0, 0.5), (0.97, 0.9))
    assert (mark.x, mark.y, mark.yaxis) == ((0.5,), (0.9,), "y2")
    assert shown.figure.data[1].y[1] == 0.45


def test_no_two_kinds_of_statistics_look_alike():
    colors = [color for _, color in dropout.STATISTICS.values()]
    assert len({*colors, BLUE, FAINT}) == len(colors) + 2
