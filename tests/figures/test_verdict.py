from types import SimpleNamespace

from bnkit.figures import verdict

CLAIM = SimpleNamespace(id="B1", claim="BN <helps>.", expected="supported", because="It should.")


def entry(found, late=()):
    return SimpleNamespace(
        claim=CLAIM, word="refuted" if found else "untested", verdict=found, rule_changed=True,
        why="no records yet", late_controls=late,
    )  # fmt: skip


def judged(parts=(), given=(), not_reached=()):
    return SimpleNamespace(
        unit="ratio", effect=1.1, low=1.04, high=1.28, n=10, what="steps: a against b",
        verdict="refuted", parts=parts, given=given, not_reached=not_reached,
    )  # fmt: skip


def test_a_card_says_claim_prediction_finding_and_what_it_holds_for():
    lines = verdict.Card(entry(judged()), {"widths": (100, 100), "num_steps": 50}).lines()
    assert [label for label, _ in lines] == ["Claim", "Predicted", "Found", "Holds for"]
    assert lines[2][1] == "ratio 1.1 [1.04, 1.28], n = 10; steps: a against b"
    assert lines[3][1] == "widths 100×100, num_steps 50"


def test_the_parts_of_a_finding_have_a_line_each():
    lines = verdict.Card(entry(judged(parts=[judged(), judged()])), {}).lines()
    assert [text for label, text in lines if not label] == [
        "steps: a against b: 1.1 [1.04, 1.28], refuted"
    ] * 2


def test_premises_and_runs_that_never_arrived_are_not_left_out():
    found = judged(given=[judged()], not_reached=(("none", 3),))
    lines = verdict.Card(entry(found), {}).lines()
    assert [text for label, text in lines if not label] == [
        "premise, steps: a against b: 1.1 [1.04, 1.28], refuted",
        "none: 3 of 10 did not arrive",
    ]


def test_an_untested_claim_says_what_is_missing():
    assert ("Found", "no records yet") in verdict.Card(entry(None), {}).lines()


def test_controls_that_are_younger_than_a_record_are_named():
    lines = verdict.Card(entry(judged(), late=("B1.cnn", "B1.same_rate")), {}).lines()
    assert ("Late controls", "B1.cnn, B1.same_rate: declared after a record that they use") in lines


def test_what_several_cards_hold_for_is_printed_once():
    one, other = {"num_steps": 50}, {"num_steps": 60}
    cards = verdict.Cards(
        [verdict.Card(entry(judged()), fixed) for fixed in (one, one, other, one)]
    )
    shown = [dict(card.lines())["Holds for"] for card in cards.cards]
    assert shown == ["num_steps 50", "the same as B1", "num_steps 60", "the same as B1"]


def test_a_card_escapes_its_text_and_says_that_a_rule_was_changed():
    html = verdict.Cards([verdict.Card(entry(judged()), {})])._repr_html_()
    assert "BN &lt;helps&gt;." in html
    assert "rule changed after the record" in html
    assert "bn-refuted" in html


def test_predictions_name_what_is_expected_and_why():
    html = verdict.Predictions([CLAIM])._repr_html_()
    assert "BN &lt;helps&gt;." in html
    assert "supported. It should." in html
