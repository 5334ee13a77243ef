"""Singular values over training: each seed, each pair, and nothing where there is no number."""

import numpy as np
import pandas as pd
import pytest
from drawn import marks, points, said

from bnkit.figures import jacobians
from bnkit.figures.style import BLUE, ORANGE
from bnkit.rows import Row

STEPS = (0, 20, 100)
GROUPS = {"linear": ["none-linear", "batch-linear"], "ReLU": ["none-relu-he"]}
LABELS = {"none-linear": "plain", "batch-linear": "BN", "none-relu-he": "He"}


def table(curves):
    """Rows of {name: {seed: a value a step}}."""
    return pd.DataFrame(
        [
            Row(seed, step, name, value, "1")
            for name, seeds in curves.items()
            for seed, values in seeds.items()
            for step, value in zip(STEPS, values, strict=True)
        ]
    )


TABLES = {
    "none-linear": table(
        {"log_distance": {0: (1.0, 1.2, np.inf), 1: (3.0, 1.4, 0.6), 2: (2.0, 1.3, np.nan)}}
    )
}


class TestDistances:
    def test_there_is_a_line_a_seed_a_median_and_what_is_expected(self):
        expected = {"none-linear": 1.15}
        linear, relu = jacobians.distances(TABLES, GROUPS, expected, LABELS).axes
        *seeds, median = marks(linear, "None", ORANGE)
        assert [line.get_ydata()[0] for line in seeds] == [1.0, 3.0, 2.0]
        assert points([median])[:2] == [(0, 2.0), (20, 1.3)]
        assert points([median])[2] == (100, 0.6)  # the others are not finite
        assert points(marks(linear, "D", ORANGE)) == [(0, 1.15)]
        assert said(relu) == ["not yet measured"]

    def test_what_is_not_finite_is_counted(self):
        assert jacobians.infinite(TABLES) == "2 of 9"
        assert jacobians.infinite({}) == "not yet measured"


def of_pairs(**measures):
    return table(
        {
            f"jacobian-{pair}_{name}": {0: values, 1: tuple(3 * value for value in values)}
            for pair, scale in ((1, 1.0), (2, 10.0))
            for name, values in {
                n: tuple(scale * v for v in vs) for n, vs in measures.items()
            }.items()
        }
    )


class TestByPair:
    def test_each_pair_has_its_distance_and_dotted_its_spread(self):
        tables = {"batch-linear": of_pairs(log_rms=(2.0, 2.0, 4.0), log_std=(1.0, 1.0, 2.0))}
        tables["none-relu-he"] = tables["batch-linear"]
        first, second, he, _ = jacobians.by_pair(tables, GROUPS, 2).axes
        for axes, scale in ((first, 1.0), (second, 10.0)):
            *seeds, median, spread = marks(axes, "None", BLUE)
            assert [line.get_ydata()[-1] for line in seeds] == [4 * scale, 12 * scale]
            assert median.get_ydata()[-1] == 8 * scale
            assert spread.get_ydata()[-1] == 4 * scale
            assert (median.get_linestyle(), spread.get_linestyle()) == ("-", ":")
        assert [line.get_linestyle() for line in marks(he, "None", ORANGE)] == ["--"] * 3 + [":"]
        assert first.get_title() == "1 → 2"

    def test_without_records_every_panel_says_so(self):
        figure = jacobians.by_pair({}, GROUPS, 3)
        assert [said(axes) for axes in figure.axes] == [["not yet measured"]] * 6


class TestSizes:
    def test_medians_are_over_seeds_and_pairs_before_and_after(self):
        measures = {"max": (2.0, 0.0, 1.0), "median": (1.0, 0.0, 1e-17), "min": (0.0, 0.0, 0.0)}
        tables = {"batch-linear": of_pairs(**measures, rank=(0.5, 0.0, np.nan))}
        found = jacobians.sizes(tables, LABELS, 2)
        # 2 and 6 of the first pair, 20 and 60 of the second
        assert found.loc["BN", ("before", "largest")] == "13"
        assert found.loc["BN", ("after", "largest")] == "6.5"
        assert found.loc["BN", ("after", "median")] == "0"
        assert found.loc["BN", ("after", "share not 0")] == "–"
        assert found.loc["plain"].tolist() == ["not yet measured"] + [""] * 7


@pytest.mark.parametrize("arms", [["none-linear"], []])
def test_steps_have_a_place_for_zero(arms):
    axes = jacobians.distances(TABLES, {"a": arms}, {}, LABELS).axes[0]
    ticks = [int(label.get_text()) for label in axes.get_xticklabels()]
    assert ticks == ([0, 10, 100] if arms else [0, 10, 100, 1000])
