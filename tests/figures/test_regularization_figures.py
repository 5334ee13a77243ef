"""What is handed to matplotlib and plotly: the law by other roads, and each seed in its place."""

import numpy as np
import pandas as pd
import pytest
from drawn import marks, points, said
from scipy import stats

from bnkit.figures import batch_mates, generalization, noise
from bnkit.figures.style import AMBER, BLUE, GREEN, INK, ORANGE
from bnkit.rows import Row


class TestLaw:
    def test_averaged_over_the_example_itself_a_batch_of_four_is_uniform(self):
        # (x - mean) / std of 4 normal numbers is a coordinate of a random point on a sphere of
        # radius 2 in 3 dimensions, and such a coordinate is uniform between -sqrt(3) and sqrt(3).
        y, x = np.linspace(-1.5, 1.5, 7), np.linspace(-6, 6, 401)
        weight = stats.norm.pdf(x) * (x[1] - x[0])
        mixed = sum(w * batch_mates.density(y, at, 4) for at, w in zip(x, weight, strict=True))
        assert mixed == pytest.approx(np.full(7, 1 / (2 * np.sqrt(3))), rel=2e-3)

    @pytest.mark.parametrize(("x", "size"), [(0.0, 5), (1.0, 8), (3.0, 16), (-2.0, 64)])
    def test_it_is_a_density_with_the_moments_that_are_computed_without_it(self, x, size):
        edge = np.sqrt(size - 1)
        angle = np.linspace(-np.pi / 2, np.pi / 2, 4_001)[1:-1]
        y, dy = edge * np.sin(angle), edge * np.cos(angle) * (angle[1] - angle[0])
        weight = batch_mates.density(y, x, size) * dy
        mean = float(weight @ y)
        assert weight.sum() == pytest.approx(1, abs=1e-3)
        expected = mean, float(weight @ (y - mean) ** 2)
        assert batch_mates.moments(x, size) == pytest.approx(expected, abs=2e-3)

    def test_moments_are_those_of_drawn_batches(self):
        batch = np.random.default_rng(0).standard_normal((12, 200_000))
        batch[0] = 1.5
        drawn = (batch[0] - batch.mean(axis=0)) / batch.std(axis=0)
        mean, variance = batch_mates.moments(1.5, 12)
        assert mean == pytest.approx(drawn.mean(), abs=5 * drawn.std() / np.sqrt(200_000))
        assert variance == pytest.approx(drawn.var(), rel=0.02)

    def test_large_batches_have_the_moments_of_the_expansion(self):
        x, m = 1.5, 4_000
        mean, variance = batch_mates.moments(x, m)
        assert m * (mean - x) == pytest.approx(x * (3 / 4 - x**2 / 2), rel=0.01)
        assert m * variance == pytest.approx(1 + x**2 / 2, rel=0.01)

    def test_a_batch_of_three_is_refused(self):
        with pytest.raises(ValueError, match="a batch of 3: give 4 or more"):
            batch_mates.density([0.0], 0.0, 3)


class TestByBatchSize:
    @pytest.fixture
    def frames(self):
        shown = batch_mates.by_batch_size((4, 64), (0.0, 3.0), start=64, name="mates")
        assert shown.figure.layout.sliders[0].active == 1
        return {frame.name: frame.data for frame in shown.figure.frames}

    def test_every_example_has_its_law_and_the_normal_one(self, frames):
        names = [curve.name for curve in frames["4"]]
        assert names[::2] == ["x = 0", "x = 3"]
        assert len(set(names[1::2])) == 1

    def test_no_value_passes_the_root_of_the_number_of_mates(self, frames):
        assert max(max(curve.x) for curve in frames["4"]) <= np.sqrt(3)

    def test_curves_have_the_height_one_and_stand_at_their_example(self, frames):
        for curve in frames["64"]:
            assert max(curve.y) == 1.0
        exact = frames["64"][0]
        assert exact.x[int(np.argmax(exact.y))] == pytest.approx(0, abs=0.05)

    def test_the_legend_names_the_normal_law_once(self, frames):
        assert [curve.showlegend for curve in frames["4"]] == [True, False, True, True]


def mates(scale):
    return pd.DataFrame({f"output_variance@{m}": [scale / m, 2 * scale / m] for m in (128, 16)})


class TestVariances:
    def test_dots_are_seeds_and_lines_the_exact_law(self):
        (axes,) = batch_mates.variances({1.0: mates(1.0)}).axes
        assert points(marks(axes, ".", BLUE)) == [
            (16, 1 / 16), (16, 2 / 16), (128, 1 / 128), (128, 2 / 128),
        ]  # fmt: skip
        exact, guide = marks(axes, "None", BLUE)
        assert points([exact])[1] == pytest.approx((128, batch_mates.moments(1.0, 128)[1]))
        assert points([guide]) == [(16, 1.5 / 16), (128, 1.5 / 128)]

    def test_slopes_are_of_each_seed(self):
        table = batch_mates.slopes({0.0: mates(3.0)})
        assert table.loc["0", ["mean", "smallest", "largest"]].tolist() == pytest.approx([-1] * 3)
        assert -1.1 < table.loc["0", "exact law"] < -1.0

    def test_without_records_it_says_so(self):
        (axes,) = batch_mates.variances({}).axes
        assert said(axes) == ["not yet measured"]


