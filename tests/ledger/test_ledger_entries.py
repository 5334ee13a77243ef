"""The verdicts are computed: they follow the records, and a changed rule is reported."""

from pathlib import Path

import pytest

from bnkit import claims, store, sweep
from bnkit.errors import InputError
from bnkit.judging import judge
from bnkit.ledger import Records, entries, open_ledger

SEEDS = range(8)


def words(ledger):
    return {entry.claim.id: entry.word for entry in ledger}


def change(toy, arm, change_row):
    """Write a record anew, as a run that had other numbers would."""
    spec = sweep.resolve("toy", toy.ARMS[arm])
    origins = store.provenance("toy", spec)
    for seed in SEEDS:
        rows = [change_row(row) for row in store.load("toy", spec, [seed])]
        store.save("toy", spec, seed, rows, origins[str(seed)])


def edited(home, old, new) -> claims.Register:
    """The register with one edit, from a file of another name: the first is remembered."""
    path = Path(home) / "data" / "claims.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    other = path.with_name("edited.toml")
    other.write_text(text.replace(old, new), encoding="utf-8")
    return claims.load(other)


def test_every_claim_has_one_of_five_words(recorded, toy):
    ledger = open_ledger()
    assert words(ledger) == {
        "T1": "supported",
        "T2": "supported",
        "T3": "supported",
        "T4": "untested",
        "T5": "editorial",
    }
    assert ledger.summary() == (
        "4 claims: 3 supported, 0 refuted, 0 undecided, 1 untested (+1 editorial)"
    )


def test_without_records_every_claim_is_untested_and_says_why(records, toy):
    ledger = open_ledger()
    assert words(ledger) == {
        **dict.fromkeys(["T1", "T2", "T3", "T4"], "untested"),
        "T5": "editorial",
    }
    assert "no rate is tuned" in ledger["T1"].why
    assert "no records yet" in ledger["T3"].why
    assert ledger["T4"].why == "experiment not_written is not written yet"
    assert ledger["T5"].why == "cited"


def test_another_record_brings_another_verdict(recorded, toy):
    assert words(open_ledger())["T2"] == "supported"

    def worse(row):
        return row._replace(value=row.value - 0.1) if row.name == "test_accuracy" else row

    change(toy, "batch", worse)
    ledger = open_ledger()
    assert words(ledger)["T2"] == "refuted"
    assert ledger["T2"].verdict.effect == pytest.approx(-0.05)

    def scattered(row):
        if row.name != "test_accuracy":
            return row
        return row._replace(value=row.value + 0.1 + (0.5 if row.seed % 2 else -0.5))

    change(toy, "batch", scattered)
    assert words(open_ledger())["T2"] == "undecided"


def test_another_target_brings_other_steps(recorded, toy):
    assert open_ledger()["T1"].verdict.effect == pytest.approx(0.5)

    def slower(row):  # the curve of step 2 k is now reached at step 4 k
        return row._replace(value=row.value * min(1.0, row.step / 20))

    change(toy, "batch@none", slower)
    assert open_ledger()["T1"].verdict.effect == pytest.approx(1.0)
    assert words(open_ledger())["T1"] == "refuted"


def test_a_rule_that_was_changed_after_the_record_is_reported(recorded, toy, home):
    assert not any(entry.rule_changed for entry in open_ledger())
    register = edited(home, "above = 0.02", "above = 0.03")
    assert {e.claim.id for e in open_ledger(register=register) if e.rule_changed} == {"T2"}


def test_a_changed_control_is_reported_and_is_no_changed_rule(recorded, toy, home):
    register = edited(home, 'arm = "none", above = 0.5 }\n\n[[claim]]\nid = "T2"',
                      'arm = "none", above = 0.6 }\n\n[[claim]]\nid = "T2"')  # fmt: skip
    found = open_ledger(register=register)
    assert {e.claim.id: e.late_controls for e in found if e.late_controls} == {
        "T1": ("T1.accuracy",)
    }
    assert not any(entry.rule_changed for entry in found)


def test_a_rule_that_was_written_after_the_record_is_reported(recorded, toy):
    spec = toy.ARMS["none@0.1"]
    origin = {k: v for k, v in store.provenance("toy", spec)["4"].items() if k != "rules"}
    store.save("toy", spec, 4, store.load("toy", spec, [4]), origin)
    entry = open_ledger()["T3"]
    assert entry.rule_changed
    assert entry.word == "supported"  # it is judged by the rule of today, and says so


def test_a_changed_rule_brings_another_verdict(recorded, toy, home):
    register = edited(home, "above = 0.02", "above = 0.9")
    assert words(open_ledger(register=register))["T2"] == "refuted"


def test_the_verdict_of_a_family_is_held_to_its_level(recorded, toy):
    # T1 is judged with T2: its interval is wider than on its own

    def noisy(row):
        if row.name != "test_accuracy":
            return row
        return row._replace(value=row.value + 0.01 * ((row.seed * 7) % 5 - 2))

    change(toy, "batch", noisy)
    together = open_ledger()["T2"].verdict
    samples, _, _ = Records().samples_of("toy", ["batch", "none"], ["test_accuracy"])
    alone = judge(claims.load().claim("T2").rule, samples)
    assert together.effect == pytest.approx(alone.effect)
    assert together.low < alone.low
    assert together.p > alone.p


