"""What is handed to matplotlib and plotly: every seed, its part and place, and nothing made up."""

import numpy as np
import pandas as pd
import pytest

from bnkit.figures import shift
from bnkit.figures.style import BLUE, COLORS, INK, ORANGE
from bnkit.rows import Row

STEPS = (0, 20, 40)


def rows(name, values, steps=STEPS):
    """One list a seed."""
    return [
        Row(seed, step, name, value, "1")
        for seed, curve in enumerate(values)
        for step, value in zip(steps, curve, strict=True)
    ]


def table(*parts):
    return pd.DataFrame([row for part in parts for row in part], columns=Row._fields)


def last(name, values):
    return rows(name, [[value] for value in values], steps=(40,))


def lines(axes, color):
    return [line for line in axes.lines if line.get_color() == color and len(line.get_xdata())]


def data(line):
    return np.asarray(line.get_xydata(), dtype=float).tolist()


class TestBias:
    grown = table(last("bias_size@10", [1.0, 2.0]), last("bias_size@5", [0.5, 1.5]))
    still = table(last("bias_size@5", [0.0]), last("bias_size@10", [0.0]))

    def test_sizes_have_a_row_a_step_in_order_and_a_column_a_seed(self):
        sizes = shift.bias_sizes(self.grown)
        assert sizes.index.tolist() == [5, 10]
        assert sizes.to_numpy().tolist() == [[0.5, 1.5], [1.0, 2.0]]

    def test_every_seed_of_both_gradients_is_drawn(self):
        (axes,) = shift.bias_growth({"stopped": self.grown, "through": self.still}).axes
        found = [data(line) for line in lines(axes, ORANGE)]
        assert found == [[[5, 0.5], [10, 1.0]], [[5, 1.5], [10, 2.0]]]
        assert [data(line) for line in lines(axes, BLUE)] == [[[5, 0], [10, 0]]]


def drifts(factor):
    """The drift is 1 to 6 times the factor in seed 0, and twice that in seed 1."""
    names = [f"preactivation_drift_{u}{p}" for u in shift.DRIFTS for p in shift.PARTS]
    return table(*(last(name, [factor * i, 2 * factor * i]) for i, name in enumerate(names, 1)))


NETS = {"none": drifts(10.0), "batch": drifts(1.0)}


class TestDriftParts:
    def test_each_part_of_each_net_has_its_seeds_and_their_mean(self):
        raw, scaled = shift.drift_parts(NETS).axes
        dots, means = lines(raw, COLORS["none"])[::2], lines(raw, COLORS["none"])[1::2]
        assert [line.get_ydata().tolist() for line in dots] == [[10, 20], [20, 40], [30, 60]]
        assert [line.get_ydata()[0] for line in means] == [15, 30, 45]
        assert lines(scaled, COLORS["batch"])[0].get_ydata().tolist() == [4, 8]
        labels = [label.get_text() for label in raw.get_xticklabels()]
        assert labels == ["whole", "own weights", "earlier layers"]

    def test_the_table_has_the_means_over_seeds(self):
        found = shift.mean_parts(NETS)
        assert found["none"].tolist() == [15, 30, 45, 60, 75, 90]
        assert found["batch"].tolist() == [1.5, 3, 4.5, 6, 7.5, 9]
        assert found.index[2] == ("raw", "earlier layers")

    def test_what_is_not_recorded_is_said_and_not_drawn(self):
        for axes in shift.drift_parts({}).axes:
            assert [text.get_text() for text in axes.texts] == ["not recorded yet"]
            assert not axes.lines
        assert shift.mean_parts({"none": drifts(1.0)})["batch"].isna().all()
        for axes in shift.resting_layers({}).axes:
            assert [text.get_text() for text in axes.texts] == ["not recorded yet"]


def accuracy(*seeds):
    return table(rows("test_accuracy", seeds))


