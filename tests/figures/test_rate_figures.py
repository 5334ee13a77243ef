"""What is handed to matplotlib and plotly: each seed at its rate, and nothing that was not run."""

import numpy as np
import pandas as pd
import pytest
from drawn import marks, points, said

from bnkit.figures import rate_accuracies, rates, rates_live
from bnkit.figures.style import BLUE, INK, ORANGE
from bnkit.rows import Row


def dashes(axes, color):
    return [line.get_linestyle() for line in marks(axes, "None", color)]


LEVELS = {0.1: [0.2, 0.4, 0.3], 1.0: [0.6, np.inf, 1e-9]}


class TestLossLeft:
    def test_every_seed_is_a_dot_and_what_has_no_place_is_at_an_edge(self):
        figure = rates.loss_left({"a": {"none": LEVELS}}, {"none": "plain"})
        axes = figure.axes[0]
        assert points(marks(axes, ".", ORANGE)) == [
            (0.1, 0.2), (0.1, 0.4), (0.1, 0.3), (1.0, 0.6), (1.0, rates.CEILING), (1.0, 1e-3)
        ]  # fmt: skip
        assert points(marks(axes, "None", ORANGE)) == [(0.1, 0.3), (1.0, 0.6)]
        (band,) = axes.collections
        assert band.get_datalim(axes.transData).intervaly.tolist() == [1e-3, rates.CEILING]

    def test_what_a_net_has_besides_makes_it_dashed(self):
        nets = {"batch": LEVELS, "batch-held": LEVELS}
        figure = rates.loss_left({"a": nets}, {"batch": "BN", "batch-held": "held", "none": "no"})
        assert dashes(figure.axes[0], BLUE) == ["-", "--"]
        (legend,) = figure.legends
        assert [text.get_text() for text in legend.get_texts()] == ["BN", "held"]

    @pytest.mark.parametrize(("num", "shape"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 2))])
    def test_panels_stand_in_a_row_or_two(self, num, shape):
        figure = rates.loss_left({f"{i}": {} for i in range(num)}, {})
        grid = figure.axes[0].get_gridspec()
        assert (grid.nrows, grid.ncols) == shape
        assert all(said(axes) == ["not yet measured"] for axes in figure.axes)


class TestBorne:
    def test_factors_are_of_paired_seeds_and_a_seed_that_bore_nothing_is_not_drawn(self):
        largest = {
            "plain": ("none", pd.Series([0.5, 1.0, 0.0], index=[0, 1, 2])),
            "BN": ("batch-x", pd.Series([8.0, 4.0, 6.0], index=[1, 0, 2])),
        }
        left, right = rates.borne(
            largest, {"pair": ("BN", "plain")}, ("old", 6.0), threshold=5
        ).axes
        assert [x for x, _ in points(marks(left, ".", ORANGE))] == [0.5, 1.0]
        assert sorted(x for x, _ in points(marks(left, ".", BLUE))) == [4.0, 6.0, 8.0]
        assert [x for x, _ in points(marks(right, ".", BLUE))] == [8.0, 8.0]
        assert points(marks(right, 9, INK)) == [(6.0, 1.0)]
        assert [label.get_text() for label in right.get_yticklabels()] == ["pair", "old"]

    def test_without_records_rows_say_so(self):
        largest = {"plain": ("none", pd.Series(dtype=float)), "BN": ("batch", pd.Series([2.0]))}
        left, right = rates.borne(
            largest, {"pair": ("BN", "plain")}, ("old", 6.0), threshold=5
        ).axes
        assert said(left) == said(right) == ["not yet measured"]
        assert points(marks(right, ".", BLUE)) == []


def stable(table, largest=(1.0, 3.0)):
    columns = {f"stable@{rate:g}": values for rate, values in table.items()}
    return pd.DataFrame(columns | {"largest_stable_rate": largest})


RUNS = {
    "none": stable({10.0: [0, 0], 0.1: [1, 1], 1.0: [1, 0], 3.0: [1, 1]}),
    "batch": stable({0.1: [0, 0], 1.0: [0, 0]}, (0.0, 0.0)),
}


