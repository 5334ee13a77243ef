"""What the figure of walks across a kink hands to plotly."""

import numpy as np
import pytest

from bnkit.figures import lipschitz_live

# L = (max(0, w) + 1)² / 2 from w = 1, where the gradient is 2: walks of 1/4 and 2 gradients
GRAPH = np.array([[-1.0, 0.0], [0.0, 0.0], [np.nan, np.nan], [0.0, 1.0], [1.0, 2.0]])
LENGTHS = np.array([0.25, 2.0])
POINTS = np.array([[1.0, 2.0], [0.5, 1.5], [-3.0, 0.0]])


@pytest.fixture
def figure():
    shown = lipschitz_live.walk(GRAPH, LENGTHS, POINTS, start=0, name="walk", alt="A walk.")
    return shown.figure


def traces(frame):
    return {trace.name: trace for trace in frame.data}


def xy(trace):
    return list(zip(trace.x, trace.y, strict=True))


def test_the_secant_goes_from_the_start_to_the_end_of_the_walk(figure):
    near, far = map(traces, figure.frames)
    assert xy(near["this walk: 1"]) == [(1.0, 2.0), (0.5, 1.5)]
    assert xy(far["this walk: 0.5"]) == [(1.0, 2.0), (-3.0, 0.0)]


def test_a_walk_reports_the_slope_of_its_secant_by_its_length(figure):
    near, far = map(traces, figure.frames)
    assert xy(near["its report"]) == [(0.25, 1.0)]  # 1/2 over 1/2, the smooth side
    assert xy(far["its report"]) == [(2.0, 0.5)]  # 2 over 4, one over its length
    assert [step.label for step in figure.layout.sliders[0].steps] == ["0.25", "2"]


def test_walks_are_told_apart_by_the_side_of_the_kink_that_they_end_on(figure):
    for frame in figure.frames:
        assert xy(traces(frame)["ends before the kink"]) == [(0.25, 1.0)]
        assert xy(traces(frame)["ends beyond it"]) == [(2.0, 0.5)]


def test_no_report_is_above_the_ceiling(figure):
    ceiling = dict(xy(traces(figure.frames[0])["ceiling 2 / length"]))
    assert ceiling == {0.25: 8.0, 2.0: 1.0}


def test_the_graph_is_not_joined_across_the_jump_and_the_panels_are_two(figure):
    shown = traces(figure.frames[1])
    assert shown["gradient L′"].connectgaps is False
    assert np.isnan(shown["gradient L′"].x[2])
    assert {trace.xaxis for trace in shown.values()} == {None, "x2"}
    assert figure.layout.xaxis2.type == figure.layout.yaxis2.type == "log"


def test_all_reports_and_the_ceiling_are_inside_the_limits(figure):
    for axis, values in ((figure.layout.xaxis2, (0.25, 2.0)), (figure.layout.yaxis2, (0.5, 8.0))):
        low, high = 10.0 ** np.array(axis.range)
        assert low < values[0] < values[1] < high
