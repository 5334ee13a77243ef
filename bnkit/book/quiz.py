"""A quiz in a chapter: its questions are a file beside this one, jupyterquiz shows them."""

import json
import random
from importlib.resources import files

from bnkit.errors import InputError

# Each text has a contrast of at least 4.5 to 1: white on the question and on a chosen answer, and
# the explanation, which has the color of the chosen answer, on a white page and a light gray one.
_COLORS = {
    "--jq-multiple-choice-bg": "#1f2430",
    "--jq-many-choice-bg": "#1f2430",
    "--jq-mc-button-bg": "#f4f5f8",
    "--jq-mc-button-border": "#8a8f9c",
    "--jq-mc-button-inset-shadow": "#8a8f9c",
    "--jq-numeric-bg": "#1f2430",
    "--jq-numeric-input-bg": "#f4f5f8",
    "--jq-numeric-input-label": "#f4f5f8",
    "--jq-numeric-input-shadow": "#1f2430",
    "--jq-string-bg": "#1f2430",
    "--jq-incorrect-color": "#8f2f00",
    "--jq-correct-color": "#0b5a40",
    "--jq-text-color": "#f4f5f8",
    "--jq-link-color": "#9bd1ff",
}


def names() -> list[str]:
    """The quizzes that there are, sorted."""
    found = [file.name for file in (files("bnkit.book") / "quizzes").iterdir()]
    return sorted(name.removesuffix(".json") for name in found if name.endswith(".json"))


def questions(name: str) -> list[dict]:
    """The questions of one quiz, in jupyterquiz's format: multiple choice, math as Unicode."""
    if name not in names():
        raise InputError(f"no quiz {name!r}: choose one of {', '.join(names())}")
    return json.loads((files("bnkit.book") / "quizzes" / f"{name}.json").read_text("utf-8"))


def show(name: str) -> None:
    """Display the quiz `name`; it answers back without a kernel."""
    from jupyterquiz import display_quiz

    random.seed(name)  # jupyterquiz draws the ids of its elements: the same bytes at each build
    display_quiz(questions(name), colors=_COLORS, max_width=720, border_radius=6)
