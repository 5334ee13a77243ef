"""What the figures of the chapter on smoothness hand to matplotlib and plotly."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from bnkit.figures import (
    findings,
    smoothness,
    smoothness_explorer,
    smoothness_ratios,
    smoothness_theory,
    smoothness_words,
)
from bnkit.figures.style import BLUE, COLORS, FAINT, GREEN, INK, ORANGE


def table(**curves):
    """name -> {seed: {step: value}} as rows."""
    rows = [
        (seed, step, name, value, "1")
        for name, seeds in curves.items()
        for seed, curve in seeds.items()
        for step, value in curve.items()
    ]
    return pd.DataFrame(rows, columns=["seed", "step", "name", "value", "unit"])


def ending(**finals):
    """name -> values of seeds 0, 1, ... at step 10."""
    return table(**{n: {s: {10: v} for s, v in enumerate(vs)} for n, vs in finals.items()})


def texts(axes):
    return [text.get_text() for text in axes.texts]


def verdict(low, high):
    return SimpleNamespace(low=low, high=high)


# ---------------------------------------------------------------------------------------- curves


def test_every_seed_its_band_and_the_median_are_drawn_and_counted():
    rows = table(loss={0: {0: 1.0, 10: 4.0}, 1: {0: 3.0, 10: 8.0}, 2: {0: 2.0, 10: 5.0}})
    (axes,) = smoothness.along_training({"batch": rows}, {"loss": "the loss"}).axes
    *seeds, median = axes.lines
    assert [line.get_ydata().tolist() for line in seeds] == [[1, 4], [3, 8], [2, 5]]
    np.testing.assert_array_equal(median.get_xydata(), [[0, 2], [10, 5]])
    assert median.get_label() == "with BN, n = 3"
    (band,) = axes.collections
    ends = band.get_paths()[0].get_extents()
    assert (ends.y0, ends.y1) == (1, 8)
    assert axes.get_xlabel() == "steps, of 10"
    assert axes.get_yscale() == "log"


def test_bn_at_the_plain_rate_is_dashed_and_says_so():
    rows = table(loss={0: {0: 1.0, 10: 4.0}, 1: {0: 3.0, 10: 8.0}})
    tables = {"batch": rows, "batch@none": rows}
    (axes,) = smoothness.along_training(tables, {"loss": "loss"}, linear=("loss",)).axes
    looks = {line.get_label(): line.get_linestyle() for line in axes.lines}
    assert looks["with BN, n = 2"] == "-"
    assert looks["with BN, plain rate, n = 2"] == "--"
    assert axes.get_yscale() == "linear"


def test_a_value_that_is_not_finite_leaves_a_gap():
    rows = table(loss={0: {0: 1.0, 10: np.inf}, 1: {0: 3.0, 10: 8.0}})
    (axes,) = smoothness.along_training({"none": rows}, {"loss": "loss"}).axes
    assert np.isnan(axes.lines[0].get_ydata()[1])
    assert axes.lines[-1].get_ydata()[1] == 8


@pytest.mark.parametrize(
    "draw",
    [
        lambda: smoothness.along_training({}, {"a": "A", "b": "B"}),
        lambda: smoothness.along_training({"none": ending(c=[1, 2])}, {"a": "A"}),
        lambda: smoothness.edges({}),
        lambda: smoothness.spectra({}, num_weights=10),
        lambda: smoothness.by_level({}, {"a": "A"}, x_label="x"),
        lambda: smoothness_ratios.ratios({}, {"net": {"one": ("none", "batch")}}, {"a": "A"}),
        lambda: smoothness.dots({"A": {"row": ()}}),
    ],
)
def test_what_is_not_recorded_says_so_in_every_panel(draw):
    figure = draw()
    assert all("not yet measured" in texts(axes) for axes in figure.axes)
    figure.canvas.draw()


def test_the_edge_of_each_rate_is_a_line_at_two_over_it():
    rows = table(hessian_1={0: {0: 1.0, 10: 19.0}, 1: {0: 2.0, 10: 21.0}})
    plain, bn = smoothness.edges({"none@0.1": rows, "batch@0.1": rows, "batch@0.2": rows}).axes
    levels = [
        [line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1]
        for axes in (plain, bn)
    ]
    assert levels == [[20.0], [20.0, 10.0]]
    labels = [line.get_label() for line in bn.lines]
    assert "rate 0.2, n = 2" in labels
    assert sorted(tick.get_text() for tick in plain.get_yticklabels()) == ["10", "20"]
    (legend,) = plain.figure.legends  # above the panels, where it hides no curve
    assert len(legend.get_texts()) == 2
    assert bn.get_legend() is None


def test_the_ends_of_an_axis_of_steps_point_inwards():
    rows = table(loss={0: {0: 1.0, 12_000: 4.0}})
    (axes,) = smoothness.along_training({"none": rows}, {"loss": "L"}, from_zero=False).axes
    found = [(tick.get_text(), tick.get_ha()) for tick in axes.get_xticklabels()]
    assert found == [("0", "left"), ("6,000", "center"), ("12,000", "right")]


def test_a_zoomed_axis_leaves_out_the_lowest_twentieth_of_the_values():
    rows = table(loss={0: {step: float(step) for step in range(101)}})
    how = {"linear": ("loss",), "from_zero": False}
    (all_of_it,) = smoothness.along_training({"none": rows}, {"loss": "L"}, **how).axes
    (axes,) = smoothness.along_training({"none": rows}, {"loss": "L"}, zoomed=("loss",), **how).axes
    assert all_of_it.get_ylim()[0] < 0
    assert axes.get_ylim()[0] == pytest.approx(5)


# ---------------------------------------------------------------------------------------- ratios

PAIRS = {"net": {"tuned rates": ("none", "batch")}}


def test_a_ratio_is_paired_by_seed_and_its_mean_is_geometric():
    tables = {"none": ending(x=[2.0, 8.0]), "batch": ending(x=[1.0, 1.0])}
    found = smoothness_ratios.ratio(tables, "none", "batch", "x")
    assert found.values.tolist() == [2.0, 8.0]
    assert found.effect == pytest.approx(4)
    # log 2 and log 8: mean log 4, standard error log 2; Student's t on 1 degree is 12.706.
    assert found.high == pytest.approx(4 * 2**12.7062047, rel=1e-6)
    assert found.low * found.high == pytest.approx(16)


def test_seeds_that_one_arm_lacks_are_left_out():
    tables = {"none": ending(x=[2.0, 6.0, 9.0]), "batch": ending(x=[1.0, 2.0])}
    assert smoothness_ratios.ratio(tables, "none", "batch", "x").values.tolist() == [2.0, 3.0]
    assert smoothness_ratios.ratio(tables, "none", "layer", "x") is None
    assert smoothness_ratios.ratio(tables, "none", "batch", "y") is None


def test_a_seed_without_a_finite_ratio_makes_the_interval_infinite():
    tables = {"none": ending(x=[np.inf, 6.0]), "batch": ending(x=[1.0, 2.0])}
    found = smoothness_ratios.ratio(tables, "none", "batch", "x")
    assert (found.low, found.high, found.word) == (0.0, np.inf, "either")
    axes = smoothness_ratios.ratios(tables, PAIRS, {"x": "X"}).axes[0]
    assert "1 of 2 not finite" in texts(axes)


def test_the_tally_counts_the_intervals_on_each_side_of_one():
    none = ending(x=[2.0, 2.1, 2.2], y=[0.1, 0.11, 0.12], z=[0.5, 1.0, 2.0])
    tables = {"none": none, "batch": ending(x=[1.0] * 3, y=[1.0] * 3, z=[1.0] * 3)}
    text = smoothness_ratios.tally(tables, PAIRS, ["x", "y", "z", "absent"])
    counts = "1 smoother with BN, 1 rougher with BN, 1 not distinguishable"
    assert text == f"of 3 ratios {counts}"
    assert smoothness_ratios.tally({}, PAIRS, ["x"]) == "not yet measured"


def test_a_ratio_that_repeats_another_of_the_same_arms_does_not_count():
    none = ending(x=[2.0, 2.1, 2.2], y=[2.0, 2.1, 2.2], z=[4.0, 4.1, 4.2])
    tables = {"none": none, "batch": ending(x=[1.0] * 3, y=[1.0] * 3, z=[1.0] * 3)}
    tables |= {"none@1": none, "batch@1": tables["batch"]}
    assert smoothness_ratios.tally(tables, PAIRS, ["x", "y", "z"]).startswith("of 2 ratios 2 ")
    both = {"net": PAIRS["net"] | {"one rate": ("none@1", "batch@1")}}
    assert smoothness_ratios.tally(tables, both, ["x", "y", "z"]).startswith("of 4 ratios 4 ")
    metrics = {"x": "X", "y": "Y", "z": "Z"}
    (axes,) = smoothness_ratios.matrix(tables, PAIRS, metrics).axes
    assert [text.get_color() for text in axes.texts] == [INK, FAINT, INK]
    colors = [to_hex(patch.get_facecolor()) for patch in axes.patches]
    assert colors == [BLUE, "#ffffff", BLUE]


def test_a_comparison_has_one_color_in_all_panels_and_in_the_legend():
    tables = {"none": ending(x=[2.0, 3.0]), "batch": ending(x=[1.0, 1.0])}
    arms = ("none", "batch")
    pairs = {"one": {"tuned rates": arms, "one rate": arms}, "other": {"one rate": arms}}
    figure = smoothness_ratios.ratios(tables, pairs, {"x": "X"})
    dots = [[d.get_color() for d in a.lines if d.get_marker() == "o"] for a in figure.axes]
    assert dots == [[INK, GREEN], [GREEN]]
    (legend,) = figure.legends
    shown = {
        t.get_text(): h.get_color() for t, h in zip(legend.texts, legend.get_lines(), strict=True)
    }
    assert shown == {"tuned rates": INK, "one rate": GREEN}


def test_a_ratio_is_written_with_its_interval():
    found = smoothness_ratios.Ratio(np.ones(2), 1.5, 0.5, np.inf)
    assert smoothness_ratios.text(found) == "1.5 [0.5, ∞]"
    assert smoothness_ratios.text(None) == "not yet measured"


def test_a_field_of_the_matrix_has_the_ratio_and_the_color_of_its_side():
    none = ending(x=[8.0, 8.1, 8.2], y=[0.1, 0.11, 0.12], z=[0.5, 1.0, 2.0])
    tables = {"none": none, "batch": ending(x=[1.0] * 3, y=[1.0] * 3, z=[1.0] * 3)}
    pairs = {"net": {"tuned": ("none", "batch"), "one rate": ("none", "batch@none")}}
    metrics = {"x": "first", "y": "second", "z": "third", "absent": "fourth"}
    judged = {("y", frozenset({"batch", "none"}))}
    (axes,) = smoothness_ratios.matrix(tables, pairs, metrics, judged=judged).axes
    assert texts(axes) == ["8.1", "0.11", "1", ""] + ["not yet measured"] * 3 + [""]
    assert [text.get_weight() for text in axes.texts[:3]] == ["normal", "bold", "normal"]
    colors = [to_hex(patch.get_facecolor()) for patch in axes.patches]
    assert colors == [BLUE, ORANGE, FAINT] + ["#ffffff"] * 5
    assert [patch.get_xy() for patch in axes.patches[3:5]] == [(0, 3), (1, 0)]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["net\ntuned", "net\none rate"]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(metrics.values())
    assert axes.get_ylim() == (4, 0)
    (nothing,) = smoothness_ratios.matrix({}, pairs, metrics).axes
    assert texts(nothing) == ["not yet measured"] * 8


def test_rows_stand_from_the_top_with_lines_at_one_and_at_the_thresholds():
    tables = {"none": ending(x=[2.0, 3.0], y=[4.0, 4.0]), "batch": ending(x=[1.0, 1.0], y=[1, 1])}
    metrics = {"x": "first", "y": "second"}
    axes = smoothness_ratios.ratios(tables, PAIRS, metrics, thresholds=(2,)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert axes.get_ylim() == (1.5, -0.5)
    upright = [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [0, 1]]
    assert upright[:2] == [1, 2]
    dots = {
        line.get_ydata()[0]: sorted(line.get_xdata())
        for line in axes.lines
        if line.get_marker() == "o"
    }
    assert dots == {0.0: [2.0, 3.0], 1.0: [4.0, 4.0]}


# ------------------------------------------------------------------------------ one number a seed


def test_dots_mark_the_median_and_count_what_is_not_finite():
    groups = {"a": [1.0, 2.0, 9.0], "b": [1.0, np.inf, np.inf], "c": ()}
    (axes,) = smoothness.dots({"loss": groups}, logarithmic=("loss",)).axes
    assert texts(axes) == ["2 of 3 never", "not yet measured"]
    bars = [line.get_xdata()[0] for line in axes.lines if list(line.get_ydata()) == [-0.3, 0.3]]
    assert bars == [2.0]
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]


def test_a_value_beyond_the_axis_is_an_arrow_with_its_number():
    groups = {"a": [0.1, 0.88, 0.9], "b": [0.9, 0.91, 0.99]}
    limits = {"accuracy": (0.86, 0.92)}
    (axes,) = smoothness.dots({"accuracy": groups}, limits=limits).axes
    assert axes.get_xlim() == (0.86, 0.92)
    arrows = [(text.get_text(), text.xy, text.get_ha()) for text in axes.texts]
    assert arrows == [("0.1", (0, 0), "left"), ("0.99", (1, 1), "right")]
    dots = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"]
    assert dots == [[0.88, 0.9], [0.9, 0.91]]


def test_what_became_of_a_seed_is_told_where_there_are_no_dots():
    groups = {"a": [1.0, 9.0, np.nan], "b": [8.0, 9.0, np.inf]}
    (axes,) = smoothness.dots({"loss": groups}, infinite="diverged").axes
    told = [(text.get_text(), text.get_position()[0]) for text in axes.texts]
    assert told == [("1 of 3 diverged", 0.99), ("1 of 3 diverged", 0.03)]
    bars = [line.get_xdata()[0] for line in axes.lines if 0 < np.ptp(line.get_ydata()) < 1]
    assert bars == [5.0, 9.0]  # what is unknown is left out, what is infinite is the largest


def test_levels_have_dots_of_seeds_and_a_line_of_medians_without_the_infinite():
    never, other = [np.inf, np.inf], [7.0, 7.0]
    names = {"top_none@2": [1.0, 3.0], "top_none@4": never, "top_none_at_1@2": other}
    rows = ending(**names)
    (axes,) = smoothness.by_level({"none": (rows, "_none")}, {"top": "T"}, x_label="depth").axes
    *seeds, median = axes.lines
    assert [line.get_ydata()[0] for line in seeds] == [1.0, 3.0]
    np.testing.assert_array_equal(median.get_xydata(), [[2, 2], [4, np.nan]])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4"]
    assert median.get_label() == "without BN, n = 2"


def test_the_spectrum_counts_from_the_largest_eigenvalue_down():
    rows = ending(
        density_node_1=[0.5], density_node_2=[5.0], density_node_10=[50.0],
        density_weight_1=[0.7], density_weight_2=[0.2], density_weight_10=[0.1],
    )  # fmt: skip
    looks = {"none": (BLUE, "plain, rate 0.1")}
    (axes,) = smoothness.spectra({"none": rows}, num_weights=20, looks=looks).axes
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xydata(), [[50, 0.1], [5, 0.3], [0.5, 1.0]])
    assert line.get_label() == "plain, rate 0.1, n = 1"
    assert axes.get_ylim()[0] == pytest.approx(1 / 20)  # the share of one eigenvalue


# ----------------------------------------------------------------------------------------- theory


def test_the_ceiling_is_one_over_the_length():
    lengths = np.array([0.01, 0.1, 1.0])
    quotients = {"batch": np.array([5.0, 4.0, 1.0])}
    (axes,) = smoothness_theory.by_length(lengths, quotients, {"batch": 6.0}).axes
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(lines["1 / length"].get_ydata(), [100, 10, 1])
    np.testing.assert_allclose(lines["with BN"].get_ydata(), [5, 4, 1])
    dotted = [line.get_ydata() for line in axes.lines if line.get_linestyle() == ":"]
    assert list(dotted[0]) == [6.0, 6.0]


def test_a_left_side_above_the_diagonal_lies_in_the_shaded_part():
    left = np.array([0.2, 0.5])
    sides = {"wrong": np.array([-1.0, 0.1]), "right": left}
    (axes,) = smoothness_theory.bound_sides(left, sides).axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_allclose(lines["wrong"], [[-1, 0.2], [0.1, 0.5]])
    np.testing.assert_allclose(lines["equal"], [[-1, -1], [1, 1]])
    (shaded,) = axes.collections
    outline = shaded.get_paths()[0]
    assert outline.contains_points(lines["wrong"]).all()
    assert not outline.contains_point((0.9, 0.5))


def test_longer_gradients_have_the_color_of_warning_and_the_bound_is_one_over_the_spread():
    spread, relative = np.array([0.5, 2.0]), np.array([1.5, 0.4])
    (axes,) = smoothness_theory.lengths_by_spread(spread, relative).axes
    longer, shorter, bound, _ = axes.lines
    assert longer.get_xydata().tolist() == [[0.5, 1.5]]
    assert (longer.get_color(), shorter.get_color()) == (COLORS["none"], BLUE)
    np.testing.assert_allclose(bound.get_xydata(), [[0.5, 2.0], [2.0, 0.5]])


# --------------------------------------------------------------------------------------- explorer


@pytest.fixture
def maps():
    axis = np.linspace(-1.0, 1.0, 3)
    steps = np.array([0, 1, 5])
    path = np.array([[-0.8, -0.2], [-0.3, 0.1], [0.0, 0.0]])
    losses = {step: np.full((3, 3), 10.0**-number) for number, step in enumerate((0, 5))}
    one = smoothness_explorer.Map(steps, path, axis, axis, losses, {0: 1.0, 5: 0.1})
    return {"none": one, "batch": one}


def explored(maps):
    return smoothness_explorer.explorer(maps, np.geomspace(0.5, 5, 4), start=1, name="m", alt="a")


def test_the_slider_has_the_steps_and_each_position_both_nets(maps):
    figure = explored(maps).figure
    assert [frame.name for frame in figure.frames] == ["0", "5"]
    assert figure.layout.sliders[0].active == 1
    kinds = [(trace.type, trace.xaxis) for trace in figure.frames[0].data]
    assert kinds == [("contour", None), *[("scatter", None)] * 4,
                     ("contour", "x2"), *[("scatter", "x2")] * 4]  # fmt: skip


def test_the_path_so_far_ends_at_the_dot_whose_label_has_the_loss(maps):
    first, last = explored(maps).figure.frames
    _, whole, edge, so_far, dot = first.data[:5]
    assert (len(whole.x), len(edge.x), len(so_far.x)) == (3, 1, 1)
    assert (edge.line.color, so_far.line.color) == ("white", COLORS["none"])
    assert edge.line.width > so_far.line.width  # or it cannot be seen on a map of its color
    assert (dot.x[0], dot.y[0], dot.name) == (-0.8, -0.2, "without BN, loss 1")
    assert len(last.data[3].x) == 3
    assert last.data[9].name == "with BN, loss 0.1"


def test_side_by_side_the_maps_share_one_scale_and_on_a_phone_each_has_its_own(maps):
    found = explored(maps)
    assert found.figure.layout.yaxis2.showticklabels is False
    assert found.narrow["yaxis2.showticklabels"] is True


def test_colors_are_logarithms_within_the_levels(maps):
    figure = explored(maps).figure
    shown = [frame.data[0].z[0][0] for frame in figure.frames]
    np.testing.assert_allclose(shown, [0.0, np.log10(0.5)], atol=0.005)  # 0.1 is cut off at 0.5
    assert figure.layout.coloraxis.cmax == pytest.approx(np.log10(5))
    assert figure.layout.yaxis2.scaleanchor == "x2"


# ------------------------------------------------------------------------------------------ words


@pytest.mark.parametrize(
    ("low", "high", "plain_over_bn", "bn_over_plain"),
    [
        (1.1, 2.0, "smoother with BN", "rougher with BN"),
        (0.0, 0.9, "rougher with BN", "smoother with BN"),
        (0.9, np.inf, "not told apart", "not told apart"),
    ],
)
def test_the_word_says_which_net_is_smoother(low, high, plain_over_bn, bn_over_plain):
    judged = verdict(low, high)
    assert smoothness_words.smoother(judged) == plain_over_bn
    assert smoothness_words.smoother(judged, of_batch=True) == bn_over_plain
    assert smoothness_words.smoother(None) == "not yet measured"


def test_text_is_the_median_or_says_that_there_is_none():
    rows = ending(x=[0.1, 0.7, 0.3])
    assert smoothness_words.text_of(findings.final(rows, "x"), "{} %", scale=100) == "30 %"
    assert smoothness_words.text_of(findings.final(None, "x")) == "not yet measured"
    assert smoothness_words.text_of(findings.final(rows, "y")) == "not yet measured"


def test_a_rate_is_named_and_one_that_is_not_tuned_is_not(tmp_path, monkeypatch):
    assert smoothness_words.rate_of("edge_of_stability", "batch@0.2") == "0.2"
    monkeypatch.setattr("bnkit.places.records", lambda: tmp_path)
    assert smoothness_words.rate_of("landscape", "none") == "not yet measured"


def test_an_eigenvalue_stands_in_units_of_one_over_its_rate():
    tables = {"batch@0.2": ending(top=[10.0, 9.0, 12.0], late=[5.0, 5.0, 20.0])}
    arms = {"with BN": ("edge_of_stability", "batch@0.2")}
    arms["slow"] = ("deep_linear_landscape", "none@1e-07")
    windows = {"top": "all", "late": "second half"}
    found = smoothness_words.times_rate(tables, arms, windows)
    assert found.loc["with BN"].tolist() == ["0.2", "2.00", "1.00"]
    assert found.loc["slow"].tolist() == ["10⁻⁷"] + ["not yet measured"] * 2
    assert found.columns.tolist() == ["rate", "all", "second half"]


def test_an_arm_without_a_tuned_rate_has_no_eigenvalue_in_its_unit(tmp_path, monkeypatch):
    monkeypatch.setattr("bnkit.places.records", lambda: tmp_path)
    tables = {"none": ending(top=[10.0])}
    found = smoothness_words.times_rate(tables, {"plain": ("landscape", "none")}, {"top": "all"})
    assert found.loc["plain"].tolist() == ["not yet measured"] * 2


@pytest.mark.parametrize(
    ("value", "text"),
    [(4.95e-16, "5×10⁻¹⁶"), (-1.31e-15, "−1×10⁻¹⁵"), (1e-6, "10⁻⁶")],
)
def test_a_size_is_a_digit_and_a_power_of_ten(value, text):
    assert smoothness_words.power(value) == text


def ratio_of(effect, unit="ratio"):
    return SimpleNamespace(effect=effect, low=1.0, high=3.0, p=0.1, unit=unit, verdict="undecided")


def test_the_head_says_what_the_numbers_are_where_all_are_of_one_kind():
    rules = {"a": ratio_of(2.0), "b": ratio_of(1.5)}
    found = smoothness_words.judged(rules, {"a": "first", "b": "second"}, "plain / BN")
    assert found.columns.tolist() == ["plain / BN", "verdict"]
    assert found["plain / BN"].tolist() == ["2\u00a0[1,\u00a03]", "1.5\u00a0[1,\u00a03]"]
    rules["b"] = ratio_of(0.5, "difference")
    found = smoothness_words.judged(rules, {"a": "first", "b": "second"})
    assert found["found"].tolist() == [
        "ratio 2\u00a0[1,\u00a03]",
        "difference 0.5\u00a0[1,\u00a03]",
    ]


def test_what_is_not_measured_says_so_unless_it_is_optional():
    rules = {"a": ratio_of(2.0), "c": None}
    statements = {"a": "first", "b": "second", "c": "third"}
    found = smoothness_words.judged(rules, statements, optional=("c",))
    assert found.index.tolist() == ["first", "second"]
    assert found.loc["second"].tolist() == ["not yet measured", "untested"]


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")