def test_in_a_net_lines_are_images_and_shares_are_percent():
    spread = {8: [1.0, 3.0, 2.0], 32: [0.5, 0.5, 0.7]}
    changed = {8: [0.5, 0.0, 0.1], 32: [0.0, 0.0, 0.3]}
    left, right = batch_mates.in_a_net(spread, changed).axes
    assert points(marks(left, "o", BLUE)) == [(8, 2.0), (32, 0.5)]
    assert points(marks(left, "None", BLUE))[:2] == [(8, 1.0), (32, 0.5)]
    assert points(marks(left, "None", INK)) == [(8, 2.0), (32, 0.5)]  # slope -1
    assert np.allclose(points(marks(right, "o", ORANGE)), [(8, 20), (32, 10)])


def learning(losses, gaps):
    """Rows of one seed after another: a look every 10 steps."""
    rows = []
    for seed, (of_loss, of_gap) in enumerate(zip(losses, gaps, strict=True)):
        for look, (loss, gap) in enumerate(zip(of_loss, of_gap, strict=True)):
            values = {"train_loss": loss, "train_accuracy": 0.5 + gap, "test_accuracy": 0.5}
            rows += [Row(seed, 10 * look, name, v, "1") for name, v in values.items()]
    return pd.DataFrame(rows)


LOSSES = [[2.0, 0.1, 0.001], [2.0, 1.0, 0.5]]
GAPS = [[0.0, 0.04, 0.06], [0.0, 0.02, 0.04]]


class TestGapAt:
    def test_it_is_interpolated_in_the_logarithm_of_the_loss(self):
        # halfway between 0.1 and 0.001 on logarithms is 0.01
        found = generalization.gap_at(learning(LOSSES, GAPS), [0.1, 0.01])
        assert found[0].tolist() == pytest.approx([0.04, 0.05])

    def test_a_seed_that_never_arrives_or_begins_there_has_none(self):
        found = generalization.gap_at(learning(LOSSES, GAPS), [3.0, 0.1])
        assert np.isnan(found.loc[0.1, 1])
        assert np.isnan(found.loc[3.0]).all()

    def test_the_first_arrival_counts(self):
        table = learning([[2.0, 0.1, 0.4, 0.05]], [[0.0, 0.01, 0.02, 0.03]])
        assert generalization.gap_at(table, [0.1]).iloc[0, 0] == pytest.approx(0.01)


RUNS = {
    "none": pd.DataFrame({"gap": [0.10, 0.12], "acc": [0.8, 0.8]}, index=[0, 1]),
    "batch": pd.DataFrame({"gap": [0.07, 0.09], "acc": [0.9, 0.82]}, index=[1, 0]),
    "dropout-0.5": pd.DataFrame({"gap": [0.11, 0.13], "acc": [0.7, 0.7]}, index=[0, 1]),
}


class TestChanges:
    def test_a_change_is_of_paired_seeds_in_points(self):
        # seed 0: 0.09 - 0.10, seed 1: 0.07 - 0.12: mean -3, error 2, t(0.975, 1) = 12.706
        found = generalization.change(RUNS, "batch", "none", "gap")
        assert generalization.in_words(found) == "−3.00 [−28.41, +22.41]"
        assert generalization.direction(found) == "not distinguishable"

    def test_a_direction_needs_the_whole_interval(self):
        up = generalization.change(RUNS, "dropout-0.5", "none", "gap")  # 1 point in each seed
        down = generalization.change(RUNS, "none", "dropout-0.5", "gap")
        assert [generalization.direction(mean) for mean in (up, down)] == ["higher", "lower"]

    def test_what_is_not_recorded_is_not_compared(self):
        missing = generalization.change(RUNS, "both-0.5", "batch", "gap")
        assert missing is None
        assert generalization.direction(missing) == "not yet measured"
        table = generalization.adding(RUNS, {"more": ("both-0.5", "batch")}, {"gap": "the gap"})
        assert table.loc["more", "the gap"] == "not yet measured"


