"""Dropout in front of the head at several rates, run for some steps on digits."""

from dataclasses import fields, replace

import pytest

from bnkit import claims, store
from bnkit.data import load
from bnkit.experiments import head_dropout
from bnkit.experiments.head_dropout import ARMS, HeadDropout, for_tuning, network, run
from bnkit.rows import Row

SHORT = {
    "data_set": "digits",
    "widths": (20, 20),
    "num_steps": 30,
    "rate": 0.3,
    "dropouts": (0.0, 0.2, 0.5),
}
SPEC = replace(ARMS["batch"].spec, **SHORT)
SEEDS = (3, 0)


@pytest.fixture(scope="module")
def rows():
    return run(SPEC, SEEDS)


def of(rows, seed):
    return {row.name: row.value for row in rows if row.seed == seed}


def test_a_seed_has_the_means_of_its_replicates(rows):
    for seed in SEEDS:
        halves = [of(run(for_tuning(SPEC), [own]), own) for own in (seed, seed + 10_000)]
        for name in ("test_accuracy@0", "validation_accuracy@0.5"):
            assert of(rows, seed)[name] == pytest.approx(sum(h[name] for h in halves) / 2)
        assert halves[0] != halves[1]


def test_the_best_rate_is_chosen_on_validation():
    def found(validation, test):
        rows = [
            Row(7, 30, f"{name}_accuracy@{d:g}", value, "fraction")
            for name, values in (("validation", validation), ("test", test))
            for d, value in zip(SPEC.dropouts, values, strict=True)
        ]
        return of(head_dropout._summary(SPEC, 7, rows), 7)

    chosen = found((0.5, 0.8, 0.7), (0.9, 0.6, 0.7))
    assert (chosen["best_dropout"], chosen["test_accuracy"]) == (0.2, 0.6)
    assert chosen["validation_accuracy"] == 0.8
    assert found((0.8, 0.8, 0.7), (0.9, 0.6, 0.7))["best_dropout"] == 0.0  # the lowest of two


def test_dropout_stands_in_front_of_the_head_alone():
    net = network(SPEC, load("digits"), 0.2, SEEDS)
    assert [getattr(dropout, "rate", 0.0) for dropout in net.dropouts] == [0.0, 0.2]
    none = network(SPEC, load("digits"), 0.0, SEEDS)
    assert not any(hasattr(dropout, "rate") for dropout in none.dropouts)


@pytest.mark.parametrize("arm", list(ARMS))
def test_a_seed_alone_gives_the_rows_that_it_has_in_a_stack(arm):
    spec = replace(ARMS[arm].spec, **SHORT)
    together = run(spec, SEEDS)
    for seed in SEEDS:
        assert [row for row in together if row.seed == seed] == run(spec, [seed])


def test_the_rows_have_what_the_rules_and_the_choice_of_a_rate_need(rows):
    names = set(of(rows, 0)) | {f"test_accuracy@{d:g}" for d in HeadDropout(norm="none").dropouts}
    assert of(rows, 0)["validation_accuracy"] > 0.3
    served = [c for c in claims.load().claims if c.experiment == "head_dropout"]
    assert {claim.id for claim in served} == {"Q2", "C6"}
    for claim in served:
        for rule in claim.rules.values():
            assert {operand.arm for operand in rule.operands} <= set(ARMS)
            assert {operand.metric for operand in rule.operands} <= names


def test_a_run_that_diverged_says_so_once_a_seed():
    spec = replace(SPEC, norm="none", rate=1e30)
    diverged = [row for row in run(spec, SEEDS) if row.name == "diverged"]
    assert [row.seed for row in diverged] == list(SEEDS)


def test_arms_differ_in_the_normalizer_alone():
    assert {replace(arm.spec, norm="none") for arm in ARMS.values()} == {HeadDropout(norm="none")}


def test_the_keys_are_pinned():
    # A key that moves orphans every record: change a default only together with the records.
    assert store.spec_key(ARMS["none"].spec) == "badd21a75d65"
    assert store.spec_key(for_tuning(ARMS["batch"].spec)) == "b57628c534ba"
    assert len(fields(HeadDropout)) == 10
