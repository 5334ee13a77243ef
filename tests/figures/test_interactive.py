"""A figure with a slider: its text alternative, its data in the page, its frames."""

import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest

from bnkit.figures.interactive import MIME, Interactive, slider

LABELS = {"x_title": "input x", "y_title": "output y"}


def curves(*heights):
    return [go.Scatter(x=[0, 1], y=[0, height]) for height in heights]


def shown(figure, alt="A line.", name="a-line"):
    return Interactive(figure, alt=alt, name=name)._repr_mimebundle_()


def data_of(html):
    """What a browser would read: the value that the script assigns."""
    return json.loads(re.search(r"var s=(.*?);Plotly\.newPlot", html, re.DOTALL)[1])


@pytest.mark.parametrize("alt", ["", " ", "\n"])
def test_a_figure_without_alt_text_is_refused(alt):
    with pytest.raises(ValueError, match="figure 'a-line' needs alt text"):
        Interactive(go.Figure(), alt=alt, name="a-line")


@pytest.mark.parametrize("name", ["", "A-line", "a line", "a'line", '"><script>', "1st", "ä"])
def test_a_name_that_is_no_id_is_refused(name):
    with pytest.raises(ValueError, match="lower-case letters, digits and hyphens only"):
        Interactive(go.Figure(), alt="A line.", name=name)


def test_the_alt_text_reaches_every_reader():
    alt = 'The "slope" of x < y & z.'
    bundle = shown(go.Figure(), alt=alt)
    assert bundle["text/plain"] == alt
    assert (
        'role="img" aria-label="The &quot;slope&quot; of x &lt; y &amp; z."' in bundle["text/html"]
    )


def test_data_cannot_end_the_script():
    hostile = "</script><script>alert(1)</script><!--"
    bundle = shown(go.Figure(go.Scatter(x=[0], y=[1], name=hostile)))
    html = bundle["text/html"]
    assert html.count("<script") == html.count("</script>") == 1
    assert "<!--" not in html
    assert data_of(html)["data"][0]["name"] == hostile  # and it is not changed


def test_the_page_and_the_notebook_have_the_same_figure():
    bundle = shown(slider([("1", curves(1)), ("2", curves(2))], label="a = ", **LABELS))
    assert data_of(bundle["text/html"]) == bundle[MIME]
    json.dumps(bundle[MIME], allow_nan=False)


def test_what_is_not_finite_is_a_gap_and_valid_json():
    bundle = shown(go.Figure(go.Scatter(x=[0, 1, 2], y=[1.0, float("nan"), float("inf")])))
    assert bundle[MIME]["data"][0]["y"] == [1.0, None, None]


def test_no_request_leaves_the_page():
    assert "http" not in shown(slider([("1", curves(1))], label="a = ", **LABELS))["text/html"]


def test_the_height_is_that_of_the_figure_and_of_its_place():
    bundle = Interactive(go.Figure(), alt="A line.", name="a-line", height=300)._repr_mimebundle_()
    assert bundle[MIME]["layout"]["height"] == 300
    assert 'id="a-line" style="height:300px"' in bundle["text/html"]


def test_the_look_does_not_undo_titles_and_ranges():
    figure = slider([("1", curves(1))], label="a = ", x_range=(0, 1), y_range=(-1, 3), **LABELS)
    layout = shown(figure)[MIME]["layout"]
    assert layout["xaxis"]["title"]["text"] == "input x"
    assert layout["yaxis"]["title"]["text"] == "output y"
    assert layout["xaxis"]["range"] == [0, 1]
    assert layout["yaxis"]["range"] == [-1, 3]


def test_every_position_has_its_frame_and_its_move():
    steps = [(f"{gamma:g}", curves(gamma, -gamma)) for gamma in (0.5, 1.0, 2.0)]
    spec = shown(slider(steps, label="γ = ", start=1, **LABELS))[MIME]
    assert [frame["name"] for frame in spec["frames"]] == ["0.5", "1", "2"]
    for frame, gamma in zip(spec["frames"], (0.5, 1.0, 2.0), strict=True):
        assert [curve["y"] for curve in frame["data"]] == [[0, gamma], [0, -gamma]]
    (moves,) = spec["layout"]["sliders"]
    assert moves["active"] == 1
    assert moves["currentvalue"]["prefix"] == "γ = "
    assert [move["label"] for move in moves["steps"]] == ["0.5", "1", "2"]
    assert [move["args"][0] for move in moves["steps"]] == [["0.5"], ["1"], ["2"]]
    assert {move["method"] for move in moves["steps"]} == {"animate"}


def test_the_position_at_the_start_is_what_is_drawn():
    steps = [("1", curves(1)), ("2", curves(2)), ("3", curves(3))]
    figure = slider(steps, label="a = ", start=2, **LABELS)
    assert [list(curve.y) for curve in figure.data] == [[0, 3]]


@pytest.mark.parametrize("steps", [[], [("1", curves(1)), ("2", curves(1, 2))]])
def test_positions_with_unequal_numbers_of_curves_are_refused(steps):
    with pytest.raises(ValueError, match="every slider position needs as many curves"):
        slider(steps, label="a = ", **LABELS)


def test_numbers_of_numpy_are_drawn_as_they_are():
    figure = slider([("1", [go.Scatter(x=np.arange(3), y=np.ones(3))])], label="a = ", **LABELS)
    assert data_of(shown(figure)["text/html"])["frames"][0]["name"] == "1"


def test_a_narrow_page_gets_another_layout():
    narrow = {"height": 800, "xaxis.domain": [0, 1], "title.text": "</script>"}
    figure = Interactive(go.Figure(), alt="A line.", name="a-line", narrow=narrow)
    html = figure._repr_mimebundle_()["text/html"]
    changes = re.search(r"if\(p\.clientWidth<560\)\{var n=(.*?);if\(n\.height\)", html)[1]
    assert json.loads(changes) == narrow
    assert html.count("</script>") == 1
    assert "clientWidth" not in shown(go.Figure())["text/html"]
