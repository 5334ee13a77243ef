"""A table of the page that scrolls in itself on a narrow screen."""

from collections.abc import Iterable, Sequence
from html import escape


def table(label: str, names: Sequence[str], body: str) -> str:
    """HTML of a table.

    Args:
        label: what a screen reader calls it.
        names: of the columns.
        body: its rows, HTML.
    """
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        f'<div class="bn-table" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def rows(texts: Iterable[Sequence[str]]) -> str:
    """The body of a table of plain text, a row each."""
    return "".join(row(map(escape, cells)) for cells in texts)


def row(cells: Iterable[str]) -> str:
    """One row of cells that are HTML."""
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
