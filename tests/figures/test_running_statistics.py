"""Figures of running statistics: do they show the traces, truths and accuracies given?"""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnkit.figures import running_statistics
from bnkit.figures.interactive import MIME
from bnkit.figures.running_statistics import Panel


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_each_panel_has_its_traces_and_the_truth():
    truth = np.array([4.0, 4.0, 5.0])
    panels = [Panel(f"case {k}", truth, {"slow": truth - k}) for k in range(1, 5)]
    figure = running_statistics.not_converged(panels, y_label="running variance")
    for k, axes in enumerate(figure.axes, start=1):
        trace, level = axes.lines
        np.testing.assert_allclose(trace.get_ydata(), truth - k)
        np.testing.assert_allclose(trace.get_xdata(), [1, 2, 3])  # the first batch is number 1
        np.testing.assert_allclose(level.get_ydata(), truth)
        assert (trace.get_label(), level.get_label()) == ("slow", "truth")
        assert f"case {k}" in {axes.get_title(loc=place) for place in ("left", "center")}
        assert axes.get_ylabel() == "running variance"


def test_four_panels_are_needed():
    with pytest.raises(ValueError, match="zip"):
        running_statistics.not_converged([], y_label="running variance")


def slider_figure():
    batches = {"mean": np.array([-1.0, -3.0]), "variance": np.array([5.0, 3.0])}
    truths = {"mean": -2.0, "variance": 4.0}
    traces = {
        "0.5": {"mean": np.array([-0.5, -1.75]), "variance": np.array([3.0, 3.0])},
        "1": {"mean": batches["mean"], "variance": batches["variance"]},
        "1/t": {"mean": np.array([-1.0, -2.0]), "variance": np.array([5.0, 4.0])},
    }
    return running_statistics.running_rate_slider(batches, truths, traces)


def test_slider_has_one_position_per_rate_and_six_curves_at_each():
    figure = slider_figure().figure
    assert [frame.name for frame in figure.frames] == ["0.5", "1", "1/t"]
    assert [len(frame.data) for frame in figure.frames] == [6, 6, 6]
    assert figure.layout.sliders[0].active == 1


def test_slider_shows_batches_population_and_running_value_of_both_statistics():
    frame = slider_figure().figure.frames[2]
    curves = {curve.name: np.asarray(curve.y, float) for curve in frame.data}
    np.testing.assert_allclose(curves["mean: each batch"], [-1.0, -3.0])
    np.testing.assert_allclose(curves["mean: population"], [-2.0, -2.0])
    np.testing.assert_allclose(curves["mean: running"], [-1.0, -2.0])
    np.testing.assert_allclose(curves["variance: running"], [5.0, 4.0])
    np.testing.assert_allclose(curves["variance: population"], [4.0, 4.0])


def test_slider_axis_holds_every_value_at_every_position():
    low, high = slider_figure().figure.layout.yaxis.range
    assert low < -3.0
    assert high > 5.0


def test_slider_has_a_text_alternative_for_pages_without_scripts():
    bundle = slider_figure()._repr_mimebundle_()
    assert MIME in bundle
    assert "running rate" in bundle["text/plain"]


def test_accuracy_by_batch_size_shows_the_mean_over_partitions_and_the_reference_line():
    by_size = np.array([[0.4, 0.6], [0.9, 0.9]])
    (axes,) = running_statistics.mode_by_batch_size((2, 64), by_size, 0.95).axes
    line, curve = axes.lines
    np.testing.assert_allclose(line.get_ydata(), [0.95, 0.95])
    np.testing.assert_allclose(curve.get_ydata(), [0.5, 0.9])
    np.testing.assert_allclose(curve.get_xdata(), [2, 64])
    band = axes.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((0.4, 0.9))


def test_diagnosis_lists_the_cases_from_top_to_bottom():
    accuracies = {"training mode": [0.9, 0.8], "evaluation mode": [0.9, 0.3]}
    (axes,) = running_statistics.diagnosis(["healthy", "spoilt"], accuracies).axes
    labels = {
        t.get_text(): y for t, y in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
    }
    assert labels["healthy"] > labels["spoilt"]
    by_label = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(by_label["evaluation mode"].get_xdata(), [0.9, 0.3])
    rows = by_label["evaluation mode"].get_ydata()
    np.testing.assert_allclose(rows, [labels["healthy"], labels["spoilt"]], atol=0.2)