class TestAgainstLoss:
    LEVELS = (1.0, 0.1, 0.01)

    def tables(self):
        losses = [[2.0, 1.0, 0.1, 0.001]] * 2
        plain = learning(losses, [[0.0, 0.02, 0.06, 0.08], [0.0, 0.04, 0.08, 0.1]])
        normal = learning(losses, [[0.0, 0.02, 0.04, 0.06], [0.0, 0.02, 0.04, 0.06]])
        return {"none": plain, "batch": normal}

    def test_thick_lines_are_means_in_points_and_the_difference_is_paired(self):
        left, right = generalization.against_loss(self.tables(), self.LEVELS, 0.1).axes
        lines = {line.get_label(): points([line]) for line in left.lines}
        assert np.allclose(lines["without BN"], [(1, 3), (0.1, 7), (0.01, 8)])
        assert np.allclose(lines["with BN"], [(1, 2), (0.1, 4), (0.01, 5)])
        assert np.allclose(
            points(marks(right, "None", BLUE)[-1:]), [(1, -1), (0.1, -3), (0.01, -3)]
        )

    def test_a_mean_ends_where_a_seed_did_not_arrive(self):
        table = learning([[2.0, 0.1, 0.001], [2.0, 0.5, 0.2]], GAPS)
        left, _ = generalization.against_loss({"none": table}, (0.5, 0.1), 0.1).axes
        (mean,) = [line for line in left.lines if line.get_label() == "without BN"]
        assert np.isnan(mean.get_ydata()).tolist() == [False, True]

    def test_panels_without_records_say_so(self):
        left, right = generalization.against_loss(
            {"batch": self.tables()["batch"]}, (1.0, 0.1), 0.1
        ).axes
        assert (said(left), said(right)) == ([], ["not yet measured"])

    def test_the_table_counts_the_pairs_that_arrived(self):
        table = generalization.at_levels(self.tables(), (0.1, 1e-4), "batch", "none")
        assert table.loc["0.1"].tolist() == ["4.00", "7.00", "−3.00 [−15.71, +9.71]", 2]
        assert table.loc["0.0001"].tolist()[2:] == ["not yet measured", 0]
        assert generalization.at_levels({}, (0.1,), "batch", "none").index[0] == "not yet measured"


class TestByDropout:
    def test_nets_with_bn_and_without_are_two_lines_over_the_dose(self):
        (axes,) = generalization.by_dropout(RUNS, (0.5,), {"gap": "gap (points)"}).axes
        plain, normal = axes.containers
        assert np.allclose(points([plain[0]]), [(-0.12, 11), (0.88, 12)])
        assert np.allclose(points([normal[0]]), [(0.12, 8)])
        assert sorted(y for _, y in points(marks(axes, ".", BLUE))) == pytest.approx([7, 9])

    def test_without_records_every_panel_says_so(self):
        figure = generalization.by_dropout({}, (0.5,), {"gap": "a", "acc": "b"})
        assert [said(axes) for axes in figure.axes] == [["not yet measured"]] * 2


def accuracy(values, **others):
    return pd.DataFrame({"test_accuracy": values, **others}, index=range(len(values)))


PENALIZED = {
    "batch": accuracy([0.90, 0.92]),
    "population": accuracy([0.91, 0.91]),
    "population-penalty": accuracy(
        [0.90, 0.94], **{"test_accuracy@0.1": [0.9, 0.9], "test_accuracy@0.5": [0.8, 0.94]}
    ),
}


class TestPopulation:
    def test_three_nets_at_the_left_and_strengths_at_the_right(self):
        left, right = noise.population(PENALIZED, (0.1, 0.5)).axes
        found = [points(marks(left, ".", color)) for color in (BLUE, GREEN, AMBER)]
        assert np.allclose(found, [[(i, a), (i, b)] for i, (a, b) in
                                   enumerate([(90, 92), (91, 91), (90, 94)])])  # fmt: skip
        (strengths,) = right.containers
        assert np.allclose(points([strengths[0]]), [(0, 91), (1, 90), (2, 87)])
        assert marks(right, "None", BLUE)[0].get_ydata()[0] == pytest.approx(91)
        (band,) = right.patches  # mean 91, error 1, t(0.975, 1) = 12.706
        assert band.get_height() == pytest.approx(2 * 12.706, abs=1e-3)

    def test_without_records_both_panels_say_so(self):
        assert [said(axes) for axes in noise.population({}, (0.1,)).axes] == [
            ["not yet measured"], ["not yet measured"],
        ]  # fmt: skip


GROUPS = {8: accuracy([0.9, 0.94], train_loss=[0.1, 0.3]), 4: accuracy([0.8, 0.8])}


class TestByGroup:
    def test_sizes_are_in_order_and_choices_are_counted(self):
        best = pd.Series([8.0, 16.0, 8.0])
        left, right = noise.by_group(GROUPS, best).axes
        assert np.allclose(points([left.containers[0][0]]), [(4, 80), (8, 92)])
        assert [bar.get_height() for bar in right.patches] == [2, 1]
        assert [label.get_text() for label in right.get_xticklabels()] == ["8", "16"]

    def test_the_right_panel_may_have_the_training_loss(self):
        left, right = noise.by_group({8: GROUPS[8]}, loss=True).axes
        assert np.allclose(points([right.containers[0][0]]), [(8, 0.2)])
        assert np.allclose(points([left.containers[0][0]]), [(8, 92)])

    def test_what_is_not_recorded_says_so(self):
        assert [said(axes) for axes in noise.by_group({}).axes] == [["not yet measured"]] * 2
        left, right = noise.by_group(GROUPS).axes
        assert (said(left), said(right)) == ([], ["not yet measured"])