class TestWindows:
    def test_rates_are_numbers_in_order_and_other_metrics_are_left_out(self):
        levels = rates.levels_of(RUNS["none"], "stable")
        assert list(levels) == [0.1, 1.0, 3.0, 10.0]
        assert rates.at_each_rate(RUNS, "stable", ["none", "absent"]).keys() == {"none"}

    def test_a_window_goes_from_the_first_to_the_last_rate_with_enough_seeds(self):
        assert rates.enough(RUNS["none"], 2) == [0.1, 3.0]
        assert rates.window(RUNS, "none", 2) == "0.1 to 3"
        assert rates.window(RUNS, "batch", 1) == "at no rate of the grid"
        assert rates.window(RUNS, "layer", 1) == "not yet measured"

    def test_a_gap_shows_in_the_table(self):
        labels = {"none": "plain", "batch": "BN", "layer": "LN"}
        table = rates.windows(RUNS, labels, 2)
        assert table.loc["plain"].tolist() == ["0.1", "3", "no", "2", "1 to 3"]
        assert rates.windows(RUNS, labels, 1).loc["plain", "no gap"] == "yes"
        assert table.loc["BN"].tolist()[:2] == ["–", "–"]
        assert table.loc["LN"].tolist() == ["not yet measured", "", "", "", ""]

    def test_a_rate_is_borne_if_it_is_by_every_seed(self):
        levels = {0.1: [0.1, 0.4], 1.0: [0.1, 0.5], 3.0: [0.2, 0.3], 10.0: [0.1, np.inf]}
        assert rates.bears(levels) == 3.0
        assert rates.bears({1.0: [0.6]}) == 0.0


class Judged:
    def __init__(self, verdict):
        self.verdict = verdict


class TestInWords:
    def test_comparisons_are_sorted_by_their_verdicts(self):
        verdicts = {"a": Judged("refuted"), "b": Judged("supported"), "c": None}
        verdicts |= {"d": Judged("supported"), "e": Judged("undecided")}
        assert rates.sides(verdicts, "five") == (
            "above five: b, d; below five: a; on no side for certain: e; not yet measured: c"
        )

    def test_a_seed_has_trained_if_its_loss_ends_below_half(self):
        values = {0: (2.0, 0.9), 1: (2.0, 1.1), 2: (2.0, np.inf)}
        table = pd.DataFrame(
            [
                Row(seed, step, "train_loss@0.3", value, "nat")
                for seed, of_steps in values.items()
                for step, value in zip((0, 9), of_steps, strict=True)
            ]
        )
        assert rates.trained(table, 0.3) == "1 of 3"
        assert rates.trained(None, 0.3) == "not yet measured"

    def test_headroom_is_the_largest_rate_over_the_best(self):
        run = pd.DataFrame({"largest_stable_rate": [0.3, 1.0, 0.2], "best_rate": [0.1, 0.2, 0.1]})
        assert rates.headroom({"none": run}) == {"none": "3.0", "batch": "not yet measured"}
        assert rates.median({"none": run}, "none", "best_rate") == "0.100"
        assert rates.median({}, "none", "best_rate") == "not yet measured"

    def test_a_best_rate_at_an_end_of_the_grid_is_counted(self):
        run = pd.DataFrame({"best_rate": [0.1, 1.0, 10.0, 10.0]})
        for rate in (10.0, 0.1, 1.0):
            run[f"test_accuracy@{rate:g}"] = 0.5
        assert rates.at_an_end({"none": run}, "none") == "3 of 4"
        assert rates.at_an_end({}, "none") == "not yet measured"


ACCURACY = {0.1: [0.5, 0.7, 0.9], 1.0: [0.1, 0.1, 0.1]}


