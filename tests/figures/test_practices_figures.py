"""What is handed to matplotlib and plotly: each seed in its place, and nothing that was not run."""

import numpy as np
import pandas as pd
import pytest
from drawn import marks, points, said

from bnkit.figures import practices, practices_live
from bnkit.figures.style import AMBER, BLUE, GREEN, INK, ORANGE
from bnkit.rows import Row


class TestCompanions:
    def test_a_tick_is_a_division_and_a_diamond_the_one_of_the_first_epoch(self):
        new = {"none-a": np.array([[1.0, 2.0]]), "batch-b": np.array([[3.0, 4.0], [5.0, 6.0]])}
        own = {"none-a": np.array([1.0, 2.0]), "batch-b": np.array([2.5, 3.5])}
        (axes,) = practices.companions(new, own, ["plain", "BN"]).axes
        ticks = [sorted(x for x, _ in points(marks(axes, "|", c))) for c in (ORANGE, BLUE)]
        assert ticks == [[1.0, 2.0], [3.0, 4.0, 5.0, 6.0]]
        assert [x for x, _ in points(marks(axes, "D", INK))] == [1.0, 2.0, 2.5, 3.5]
        rows = [y for _, y in points(marks(axes, "D", INK))]
        assert [round(y) for y in rows] == [0, 0, 1, 1]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["plain", "BN"]


def accuracies(values, seeds):
    return pd.DataFrame({"test_accuracy": values}, index=seeds)


RUNS = {
    "batch-new": accuracies([0.92, 0.91, 0.99], [0, 1, 7]),
    "batch-old": accuracies([0.90, 0.91], [1, 0]),
}
PAIRS = {"with BN": ("batch-new", "batch-old"), "plain": ("none-new", "none-old")}


class TestGains:
    def test_a_gain_is_that_of_paired_seeds_in_points(self):
        (axes,) = practices.gains(RUNS, PAIRS, ("published", 1.0)).axes
        gains = [y for _, y in points(marks(axes, "o", BLUE))]
        assert gains == pytest.approx([1.0, 1.0])

    def test_a_pair_without_records_says_so_and_the_published_number_stands_last(self):
        (axes,) = practices.gains(RUNS, PAIRS, ("published", 1.5)).axes
        assert said(axes) == ["not yet measured"]
        assert points(marks(axes, "D", INK)) == [(2.0, 1.5)]

    def test_the_interval_is_that_of_student_over_seeds(self):
        new = {"a": accuracies([0.52, 0.54], [0, 1]), "b": accuracies([0.5, 0.5], [0, 1])}
        # differences 2 and 4 points: mean 3, standard error 1, t(0.975, 1) = 12.706
        assert practices.gain(new, "a", "b") == "+3.00 [−9.71, +15.71]"

    def test_there_is_no_gain_without_records(self):
        assert practices.gain({}, "a", "b") == "not yet measured"


def rows(name, by_seed):
    return pd.DataFrame(
        [Row(s, t, name, v, "1") for s, values in by_seed.items() for t, v in values.items()]
    )


class TestDistortion:
    def test_each_way_has_its_seeds_and_medians(self):
        tables = {"single-shuffle": rows("distance", {0: {0: 1.0, 1: 0.5}, 1: {0: 1.0, 1: 0.3}})}
        finals = {"single-shuffle": {4: np.array([0.1, 0.3]), 8: np.array([0.2, 0.2])}}
        left, right = practices.distortion(tables, finals, {4: 0.2, 8: 0.1}).axes
        assert points([left.lines[-1]]) == [(1.0, 0.4)]  # step 0 has no place on the axis
        assert points(marks(right, ".", AMBER)) == [(4, 0.1), (4, 0.3), (8, 0.2), (8, 0.2)]
        assert points(marks(right, "None", AMBER)) == [(4, 0.2), (8, 0.2)]
        assert points(marks(right, "None", GREEN)) == []
        assert points(marks(right, "None", INK)) == [(4, 0.2), (8, 0.1)]

    def test_without_records_only_the_formula_is_drawn(self):
        left, right = practices.distortion({}, {"reshuffled": {}}, {4: 0.2, 8: 0.1}).axes
        assert said(left) == said(right) == ["not yet measured"]
        assert points(right.lines) == [(4, 0.2), (8, 0.1)]


