"""The ledger: each claim beside its verdict, each sentence beside what became of it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bnkit import claims
from bnkit.claims import Claim, Register, Sentence, sentence_verdict
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
    """

    claim: Claim
    verdict: Verdict | None = None
    seeds: tuple[int, ...] = ()
    rule_changed: bool = False
    why: str = ""
    controls: dict[str, Verdict] = field(default_factory=dict)

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


@dataclass(frozen=True)
class Ledger:
    """All claims with their verdicts, in the order of the register."""

    entries: tuple[Entry, ...]
    register: Register

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __getitem__(self, id: str) -> Entry:
        """The entry of one claim; InputError for an id that is not there."""
        claim = self.register.claim(id)
        return next(entry for entry in self.entries if entry.claim.id == claim.id)

    def counts(self) -> Counter[str]:
        """How many claims have each word."""
        return Counter(entry.word for entry in self.entries)

    def summary(self) -> str:
        """The line that ends `python -m bnkit claims`."""
        n = self.counts()
        judged = len(self.entries) - n["editorial"]
        return (
            f"{judged} claims: {n['supported']} supported, {n['refuted']} refuted, "
            f"{n['undecided']} undecided, {n['untested']} untested (+{n['editorial']} editorial)"
        )

    def sentences(self) -> list[tuple[Sentence, str]]:
        """Each sentence of the article with what became of it."""
        words: dict[str, str] = {entry.claim.id: entry.word for entry in self.entries}
        words |= self.register.rulings()
        for entry in self.entries:
            words |= {name: verdict.verdict for name, verdict in entry.controls.items()}
        return [(s, sentence_verdict(s, words)) for s in self.register.sentences]


def open_ledger(root: Path | None = None, register: Register | None = None) -> Ledger:
    """Judge every claim by what is recorded, families together (Holm).

    Args:
        root: the records' folder.
        register: the claims; those of `data/claims.toml` if absent.

    Raises:
        RecordError: a record is damaged: nothing is judged by numbers that may be altered.
    """
    register = register or claims.load()
    records = Records(root)
    entries = {claim.id: _judge(claim, records) for claim in register.claims}
    for family in {claim.family for claim in register.claims if claim.family}:
        judged = {
            claim.id: verdict
            for claim in register.family(family)
            if (verdict := entries[claim.id].verdict) is not None
        }
        for id, verdict in holm(judged).items():
            entries[id] = replace(entries[id], verdict=verdict)
    return Ledger(tuple(entries.values()), register)


def _judge(claim: Claim, records: Records) -> Entry:
    if claim.rule is None or claim.experiment is None:
        return Entry(claim, why=claim.ruling or "")
    try:
        verdict, seeds, changed = _verdict(claim, claim.id, records)
    except Untested as missing:
        return Entry(claim, why=str(missing))
    controls = {}
    for name in claim.rules:
        if name != claim.id:
            with suppress(Untested):  # a control may come later; the claim does not wait for it
                controls[name], _, its_rule_changed = _verdict(claim, name, records)
                changed = changed or its_rule_changed
    return Entry(claim, verdict, seeds, changed, controls=controls)


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
