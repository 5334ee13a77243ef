"""What is on trial? Reads the register of claims, `data/claims.toml`, and holds it to its schema.

Each claim has a rule that was written before its numbers; each sentence of the article rests on
claims, and its verdict is computed from theirs.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from bnkit.errors import InputError
from bnkit.judging import Rule, parse_rule
from bnkit.places import home

T = TypeVar("T")

# The chapters in reading order: part, then names. A claim has one of them as its primary chapter.
PARTS = {
    "what-it-is": (
        "mini-batches",
        "normalization",
        "forward",
        "backward",
        "inference",
        "framework",
        "gpu",
    ),
    "what-it-buys": (
        "speed-and-accuracy",
        "learning-rates-and-initialization",
        "regularization",
        "dropout",
        "placement-and-affine",
        "good-practices",
        "small-batches",
    ),
    "why-it-works": (
        "lipschitz",
        "internal-covariate-shift",
        "higher-order",
        "smoothness",
        "does-smoothness-cause-speed",
        "large-learning-rates",
        "scale-invariance",
        "signal-propagation",
    ),
    "verdict": ("alternatives", "ledger", "scoreboard"),
}
CHAPTERS = tuple(chapter for part in PARTS.values() for chapter in part)
CLAIM_KINDS = ("exact", "experiment", "editorial")
WORDS = ("supported", "refuted", "undecided")
RULINGS = ("corrected", "cited", "cannot be tested here")
# How we know what was published: the text itself, its abstract or the authors' own page, other
# people's summary, or memory; of a claim of ours: derived, or suggested by a pilot.
CERTAINTIES = ("read", "abstract", "reported", "remembered", "derived", "pilot")
OWN_SOURCES = ("ours", "article")  # no citation: our own claim, or the article's


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One row of the register.

    Attributes:
        id: letter and number, for example "B1".
        claim: what is judged, and whose claim it is.
        kind: "exact", "experiment" or "editorial".
        chapter, also: the primary chapter, and others that speak of it.
        source: citation keys with their place, separated by semicolons; or "ours", "article".
        certainty: how we know what was published, one of `CERTAINTIES`.
        because: the reason for our expectation, or for the ruling.
        published: the published number as it may be printed; empty where it may not be.
        expected: our prediction before the sweep (not for editorial rows).
        rule: what the numbers must show (not for editorial rows).
        controls: rules judged beside the claim, which do not enter its verdict.
        experiment: the module of `bnkit.experiments` that decides (not for editorial rows).
        family: the claims that are judged together (not for editorial rows).
        pilot: whether we had seen numbers of a pilot when the rule was written; `note` says which.
        report: what is printed beside the verdict without being judged.
        note: anything else that a reader must know.
        ruling, rests_on: of an editorial row: one of `RULINGS`, and the claims behind it.
    """

    id: str
    claim: str
    kind: str
    chapter: str
    source: str
    certainty: str
    because: str
    also: tuple[str, ...] = ()
    published: str = ""
    expected: str | None = None
    rule: Rule | None = None
    controls: Mapping[str, Rule] = field(default_factory=dict)
    experiment: str | None = None
    family: str | None = None
    pilot: bool = False
    report: str = ""
    note: str = ""
    ruling: str | None = None
    rests_on: tuple[str, ...] = ()

    @property
    def citations(self) -> tuple[str, ...]:
        """The keys of references.bib that the source names."""
        keys = [place.split(",")[0].strip() for place in self.source.split(";")]
        return tuple(key for key in keys if key not in OWN_SOURCES)

    @property
    def rules(self) -> dict[str, Rule]:
        """The rule under the claim's id, and each control under `id.name`."""
        named = {f"{self.id}.{name}": rule for name, rule in self.controls.items()}
        return named if self.rule is None else {self.id: self.rule, **named}


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One sentence of the article, in our words.

    Attributes:
        id: "L1" to "L42", in the article's order.
        says: our paraphrase.
        rests_on: ids of claims, or of their controls (`B5.init`).
        against: those of them that speak against the sentence where they are supported.
        editorial: no claim can decide it; `note` gives the reason.
        corrects: whether `note` corrects the wording.
        note: what the article leaves out, or gets loose.
    """

    id: str
    says: str
    rests_on: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    editorial: bool = False
    corrects: bool = False
    note: str = ""


@dataclass(frozen=True)
class Register:
    """All claims and sentences, in the order of the file."""

    claims: tuple[Claim, ...]
    sentences: tuple[Sentence, ...]

    def claim(self, id: str) -> Claim:
        """The claim of that id."""
        for claim in self.claims:
            if claim.id == id:
                return claim
        raise InputError(f"no claim {id!r}: `python -m bnkit claims` lists them all")

    def by_chapter(self, name: str) -> tuple[Claim, ...]:
        """The claims whose primary chapter it is."""
        _check_one_of("chapter", name, CHAPTERS)
        return tuple(claim for claim in self.claims if claim.chapter == name)

    def family(self, name: str) -> tuple[Claim, ...]:
        """The claims that are judged together."""
        return tuple(claim for claim in self.claims if claim.family == name)

    def rulings(self) -> dict[str, str]:
        """The ruling of each editorial row, by id."""
        return {claim.id: claim.ruling for claim in self.claims if claim.ruling is not None}


def sentence_verdict(sentence: Sentence, verdicts: Mapping[str, str]) -> str:
    """What becomes of a sentence, given what became of the claims that it rests on.

    Args:
        sentence: of the register.
        verdicts: by the id of a claim or control: "supported", "refuted", "undecided",
            "untested", or the ruling of an editorial row. An id that is absent is untested.

    Returns:
        "stands": all are supported. "stands, with a correction": so they are, and a row or the
        note corrects the wording. "overstated": some are supported, others not. "contradicted":
        all are refuted. "open": anything else, and wherever a claim is untested. "not testable
        here": no claim can decide it.
    """
    words = [
        _turned(verdicts.get(id, "untested"), id in sentence.against) for id in sentence.rests_on
    ]
    judged = [word for word in words if word not in RULINGS]
    if sentence.editorial or not judged:
        return "not testable here"
    if all(word == "supported" for word in judged):
        is_corrected = sentence.corrects or "corrected" in words
        return "stands, with a correction" if is_corrected else "stands"
    if "untested" in judged:
        return "open"
    if "supported" in judged:
        return "overstated"
    return "contradicted" if all(word == "refuted" for word in judged) else "open"


def _turned(word: str, is_against: bool) -> str:
    """Support for a claim that speaks against the sentence counts as its refutation."""
    if not is_against:
        return word
    return {"supported": "refuted", "refuted": "supported"}.get(word, word)


def load(path: str | Path | None = None) -> Register:
    """The register in `path`; by default the project's, else the copy in the package.

    Raises:
        InputError: one line that names the entry, the field and what is allowed.
    """
    return _load(Path(path) if path is not None else _find())


def _find() -> Path:
    """The project's file; an installed package carries a copy."""
    packaged = Path(__file__).resolve().parent / "packaged" / "claims.toml"
    in_project = home() / "data" / "claims.toml"
    return packaged if packaged.is_file() and not in_project.is_file() else in_project


