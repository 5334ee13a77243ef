"""What became of some sentences of the article: paraphrase, the claims behind it, verdict."""

from collections.abc import Iterable
from html import escape
from typing import Any


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
        head = "".join(f'<th scope="col">{name}</th>' for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows()
        )
        return (
            '<div class="bn-table" tabindex="0" role="region" aria-label="Sentences">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )
