"""What became of some sentences of the article: paraphrase, the claims behind it, verdict."""

from collections.abc import Iterable
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
        return [(s.id, s.says, ", ".join(s.rests_on), word, s.note) for s, word in self.sentences]

    def __repr__(self) -> str:
        return "\n".join(" | ".join(row) for row in self.rows())

    def _repr_html_(self) -> str:
        names = ("id", "the article, in our words", "rests on", "verdict", "note")
        return table_html.table("Sentences", names, table_html.rows(self.rows()))
