"""The quiz as a page shows it: the same bytes at each build, and colors that can be read."""

import json
import random

import pytest

from bnkit.book import quiz


@pytest.fixture
def shown(monkeypatch):
    """Show a quiz and return what it displays, as text."""

    def show(name):
        parts = []
        monkeypatch.setattr("jupyterquiz.dynamic.display.display", parts.append)
        quiz.show(name)
        return "".join(part.data for part in parts)

    return show


@pytest.mark.parametrize("name", quiz.names())
def test_two_builds_show_the_same_bytes(shown, name):
    random.seed(1)
    first = shown(name)
    random.seed(2)
    assert shown(name) == first
    assert len(first) > 1000


@pytest.mark.parametrize("name", quiz.names())
def test_every_question_is_on_the_page(shown, name):
    page = shown(name)
    for question in quiz.questions(name):
        assert json.dumps(question["question"]) in page


def luminance(color):
    """Relative luminance of "#rrggbb" (WCAG 2, definition)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("text", ["text-color", "link-color"])
@pytest.mark.parametrize("ground", ["multiple-choice-bg", "many-choice-bg", "numeric-bg"])
def test_a_question_can_be_read_on_its_ground(text, ground):
    colors = quiz._COLORS
    assert contrast(colors[f"--jq-{text}"], colors[f"--jq-{ground}"]) >= 4.5


@pytest.mark.parametrize("answer", ["incorrect-color", "correct-color"])
def test_a_chosen_answer_and_its_explanation_can_be_read(answer):
    """The color is the ground of the chosen answer, and the ink of the explanation on the page."""
    color = quiz._COLORS[f"--jq-{answer}"]
    assert contrast(color, quiz._COLORS["--jq-text-color"]) >= 4.5
    for page in ("#ffffff", "#ced6dd"):
        assert contrast(color, page) >= 4.5


def test_contrast_by_pencil():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
