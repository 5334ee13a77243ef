import re
from collections import Counter
from pathlib import Path

import pytest

from bnkit.claims import CHAPTERS, Sentence, load, sentence_verdict
from bnkit.errors import InputError
from bnkit.judging import as_table, parse_rule

ROOT = Path(__file__).resolve().parent.parent
REGISTER = load()

# Every row, by its primary chapter.
PRIMARY = {
    "mini-batches": "P1 P2 P3",
    "normalization": "A1",
    "forward": "A6 A9",
    "backward": "A3 A4 A5 J25",
    "inference": "A2 A8 Q8",
    "speed-and-accuracy": "B1 B2 B3 B7 B8",
    "learning-rates-and-initialization": "B4 B5 B9 Q5",
    "regularization": "B6 A7 J8 J29",
    "dropout": "D1 D2 D3 D4 D5 D6 D7 Q2 Q7",
    "placement-and-affine": "C1 C2 C3 C4 C5 C6 C7 C8 C10 J7",
    "good-practices": "Q1 Q3 Q4 Q6 J26",
    "small-batches": "J9 J10 C9",
    "lipschitz": "K1 K2 K3 K4 K5",
    "internal-covariate-shift": "E1 E2 E3 E4 E5 E6 E7 E8 E9",
    "higher-order": "F1 F2 F3 F4 F5 F6 F7 F8",
    "smoothness": "G1 G2 G3 G4 G5 G6 G7 G8 G9 G10 G11 G12 G13 J11 J12 J13 J14 J15",
    "does-smoothness-cause-speed": "G14",
    "large-learning-rates": "H1 H2 H3 H4 H5 H6 H7 H8 J17",
    "scale-invariance": "I1 I2 I3 I4 I5 I6 I7 I8 I9 I10 I11 J1 J2 J3 J27",
    "signal-propagation": "J4 J5 J6 J16 J23 J24",
    "alternatives": "J18 J19 J20 J21 J22 J28",
}
ROWS = {"P": 3, "Q": 8, "A": 9, "B": 9, "C": 10, "D": 7, "E": 9, "F": 8, "G": 14, "H": 8, "I": 11}
ROWS |= {"J": 29, "K": 5}


def judged():
    return [claim for claim in REGISTER.claims if claim.kind != "editorial"]


def words_of(claim):
    return " ".join((claim.claim, claim.because, claim.published, claim.report, claim.note))


def test_every_row_is_there_once():
    wanted = {f"{letter}{i}" for letter, n in ROWS.items() for i in range(1, n + 1)}
    assert {claim.id for claim in REGISTER.claims} == wanted
    assert len(REGISTER.claims) == sum(ROWS.values())


def test_every_row_is_in_its_chapter():
    found = {chapter: {c.id for c in REGISTER.by_chapter(chapter)} for chapter in CHAPTERS}
    wanted = {chapter: set(PRIMARY.get(chapter, "").split()) for chapter in CHAPTERS}
    assert found == wanted


def test_no_chapter_is_also_its_own_neighbor():
    for claim in REGISTER.claims:
        assert claim.chapter not in claim.also, claim.id
        assert len(set(claim.also)) == len(claim.also), claim.id


def test_a_chapter_has_one_family():
    assert {claim.id: claim.family for claim in judged()} == {c.id: c.chapter for c in judged()}


def test_the_42_sentences_are_there_in_order():
    assert [s.id for s in REGISTER.sentences] == [f"L{i}" for i in range(1, 43)]
    assert {s.id for s in REGISTER.sentences if s.editorial} == {"L2", "L6", "L18"}
    assert all(s.note for s in REGISTER.sentences if s.editorial or s.corrects)


def test_every_cited_work_is_in_the_bibliography():
    keys = re.findall(r"^@\w+\{([^,]+),", (ROOT / "references.bib").read_text("utf-8"), re.M)
    assert [key for key, n in Counter(keys).items() if n > 1] == []
    cited = {key: claim.id for claim in REGISTER.claims for key in claim.citations}
    assert {key: id for key, id in cited.items() if key not in keys} == {}


def test_every_work_has_author_title_and_year():
    entries = (ROOT / "references.bib").read_text("utf-8").split("\n@")
    for entry in entries:
        for name in ("author", "title", "year"):
            assert re.search(rf"^  {name} = \{{.+\}},$", entry, re.M), (name, entry)


def test_every_rule_is_written_down_as_it_was_read():
    for claim in judged():
        assert claim.rules[claim.id] == claim.rule
        for rule in claim.rules.values():
            assert parse_rule(as_table(rule)) == rule


def test_every_experiment_can_be_a_module():
    assert all(claim.experiment.isidentifier() for claim in judged())


