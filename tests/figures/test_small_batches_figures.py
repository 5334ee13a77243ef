"""What is handed to matplotlib and plotly: each seed at its batch size, and nothing else."""

import json

import numpy as np
import pandas as pd
import pytest
from drawn import marks, points, said

from bnkit.figures import small_batches as figures
from bnkit.figures import small_batches_live as live
from bnkit.figures.style import BLUE, COLORS, FAINT, INK, ORANGE, PINK
from bnkit.rows import Row


def run(*accuracies, **others):
    return pd.DataFrame({"test_accuracy": accuracies} | others)


RUNS = {
    "batch-32": run(0.90, 0.92),
    "batch-2": run(0.50, 0.54),
    "group-2": run(0.88, 0.86),
    "none-2": run(0.8, 0.8),
    "batch-2-other": run(0.0, 0.0),
}


class TestBySize:
    def test_sizes_are_sorted_and_other_arms_left_out(self):
        found = figures.sizes_of(RUNS, "batch")
        assert list(found) == [2, 32]
        assert found[2].tolist() == pytest.approx([50, 54])

    def test_lines_join_means_and_gaps_are_of_paired_seeds(self):
        left, right = figures.by_size(RUNS, ("published", 2, 10.6)).axes
        assert np.allclose(points(marks(left, "None", BLUE)), [(2, 52), (32, 91)])
        assert np.allclose(points(marks(right, "o", PINK)), [(2, 38), (2, 32)])
        assert points(marks(right, "D", INK)) == [(2, 10.6)]
        assert said(left) == said(right) == []

    def test_without_records_only_the_published_number_is_drawn(self):
        left, right = figures.by_size({}, ("published", 2, 10.6)).axes
        assert said(left) == said(right) == ["not yet measured"]
        assert left.lines[:] == []
        assert points(marks(right, "D", INK)) == [(2, 10.6)]


def evaluated(usual, precise):
    columns = {"test_accuracy_moving@0.1": [usual] * 2, "test_accuracy_precise": [precise] * 2}
    return run(usual, usual, **columns)


EVALUATED = {"batch-2": evaluated(0.5, 0.8), "batch-32": evaluated(0.9, 0.91)}


class TestByStatistics:
    def test_excess_is_against_the_usual_evaluation_at_32(self):
        excess = figures.excess_errors(EVALUATED)
        assert list(excess.columns) == [2]
        assert excess.loc["moving@0.1", 2] == pytest.approx(40)
        assert excess.loc["precise", 2] == pytest.approx(10)
        assert "averaged" not in excess.index

    def test_a_bar_is_an_excess_and_a_line_a_kind(self):
        left, right = figures.by_statistics(EVALUATED).axes
        assert [bar.get_height() for bar in right.patches] == pytest.approx([40, 10])
        assert np.allclose(points(marks(left, "None", BLUE)), [(2, 80), (32, 91)])

    def test_without_records_both_panels_say_so(self):
        figure = figures.by_statistics({})
        assert [said(axes) for axes in figure.axes] == [["not yet measured"]] * 2
        assert figures.excess_errors({"batch-2": evaluated(0.5, 0.8)}).empty


def test_along_training_a_point_is_a_share_of_the_steps():
    values = {10: (0.2, 0.4), 100: (0.6, 0.8)}
    rows = [
        Row(seed, step, "test_accuracy_precise", of[seed], "fraction")
        for step, of in values.items()
        for seed in (0, 1)
    ]
    tables = {"batch-2": pd.DataFrame(rows)}
    left, right = figures.along_training(tables, (2, 8)).axes
    assert np.allclose(points(marks(left, "None", BLUE)), [(0.1, 30), (1.0, 70)])
    assert said(right) == ["not yet measured"]


class TestByMode:
    def test_each_mode_has_its_line_in_order_of_size(self):
        names = {"test_accuracy_batch@16": [0.8], "test_accuracy_batch@2": [0.4]}
        (axes,) = figures.by_mode({"batch": run(0.9, **names)}).axes
        assert np.allclose(points(marks(axes, "None", ORANGE)), [(2, 40), (16, 80)])
        assert marks(axes, "None", BLUE) == []

    def test_without_a_record_it_says_so(self):
        (axes,) = figures.by_mode({}).axes
        assert said(axes) == ["not yet measured"]


SCALED = {
    "none-64": run(0.9, 0.9, 0.9),
    "none-256": run(0.1, 0.88, 0.9),
    "none-256-unscaled": run(0.7, 0.8, 0.8),
    "none-8": run(0.86, 0.87, 0.88),
}