def test_layers_that_rest_and_layers_that_move_have_their_own_colors():
    still, moving = accuracy([0.1, 0.5, 0.6]), accuracy([0.1, 0.2, 0.9], [0.1, 0.4, 0.7])
    tables = {"none-copied": moving, "none-copied-frozen": still}
    axes, other = shift.resting_layers(tables).axes
    assert [text.get_text() for text in other.texts] == ["not recorded yet"]
    assert lines(axes, INK)[0].get_ydata().tolist() == [0.1, 0.5, 0.6]
    assert axes.get_xlim()[0] == 0  # there are no negative steps
    *seeds, median = lines(axes, ORANGE)
    assert len(seeds) == 2
    np.testing.assert_allclose(median.get_ydata(), [0.1, 0.3, 0.8])


def test_the_table_of_starts_has_rate_median_steps_and_accuracy():
    tables = {"none-copied": accuracy([0.1, 0.7, 0.9], [0.1, 0.2, 0.7])}
    tables["batch-frozen-earlier"] = accuracy([0.1, 0.2, 0.3])
    found = shift.resting_table(tables, {"none-copied": 0.3, "batch-frozen-earlier": 3.0}, 0.7)
    assert found.to_dict("index") == {
        "copied layers move, without BN": {
            "tuned rate": "0.3", "median steps": "30", "accuracy": "80.0 %",
        },
        "layers rest where they began, with BN": {
            "tuned rate": "3", "median steps": "never", "accuracy": "30.0 %",
        },
    }  # fmt: skip


def test_the_slider_shows_every_seed_of_a_dose_over_those_of_the_plain_net():
    plain = accuracy([0.1, 0.6, 0.7])
    doses = {
        0.0: accuracy([0.1, 0.8, 0.9]),
        0.5: accuracy([0.1, 0.7, 0.8], [0.1, 0.5, 0.6]),
    }
    figure = shift.dose_slider(doses, plain, drifts={0.0: 0.19, 0.5: 6.36}, target=0.65).figure
    assert [frame.name for frame in figure.frames] == [
        "0, drift 0.19 × plain", "0.5, drift 6.4 × plain",
    ]  # fmt: skip
    assert figure.layout.sliders[0].active == 1  # the paper's dose
    reference, _, seeds, median, level = figure.frames[1].data
    assert level.y == (0.65, 0.65)
    # Step 0 has no place on a logarithmic axis; a gap ends each seed.
    assert reference.y == (0.6, 0.7, None)
    assert seeds.x == (20, 40, None, 20, 40, None)
    assert seeds.y == (0.7, 0.8, None, 0.5, 0.6, None)
    assert median.y == (0.6, 0.7)
    assert figure.layout.xaxis.type == "log"


class TestDoseResponse:
    runs = pd.DataFrame(
        [
            ("none", 0.0, 0.80, 90.0),
            ("none", 2.0, 0.50, np.inf),
            ("noisy", 0.0, 0.90, 40.0),
            ("noisy", 2.0, 0.70, 300.0),
            ("noisy", 2.0, 0.60, np.inf),
            ("noisy", 2.0, 0.80, 500.0),
            ("absolute", 2.0, 0.75, 120.0),
        ],
        columns=["net", "dose", "test_accuracy", "steps"],
    )

    def test_each_run_is_a_dot_at_its_dose_and_medians_are_joined(self):
        left, _ = shift.dose_response(self.runs, budget=1000).axes
        dots, medians = lines(left, BLUE)
        assert dots.get_ydata().tolist() == [0.9, 0.7, 0.6, 0.8]
        assert np.round(dots.get_xdata()).tolist() == [0, 1, 1, 1]
        assert medians.get_ydata().tolist() == [0.9, 0.7]
        assert [label.get_text() for label in left.get_xticklabels()] == ["0", "2"]

    def test_a_run_that_never_arrives_is_a_cross_above_the_budget(self):
        _, right = shift.dose_response(self.runs, budget=1000).axes
        crosses = [line for line in right.lines if line.get_marker() == "x"]
        heights = [y for line in crosses for y in line.get_ydata()]
        assert len(heights) == 2
        assert min(heights) > 1000
        dots = next(line for line in lines(right, BLUE) if line.get_marker() == "o")
        assert dots.get_ydata().tolist() == [40, 300, 500]

    def test_the_level_is_that_of_the_plain_net_without_noise(self):
        panels = shift.dose_response(self.runs, budget=1000).axes
        for axes, level in zip(panels, (0.8, 90), strict=True):
            assert axes.lines[0].get_linestyle() == "--"
            assert axes.lines[0].get_ydata()[0] == level


