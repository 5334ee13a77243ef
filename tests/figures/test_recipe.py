from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bnkit.figures import recipe
from bnkit.figures.style import COLORS

CHANGES = {"a": "first", "b": "second", "c": "third"}
LAST = 1_000


@pytest.fixture
def steps():
    """All eight combinations, four seeds: a halves the steps, b does nothing, c takes 1.5 times."""
    noise = np.array([100.0, 120.0, 90.0, 110.0])
    made = [
        frozenset(name for name, on in zip(CHANGES, chosen, strict=True) if on)
        for chosen in product((False, True), repeat=3)
    ]
    return {m: noise * (0.5 if "a" in m else 1.0) * (1.5 if "c" in m else 1.0) for m in made}


def test_a_main_effect_is_the_factor_that_was_put_in_for_every_seed(steps):
    factors = {name: recipe.main_effect(steps, name, last=LAST) for name in CHANGES}
    assert factors["a"] == pytest.approx([0.5] * 4)
    assert factors["b"] == pytest.approx([1.0] * 4)
    assert factors["c"] == pytest.approx([1.5] * 4)


def test_a_seed_that_never_arrived_counts_as_the_whole_run(steps):
    steps[frozenset("a")] = np.array([np.inf, 60.0, 45.0, 55.0])
    factor = recipe.main_effect(steps, "a", last=LAST)
    assert factor[1:] == pytest.approx([0.5] * 3)
    assert factor[0] == pytest.approx(0.5 * (LAST / 50.0) ** 0.25)


def test_the_interval_is_student_s_on_logarithms():
    mean, low, high = recipe.interval(np.exp([0.0, 1.0, 2.0]))
    reach = 4.302653 / np.sqrt(3)  # t of 0.975 with 2 degrees of freedom, standard deviation 1
    assert np.log([mean, low, high]) == pytest.approx([1.0, 1 - reach, 1 + reach], rel=1e-6)


def test_the_ladder_is_sorted_and_marks_who_did_not_arrive(steps):
    steps[frozenset("a")] = np.array([np.inf, np.inf, np.inf, 55.0])
    figure = recipe.ladder(np.full(4, 200.0), steps, CHANGES, last=LAST, published=10.0)
    made, arrived = figure.axes
    dashed = next(line for line in arrived.lines if line.get_linestyle() == "--")
    assert dashed.get_xdata() == [20.0, 20.0]
    bars = [line for line in arrived.lines if len(line.get_xdata()) == 2 and line is not dashed]
    medians = [line.get_xdata()[0] for line in bars if line.get_linewidth() == pytest.approx(2.2)]
    assert medians[0] == 200.0  # the plain net, in its own row
    assert medians[1] == LAST  # of four seeds three did not arrive
    assert medians[1:] == sorted(medians[1:], reverse=True)
    crosses = [line for line in arrived.lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in crosses] == [0, 3] + [0] * 7
    dark = [line for line in made.lines if line.get_color() == "#1f2430"]
    assert list(dark[0].get_xdata()) == [0]  # the slowest made the first change alone
    assert [text.get_text() for text in made.get_xticklabels()] == list(CHANGES.values())
    plt.close(figure)


def test_effects_have_a_row_a_change_and_a_dot_a_seed(steps):
    factors = {words: recipe.main_effect(steps, n, last=LAST) for n, words in CHANGES.items()}
    factors["first"] = np.array([0.4, 0.5, 0.6, 0.5])
    figure = recipe.effects(factors)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == list(CHANGES.values())
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert dots[0].get_xdata() == pytest.approx([0.4, 0.5, 0.6, 0.5])
    ticks = [text.get_text() for text in axes.get_xticklabels() if text.get_text()]
    assert "1" in ticks
    plt.close(figure)


def test_the_race_has_a_position_a_rate_with_every_seed_of_both_nets():
    def table(level):
        return pd.DataFrame(
            [
                (
                    seed,
                    step,
                    f"test_accuracy@{rate:g}",
                    level + rate / 100 + seed / 1000,
                    "fraction",
                )
                for seed in (0, 1)
                for step in (0, 10, 20)
                for rate in (0.1, 1.0)
            ],
            columns=["seed", "step", "name", "value", "unit"],
        )

    tables = {"none": table(0.5), "batch": table(0.6)}
    shown = recipe.race(tables, [0.1, 1.0], start=1.0, name="race", alt="A race.")
    assert [frame.name for frame in shown.figure.frames] == ["0.1", "1"]
    thin, median, *_ = shown.figure.frames[1].data
    assert median.x.tolist() == [10, 20]  # step 0 has no place on a logarithmic axis
    assert median.y == pytest.approx([51.05, 51.05])
    assert thin.y[:2] == pytest.approx([51.0, 51.0])
    assert np.isnan(thin.y[2])  # a gap between seeds
    assert thin.y[3:5] == pytest.approx([51.1, 51.1])
    assert [trace.line.color for trace in shown.figure.data[::2]] == [
        COLORS["none"],
        COLORS["batch"],
    ]
