"""The figures of the population of runs, on the data handed to matplotlib."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from bnkit.figures import population


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def runs():
    rows = [
        {"norm": norm, "dose": dose, "rate": rate, "seed": s, "shift": 0.1 + dose, "loss": rate + s}
        for norm in population.NORMS
        for dose in (0.0, 0.5)
        for rate in (0.01, 0.1)
        for s in (1, 2, 4)
    ]
    return pd.DataFrame(rows)


def test_every_run_is_a_dot_and_every_rate_a_line_of_medians():
    left, right = population.scatter(runs(), x_label="drift").axes
    for axes in (left, right):
        dots, *lines = axes.lines
        assert len(dots.get_xdata()) == 12
        assert [list(line.get_xdata()) for line in lines] == 2 * [[0.1, 0.6]]
        assert [line.get_ydata()[0] for line in lines] == [2.01, 2.1]
        assert [text.get_text() for text in axes.texts] == ["0.01", "0.1"]


def test_without_a_record_there_is_an_empty_figure():
    assert len(population.scatter(runs()[:0], x_label="drift").axes) == 2
    assert len(population.by_part({}, {"gain": "gain"}).axes) == 2


def test_a_part_has_a_dot_a_seed_and_the_mean():
    losses = {"batch": {"gain": np.array([1.0, 3.0])}}
    _, right = population.by_part(losses, {"nothing": "none", "gain": "gain"}).axes
    drawn = [line for line in right.lines if len(line.get_xdata())]
    assert list(drawn[0].get_xdata()) == [1, 1]
    assert list(drawn[1].get_ydata()) == [2.0, 2.0]
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["none", "gain"]


def test_a_part_that_is_not_judged_yet_says_so():
    part = SimpleNamespace(effect=-0.5, low=-0.75, high=-0.25, verdict="refuted")
    table = population.partial_correlations([part, None], ["all", "some"])
    assert table.loc["all"].tolist() == ["−0.5", "−0.75 to −0.25", "refuted"]
    assert table.loc["some", "given the rate"] == "not yet measured"
