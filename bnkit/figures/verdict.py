"""The card at the end of an argument: claim, prediction, effect with its interval, verdict."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from bnkit.figures.scoreboard import numbers, short


class Card:
    """One claim and its verdict, as a box in the page.

    Args:
        entry: of the ledger.
        fixed: what the verdict holds for, name -> value: the fixed fields of the deciding spec.
        like: the id of a claim above it that holds for the same, which is then said in its place.
    """

    def __init__(self, entry: Any, fixed: Mapping[str, Any], like: str | None = None) -> None:
        self.entry, self.fixed, self.like = entry, fixed, like

    def lines(self) -> list[tuple[str, str]]:
        """(label, text) of each line of the card."""
        claim, verdict = self.entry.claim, self.entry.verdict
        effect, n = numbers(self.entry)
        found = [(f"{effect}, n = {n}; {verdict.what}" if verdict else self.entry.why)]
        if verdict:
            found += [_part(part) for part in verdict.parts]
            found += [f"premise, {_part(premise)}" for premise in verdict.given]
            found += [
                f"{arm}: {count} of {verdict.n} did not arrive"
                for arm, count in verdict.not_reached
                if count
            ]
        return [
            ("Claim", claim.claim),
            ("Predicted", f"{claim.expected}. {claim.because}"),
            *(("Found" if not i else "", text) for i, text in enumerate(found)),
            *self._late(),
            ("Holds for", f"the same as {self.like}" if self.like else self._fixed()),
        ]

    def _fixed(self) -> str:
        return ", ".join(f"{name} {_written(value)}" for name, value in self.fixed.items())

    def _late(self) -> list[tuple[str, str]]:
        """What a reader must know of controls that were thought of when results were there."""
        names = ", ".join(self.entry.late_controls)
        return [("Late controls", f"{names}: declared after a record that they use")] * bool(names)

    def __repr__(self) -> str:
        lines = [f"{self.entry.claim.id}: {self.entry.word}"]
        return "\n".join(lines + [f"{label:10} {text}" for label, text in self.lines()])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in self.lines()
        )
        word = self.entry.word
        changed = " (rule changed after the record)" if self.entry.rule_changed else ""
        return (
            f'<section class="bn-card" aria-label="Verdict on {escape(self.entry.claim.id)}">'
            f'<p class="bn-card-head"><strong>{escape(self.entry.claim.id)}</strong> '
            f'<span class="bn-word bn-{word}">{word}</span>{changed}</p><dl>{rows}</dl></section>'
        )


class Predictions:
    """Claims with what was expected of each, before the numbers.

    Args:
        claims: of the register.
    """

    def __init__(self, claims: Sequence[Any]) -> None:
        self.claims = list(claims)

    def __repr__(self) -> str:
        return "\n".join(f"{c.id}: {c.claim} We expect: {c.expected}." for c in self.claims)

    def _repr_html_(self) -> str:
        return "".join(
            f'<section class="bn-card" aria-label="Prediction for {escape(claim.id)}">'
            f"<dl><dt>{escape(claim.id)}</dt><dd>{escape(claim.claim)}</dd>"
            f"<dt>We expect</dt><dd>{escape(claim.expected)}. {escape(claim.because)}</dd></dl>"
            "</section>"
            for claim in self.claims
        )


class Cards:
    """Several cards, one below the other; what several hold for is printed once."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self.cards: list[Card] = []
        for card in cards:
            above = (c.entry.claim.id for c in self.cards if c.fixed == card.fixed)
            self.cards.append(Card(card.entry, card.fixed, like=next(above, None)))

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.cards))

    def _repr_html_(self) -> str:
        return "".join(card._repr_html_() for card in self.cards)


def _part(verdict: Any) -> str:
    low, high = short(verdict.low), short(verdict.high)
    return f"{verdict.what}: {short(verdict.effect)} [{low}, {high}], {verdict.verdict}"


def _written(value: Any) -> str:
    return "×".join(map(str, value)) if isinstance(value, tuple) else f"{value}"
