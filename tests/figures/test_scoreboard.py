from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bnkit.figures import scoreboard


def entry(id, chapter, word, effect=None):
    verdict = None
    if effect is not None:
        verdict = SimpleNamespace(unit="ratio", effect=effect, low=-np.inf, high=0.5, n=10)
    claim = SimpleNamespace(id=id, chapter=chapter, claim=f"claim <{id}>")
    return SimpleNamespace(claim=claim, word=word, verdict=verdict, rule_changed=id == "A2", why="")


ENTRIES = [
    entry("B1", "backward", "untested"),
    entry("A1", "forward", "supported", 0.25),
    entry("A2", "forward", "refuted", 0.25),
]


@pytest.fixture
def figure():
    yield scoreboard.bars(ENTRIES)
    plt.close("all")


def test_each_chapter_counts_its_claims_by_verdict_in_the_order_of_the_book():
    table = scoreboard.counts(ENTRIES)
    assert list(table.index) == ["forward", "backward"]
    assert table.loc["forward", ["supported", "refuted", "untested"]].tolist() == [1, 1, 0]
    assert table.to_numpy().sum() == len(ENTRIES)


def test_the_bars_of_a_chapter_are_as_long_as_its_claims_are_many(figure):
    axes = figure.axes[0]
    widths = np.array([[bar.get_width() for bar in group] for group in axes.containers])
    assert widths.sum(axis=0).tolist() == [2, 1]


def test_the_table_shows_effect_and_interval_and_marks_a_changed_rule():
    rows = scoreboard.Table(ENTRIES, {}).rows()
    assert rows[1][2:] == ("supported", "ratio 0.25 [−∞, 0.5]", "10", "forward")
    assert rows[2][2] == "refuted *"
    assert rows[0][3:5] == ("", "")


def test_the_table_escapes_its_text_and_links_only_chapters_that_have_a_page():
    html = scoreboard.Table(ENTRIES, {"forward": "../forward.html"})._repr_html_()
    assert "claim &lt;A1&gt;" in html
    assert "<A1>" not in html
    assert html.count('<a href="../forward.html">forward</a>') == 2
    assert "<td>backward</td>" in html


def test_numbers_are_written_as_on_paper():
    written = {
        0.0: "0", 0.5: "0.5", -2.345: "−2.35", 1234.6: "1235", -1.3e-6: "−1.3×10⁻⁶",
        1e-6: "10⁻⁶", 2e9: "2×10⁹", np.inf: "∞", -np.inf: "−∞",
    }  # fmt: skip
    assert {value: scoreboard.short(value) for value in written} == written