class TestAccuracies:
    def test_accuracies_are_in_percent_beside_published_ones(self):
        panels = {"10 layers": {"none": ACCURACY}, "20 layers": {}}
        told = ("old", {"none": 0.1, "batch": 69.8})
        figure = rate_accuracies.accuracies(panels, {"none": "plain"}, told, lines=(20,))
        ten, twenty, published = figure.axes
        assert np.allclose([y for _, y in points(marks(ten, ".", ORANGE))], [50, 70, 90] + 3 * [10])
        assert np.allclose(points(marks(ten, "None", ORANGE)), [(0.1, 70), (1, 10)])
        assert said(twenty) == ["not yet measured"]
        assert points(marks(published, "D", ORANGE)) == [(0, 0.1)]
        assert points(marks(published, "D", BLUE)) == [(1, 69.8)]


CHOSEN = {
    "none": pd.DataFrame({"best_rate": [0.1, 0.2]}, index=[0, 1]),
    "batch": pd.DataFrame({"best_rate": [1.0, 3.0]}, index=[1, 0]),
}


class TestBest:
    def test_ratios_are_of_paired_seeds(self):
        levels = {"none": ACCURACY, "batch": ACCURACY}
        figure = rate_accuracies.best(levels, CHOSEN, {"x5": 5.0}, {"none": "plain"})
        left, right = figure.axes
        assert [y for _, y in points(marks(right, "o", BLUE))] == pytest.approx([30, 5])
        assert points(marks(right, "D", INK)) == [(1, 5)]
        ticks = [x for x, _ in points(marks(left, "|", ORANGE))]
        assert ticks == pytest.approx([0.1, 0.2], rel=0.11)

    def test_one_net_alone_has_no_ratio(self):
        some = {"none": CHOSEN["none"]}
        left, right = rate_accuracies.best({"none": ACCURACY}, some, {"x5": 5.0}, {}).axes
        assert said(left) == []
        assert said(right) == ["not yet measured"]
        left, right = rate_accuracies.best({}, {}, {"x5": 5.0}, {}).axes
        assert said(left) == said(right) == ["not yet measured"]


def test_gradients_are_drawn_over_the_highest_layer_s_with_the_predicted_growth():
    arms = {"none": ([1.0, 0.5, 0.25], [1.0, 2.0, 4.0], 0.25)}
    above, below = rates_live.by_layer({"ReLU": arms}, {"none": "plain"}).axes
    assert points(marks(above, "None", ORANGE)) == [(1, 1.0), (2, 0.5), (3, 0.25)]
    assert points(marks(below, "None", ORANGE)) == [(1, 0.25), (2, 0.5), (3, 1.0)]
    assert points(marks(below, "None", INK)) == [(1, 0.25), (2, 0.5), (3, 1.0)]


class TestGrowth:
    @pytest.fixture
    def frames(self):
        curves = {"train_loss": (2.0, np.inf), "size": (4.0, np.nan)}
        lost = [Row(0, 5 * i, n, v, "1") for n, vs in curves.items() for i, v in enumerate(vs)]
        sound = {"train_loss": (2.0, 1.0), "size": (4.0, 12.0)}
        good = [
            Row(seed, 5 * i, n, v * (1 + seed), "1")
            for seed in (0, 1, 2)
            for n, vs in sound.items()
            for i, v in enumerate(vs)
        ]
        arms = {"none": pd.DataFrame(lost), "batch-held": pd.DataFrame(good)}
        runs = {0.1: arms, 100.0: arms}
        shown = rates_live.growth(runs, {"none": "no", "batch-held": "held"}, start=100.0, name="g")
        assert shown.figure.layout.sliders[0].active == 1
        return {frame.name: frame.data for frame in shown.figure.frames}

    def test_a_curve_ends_where_its_numbers_do(self, frames):
        assert list(frames) == ["0.1", "100"]
        loss, _, size, _ = frames["100"]
        assert list(loss.y) == [2.0, None]
        assert list(size.y) == [1.0, None]

    def test_sizes_are_relative_to_the_start_and_curves_are_medians(self, frames):
        _, loss, _, size = frames["100"]
        assert list(loss.y) == [4.0, 2.0]
        assert list(size.y) == [1.0, 3.0]
        assert loss.line.dash == "dash"
        assert (size.xaxis, size.yaxis) == ("x2", "y2")
