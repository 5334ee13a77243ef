"""All claims on one page: a bar a chapter, and a table with effect, interval and number of seeds.

Takes entries of the ledger, or anything with the same attributes.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from bnkit.claims import CHAPTERS
from bnkit.figures import table_html
from bnkit.figures.style import AMBER, GREEN, GRID, ORANGE

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

WORDS = {
    "supported": GREEN,
    "refuted": ORANGE,
    "undecided": AMBER,
    "untested": GRID,
    "editorial": "#c9d7e6",
}


def counts(entries: Iterable[Any]) -> pd.DataFrame:
    """One row a chapter, in the order of the book, one column a verdict, how many claims."""
    chapters: dict[str, Counter[str]] = {}
    for entry in entries:
        chapters.setdefault(entry.claim.chapter, Counter())[entry.word] += 1
    in_order = {name: chapters[name] for name in CHAPTERS if name in chapters}
    table = pd.DataFrame.from_dict(in_order, orient="index")
    return table.reindex(columns=list(WORDS)).fillna(0).astype(int)


def bars(entries: Iterable[Any]) -> Figure:
    """Claims a chapter, colored by verdict."""
    table = counts(entries)
    figure, axes = plt.subplots(figsize=(7.2, 0.8 + 0.26 * len(table)))
    left = pd.Series(0, index=table.index)
    for word, color in WORDS.items():
        axes.barh(table.index, table[word], left=left, color=color, label=word, height=0.7)
        left = left + table[word]
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("claims")
    axes.tick_params(axis="y", length=0, labelsize=8)
    figure.legend(loc="outside upper center", ncols=len(WORDS), handlelength=1.0)
    return figure


class Table:
    """An HTML table of entries, which scrolls in itself on a narrow screen."""

    def __init__(self, entries: Iterable[Any], links: Mapping[str, str]) -> None:
        self.entries = list(entries)
        self.links = links

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """(id, claim, verdict, effect and interval, n, chapter) of each entry, as text."""
        return [
            (
                entry.claim.id,
                entry.claim.claim,
                entry.word + (" *" if entry.rule_changed else ""),
                *numbers(entry),
                entry.claim.chapter,
            )
            for entry in self.entries
        ]

    def __repr__(self) -> str:
        return "\n".join(" | ".join(row) for row in self.rows())

    def _repr_html_(self) -> str:
        names = ("id", "claim", "verdict", "effect [interval]", "n", "chapter")
        body = "".join(
            self._row(entry, row) for entry, row in zip(self.entries, self.rows(), strict=True)
        )
        return table_html.table("All claims", names, body)

    def _row(self, entry: Any, row: tuple[str, ...]) -> str:
        id, claim, verdict, effect, n, chapter = map(escape, row)
        link = self.links.get(entry.claim.chapter)
        place = f'<a href="{escape(link)}">{chapter}</a>' if link else chapter
        return (
            f'<tr id="claim-{id}"><td>{id}</td><td>{claim}</td>'
            f'<td><span class="bn-word bn-{entry.word}">{verdict}</span></td>'
            f"<td>{effect}</td><td>{n}</td><td>{place}</td></tr>"
        )


def numbers(entry: Any) -> tuple[str, str]:
    """Effect with its interval, and n, as text; empty where there is no verdict."""
    verdict = entry.verdict
    if verdict is None:
        return (entry.why if entry.word == "editorial" else "", "")
    interval = f"{short(verdict.effect)} [{short(verdict.low)}, {short(verdict.high)}]"
    return f"{verdict.unit} {interval}", str(verdict.n)


def short(value: float) -> str:
    """Three digits, a real minus sign, powers of ten as on paper, and a sign for infinity.

    >>> [short(x) for x in (0.5, -2.345, 1234.6, 1e-6, math.inf)]
    ['0.5', '−2.35', '1235', '10⁻⁶', '∞']
    """
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if 1_000 <= abs(value) < 1e6:
        return f"{value:.0f}".replace("-", "−")
    mantissa, _, exponent = f"{value:.3g}".replace("-", "−").partition("e")
    if not exponent:
        return mantissa
    power = "10" + str(int(exponent.replace("−", "-"))).translate(_RAISED)
    return power if mantissa == "1" else f"{mantissa}×{power}"
