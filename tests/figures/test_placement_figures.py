"""What is handed to matplotlib and plotly, and the contrasts of a grid, against pencil."""

import numpy as np
import pandas as pd
import pytest

from bnkit.figures import placement, placement_live, placement_others
from bnkit.figures.findings import NOT_YET
from bnkit.figures.style import BLUE, COLORS, GREEN, ORANGE, PINK

CAFFENET = {
    "none": 0.471,
    "before-affine": 0.478,
    "before-bare": 0.474,
    "after-affine": 0.493,
    "after-bare": 0.499,
}
RELU = {"relu": "ReLU"}


def runs(seeds=(3, 5), **columns):
    return pd.DataFrame(columns, index=list(seeds))


def cell(first, second, seeds=(3, 5)):
    return runs(seeds, test_accuracy=[first, second])


GRID = {
    "none-relu": cell(0.70, 0.74),
    "before-affine-relu": cell(0.80, 0.82),
    "before-bare-relu": cell(0.79, 0.79),
    "after-affine-relu": cell(0.84, 0.88),
    "after-bare-relu": cell(0.90, 0.92),
}


def points(line):
    return [(round(float(x), 6), round(float(y), 6)) for x, y in line.get_xydata()]


def notes(axes):
    return [text.get_text() for text in axes.texts]


class TestContrasts:
    def test_an_effect_is_the_mean_of_the_paired_differences_in_points(self):
        found = placement.paired(GRID, {"after-affine-relu": 1.0, "before-affine-relu": -1.0})
        assert found.effect == pytest.approx((4 + 6) / 2)
        # Two differences, 4 and 6: standard error 1, and t of one degree of freedom is 12.706.
        assert found.upper(0.025) - found.effect == pytest.approx(12.706, abs=1e-3)

    def test_seeds_that_one_arm_lacks_are_left_out(self):
        grid = {"a": cell(0.5, 0.6), "b": runs((5, 3, 7), test_accuracy=[0.5, 0.1, 0.0])}
        found = placement.paired(grid, {"a": 1.0, "b": -1.0})
        assert (found.n, round(found.effect, 9)) == (2, 25.0)  # (50 - 10) and (60 - 50)

    def test_an_arm_without_runs_gives_none(self):
        assert placement.paired(GRID, {"after-affine-relu": 1.0, "none-tanh": -1.0}) is None

    def test_simple_effects_of_the_grid(self):
        found = placement.differences(GRID, ["relu", "tanh"]).set_index(["kind", "held"])["effect"]
        assert found.round(9).to_dict() == {
            ("place", "affine"): 5.0,
            ("place", "bare"): 12.0,
            ("affine", "before"): -2.0,
            ("affine", "after"): 5.0,
        }

    def test_main_effects_and_the_interaction(self):
        column = placement.contrasts(GRID, RELU, CAFFENET)["ReLU"]
        assert [text.split()[0] for text in column] == ["8.5", "1.5", "7"]  # mean, mean, 5 - -2

    def test_those_of_the_published_table(self):
        column = placement.contrasts({}, RELU, CAFFENET)["caffenet, ReLU"]
        assert list(column) == ["2", "0.1", "1"]

    def test_a_third_factor_is_the_difference_from_the_first_nonlinearity(self):
        tanh = {arm.replace("relu", "tanh"): table for arm, table in GRID.items()}
        tanh["after-bare-tanh"] = cell(0.93, 0.95)
        table = placement.contrasts(GRID | tanh, RELU | {"tanh": "tanh"}, CAFFENET)
        assert [text.split()[0] for text in table["tanh less ReLU"]] == ["1.5", "1.5", "3"]

    def test_contrasts_that_surely_differ_between_nonlinearities_are_counted(self):
        tanh = {arm.replace("relu", "tanh"): table for arm, table in GRID.items()}
        assert placement.by_nonlinearity(GRID | tanh, ["relu", "tanh"]) == "0 of 3"
        tanh["after-bare-tanh"] = GRID["after-bare-relu"] + 0.03  # the same for both seeds
        assert placement.by_nonlinearity(GRID | tanh, ["relu", "tanh"]) == "3 of 3"
        assert placement.by_nonlinearity({}, ["relu", "tanh"]) == NOT_YET

    def test_whole_intervals_are_counted(self):
        found = pd.DataFrame({"low": [0.1, -3.0, -1.0], "high": [2.0, -0.1, 1.0]})
        assert placement.counted(found) == "1 of 3 above zero, 1 below, 1 on neither side"
        assert placement.counted(found[:0]) == NOT_YET

    def test_the_best_cell_in_words(self):
        both = RELU | {"tanh": "tanh"}
        assert placement.best_cells(GRID, both) == "ReLU: behind, bare"
        assert placement.best_cells({}, both) == NOT_YET

    def test_the_table_has_mean_and_rate_and_says_what_is_missing(self):
        some = {"none-relu": GRID["none-relu"]}
        column = placement.gains(some, RELU, {"none-relu": 0.3})["ReLU"]
        assert list(column) == ["72.00 at 0.3"] + [NOT_YET] * 4


