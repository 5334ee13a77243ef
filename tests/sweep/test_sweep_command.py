"""The command `sweep`: seeds as text, lists, tuning, and what it says at the end."""

from dataclasses import replace

import pytest

from bnkit import experiments, store
from bnkit.__main__ import main
from bnkit.errors import InputError
from bnkit.sweep.command import parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0-3", [0, 1, 2, 3]),
        ("7", [7]),
        ("0,3,5", [0, 3, 5]),
        ("0-2, 9 ,4-4", [0, 1, 2, 9, 4]),
        ("3,0-3", [3, 0, 1, 2]),
        ("9999", [9999]),
    ],
)
def test_seeds_as_text(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "-1", "1.5", "3-1", "1-", "0-9-9", "0,,1", "10000", "0-999999", "1e3", "٣-"]
)
def test_what_is_no_seed_is_named(text):
    with pytest.raises(InputError, match="give whole numbers") as caught:
        parse_seeds(text)
    assert repr(text) in str(caught.value)


def sweep(capsys, *arguments):
    assert main(["sweep", *arguments]) == 0
    return capsys.readouterr().out


def test_without_an_experiment_the_names_are_listed(home, capsys):
    assert sweep(capsys).split() == experiments.names()
    assert "toy" in experiments.names()


def test_tune_run_and_list(records, toy, capsys):
    arms = ("--arms", "none,batch,none@0.1", "--workers", "1")
    out = sweep(capsys, "toy", *arms, "--list")
    assert "no rate is tuned" in out.splitlines()[0]

    out = sweep(capsys, "toy", *arms, "--tune", "--seeds", "0-2")
    assert "tuned: Toy(norm='none', rate=0.3" in out
    assert "tuned: Toy(norm='batch', rate=3.0" in out
    assert out.splitlines()[-1] == "toy: 9 seeds run, 0 are left"

    line = sweep(capsys, "toy", *arms, "--list").splitlines()[0].split(maxsplit=2)
    assert line == [
        "none",
        store.spec_key(replace(toy.PLAIN, rate=0.3)),
        "6 seeds: [0, 1, 2, 1000, 1001, 1002]",
    ]

    out = sweep(capsys, "toy", *arms, "--seeds", "0-2")
    assert out == "toy: 0 seeds run, 0 are left\n"


def test_an_arm_at_the_rate_of_another_tunes_the_other(records, toy, capsys):
    out = sweep(capsys, "toy", "--arms", "batch@none", "--tune", "--seeds", "0", "--workers", "1")
    assert out.splitlines()[0].startswith("tuned: Toy(norm='none', rate=0.3")
    assert store.recorded_seeds("toy", replace(toy.BATCH, rate=0.3)) == [0]


def test_tuning_arms_of_fixed_rates_just_runs_them(records, toy, capsys, monkeypatch):
    monkeypatch.delattr(toy, "RATES")
    out = sweep(capsys, "toy", "--arms", "none@0.1", "--tune", "--seeds", "0", "--workers", "1")
    assert out == "toy: 1 seeds run, 0 are left\n"


def test_a_borrowed_arm_is_recorded_where_its_own_experiment_keeps_it(records, toy, borrower):
    assert main(["sweep", "borrower", "--seeds", "0-1", "--workers", "1"]) == 0
    assert store.recorded_seeds("toy", toy.ARMS["none@0.1"]) == [0, 1]
    assert not list(records.glob("borrower/*/seed-*.csv"))


def test_a_budget_that_is_spent_leaves_the_rest_to_the_next_call(records, toy, capsys):
    arguments = ["sweep", "toy", "--arms", "none", "--seeds", "0-2", "--workers", "1", "--tune"]
    assert main([*arguments, "--seconds", "1e-9"]) == 0
    assert "runs of the tuning are left; call again" in capsys.readouterr().out
    assert main([*arguments, "--seconds", "60", "--seed-seconds", "90"]) == 0
    assert "runs of the tuning are left; call again" in capsys.readouterr().out
    assert main([*arguments, "--seconds", "60"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "toy: 3 seeds run, 0 are left"


def test_a_budget_of_nothing_is_refused(records, toy, capsys):
    assert main(["sweep", "toy", "--seconds", "0"]) == 2
    assert "--seconds 0: give a number above 0" in capsys.readouterr().err
    assert main(["sweep", "toy", "--seed-seconds", "-1"]) == 2
    assert "--seed-seconds -1: give a number from 0" in capsys.readouterr().err
