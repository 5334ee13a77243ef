"""The ledger: each claim beside its verdict, each sentence beside what became of it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bnkit import claims
from bnkit.claims import Claim, Register, Sentence, sentence_verdict
from bnkit.errors import InputError
from bnkit.judging import Verdict, holm, judge, rule_sha256
from bnkit.ledger.samples import Records, Untested

Word = Literal["supported", "refuted", "undecided", "untested", "editorial"]


@dataclass(frozen=True)
class Entry:
    """One claim and what the records say about it.

    Attributes:
        claim: of the register.
        verdict: None where there is nothing to judge by, or nothing to judge.
        seeds: those that the verdict rests on.
        rule_changed: the rule is not the one that was in force when the records were made.
        why: of an untested claim, what is missing; of an editorial one, its ruling.
        controls: name -> verdict of the rules that are judged beside it and not counted.
        late_controls: those of them that are younger than a record that they are judged by.
    """

    claim: Claim
    verdict: Verdict | None = None
    seeds: tuple[int, ...] = ()
    rule_changed: bool = False
    why: str = ""
    controls: dict[str, Verdict] = field(default_factory=dict)
    late_controls: tuple[str, ...] = ()

    @property
    def word(self) -> Word:
        """The verdict in one word."""
        if self.claim.kind == "editorial":
            return "editorial"
        return self.verdict.verdict if self.verdict else "untested"

    def as_json(self) -> dict[str, Any]:
        """For `python -m bnkit claims --json`."""
        v = self.verdict
        numbers = {"effect": v.effect, "low": v.low, "high": v.high, "n": v.n} if v else {}
        return {
            "id": self.claim.id,
            "kind": self.claim.kind,
            "chapter": self.claim.chapter,
            "verdict": self.word,
            **dict.fromkeys(("effect", "low", "high", "n")),
            **numbers,
        }


class Ledger:
    """All claims with their verdicts, in the order of the register.

    A claim is judged when it is first asked for, together with its family (Holm), so that a chapter
    does not pay for the claims of the others.

    Args:
        register: the claims.
        records: what is recorded.
    """

    def __init__(self, register: Register, records: Records) -> None:
        self.register, self._records = register, records
        self._judged: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return (self[claim.id] for claim in self.register.claims)

    def __getitem__(self, id: str) -> Entry:
        """The entry of one claim.

        Raises:
            InputError: for an id that is not there.
            RecordError: a record is damaged: nothing is judged by numbers that may be altered.
        """
        if id not in self._judged:
            claim = self.register.claim(id)
            family = self.register.family(claim.family) if claim.family else (claim,)
            self._judged |= _judge_together(family, self._records)
        return self._judged[id]

    def counts(self) -> Counter[str]:
        """How many claims have each word."""
        return Counter(entry.word for entry in self)

    def summary(self) -> str:
        """The line that ends `python -m bnkit claims`."""
        return summary(self)

    def sentences(self, ids: Iterable[str] | None = None) -> list[tuple[Sentence, str]]:
        """Sentences of the article with what became of them; all of them if no ids are given.

        Raises:
            InputError: there is no such sentence.
        """
        by_id = {sentence.id: sentence for sentence in self.register.sentences}
        wanted = list(by_id if ids is None else ids)
        if unknown := [id for id in wanted if id not in by_id]:
            raise InputError(f"no sentence {unknown[0]!r}: choose of {', '.join(by_id)}")
        chosen = [by_id[id] for id in wanted]
        return [(s, sentence_verdict(s, self._words(s.rests_on))) for s in chosen]

    def _words(self, names: Iterable[str]) -> dict[str, str]:
        """What became of each claim or control ("B5.init"); what is not judged is left out."""
        rulings, words = self.register.rulings(), {}
        for name in names:
            entry = self[name.partition(".")[0]]
            if name in entry.controls:
                words[name] = entry.controls[name].verdict
            elif name == entry.claim.id:
                words[name] = rulings.get(name, entry.word)
        return words


def open_ledger(root: Path | None = None, register: Register | None = None) -> Ledger:
    """The claims with what is recorded.

    Args:
        root: the records' folder.
        register: the claims; those of `data/claims.toml` if absent.
    """
    return Ledger(register or claims.load(), Records(root))


def summary(entries: Iterable[Entry]) -> str:
    """How many claims have each verdict, in one line."""
    n = Counter(entry.word for entry in entries)
    judged = n.total() - n["editorial"]
    return (
        f"{judged} claims: {n['supported']} supported, {n['refuted']} refuted, "
        f"{n['undecided']} undecided, {n['untested']} untested (+{n['editorial']} editorial)"
    )


def _judge_together(family: Iterable[Claim], records: Records) -> dict[str, Entry]:
    entries = {claim.id: _judge(claim, records) for claim in family}
    judged = {id: entry.verdict for id, entry in entries.items() if entry.verdict is not None}
    adjusted = holm(judged) if any(claim.family for claim in family) else judged
    return {id: replace(entry, verdict=adjusted.get(id)) for id, entry in entries.items()}


def _judge(claim: Claim, records: Records) -> Entry:
    if claim.rule is None or claim.experiment is None:
        return Entry(claim, why=claim.ruling or "")
    try:
        verdict, seeds, changed = _verdict(claim, claim.id, records)
    except Untested as missing:
        return Entry(claim, why=str(missing))
    controls, late = {}, []
    for name in claim.rules:
        if name != claim.id:
            with suppress(Untested):  # a control may come later; the claim does not wait for it
                controls[name], _, is_late = _verdict(claim, name, records)
                late += [name] if is_late else []
    return Entry(claim, verdict, seeds, changed, controls=controls, late_controls=tuple(late))


def _verdict(claim: Claim, name: str, records: Records) -> tuple[Verdict, tuple[int, ...], bool]:
    """What one of the claim's rules says, of which seeds, and whether it is younger than they."""
    rule = claim.rules[name]
    samples, seeds, origins = records.samples_of(
        str(claim.experiment),
        dict.fromkeys(operand.arm for operand in rule.operands),
        {operand.metric for operand in rule.operands},
    )
    of_seeds = [origins[arm][str(seed)].get("rules", {}) for arm in origins for seed in seeds]
    changed = any(rules.get(name) != rule_sha256(rule) for rules in of_seeds)
    try:
        return judge(rule, samples), seeds, changed
    except ValueError as error:  # a single seed, or a metric that the run does not have
        raise Untested(str(error)) from None