class TestGrid:
    def test_lines_join_means_and_dots_are_seeds(self):
        ours, theirs = placement.grid(GRID, RELU, CAFFENET, source="source").axes
        lines = {line.get_label(): points(line) for line in ours.lines}
        assert lines["BN, γ and β"] == [(-0.08, 81.0), (0.92, 86.0)]
        assert lines["BN, bare"] == [(0.08, 79.0), (1.08, 91.0)]
        assert [(0.92, 84.0), (0.92, 88.0)] in [points(line) for line in ours.lines]
        lines = {line.get_label(): points(line) for line in theirs.lines}
        assert lines["BN, bare"] == [(0.08, 47.4), (1.08, 49.9)]
        assert theirs.get_title() == "source"

    def test_the_band_holds_all_seeds_of_the_plain_net(self):
        ours, _ = placement.grid(GRID, RELU, CAFFENET, source="").axes
        (band,) = ours.patches
        assert (band.get_y(), band.get_height()) == pytest.approx((70.0, 4.0))

    def test_all_values_lie_within_the_axes(self):
        low = {arm.replace("relu", "tanh"): cell(0.2, 0.3) for arm in GRID}
        for axes in placement.grid(GRID | low, RELU | {"tanh": "t"}, CAFFENET, source="").axes:
            bottom, top = axes.get_ylim()
            for line in axes.lines:
                assert bottom <= min(line.get_ydata()) <= max(line.get_ydata()) <= top

    def test_without_records_it_says_so_and_keeps_what_was_published(self):
        ours, theirs = placement.grid({}, RELU, CAFFENET, source="").axes
        assert (notes(ours), notes(theirs)) == ([NOT_YET], [])


class TestSimpleEffects:
    def test_dots_intervals_and_diamonds(self):
        found = placement.differences(GRID, RELU)
        left, right = placement.simple_effects(found, RELU, CAFFENET).axes
        dots = [points(line)[0] for line in left.lines if line.get_marker() == "o"]
        assert dots == [(5.0, 0.0), (12.0, 1.0)]
        (diamonds,) = (line for line in right.lines if line.get_marker() == "D")
        assert points(diamonds) == [(-0.4, 0.28), (0.6, 1.28)]
        assert diamonds.get_color() == PINK
        names = [label.get_text() for label in right.get_yticklabels()]
        assert names == ["ReLU, in front", "ReLU, behind"]

    def test_without_records_the_published_runs_stay(self):
        empty = placement.differences({}, RELU)
        for axes in placement.simple_effects(empty, RELU, CAFFENET).axes:
            assert notes(axes) == [NOT_YET]
            assert [line.get_marker() for line in axes.lines].count("D") == 1


def errors(first, second):
    return runs(test_error=[first, second])


