"""From a record made by hand: what is computed from it, drawn, signed, and left out."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnkit.bench import gpu_results
from bnkit.bench.gpu_cases import EARLY, HUGE, MIDDLE, READ_ONCE, SMALL, Accuracy, Case, Stack
from bnkit.errors import InputError
from bnkit.figures import gpu, gpu_roofline
from bnkit.figures.interactive import MIME
from bnkit.figures.style import BLUE, COLORS, GREEN, ORANGE

# A copy takes 2 s. Two passes forward (3 S) at its rate take 3 s, backward (5 S) 5 s.
COPY = 2.0


def laps(forward, backward, **more):
    report = {}
    for name, time in (("forward", forward), ("backward", backward), ("both", forward + backward)):
        report |= {name: time, f"{name}_rounds": [time, time / 2, time * 2]}
    return report | {"called": 1e-5, **more}


def case(**arms):
    return {"session": 0, "copy": COPY, "native_backend": "Cudnn", "arms": arms}


def session(date, **more):
    facts = {"device": "Synthetic 9000", "torch": "9.1", "cuda": "99.0", "triton": "8.8"}
    return {"date": date, "commit": "abc", "clean": True, **facts, **more}


EARLY_CASE = Case("bn", EARLY, "float32", "contiguous").name
BEHIND = Case("bn_relu", EARLY, "float32", "channels_last").name
SMALL_CASE = Case("bn", SMALL[0], "float32", "contiguous").name


@pytest.fixture
def record():
    return {
        "schema": 1,
        "sessions": [session("2031-05-06T07:08:09"), session("2031-05-08T01:00:00")],
        "cases": {
            EARLY_CASE: case(eager=laps(6.0, 10.0), kernels=laps(3.0, 5.0)),
            Case("bn", MIDDLE, "float32", "channels_last").name: case(
                eager=laps(4.0, 4.0), compile={"error": "too far from float64"}
            ),
            Case("bn", EARLY, "bfloat16", "contiguous").name: case(eager=laps(1.0, 1.0)),
            BEHIND: case(eager=laps(8.0, 8.0), kernels=laps(2.0, 2.0), compile=laps(4.0, 4.0)),
            SMALL_CASE: case(eager=laps(1.0, 1.0, graph=5e-6), kernels=laps(1.0, 1.0)),
            Case("bn", HUGE, "float32", "contiguous", backward=False).name: case(
                eager={"forward": 0.006, "forward_rounds": [0.006]}
            ),
            Accuracy(SMALL[0], "float32", "contiguous", 1e3).name: {
                "arms": {"eager": {"var_relative_error": 3e-7}, "kernels": {"error": "no device"}}
            },
            Stack((4, 2), 6, "batch", 10).name: {
                "num_seeds": 10, "norm": "batch",
                "arms": {"eager": {"seed_steps_per_second": 90.0},
                         "graph": {"seed_steps_per_second": 400.0}},
            },
            Stack((4, 2), 6, "batch", 2).name: {
                "num_seeds": 2, "norm": "batch",
                "arms": {"eager": {"seed_steps_per_second": 20.0}, "graph": {"error": "no graph"}},
            },
        },
    }  # fmt: skip


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("BNKIT_HOME", str(tmp_path))
    folder = tmp_path / "data" / "records" / "gpu"
    folder.mkdir(parents=True)
    return folder


# The record


def test_there_is_no_record_until_there_is_one(home, record):
    assert gpu_results.load() is None
    (home / "a.json").write_text(json.dumps(record | {"cases": {}}))
    (home / "b.json").write_text(json.dumps(record))
    (home / "c.json").write_text(json.dumps(record | {"cases": {}}))
    assert gpu_results.load() == record  # the one with the most cases
    later = record | {"sessions": [*record["sessions"], session("2031-05-09T00:00:00")]}
    (home / "c.json").write_text(json.dumps(later))
    assert gpu_results.load() == later  # of equals the latest


@pytest.mark.parametrize("text", ['{"schema": 2, "cases": {}}', "[]", "{", "{}"])
def test_a_file_that_is_no_record_is_refused_by_name(home, text):
    (home / "odd.json").write_text(text)
    with pytest.raises(InputError, match=r"odd\.json is no record of `bench gpu` with schema 1"):
        gpu_results.load()


def test_origin_has_device_days_and_versions(record):
    expected = "Synthetic 9000, 2031-05-06, torch 9.1, CUDA 99.0, Triton 8.8"
    assert gpu_results.origin(record) == expected
    assert gpu_results.origin(record | {"cases": {}}) == "not yet measured"


def test_origin_has_all_versions_if_sessions_differ_but_only_of_sessions_with_a_case(record):
    record["sessions"][1] |= {"torch": "9.2", "cudnn": 7}
    record["sessions"].append(session("2031-06-01T00:00:00", torch="10.0"))
    record["cases"][BEHIND]["session"] = 1
    assert gpu_results.origin(record) == (
        "Synthetic 9000, 2031-05-06 to 2031-05-08, torch 9.1 and 9.2, CUDA 99.0, cuDNN 7, "
        "Triton 8.8"
    )
    rows = gpu_results.sessions(record)
    assert [row["cases"] for row in rows] == [len(record["cases"]) - 1, 1, 0]
    assert [row["torch"] for row in rows] == ["9.1", "9.2", "10.0"]
    assert [row["cuDNN"] for row in rows] == ["", "7", ""]
    assert [row["date"] for row in rows] == ["2031-05-06", "2031-05-08", "2031-06-01"]


def test_shares_are_bytes_of_two_passes_over_the_rate_of_the_copy(record):
    rows = gpu_results.shares(record, "bn", "float32", "forward")
    assert list(rows) == ["256 × 64 × 56 × 56", "256 × 256 × 14 × 14 channels last"]  # by size
    arms = rows["256 × 64 × 56 × 56"]
    assert arms["kernels"] == (0.5, 1.0, 2.0)  # a round took twice as long, another half
    assert arms["eager"] == (0.25, 0.5, 1.0)
    backward = gpu_results.shares(record, "bn", "float32", "backward")["256 × 64 × 56 × 56"]
    assert backward["kernels"].middle == 1.0
    both = gpu_results.shares(record, "bn", "float32", "both")["256 × 64 × 56 × 56"]
    assert both["eager"].middle == 0.5


def test_shares_of_small_batches_count_a_tensor_that_is_read_once(record):
    rows = gpu_results.shares(record, "bn", "float32", "backward", READ_ONCE, small=True)
    assert list(rows) == ["60 × 100"]
    assert rows["60 × 100"]["kernels"] == (1.5, 3.0, 6.0)  # 3 S in 1 s, where a copy moves 1 S


def test_an_arm_that_failed_has_no_time_and_is_listed(record):
    rows = gpu_results.shares(record, "bn", "float32", "forward")
    assert set(rows["256 × 256 × 14 × 14 channels last"]) == {"eager"}
    record["failed"] = {"bn/whole": {"tries": 2, "error": "out of memory"}}
    record["failed"][BEHIND] = {"tries": 1, "error": "its arms are listed, if they failed"}
    failed = {(row["arm"], row["error"]) for row in gpu_results.failures(record)}
    assert failed == {
        ("compile", "too far from float64"), ("kernels", "no device"), ("graph", "no graph"),
        ("all", "out of memory"),
    }  # fmt: skip


def test_small_batches_are_apart_from_large_ones(record):
    assert "60 × 100" not in gpu_results.shares(record, "bn", "float32", "both")
    called = gpu_results.launches(record, "float32", "called")
    assert list(called) == ["60 × 100"]
    assert called["60 × 100"]["kernels"].middle == pytest.approx(10.0)  # µs
    graph = gpu_results.launches(record, "float32", "graph")
    assert graph["60 × 100"] == {"eager": pytest.approx((5.0, 5.0, 5.0))}


def test_speedups_are_times_of_eager_over_the_arms(record):
    assert gpu_results.speedups(record, "bn", "float32") == {
        "256 × 64 × 56 × 56": {"kernels": (1.0, 2.0, 4.0)}
    }
    (behind,) = gpu_results.speedups(record, "bn_relu", "float32").values()
    assert {arm: spread.middle for arm, spread in behind.items()} == {
        "compile": 2.0,
        "kernels": 4.0,
    }


def test_peaks_are_in_sizes_of_the_batch_and_unknown_where_nothing_was_counted(record):
    arms = record["cases"][BEHIND]["arms"]
    size = 256 * 64 * 56 * 56 * 4
    arms["eager"]["peak_bytes"], arms["kernels"]["peak_bytes"] = 3 * size, 2 * size
    arms["compile"]["peak_bytes"] = 0  # a rehearsal counts nothing
    assert gpu_results.peaks(record, "bn_relu", "float32") == {
        "256 × 64 × 56 × 56 channels last": {"eager": (3, 3, 3), "kernels": (2, 2, 2)}
    }
    assert gpu_results.peaks(record, "bn", "float32") == {}


def test_tables_of_the_record(record):
    assert gpu_results.stacks(record) == {
        ("batch", "eager"): [(2, 20.0), (10, 90.0)],
        ("batch", "graph"): [(10, 400.0)],
    }
    assert gpu_results.accuracies(record) == [
        {"batch": "60 × 100", "mean / std": 1000.0, "eager": 3e-7, "kernels": "no device"}
    ]
    assert gpu_results.forward_times(record, HUGE) == {"eager": 6.0}  # ms


def test_without_a_record_nothing_is_made_up():
    nowhere = gpu_results.origin(None)
    assert nowhere == "not yet measured"
    assert gpu_results.shares(None, "bn", "float32", "both") == {}
    assert gpu_results.speedups(None, "bn", "float32") == {}
    assert gpu_results.peaks(None, "bn", "float32") == {}
    assert gpu_results.launches(None, "float32", "graph") == {}
    assert gpu_results.stacks(None) == {}
    assert gpu_results.forward_times(None, HUGE) == {}
    for rows in (gpu_results.accuracies, gpu_results.failures, gpu_results.sessions):
        assert rows(None) == []
    before = plt.get_fignums()
    assert gpu.dots({"forward": {}, "backward": {}}, origin=nowhere, x_label="share") is None
    assert gpu.stacks({}, origin=nowhere) is None
    assert gpu_roofline.roofline({}, copy_rate=None, teraflops=67.0, origin=nowhere) is None
    assert plt.get_fignums() == before
    assert gpu.table([]) == ""


def test_a_record_that_has_no_time_for_a_figure_is_not_called_unmeasured():
    figure = gpu.dots({"forward": {}}, origin="Card, day", x_label="share")
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.texts] == [
        "no times here: not measured, or every arm failed"
    ]
    assert figure.get_supxlabel() == "Card, day"


# Figures


def test_dots_shows_each_arm_of_each_row_with_its_spread_and_is_signed(record):
    panels = {d: gpu_results.shares(record, "bn", "float32", d) for d in ("forward", "backward")}
    figure = gpu.dots(panels, origin="Card, day, torch", x_label="share", marks={"forward": 1.0})
    forward, backward = figure.axes
    assert (forward.get_title(), backward.get_title()) == ("forward", "backward")
    assert [label.get_text() for label in forward.get_yticklabels()] == [
        "256 × 256 × 14 × 14 channels last", "256 × 64 × 56 × 56",
    ]  # fmt: skip
    kernels = [line for line in forward.lines if line.get_color() == BLUE]
    bar, dot = kernels
    assert list(bar.get_xdata()) == [0.5, 2.0]
    assert list(dot.get_xdata()) == [1.0]
    assert abs(dot.get_ydata()[0] - 1) < 0.5  # the row of its label
    eager = [list(line.get_xdata()) for line in forward.lines if line.get_color() == ORANGE]
    assert [0.5] in eager
    assert [0.75] in eager
    assert forward.lines[-1].get_linestyle() == ":"
    assert backward.lines[-1].get_linestyle() != ":"
    assert figure.get_supxlabel() == "Card, day, torch"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["eager", "kernels"]


def test_dots_puts_panels_in_lines_and_cuts_nothing_off():
    def one(value):
        return {"row": {"kernels": (value, value, value)}}

    panels = {"a": one(1.0), "b": one(7.0), "c": one(2.0), "d": {}}
    figure = gpu.dots(panels, origin="Card", x_label="share", marks={"c": 9.0}, columns=2)
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c", "d"]
    assert {axes.get_subplotspec().rowspan.start for axes in figure.axes} == {0, 1}
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", "share", "share"]
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert low == 0.0
        assert 9.0 < high < 12.0


def test_the_roofline_has_the_copy_as_its_slope_and_arithmetic_as_its_top():
    points = {
        ("kernels", "forward"): [(0.5, 2e12), (1.0, 4e12)],
        ("eager", "backward"): [(0.25, 1e12)],
    }
    figure = gpu_roofline.roofline(points, copy_rate=4e12, teraflops=60.0, origin="Card")
    (axes,) = figure.axes
    slope, top, ridge, *marks = axes.lines
    np.testing.assert_allclose(slope.get_ydata(), 4.0 * slope.get_xdata())
    assert slope.get_xdata()[-1] == 15.0  # the ridge: 60 over 4
    assert set(ridge.get_xdata()) == {15.0}
    assert (top.get_xdata()[0], set(top.get_ydata())) == (15.0, {60.0})
    drawn = {
        (m.get_color(), m.get_marker()): (list(m.get_xdata()), list(m.get_ydata())) for m in marks
    }
    assert drawn == {(BLUE, "o"): ([0.5, 1.0], [2.0, 4.0]), (ORANGE, "s"): ([0.25], [1.0])}
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["eager", "kernels", "forward", "backward"]
    assert figure.get_supxlabel() == "Card"
    assert axes.get_xscale() == axes.get_yscale() == "log"


@pytest.mark.parametrize(
    ("known", "texts"),
    [
        ({"copy_rate": 4e12, "teraflops": None}, ["copy, measured:\n4.00 TB/s"]),
        ({"copy_rate": None, "teraflops": 60.0}, ["arithmetic, data sheet: 60 TFLOP/s"]),
        ({"copy_rate": None, "teraflops": None}, []),
    ],
)
def test_a_roof_that_is_not_known_is_not_drawn(known, texts):
    points = {("kernels", "forward"): [(0.5, 2e12)]}
    (axes,) = gpu_roofline.roofline(points, **known, origin="Card").axes
    assert [text.get_text() for text in axes.texts] == texts
    assert len(axes.lines) == 1 + len(texts)


def test_stacks_draws_points_in_the_color_of_the_norm(record):
    figure = gpu.stacks(gpu_results.stacks(record), origin="Card")
    (axes,) = figure.axes
    eager, graph = axes.lines
    assert (list(eager.get_xdata()), list(eager.get_ydata())) == ([2, 10], [20.0, 90.0])
    assert (eager.get_linestyle(), graph.get_linestyle()) == ("--", "-")
    assert eager.get_color() == graph.get_color() == COLORS["batch"]
    assert figure.get_supxlabel() == "Card"


def test_floors_are_bytes_over_bandwidth_at_every_position():
    batches = {"large": 100.0, "small": 10.0}
    bundle = gpu.floors((1.0, 4.0), batches, start=1)._repr_mimebundle_()
    spec = bundle[MIME]
    for bandwidth, frame in zip((1.0, 4.0), spec["frames"], strict=True):
        for curve, number in zip(frame["data"], (5, 3, 2), strict=True):
            assert curve["name"].startswith(f"{number}S: ")
            assert curve["text"] == ["small", "large"]
            assert curve["x"] == [10.0, 100.0]
            assert curve["y"] == [number * 10 / bandwidth, number * 100 / bandwidth]  # µs
    assert spec["data"][2]["y"][-1] == 50.0
    for axis, least, greatest in (("xaxis", 10.0, 100.0), ("yaxis", 5.0, 500.0)):
        low, high = spec["layout"][axis]["range"]
        assert low < np.log10(least) < np.log10(greatest) < high
    assert "computed as bytes over bandwidth" in bundle["text/plain"]
    assert "arithmetic" in spec["layout"]["yaxis"]["title"]["text"]


def test_variance_errors_draw_every_method_and_keep_an_exact_one_visible():
    errors = {"E[x²] − E[x]²": [1e-6, 2.0], "split and merged, centered": [0.0, 1e-7]}
    (axes,) = gpu.variance_errors(np.array([1.0, 1e3]), errors).axes
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(lines["E[x²] − E[x]²"].get_ydata(), [1e-6, 2.0])
    np.testing.assert_allclose(lines["split and merged, centered"].get_ydata(), [1e-9, 1e-7])
    assert axes.get_yscale() == axes.get_xscale() == "log"


def test_arms_and_methods_have_colors_of_their_own():
    for colors in (gpu.ARM_COLORS, gpu.METHOD_COLORS):
        assert len(set(colors.values())) == len(colors)
    assert gpu.ARM_COLORS["compile"] == GREEN


def test_a_table_formats_numbers_and_leaves_gaps_empty():
    html = gpu.table([{"a": 0.00012, "b": "x"}, {"a": 2.0}])
    assert "1.2e-04" in html
    assert "NaN" not in html
    assert "64\u00a0×\u00a032" in gpu.table([{"shape": "64 × 32"}])
    plt.close("all")