class TestScaled:
    def test_lines_join_medians_and_the_tuned_size_belongs_to_both(self):
        left, right = figures.scaled(SCALED).axes
        full, dashed = (points(marks(left, "None", c)) for c in (COLORS["none"], FAINT))
        assert np.allclose(full, [(8, 87), (64, 90), (256, 88)])
        assert np.allclose(dashed, [(64, 90), (256, 80)])
        assert said(right) == ["not yet measured"]

    def test_failed_seeds_are_counted(self):
        table = figures.failures(SCALED)
        assert list(table.columns) == [8, 64, 256]
        assert table.loc["without BN, rate in proportion"].tolist() == ["0", "0", "1"]
        assert table.loc["without BN, rate unchanged", 8] == ""
        assert list(figures.failures({}).columns) == ["not yet measured"]

    def test_the_spread_leaves_out_sizes_at_which_a_seed_failed(self):
        diverged = SCALED | {"none-512": run(0.1, 0.1, 0.9)}
        assert figures.spread(diverged, "none") == "3.0"
        assert figures.spread(SCALED, "batch") == "not yet measured"


ERRORS = {
    f"{name}_error@{bits}": [1e-16, 3e-16]
    for name in ("output", "dx", "dgamma", "running_var")
    for bits in (64, 32)
}
IDS = {"process_id_1": [42.0, 7.0], "process_id_0": [41.0, 6.0], "distinct_processes": [2.0, 2.0]}
SHARED = {"even": pd.DataFrame(ERRORS | IDS | {"output_error_alone": [0.5, 0.25]})}


class TestShared:
    def test_the_largest_error_of_all_seeds_is_shown(self):
        table = figures.shared(SHARED, {"even": "4 + 4", "four": "5 + 3"})
        assert table.loc["4 + 4", "dx"] == "3e-16"
        assert table.loc["4 + 4"].iloc[-1] == "0.5"
        assert set(table.loc["5 + 3"]) == {"not yet measured"}

    def test_ids_are_those_of_one_run_in_order_of_rank(self):
        table = figures.process_ids(SHARED, {"even": "4 + 4", "four": "5 + 3"})
        assert table.loc["4 + 4"].tolist() == ["41, 42", "2"]
        assert table.loc["5 + 3"].tolist() == ["not yet measured", ""]


class TestLive:
    @pytest.mark.parametrize("size", [3, 4, 5, 16, 64])
    def test_the_density_is_one_with_mean_square_one(self, size):
        edge = np.sqrt(size - 1)
        angle = np.linspace(-np.pi / 2, np.pi / 2, 20_001)  # t = edge sin(angle): no infinite end
        t, dt = edge * np.sin(angle), edge * np.cos(angle)
        inner = slice(1, -1)
        weights = live.density(t[inner], size) * dt[inner]
        for power, moment in ((0, 1.0), (2, 1.0)):
            total = np.trapezoid(weights * t[inner] ** power, angle[inner])
            assert total == pytest.approx(moment, abs=2e-3)

    def test_four_values_are_uniform_and_many_are_normal(self):
        assert live.density([-1.7, 0.0, 1.7], 4) == pytest.approx([12**-0.5] * 3)
        assert live.density([1.8], 4) == 0
        assert live.density([0.0], 10_000) == pytest.approx((2 * np.pi) ** -0.5, rel=1e-3)

    @pytest.mark.parametrize("size", [2, 3, 5, 12])
    def test_the_mean_of_a_relu_is_that_of_drawn_batches(self, size):
        x = np.random.default_rng(0).standard_normal((100_000, size))
        x_hat = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
        assert live.mean_of_relu(size) == pytest.approx(np.maximum(x_hat, 0).mean(), abs=2e-3)

    def test_positions_have_both_panels_and_two_has_no_curve(self):
        of_sizes = [live.OfSize(m, np.array([-1.0, 1.0]), np.sign(live.VALUES)) for m in (2, 4)]
        shown = live.normalized(of_sizes, start=1, name="sizes")
        frames = shown.figure.frames
        assert [frame.name for frame in frames] == ["2", "4"]
        assert [curve.xaxis for curve in frames[0].data[3:]] == ["x2", "x2"]
        assert np.isnan(frames[0].data[1].y).all()
        inside = np.abs(frames[1].data[1].x) < 1.7
        assert np.asarray(frames[1].data[1].y)[inside] == pytest.approx(12**-0.5, abs=1e-3)
        assert np.asarray(frames[0].data[4].y) == pytest.approx(live.VALUES)
        json.dumps(shown._repr_mimebundle_()["application/vnd.plotly.v1+json"], allow_nan=False)