@cache
def _load(path: Path) -> Register:
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except OSError:
        raise InputError(
            f"no register of claims at {path}: set BNKIT_HOME to a checkout of the book"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path.name} is not TOML: {error}") from None
    unknown = sorted(set(tables) - {"claim", "sentence"})
    if unknown:
        raise InputError(f"{path.name} has a table {unknown[0]!r}; it may have claim, sentence")
    claims = tuple(_claim(table) for table in tables.get("claim", []))
    sentences = tuple(_build(Sentence, table) for table in tables.get("sentence", []))
    _check_references(claims, sentences)
    return Register(claims, sentences)


def _claim(table: Mapping[str, Any]) -> Claim:
    """One `[[claim]]`, checked field by field."""
    parsed = dict(table)
    id = table.get("id")
    try:
        if "rule" in table:
            parsed["rule"] = parse_rule(table["rule"])
        controls = table.get("controls", {})
        if not isinstance(controls, Mapping):
            raise ValueError(f"controls = {controls!r} is not a table of rules")
        parsed["controls"] = {name: parse_rule(rule) for name, rule in controls.items()}
    except ValueError as error:
        raise InputError(f"claim {id}: {error}") from None
    claim = _build(Claim, parsed)
    _check_one_of(f"claim {id}: kind", claim.kind, CLAIM_KINDS)
    _check_one_of(f"claim {id}: certainty", claim.certainty, CERTAINTIES)
    for chapter in (claim.chapter, *claim.also):
        _check_one_of(f"claim {id}: chapter", chapter, CHAPTERS)
    is_editorial = claim.kind == "editorial"
    judged, ruled = ("expected", "rule", "experiment", "family"), ("ruling", "rests_on")
    needed, refused = (ruled, judged) if is_editorial else (judged, ruled)
    for name in needed:
        if getattr(claim, name) is None:
            raise InputError(f"claim {id}: an {claim.kind} claim needs {name!r}; add it")
    for name in refused:
        if getattr(claim, name):
            raise InputError(f"claim {id}: an {claim.kind} claim has no {name!r}; remove it")
    if is_editorial:
        _check_one_of(f"claim {id}: ruling", claim.ruling, RULINGS)
    else:
        _check_one_of(f"claim {id}: expected", claim.expected, WORDS)
    if claim.pilot and not claim.note:
        raise InputError(f"claim {id}: pilot = true needs a note that says which numbers were seen")
    return claim