class TestOthers:
    def test_the_nets_have_a_panel_each_with_errors_in_percent(self):
        net = {"none-relu": errors(0.1, 0.2), "after-bare-relu": errors(0.05, 0.07)}
        googlenet = {"no BN": [0.619], "in front": [0.603, 0.607], "behind": [0.596, 0.584]}
        shown = placement_others.other_nets({"a": net, "b": {}}, googlenet, source="s")
        first, second, theirs = shown.axes
        bars = [points(line) for line in first.lines if line.get_marker() != "."]
        assert bars == [[(-0.27, 15.0), (0.27, 15.0)], [(3.73, 6.0), (4.27, 6.0)]]
        assert notes(second) == [NOT_YET]
        dots = [points(line) for line in theirs.lines if line.get_marker() == "."]
        assert dots[1] == [(0.85, 39.7), (1.15, 39.3)]
        assert [line.get_color() for line in theirs.lines[::2]] == [COLORS["none"], BLUE, GREEN]

    def test_whether_the_better_place_depends_on_the_net(self):
        better = {
            "after-affine-relu": errors(0.100, 0.101),
            "before-affine-relu": errors(0.2, 0.2),
        }
        worse = {
            "after-affine-relu": errors(0.300, 0.301),
            "before-affine-relu": errors(0.2, 0.2),
        }
        either = {"after-affine-relu": errors(0.1, 0.3), "before-affine-relu": errors(0.2, 0.2)}
        say = placement_others.depends_on_the_net
        assert "is the same in our" in say(better, better)
        assert "is not the same in our" in say(better, worse)
        assert "holds zero" in say(better, either)
        assert "not yet measured" in say(better, {})

    def test_a_line_a_nonlinearity(self):
        names = placement_others.NAMES
        table = runs(**{f"test_accuracy@{name}": [0.5, 0.7] for name in names})
        better = table + 0.1
        theirs = {"ReLU": (0.471, 0.499), "tanh": (0.401, 0.448)}
        left, right = placement_others.nonlinearities({"none": table, "batch": better}, theirs).axes
        lines = [points(line) for line in left.lines if line.get_marker() == "o"]
        assert lines == [[(0.0, 60.0), (1.0, 70.0)]] * len(names)
        lines = [points(line) for line in right.lines if line.get_marker() == "o"]
        assert lines == [[(0.0, 47.1), (1.0, 49.9)], [(0.0, 40.1), (1.0, 44.8)]]
        assert sorted(notes(left)) == sorted(names.values())

    def test_names_at_the_ends_do_not_overlap(self):
        theirs = dict.fromkeys(("ReLU", "PReLU", "ELU"), (0.4, 0.5))
        _, axes = placement_others.nonlinearities({}, theirs).axes
        heights = sorted(text.get_position()[1] for text in axes.texts)
        low, high = axes.get_ylim()
        assert min(np.diff(heights)) > 0.05 * (high - low)
        assert heights[-1] <= high

    def test_spreads_of_both_families(self):
        theirs = {"ReLU": (0.471, 0.499), "ELU": (0.488, 0.498), "tanh": (0.401, 0.448)}
        theirs["Maxout"] = (0.9, 0.1)  # of neither
        ours = {"none": runs(accuracy_spread=[0.01, 0.02], accuracy_spread_all=[0.03, 0.03])}
        table = placement_others.spreads(ours, theirs)
        assert list(table.loc["family of ReLU"]) == ["1.50", NOT_YET, "1.7", "0.1"]
        assert list(table.loc["and tanh"]) == ["3.00", NOT_YET, "8.7", "5.1"]

    def test_what_is_trained_alone(self):
        sizes = {"gamma_size@0.75": [2.0, 4.0], "gamma_size@0.25": [1.0, 0.0]}
        live = {"affine-only": runs(test_accuracy=[0.5, 0.7], **sizes)}
        first, second, third = placement_others.trained_alone({}, live).axes
        bars = [points(line) for line in first.lines if line.get_marker() != "."]
        assert bars == [[(0.73, 60.0), (1.27, 60.0)]]
        assert notes(second) == [NOT_YET]
        assert [points(line) for line in third.lines] == [[(0.25, 0.5), (0.75, 3.0)]]
        assert third.get_title() == "|γ|, live"
        recorded = {"affine-only": live["affine-only"] * 2}
        *_, third = placement_others.trained_alone(recorded, live).axes
        assert [points(line) for line in third.lines] == [[(0.25, 1.0), (0.75, 6.0)]]

    def test_rulings_are_a_table_in_which_nothing_is_markup(self):
        class Claim:
            id, claim, published, ruling, because = "C7", "a < b", "", "cited", "why & how"

        table = placement_others.Rulings([Claim])
        assert "a &lt; b" in table._repr_html_()
        assert table.rows() == [("C7", "a < b", "", "cited", "why & how")]
        assert repr(table).startswith("C7 | a < b")


CELLS = ("none", "before-affine", "before-bare", "after-affine", "after-bare")


class TestLive:
    def test_a_line_an_arm_against_the_rate(self):
        accuracy = {
            f"{name}-relu": {0.1: 0.9, 1.0: 0.9 - 0.1 * place} for place, name in enumerate(CELLS)
        }
        (axes,) = placement_live.by_rate(accuracy, RELU).axes
        assert [points(line) for line in axes.lines] == [
            [(0.1, 10.0), (1.0, 10.0 + 10 * place)] for place in range(5)
        ]
        assert axes.lines[0].get_color() == ORANGE

    def test_the_winner_at_each_rate(self):
        accuracy = {"none-relu": {0.1: 0.9, 1.0: 0.1}, "after-bare-relu": {0.1: 0.8, 1.0: 0.7}}
        accuracy["none-tanh"] = {0.1: 1.0, 1.0: 1.0}
        found = placement_live.winners(accuracy, "relu")
        assert found == {0.1: "without BN", 1.0: "behind, bare"}

    def test_shares_add_up_and_what_lies_beyond_is_in_the_outermost_bins(self):
        found = placement_live.shares(np.array([[-9.0, 0.01], [0.02, 7.0]]))
        assert found.sum() == pytest.approx(1.0)
        assert (found[0], found[32], found[-1]) == (0.25, 0.5, 0.25)

    def test_each_position_has_inputs_curve_and_outputs(self):
        x = placement_live.middles()
        layer = placement_live.Seen(np.zeros(4), np.ones(4), np.maximum(x, 0))
        figure = placement_live.seen({"a": layer, "b": layer}, start=1, name="n", alt="a text")
        inputs, curve, outputs = figure.figure.data
        assert (inputs.y[32], outputs.y[40]) == (1.0, 1.0)
        assert curve.y[-1] == pytest.approx(x[-1] / 20, abs=1e-4)
        assert outputs.xaxis == "x2"
        assert [frame.name for frame in figure.figure.frames] == ["a", "b"]
        assert inputs.name == "above: mean 0.00, deviation 0.00"
        assert figure.figure.layout.sliders[0].active == 1