def test_controls_have_verdicts_beside_the_claim_and_are_not_counted(recorded, toy):
    ledger = open_ledger()
    assert list(ledger["T1"].controls) == ["T1.accuracy"]
    assert ledger["T1"].controls["T1.accuracy"].verdict == "supported"
    assert ledger.counts().total() == 5


def test_a_claim_does_not_wait_for_a_control_that_is_not_recorded(recorded, toy, home):
    register = edited(home, 'arm = "none", above = 0.5', 'arm = "layer", above = 0.5')
    entry = open_ledger(register=register)["T1"]
    assert entry.word == "supported"
    assert entry.controls == {}


def test_an_arm_of_another_experiment_is_read_where_that_keeps_it(recorded, toy, home, borrower):
    old = (
        'experiment = "toy"\nfamily = "toys"\n'
        'rule = { kind = "identity", metric = "max_error", arm = "none@0.1"'
    )
    new = old.replace('"toy"', '"borrower"').replace("none@0.1", "borrowed")
    register = edited(home, old, new)
    assert words(open_ledger(register=register))["T3"] == "supported"


def sentences(ledger):
    return [word for _, word in ledger.sentences()]


def test_a_sentence_of_untested_claims_is_open(records, toy):
    assert sentences(open_ledger()) == ["open"]


def test_a_sentence_follows_the_claims_and_controls_that_it_rests_on(recorded, toy):
    assert sentences(open_ledger()) == ["stands"]
    change(toy, "batch", lambda row: row._replace(value=row.value - 0.1))
    assert sentences(open_ledger()) == ["overstated"]


def test_sentences_come_in_the_order_asked_for(recorded, toy):
    ledger = open_ledger()
    (first,) = ledger.register.sentences
    assert [s.id for s, _ in ledger.sentences([first.id, first.id])] == [first.id] * 2
    with pytest.raises(InputError, match="no sentence 'L9': choose of L1"):
        ledger.sentences(["L9"])


def test_a_claim_is_judged_with_its_family_and_without_the_others(recorded, toy, monkeypatch):
    judged = []
    judge = entries.judge
    monkeypatch.setattr(entries, "judge", lambda *a: judged.append(a[0]) or judge(*a))
    ledger = open_ledger()
    assert not judged
    family = ledger.register.claim("T2").family
    of_family = [rule for c in ledger.register.family(family) for rule in c.rules.values()]
    assert ledger["T2"].word == "supported"
    assert judged == of_family
    assert ledger["T2"] is ledger["T2"]
    assert judged == of_family  # once


def test_one_seed_is_no_sample_and_breaks_nothing(keep_only):
    # what a sweep leaves that was killed early
    for arm in ("none", "batch", "none@0.1"):
        keep_only(arm, [0])
    ledger = open_ledger()
    assert ledger["T2"].word == "untested"
    assert "one value a seed is needed, 2 or more" in ledger["T2"].why
    assert ledger["T3"].word == "supported"  # an identity needs no second


def test_a_metric_that_the_run_does_not_have_breaks_nothing(recorded, toy, home):
    register = edited(home, 'metric = "max_error"', 'metric = "largest_error"')
    entry = open_ledger(register=register)["T3"]
    assert entry.word == "untested"
    assert "has no metric 'largest_error'" in entry.why


def test_an_altered_record_stops_the_ledger(recorded, toy):
    path = store.folder("toy", toy.ARMS["none@0.1"]) / "seed-001.csv"
    path.write_text(path.read_text().replace("0.8", "0.9"))
    with pytest.raises(store.RecordError, match="altered or cut"):
        words(open_ledger())


def test_a_deleted_seed_is_not_overlooked(recorded, toy):
    (store.folder("toy", toy.ARMS["none@0.1"]) / "seed-001.csv").unlink()
    with pytest.raises(store.RecordError, match="cannot be read"):
        words(open_ledger())


def test_an_entry_as_json_has_the_agreed_fields(recorded, toy):
    ledger = open_ledger()
    assert ledger["T2"].as_json() == {
        "id": "T2",
        "kind": "experiment",
        "chapter": "speed-and-accuracy",
        "verdict": "supported",
        "effect": pytest.approx(0.05),
        "low": pytest.approx(0.05),
        "high": pytest.approx(0.05),
        "n": 8,
    }
    nothing = dict.fromkeys(("effect", "low", "high", "n"))
    assert ledger["T4"].as_json() == {
        "id": "T4", "kind": "experiment", "chapter": "lipschitz", "verdict": "untested", **nothing,
    }  # fmt: skip
    assert ledger["T5"].as_json()["verdict"] == "editorial"


def test_the_verdict_rests_on_the_seeds_that_it_names(keep_only):
    keep_only("batch", [4, 2, 6])
    assert open_ledger()["T2"].seeds == (2, 4, 6)
    assert open_ledger()["T2"].verdict.n == 3


def test_verdicts_of_other_arms_do_not_move(recorded, toy):
    before = open_ledger()["T3"]
    change(toy, "batch", lambda row: row._replace(value=0.0))
    assert open_ledger()["T3"] == before
