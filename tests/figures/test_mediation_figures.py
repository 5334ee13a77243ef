"""What is handed to matplotlib and plotly: every run at its dose, and nothing that was not run."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up import CHAIN, runs
from matplotlib.text import Annotation

from bnkit.figures import mediation
from bnkit.figures.style import BLUE, GREEN, INK, ORANGE
from bnkit.rows import Row


def spec(dose, init="glorot"):
    return SimpleNamespace(dose=dose, init=init)


KINDS = {
    "sam": {"none-sam-1": spec(0.1), "none-sam-2": spec(0.2)},
    "init": {"none-he": spec(0.0, "he")},
    "head": {"batch-head-4": spec(4.0), "batch-head-8": spec(8.0)},
}


RUNS = {
    "none": runs([20.0, 10.0], [400.0, 200.0]),
    "batch": runs([30.0, 40.0], [100.0, 200.0]),
    "none-sam-1": runs([10.0, 10.0], [800.0, 800.0]),
    "none-sam-2": runs([5.0, np.inf], [1001.0, 600.0], missed=(1, 0)),
    "none-he": runs([5.0], [50.0], seeds=(5,), missed=(0,)),
    "batch-head-4": runs([60.0, 80.0], [300.0, 400.0]),
}


def marks(axes, marker, color):
    return [line for line in axes.lines if (line.get_marker(), line.get_color()) == (marker, color)]


def points(lines):
    return [tuple(map(float, point)) for line in lines for point in line.get_xydata()]


def by_dose(metric, factor, names=("sam", "init", "head"), of=None):
    of = RUNS if of is None else of
    figure = mediation.by_dose(of, KINDS, {metric: "label"}, factor=factor, names=names)
    return figure.axes


class TestByDose:
    def test_each_seed_is_divided_by_the_run_of_its_own_seed_without_a_dose(self):
        sam, init, head = by_dose("effective_smoothness", 2.0)
        dots = points(marks(sam, "o", GREEN))
        assert dots == [(1, 0.5), (1, 1.0), (2, 0.25)]
        assert points(marks(init, *mediation.LOOKS["init"][::-1])) == [(1, 0.5)]
        assert points(marks(head, "s", INK)) == [(1, 2.0), (1, 2.0)]

    def test_a_value_that_is_infinite_is_a_cross_at_the_upper_end(self):
        sam, *_ = by_dose("effective_smoothness", 2.0)
        (cross,) = [line for line in marks(sam, "x", GREEN) if len(line.get_xdata())]
        assert points([cross]) == [(2, 1.0)]
        assert cross.get_transform() == sam.get_xaxis_transform()

    def test_a_run_that_missed_its_target_is_a_cross_at_its_place(self):
        sam, *_ = by_dose("steps_to_target", 1.0)
        assert points(marks(sam, "x", GREEN)) == [(2, 1001 / 400)]
        assert points(marks(sam, "o", GREEN)) == [(1, 2.0), (1, 4.0), (2, 3.0)]

    def test_the_line_joins_the_medians_and_begins_without_a_dose(self):
        sam, *_ = by_dose("steps_to_target", 1.0)
        (line,) = [line for line in sam.lines if line.get_linewidth() == 1.2]
        assert points([line]) == [(0, 1), (1, 3), (2, (1001 / 400 + 3) / 2)]

    def test_shaded_is_less_than_the_factor_without_bn_and_more_with_it(self):
        sam, _, head = by_dose("effective_smoothness", 2.0)
        shaded = [
            axes.patches[0].get_extents().transformed(axes.transData.inverted())
            for axes in (sam, head)
        ]
        assert shaded[0].ymax == pytest.approx(0.5)
        assert shaded[1].ymin == pytest.approx(2.0)
        assert shaded[0].ymin == pytest.approx(sam.get_ylim()[0])
        assert shaded[1].ymax == pytest.approx(sam.get_ylim()[1])

    def test_doses_have_their_names_and_no_dose_has_one(self):
        names = [
            [t.get_text() for t in axes.get_xticklabels()]
            for axes in by_dose("steps_to_target", 1.0)
        ]
        assert names == [["0", "0.1", "0.2"], ["Glorot", "He"], ["1", "4", "8"]]

    def test_what_was_not_run_is_said_and_not_drawn(self):
        for axes in by_dose("steps_to_target", 1.0, of={}):
            assert [text.get_text() for text in axes.texts] == [mediation.NOT_YET]
            assert points(axes.lines) == [(0, 1), (1, 1)]  # the level of no dose alone
        half = {name: RUNS[name] for name in ("none", "none-sam-1", "batch-head-4")}
        sam, init, head = by_dose("steps_to_target", 1.0, of=half)
        assert not sam.texts
        assert init.texts
        assert head.texts  # there is nothing to divide by


class TestSpeedAndSmoothness:
    def test_every_run_stands_in_the_panel_of_its_net(self):
        left, right = mediation.speed_and_smoothness(RUNS, KINDS).axes
        assert points(marks(left, "D", ORANGE)) == [(20, 400), (10, 200)]
        assert points(marks(right, "D", BLUE)) == [(30, 100), (40, 200)]
        assert points(marks(left, "o", GREEN))[:2] == [(10, 800), (10, 800)]
        assert points(marks(right, "s", INK)) == [(60, 300), (80, 400)]

    def test_a_miss_is_a_cross_and_an_infinite_smoothness_stands_at_the_edge(self):
        left, _ = mediation.speed_and_smoothness(RUNS, KINDS).axes
        (cross,) = [line for line in marks(left, "x", GREEN) if len(line.get_xdata())]
        assert points([cross]) == [(5, 1001)]
        _, edge, _ = marks(left, "o", GREEN)  # it did arrive: not a cross
        assert points([edge]) == [(1.0, 600)]
        assert edge.get_transform() == left.get_yaxis_transform()

    def test_a_miss_whose_smoothness_is_infinite_is_a_cross_at_the_edge(self):
        both = {**RUNS, "none-he": runs([np.inf], [1001.0], seeds=(5,), missed=(1,))}
        left, _ = mediation.speed_and_smoothness(both, KINDS).axes
        color, _ = mediation.LOOKS["init"]
        (cross,) = [line for line in marks(left, "x", color) if len(line.get_xdata())]
        assert points([cross]) == [(1.0, 1001)]
        assert cross.get_transform() == left.get_yaxis_transform()

    def test_a_run_that_diverged_stands_in_the_corner(self):
        both = {**RUNS, "none-he": runs([np.inf], [np.inf], seeds=(5,), missed=(1,))}
        left, _ = mediation.speed_and_smoothness(both, KINDS).axes
        (cross,) = marks(left, "x", mediation.LOOKS["init"][0])
        assert points([cross]) == [(1.0, 1.0)]
        assert cross.get_transform() == left.transAxes

    def test_the_dotted_line_goes_through_the_medians_of_both_nets_in_both_panels(self):
        for axes in mediation.speed_and_smoothness(RUNS, KINDS).axes:
            (line,) = [line for line in axes.lines if line.get_linestyle() == ":"]
            x, y = np.log(line.get_data())
            at = np.log([15.0, 35.0])
            slope = np.diff(y)[0] / np.diff(x)[0]
            np.testing.assert_allclose(np.exp(y[0] + slope * (at - x[0])), [300, 150], rtol=1e-9)

    def test_without_records_both_panels_say_so(self):
        for axes in mediation.speed_and_smoothness({}, KINDS).axes:
            assert [text.get_text() for text in axes.texts] == [mediation.NOT_YET]
            assert not axes.lines


def table(beta):
    values = {"look_loss": (2.0, 1.0), "downhill_beta": beta}
    return pd.DataFrame(
        [
            Row(7, step, name, v[i], "nat")
            for name, v in values.items()
            for i, step in enumerate((0, 10))
        ],
        columns=Row._fields,
    )


TABLES = {
    "none": table((8.0, 6.0)),
    "none-sam-1": table((4.0, 3.0)),
    "batch-head-4": table((9.0, 1.0)),
}


def test_smoothness_is_drawn_against_the_loss_of_the_same_look():
    left, right = mediation.two_ways(TABLES, {"none": "plain", "none-sam-1": "SAM"}).axes
    assert points(left.lines[:1]) == [(0, 2), (10, 1)]
    assert points(right.lines) == [(2, 8), (1, 6), (2, 4), (1, 3)]
    assert right.get_xlim()[0] > right.get_xlim()[1]  # training goes to the right
    assert [line.get_linestyle() for line in right.lines] == ["-", "--"]


class TestDiagram:
    def names(self, axes):
        return {text.get_text() for text in axes.texts}

    def arrows(self, axes):
        """(from, to) of every arrow, by place."""
        return {(text.xyann, text.xy) for text in axes.texts if isinstance(text, Annotation)}

    def test_a_dose_is_added_and_the_paths_stay(self):
        left, right = mediation.diagram().axes
        assert {"a", "b"} <= self.names(left)
        assert "dose" not in self.names(left)
        assert {"dose", "b", "?"} <= self.names(right)
        added = self.arrows(right) - self.arrows(left)
        assert {start for start, _ in added} == {(0.4, 3.1)}  # the dose's, to smoothness and speed
        assert self.arrows(left) < self.arrows(right)

    def test_smoothness_answers_to_the_rate(self):
        for axes in mediation.diagram().axes:
            assert ((2.0, 0.7), (2.0, 2.5)) in self.arrows(axes)


class TestLabels:
    def test_they_say_kind_and_dose_with_its_sign(self):
        assert mediation.label_of("sam", spec(0.2)) == "SAM 0.2"
        assert mediation.label_of("seek", spec(-0.2)) == "SAM −0.2"
        assert mediation.label_of("head", spec(16.0)) == "head 16"

    def test_other_weights_have_their_name_alone(self):
        assert mediation.label_of("init", spec(0.0, "he")) == "He"


# Steps are 1000 / beta in all arms: the slope is -1, and with a = log 2 the share is 1.


def test_slopes_have_a_row_each_with_its_interval():
    (axes,) = mediation.slopes({"all doses": CHAIN, "sam": CHAIN}).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all doses", "SAM"]
    drawn = np.array([line.get_xydata() for line in axes.lines[1:3]], dtype=object)
    np.testing.assert_allclose(drawn[0].astype(float), [[-1, 0], [-1, 0]])
    np.testing.assert_allclose(drawn[1].astype(float), [[-1, 0]])
    assert len(axes.lines) == 5  # zero, and an interval and a mark each: no arrow
    (empty,) = mediation.slopes({}).axes
    assert [text.get_text() for text in empty.texts] == [mediation.NOT_YET]


def test_an_interval_beyond_the_limit_ends_there_in_an_arrow():
    (axes,) = mediation.slopes({"sam": CHAIN}, limit=0.5).axes  # from -1 to -1
    (arrow,) = [line for line in axes.lines if line.get_marker() == "<"]
    assert points([arrow]) == [(-0.5, 0)]
    assert points(axes.lines[1:2]) == [(-0.5, 0), (-0.5, 0)]
    assert axes.get_xlim() == (-0.5, 0.5)