def _build(cls: type[T], table: Mapping[str, Any]) -> T:
    """`cls` from a table whose field names and types are checked."""
    name = f"{cls.__name__.lower()} {table.get('id')}"
    allowed = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    for key, value in table.items():
        if key not in allowed:
            raise InputError(f"{name}: unknown field {key!r}; allowed: {', '.join(allowed)}")
        hint = allowed[key].type
        is_right = True  # rules have been parsed before
        if hint == tuple[str, ...]:
            is_right = isinstance(value, list) and all(isinstance(part, str) for part in value)
        elif hint is bool:
            is_right = isinstance(value, bool)
        elif hint in (str, str | None):
            is_right = isinstance(value, str) and bool(value.strip())
        if not is_right:
            wanted: dict[Any, str] = {bool: "true or false", tuple[str, ...]: "an array of strings"}
            raise InputError(f"{name}: {key} = {value!r} is not {wanted.get(hint, 'a text')}")
    for key, item in allowed.items():
        is_needed = item.default is MISSING and item.default_factory is MISSING
        if is_needed and key not in table:
            raise InputError(f"{name}: field {key!r} is missing; add it")
    return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in table.items()})


def _check_references(claims: Sequence[Claim], sentences: Sequence[Sentence]) -> None:
    """Ids are unique, and all that something rests on is there."""
    entries: list[Claim | Sentence] = [*claims, *sentences]
    ids = [entry.id for entry in entries]
    doubled = sorted({id for id in ids if ids.count(id) > 1})
    if doubled:
        raise InputError(f"id {doubled[0]!r} is there twice: ids are unique; rename one")
    known = {claim.id for claim in claims} | {name for claim in claims for name in claim.rules}
    for entry in entries:
        for id in entry.rests_on:
            if id not in known:
                raise InputError(f"{entry.id}: rests_on names {id!r}, which is no claim's id")
    for sentence in sentences:
        stray = sorted(set(sentence.against) - set(sentence.rests_on))
        if stray:
            raise InputError(f"{sentence.id}: against names {stray[0]!r}; name it in rests_on too")
        if not sentence.editorial and not sentence.rests_on:
            raise InputError(f"{sentence.id}: rests_on is empty; name claims, or set editorial")


def _check_one_of(what: str, value: Any, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InputError(f"{what} {value!r} is not one of {', '.join(allowed)}")
