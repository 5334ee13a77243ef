"""What became of some sentences of the article: paraphrase, the claims behind it, verdict."""

from collections.abc import Iterable
from html import escape
from typing import Any

from bnkit.figures import table_html


class Table:
    """An HTML table of sentences, which scrolls in itself on a narrow screen.

    Args:
        sentences: (sentence, what became of it), as `Ledger.sentences` has them.
    """

    def __init__(self, sentences: Iterable[tuple[Any, str]]) -> None:
        self.sentences = list(sentences)

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """(id, paraphrase, claims that it rests on, verdict, note) of each, as text."""
        return [(s.id, s.says, ranges(s.rests_on), word, s.note) for s, word in self.sentences]

    def __repr__(self) -> str:
        return "\n".join(" | ".join(row) for row in self.rows())

    def _repr_html_(self) -> str:
        names = ("id", "the article, in our words", "verdict", "rests on")
        return table_html.table("Sentences", names, "".join(map(_row, self.rows())))


def _row(row: tuple[str, str, str, str, str]) -> str:
    """The note stands below the sentence: a column of its own would not fit on the page."""
    id, says, rests_on, word, note = map(escape, row)
    below = f'<br><span class="bn-note">{note}</span>' if note else ""
    return table_html.row((id, says + below, word, rests_on))


def ranges(ids: Iterable[str]) -> str:
    """Ids of claims, three or more in a row as one: G1, G2, G3, J1 is "G1–G3, J1"."""
    runs: list[list[str]] = []
    for id in ids:
        follows = runs and id == f"{runs[-1][-1][0]}{int(runs[-1][-1][1:]) + 1}"
        if follows:
            runs[-1].append(id)
        else:
            runs.append([id])
    texts = [f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs]
    return ", ".join(texts)