def test_a_metric_has_one_name_for_one_thing():
    # Levels follow an @, words are joined by underscores: names that later records must match.
    for claim in judged():
        for rule in claim.rules.values():
            for arm, metric in rule.operands:
                assert re.fullmatch(r"[a-z][a-z0-9_]*(@[0-9.e+-]+)?", metric), (claim.id, metric)
                assert re.fullmatch(r"[a-z][a-z0-9]*([-@][a-z0-9.]+)*", arm), (claim.id, arm)


def test_claims_about_steps_and_rates_are_judged_by_ranks():
    # Both are tied to a grid, and steps may be infinite.
    parts = [p for c in judged() for r in c.rules.values() for p in getattr(r, "parts", (r,))]
    ranked = [p for p in parts if getattr(p, "metric", "") in ("steps_to_target", "best_rate")]
    assert len(ranked) > 5
    assert {part.by for part in ranked} == {"rank"}


def test_a_published_number_was_read_or_says_who_reports_it():
    for claim in REGISTER.claims:
        if claim.published:
            assert claim.certainty in ("read", "abstract", "reported"), claim.id
        if claim.published and claim.certainty == "reported":
            assert "as reported by others" in claim.published, claim.id


@pytest.mark.parametrize(
    ("id", "pattern"),
    [
        ("H1", r"0\.0001|1e-4|0\.1\b"),
        ("H5", r"\d\.\d"),
        ("H6", r"0\.03|90 ?%"),
        ("I10", r"1 \+ mu|1 \+ momentum"),
        ("J1", r"T\^|exp\("),
        ("J3", r"T\^|1/2|1/4"),
        ("J10", r"34\.7|24\.1|23\.6"),
        ("J16", r"1,?000|sqrt"),
        ("G6", r"final version|final text|camera"),
    ],
)
def test_what_nobody_has_checked_is_not_printed(id, pattern):
    assert not re.search(pattern, words_of(REGISTER.claim(id)))
    if id in ("H1", "H5", "H6", "J1", "J3", "J16"):
        assert REGISTER.claim(id).published == ""


def test_a_pilot_says_what_was_seen():
    pilots = {claim.id for claim in REGISTER.claims if claim.pilot}
    assert pilots >= {"A7", "E4", "E5", "G6", "G7", "J2", "J4", "J5", "J6"}
    assert all(REGISTER.claim(id).note for id in pilots)


def test_rulings_belong_to_editorial_rows():
    assert REGISTER.rulings() == {
        "B8": "cited",
        "C7": "cited",
        "C8": "cited",
        "C10": "corrected",
        "D7": "corrected",
        "E8": "corrected",
        "F5": "corrected",
        "H8": "cited",
    }


def sentence(**changes):
    return Sentence(**{"id": "L0", "says": "So it is.", "rests_on": ("A1", "A2"), **changes})


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ("supported", "supported", "stands"),
        ("supported", "refuted", "overstated"),
        ("supported", "undecided", "overstated"),
        ("refuted", "refuted", "contradicted"),
        ("refuted", "undecided", "open"),
        ("undecided", "undecided", "open"),
        ("supported", "untested", "open"),
        ("refuted", "untested", "open"),
        ("supported", "cited", "stands"),
        ("supported", "corrected", "stands, with a correction"),
        ("refuted", "corrected", "contradicted"),
        ("corrected", "cited", "not testable here"),
    ],
)
def test_a_sentence_fares_as_the_claims_it_rests_on(first, second, word):
    assert sentence_verdict(sentence(), {"A1": first, "A2": second}) == word


def test_a_note_that_corrects_shows_only_where_the_sentence_stands():
    corrected = sentence(corrects=True, note="But.")
    both = {"A1": "supported", "A2": "supported"}
    assert sentence_verdict(corrected, both) == "stands, with a correction"
    assert sentence_verdict(corrected, {**both, "A2": "refuted"}) == "overstated"


def test_support_for_a_claim_that_speaks_against_it_contradicts_a_sentence():
    opposed = sentence(against=("A1", "A2"))
    assert sentence_verdict(opposed, {"A1": "supported", "A2": "supported"}) == "contradicted"
    assert sentence_verdict(opposed, {"A1": "refuted", "A2": "refuted"}) == "stands"
    assert sentence_verdict(opposed, {"A1": "refuted", "A2": "undecided"}) == "overstated"


def test_a_claim_without_a_record_is_untested_and_its_sentence_open():
    assert sentence_verdict(sentence(), {}) == "open"
    assert {sentence_verdict(s, REGISTER.rulings()) for s in REGISTER.sentences} == {
        "open",
        "not testable here",
    }


def test_an_editorial_sentence_cannot_be_tested_whatever_it_rests_on():
    both = {"A1": "supported", "A2": "supported"}
    assert sentence_verdict(sentence(editorial=True, note="Why."), both) == "not testable here"