def grid(chosen, small, large):
    table = {"best": chosen, "test_accuracy@1e-05": small, "test_accuracy@0.1": large}
    return pd.DataFrame(table | {"test_accuracy@0.1-0.3": [0.0, 0.0], "test_accuracy": [0.0, 0.0]})


GRID = {
    "none": grid([0.1, 0.1], [0.80, 0.90], [0.90, 0.94]),
    "batch": grid([0.1, 1e-5], [0.90, 0.92], [0.70, 0.72]),
}


class TestOverLevels:
    def test_single_cells_of_the_grid_are_no_level(self):
        levels = practices.levels_of(GRID["batch"])
        assert list(levels) == [1e-5, 0.1]
        assert levels[0.1] == pytest.approx([70, 72])

    def test_lines_join_means_and_bars_count_choices(self):
        left, middle, _ = practices.over_levels(GRID, "best", "λ", ("published", 0.2)).axes
        assert np.allclose(points(marks(left, "None", BLUE)), [(1e-5, 91), (0.1, 71)])
        assert np.allclose(points(marks(left, "None", ORANGE)), [(1e-5, 85), (0.1, 92)])
        assert [bar.get_height() for bar in middle.patches] == [0, 2, 1, 1]

    def test_ratios_are_of_paired_seeds_beside_the_published_one(self):
        *_, right = practices.over_levels(GRID, "best", "λ", ("published", 0.2)).axes
        assert [y for _, y in points(marks(right, "o", BLUE))] == pytest.approx([1.0, 1e-4])
        assert points(marks(right, "D", INK)) == [(1.0, 0.2)]

    def test_one_net_alone_has_no_ratio(self):
        some = {"batch": GRID["batch"]}
        left, _, right = practices.over_levels(some, "best", "λ", ("published", 0.2)).axes
        assert said(left) == []
        assert said(right) == ["not yet measured"]
        assert marks(right, "o", BLUE) == []

    def test_without_records_every_panel_says_so(self):
        figure = practices.over_levels({}, "best", "λ", ("published", 0.2))
        assert [said(axes) for axes in figure.axes] == [["not yet measured"]] * 3

    def test_the_choice_is_a_median_and_the_end_is_measured_from_the_best(self):
        assert practices.chosen(GRID, "best") == {"none": "0.1", "batch": "0.050005"}
        assert practices.at_the_end(GRID) == {"none": "+0.0", "batch": "−20.0"}
        assert practices.at_the_end({})["none"] == "not yet measured"


def test_a_run_below_the_floor_is_a_cross_at_its_total():
    cells = pd.DataFrame(
        [("none", 40.0, 9.0, 90.0), ("none", 40.0, 3.0, 80.0), ("none", 40.0, 30.0, 10.0)],
        columns=["norm", "length", "total", "accuracy"],
    )
    left, right = practices.by_total_rate(cells, floor=60.0).axes
    assert points(marks(left, "o", BLUE)) == [(3.0, 80.0), (9.0, 90.0)]
    assert points(marks(left, "x", BLUE)) == [(30.0, 60.0)]
    assert len(right.lines) == 0


class TestByPenalty:
    @pytest.fixture
    def frames(self):
        sizes = {"none": {0: 8.0, 10: 4.0}, "batch": {0: 2.0, 10: 6.0}}
        nets = {
            norm: pd.concat(
                [rows("size", {0: size}), rows("test_accuracy", {0: {0: 0.1, 10: 0.5}})]
            )
            for norm, size in sizes.items()
        }
        live = {0.0: nets, 0.5: nets}
        shown = practices_live.by_penalty(live, rate=0.1, start=0.5, name="penalty")
        return {frame.name: frame.data for frame in shown.figure.frames}

    def test_sizes_are_relative_to_the_start_and_accuracies_in_percent(self, frames):
        none, batch, _, *below = frames["0"]
        assert list(none.y) == [1.0, 0.5]
        assert list(batch.y) == [1.0, 3.0]
        assert [list(curve.y) for curve in below] == [[10.0, 50.0]] * 2

    def test_the_dashed_line_is_what_the_penalty_does_alone(self, frames):
        assert list(frames["0"][2].y) == [1.0, 1.0]
        assert frames["0.5"][2].y[1] == pytest.approx(np.exp(-2 * 0.1 * 0.5 * 10), abs=1e-5)
