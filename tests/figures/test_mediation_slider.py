"""A position of the slider is a dose over its net, and says what it did."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up import runs

from bnkit.figures import mediation_slider
from bnkit.figures.findings import NOT_YET
from bnkit.figures.style import FAINT, ORANGE
from bnkit.rows import Row


def table(*betas):
    """A seed each: the loss is 2 and then 1 for the first seed, half of it for the second, ..."""
    rows = [
        Row(seed, step, name, value / divisor, "nat")
        for seed, beta in enumerate(betas)
        for name, values, divisor in (
            ("look_loss", (2.0, 1.0), seed + 1),
            ("downhill_beta", beta, 1),
        )
        for step, value in zip((0, 10), values, strict=True)
    ]
    return pd.DataFrame(rows, columns=Row._fields)


KINDS = {
    "sam": {
        "none-sam-1": SimpleNamespace(dose=0.1, init="glorot"),
        "none-sam-2": SimpleNamespace(dose=0.2, init="glorot"),
    },
    "head": {"batch-head-4": SimpleNamespace(dose=4.0, init="glorot")},
}
TABLES = {
    "none": table((8.0, 6.0)),
    "none-sam-1": table((4.0, 3.0), (2.0, np.inf), (6.0, 5.0)),
    "none-sam-2": table((1.0, 1.0)),
    "batch-head-4": table((9.0, 1.0)),
}
RUNS = {"none": runs([20.0, 10.0], [400.0, 200.0]), "none-sam-1": runs([5.0, 5.0], [600.0, 600.0])}


@pytest.fixture
def figure():
    return mediation_slider.by_manipulation(TABLES, KINDS, RUNS, (1.0, 0.5)).figure


def test_a_position_is_a_dose_over_its_net_without_one(figure):
    first, second = figure.frames  # the net with BN has no run without a dose
    base_loss, base_beta, _, base_middle, loss, beta, *_ = first.data
    assert (base_loss.x, base_loss.y) == ((0, 10, None), (2.0, 1.0, None))
    assert base_beta.y == base_middle.y == (8.0, 6.0, None)
    assert loss.x == (0, 10, None) * 3
    assert loss.y == (2.0, 1.0, None, 1.0, 0.5, None, pytest.approx(2 / 3, rel=1e-3), 0.3333, None)
    assert beta.y == (4.0, 3.0, None, 2.0, None, None, 6.0, 5.0, None)
    assert beta.x == loss.y
    assert (base_loss.line.color, loss.line.color, beta.yaxis) == (FAINT, ORANGE, "y2")
    assert second.data[0].y == base_loss.y


def test_medians_over_seeds_are_bold_and_have_the_legend(figure):
    *_, loss, beta = figure.frames[0].data
    assert (loss.y, beta.x) == ((1.0, 0.5, None),) * 2
    assert beta.y == (4.0, 5.0, None)
    seeds = figure.frames[0].data[4]
    assert loss.line.width > seeds.line.width
    assert (loss.showlegend, seeds.showlegend) == (True, False)


def test_the_title_has_both_ratios_where_there_are_runs(figure):
    titles = [frame.layout.title.text for frame in figure.frames]
    assert titles == [
        "without BN: SAM, 0.1<br>β × 0.38, steps × 2.25",
        "without BN: SAM, 0.2",
    ]
    assert figure.layout.title.text == titles[0]


def test_ticks_have_the_doses_and_levels_are_marked(figure):
    (slider,) = figure.layout.sliders
    assert [step.label for step in slider.steps] == ["SAM 0.1", "SAM 0.2"]
    assert [step.args[0] for step in slider.steps] == [("none-sam-1",), ("none-sam-2",)]
    assert [(shape.x0, shape.xref) for shape in figure.layout.shapes] == [(1.0, "x2"), (0.5, "x2")]


def test_without_records_it_says_so():
    shown = mediation_slider.by_manipulation({}, KINDS, {}, ())
    assert [note.text for note in shown.figure.layout.annotations] == [NOT_YET]
    assert NOT_YET in shown.alt