def net(prefix, scale):
    """Shifts of layers 9 and 17 whose geometric mean is 4 times `scale`, cosines with mean 1/2."""
    return [
        *rows(f"{prefix}9_l2", [[2 * scale] * 3]),
        *rows(f"{prefix}17_l2", [[8 * scale] * 3]),
        *rows(f"{prefix}9_cosine", [[1.0] * 3]),
        *rows(f"{prefix}17_cosine", [[0.0] * 3]),
    ]


def test_each_layer_has_its_shift_above_its_cosine():
    tables = {"none": table(net("shift-", 1.0)), "batch": table(net("shift-", 100.0))}
    figure = shift.gradient_shift(tables, layers=(9, 17))
    nine, seventeen, nine_cosine, seventeen_cosine = figure.axes
    assert [nine.get_title(), seventeen.get_title()] == ["layer 9", "layer 17"]
    assert data(lines(nine, COLORS["batch"])[-1]) == [[0, 200], [20, 200], [40, 200]]
    assert lines(seventeen, COLORS["none"])[-1].get_ydata().tolist() == [8, 8, 8]
    assert lines(nine_cosine, COLORS["none"])[-1].get_ydata().tolist() == [1, 1, 1]
    assert lines(seventeen_cosine, COLORS["none"])[-1].get_ydata().tolist() == [0, 0, 0]
    assert nine.get_yscale() == "log"
    assert nine_cosine.get_xlim()[0] == 0  # initialization is shown


def test_layers_are_means_over_training_geometric_for_the_shift():
    uneven = table(
        rows("shift-2_l2", [[1.0, 1.0, 8.0]]),
        rows("shift-2_cosine", [[1.0, 1.0, 1.0]]),
        rows("shift-9_l2", [[1.0, 10.0, 100.0]]),
        rows("shift-9_cosine", [[1.0, 0.0, 0.5]]),
    )
    left, right = shift.by_layer({"none": uneven}, layers=(2, 9)).axes
    np.testing.assert_allclose(data(lines(left, COLORS["none"])[-1]), [[2, 2], [9, 10]])
    np.testing.assert_allclose(data(lines(right, COLORS["none"])[-1]), [[2, 1], [9, 0.5]])


def test_matched_steps_have_a_column_a_kind_with_the_mean_over_layers():
    scales = {"raw": 100.0, "matched_step": 10.0, "matched_decrease": 1.0}
    parts = [net(f"none-{kind}-", 1.0) for kind in scales]
    parts += [net(f"batch-{kind}-", scale) for kind, scale in scales.items()]
    figure = shift.matched(table(*parts), layers=(9, 17))
    above, below = figure.axes[:3], figure.axes[3:]
    assert [axes.get_title() for axes in above] == list(shift.STEPS.values())
    for axes, scale in zip(above, scales.values(), strict=True):
        np.testing.assert_allclose(lines(axes, COLORS["batch"])[-1].get_ydata(), 4 * scale)
        np.testing.assert_allclose(lines(axes, COLORS["none"])[-1].get_ydata(), 4.0)
    for axes in below:
        np.testing.assert_allclose(lines(axes, COLORS["batch"])[-1].get_ydata(), 0.5)


def test_a_metric_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no metric 'shift-3_l2'"):
        shift.gradient_shift({"none": table(net("shift-", 1.0))}, layers=(3,))