CLAIM = """
[[claim]]
id = "A1"
claim = "Someone: it is so."
kind = "exact"
chapter = "forward"
source = "ours"
certainty = "derived"
expected = "supported"
because = "It must."
experiment = "trial"
family = "forward"
rule = { kind = "identity", metric = "max_error", arm = "trials", tolerance = 1e-6 }
"""
RULED = """
[[claim]]
id = "A2"
claim = "Someone: it is so."
kind = "editorial"
chapter = "forward"
source = "article"
certainty = "read"
because = "It cannot be known."
ruling = "cited"
rests_on = ["A1"]
"""
SAID = """
[[sentence]]
id = "L1"
says = "So it is."
rests_on = ["A1"]
"""


def written(folder, text):
    path = folder / "claims.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_register_is_read_from_a_file(tmp_path):
    register = load(written(tmp_path, CLAIM + RULED + SAID))
    assert [claim.id for claim in register.claims] == ["A1", "A2"]
    assert register.by_chapter("forward") == register.claims
    assert register.family("forward") == register.claims[:1]
    assert register.sentences[0].rests_on == ("A1",)


def test_controls_are_judged_beside_their_claim_and_may_carry_a_sentence(tmp_path):
    control = 'controls.he = { kind = "bound", metric = "x", arm = "he", above = 1 }\n'
    text = CLAIM + control + SAID.replace('"A1"', '"A1.he"')
    register = load(written(tmp_path, text))
    assert list(register.claim("A1").rules) == ["A1", "A1.he"]
    assert sentence_verdict(register.sentences[0], {"A1.he": "supported"}) == "stands"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('because = "It must."', "", "claim A1: field 'because' is missing; add it"),
        ('because = "It must."', "because = 3", "claim A1: because = 3 is not a text"),
        ('because = "It must."', 'because = " "', "claim A1: because = ' ' is not a text"),
        ('because = "It must."', 'because = "So."\nwhy = "?"', "claim A1: unknown field 'why'"),
        ('because = "It must."', 'because = "So."\nalso = "forward"', "not an array of strings"),
        ('because = "It must."', 'because = "So."\nalso = ["back"]', "chapter 'back' is not one"),
        ('because = "It must."', 'because = "So."\npilot = 1', "pilot = 1 is not true or false"),
        ('because = "It must."', 'because = "So."\npilot = true', "needs a note"),
        ('because = "It must."', 'because = "So."\nruling = "cited"', "has no 'ruling'"),
        ('because = "It must."', 'because = "So."\ncontrols = 3', "is not a table of rules"),
        ('kind = "exact"', 'kind = "guess"', "claim A1: kind 'guess' is not one of exact"),
        ('"supported"', '"likely"', "claim A1: expected 'likely' is not one of supported"),
        ('"derived"', '"rumor"', "claim A1: certainty 'rumor' is not one of read"),
        ('chapter = "forward"', 'chapter = "fwd"', "claim A1: chapter 'fwd' is not one of mini"),
        ('experiment = "trial"', "", "claim A1: an exact claim needs 'experiment'; add it"),
        ('kind = "identity"', 'kind = "guess"', "claim A1: rule kind 'guess' is not one of"),
        ("tolerance = 1e-6", "tolerance = -1", "claim A1: identity: tolerance is not negative"),
        ('"cited"', '"dismissed"', "claim A2: ruling 'dismissed' is not one of corrected"),
        ('ruling = "cited"', "", "claim A2: an editorial claim needs 'ruling'; add it"),
        ('ruling = "cited"', 'ruling = "cited"\nfamily = "x"', "editorial claim has no 'family'"),
        ('id = "A2"', 'id = "A1"', "id 'A1' is there twice"),
        ('rests_on = ["A1"]', 'rests_on = ["A9"]', "A2: rests_on names 'A9', which is no claim"),
        ('rests_on = ["A1"]\n', "", "L1: rests_on is empty"),
        ('says = "So it is."', "", "sentence L1: field 'says' is missing"),
        ('says = "So it is."', 'says = "So."\nagainst = ["A2"]', "L1: against names 'A2'"),
        ("[[sentence]]", "[[phrase]]", "has a table 'phrase'"),
        ("[[sentence]]", "[sentence", "is not TOML"),
    ],
)
def test_an_entry_that_breaks_the_schema_is_named_in_one_line(tmp_path, old, new, message):
    text = CLAIM + RULED + SAID
    assert old in text
    with pytest.raises(InputError, match=re.escape(message)) as error:
        load(written(tmp_path, text.replace(old, new)))
    assert "\n" not in str(error.value)


def test_a_register_that_is_not_there_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="set BNKIT_HOME to a checkout"):
        load(tmp_path / "nowhere.toml")


def test_an_unknown_id_or_chapter_is_refused():
    with pytest.raises(InputError, match="no claim 'Z9'"):
        REGISTER.claim("Z9")
    with pytest.raises(InputError, match="chapter 'prologue' is not one of"):
        REGISTER.by_chapter("prologue")
